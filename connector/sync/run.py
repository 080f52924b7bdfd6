"""Keep tables equal to Stripe, run after run: read, merge by key, mark what is gone, remember how far it came.

A run reads each endpoint again in full. Rows and progress are committed together, some thousand rows at a time; a run
that was stopped is taken up by the next, which reads first what is still missing. Children are read with their
parents, so that both stand in one commit.
"""

from __future__ import annotations

import math
import os
import platform
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pyarrow as pa
from msgspec.json import decode

from connector.api.account import Api
from connector.api.pages import Listing, PageReader
from connector.api.records import Page, only
from connector.api.spans import Spans
from connector.databases.base import Counts, Database, Deletion, Session, Unseen
from connector.databases.merge import Table
from connector.errors import (
    ConfigError,
    ConnectorError,
    DataError,
    NoResponse,
    PermissionDenied,
    StripeError,
    TargetError,
)
from connector.sync.journal import EVENTS, Journal, Lease, Run, State
from connector.sync.plan import Task, families
from connector.sync.reading import Reading, drift_notes

COMMIT_ROWS = 5_000
COMMIT_SECONDS = 5.0
_LEASE_POLL_SECONDS = 1.0


@dataclass
class SyncReport:
    """What a sync did: a run per endpoint, and everything worth telling."""

    runs: list[Run] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def failed(self) -> list[Run]:
        """The endpoints that could not be read or written whole."""
        return [run for run in self.runs if run.status == "failed"]

    def _repr_html_(self) -> str:
        from html import escape

        names = ["endpoint", "status", "rows_read", "inserted", "updated", "unchanged", "deleted", "seconds", "error"]
        head = "".join(f"<th>{name}</th>" for name in names)
        rows = "".join(
            "<tr>" + "".join(f"<td>{escape(_shown(getattr(run, name)))}</td>" for name in names) + "</tr>"
            for run in self.runs
        )
        notes = "".join(f"<li>{escape(note)}</li>" for note in self.notes)
        return f"<table><tr>{head}</tr>{rows}</table>" + (f"<ul>{notes}</ul>" if notes else "")


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.1f}"
    return f"{value:,}" if isinstance(value, int) else str(value or "")


SyncWatch = Callable[[str, Run], None]


class _TakenOverError(TargetError):
    """Another run holds the lease now: this one must not write any more."""


class Sync:
    """One run of a sync: which account, into which schema of which database."""

    def __init__(self, api: Api, database: Database, schema: str | None = None, watch: SyncWatch | None = None) -> None:
        self._api = api
        self._database = database
        self._schema = schema or database.default_schema
        self._watch = watch or (lambda _name, _run: None)
        self._lease = Lease(uuid.uuid4().hex[:12], platform.node(), os.getpid(), time.time())
        self._account = ""
        self._livemode = False
        self._began_at = datetime.now(UTC)
        self._last_commit = time.monotonic()

    def run(self, tasks: Sequence[Task], notes: Sequence[str] = (), lock_wait_seconds: float = 0.0) -> SyncReport:
        """Read every task's endpoint and merge it; one that fails is reported and the others go on."""
        report = SyncReport(notes=list(notes))
        self._account, self._livemode = self._identity()
        before = self._take_lease(lock_wait_seconds)
        if before is not None:
            report.notes.append(f"{before} ended without giving its lease back; this run goes on from there")
        try:
            self._fix_position(report)
            for family in families(tasks):
                self._family(family, report)
        finally:
            self._leave()
        return report

    def _leave(self) -> None:
        """Give the lease back, if it is still ours; what was interrupted is running no more."""
        with self._database.transaction() as session:
            journal = Journal(session, self._schema)
            held = journal.lease()
            if held is not None and held.run_id == self._lease.run_id:
                journal.close_runs()
                journal.release(self._lease.run_id)

    def _identity(self) -> tuple[str, bool]:
        """Return the account and whether it is live; a key that may not tell gets an error, never a guess."""
        connection, client = self._api.client.connection, self._api.client
        account, livemode = connection.account, connection.livemode
        if account is None:
            try:
                account = cast("dict[str, Any]", client.get("/v1/account").json())["id"]
            except PermissionDenied as error:
                raise ConfigError(
                    f"The key may not read which account it opens ({error.reason or error}). Name it: account of the "
                    "connection, or STRIPE_ACCOUNT."
                ) from error
        if livemode is None:
            livemode = cast("dict[str, Any]", client.get("/v1/balance").json())["livemode"]
        return account, livemode

    def _take_lease(self, lock_wait_seconds: float) -> Lease | None:
        """Take the lease, waiting for another run as long as allowed; return that of a run that is gone, if any."""
        until = time.monotonic() + lock_wait_seconds
        while True:
            with self._database.transaction() as session:
                journal = Journal(session, self._schema)
                journal.prepare()
                journal.check_mode(livemode=self._livemode)
                before = journal.lease()
                self._lease = replace(self._lease, heartbeat_at=time.time())
                held = journal.take_lease(self._lease)
                if held is None:
                    journal.close_runs()
                    return before
            if time.monotonic() >= until:
                raise TargetError(f"{held} is syncing into {self._database.label}; wait for it, or set lock_wait.")
            time.sleep(_LEASE_POLL_SECONDS)

    def _fix_position(self, report: SyncReport) -> None:
        """Remember, before anything is read for the first time, up to which event nothing can have been missed."""
        with self._database.transaction() as session:
            journal = Journal(session, self._schema)
            if EVENTS in journal.progress(self._account):
                return
            if others := sorted(journal.accounts() - {self._account}):
                beside = f"rows of {self._account} now stand beside those of {', '.join(others)}"
                report.notes.append(f"{beside}: _account_id tells them apart")
        reader = PageReader(self._api.client, self._api.endpoints, 1)
        try:
            page = next(reader.walk(Listing("/v1/events", "/v1/events")))
        except ConnectorError as error:
            report.notes.append(f"the position in events is not known: {error}")
            return
        found: list[dict[str, Any]] = decode(page.records)
        newest: dict[str, Any] = found[0] if found else {"id": None, "created": page.sent_at}
        position = State(EVENTS, finished_at=newest["created"], position=newest["id"])
        with self._database.transaction() as session:
            self._renewed(session).save_progress(self._account, position, livemode=self._livemode)

    def _family(self, family: Sequence[Task], report: SyncReport) -> None:
        """Sync one endpoint and the children that are read with it."""
        new = Run(self._lease.run_id, "", "running", time.time())
        readings = [Reading(task, task.flattener(), replace(new, endpoint=task.name)) for task in family]
        before, began = self._api.client.statistics, time.monotonic()
        reader = PageReader(self._api.client, self._api.endpoints)
        try:
            changes, done = self._prepare(readings)
            report.notes += changes
            self._read(reader, readings, done)
        except _TakenOverError:
            raise
        except ConnectorError as failure:
            for reading in readings:
                reading.error = reading.error or failure
        now = self._api.client.statistics
        requests, retries = now.requests - before.requests, now.retries - before.retries
        readings[0].run = replace(readings[0].run, requests=requests, retries=retries)
        for reading in readings:
            reading.run = replace(reading.run, seconds=time.monotonic() - began)
            reading.ended()
            report.runs.append(reading.run)
            report.notes += drift_notes(reading)
            self._watch(reading.task.name, reading.run)
        report.notes += reader.notes
        with self._database.transaction() as session:
            journal = self._renewed(session)
            for reading in readings:
                journal.save_run(self._account, reading.run)

    def _prepare(self, readings: Sequence[Reading]) -> tuple[list[str], State]:
        """Make the tables fit, set the clocks behind all that stands in them; return what changed and how far it is."""
        changes, now = [], datetime.now(UTC)
        self._began_at = now
        with self._database.transaction() as session:
            journal = self._renewed(session)
            top = readings[0].task.name
            done = journal.progress(self._account).get(top, State(top))
            for reading in readings:
                journal.save_run(self._account, reading.run)
                table = self._table(reading.task)
                try:
                    self._refuse_other_rows(session, table)
                except TargetError as error:
                    if reading is readings[0]:
                        raise
                    reading.error = error
                    continue
                changes += [
                    f"{change}; this run fills it"
                    for change in session.prepare(table, reading.schema(), reading.task.keys.columns)
                ]
                changed_at, synced_at = session.latest(table, self._account)
                # These tell this run's rows from those of earlier ones, whatever the computer's clock did meanwhile.
                self._began_at = max(self._began_at, synced_at + timedelta(microseconds=1) if synced_at else now)
                readings[0].clock = max(readings[0].clock, math.ceil(changed_at.timestamp()) if changed_at else 0)
        for reading in readings:
            reading.clock = readings[0].clock
        return changes, done

    def _refuse_other_rows(self, session: Session, table: Table) -> None:
        """Refuse a table that something else has filled: its rows, without an account, would stand there twice."""
        columns = session.column_types(table)
        if not columns or "_account_id" in columns:
            return
        ((count,),) = session.rows(f"SELECT count(*) FROM {session.full(table)}")  # noqa: S608
        if count:
            raise TargetError(
                f"{table.schema}.{table.name} in {self._database.label} holds rows that no sync has written, as an "
                "extract does: rename or drop that table, or give the sync another schema."
            )

    def _table(self, task: Task) -> Table:
        return Table(self._schema, task.name)

    def _read(self, reader: PageReader, readings: Sequence[Reading], done: State) -> None:
        """Read what is missing first, then what a stopped run had read, committing as it goes."""
        parent, *children = readings
        for stretch in parent.task.stretches(done.covered):
            parent.oldest = None
            for page in reader.read(parent.task.endpoint, parent.task.selection(stretch)):
                kept = parent.add(page, self._account)
                self._watch(parent.task.name, parent.run)
                for child in children:
                    for _ in self._children(reader, child, kept):
                        self._commit_if_due(readings, done)
                further = replace(done, covered=done.covered.with_span(parent.reached(stretch), stretch[1]))
                done = further if self._commit_if_due(readings, further) else done
            done = replace(done, covered=done.covered.with_span(*stretch))
        self._finish(readings, done)

    def _children(self, reader: PageReader, child: Reading, parents: Page) -> Iterator[None]:
        """Read the children of a page of parents, pausing after each answer; where that fails, the parents go on."""
        if child.error is not None:
            return
        selection = child.task.planned.selection
        wanted = selection.parents.get(child.task.endpoint.parents[0].column)
        try:
            for page in reader.children(child.task.endpoint, only(parents, wanted) if wanted else parents, selection):
                child.add(page, self._account)
                yield
        except (StripeError, NoResponse, DataError) as error:
            child.error = error

    def _commit_if_due(self, readings: Sequence[Reading], done: State) -> bool:
        """Commit when many rows wait, or when it is time to say that this run is alive; say whether it did."""
        rows = sum(batch.num_rows for reading in readings for batch in reading.waiting)
        is_due = rows >= COMMIT_ROWS or time.monotonic() - self._last_commit >= COMMIT_SECONDS
        if is_due:
            self._commit(readings, done)
        return is_due

    def _commit(self, readings: Sequence[Reading], done: State) -> None:
        """Merge the waiting rows and keep the progress that they make, in one transaction."""

        def work(session: Session) -> list[Counts]:
            journal = self._renewed(session)
            counts = [self._merge(session, reading) for reading in readings]
            journal.save_progress(self._account, done, livemode=self._livemode)
            return counts

        self._committed(readings, self._database.repeated(work))

    def _committed(self, readings: Sequence[Reading], counts: Sequence[Counts]) -> None:
        for reading, count in zip(readings, counts, strict=True):
            reading.counted(count)
            reading.waiting = []
            self._watch(reading.task.name, reading.run)
        self._last_commit = time.monotonic()

    def _renewed(self, session: Session) -> Journal:
        """Say that this run is alive; one whose lease was taken over must not write any more."""
        journal = Journal(session, self._schema)
        held = journal.lease()
        if held is None or held.run_id != self._lease.run_id:
            raise _TakenOverError(f"This run was silent for too long and {held or 'another'} took over; it stops here.")
        self._lease = replace(self._lease, heartbeat_at=time.time())
        journal.take_lease(self._lease)
        return journal

    def _merge(self, session: Session, reading: Reading) -> Counts:
        if not reading.waiting:
            return Counts()
        rows = pa.Table.from_batches(reading.waiting)
        at = pa.scalar(self._now(), pa.timestamp("us", "UTC"))
        place = rows.schema.get_field_index("_synced_at")
        rows = rows.set_column(place, rows.schema.field(place), pa.repeat(at, rows.num_rows))
        return session.upsert(self._table(reading.task), rows, reading.task.keys)

    def _now(self) -> datetime:
        return max(datetime.now(UTC), self._began_at)

    def _finish(self, readings: Sequence[Reading], done: State) -> None:
        """Merge the last rows, mark what was there and is no more, and start the next pass from nothing."""
        whole = replace(done, covered=Spans(), finished_at=int(time.time()))

        def work(session: Session) -> list[Counts]:
            journal = self._renewed(session)
            merged = [self._merge(session, reading) for reading in readings]
            gone = [Counts(deleted=self._delete(session, reading, readings[0])) for reading in readings]
            for reading in readings:
                if reading.error is None:
                    progress = replace(whole, endpoint=reading.task.name)
                    journal.save_progress(self._account, progress, livemode=self._livemode)
            return [more + less for more, less in zip(merged, gone, strict=True)]

        self._committed(readings, self._database.repeated(work))

    def _delete(self, session: Session, reading: Reading, top: Reading) -> int:
        """Mark the rows that this pass did not see; parents come first, since it is their fate that decides."""
        task = reading.task
        if not task.compares or reading.error is not None:
            return 0
        ends = ((">=", task.compared.gte), ("<", task.compared.lt))
        bounds = [
            (task.endpoint.order, sign, datetime.fromtimestamp(end, UTC))
            for sign, end in ends
            if task.endpoint.order and end is not None
        ]
        above = None if reading is top else (self._table(top.task), task.endpoint.parents[0].column)
        unseen = Unseen(self._account, self._began_at, bounds, task.planned.selection.parents, above)
        known_at = datetime.fromtimestamp(top.first_clock or max(top.clock, int(time.time())), UTC)
        deletion = Deletion(known_at, self._now(), remove=task.said.deletions == "remove")
        return session.mark_deleted(self._table(task), unseen, deletion)
