"""Collects the rows of all responses to a request, and what is worth telling of them.

Rows are typed when all of them have come, so they are kept on the way; the requests behind the first one are sent
when rows are wanted.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from connector.api.account import Api
from connector.api.calls import Call, prepare
from connector.api.client import Client
from connector.api.responses import Response
from connector.definitions.readings import of_object
from connector.errors import (
    AuthenticationFailed,
    ConnectorError,
    DataError,
    NoResponse,
    PermissionDenied,
    RateLimited,
    StripeError,
    StripeUnavailable,
)
from connector.extract.run import ReadWatch
from connector.places import open_source
from connector.request.bodies import document_of, following, goes_on, with_page_size
from connector.request.filling import Row
from connector.request.jsonpath import RowFilter, records
from connector.request.saving import Shape
from connector.request.template import Request, call_of
from connector.result import Report
from connector.rows.infer import Inferred, InferredRows
from connector.rows.known import with_known_types
from connector.words import count_of

_NO_FAULT_OF_THE_ROW = (NoResponse, PermissionDenied, RateLimited, StripeUnavailable)
_MOST_ALIKE = 20


@dataclass(frozen=True)
class Exchange:
    """One request of a run: already sent, with its call and response, or still to be built from a row of the source.

    `label` names the row in errors, as "line 3 of ids.csv".
    """

    row: Row | None = None
    label: str | None = None
    sent: tuple[Call, Response] | None = None


@dataclass
class Collector:
    """Collects the rows of a request, or of one request for each row of a source, as batches of one schema."""

    api: Api
    request: Request
    rows: RowFilter | None
    progress: ReadWatch
    single: Exchange | None = None
    shape: Shape = field(default_factory=Shape)
    cut_lists: int = 0

    def __post_init__(self) -> None:
        self._alike = 0
        self._before, self._began = self.api.client.statistics, time.monotonic()

    def batches(self, report: Report) -> Iterator[pa.RecordBatch]:
        """Read all records, then yield the rows under the columns that fit them: at least one batch, maybe empty."""
        self.shape, self.cut_lists = Shape(), 0
        objects: set[str] = set()
        with Inferred(self.request.explode) as inferred:
            for page in self._limited(self._records(report)):
                if self.request.save is not None:
                    self.shape.add(page)
                self.cut_lists += _cut_lists(page, self.request.explode)
                inferred.add(page)
                objects.update(str(record.get("object")) for record in page)
                report.rows += len(page)
                self._show_progress(report)
            rows = self._known(inferred.finish(), objects)
            limit = rows.rows if self.request.limit is None else min(self.request.limit, rows.rows)
            report.rows = report.rows_read = limit
            report.notes += rows.notes
            if not rows.rows:
                report.notes.append(self._nothing())
            if self.cut_lists:
                report.notes.append(
                    f"{self.request.name}: {count_of(self.cut_lists, 'list')} inside objects with more items than "
                    "came; a list's own path, as invoices/{id}/lines with --from and --paginate, has all"
                )
            self._show_progress(report)
            yield from _first_rows(rows.batches(), limit, rows.schema)

    def _known(self, rows: InferredRows, objects: set[str]) -> InferredRows:
        """Return the rows with the types that a definition gives their fields, where all are objects of one kind."""
        endpoint = of_object(self.api.endpoints, objects.pop()) if len(objects) == 1 else None
        return with_known_types(rows, endpoint) if endpoint else rows

    def send(self, call: Call) -> tuple[Call, Response]:
        """Send a call and return it as it was sent: where a list takes no `limit`, without the one that was added."""
        sized = self._sized(call)
        try:
            return sized, self.api.client.request(sized)
        except StripeError as error:
            if error.param != "limit" or sized is call:
                raise
        return call, self.api.client.request(call)

    def _sized(self, call: Call) -> Call:
        """Ask for large pages where all are wanted, no larger than is wanted where every record is a row."""
        if not self.request.paginate:
            return call
        every_record = self.rows is None or self.rows.plain_path() == ["data"]
        url = with_page_size(call.url, self.request.limit if every_record else None)
        return call if url == call.url else replace(call, url=url)

    def _show_progress(self, report: Report) -> None:
        now = self.api.client.statistics
        report.requests = now.requests - self._before.requests
        report.retries = now.retries - self._before.retries
        report.seconds = time.monotonic() - self._began
        self.progress(report)

    def _nothing(self) -> str:
        if self.rows is not None:
            return f"{self.request.name}: the filter {self.request.filter} picked nothing"
        return f"{self.request.name}: the response holds no rows"

    def _limited(self, pages: Iterator[list[dict[str, Any]]]) -> Iterator[list[dict[str, Any]]]:
        """Stop where enough records have come: each of them is a row at least."""
        left = self.request.limit
        for page in pages if left != 0 else ():
            yield page if left is None else page[:left]
            left = None if left is None else left - len(page)
            if left is not None and left <= 0:
                return

    def _records(self, report: Report) -> Iterator[list[dict[str, Any]]]:
        """Yield the records of each response; of many requests, one that fails is named and the others go on."""
        for exchange in [self.single] if self.single else self._for_each_row():
            try:
                yield from self._pages(exchange, report)
            except AuthenticationFailed:
                raise
            except ConnectorError as error:
                if exchange.label is None:
                    raise
                report.failures.append(f"{exchange.label}: {error}")
                self._stop_if_all_fail(error, report)

    def _stop_if_all_fail(self, error: ConnectorError, report: Report) -> None:
        """Give up where the first requests have all failed for a reason that lies in none of their rows."""
        self._alike = self._alike + 1 if isinstance(error, _NO_FAULT_OF_THE_ROW) and not report.rows else 0
        if self._alike == _MOST_ALIKE:
            raise ConnectorError(f"The first {_MOST_ALIKE} requests have failed, so no more were sent: {error}")

    def _for_each_row(self) -> Iterator[Exchange]:
        source, number = open_source(self.request.source), 0
        for batch in source.batches():
            for row in batch.to_pylist():
                yield Exchange(row, source.row_label(number))
                number += 1

    def _pages(self, exchange: Exchange, report: Report) -> Iterator[list[dict[str, Any]]]:
        """Yield the records of a response, and with --paginate those of the pages that follow it."""
        client = self.api.client
        call, response = exchange.sent or self.send(call_of(self.request, exchange.row))
        visited = {_address(call, client)}
        while True:
            document = document_of(response)
            if document is not None:
                self.shape.saw(document)
                self.cut_lists += 0 if self.rows is None else self.rows.cut_lists(document)
                yield records(document, self.rows, response.name)
            if not self.request.paginate:
                self._note_more(document, report)
                return
            further = following(_address(call, client), document, response.name)
            if further is None:
                return
            if further in visited:
                raise DataError(f"{response.name} leads back to a page that was read before: the list would never end.")
            visited.add(further)
            call = replace(call, url=further)
            response = client.request(call)

    def _note_more(self, document: object, report: Report) -> None:
        note = f"{self.request.name}: there are more rows; --paginate reads them all"
        is_wanted = self.request.verb == "GET" and (self.request.limit is None or report.rows < self.request.limit)
        if is_wanted and goes_on(document) and note not in report.notes:
            report.notes.append(note)


def _address(call: Call, client: Client) -> str:
    return str(prepare(call, client.connection).url)


def _cut_lists(page: list[dict[str, Any]], explode: str | None) -> int:
    """Return how many of the lists to explode go on after the items that came inside their object."""
    if explode is None or not explode.endswith(".data"):
        return 0
    count = 0
    for record in page:
        here: Any = record
        for name in explode.split(".")[:-1]:
            here = here.get(name) if isinstance(here, dict) else None
        count += isinstance(here, dict) and here.get("has_more") is True
    return count


def no_progress(report: Report) -> None:
    """Show nothing."""


def _first_rows(batches: Iterator[pa.RecordBatch], limit: int, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield as many rows; an empty batch where there are none."""
    if not limit:
        yield pa.RecordBatch.from_pylist([], schema=schema)
    for batch in batches:
        if limit <= 0:
            return
        yield batch.slice(0, limit)
        limit -= batch.num_rows
