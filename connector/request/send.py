"""The generic request: any call, its answer as rows where it has some.

    Asked ─► Call ─► shown, or sent ─► answer ─► filter ─► rows, typed when all have come

A single request is sent at once and its first answer kept, so that nothing is ever sent twice; further pages, and the
requests of a source's rows, are sent when rows are asked for.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from connector.api.account import Api
from connector.api.calls import Call, prepare
from connector.api.responses import Response
from connector.errors import AuthenticationFailed, DataError, StripeError, UsageError, did_you_mean
from connector.extract.run import ReadWatch
from connector.request.bodies import document_of, following, goes_on, is_binary, with_page_size, write_content
from connector.request.gates import explained, missing, needed, permission, plan
from connector.request.jsonpath import RowFilter, records
from connector.request.saving import Saving, Shape
from connector.request.template import Request, Row, call_of, placeholders, said
from connector.result import Report, Result
from connector.rows.infer import Inferred, InferredRows
from connector.rows.known import with_known_types
from connector.words import count_of

if TYPE_CHECKING:
    from connector.rows.streams import Source


@dataclass(frozen=True)
class _Sending:
    """One request: the row that it is for, with how that row is called; or its call and first answer, sent already."""

    row: Row | None = None
    label: str | None = None
    sent: tuple[Call, Response] | None = None


@dataclass
class _Reading:
    """How the rows of a request, or of one request per row of a source, are read."""

    api: Api
    asked: Request
    rows: RowFilter | None
    progress: ReadWatch
    only: _Sending | None = None
    shape: Shape = field(default_factory=Shape)
    cut_lists: int = 0

    def __post_init__(self) -> None:
        self._inner = None if self.rows is None else self.rows.inner_list_goes_on()
        self._before, self._began = self.api.client.statistics, time.monotonic()

    def batches(self, report: Report) -> Iterator[pa.RecordBatch]:
        """Read all records, then yield the rows under the columns that fit them: at least one batch, maybe empty."""
        self.shape, self.cut_lists = Shape(), 0
        objects: set[str] = set()
        with Inferred(self.asked.explode) as inferred:
            for found in self._limited(self._records(report)):
                if self.asked.save is not None:
                    self.shape.add(found)
                self.cut_lists += _cut_lists(found, self.asked.explode)
                inferred.add(found)
                objects.update(str(record.get("object")) for record in found)
                report.rows += len(found)
                self._tell(report)
            rows = self._known(inferred.finish(), objects)
            limit = rows.rows if self.asked.limit is None else min(self.asked.limit, rows.rows)
            report.rows = report.rows_read = limit
            report.notes += rows.notes
            if not rows.rows:
                report.notes.append(self._nothing())
            if self.cut_lists:
                report.notes.append(
                    f"{self.asked.name}: {count_of(self.cut_lists, 'list')} inside objects with more items than came; "
                    "a list's own path, as invoices/{id}/lines with --from and --paginate, has all"
                )
            self._tell(report)
            yield from _first_rows(rows.batches(), limit, rows.schema)

    def _known(self, rows: InferredRows, objects: set[str]) -> InferredRows:
        """Return the rows with the types that a definition gives their fields, where all are objects of one kind."""
        endpoint = self.api.endpoints.of_object(objects.pop()) if len(objects) == 1 else None
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
        if not self.asked.paginate:
            return call
        every_record = self.rows is None or self.rows.plain_path() == ["data"]
        url = with_page_size(call.url, self.asked.limit if every_record else None)
        return call if url == call.url else replace(call, url=url)

    def _tell(self, report: Report) -> None:
        now = self.api.client.statistics
        report.requests = now.requests - self._before.requests
        report.retries = now.retries - self._before.retries
        report.seconds = time.monotonic() - self._began
        self.progress(report)

    def _nothing(self) -> str:
        if self.rows is not None:
            return f"{self.asked.name}: the filter {self.asked.filter} picked nothing"
        return f"{self.asked.name}: the answer holds no rows"

    def _limited(self, pages: Iterator[list[dict[str, Any]]]) -> Iterator[list[dict[str, Any]]]:
        """Stop where enough records have come: each of them is a row at least."""
        left = self.asked.limit
        for page in pages if left != 0 else ():
            yield page if left is None else page[:left]
            left = None if left is None else left - len(page)
            if left is not None and left <= 0:
                return

    def _records(self, report: Report) -> Iterator[list[dict[str, Any]]]:
        """Yield the records of each answer; of many requests, one that fails is named and the others go on."""
        for sending in [self.only] if self.only else self._for_each_row():
            try:
                for document in self._documents(sending, report):
                    yield records(document, self.rows)
            except AuthenticationFailed:
                raise
            except (StripeError, UsageError, DataError) as error:
                if sending.label is None:
                    raise
                report.failures.append(f"{sending.label}: {error}")

    def _for_each_row(self) -> Iterator[_Sending]:
        source, number = open_rows(self.asked), 0
        for batch in source.batches():
            for row in batch.to_pylist():
                yield _Sending(row, source.row_label(number))
                number += 1

    def _documents(self, sending: _Sending, report: Report) -> Iterator[Any]:
        """Yield the answer, and with --paginate the pages that follow it."""
        client = self.api.client
        call, response = sending.sent or self.send(call_of(self.asked, sending.row))
        while True:
            document = document_of(response)
            if document is not None:
                self.shape.saw(document)
                self.cut_lists += 0 if self._inner is None else self._inner.rows(document).count(True)
                yield document
            if not self.asked.paginate:
                self._note_more(document, report)
                return
            further = following(str(prepare(call, client.connection).url), document)
            if further is None:
                return
            call = replace(call, url=further)
            response = client.request(call)

    def _note_more(self, document: object, report: Report) -> None:
        note = f"{self.asked.name}: there are more rows; --paginate reads them all"
        is_wanted = self.asked.verb == "GET" and (self.asked.limit is None or report.rows < self.asked.limit)
        if is_wanted and goes_on(document) and note not in report.notes:
            report.notes.append(note)


class RequestResult(Result):
    """The answer to a request, as rows and as it came; `plan` says what would be sent, where nothing was."""

    def __init__(self, reading: _Reading, unsent: str = "") -> None:
        super().__init__(reading.asked.name, None, self._batches)
        self.plan = unsent
        self._reading = reading

    def __repr__(self) -> str:
        return self.plan or super().__repr__()

    @property
    def response(self) -> Response:
        """The answer as it came: of a request with several pages, the first."""
        if self._reading.only is None or self._reading.only.sent is None:
            reason = (
                "was not sent: apply=True sends it" if self.plan else "is sent once for each row: it has no one answer"
            )
            raise UsageError(f"{self.name} {reason}.")
        return self._reading.only.sent[1]

    @property
    def raw(self) -> bytes:
        """The body as it came."""
        return self.response.content

    @property
    def status(self) -> int:
        """The status as a number, as 200."""
        return self.response.status

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers of the answer, whatever the case of their names."""
        return self.response.headers

    @property
    def is_binary(self) -> bool:
        """Whether the answer is a file rather than text: to be saved, not shown."""
        return not self.plan and self._reading.only is not None and is_binary(self.response)

    def download(self, to: str | Path | None = None) -> Path:
        """Write the body as it came to a file, under the answer's own name unless one is given; return where."""
        return write_content(self.response, self._reading.asked.url, to)

    def _batches(self, report: Report) -> Iterator[pa.RecordBatch]:
        if self.plan:
            raise UsageError(f"{self.name} was not sent, so it has no rows: apply=True sends it.")
        return self._reading.batches(report)


def request(api: Api, asked: Request, progress: ReadWatch | None = None) -> RequestResult:
    """Send a request, or return the plan of one that has to be asked for by name."""
    asked.check()
    rows = None if asked.filter is None else RowFilter(asked.filter)
    saving = None if asked.save is None else Saving(api, asked, rows)
    reading = _Reading(api, asked, rows, progress or _no_progress)
    if asked.source is not None:
        _check_placeholders(api, asked)
        return RequestResult(reading)
    call = call_of(asked)
    prepared = prepare(call, api.client.connection)
    lacking = missing(
        needed(prepared, api.client.connection),
        permission(apply=asked.apply, allow=asked.allow, live=asked.allow_live),
    )
    if lacking and asked.apply:
        raise UsageError(f"{asked.name} was not sent: it needs {' '.join(lacking)} too{explained(lacking)}.")
    if lacking:
        shown = plan(prepared, said(asked), api.client.connection, lacking)
        made = None if _names_idempotency_key(call) else prepared.idempotency_key
        return RequestResult(reading, shown.replace(made, "(made when it is sent)") if made else shown)
    reading.only = _Sending(sent=reading.send(call))
    result = RequestResult(reading)
    if saving is not None:
        found = result.to_arrow()
        result.report.notes += saving.save(reading.shape, found)
    return result


def _names_idempotency_key(call: Call) -> bool:
    return call.idempotency_key is not None or "idempotency-key" in map(str.lower, call.headers or ())


def open_rows(asked: Request) -> Source:
    """Open the source whose rows fill the placeholders."""
    from connector.places import open_source

    return open_source(asked.source)


def _check_placeholders(api: Api, asked: Request) -> None:
    """Refuse, before anything is sent, names that the source lacks, and what no row could make right."""
    known = open_rows(asked).schema.names
    wanted = placeholders(asked)
    has = f" It has {', '.join(known)}."
    for name in wanted:
        if name not in known:
            raise UsageError(f"{{{name}}} is no column of the source.{did_you_mean(name, known) or has}")
    if not wanted:
        raise UsageError(
            "--from sends the request once for each row, and nothing in it takes a value from the row: put a "
            f"column in braces, as in /v1/customers/{{{known[0] if known else 'id'}}}."
        )
    prepare(call_of(asked, dict.fromkeys(known, "1")), api.client.connection)


def _cut_lists(found: list[dict[str, Any]], explode: str | None) -> int:
    """Return how many of the lists to explode go on after the items that came inside their object."""
    if explode is None or not explode.endswith(".data"):
        return 0
    count = 0
    for record in found:
        here: Any = record
        for name in explode.split(".")[:-1]:
            here = here.get(name) if isinstance(here, dict) else None
        count += isinstance(here, dict) and here.get("has_more") is True
    return count


def _no_progress(report: Report) -> None:
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
