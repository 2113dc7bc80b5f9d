"""What the three tiers cost and bring: recall, latency, memory, disk, and a simulated month."""
