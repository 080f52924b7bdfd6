"""The command that shows which tables there are."""

from __future__ import annotations

import click


@click.command(short_help="List the tables, or one table's columns.")
@click.argument("name", required=False)
@click.option("--definitions", multiple=True, type=click.Path(), metavar="FOLDER", help="A folder of your own files.")
def endpoints(name: str | None, definitions: tuple[str, ...]) -> None:
    """List the tables that can be read, or one table's columns and filters.

    \b
    connector endpoints
    connector endpoints invoices
    """
    from connector.cli.show import show_endpoint, show_endpoints
    from connector.stripe import find_endpoints

    known = find_endpoints(definitions)
    if name is None:
        show_endpoints(known)
    else:
        show_endpoint(known[name])
