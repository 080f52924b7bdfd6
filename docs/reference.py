"""Writes the pages that are made from the code: docs/commands.md and docs/endpoints.md.

python docs/reference.py            # write them
python docs/reference.py --check    # fail when they are not what the code says
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from connector.cli import commands
from connector.endpoint import Endpoint, Endpoints

FOLDER = Path(__file__).parent
_MADE = "<!-- Made by docs/reference.py; change the code, then run it again. -->\n\n"


def main(arguments: list[str]) -> int:
    """Write both pages, or say which of them is out of date."""
    stale = [name for name, text in pages().items() if _read(name) != text]
    for name in stale:
        if "--check" not in arguments:
            (FOLDER / name).write_text(pages()[name], encoding="utf-8", newline="\n")
        print(f"docs/{name} {'is out of date' if '--check' in arguments else 'written'}")  # noqa: T201
    return 1 if stale and "--check" in arguments else 0


def pages() -> dict[str, str]:
    """Return the text of every made page by its file name."""
    return {"commands.md": _commands(), "endpoints.md": _endpoints()}


def _read(name: str) -> str:
    file = FOLDER / name
    return file.read_text(encoding="utf-8") if file.exists() else ""


def _commands() -> str:
    text = _MADE + "# Commands\n\nWhat `--help` says, command by command.\n"
    for name, command in commands.commands.items():
        with click.Context(
            command, info_name=f"connector {name}", max_content_width=100, terminal_width=100
        ) as context:
            text += f"\n## {name}\n\n```text\n{command.get_help(context)}\n```\n"
    return text


def _endpoints() -> str:
    endpoints = Endpoints()
    every = [endpoints[name] for name in endpoints]
    text = _MADE + "# Endpoints\n\nThe tables that come with the connector; `connector endpoints NAME` shows one.\n\n"
    text += "| table | what it holds | columns | key | Stripe narrows by |\n|---|---|---:|---|---|\n"
    for each in every:
        filters = ", ".join(f"`{name}`" for name in each.filters) or "–"
        key = ", ".join(f"`{name}`" for name in each.primary_key)
        text += f"| [{each.name}](#{each.name}) | {each.description} | {len(each.columns)} | {key} | {filters} |\n"
    return text + "".join("".join(_endpoint(each)) for each in every)


def _endpoint(endpoint: Endpoint) -> Iterator[str]:
    yield f"\n## {endpoint.name}\n\n{endpoint.description} [Stripe's page]({endpoint.docs})\n\n"
    yield f"Read from `{endpoint.path}`"
    if endpoint.parents:
        parents = " and ".join(f"[{parent.table}](#{parent.table})" for parent in endpoint.parents)
        how = ", whose records hold its beginning" if endpoint.embedded else ""
        yield f", once for each of {parents}{how}"
    yield ".\n"
    if endpoint.window:
        yield f"\nNeeds a time window: `{endpoint.window.column}` bounded at both ends.\n"
    example = f"connector extract {endpoint.name} {_conditions(endpoint)}--to {endpoint.name}.csv"
    yield f"\n```sh\n{example}\n```\n\nColumns: "
    yield ", ".join(f"`{column.name}` {column.type}" for column in endpoint.columns) + ".\n"


def _conditions(endpoint: Endpoint) -> str:
    if endpoint.window:
        column = endpoint.window.column
        return f"--where '{column}>=monthstart-1m' --where '{column}<monthstart' "
    given = next((each for each in endpoint.filters.values() if each.kind == "range"), None)
    return f"--where '{given.name}>=monthstart-1m' " if given else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
