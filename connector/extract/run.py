"""One endpoint and some conditions → its rows, flat and typed, page by page."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from connector.api.account import Api
from connector.api.pace import Pace
from connector.api.pages import PageReader, Selection
from connector.api.parallel import read_ahead
from connector.api.records import Page
from connector.api.walk import PAGE_ROWS
from connector.definitions.endpoint import Endpoint
from connector.definitions.gone import moved_to
from connector.errors import ConditionError, UsageError, did_you_mean
from connector.extract.conditions import Condition, Plan, plan
from connector.result import Report, Result
from connector.rows.amounts import currencies, in_major_units, major_schema
from connector.rows.flatten import EXTRA, Flattener, schema_of

ReadWatch = Callable[[Report], None]


@dataclass(frozen=True)
class Extraction:
    """What to extract: conditions, the columns wanted (None: all), a limit in rows, whether to refuse reading more.

    `strict` refuses conditions for which rows would be read that are not kept; `major` gives amounts in major units;
    `search` is a query in Stripe's search language, which is asked instead of the list.
    """

    conditions: Sequence[Condition] = ()
    columns: Sequence[str] | None = None
    limit: int | None = None
    strict: bool = False
    major: bool = False
    search: str | None = None


def extract(api: Api, name: str, request: Extraction, progress: ReadWatch | None = None) -> Result:
    """Plan the extraction of one endpoint; its rows are read when the result is asked for them."""
    endpoint = api.endpoints[name]
    wanted = _columns(endpoint, request.columns)
    planned = plan(endpoint, request.conditions, api.calendar)
    if request.search is not None:
        planned = _searched(api, endpoint, planned, request)
    if request.strict and planned.here:
        raise ConditionError(
            f"{name}: Stripe cannot narrow by {', '.join(map(str, planned.here))}, so rows would be read that are "
            "not kept, and --strict refuses that."
        )
    if request.limit is not None and request.limit < 0:
        raise UsageError(f"A limit of {request.limit} rows cannot be met; it must be 0 or more.")
    run = _Run(api, endpoint, planned, wanted, request.limit, currencies(endpoint) if request.major else {})
    return Result(name, run.schema, lambda report: run.batches(report, progress or _no_progress))


def _searched(api: Api, endpoint: Endpoint, planned: Plan, request: Extraction) -> Plan:
    """Return the plan with Stripe's search in the place of its list: all conditions are decided here then."""
    if not request.search:
        raise UsageError("The search is empty: write what to look for, as metadata['tier']:'gold'.")
    if endpoint.search is None:
        searched = [name for name in api.endpoints if api.endpoints[name].search]
        raise UsageError(f"Stripe does not search {endpoint.name}, but {', '.join(searched)}: use --where.")
    for condition in request.conditions:
        if endpoint.column(condition.word) is None:
            raise ConditionError(
                f'"{condition}": only the list of Stripe takes it, not the search; leave one of them out.'
            )
    return replace(planned, selection=Selection(search=request.search), here=tuple(request.conditions))


def _no_progress(report: Report) -> None:
    """Show nothing."""


def _columns(endpoint: Endpoint, names: Sequence[str] | None) -> list[str] | None:
    """Return the wanted columns as the endpoint spells them."""
    if names is None:
        return None
    if not names:
        raise ConditionError(f"No column is named: name one of {endpoint.name} at least, or leave columns out for all.")
    known = {column.name.lower(): column.name for column in endpoint.columns} | {EXTRA: EXTRA}
    for name in names:
        if name.lower() not in known:
            raise ConditionError(
                f'{endpoint.name} has no column "{name}".{moved_to(endpoint.name, name) or did_you_mean(name, known)} '
                f"`connector endpoints {endpoint.name}` lists them."
            )
    return list(dict.fromkeys(known[name.lower()] for name in names))


@dataclass(frozen=True)
class _Run:
    """How one endpoint is read: what to ask for, which rows and columns to keep, which amounts to put in major units.

    `amounts` names the column of each amount's currency.
    """

    api: Api
    endpoint: Endpoint
    planned: Plan
    wanted: list[str] | None
    limit: int | None
    amounts: Mapping[str, str]

    @property
    def schema(self) -> pa.Schema:
        schema = major_schema(schema_of(self.endpoint.columns), self.amounts)
        return schema if self.wanted is None else pa.schema([schema.field(name) for name in self.wanted])

    def flattener(self) -> Flattener:
        if self.wanted is None:
            return Flattener(self.endpoint)
        beside = {self.amounts[name] for name in self.wanted if name in self.amounts}
        return Flattener(self.endpoint, {*self.wanted, *self.planned.columns, *beside})

    def batches(self, report: Report, progress: ReadWatch) -> Iterator[pa.RecordBatch]:
        """Read the pages and yield what is kept of each, keeping the report up to date."""
        before, began = self.api.client.statistics, time.monotonic()
        flattener = self.flattener()
        is_all = self.limit is None
        reader = PageReader(self.api.client, self.api.endpoints, self._page_rows(), reads_ahead=is_all)
        report.undeclared, report.misfits = flattener.drift.undeclared, flattener.drift.misfits
        report.notes = reader.notes
        for page in self._pages(reader):
            batch = self._kept(flattener, page, report)
            now = self.api.client.statistics
            report.requests = now.requests - before.requests
            report.retries = now.retries - before.retries
            report.seconds = time.monotonic() - began
            report.pace = Pace.since(before, self.api.client, report.rows_read, report.seconds)
            progress(report)
            if batch.num_rows:
                yield self._finished(batch)
            if report.rows == self.limit:
                return

    def _pages(self, reader: PageReader) -> Iterator[Page]:
        """Yield the pages in their order, read ahead only where all of them are wanted."""
        selection = self.planned.selection
        if self.limit is None:
            return read_ahead(reader, self.endpoint, selection)
        return reader.read(self.endpoint, selection) if self.limit else iter(())

    def _finished(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        wanted = batch.schema.names if self.wanted is None else self.wanted
        amounts = {name: currency for name, currency in self.amounts.items() if name in wanted}
        batch = in_major_units(batch, amounts) if amounts else batch
        return batch if self.wanted is None else batch.select(wanted)

    def _kept(self, flattener: Flattener, page: Page, report: Report) -> pa.RecordBatch:
        """Return the rows of a page that match, no more of them than the limit leaves room for."""
        batch = self.planned.matches(flattener.batch(page.records, page.fills))
        if self.limit is not None:
            batch = batch.slice(0, self.limit - report.rows)
        report.rows_read += page.count
        report.rows += batch.num_rows
        return batch

    def _page_rows(self) -> int:
        """Ask for no more rows than are wanted, where every row that comes is kept."""
        if self.limit is None or self.planned.here or self.endpoint.parents:
            return PAGE_ROWS
        return max(1, min(PAGE_ROWS, self.limit))
