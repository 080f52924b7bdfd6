"""Reads what a query needs, page by page, into the tables of its DuckDB; stops at the number of calls allowed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from itertools import islice

import pyarrow as pa

from connector.api.account import Api
from connector.api.client import RequestsSpentError
from connector.api.crew import read_lists, readers_for
from connector.api.pages import PageReader
from connector.api.records import Page
from connector.api.walk import PAGE_ROWS
from connector.errors import ConnectorError
from connector.query.contributions import Place
from connector.query.enough import Enough
from connector.query.narrowing import Follow, Narrowing, Read, TableReads
from connector.query.workspace import Session
from connector.result import Report
from connector.rows.flatten import Flattener
from connector.words import count_of

Watch = Callable[[Report], None]


class Reading:
    """One run of a query's reads."""

    narrowing: Narrowing
    enough: Enough | None = None

    def __init__(self, api: Api, session: Session, report: Report, most_calls: int, progress: Watch) -> None:
        self._api = replace(api, client=api.client.counting_apart(most_calls))
        self._session = session
        self._report = report
        self._progress = progress
        self._began = time.monotonic()
        self._calls: Counter[str] = Counter()
        self._flatteners: dict[str, Flattener] = {}
        self._along: dict[str, list[TableReads]] = {}
        self._comes_with: dict[Place, Place] = {}

    def read(self, tables: Sequence[TableReads]) -> None:
        """Fill every table: first what is narrowed by itself, then what follows."""
        try:
            self._read_all(tables)
        except RequestsSpentError:
            raise self._stopped() from None

    def _read_all(self, tables: Sequence[TableReads]) -> None:
        follows: list[tuple[TableReads, Follow]] = []
        if len(tables) != 1 or len(tables[0].reads) != 1 or tables[0].reads[0].selection.ids is not None:
            self.enough = None  # only one list has an order
        for table in tables:
            self._report.notes += table.notes
            self._flatteners[table.endpoint.name] = Flattener(table.endpoint, table.columns)
            for follow in table.follows:
                if follow.along:
                    self._along.setdefault(follow.link.other.endpoint.name, []).append(table)
                    self._comes_with[follow.place] = follow.link.other
                else:
                    follows.append((table, follow))
        for table in tables:
            for read in table.reads:
                self._read(table, read)
        while follows:
            self._follow(*follows.pop(self._next(follows)))
        for flattener in self._flatteners.values():
            self._report.undeclared.update(flattener.drift.undeclared)
            self._report.misfits.update(flattener.drift.misfits)

    def _next(self, follows: Sequence[tuple[TableReads, Follow]]) -> int:
        """Return which place to follow next: one that waits for none of the others."""
        waiting = {follow.place for _, follow in follows}
        return next(n for n, (_, follow) in enumerate(follows) if self._read_with(follow.link.other) not in waiting)

    def _read_with(self, place: Place) -> Place:
        """Return the place whose reading brings the rows of this one."""
        return self._read_with(self._comes_with[place]) if place in self._comes_with else place

    def _read(self, table: TableReads, read: Read, most_pages: int | None = None) -> bool:
        """Read one list, of which no more than so many pages; say whether all of it came."""
        is_all = self.enough is None and most_pages is None
        reader = PageReader(self._api.client, self._api.endpoints, reads_ahead=is_all)
        with self._counting(table, reader):
            for number, page in enumerate(reader.read(table.endpoint, read.selection)):
                self._take_in(table, page, read, reader)
                if number + 1 == most_pages and page.count == PAGE_ROWS:
                    return False
                if self.enough is not None and self.enough.reached(self._session):
                    break
        return True

    def _read_values(self, table: TableReads, reads: Sequence[Read]) -> None:
        """Read the lists of some values side by side."""
        reader = PageReader(self._api.client, self._api.endpoints)
        lists = [partial(reader.read, table.endpoint, read.selection) for read in reads]
        with self._counting(table, reader), closing(read_lists(lists, len(lists))) as pages:
            for number, page in pages:
                self._take_in(table, page, reads[number], reader)

    def _take_in(self, table: TableReads, page: Page, read: Read, reader: PageReader) -> None:
        self._insert(table, page, read)
        for children in self._along.get(table.endpoint.name, ()):
            for below in reader.children(children.endpoint, page):
                self._insert(children, below, None)
        self._count(table.endpoint.name)

    def _follow(self, table: TableReads, follow: Follow) -> None:
        """Read a place by the values that a place read before has: a call for each, or a walk where that is shorter.

        Not knowing how long the list is, it walks as many pages as there are values, so that no more than twice the
        calls of the better way are made.
        """
        values = [str(value) for (value,) in self._session.connection.execute(follow.values_sql).fetchall()]
        walks = not table.endpoint.parents and not table.hidden and len(values) > 1
        if walks and self._read(table, self.narrowing.whole_read(follow.place), len(values)):
            return
        missing, at_once = self._missing(table, follow, values), readers_for(self._api.client, table.endpoint.path)
        while some := list(islice(missing, at_once)):
            column = follow.link.column
            self._read_values(
                table, [self.narrowing.value_read(follow.place, column, value, table.hidden) for value in some]
            )

    def _missing(self, table: TableReads, follow: Follow, values: Sequence[str]) -> Iterator[str]:
        """Yield the values whose rows have not all come: of a key, those that no row has."""
        for value in values:
            if table.endpoint.primary_key == (follow.link.column,) and self._session.has(
                table.endpoint.name, follow.link.column, value
            ):
                continue
            yield value

    def _insert(self, table: TableReads, page: Page, read: Read | None) -> None:
        batch = self._flatteners[table.endpoint.name].batch(page.records, page.fills)
        for name, value in (read.fills if read is not None else {}).items():
            batch = batch.append_column(name, pa.array([value] * batch.num_rows, pa.string()))
        self._session.insert(table.endpoint.name, batch, table.key)
        self._report.rows_read += page.count

    @contextmanager
    def _counting(self, table: TableReads, reader: PageReader) -> Iterator[None]:
        """Count the calls that were made for a table, however that ended."""
        try:
            yield
        finally:
            self._report.notes += reader.notes
            self._count(table.endpoint.name)

    def _count(self, table: str) -> None:
        """Keep the report up to date."""
        now = self._api.client.statistics
        self._calls[table] += now.requests - self._report.requests
        self._report.requests, self._report.retries = now.requests, now.retries
        self._report.seconds = time.monotonic() - self._began
        self._progress(self._report)

    def _stopped(self) -> ConnectorError:
        (table, calls), *_ = self._calls.most_common(1)
        return ConnectorError(
            f"The query was stopped after {count_of(self._report.requests, 'call')} and "
            f"{count_of(self._report.rows_read, 'row')}, {calls:,} of the calls for {table}. A condition on "
            f"{table} that Stripe narrows by would need fewer (--explain shows the calls); --max-calls allows more."
        )
