"""Vector indexes side by side: recall, speed, memory, build time (``python -m benchmarks.ann --help``)."""
