"""The generic request: any call, its response as rows where it has some.

    Request ─► Call ─► shown, or sent ─► response ─► filter ─► rows, typed when all have come

A single request is sent at once and its first response is kept, so that nothing is ever sent twice; further pages,
and the requests for the rows of a source, are sent when rows are wanted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa

from connector.api.account import Api
from connector.api.calls import Call, prepare
from connector.api.responses import Response
from connector.apply.gates import explained, missing, needed, permission
from connector.apply.ledger import Ledger, ledger_path
from connector.errors import UsageError, did_you_mean
from connector.extract.run import ReadWatch
from connector.places import open_source
from connector.request.bodies import is_binary, write_content
from connector.request.bulk import plan_requests
from connector.request.collect import Collector, Exchange, no_progress
from connector.request.jsonpath import RowFilter
from connector.request.preview import preview
from connector.request.saving import Saving
from connector.request.template import Request, body_as_written, body_texts, call_of, placeholders
from connector.result import Report, Result
from connector.words import count_of


class RequestResult(Result):
    """The response to a request, as rows and as it came; `plan` says what would be sent, where nothing was."""

    def __init__(self, collector: Collector, unsent: str = "") -> None:
        super().__init__(collector.request.name, None, self._batches)
        self.plan = unsent
        self._collector = collector

    def __repr__(self) -> str:
        if self.plan or self._collector.single is None or self._collector.single.sent is None:
            return self.plan or super().__repr__()
        sent = f"sent, {self.status}, {count_of(len(self.raw), 'byte')}"
        return super().__repr__().replace("not read yet", f"{sent}, rows not read yet")

    @property
    def response(self) -> Response:
        """The response as it came: of a request with several pages, the first."""
        if self._collector.single is None or self._collector.single.sent is None:
            once_a_row = "is sent once for each row, so it has no single response"
            reason = "was not sent: apply=True sends it" if self.plan else once_a_row
            raise UsageError(f"{self.name} {reason}.")
        return self._collector.single.sent[1]

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
        """The headers of the response, whatever the case of their names."""
        return self.response.headers

    @property
    def is_binary(self) -> bool:
        """Whether the response is a file rather than text: to be saved, not shown."""
        return not self.plan and self._collector.single is not None and is_binary(self.response)

    def download(self, to: str | Path | None = None) -> Path:
        """Write the body as it came to a file, under the response's own name unless one is given; return where."""
        return write_content(self.response, self._collector.request.url, to)

    def _batches(self, report: Report) -> Iterator[pa.RecordBatch]:
        if self.plan:
            raise UsageError(f"{self.name} was not sent, so it has no rows: apply=True sends it.")
        return self._collector.batches(report)


class BulkResult(RequestResult):
    """What became of a write for each row: a plan until it is applied, then a row with the outcome of each."""

    def __init__(self, collector: Collector, ledger: Ledger | None) -> None:
        spec = collector.request
        with ledger or Ledger(ledger_path()) as opened:
            planned = plan_requests(collector.api, spec, opened)
        super().__init__(collector, "" if spec.apply else repr(planned))
        self._outcomes = planned.apply(allow=spec.allow, allow_live=spec.allow_live) if spec.apply else None

    def _batches(self, report: Report) -> Iterator[pa.RecordBatch]:
        if self._outcomes is None:
            raise UsageError(f"{self.name} was not sent, so it has no rows: apply=True sends it.")
        report.notes += self._outcomes.lines()
        report.failures += [self._outcomes.stopped or "Not all rows are done."] if self._outcomes.failed else []
        yield from self._outcomes.results


def request(api: Api, spec: Request, progress: ReadWatch | None = None, ledger: Ledger | None = None) -> RequestResult:
    """Send a request, or return the plan of one that has to be asked for by name."""
    spec.check()
    rows = None if spec.filter is None else RowFilter(spec.filter)
    saving = None if spec.save is None else Saving(api, spec, rows)
    collector = Collector(api, spec, rows, progress or no_progress)
    if spec.source is not None:
        _check_placeholders(api, spec)
        return RequestResult(collector) if spec.verb == "GET" else BulkResult(collector, ledger)
    call = call_of(spec)
    prepared = prepare(call, api.client.connection)
    unmet = missing(
        needed(prepared, api.client.connection, api.actions),
        permission(apply=spec.apply, allow=spec.allow, live=spec.allow_live),
    )
    if unmet and spec.apply:
        raise UsageError(f"{spec.name} was not sent: it needs {' '.join(unmet)} too{explained(unmet)}.")
    if unmet:
        shown = preview(prepared, body_as_written(spec), api.client.connection, unmet)
        made = None if _names_idempotency_key(call) else prepared.idempotency_key
        return RequestResult(collector, shown.replace(made, "(made when it is sent)") if made else shown)
    collector.single = Exchange(sent=collector.send(call))
    result = RequestResult(collector)
    if saving is not None:
        rows_to_save = result.to_arrow()
        result.report.notes += saving.save(collector.shape, rows_to_save)
    return result


def _names_idempotency_key(call: Call) -> bool:
    return call.idempotency_key is not None or "idempotency-key" in map(str.lower, call.headers or ())


def _check_placeholders(api: Api, spec: Request) -> None:
    """Refuse, before anything is sent, names that the source lacks, and what no row could make right."""
    known = open_source(spec.source).schema.names
    wanted = placeholders(spec)
    has = f" It has {', '.join(known)}."
    for name in wanted:
        if name not in known:
            raise UsageError(f"{{{name}}} is no column of the source.{did_you_mean(name, known) or has}")
    in_body = (name for text in body_texts(spec) for name in known if f"{{{name}}}" in text)
    if not (wanted or any(in_body)):
        raise UsageError(
            "--from sends the request once for each row, and nothing in it takes a value from the row: put a "
            f"column in braces, as in /v1/customers/{{{known[0] if known else 'id'}}}."
        )
    if not spec.multipart:  # whose files are named by the rows
        prepare(call_of(spec, dict.fromkeys(known, "1")), api.client.connection)
