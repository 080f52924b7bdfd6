"""What every write works with: the write itself, its events, its register, and what falls due."""
