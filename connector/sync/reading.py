"""One endpoint while it is synced: its rows that wait for the next commit, where they came from, its counts so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pyarrow as pa

from connector.api.records import Page, ids_of, only
from connector.databases.base import Counts
from connector.errors import ConnectorError, DataError, StripeError
from connector.rows.characters import without_null_bytes
from connector.rows.flatten import Flattener
from connector.sync.columns import ColumnChoice
from connector.sync.journal import Run
from connector.sync.provenance import with_provenance
from connector.sync.tasks import Task
from connector.words import count_of

JOINED_PAGES = 20
_REFUSED = (400, 403, 404)  # the key may not, or the account has no such feature


@dataclass
class Reading:
    """One endpoint while it is read: its rows that wait for the next commit, and its counts so far.

    `clock` is the time, by Stripe's clock, of the latest rows that earlier runs have read: what is read now is newer,
    even where an estimate of Stripe's time comes out lower. Of the last page, `unmet` are the ids of the records that
    do not meet the conditions. `unread` are parents whose lists could not be read, with why.
    """

    task: Task
    run: Run
    flattener: Flattener = field(init=False)
    waiting: list[pa.RecordBatch] = field(default_factory=list)
    waiting_bytes: int = 0
    _single: int = 0  # of the last that wait: pages that stand by themselves
    unmet: list[str] = field(default_factory=list)
    clock: int = 0
    first_clock: int | None = None
    null_bytes: int = 0
    error: ConnectorError | None = None
    unread: list[tuple[str, ConnectorError]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.flattener = self.task.flattener()

    @property
    def unread_error(self) -> ConnectorError | None:
        """What to say of parents whose lists could not be read; None where all were."""
        if not self.unread:
            return None
        (first, error), *others = self.unread
        more = f" (and of {', '.join(parent for parent, _ in others)})" if others else ""
        return DataError(f"The list of {first}{more} could not be read, all others were: {error}")

    def choose(self, choice: ColumnChoice) -> None:
        """Read these columns from now on."""
        self.task = replace(self.task, choice=choice)
        self.flattener = self.task.flattener()

    def add(self, page: Page, account: str, changed_at: Mapping[str, int] | None = None) -> Page:
        """Flatten a page, keep what its conditions keep, with where and when it came from; return it cut to that.

        `changed_at` says since when objects are like that, by the id of the family's parent, where not the page does.
        """
        rows = self.flattener.batch(page.records, page.fills)
        batch = self.task.planned.matches(rows)
        self.run = replace(self.run, rows_read=self.run.rows_read + page.count)
        times: int | list[int] = [changed_at[id_] for id_ in self._parents(batch)] if changed_at else self._time(page)
        if batch.num_rows:
            self._wait(with_provenance(self.without_excluded(batch), account, times))
            self.waiting_bytes += len(page.records)
        self.unmet = []
        if batch.num_rows == page.count or "id" not in batch.schema.names:
            return page
        kept = set(batch.column("id").to_pylist())
        self.unmet = [id_ for id_ in ids_of(page) if id_ not in kept]
        return only(page, kept)

    def _wait(self, batch: pa.RecordBatch) -> None:
        """Let the rows of a page wait, those of some as one: a hundred columns of few rows take much room."""
        self.waiting.append(batch)
        self._single += 1
        if self._single == JOINED_PAGES:
            pages = pa.Table.from_batches(self.waiting[-JOINED_PAGES:])
            self.waiting[-JOINED_PAGES:] = pages.combine_chunks().to_batches()
            self._single = 0

    def committed(self, run: Run) -> None:
        """Take note that what waited stands in the target."""
        self.run, self.waiting, self.waiting_bytes, self._single = run, [], 0, 0

    def unmet_of(self, records: bytes) -> set[str]:
        """Return the ids of those records that do not meet the conditions."""
        if not self.task.further_conditions:
            return set()
        rows = self.task.flattener().batch(records, {})
        kept = self.task.planned.matches(rows)
        return {*rows.column("id").to_pylist()} - {*kept.column("id").to_pylist()}

    def _time(self, page: Page) -> int:
        """Return when the rows of a page are like that."""
        changed_at = max(self.clock, page.sent_at)
        self.first_clock = self.first_clock or changed_at
        return changed_at

    def _parents(self, batch: pa.RecordBatch) -> list[str]:
        """Return, row by row, the id of the family's parent to which it belongs."""
        parents = self.task.endpoint.parents
        ids: list[str] = batch.column(parents[0].column if parents else "id").to_pylist()
        return ids

    def replace_null_bytes(self) -> None:
        """Put U+FFFD in the place of null bytes in the rows that wait, for a database that cannot hold them."""
        for place, batch in enumerate(self.waiting):
            self.waiting[place], count = without_null_bytes(batch)
            self.null_bytes += count

    def without_excluded(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Drop the columns that only conditions needed."""
        left_out = self.task.choice.left_out(self.task.endpoint)
        return batch.drop_columns([name for name in left_out if name in batch.schema.names])

    def schema(self) -> pa.Schema:
        """Return the schema of its table."""
        empty = pa.RecordBatch.from_pylist([], schema=self.flattener.schema)
        return with_provenance(self.without_excluded(empty), "", 0).schema

    def counted(self, counts: Counts) -> Run:
        """Return the run with what became of more rows."""
        return replace(
            self.run,
            inserted=self.run.inserted + counts.inserted,
            updated=self.run.updated + counts.updated,
            unchanged=self.run.unchanged + counts.unchanged,
            deleted=self.run.deleted + counts.deleted,
        )

    def ended(self, counts: Counts, seconds: float) -> Run:
        """Return the run as it ends; what the key may not read at all is skipped, unless it was asked for by name."""
        error = self.error or self.unread_error
        refused = isinstance(error, StripeError) and error.status in _REFUSED and not self.run.rows_read
        status = "succeeded" if error is None else "skipped" if refused and not self.task.listed else "failed"
        reason = None if error is None else " ".join(str(error).split()) or type(error).__name__
        return replace(self.counted(counts), status=status, error=reason, seconds=seconds)


def _null_byte_notes(reading: Reading) -> list[str]:
    if not reading.null_bytes:
        return []
    values = count_of(reading.null_bytes, "value")
    return [f"{reading.task.name}: {values} with a null byte, which this database cannot hold; U+FFFD stands for it"]


def drift_notes(reading: Reading) -> list[str]:
    """Return, in sentences, what an endpoint had that its definition does not know, or knows otherwise."""
    drift, name = reading.flattener.drift, reading.task.name
    new = [f"{name}: {path} is new to this connector; it is in _extra" for path, n in drift.undeclared.items() if n]
    return (
        new
        + [
            f"{name}: {path} has {count_of(n, 'value')} of another type, kept in _extra"
            for path, n in drift.misfits.items()
        ]
        + _null_byte_notes(reading)
    )
