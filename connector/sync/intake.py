"""What was read of a family waits here for its commit: a page of parents with their children, and the progress made.

Rows and the progress that they make are committed together, some thousand at a time.
"""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from connector.api.account import Api
from connector.api.pages import PageReader
from connector.api.records import Page, only
from connector.api.stopping import StoppedError
from connector.databases.base import Counts, Session
from connector.definitions.endpoint import Endpoint
from connector.errors import AuthenticationFailed, ConnectorError, DataError, PermissionDenied, RateLimited
from connector.sync.journal import Journal, Run, State
from connector.sync.leased import LeasedTarget
from connector.sync.passes import Pass
from connector.sync.provenance import written_at
from connector.sync.reading import Reading
from connector.sync.report import SyncWatch
from connector.sync.room import Room

COMMIT_SECONDS = 15.0
MOST_UNREAD = 20  # lists below parents that may fail before all of them count as failed
_log = logging.getLogger(__name__)
_PACKAGE = Path(__file__).parents[1]


class Intake:
    """The rows of an endpoint and its children on their way into the target, by `readings`, the parent's first.

    `as_of` is when the first page was asked for, on Stripe's clock; rows that are written now say that they were at
    `began_at` or later. `unread` are parents whose lists an earlier run could not read, and this one has not yet.
    """

    def __init__(self, planned: Pass, api: Api, target: LeasedTarget, room: Room, watch: SyncWatch) -> None:
        new = Run(target.run_id, "", "running", time.time(), account=target.account)
        self.readings = [Reading(task, replace(new, endpoint=task.name)) for task in planned.tasks]
        self.parent, *self.children = self.readings
        self.reader = PageReader(api.client, api.endpoints, reads_ahead=True, is_passed_over=self._is_passed_over)
        self.target = target
        self.began_at = datetime.now(UTC)
        self.as_of = planned.changes.as_of if planned.changes else None
        self.unread = planned.unread
        self._room = room
        self._watch = watch
        self._version = api.client.connection.version
        self._origin = "What was read"
        self._last_commit = time.monotonic()

    def take_in(self, page: Page, changed_at: Mapping[str, int] | None = None) -> Iterator[None]:
        """Take in a page of parents and read their children, pausing after each page of these."""
        self._origin, self.as_of = page.origin, self.as_of or page.sent_at
        matching = self.parent.add(page, self.target.account, changed_at)
        self._watch(self.parent.task.name, self.parent.run)
        for child in self.children:
            yield from self._read_children(child, matching, changed_at)

    def take_in_whole(self, page: Page, state: State, changed_at: Mapping[str, int] | None = None) -> None:
        """Take in a page with its children, in one commit.

        A parent without its children would count as settled in the run after one that is stopped.
        """
        for _ in self.take_in(page, changed_at):
            pass
        self.commit_if_due(state)

    def commit_if_due(self, state: State) -> None:
        """Commit when many rows wait, or when it is time to show what there is."""
        rows = sum(batch.num_rows for reading in self.readings for batch in reading.waiting)
        is_much = self._room.is_full(self, rows, sum(reading.waiting_bytes for reading in self.readings))
        if is_much or time.monotonic() - self._last_commit >= COMMIT_SECONDS:
            self.commit(state)

    def commit(self, state: State) -> None:
        """Merge the waiting rows and keep the progress that they make, in one transaction."""
        state = replace(state, as_of=state.as_of if state.as_of is not None else self.as_of)

        def work(session: Session, journal: Journal) -> list[Run]:
            counts = [self.merge(session, reading) for reading in self.readings]
            self.save_state(journal, state)
            return [reading.counted(count) for reading, count in zip(self.readings, counts, strict=True)]

        self.committed(self.target.write(work))

    def committed(self, runs: Sequence[Run]) -> None:
        """Take note that what waited stands in the target, and what became of it."""
        for reading, run in zip(self.readings, runs, strict=True):
            reading.committed(run)
            self._watch(reading.task.name, reading.run)
        self._last_commit = time.monotonic()

    def merge(self, session: Session, reading: Reading) -> Counts:
        """Merge the rows of one table that wait."""
        if not reading.waiting:
            return Counts()
        if not session.dialect.keeps_null_bytes:
            reading.replace_null_bytes()
        rows = written_at(reading.waiting, self.now())
        return session.upsert(self.target.table(reading.task.name), rows, reading.task.keys)

    def save_state(self, journal: Journal, state: State) -> None:
        """Keep how far a family has come; what could not be read is read in full next time, or below some parents."""
        for reading in self.readings:
            task = reading.task
            unread = dict.fromkeys([*self.unread, *(parent for parent, _ in reading.unread)])
            held = replace(state, endpoint=task.name, fingerprint=task.fingerprint(self._version), unread=(*unread,))
            if reading.error is not None:
                held = State(task.name)
            journal.save_progress(self.target.account, held, livemode=self.target.identity.livemode)

    def now(self) -> datetime:
        """Return when rows that are written now count as written."""
        return max(datetime.now(UTC), self.began_at)

    def leave(self) -> None:
        """Give back the room of what waits."""
        self._room.leave(self)

    def explained(self, error: Exception) -> ConnectorError:
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

    def _read_children(
        self, child: Reading, parents: Page, changed_at: Mapping[str, int] | None = None
    ) -> Iterator[None]:
        """Read the children of a page of parents, pausing after each page; where that fails, the parents go on.

        `changed_at` is about those that came with their parents.
        """
        if child.error is not None:
            return
        selection = child.task.planned.selection
        wanted = selection.parents.get(child.task.endpoint.parents[0].column)
        within = only(parents, wanted) if wanted else parents
        try:
            for page in self.reader.children(child.task.endpoint, within, selection):
                self._origin = page.origin
                child.add(page, self.target.account, changed_at if child.task.endpoint.embedded else None)
                yield
        except StoppedError:
            raise
        except Exception as error:  # whatever it is, the parents go on
            child.error = self.explained(error)

    def _is_passed_over(self, endpoint: Endpoint, ids: Sequence[str], error: ConnectorError) -> bool:
        """Keep in mind whose list could not be read, and go on with the others; not where none can be read."""
        reading = next(each for each in self.readings if each.task.name == endpoint.name)
        if isinstance(error, (AuthenticationFailed, PermissionDenied, RateLimited)):
            return False
        reading.unread.append((" with ".join(ids), error))
        return len(reading.unread) <= MOST_UNREAD
