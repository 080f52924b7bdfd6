"""One pass over an endpoint and the children that are read with it, so that both stand in one commit.

What is not held yet comes first. Then, in full, what a stopped run had read; else what events and definitions say may
have changed. Rows and the progress that they make are committed together, some thousand at a time; what the pass should
have seen and has not is gone.
"""

from __future__ import annotations

import logging
import math
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from connector.api.account import Api
from connector.api.pages import PageReader
from connector.api.parallel import read_list
from connector.api.records import Page, ids_of, only
from connector.api.spans import BEGINNING, Spans
from connector.api.stopping import StoppedError
from connector.api.walk import PAGE_ROWS
from connector.databases.base import Counts, Session
from connector.definitions.endpoint import Endpoint
from connector.errors import AuthenticationFailed, ConnectorError, DataError, PermissionDenied, RateLimited, TargetError
from connector.sync.changes import Change, Changes, sort_out
from connector.sync.columns import choice_notes
from connector.sync.deletions import Deletion, Gone, Unseen, mark_deleted
from connector.sync.journal import Journal, Run, State
from connector.sync.leased import LeasedTarget, TakenOverError
from connector.sync.passes import Pass
from connector.sync.provenance import Held, held, in_parts, latest, refuse_other_rows, written_at
from connector.sync.reading import Reading, drift_notes
from connector.sync.report import SyncWatch
from connector.sync.rereads import Unread
from connector.sync.room import Room
from connector.sync.views import make_view
from connector.sync.wanted import Wanted

COMMIT_SECONDS = 15.0
MOST_UNREAD = 20  # lists below parents that may fail before all of them count as failed
_log = logging.getLogger(__name__)
_PACKAGE = Path(__file__).parents[1]


class Family:
    """An endpoint and its children while they are synced; `readings` says how far each has come, the parent's first."""

    def __init__(self, planned: Pass, api: Api, target: LeasedTarget, room: Room, watch: SyncWatch) -> None:
        new = Run(target.run_id, "", "running", time.time(), account=target.account)
        self.readings = [Reading(task, replace(new, endpoint=task.name)) for task in planned.tasks]
        self.changes: list[str] = []
        self._pass = planned
        self._parent, *self._children = self.readings
        self._origin = "What was read"
        self._unmet: list[str] = []  # of what was read again: rows that no longer meet the conditions are gone, too
        self._reader = PageReader(api.client, api.endpoints, reads_ahead=True, is_passed_over=self._is_passed_over)
        self._target = target
        self._room = room
        self._watch = watch
        self._began_at = datetime.now(UTC)
        self._version = api.client.connection.version
        self._as_of = planned.changes.as_of if planned.changes else None
        self._started_at = self._last_commit = time.monotonic()

    def sync(self) -> None:
        """Bring the tables up to Stripe; what cannot be read or written is an error of the reading that it ends."""
        try:
            state = self._target.write(self._prepare)
            self._read(state) if self._pass.since is None else self._catch_up(state)
        except (TakenOverError, StoppedError):
            raise
        except Exception as failure:  # whatever it is, the other endpoints go on
            error = self._explained(failure)
            for reading in self.readings:
                reading.error = reading.error or error
            self._committed(self._target.write(lambda _, journal: self._end(journal, [Counts()] * len(self.readings))))
        finally:
            self._room.leave(self)

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

    # Before

    def _prepare(self, session: Session, journal: Journal) -> State:
        """Make the tables fit, set the clocks behind all that stands in them; return how far an earlier run came."""
        self._began_at, self.changes = datetime.now(UTC), []
        journal.save_runs(self._target.account, [reading.run for reading in self.readings])
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
        return self._taken_up(self._pass.state)

    def _taken_up(self, state: State) -> State:
        """Return the state to go on from; what a stopped run had read by other settings counts for nothing."""
        task, since = self._parent.task, self._pass.since
        fingerprint = task.fingerprint(self._version)
        if since is not None:
            return replace(state, covered=state.covered.within(BEGINNING, since))
        is_stopped = bool(state.covered.parts and task.missing(state.covered))
        if is_stopped and state.fingerprint == fingerprint:
            return state
        if is_stopped:
            self.changes.append(
                f"{state.endpoint}: read from the start, since the run that was stopped had other columns, conditions "
                "or another API version"
            )
        return State(state.endpoint, fingerprint=fingerprint, load_began_at=self._began_at)

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
        if changes:  # only what is read again gets a value in a new column
            self.changes += [f"{change}; this run fills it" for change in changes]
            self._pass = self._pass.in_full()
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
        """Read all: what is missing first, then what a stopped run had read."""
        task = self._parent.task
        for stretch in [*task.missing(state.covered), *task.covered(state.covered)]:
            state = self._read_stretch(stretch, state)
        self._finish(state, Gone())

    def _read_stretch(self, stretch: tuple[int, int], state: State) -> State:
        """Read what was created in a stretch of time, committing as it goes; return the state after it."""
        task = self._parent.task
        with closing(read_list(self._reader, task.endpoint, task.selection(stretch), stretch)) as portions:
            for portion in portions:
                for _ in self._take_in(portion.page) if portion.page is not None else ():
                    self._commit_if_due(state)
                state = replace(state, covered=state.covered.with_span(*portion.span))
                self._commit_if_due(state)
        return state

    def _take_in(self, page: Page, changed_at: Mapping[str, int] | None = None) -> Iterator[None]:
        """Take in a page of parents and read their children, pausing after each page of these."""
        parent = self._parent
        self._origin, self._as_of = page.origin, self._as_of or page.sent_at
        matching = parent.add(page, self._target.account, changed_at)
        self._watch(parent.task.name, parent.run)
        for child in self._children:
            yield from self._read_children(child, matching, changed_at)

    def _is_passed_over(self, endpoint: Endpoint, ids: Sequence[str], error: ConnectorError) -> bool:
        """Keep in mind whose list could not be read, and go on with the others; not where none can be read."""
        reading = next(each for each in self.readings if each.task.name == endpoint.name)
        if isinstance(error, (AuthenticationFailed, PermissionDenied, RateLimited)):
            return False
        reading.unread.append((" with ".join(ids), error))
        return len(reading.unread) <= MOST_UNREAD

    def _take_in_whole(self, page: Page, state: State, changed_at: Mapping[str, int] | None = None) -> None:
        """Take in a page with its children, in one commit.

        A parent without its children would count as settled in the run after one that is stopped.
        """
        for _ in self._take_in(page, changed_at):
            pass
        self._unmet += self._parent.unmet
        self._commit_if_due(state)

    def _catch_up(self, state: State) -> None:
        """Read what is missing or new, merge what events show, and read again what may have changed unseen."""
        missing = self._parent.task.missing(state.covered)
        for each in missing:
            state = self._read_stretch(each, state)
        wanted = Wanted()
        self._sort_out(wanted, Spans.of(missing), state)
        self._read_wanted(wanted, state)
        gone = [*wanted.gone, *self._read_unread(state), *self._unmet]
        self._finish(state, Gone([*missing, *self._parent.task.left_behind], gone, state.load_began_at))

    def _sort_out(self, wanted: Wanted, read: Spans, state: State) -> None:
        """Merge what events show of objects; want those again of which they only say that they have changed."""
        task, changes = self._parent.task, self._pass.changes
        if changes is None:
            return
        newest = changes.of(task.endpoint.object)
        for ids in in_parts(list(newest)):
            told = sort_out(
                {id_: newest[id_] for id_ in ids},
                self._held(ids),
                lambda created: task.is_about(created) and not read.holds(created),
                is_ordered=self._pass.ordered,
            )
            if told.shown:
                self._merge_shown(changes, told.shown, state)
            unmet = self._parent.unmet_of(changes.snapshots(told.absent.values())) if told.absent else set[str]()
            for id_, created in told.unsure.items():
                if id_ not in unmet:
                    wanted.add(id_, created)

    def _held(self, ids: Sequence[str]) -> dict[str, Held]:
        """Return what the target holds of some objects."""
        table, order = self._target.table(self._parent.task.name), self._parent.task.endpoint.order or ""
        return self._target.write(lambda session, _: held(session, table, self._target.account, order, ids))

    def _merge_shown(self, changes: Changes, shown: Mapping[str, Change], state: State) -> None:
        """Take in objects as events show them."""
        at = {id_: change.changed_at for id_, change in shown.items()}
        page = Page(changes.snapshots(shown.values()), len(shown), max(at.values()), origin="An event")
        self._take_in_whole(page, state, at)

    def _read_unread(self, state: State) -> list[str]:
        """Read again what may have changed without an event, by as many requests as may go for it; return what is gone.

        Half of them are for the rows that the definition names, the rest for those that were not read for longest.
        """
        left, gone = self._pass.rereads, list[str]()
        choices = [(Unread.named, math.ceil(left / 2)), (Unread.stalest, left)]
        for choose, share in choices if self._pass.rereads_all else choices[:1]:
            pages = min(share, left)
            if not pages:
                continue
            self._commit(state)  # so that what has just been read does not count as unread
            again = Wanted(newest_first=False, most_pages=pages)
            for id_, created in self._unread(choose, pages):
                if self._parent.task.is_about(created):
                    again.add(id_, created)
            self._read_wanted(again, state)
            gone, left = gone + again.gone, left - again.pages
        return gone

    def _unread(self, choose: Callable[..., list[tuple[str, int]]], pages: int) -> list[tuple[str, int]]:
        task = self._parent.task

        def look(session: Session, _journal: Journal) -> list[tuple[str, int]]:
            table = self._target.table(task.name)
            unread = Unread(session, table, self._target.account, self._began_at, self._as_of or 0)
            return choose(unread, task, pages * PAGE_ROWS)

        return self._target.write(look)

    def _read_wanted(self, wanted: Wanted, state: State) -> None:
        """Read the list, from the newest object that is wanted on, as far as its pages show one."""
        task = self._parent.task
        while (stretch := wanted.stretch()) is not None:
            for page in self._reader.read(task.endpoint, task.selection(stretch)):
                self._take_in_whole(page, state)
                oldest = self._parent.oldest
                if oldest is not None and oldest >= stretch[1]:
                    raise DataError(f"{page.origin} holds only what was created later than was asked for.")
                if not wanted.read(ids_of(page), oldest):
                    break
            else:
                wanted.end()

    def _read_children(
        self, child: Reading, parents: Page, changed_at: Mapping[str, int] | None = None
    ) -> Iterator[None]:
        """Read the children of a page of parents, pausing after each page; where that fails, the parents go on."""
        if child.error is not None:
            return
        selection = child.task.planned.selection
        wanted = selection.parents.get(child.task.endpoint.parents[0].column)
        within = only(parents, wanted) if wanted else parents
        try:
            for page in self._reader.children(child.task.endpoint, within, selection):
                self._origin = page.origin
                child.add(page, self._target.account, changed_at)
                yield
        except StoppedError:
            raise
        except Exception as error:  # whatever it is, the parents go on
            child.error = self._explained(error)

    # Writing

    def _commit_if_due(self, state: State) -> None:
        """Commit when many rows wait, or when it is time to show what there is."""
        rows = sum(batch.num_rows for reading in self.readings for batch in reading.waiting)
        is_much = self._room.is_full(self, rows, sum(reading.waiting_bytes for reading in self.readings))
        if is_much or time.monotonic() - self._last_commit >= COMMIT_SECONDS:
            self._commit(state)

    def _commit(self, state: State) -> None:
        """Merge the waiting rows and keep the progress that they make, in one transaction."""
        state = replace(state, as_of=state.as_of if state.as_of is not None else self._as_of)

        def work(session: Session, journal: Journal) -> list[Run]:
            counts = [self._merge(session, reading) for reading in self.readings]
            self._save_state(journal, state)
            return [reading.counted(count) for reading, count in zip(self.readings, counts, strict=True)]

        self._committed(self._target.write(work))

    def _committed(self, runs: Sequence[Run]) -> None:
        for reading, run in zip(self.readings, runs, strict=True):
            reading.run, reading.waiting, reading.waiting_bytes = run, [], 0
            self._watch(reading.task.name, reading.run)
        self._last_commit = time.monotonic()

    def _save_state(self, journal: Journal, state: State) -> None:
        """Keep how far a family has come; what could not be read whole is read in full next time."""
        for reading in self.readings:
            task = reading.task
            held = replace(state, endpoint=task.name, fingerprint=task.fingerprint(self._version))
            if reading.error is not None:
                held = State(task.name)
            journal.save_progress(self._target.account, held, livemode=self._target.identity.livemode)

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

    def _finish(self, state: State, gone: Gone) -> None:
        """Merge the last rows, mark what was there and is no more, and say as of when all of it is held."""
        for reading in self.readings:
            reading.error = reading.error or reading.unread_error
        covered = Spans.of([self._parent.task.span])
        whole = replace(state, covered=covered, as_of=self._as_of, load_began_at=None)

        def work(session: Session, journal: Journal) -> list[Run]:
            merged = [self._merge(session, reading) for reading in self.readings]
            deleted = [Counts(deleted=self._delete(session, reading, gone)) for reading in self.readings]
            self._save_state(journal, whole)
            return self._end(journal, [more + less for more, less in zip(merged, deleted, strict=True)])

        self._committed(self._target.write(work))

    def _end(self, journal: Journal, counts: Sequence[Counts]) -> list[Run]:
        """Keep in history what became of each endpoint, and return it."""
        did, seconds = self._reader.client.statistics, time.monotonic() - self._started_at
        runs = [reading.ended(count, seconds) for reading, count in zip(self.readings, counts, strict=True)]
        full_requests = self._pass.full_requests
        runs[0] = replace(runs[0], requests=did.requests, retries=did.retries, full_requests=full_requests)
        journal.save_runs(self._target.account, runs)
        return runs

    def _delete(self, session: Session, reading: Reading, gone: Gone) -> int:
        """Mark the rows that this pass should have seen and did not; parents come first: their fate decides."""
        task, parent = reading.task, self._parent
        if not task.compares or reading.error is not None:
            return 0
        table = self._target.table(task.name)
        known_at = datetime.fromtimestamp(parent.first_clock or max(parent.clock, int(time.time())), UTC)
        deletion = Deletion(known_at, self._now(), remove=task.said.deletions == "remove")
        unseen = Unseen(self._target.account, self._began_at, task.compared_bounds, task.planned.selection.parents)
        if reading is not parent:
            above = (self._target.table(parent.task.name), task.endpoint.parents[0].column)
            narrowed = gone.of_children(replace(unseen, parent=above))
        else:
            narrowed = gone.of_parents(unseen, task.endpoint.order)
        return sum(mark_deleted(session, table, each, deletion) for each in narrowed)
