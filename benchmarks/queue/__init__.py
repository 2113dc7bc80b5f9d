"""What a store call costs its caller, indexing behind its back or in its own time (``--help`` for more)."""
