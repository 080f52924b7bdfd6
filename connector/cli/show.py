"""Rows and tables on a terminal: as much as fits, control characters made visible, numbers to the right."""

from __future__ import annotations

import sys
import time
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Literal, TextIO

from connector.definitions.names import column_name

if TYPE_CHECKING:
    import pyarrow as pa
    from rich.console import Console

    from connector.dates import Meaning
    from connector.definitions.actions import Action, Actions, Parameter
    from connector.definitions.endpoint import Endpoint, Endpoints
    from connector.definitions.parts import Column, Filter
    from connector.sync.forecast import Forecast
    from connector.sync.journal import Run

_WIDEST_CELL = 40
_PADDING = 2  # what a table spends on each column beside its text


def console(stream: TextIO | None = None) -> Console:
    """Return a console on a stream (stdout by default) that takes text as it is."""
    from rich.console import Console

    return Console(file=stream or sys.stdout, markup=False, highlight=False, emoji=False, soft_wrap=False)


def table(headers: Sequence[str], rows: Sequence[Sequence[object]], numbers: Sequence[int] = ()) -> None:
    """Print rows under headers on stdout; the columns in `numbers` stand to the right.

    Sentences are folded between words; no word or number is broken, even where the table then is wider than the
    terminal.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    drawn, texts = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0)), [list(map(cell, r)) for r in rows]
    columns = [[header, *(row[position] for row in texts)] for position, header in enumerate(headers)]
    are_whole = [position == 0 or position in numbers for position in range(len(headers))]
    screen = console()
    widths = _widths(columns, are_whole, screen.width - _PADDING * len(headers))
    for position, header in enumerate(headers):
        side: Literal["right", "left"] = "right" if position in numbers else "left"
        drawn.add_column(header, justify=side, no_wrap=are_whole[position], width=widths[position])
    for row in texts:
        drawn.add_row(*map(Text, row))
    screen.width = max(screen.width, sum(widths) + _PADDING * len(headers))
    with screen.capture() as printed:
        screen.print(drawn)
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in printed.get().splitlines()))


def _widths(columns: Sequence[Sequence[str]], are_whole: Sequence[bool], room: int) -> list[int]:
    """Return how wide columns are drawn: as they are, else the widest that may be folded less, down to their words."""
    widths = [max(map(len, column)) for column in columns]
    longest_words = [max((len(word) for text in column for word in text.split()), default=0) for column in columns]
    least = [width if whole else word for width, whole, word in zip(widths, are_whole, longest_words, strict=True)]
    while sum(widths) > room and widths != least:
        widest = max((at for at in range(len(widths)) if widths[at] > least[at]), key=widths.__getitem__)
        widths[widest] -= 1
    return widths


def preview(rows: pa.Table, title: str, width: int | None = None) -> int:
    """Print as many columns of a few rows as fit, those with nothing in them left out; return how many are not shown.

    The first column is always shown.
    """
    import pyarrow as pa

    room = width or console().width
    shown: list[int] = []
    texts: dict[int, list[str]] = {}
    for position, column in enumerate(rows.columns):
        if column.null_count == len(column) and shown:
            continue
        texts[position] = [_shortened(cell(value)) for value in column.to_pylist()]
        wide = max(len(text) for text in [rows.schema.names[position], *texts[position]]) + _PADDING
        if wide > room and shown:
            break
        shown.append(position)
        room -= wide
    numbers = [place for place, position in enumerate(shown) if pa.types.is_integer(rows.schema.types[position])]
    console().print(title)
    table([rows.schema.names[i] for i in shown], list(zip(*(texts[i] for i in shown), strict=True)), numbers)
    return len(rows.columns) - len(shown)


def cell(value: object) -> str:
    """Return a value as a person reads it; what a terminal would act upon is made visible."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    if isinstance(value, date):
        return value.isoformat()
    return "".join(_visible(character) for character in _text(value))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else str(value)


def _visible(character: str) -> str:
    if character.isprintable():
        return character
    return {"\n": "⏎", "\r": "⏎", "\t": " "}.get(character, "�")


def _shortened(text: str) -> str:
    return text if len(text) <= _WIDEST_CELL else text[: _WIDEST_CELL - 1] + "…"


def show_endpoints(endpoints: Iterable[Endpoint]) -> None:
    """Print tables by group: what each is, and how it is read."""
    from connector.definitions.readings import reading_of

    groups: dict[str, list[Endpoint]] = {}
    for endpoint in endpoints:
        groups.setdefault(endpoint.group or "your own", []).append(endpoint)
    for group, members in sorted(groups.items()):
        console().print(f"\n{group.replace('_', ' ')}", style="bold")
        table(
            ["endpoint", "read", ""],
            [(endpoint.name, reading_of(endpoint), endpoint.description) for endpoint in members],
        )


def show_written_only(actions: Actions, endpoints: Endpoints) -> None:
    """Print what can be written though it has no table."""
    others = [name for name in actions if name not in endpoints]
    console().print("\nCan be written, not read: " + ", ".join(others))


def show_actions(actions: Iterable[Action]) -> None:
    """Print what can be done to an object, and what each action needs before it is sent."""
    table(["action", "--allow", ""], [(action.name, ", ".join(action.needs), action.why) for action in actions])


def show_action(action: Action) -> None:
    """Print one action: what it calls, what it needs, its parameters."""
    say = console().print
    say(f"{action.full_name}: {action.method} {action.path}")
    if action.needs:
        why = action.why or "nobody has decided yet what it does"
        say(f"needs --allow {','.join(action.needs)}: {why}", style="dim")
    if action.ids:
        say(f"takes {', '.join(action.ids)} beside these", style="dim")
    table(["parameter", "type", "", "values"], [_described(parameter) for parameter in action.parameters.values()])


def _described(parameter: Parameter) -> tuple[str, str, str, str]:
    marks = {"required": parameter.required, "clearable": parameter.clearable}
    marks |= {f"needs {word}": True for word in parameter.needs}
    words = ", ".join(word for word, is_so in marks.items() if is_so)
    kind = f"list of {parameter.type}" if parameter.many else parameter.type
    return parameter.path, kind, words, ", ".join(parameter.enum or parameter.values)


def show_endpoint(endpoint: Endpoint) -> None:
    """Print one table: what it is, what Stripe narrows by, its columns; where one comes from, if its name hides it."""
    say = console().print
    say(f"{endpoint.name}: {endpoint.description}")
    for where in filter(None, (endpoint.path, endpoint.docs)):
        say(where, style="dim", soft_wrap=True)
    say(f"key: {', '.join(endpoint.primary_key) or 'none'}", style="dim")
    if endpoint.parents:
        by_post = " by POST" * (endpoint.method == "POST")
        say(f"read{by_post} for each of: {', '.join(parent.table for parent in endpoint.parents)}", style="dim")
    if endpoint.by_name:
        say(f"without a condition {endpoint.by_name}", style="dim")
    filters = [(field.name, _comparisons(field), ", ".join(field.values)) for field in endpoint.filters.values()]
    if filters:
        say("\nStripe narrows by these; conditions on any other column are decided here, after reading.\n")
        table(["filter", "takes", "values"], filters)
    say()
    table(["column", "type"], [(column.name, column.type_word) for column in endpoint.columns])
    hidden = [f"{column.name} is {_origin(endpoint, column)}" for column in endpoint.columns if not _is_plain(column)]
    say("\n" + "\n".join([*_nested(endpoint), *hidden]), soft_wrap=True)


def _is_plain(column: Column) -> bool:
    """Say whether the column's name tells where it comes from."""
    return column_name(".".join(column.path)) == column.name


def _nested(endpoint: Endpoint) -> list[str]:
    plain = next((column for column in endpoint.columns if len(column.path) > 1 and _is_plain(column)), None)
    return [f"Fields inside others are joined by _: {plain.name} is {'.'.join(plain.path)} in Stripe."] if plain else []


def show_dates(meanings: Sequence[Meaning], time_zone: str) -> None:
    """Print what each comparison with a token covers, in the zone and in UTC."""
    if time_zone.upper() != "UTC":
        table(
            [time_zone, "from", "before"],
            [(meaning.comparison, meaning.local_from, meaning.local_before) for meaning in meanings],
        )
    table(
        ["UTC", "from", "before"], [(meaning.comparison, meaning.utc_from, meaning.utc_before) for meaning in meanings]
    )


def show_sync(runs: Sequence[Run], *, when: bool = False) -> None:
    """Print what became of each endpoint of a sync, and how long it took, or when its run began; a table an account."""
    accounts = list(dict.fromkeys(run.account for run in runs))
    for account in accounts:
        if len(accounts) > 1:
            console().print(account or "account not known")
        _show_runs([run for run in runs if run.account == account], when=when)


def _show_runs(runs: Sequence[Run], *, when: bool) -> None:
    from connector.sync.report import name_of

    counts = ("rows_read", "inserted", "updated", "unchanged", "deleted")
    headers = ["endpoint", "read", "new", "changed", "unchanged", "deleted", "began" if when else "s"]
    rows = [
        [
            name_of(run),
            *(f"{getattr(run, name):,}" for name in counts),
            _ago(time.time() - run.started_at) if when else f"{run.seconds:.1f}",
            "" if run.status == "succeeded" else run.status,
        ]
        for run in runs
    ]
    numbers = range(1, len(headers))
    if any(run.status != "succeeded" for run in runs):
        headers.append("")
    table(headers, [row[: len(headers)] for row in rows], numbers)


def _ago(seconds: float) -> str:
    for name, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length:,.0f} {name} ago"
    return "now"


def show_forecasts(forecasts: Iterable[Forecast]) -> None:
    """Print what a sync would read: what it asks of Stripe, how many rows that is, and how this is known."""
    forecasts = list(forecasts)
    narrowed = {forecast.task.name for forecast in forecasts if forecast.full_requests is not None}
    rows = [
        (
            forecast.task.name,
            _reads(forecast, narrowed),
            "" if forecast.rows is None else f"{forecast.rows:,}",
            forecast.basis,
            "" if forecast.full_requests is None else f"{forecast.full_requests:,}",
        )
        for forecast in forecasts
    ]
    heads, narrow = ["endpoint", "reads", "rows", "", "requests in full"], any(row[-1] for row in rows)
    table(heads if narrow else heads[:-1], [row if narrow else row[:-1] for row in rows], numbers=[2, 4])


def _reads(forecast: Forecast, narrowed: Collection[str]) -> str:
    """Return what is read of an endpoint; `narrowed` are those of which only what is new or has changed is."""
    words = [str(condition) for condition in forecast.task.conditions]
    parents = [parent.table for parent in forecast.task.endpoint.parents]
    words += ["new and changed"] * (forecast.task.name in narrowed)
    words += [f"with those of {name}" for name in parents if name in narrowed]
    return ", ".join(words) or "everything"


def _comparisons(field: Filter) -> str:
    return "= < <= > >=" if field.kind == "range" else "="


def _origin(endpoint: Endpoint, column: Column) -> str:
    if column.path:
        return f"{'.'.join(column.path)} in Stripe."
    return "the list that a row stood in." if endpoint.rows else "the id of the object that the row was read for."
