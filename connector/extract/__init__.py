"""The verb extract: one endpoint and some conditions → its rows."""
