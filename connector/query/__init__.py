"""The verb query: one SELECT over the tables of the definitions → only the calls that it needs → its rows."""
