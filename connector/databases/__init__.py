"""Databases that rows are merged into and read from: a room a family."""
