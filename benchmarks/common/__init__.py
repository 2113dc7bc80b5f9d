"""What every harness shares: worker processes, the description of the machine, numbers of a process."""
