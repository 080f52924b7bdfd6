"""The command line: one command per verb. It parses, calls and prints; what is done is done elsewhere."""

from connector.cli.app import commands, main, run

__all__ = ["commands", "main", "run"]
