"""Costs of the smallest parts, timed natively (``make bench-native``)."""
