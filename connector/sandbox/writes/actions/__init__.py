"""The writes of each kind of object: one module for what belongs together."""
