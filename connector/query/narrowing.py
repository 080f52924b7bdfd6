"""What is sent: the comparisons of a place as conditions of extract, their constants worked out by DuckDB.

A condition may admit more than its comparison, never less: bounds of a time are widened to whole seconds, and what
would not compare in SQL as Stripe compares (a number against a text) is not sent.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlglot import exp

from connector.api.pages import Selection
from connector.dates import Calendar
from connector.definitions.endpoint import Column, Endpoint, Filter
from connector.errors import ConditionError, did_you_mean
from connector.extract.conditions import Condition, plan
from connector.query.contributions import Comparison, Place
from connector.query.session import Session

_TIMES = ("TIMESTAMP WITH TIME ZONE", "TIMESTAMP", "DATE", "VARCHAR")
_CALL = re.compile(r"(\w+)\s*\(")
_SECOND = 1_000_000
_EARLIEST, _LATEST = -62_000_000_000, 253_000_000_000  # within what a date token can say
_MOST_LISTS = 20
_MOST_IDS = 100


@dataclass(frozen=True)
class Read:
    """One thing to ask Stripe for: the conditions, the selection that they make, and what fills the hidden columns."""

    conditions: tuple[Condition, ...]
    selection: Selection
    fills: dict[str, str] = field(default_factory=dict)


@dataclass
class TableReads:
    """All that is read of one table, for every place where it stands."""

    endpoint: Endpoint
    columns: frozenset[str] | None
    reads: list[Read] = field(default_factory=list)
    hidden: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)

    @property
    def key(self) -> tuple[str, ...]:
        """The columns by which a row counts once; none where there is one read, whose rows come once anyway."""
        return (*self.endpoint.primary_key, *self.hidden) if len(self.reads) > 1 else ()


class Narrowing:
    """Turns places into reads."""

    def __init__(self, session: Session, calendar: Calendar) -> None:
        self._session = session
        self._calendar = calendar
        found = session.connection.execute("SELECT function_name FROM duckdb_functions() WHERE stability = 'VOLATILE'")
        self._volatile = {name for (name,) in found.fetchall()} - {"error"}

    def reads(self, endpoint: Endpoint, places: Sequence[Place], columns: frozenset[str] | None) -> TableReads:
        """Return what to read for all places of a table: for one that nothing narrows, all of it, and once."""
        hidden = tuple(sorted({name for place in places for name in place.hidden}))
        table = TableReads(endpoint, columns, hidden=hidden)
        found = [read for place in places for read in self._of_place(place, table)]
        for read in found:
            if read not in table.reads:
                table.reads.append(read)
        whole = next((read for read in table.reads if not read.conditions), None)
        if len(table.reads) > 1 and (whole or not endpoint.primary_key):
            table.reads = [whole or self._read(endpoint, (), hidden)]
        return table

    def _of_place(self, place: Place, table: TableReads) -> list[Read]:
        """Return the reads of one place; none where no row can meet its comparisons."""
        conditions: list[Condition] = []
        for comparison in place.comparisons:
            made = self._condition(place.endpoint, comparison, table)
            if made is not None and not made.values:
                return []
            if made is not None:
                conditions.append(made)
        _check_hidden(place, conditions)
        lists = _one_value_each(place.endpoint, conditions)
        return [self._read(place.endpoint, each, table.hidden) for each in lists]

    def _read(self, endpoint: Endpoint, conditions: Sequence[Condition], hidden: Sequence[str]) -> Read:
        chosen = tuple(dict.fromkeys(conditions))
        selection = plan(endpoint, chosen, self._calendar).selection
        fills = {each.word: each.values[0] or "" for each in chosen if each.word in hidden}
        return Read(chosen, selection, fills)

    def _condition(self, endpoint: Endpoint, comparison: Comparison, table: TableReads) -> Condition | None:
        """Return the condition that a comparison is, if Stripe can narrow by it; without values if no row meets it."""
        column, given = endpoint.column(comparison.name), endpoint.filter_for(comparison.name)
        if not _narrows(endpoint, column, given):
            return None
        values = [self._value(comparison.operator, constant, column) for constant in comparison.constants]
        if any(value is None for value in values):
            return None
        texts = [text for value in values if value is not None for text in value]
        if given is not None and given.values and comparison.operator == "=":
            texts = _known(endpoint, given, texts, table)
        return Condition(comparison.name, comparison.operator, tuple(dict.fromkeys(texts)))

    def _value(self, operator: str, constant: exp.Expr, column: Column | None) -> list[str] | None:
        """Return a constant as a condition has it: no value for NULL, None where it is not to be sent."""
        sql = constant.sql(dialect="duckdb")
        if self._volatile & {name.lower() for name in _CALL.findall(sql)}:
            return None
        kind, value = self._session.one(f"SELECT typeof({sql}), CAST(({sql}) AS VARCHAR)")
        if value is None:
            return []
        wanted = column.type if column is not None else "text"
        if wanted in ("timestamp", "date"):
            return self._time(operator, sql, kind) if wanted == "timestamp" and kind in _TIMES else None
        if wanted == "boolean":
            return [value.lower()] if kind == "BOOLEAN" else None
        return [value] if kind == "VARCHAR" and value.strip() == value != "" and operator == "=" else None

    def _time(self, operator: str, sql: str, kind: str) -> list[str] | None:
        (microseconds,) = self._session.one(f"SELECT epoch_us(CAST(({sql}) AS TIMESTAMPTZ))")
        if microseconds is None or (kind == "VARCHAR" and not isinstance(microseconds, int)):
            return None
        seconds = microseconds // _SECOND
        if operator in ("<", ">=") and microseconds % _SECOND:
            seconds += operator == "<"
        if not _EARLIEST < seconds < _LATEST:
            return None
        return [datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")]


def _narrows(endpoint: Endpoint, column: Column | None, given: Filter | None) -> bool:
    if column is not None and column.path == ("id",) and endpoint.retrieve:
        return True
    if column is not None and column.name in {parent.column for parent in endpoint.parents}:
        return True
    window = endpoint.window.column if endpoint.window is not None else None
    return given is not None or (column is not None and column.name == window)


def _known(endpoint: Endpoint, given: Filter, texts: list[str], table: TableReads) -> list[str]:
    """Return the values that a filter can have; the others give no row and no call, but a note."""
    for text in texts:
        if text not in given.values:
            table.notes.append(f'{endpoint.name}.{given.name} is never "{text}".{did_you_mean(text, given.values)}')
    return [text for text in texts if text in given.values]


def _check_hidden(place: Place, conditions: Sequence[Condition]) -> None:
    for name in place.hidden:
        values = [each for each in conditions if each.word == name and each.operator == "=" and len(each.values) == 1]
        if len(values) != 1:
            raise ConditionError(
                f"{name} of {place.endpoint.name} is no column but a filter of Stripe's: it takes {name} = 'VALUE' "
                "alone, in the WHERE of the SELECT in which the table stands."
            )


def _one_value_each(endpoint: Endpoint, conditions: Sequence[Condition]) -> Iterator[tuple[Condition, ...]]:
    """Yield the conditions of each list to read: one for every value that Stripe takes only one of at a time."""
    ways: list[list[Condition]] = []
    lists = 1
    for condition in conditions:
        split = [condition]
        if len(condition.values) > 1 and not _takes_many(endpoint, condition):
            split = [Condition(condition.word, "=", (value,)) for value in condition.values]
        lists *= len(split)
        if lists <= _MOST_LISTS and len(condition.values) <= _MOST_IDS:
            ways.append(split)
        else:
            lists //= len(split)
    yield from itertools.product(*ways)


def _takes_many(endpoint: Endpoint, condition: Condition) -> bool:
    column, given = endpoint.column(condition.word), endpoint.filter_for(condition.word)
    is_id = column is not None and column.path == ("id",) and endpoint.retrieve is not None
    is_parent = column is not None and column.name in {parent.column for parent in endpoint.parents}
    return is_id or is_parent or (given is not None and given.many is not None)
