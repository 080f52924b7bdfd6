"""Row formats, read and written, and files as targets."""
