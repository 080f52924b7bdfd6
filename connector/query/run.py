"""One SELECT → the calls that it needs → its rows: plans on empty tables, reads, lets DuckDB run the SQL as written."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
from sqlglot import exp

from connector.api.account import Api
from connector.definitions.endpoint import Endpoint
from connector.errors import UsageError
from connector.query import literals
from connector.query.contributions import Place, places
from connector.query.enough import Enough
from connector.query.explain import lines_of
from connector.query.fetching import Reading, Watch
from connector.query.narrowing import Narrowing, TableReads
from connector.query.statement import Statement, read
from connector.query.workspace import Session
from connector.result import Report, Result
from connector.rows import cast as casting

MOST_CALLS = 500
ReadRows = Callable[[Report], Iterator[pa.RecordBatch]]
_ABOUT_TABLES = re.compile(r"\b(information_schema|duckdb_\w+|show|describe|summarize|pg_catalog)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Query:
    """The SQL of a query, DuckDB files to attach, rows of Python's by name, and how many calls it may make."""

    sql: str
    attach: str | Path | Sequence[str | Path] = ()
    tables: Mapping[str, object] = field(default_factory=dict)
    most_calls: int = MOST_CALLS


class QueryResult(Result):
    """The rows of a query, and what it would ask of Stripe."""

    def __init__(self, tables: Sequence[TableReads], schema: pa.Schema, read: ReadRows) -> None:
        super().__init__("query", schema, read)
        self._tables = tables

    def explain(self) -> str:
        """Return the calls that it would make, table by table; nothing is sent."""
        lines = [line for table in self._tables for line in lines_of(table)]
        return "\n".join(lines) or "No call: the SQL names no table of Stripe's."


def query(api: Api, query: Query, progress: Watch | None = None) -> QueryResult:
    """Plan a query; its calls are made and its rows are read when the result is asked for them."""
    run = _Run(api, query)
    schema = casting.plain_schema(run.schema)
    unread = [run]  # what has planned the query reads it the first time
    if query.attach:  # their files are held no longer than needed
        unread.pop().close()

    def rows(report: Report) -> Iterator[pa.RecordBatch]:
        with closing(unread.pop() if unread else _Run(api, query)) as run:
            run.reading(report, progress or _no_progress).read(run.tables)
            place = 0
            for batch in run.session.rows(run.statement):
                report.rows += batch.num_rows
                yield casting.cast(batch.rename_columns(schema.names), schema, place, _row_label)
                place += batch.num_rows

    return QueryResult(run.tables, schema, rows)


def _no_progress(report: Report) -> None:
    """Show nothing."""


def _row_label(place: int) -> str:
    return f"row {place + 1:,}"


class _Run:
    """A query on a DuckDB of its own, planned: empty tables, and what each of them needs."""

    def __init__(self, api: Api, query: Query) -> None:
        self._api = api
        self._most_calls = query.most_calls
        self.session = Session(api.calendar.zone)
        try:
            self._prepare(query)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the DuckDB."""
        self.session.close()

    def _prepare(self, query: Query) -> None:
        files = query.attach
        self.session.attach([files] if isinstance(files, str | Path) else files)
        self.statement = read(self.session.connection, query.sql)
        self.narrowing = Narrowing(self.session, self._api.calendar)
        for name, frame in query.tables.items():
            if name.lower() in self._api.endpoints:
                raise UsageError(f"{name} is a table of Stripe's: pass these rows by another name.")
            self.session.fill(name, frame)
        self._places = self._find_places()
        self._hidden = {place.endpoint.name: place.hidden for place in self._places if place.hidden}
        self._known = self._needed()
        for name in self._known:
            self.session.create(self._api.endpoints[name], self._hidden.get(name, ()))
        self.session.check(self.statement, list(self._api.endpoints))
        self.statement = literals.with_instants(self.statement, self._api.calendar, self.session.type_in)
        if self.statement.text != self.statement.written:
            self._places = self._find_places()
        literals.check(self.statement, self.session.type_in, self.session.fits, self._api.calendar)
        self.session.begin()
        self.schema = self.session.plan(self.statement)
        self.tables = self.narrowing.tables(self._places, lambda endpoint: _needed_columns(self.statement, endpoint))

    def _find_places(self) -> list[Place]:
        if self.statement.tree is not None:
            return places(self.statement.tree, self._find)
        named = self.session.connection.get_table_names(self.statement.text)
        endpoints = [self._api.endpoints[name.lower()] for name in named if name.lower() in self._api.endpoints]
        return [Place(endpoint, endpoint.name) for endpoint in endpoints]

    def _find(self, table: exp.Table) -> Endpoint | None:
        """Return the table of ours that a name in the SQL means."""
        if not isinstance(table.this, exp.Identifier) or table.args.get("catalog"):
            return None
        if table.db.lower() not in ("", "main") or table.name.lower() not in self._api.endpoints:
            return None
        return self._api.endpoints[table.name.lower()]

    def _needed(self) -> list[str]:
        """Return which tables are to be known: those that stand in the SQL, or all where it asks about tables."""
        if self.statement.tree is None or _ABOUT_TABLES.search(self.statement.text):
            return list(self._api.endpoints)
        return list(dict.fromkeys(place.endpoint.name for place in self._places))

    def reading(self, report: Report, progress: Watch) -> Reading:
        """Return what makes the calls."""
        if self.statement.tree is None:
            report.notes.append("query: no condition was sent, since only DuckDB could read this SQL")
        reading = Reading(self._api, self.session, report, self._most_calls, progress)
        reading.narrowing, reading.enough = self.narrowing, Enough.of(self.statement, self._places)
        return reading


def _needed_columns(statement: Statement, endpoint: Endpoint) -> frozenset[str] | None:
    """Return the columns of a table that a statement may name; None for all."""
    tree = statement.tree
    if tree is None or tree.find(exp.Star, exp.Columns) or "natural" in statement.text.lower():
        return None
    words = {identifier.name.lower() for identifier in tree.find_all(exp.Identifier)}
    words |= {literal.name.lower() for literal in tree.find_all(exp.Literal)}
    aliases = {table.alias_or_name.lower() for table in tree.find_all(exp.Table)}
    columns = {column.name.lower() for column in tree.find_all(exp.Column) if not column.table}
    if columns & aliases:
        return None
    named = {column.name for column in endpoint.columns if column.name.lower() in words}
    return frozenset({*named, *endpoint.primary_key, *(["_extra"] if "_extra" in words else [])})
