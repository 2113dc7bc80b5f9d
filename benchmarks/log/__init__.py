"""What the log gives beside what the disk, and the fastest rivals, give (``--help`` for more)."""
