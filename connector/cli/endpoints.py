"""The command that shows which tables there are."""

from __future__ import annotations

import click


@click.command(short_help="List the tables, or one table's columns.")
@click.argument("name", required=False)
@click.option("--definitions", multiple=True, type=click.Path(), metavar="FOLDER", help="A folder of your own files.")
def endpoints(name: str | None, definitions: tuple[str, ...]) -> None:
    """List the tables that can be read, or one table's columns, filters and actions, or one action's parameters.

    \b
    connector endpoints
    connector endpoints invoices
    connector endpoints invoices.pay
    """
    from connector.cli.show import show_action, show_actions, show_endpoint, show_endpoints
    from connector.stripe import find_actions, find_endpoints

    known, actions = find_endpoints(definitions), find_actions(definitions)
    if name is None:
        show_endpoints(known, actions)
        return
    table, _, action = name.partition(".")
    if action:
        show_action(actions.find(table, action))
        return
    if table in known or table not in actions:
        show_endpoint(known[table])
    if table in actions:
        show_actions(actions[table].values())
