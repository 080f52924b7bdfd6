"""Writes what is made from the code: docs/commands.md, docs/endpoints.md, the table of docs/targets.md, README's demo.

python docs/reference.py            # write them
python docs/reference.py --check    # fail when they are not what the code says
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from connector.cli.app import commands
from connector.databases.families import FAMILIES, Family
from connector.definitions.endpoint import Endpoint, Endpoints
from connector.definitions.parts import Parent
from connector.definitions.readings import READINGS, reading_of
from connector.files.formats import FORMATS

FOLDER = Path(__file__).parent
README = FOLDER.parent / "README.md"
TARGETS = FOLDER / "targets.md"
DEMO_NOW = 1793534400  # 2026-11-01T12:00:00Z
_DEMO = "```text\n$ uv run connector demo\n"
_MADE = "<!-- Made by docs/reference.py; change the code, then run it again. -->\n\n"


def main(arguments: list[str]) -> int:
    """Write all pages, or say which of them is out of date."""
    made = {file: make() for file, make in pages().items()}
    stale = {file: text for file, text in made.items() if not file.exists() or file.read_text("utf-8") != text}
    for file, text in stale.items():
        if "--check" not in arguments:
            file.write_text(text, encoding="utf-8", newline="\n")
        print(f"{file.name} {'is out of date' if '--check' in arguments else 'written'}")  # noqa: T201
    return 1 if stale and "--check" in arguments else 0


def pages() -> dict[Path, Callable[[], str]]:
    """Return what makes the text of each made page."""
    return {
        FOLDER / "commands.md": _commands,
        FOLDER / "endpoints.md": _endpoints,
        FOLDER / "outputs.md": _outputs,
        TARGETS: _targets,
        README: lambda: readme(_demo()),
    }


def _outputs() -> str:
    """Return the page of outputs with the names of files that mean each format, as they are in the code."""
    text = (FOLDER / "outputs.md").read_text(encoding="utf-8")
    names = [", ".join(f"`{suffix}`" for suffix in form.suffixes) for form in FORMATS.values()]
    row = f"| name | {' | '.join(names)} | `.duckdb`, `duckdb:///…` |"
    return re.sub(r"(?m)^\| name \|.*$", row, text)


def _targets() -> str:
    """Return the page on targets with the table of the families of databases."""
    begin, end = "<!-- The families, by docs/reference.py -->\n", "| others |"
    before, _, rest = TARGETS.read_text(encoding="utf-8").partition(begin)
    table = "| database | is written | needs | run against |\n|---|---|---|---|\n"
    return before + begin + table + "".join(map(_family, FAMILIES)) + end + rest.partition(end)[2]


def _family(family: Family) -> str:
    if not family.address:
        return ""
    written = [*(f"`stripe{suffix}`" for suffix in family.suffixes), f"`{family.address}`"]
    written += [f"`{scheme}://`" for scheme in family.schemes[1:]]
    needs = f"`{family.install}`" if family.install else "nothing more"
    return f"| {family.name} | {', '.join(written)} | {needs} | {family.tried_on} |\n"


def readme(printed: str) -> str:
    """Return the README with what the demo has printed, up to where it says what comes next."""
    shown = printed.partition("\nEverything is in ")[0]
    lines = "\n".join(line.rstrip() for line in shown.splitlines() if line.strip())
    text = README.read_text(encoding="utf-8")
    begin, end = text.index(_DEMO) + len(_DEMO), text.index("\n```\n", text.index(_DEMO))
    return text[:begin] + lines + text[end:]


def _demo() -> str:
    from connector.cli.demo import show_demo

    os.environ["COLUMNS"] = "80"
    printed = io.StringIO()
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.chdir(folder),
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        show_demo(now=DEMO_NOW)
    return printed.getvalue()


def _commands() -> str:
    text = _MADE + "# Commands\n\nWhat `--help` says, command by command.\n"
    group = commands.make_context("connector", ["demo"])
    for name, command in commands.commands.items():
        with click.Context(command, group, info_name=name, max_content_width=100, terminal_width=100) as context:
            text += f"\n## {name}\n\n```text\n{command.get_help(context)}\n```\n"
    return text


def _endpoints() -> str:
    endpoints = Endpoints()
    every = [endpoints[name] for name in endpoints]
    text = (
        _MADE + "# Endpoints\n\nThe tables that come with the connector: every list of Stripe's API, and the objects "
    )
    text += "that it only gives one at a time. `connector endpoints NAME` shows one, `connector endpoints WORD` those "
    text += "about something.\n\n| read | what that means |\n|---|---|\n"
    text += "".join(f"| {word} | {meaning} |\n" for word, meaning in READINGS.items())
    for group in sorted({each.group for each in every}):
        text += (
            f"\n**{group.replace('_', ' ')}**\n\n| table | what it holds | read | columns | key | Stripe narrows by |\n"
        )
        text += "|---|---|---|---:|---|---|\n"
        text += "".join(_row(each) for each in every if each.group == group)
    return text + "".join("".join(_endpoint(each)) for each in every)


def _row(endpoint: Endpoint) -> str:
    filters = ", ".join(f"`{name}`" for name in endpoint.filters) or "–"
    key = ", ".join(f"`{name}`" for name in endpoint.primary_key)
    name = f"[{endpoint.name}](#{endpoint.name})"
    cells = (name, endpoint.description, reading_of(endpoint), str(len(endpoint.columns)), key, filters)
    return f"| {' | '.join(cells)} |\n"


def _endpoint(endpoint: Endpoint) -> Iterator[str]:
    yield f"\n## {endpoint.name}\n\n{endpoint.description} [Stripe's page]({endpoint.docs})\n\n"
    yield f"Read from `{'POST ' * (endpoint.method == 'POST')}{endpoint.path or endpoint.retrieve}`"
    if endpoint.parents:
        parents = " and ".join(map(_parent, endpoint.parents))
        how = ", whose records hold its beginning" if endpoint.embedded else ""
        yield f", once for each of {parents}{how}"
    yield ".\n"
    if endpoint.by_name:
        yield f"\nA sync of everything leaves it out, since it takes {endpoint.by_name}: name it.\n"
    if endpoint.window:
        yield f"\nNeeds a time window: `{endpoint.window.column}` bounded at both ends.\n"
    example = f"connector extract {endpoint.name} {_conditions(endpoint)}--to {endpoint.name}.csv"
    yield f"\n```sh\n{example}\n```\n\nColumns: "
    yield ", ".join(f"`{column.name}` {column.type_word}" for column in endpoint.columns) + ".\n"


def _parent(parent: Parent) -> str:
    conditions = " and ".join(
        f"`{name}` is {' or '.join(map(json.dumps, values))}" for name, values in parent.where.items()
    )
    return f"[{parent.table}](#{parent.table})" + (f" where {conditions}" if conditions else "")


def _conditions(endpoint: Endpoint) -> str:
    if endpoint.window:
        column = endpoint.window.column
        return f"--where '{column}>=monthstart-1m' --where '{column}<monthstart' "
    if not endpoint.path:
        return "--where id=ID "
    asked = next((each for each in endpoint.filters.values() if each.required), None)
    if asked:
        return f"--where {asked.name}={asked.values[0] if asked.values else 'ID'} "
    order = endpoint.filter_for(endpoint.order) if endpoint.order else None
    return f"--where '{order.name}>=monthstart-1m' " if order and order.kind == "range" else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
