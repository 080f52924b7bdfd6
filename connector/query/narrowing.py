"""What is sent: the comparisons of a place as conditions of extract, their constants worked out by DuckDB.

A condition may admit more than its comparison, never less: bounds of a time are widened to whole seconds, and what
would not compare in SQL as Stripe compares (a number against a text) is not sent.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache

import duckdb
from sqlglot import exp

from connector.api.pages import Selection
from connector.databases.merge import quoted
from connector.dates import Calendar
from connector.definitions.endpoint import Endpoint
from connector.definitions.parts import Column, Filter
from connector.errors import ConditionError, did_you_mean
from connector.extract.conditions import Condition, plan
from connector.query.comparisons import Comparison, comparisons
from connector.query.contributions import Link, Place
from connector.query.workspace import Session

_TIMES = ("TIMESTAMP WITH TIME ZONE", "TIMESTAMP", "DATE", "VARCHAR")
_CALL = re.compile(r"(\w+)\s*\(")
_OPTION = re.compile(r"(?<=--where )'(\w+)(>=|<)([^']+)'")
_SECOND = 1_000_000
_EARLIEST, _LATEST = -62_000_000_000, 253_000_000_000  # within what a date token can say
_MOST_LISTS = 20
_MOST_IDS = 100

ColumnsOf = Callable[[Endpoint], frozenset[str] | None]


@dataclass(frozen=True)
class Read:
    """One thing to ask Stripe for: the conditions, the selection that they make, and what fills the hidden columns.

    `here` are those of the conditions that Stripe is not asked for.
    """

    conditions: tuple[Condition, ...]
    selection: Selection
    fills: dict[str, str] = field(default_factory=dict)
    here: tuple[Condition, ...] = ()


@dataclass(frozen=True)
class Follow:
    """A place that is read by the values which a column of another place has, once that has been read.

    `along` says that its rows come with the records of the other: the children of parents.
    """

    place: Place
    link: Link
    values_sql: str
    along: bool = False


@dataclass
class TableReads:
    """All that is read of one table, for every place where it stands; `stays` are the conditions left to DuckDB."""

    endpoint: Endpoint
    columns: frozenset[str] | None
    reads: list[Read] = field(default_factory=list)
    follows: list[Follow] = field(default_factory=list)
    hidden: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)
    stays: list[str] = field(default_factory=list)

    @property
    def key(self) -> tuple[str, ...]:
        """The columns by which a row counts once; none where there is one read, whose rows come once anyway."""
        return (*self.endpoint.primary_key, *self.hidden) if len(self.reads) + len(self.follows) * 2 > 1 else ()


class Narrowing:
    """Turns places into reads."""

    def __init__(self, session: Session, calendar: Calendar) -> None:
        self._session = session
        self._calendar = calendar

    def tables(self, places: Sequence[Place], columns_of: ColumnsOf) -> list[TableReads]:
        """Return what to read of each table: for a place that nothing narrows all of it, and once."""
        hidden: dict[str, set[str]] = {}
        for place in places:
            hidden.setdefault(place.endpoint.name, set()).update(place.hidden)
        tables = {
            place.endpoint.name: TableReads(
                place.endpoint, columns_of(place.endpoint), hidden=tuple(sorted(hidden[place.endpoint.name]))
            )
            for place in places
        }
        reads = {place: self._of_place(place, tables[place.endpoint.name]) for place in places}
        follows = self._follows(reads)
        for place, own in reads.items():
            table = tables[place.endpoint.name]
            stays = self._stays(place, [] if place in follows else own)
            table.stays += [condition for condition in stays if condition not in table.stays]
            if place in follows:
                table.follows.append(follows[place])
                continue
            _check_hidden(place, own)
            table.reads += [read for read in own if read not in table.reads]
        for table in tables.values():
            self._keep_whole(table)
        return list(tables.values())

    def _stays(self, place: Place, reads: Sequence[Read]) -> Iterator[str]:
        """Yield the conditions of a place that Stripe is not asked for, or not for all that they say."""
        sent = [{(part.word, part.operator) for part in read.conditions if part not in read.here} for read in reads]
        aside = TableReads(place.endpoint, None)  # takes the notes, which have been taken down before
        for condition in place.conditions:
            parts = [self._condition(place.endpoint, part, aside) for part in comparisons(condition)]
            sendable = {(part.word, part.operator) for part in parts if part is not None}
            is_sent = bool(sendable and sent) and all(sendable <= conditions for conditions in sent)
            if len(sendable) < len(parts) or not is_sent:
                yield (exp.paren(condition) if isinstance(condition, exp.Or) else condition).sql(dialect="duckdb")

    def _keep_whole(self, table: TableReads) -> None:
        """Where a table is read whole, read it so and once; also where its rows have no key to count once by."""
        whole = next((read for read in table.reads if not read.conditions), None)
        several = len(table.reads) > 1 or table.follows
        if several and (whole or not table.endpoint.primary_key):
            table.reads, table.follows = [whole or self._read(table.endpoint, (), table.hidden)], []

    def _follows(self, reads: Mapping[Place, Sequence[Read]]) -> dict[Place, Follow]:
        """Return the places that are better read by the values of a place that is narrowed."""
        narrowed = {place for place, own in reads.items() if all(read.conditions for read in own)}
        follows: dict[Place, Follow] = {}
        while True:
            following = next(
                (
                    (place, link)
                    for place in reads
                    for link in place.links
                    if place not in narrowed and link.other in narrowed and self._can_follow(place, link)
                ),
                None,
            )
            if following is None:
                return follows
            place, link = following
            follows[place] = Follow(place, link, self._values_sql(link), _comes_along(place, link))
            narrowed.add(place)

    def _can_follow(self, place: Place, link: Link) -> bool:
        endpoint, column = place.endpoint, place.endpoint.column(link.column)
        if endpoint.name == link.other.endpoint.name or not endpoint.primary_key or endpoint.window:
            return False
        if place.hidden - {link.column} or any(one.required for one in endpoint.filters.values()):
            return False
        stripe_filter = endpoint.filter_for(link.column)
        is_parent = [parent.column for parent in endpoint.parents] == [link.column]
        is_id = column is not None and column.path == ("id",) and bool(endpoint.retrieve)
        is_filter = stripe_filter is not None and stripe_filter.kind == "equals" and not endpoint.parents
        return is_parent or is_id or is_filter

    def _values_sql(self, link: Link) -> str:
        """Return the SELECT of the values to follow: those of the rows that meet their own place's comparisons."""
        alias = quoted(link.other.alias)
        tests = [f"{alias}.{quoted(link.other_column)} IS NOT NULL"]
        for comparison in link.other.comparisons:
            constants = ", ".join(f"({constant.sql(dialect='duckdb')})" for constant in comparison.constants)
            if _is_volatile(constants):
                continue
            operator = "IN" if comparison.operator == "=" else comparison.operator
            tests.append(f"{alias}.{quoted(comparison.name)} {operator} ({constants})")
        table = quoted(link.other.endpoint.name)
        return (
            f"SELECT DISTINCT {alias}.{quoted(link.other_column)} FROM {table} AS {alias} WHERE {' AND '.join(tests)}"
        )

    def value_read(self, place: Place, column: str, value: str, hidden: Sequence[str]) -> Read:
        """Return the read of a place for one value of a column."""
        return self._read(place.endpoint, [Condition(column, "=", (value,))], hidden)

    def whole_read(self, place: Place) -> Read:
        """Return the read of all that a table holds."""
        return self._read(place.endpoint, (), ())

    def _of_place(self, place: Place, table: TableReads) -> list[Read]:
        """Return the reads of one place; none where no row can meet its comparisons."""
        conditions: list[Condition] = []
        for comparison in place.comparisons:
            made = self._condition(place.endpoint, comparison, table)
            if made is not None and not made.values:
                return []
            if made is not None:
                conditions.append(made)
        lists = _one_value_each(place.endpoint, conditions)
        return [self._read(place.endpoint, conditions, table.hidden) for conditions in lists]

    def _read(self, endpoint: Endpoint, conditions: Sequence[Condition], hidden: Sequence[str]) -> Read:
        chosen = tuple(dict.fromkeys(conditions))
        try:
            planned = plan(endpoint, chosen, self._calendar)
        except ConditionError as error:
            raise ConditionError(_in_sql(str(error))) from error
        single = [condition for condition in chosen if len(condition.values) == 1]
        fills = {condition.word: condition.values[0] or "" for condition in single if condition.word in hidden}
        return Read(chosen, planned.selection, fills, planned.here)

    def _condition(self, endpoint: Endpoint, comparison: Comparison, table: TableReads) -> Condition | None:
        """Return the condition that a comparison is, if Stripe can narrow by it; without values if no row meets it."""
        column, stripe_filter = endpoint.column(comparison.name), endpoint.filter_for(comparison.name)
        if not _narrows(endpoint, column, stripe_filter):
            return None
        values = [self._value(comparison.operator, constant, column) for constant in comparison.constants]
        if any(value is None for value in values):
            return None
        texts = [text for value in values if value is not None for text in value]
        if stripe_filter is not None and stripe_filter.values and comparison.operator == "=":
            known = _known(stripe_filter, texts, table)
            if known is None:
                return None
            texts = known
        return Condition(comparison.name, comparison.operator, tuple(dict.fromkeys(texts)))

    def _value(self, operator: str, constant: exp.Expr, column: Column | None) -> list[str] | None:
        """Return a constant as a condition has it: no value for NULL, None where it is not to be sent."""
        sql = constant.sql(dialect="duckdb")
        if _is_volatile(sql):
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


def _in_sql(message: str) -> str:
    """Return a message about conditions of extract as one about SQL."""
    return _OPTION.sub(r"\1 \2 '\3'", message).replace("' --where", "' and --where").replace("--where ", "")


def _is_volatile(sql: str) -> bool:
    """Whether an expression may have another value for every row, as random() has."""
    called = {name.lower() for name in _CALL.findall(sql)}
    return bool(called) and not called.isdisjoint(_volatile_functions())


@cache
def _volatile_functions() -> frozenset[str]:
    with duckdb.connect() as connection:
        volatile = connection.execute("SELECT function_name FROM duckdb_functions() WHERE stability = 'VOLATILE'")
        return frozenset(name for (name,) in volatile.fetchall())


def _narrows(endpoint: Endpoint, column: Column | None, stripe_filter: Filter | None) -> bool:
    if column is not None and column.path == ("id",) and endpoint.retrieve:
        return True
    if column is not None and column.name in {parent.column for parent in endpoint.parents}:
        return True
    window = endpoint.window.column if endpoint.window is not None else None
    return stripe_filter is not None or (column is not None and column.name == window)


def _known(stripe_filter: Filter, texts: list[str], table: TableReads) -> list[str] | None:
    """Return the values that a filter has, None where one is not among them: columns may hold more.

    One that is misspelt gives no row and no call, but a note.
    """
    known: list[str] = []
    for text in texts:
        hint = "" if text in stripe_filter.values else did_you_mean(text, stripe_filter.values)
        if hint:
            table.notes.append(f'{table.endpoint.name}.{stripe_filter.name} is never "{text}".{hint}')
        elif text in stripe_filter.values:
            known.append(text)
        else:
            return None
    return known


def _check_hidden(place: Place, reads: Sequence[Read]) -> None:
    """Refuse a filter without a column that no = gives a value, in the place's own SELECT."""
    for name in place.hidden:
        if any(name not in read.fills for read in reads):
            raise ConditionError(
                f"{name} of {place.endpoint.name} is no column but a filter of Stripe's: it takes {name} = 'VALUE' "
                "alone, in the WHERE of the SELECT in which the table stands."
            )


def _comes_along(place: Place, link: Link) -> bool:
    """Whether the rows of a place stand in the records of the parents that it is joined to."""
    parents = place.endpoint.parents
    return (
        bool(place.endpoint.embedded)
        and parents[0].table == link.other.endpoint.name
        and link.column == parents[0].column
        and link.other_column == "id"
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
    column, stripe_filter = endpoint.column(condition.word), endpoint.filter_for(condition.word)
    is_id = column is not None and column.path == ("id",) and endpoint.retrieve is not None
    is_parent = column is not None and column.name in {parent.column for parent in endpoint.parents}
    return is_id or is_parent or (stripe_filter is not None and stripe_filter.many is not None)
