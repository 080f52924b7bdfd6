"""The calls that read: lists, searches, one object by id."""
