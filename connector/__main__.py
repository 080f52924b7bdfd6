"""python -m connector: the command line, where the `connector` command is not on the path."""

from connector.cli.app import main

main()
