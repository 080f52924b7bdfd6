"""Rows and tables on a terminal: as much as fits, control characters made visible, numbers to the right."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Literal, TextIO

if TYPE_CHECKING:
    import pyarrow as pa
    from rich.console import Console

    from connector.dates import Meaning
    from connector.definitions.endpoint import Column, Endpoint, Endpoints, Filter
    from connector.sync.forecast import Forecast
    from connector.sync.journal import Run

_WIDEST_CELL = 40
_PADDING = 3  # what a table spends on each column beside its text


def console(stream: TextIO | None = None) -> Console:
    """Return a console on a stream (stdout by default) that takes text as it is."""
    from rich.console import Console

    return Console(file=stream or sys.stdout, markup=False, highlight=False, emoji=False, soft_wrap=False)


def table(headers: Sequence[str], rows: Sequence[Sequence[object]], numbers: Sequence[int] = ()) -> None:
    """Print rows under headers on stdout; the columns in `numbers` stand to the right."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    drawn, texts = Table(box=box.SIMPLE_HEAD, pad_edge=False), [[cell(value) for value in row] for row in rows]
    for position, header in enumerate(headers):
        side: Literal["right", "left"] = "right" if position in numbers else "left"
        widest = max((len(row[position]) for row in texts), default=0) if position in numbers else None
        # Where there is little room, names and numbers stay whole, and headers and sentences are folded.
        drawn.add_column(header, justify=side, overflow="fold", no_wrap=position == 0, min_width=widest)
    for row in texts:
        drawn.add_row(*map(Text, row))
    console().print(drawn)


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


def show_endpoints(endpoints: Endpoints) -> None:
    """Print every table with its size and what it is."""
    rows = [(each.name, len(each.columns), each.description) for each in map(endpoints.__getitem__, endpoints)]
    table(["endpoint", "columns", ""], rows, numbers=[1])


def show_endpoint(endpoint: Endpoint) -> None:
    """Print one table: what it is, what Stripe narrows by, its columns and where they come from."""
    say = console().print
    say(f"{endpoint.name}: {endpoint.description}")
    say(f"{endpoint.path}   {endpoint.docs}", style="dim")
    say(f"key: {', '.join(endpoint.primary_key)}", style="dim")
    if endpoint.parents:
        say(f"read for each of: {', '.join(parent.table for parent in endpoint.parents)}", style="dim")
    filters = [(each.name, _comparisons(each), ", ".join(each.values)) for each in endpoint.filters.values()]
    if filters:
        say("\nStripe narrows by these; conditions on any other column are decided here, after reading.")
        table(["filter", "takes", "values"], filters)
    rows = [(each.name, each.type, _from(endpoint, each)) for each in endpoint.columns]
    table(["column", "type", "in Stripe"], rows)


def show_dates(meanings: Sequence[Meaning], time_zone: str) -> None:
    """Print what each comparison with a token covers, in the zone and in UTC."""
    if time_zone.upper() != "UTC":
        table(
            [time_zone, "from", "before"], [(each.comparison, each.local_from, each.local_before) for each in meanings]
        )
    table(["UTC", "from", "before"], [(each.comparison, each.utc_from, each.utc_before) for each in meanings])


def show_sync(runs: Sequence[Run], *, when: bool = False) -> None:
    """Print what became of each endpoint of a sync, and how long it took, or when its run began.

    Where runs are of several accounts, the endpoint's name is followed by the account's.
    """
    several = len({run.account for run in runs}) > 1
    counts = ("rows_read", "inserted", "updated", "unchanged", "deleted")
    headers = ["", "read", "new", "changed", "unchanged", "deleted", "began" if when else "s", ""]
    rows = [
        (
            f"{run.endpoint} of {run.account}" if several else run.endpoint,
            *(f"{getattr(run, name):,}" for name in counts),
            _ago(time.time() - run.started_at) if when else f"{run.seconds:.1f}",
            "" if run.status == "succeeded" else run.status,
        )
        for run in runs
    ]
    table(headers, rows, numbers=range(1, len(headers) - 1))
    for run in runs:
        if run.error:
            console(sys.stderr).print(f"{run.endpoint}: {run.error}", soft_wrap=True)


def _ago(seconds: float) -> str:
    for name, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length:,.0f} {name} ago"
    return "now"


def show_forecasts(forecasts: Iterable[Forecast]) -> None:
    """Print what a sync would read: what it asks of Stripe, how many rows that is, and how this is known."""
    rows = [
        (
            each.task.name,
            ", ".join(map(str, each.task.conditions)) or "everything",
            "" if each.rows is None else f"{each.rows:,}",
            each.basis,
        )
        for each in forecasts
    ]
    table(["endpoint", "reads", "rows", ""], rows, numbers=[2])


def _comparisons(given: Filter) -> str:
    return "= < <= > >=" if given.kind == "range" else "="


def _from(endpoint: Endpoint, column: Column) -> str:
    return ".".join(column.path) or ("which list it stood in" if endpoint.rows else "the parent's id")
