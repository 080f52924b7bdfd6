"""Reads what a query needs, page by page, into the tables of its DuckDB; stops at the number of calls allowed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable

import pyarrow as pa

from connector.api.account import Api
from connector.api.pages import PageReader
from connector.errors import ConnectorError
from connector.query.narrowing import Read, TableReads
from connector.query.session import Session
from connector.result import Report
from connector.rows.flatten import Flattener
from connector.words import count_of

Watch = Callable[[Report], None]


class Reading:
    """One run of a query's reads."""

    def __init__(self, api: Api, session: Session, report: Report, most_calls: int, progress: Watch) -> None:
        self._api = api
        self._session = session
        self._report = report
        self._most_calls = most_calls
        self._progress = progress
        self._before, self._began = api.client.statistics, time.monotonic()
        self._calls: Counter[str] = Counter()

    def read(self, tables: Iterable[TableReads]) -> None:
        """Fill every table."""
        for table in tables:
            self._report.notes += table.notes
            flattener = Flattener(table.endpoint, table.columns)
            for read in table.reads:
                self._read(table, read, flattener)
            self._report.undeclared.update(flattener.drift.undeclared)
            self._report.misfits.update(flattener.drift.misfits)

    def _read(self, table: TableReads, read: Read, flattener: Flattener) -> None:
        reader = PageReader(self._api.client, self._api.endpoints)
        for page in reader.read(table.endpoint, read.selection):
            batch = flattener.batch(page.records, page.fills)
            for name, value in read.fills.items():
                batch = batch.append_column(name, pa.array([value] * batch.num_rows, pa.string()))
            self._session.insert(table.endpoint.name, batch, table.key)
            self._report.rows_read += page.count
            self._count(table.endpoint.name)
        self._report.notes += reader.notes
        self._count(table.endpoint.name)

    def _count(self, table: str) -> None:
        """Keep the report up to date, and stop where there have been calls enough."""
        now = self._api.client.statistics
        self._calls[table] += now.requests - self._before.requests - self._report.requests
        self._report.requests = now.requests - self._before.requests
        self._report.retries = now.retries - self._before.retries
        self._report.seconds = time.monotonic() - self._began
        self._progress(self._report)
        if self._report.requests >= self._most_calls:
            self._stop()

    def _stop(self) -> None:
        (table, calls), *_ = self._calls.most_common(1)
        raise ConnectorError(
            f"The query was stopped after {count_of(self._report.requests, 'call')} and "
            f"{count_of(self._report.rows_read, 'row')}, {calls:,} of the calls for {table}. A condition on "
            f"{table} that Stripe narrows by would need fewer (--explain shows the calls); --max-calls allows more."
        )
