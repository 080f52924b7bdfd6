"""One pass over an endpoint and the children that are read with it, so that both stand in one commit.

What is not held yet comes first. Then, in full, what a stopped run had read; else what events and definitions say may
have changed. Rows and the progress that they make are committed together, some thousand at a time; what the pass should
have seen and has not is gone.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

from connector.api.account import Api
from connector.api.parallel import read_list
from connector.api.records import Page, ids_of, oldest_of, only
from connector.api.spans import BEGINNING, Spans
from connector.api.stopping import StoppedError
from connector.databases.base import Counts, Session
from connector.errors import DataError, TargetError
from connector.sync.changes import Change, Changes, parents_of, sort_out
from connector.sync.columns import choice_notes
from connector.sync.deletions import Deletion, Gone, Unseen, mark_deleted
from connector.sync.intake import Intake
from connector.sync.journal import Journal, Run, State
from connector.sync.leased import LeasedTarget, TakenOverError
from connector.sync.passes import Pass
from connector.sync.provenance import Held, held, held_below, in_parts, latest, refuse_other_rows
from connector.sync.reading import Reading, drift_notes
from connector.sync.report import SyncWatch
from connector.sync.rereads import Unread
from connector.sync.room import Room
from connector.sync.tasks import Task
from connector.sync.views import make_view
from connector.sync.wanted import Wanted


class Family:
    """An endpoint and its children while they are synced; `readings` says how far each has come, the parent's first."""

    def __init__(self, planned: Pass, api: Api, target: LeasedTarget, room: Room, watch: SyncWatch) -> None:
        self._intake = Intake(planned, api, target, room, watch)
        self.readings = self._intake.readings
        self.changes: list[str] = []
        self._pass = planned
        self._parent, *self._children = self.readings
        self._unmet: list[str] = []  # of what was read again: rows that no longer meet the conditions are gone, too
        self._target = target
        self._version = api.client.connection.version
        self._started_at = time.monotonic()

    def sync(self) -> None:
        """Bring the tables up to Stripe; what cannot be read or written is an error of the reading that it ends."""
        try:
            state = self._target.write(self._prepare)
            self._read(state) if self._pass.since is None else self._catch_up(state)
        except (TakenOverError, StoppedError):
            raise
        except Exception as failure:  # whatever it is, the other endpoints go on
            error = self._intake.explained(failure)
            for reading in self.readings:
                reading.error = reading.error or error
            nothing = [Counts()] * len(self.readings)
            self._intake.committed(self._target.write(lambda _, journal: self._end(journal, nothing)))
        finally:
            self._intake.leave()

    @property
    def notes(self) -> list[str]:
        """What is worth telling: of the tables, of what was read, of what their definitions do not know."""
        drift = [note for each in self.readings for note in drift_notes(each)]
        return [*self.changes, *drift, *self._intake.reader.notes]

    # Before

    def _prepare(self, session: Session, journal: Journal) -> State:
        """Make the tables fit, set the clocks behind all that stands in them; return how far an earlier run came."""
        self._intake.began_at, self.changes = datetime.now(UTC), []
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
        return State(state.endpoint, fingerprint=fingerprint, load_began_at=self._intake.began_at)

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
            self._intake.began_at = max(self._intake.began_at, synced_at + timedelta(microseconds=1))
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
        with closing(read_list(self._intake.reader, task.endpoint, task.selection(stretch), stretch)) as portions:
            for portion in portions:
                for _ in self._intake.take_in(portion.page) if portion.page is not None else ():
                    self._intake.commit_if_due(state)
                state = replace(state, covered=state.covered.with_span(*portion.span))
                self._intake.commit_if_due(state)
        return state

    def _catch_up(self, state: State) -> None:
        """Read what is missing or new, merge what events show, and read again what may have changed unseen.

        What the last run could not read comes first.
        """
        unread = self._read_unread_lists(state)
        missing = self._parent.task.missing(state.covered)
        for each in missing:
            state = self._read_stretch(each, state)
        wanted = Wanted()
        shown = self._sort_out(wanted, Spans.of(missing), state)
        self._want_parents(wanted, Spans.of(missing), shown)
        self._read_wanted(wanted, state)
        gone = [*unread, *wanted.gone, *self._read_unread(state), *self._unmet]
        self._finish(state, Gone([*missing, *self._parent.task.left_behind], gone, state.load_began_at))

    def _take_in_again(self, page: Page, state: State, changed_at: Mapping[str, int] | None = None) -> None:
        self._intake.take_in_whole(page, state, changed_at)
        self._unmet += self._parent.unmet

    def _read_unread_lists(self, state: State) -> list[str]:
        """Read again the parents whose lists the last run could not read; return those that are gone."""
        again = Wanted()
        self._want_held(again, self._pass.unread, Spans())
        self._read_wanted(again, state)
        self._intake.unread = ()
        return again.gone

    def _sort_out(self, wanted: Wanted, read: Spans, state: State) -> set[str]:
        """Merge what events show of objects; want those again of which they only say that they have changed.

        Return the ids of what was merged.
        """
        merged = set[str]()
        task, changes = self._parent.task, self._pass.changes
        if changes is None:
            return merged
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
                merged |= told.shown.keys()
            unmet = self._parent.unmet_of(changes.snapshots(told.absent.values())) if told.absent else set[str]()
            for id_, created in told.unsure.items():
                if id_ not in unmet:
                    wanted.add(id_, created)
        return merged

    def _want_parents(self, wanted: Wanted, read: Spans, merged: AbstractSet[str]) -> None:
        """Want the parents again of whose lists an event says that something in them has changed."""
        changes = self._pass.changes
        if changes is None:
            return
        for child in (reading.task for reading in self._children if reading.task.is_own_list):
            newest = changes.of(child.endpoint.object)
            for ids in in_parts(list(newest)):
                rows = self._target.write(partial(self._children_held, child, ids))
                some = {id_: newest[id_] for id_ in ids}
                parents = parents_of(some, rows, is_ordered=self._pass.ordered) - merged
                self._want_held(wanted, sorted(parents), read)

    def _want_held(self, wanted: Wanted, ids: Sequence[str], read: Spans) -> None:
        """Want the objects again that the target holds, but those of spans that have been read."""
        task = self._parent.task
        for id_, row in (item for part in in_parts(ids) for item in self._held(part).items()):
            if row.created is not None and task.is_about(row.created) and not read.holds(row.created):
                wanted.add(id_, row.created)

    def _held(self, ids: Sequence[str]) -> dict[str, Held]:
        """Return what the target holds of some objects."""
        table, order = self._target.table(self._parent.task.name), self._parent.task.endpoint.order or ""
        return self._target.write(lambda session, _: held(session, table, self._target.account, order, ids))

    def _children_held(
        self, child: Task, ids: Sequence[str], session: Session, _journal: Journal
    ) -> dict[str, dict[str, Held]]:
        table, parent = self._target.table(child.name), child.endpoint.parents[0].column
        return held_below(session, table, self._target.account, parent, ids)

    def _merge_shown(self, changes: Changes, shown: Mapping[str, Change], state: State) -> None:
        """Take in objects as events show them."""
        at = {id_: change.changed_at for id_, change in shown.items()}
        page = Page(changes.snapshots(shown.values()), len(shown), max(at.values()), origin="An event")
        self._take_in_again(page, state, at)

    def _read_unread(self, state: State) -> list[str]:
        """Read again what may have changed without an event, by as many requests as may go for it; return what is gone.

        Half of them are for the rows that the definition names, the rest for those that were not read for longest.
        """
        left, gone = self._pass.rereads, list[str]()
        choices = [(Unread.named, math.ceil(left / 2)), (Unread.stalest, left)]
        for choose, share in choices if self._pass.rereads_all else choices[:1]:
            requests = min(share, left)
            if requests <= 0:
                continue
            self._intake.commit(state)  # so that what has just been read does not count as unread
            before = self._intake.reader.client.statistics.requests
            again = Wanted(newest_first=False, most_pages=requests)
            for id_, created in self._unread(choose, self._pass.objects_for(requests)):
                if self._parent.task.is_about(created):
                    again.add(id_, created)
            self._read_wanted(again, state)
            gone, left = gone + again.gone, left - (self._intake.reader.client.statistics.requests - before)
        return gone

    def _unread(self, choose: Callable[..., list[tuple[str, int]]], most: int) -> list[tuple[str, int]]:
        task = self._parent.task

        def look(session: Session, _journal: Journal) -> list[tuple[str, int]]:
            table = self._target.table(task.name)
            unread = Unread(session, table, self._target.account, self._intake.began_at, self._intake.as_of or 0)
            return choose(unread, task, most)

        return self._target.write(look)

    def _read_wanted(self, wanted: Wanted, state: State) -> None:
        """Read the list, from the newest object that is wanted on, as far as its pages show one.

        What else they show is taken in, too, unless that takes requests of its own.
        """
        task = self._parent.task
        order = next(column.path for column in task.endpoint.columns if column.name == task.endpoint.order)
        while (stretch := wanted.stretch()) is not None:
            for page in self._intake.reader.read(task.endpoint, task.selection(stretch)):
                self._take_in_again(only(page, wanted.ids) if self._pass.lists else page, state)
                oldest = oldest_of(page, order)
                if oldest is not None and oldest >= stretch[1]:
                    raise DataError(f"{page.origin} holds only what was created later than was asked for.")
                if not wanted.read(ids_of(page), oldest):
                    break
            else:
                wanted.end()

    # After

    def _finish(self, state: State, gone: Gone) -> None:
        """Merge the last rows, mark what was there and is no more, and say as of when all of it is held."""
        covered = Spans.of([self._parent.task.span])
        whole = replace(state, covered=covered, as_of=self._intake.as_of, load_began_at=None)

        def work(session: Session, journal: Journal) -> list[Run]:
            merged = [self._intake.merge(session, reading) for reading in self.readings]
            deleted = [Counts(deleted=self._delete(session, reading, gone)) for reading in self.readings]
            self._intake.save_state(journal, whole)
            return self._end(journal, [more + less for more, less in zip(merged, deleted, strict=True)])

        self._intake.committed(self._target.write(work))

    def _end(self, journal: Journal, counts: Sequence[Counts]) -> list[Run]:
        """Keep in history what became of each endpoint, and return it."""
        did, seconds = self._intake.reader.client.statistics, time.monotonic() - self._started_at
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
        deletion = Deletion(known_at, self._intake.now(), remove=task.said.deletions == "remove")
        bounds, parents = task.compared_bounds, task.planned.selection.parents
        unseen = Unseen(self._target.account, self._intake.began_at, bounds, parents)
        if reading is not parent:
            unseen = replace(unseen, unread=[id_ for id_, _ in reading.unread])
            above = (self._target.table(parent.task.name), task.endpoint.parents[0].column)
            narrowed = gone.of_children(replace(unseen, parent=above))
        else:
            narrowed = gone.of_parents(unseen, task.endpoint.order)
        return sum(mark_deleted(session, table, each, deletion) for each in narrowed)
