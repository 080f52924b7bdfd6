"""How an apply went: what became of each row, counted, as a table, and as rows to correct and feed in again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from connector.apply.effects import BAD, FAILED, IN_ERROR, SENT, UNKNOWN, Outcome, RowError
from connector.apply.plan import private_files
from connector.files.formats import WriteOptions
from connector.result import Report, Result
from connector.rows.streams import Source

_ALWAYS = (SENT, FAILED)
_SHOWN = 20
_FIELDS = ("row", "status", "id", "code", "message", "request_id", "http_status")
_SCHEMA = pa.schema([*((name, pa.string()) for name in _FIELDS[:-1]), (_FIELDS[-1], pa.int64())])


@dataclass
class ApplyReport:
    """What became of each row. `stopped` says why not all were sent, `is_interrupted` that a person stopped it."""

    name: str
    source: str
    outcomes: list[Outcome] = field(default_factory=list)
    errors: Sequence[RowError] = ()
    seconds: float = 0.0
    stopped: str = ""
    is_interrupted: bool = False
    notes: list[str] = field(default_factory=list)

    @property
    def counts(self) -> Counter[str]:
        """How many rows ended in which way."""
        counted = Counter(outcome.status for outcome in self.outcomes)
        counted[IN_ERROR] += len(self.errors)
        return +counted

    @property
    def failed(self) -> bool:
        """Whether some row is not as it was asked for, or may not be."""
        return any(self.counts[word] for word in BAD) or bool(self.stopped)

    def lines(self) -> list[str]:
        """Return the report in sentences, the most important first."""
        counts = self.counts
        words = [*_ALWAYS, *(word for word in counts if word not in _ALWAYS)]
        counted = ", ".join(f"{counts[word]:,} {word}" for word in words)
        bad = [_sentence(outcome) for outcome in self.outcomes if outcome.status in (FAILED, UNKNOWN)]
        bad = [*map(str, self.errors), *bad]
        more = [f"… and {len(bad) - _SHOWN:,} more"] if len(bad) > _SHOWN else []
        stopped = [self.stopped] if self.stopped else []
        return [f"{self.name}: {counted} in {self.seconds:.1f} s", *stopped, *bad[:_SHOWN], *more, *self.notes]

    def __repr__(self) -> str:
        return "\n".join(self.lines())

    @property
    def results(self) -> Result:
        """One row for each row that was planned: its status, the object's id, code, message and request id."""
        return Result(f"{self.name} results", _SCHEMA, self._batches)

    def _batches(self, report: Report) -> Iterator[pa.RecordBatch]:
        errors = [Outcome(error.place, error.label, IN_ERROR, message=str(error)) for error in self.errors]
        rows = [_result(error) for error in sorted([*self.outcomes, *errors], key=lambda outcome: outcome.place)]
        report.rows = report.rows_read = len(rows)
        yield pa.RecordBatch.from_pylist(rows, schema=_SCHEMA)

    def write_rejects(self, source: Source, to: str, options: WriteOptions | None = None) -> int:
        """Write the rows that were refused, in the source's own columns, to a file or a table; return how many."""
        places = {error.place for error in self.errors}
        places |= {outcome.place for outcome in self.outcomes if outcome.status == FAILED}
        rejects = Result(f"{self.name} rejects", source.schema, lambda _: _picked(source, places))
        with private_files():
            return rejects.to(to, options, mode="replace")


def _picked(source: Source, places: set[int]) -> Iterator[pa.RecordBatch]:
    first = 0
    for batch in source.batches():
        wanted = [place - first for place in range(first, first + batch.num_rows) if place in places]
        if wanted:
            yield batch.take(pa.array(wanted, pa.int64()))
        first += batch.num_rows


def _sentence(outcome: Outcome) -> str:
    return f"{outcome.label}: {outcome.status}: {outcome.message}"


def _result(outcome: Outcome) -> dict[str, object]:
    values = (
        outcome.label, outcome.status, outcome.object_id, outcome.code, outcome.message, outcome.request_id,
        outcome.http_status,
    )  # fmt: skip
    return dict(zip(_FIELDS, values, strict=True))
