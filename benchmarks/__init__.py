"""Measurements of Engram against the libraries people would otherwise use; see docs/benchmarks.md."""
