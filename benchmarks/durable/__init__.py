"""Durable vector stores side by side (``python -m benchmarks.durable --help``)."""
