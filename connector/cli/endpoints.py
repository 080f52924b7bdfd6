"""The command that shows which tables there are, and drafts more."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from connector.words import count_of


@click.command(short_help="List the tables, or one table's columns.")
@click.argument("name", required=False)
@click.option("--definitions", multiple=True, type=click.Path(), metavar="FOLDER", help="A folder of your own files.")
@click.option(
    "--draft", "drafts", multiple=True, metavar="NAME=PATH", help="Write the file of a new table; again for more."
)
@click.option("--into", type=click.Path(file_okay=False), metavar="FOLDER", help="Where drafts go. [my_tables]")
def endpoints(name: str | None, definitions: tuple[str, ...], drafts: tuple[str, ...], into: str | None) -> None:
    """List the tables that can be read, or one table's columns, filters and actions, or one action's parameters.

    A word that is no table lists those that have it in their name, description, group or columns.

    \b
    connector endpoints
    connector endpoints tax
    connector endpoints invoices
    connector endpoints invoices.pay
    connector endpoints --draft my_topups=/v1/topups --into my_tables
    """
    from connector.cli.show import show_action, show_actions, show_endpoint, show_endpoints, show_written_only
    from connector.definitions.folders import find_actions, find_endpoints
    from connector.definitions.readings import about

    if into is not None and not drafts:
        raise click.UsageError("--into is where --draft writes.")
    if drafts:
        _draft(drafts, Path(into or "my_tables"), definitions)
        return
    known, actions = find_endpoints(definitions), find_actions(definitions)
    if name is None:
        show_endpoints(map(known.__getitem__, known))
        show_written_only(actions, known)
        return
    if name not in known and (near := about(known, name)):
        show_endpoints(near)
        return
    table, _, action = name.partition(".")
    if action:
        show_action(actions.find(table, action))
        return
    if table in known or table not in actions:
        show_endpoint(known[table])
    if table in actions:
        show_actions(actions[table].values())


def _draft(drafts: Sequence[str], folder: Path, definitions: Sequence[str]) -> None:
    """Write one file for each NAME=PATH; the later ones may be children of the earlier."""
    from connector.definitions.draft import draft
    from connector.definitions.endpoint import Endpoints
    from connector.installation import command

    for text in drafts:
        name, _, path = text.partition("=")
        if not (name.strip() and path.strip()):
            raise click.UsageError(f"--draft {text}: write it as NAME=PATH, as in my_topups=/v1/topups.")
        known = Endpoints([folder, *map(Path, definitions)])
        endpoint = draft(name.strip(), path.strip(), folder, known)
        click.echo(f"{endpoint.file}: {count_of(len(endpoint.columns), 'column')}, from {endpoint.path}")
        click.echo(f"  {command(f'extract {endpoint.name} --definitions {folder}')}")
