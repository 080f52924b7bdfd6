"""The calls that change something, and what happens by itself as time passes."""
