"""The verb load: any source → a table of a database, or a file."""
