"""One pass over an endpoint and the children that are read with it, so that both stand in one commit.

What a stopped run had not read comes first. Rows and the progress that they make are committed together, some thousand
at a time; what the whole pass has not seen is gone.
"""

from __future__ import annotations

import logging
import math
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from connector.api.account import Api
from connector.api.pages import PageReader
from connector.api.records import Page, only
from connector.api.spans import Spans
from connector.databases.base import Counts, Session
from connector.errors import ConnectorError, DataError, TargetError
from connector.sync.columns import choice_notes
from connector.sync.deletions import Deletion, Unseen, mark_deleted
from connector.sync.journal import Journal, Run, State
from connector.sync.leased import LeasedTarget, TakenOverError
from connector.sync.provenance import latest, refuse_other_rows, written_at
from connector.sync.reading import Reading, drift_notes
from connector.sync.report import SyncWatch
from connector.sync.tasks import Task
from connector.sync.views import make_view

COMMIT_ROWS = 5_000
COMMIT_SECONDS = 5.0
_log = logging.getLogger(__name__)
_PACKAGE = Path(__file__).parents[1]


class Family:
    """An endpoint and its children while they are synced; `readings` says how far each has come, the parent's first."""

    def __init__(self, tasks: Sequence[Task], api: Api, target: LeasedTarget, watch: SyncWatch) -> None:
        new = Run(target.run_id, "", "running", time.time(), account=target.account)
        self.readings = [Reading(task, replace(new, endpoint=task.name)) for task in tasks]
        self.changes: list[str] = []
        self._parent, *self._children = self.readings
        self._origin = "What was read"
        self._reader = PageReader(api.client, api.endpoints)
        self._target = target
        self._watch = watch
        self._began_at = datetime.now(UTC)
        self._version = api.client.connection.version
        self._as_of: int | None = None
        self._last_commit = time.monotonic()

    def sync(self) -> None:
        """Bring the tables up to Stripe; what cannot be read or written is an error of the reading that it ends."""
        try:
            self._read(self._target.write(self._prepare))
        except TakenOverError:
            raise
        except Exception as failure:  # whatever it is, the other endpoints go on
            error = self._explained(failure)
            for reading in self.readings:
                reading.error = reading.error or error

    @property
    def notes(self) -> list[str]:
        """What is worth telling: of the tables, of what was read, of what their definitions do not know."""
        return [*self.changes, *(note for each in self.readings for note in drift_notes(each)), *self._reader.notes]

    def _explained(self, error: Exception) -> ConnectorError:
        """Return an error for people; of one that nobody foresaw only its kind and place, for its text may hold values.

        The cause is logged for who looks for it.
        """
        if isinstance(error, ConnectorError):
            return error
        _log.debug("an error that nobody foresaw", exc_info=error)
        frames = traceback.extract_tb(error.__traceback__)
        ours = [frame for frame in frames if Path(frame.filename).is_relative_to(_PACKAGE)]
        places = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in (frames[-1], ours[-1])]
        place = f"{type(error).__name__} at {', called from '.join(dict.fromkeys(places))}"
        return DataError(f"{self._origin} was the last before an error that nobody foresaw: {place}. Please report it.")

    def save(self) -> None:
        """Keep in history what became of each."""
        self._target.write(self._save_runs)

    def _save_runs(self, _session: Session, journal: Journal) -> None:
        for reading in self.readings:
            journal.save_run(self._target.account, reading.run)

    # Before

    def _prepare(self, session: Session, journal: Journal) -> State:
        """Make the tables fit, set the clocks behind all that stands in them; return how far an earlier run came."""
        self._began_at, self.changes = datetime.now(UTC), []
        name = self._parent.task.name
        self._save_runs(session, journal)
        for reading in self.readings:
            try:
                self._choose_columns(journal, reading)
                self._prepare_table(session, reading)
            except TargetError as error:
                if reading is self._parent:
                    raise
                reading.error = error
        for reading in self._children:
            reading.clock = self._parent.clock
        return self._taken_up(journal.progress(self._target.account).get(name, State(name)))

    def _taken_up(self, state: State) -> State:
        """Return the state to go on from; what a stopped run had read by other settings counts for nothing."""
        fingerprint = self._parent.task.fingerprint(self._version)
        if state.fingerprint == fingerprint:
            return state
        if state.covered.parts:
            self.changes.append(
                f"{state.endpoint}: read from the start, since the run that was stopped had other columns, conditions "
                "or another API version"
            )
        return replace(state, covered=Spans(), fingerprint=fingerprint)

    def _choose_columns(self, journal: Journal, reading: Reading) -> None:
        """Leave out what the config excludes, and what an earlier one did."""
        task, earlier = reading.task, journal.columns(reading.task.name)
        reading.choose(task.wish.after(earlier))
        self.changes += choice_notes(task.name, task.endpoint, earlier, task.wish)
        if reading.task.choice != earlier:
            journal.save_columns(task.name, reading.task.choice)

    def _prepare_table(self, session: Session, reading: Reading) -> None:
        table = self._target.table(reading.task.name)
        refuse_other_rows(session, table, self._target.label)
        changes = session.prepare(table, reading.schema(), reading.task.keys.columns)
        self.changes += [f"{change}; this run fills it" for change in changes]
        if reading.task.major:
            make_view(session, table, reading.task.endpoint)
        changed_at, synced_at = latest(session, table, self._target.account)
        # These tell this run's rows from those of earlier ones, whatever the computer's clock did meanwhile.
        if synced_at:
            self._began_at = max(self._began_at, synced_at + timedelta(microseconds=1))
        if changed_at:
            self._parent.clock = max(self._parent.clock, math.ceil(changed_at.timestamp()))

    # Reading

    def _read(self, state: State) -> None:
        """Read what is missing first, then what a stopped run had read, committing as it goes."""
        parent = self._parent
        for stretch in parent.task.stretches(state.covered):
            parent.oldest = None
            for page in self._reader.read(parent.task.endpoint, parent.task.selection(stretch)):
                self._origin, self._as_of = page.origin, self._as_of or page.sent_at
                matching = parent.add(page, self._target.account)
                self._watch(parent.task.name, parent.run)
                for child in self._children:
                    for _ in self._read_children(child, matching):
                        self._commit_if_due(state)
                further = replace(state, covered=state.covered.with_span(parent.reached(stretch), stretch[1]))
                state = further if self._commit_if_due(further) else state
            state = replace(state, covered=state.covered.with_span(*stretch))
        self._finish(state)

    def _read_children(self, child: Reading, parents: Page) -> Iterator[None]:
        """Read the children of a page of parents, pausing after each page; where that fails, the parents go on."""
        if child.error is not None:
            return
        selection = child.task.planned.selection
        wanted = selection.parents.get(child.task.endpoint.parents[0].column)
        within = only(parents, wanted) if wanted else parents
        try:
            for page in self._reader.children(child.task.endpoint, within, selection):
                self._origin = page.origin
                child.add(page, self._target.account)
                yield
        except Exception as error:  # whatever it is, the parents go on
            child.error = self._explained(error)

    # Writing

    def _commit_if_due(self, state: State) -> bool:
        """Commit when many rows wait, or when it is time to show what there is; say whether it did."""
        rows = sum(batch.num_rows for reading in self.readings for batch in reading.waiting)
        is_due = rows >= COMMIT_ROWS or time.monotonic() - self._last_commit >= COMMIT_SECONDS
        if is_due:
            self._commit(state)
        return is_due

    def _commit(self, state: State) -> None:
        """Merge the waiting rows and keep the progress that they make, in one transaction."""

        def work(session: Session, journal: Journal) -> list[Counts]:
            counts = [self._merge(session, reading) for reading in self.readings]
            self._save_state(journal, state)
            return counts

        self._committed(self._target.write(work))

    def _committed(self, counts: Sequence[Counts]) -> None:
        for reading, count in zip(self.readings, counts, strict=True):
            reading.counted(count)
            reading.waiting = []
            self._watch(reading.task.name, reading.run)
        self._last_commit = time.monotonic()

    def _save_state(self, journal: Journal, state: State) -> None:
        journal.save_progress(self._target.account, state, livemode=self._target.identity.livemode)

    def _merge(self, session: Session, reading: Reading) -> Counts:
        if not reading.waiting:
            return Counts()
        if not session.dialect.keeps_null_bytes:
            reading.replace_null_bytes()
        rows = written_at(reading.waiting, self._now())
        return session.upsert(self._target.table(reading.task.name), rows, reading.task.keys)

    def _now(self) -> datetime:
        return max(datetime.now(UTC), self._began_at)

    # After

    def _finish(self, state: State) -> None:
        """Merge the last rows, mark what was there and is no more, and let the next pass start from nothing."""
        whole = replace(state, covered=Spans(), as_of=self._as_of)

        def work(session: Session, journal: Journal) -> list[Counts]:
            merged = [self._merge(session, reading) for reading in self.readings]
            gone = [Counts(deleted=self._delete(session, reading)) for reading in self.readings]
            for reading in self.readings:
                if reading.error is None:
                    fingerprint = reading.task.fingerprint(self._version)
                    self._save_state(journal, replace(whole, endpoint=reading.task.name, fingerprint=fingerprint))
            return [more + less for more, less in zip(merged, gone, strict=True)]

        self._committed(self._target.write(work))

    def _delete(self, session: Session, reading: Reading) -> int:
        """Mark the rows that this pass did not see; parents come first, since it is their fate that decides."""
        task, parent = reading.task, self._parent
        if not task.compares or reading.error is not None:
            return 0
        above = None
        if reading is not parent:
            above = (self._target.table(parent.task.name), task.endpoint.parents[0].column)
        among = task.planned.selection.parents
        unseen = Unseen(self._target.account, self._began_at, task.compared_bounds, among, above)
        known_at = datetime.fromtimestamp(parent.first_clock or max(parent.clock, int(time.time())), UTC)
        deletion = Deletion(known_at, self._now(), remove=task.said.deletions == "remove")
        return mark_deleted(session, self._target.table(task.name), unseen, deletion)
