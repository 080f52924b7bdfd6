"""How an endpoint is read in this run: in full, and why, or by what changed since the last one."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Self

from connector.api.account import Api
from connector.api.identity import Identity
from connector.api.walk import PAGE_ROWS
from connector.databases.base import Session
from connector.databases.merge import Table
from connector.errors import ConnectorError, PermissionDenied
from connector.sync.changes import Changes, read_changes
from connector.sync.clocks import has_clocks
from connector.sync.journal import Journal, State
from connector.sync.runfile import RunFile
from connector.sync.tasks import Task
from connector.words import count_of

FEW_REQUESTS = 2  # a table that takes no more is read in full: what is new would take as many
DAY_SECONDS = 86_400
KEPT_SECONDS = 29 * DAY_SECONDS  # Stripe keeps events for 30 days
LEAST_EVENT_PAGES = 1
LEAST_REREADS = 20
_REREADS_SHARE = 50  # one part in so many of a full read goes for what changes without an event
_EVENTS_SHARE = 10  # a pass over events may cost one part in so many of what it saves


@dataclass(frozen=True)
class Pass:
    """How a family of tasks is read: in full where `since` is None, else what was created or has changed since.

    `why` says in words why it is read in full although it need not be. `full_requests` is what reading in full takes,
    `rereads` how many requests may go for rows that change without an event. Unless events are `ordered`, they only
    name what has changed. `unread` are parents whose lists the last run could not read.
    """

    tasks: Sequence[Task]
    state: State
    since: int | None = None
    why: str = ""
    full_requests: int | None = None
    changes: Changes | None = None
    rereads: int = 0
    ordered: bool = True
    unread: Sequence[str] = ()

    @property
    def relies_on_events(self) -> bool:
        """Whether events tell of what it needs."""
        is_told = any(task.endpoint.updates != "none" for task in self.tasks)
        return self.since is not None and (is_told or self.tasks[0].endpoint.deletes == "event")

    @property
    def rereads_all(self) -> bool:
        """Whether rows that no definition names may change without an event, too."""
        return _are_silent(self.tasks)

    @property
    def lists(self) -> int:
        """How many lists each of its objects has that take a request of their own."""
        return len(_lists_below(self.tasks))

    def objects_for(self, requests: int) -> int:
        """Return how many objects may be read again by so many requests."""
        return max(1, requests // (1 + self.lists)) if self.lists else requests * PAGE_ROWS

    @property
    def notes(self) -> list[str]:
        """What is worth telling of how it is read."""
        name, now = self.tasks[0].name, self.changes.as_of if self.changes else None
        if self.why:
            return [f"{name}: read in full, since {self.why}"]
        if self.since is None or not self.rereads_all or now is None or self.state.as_of is None:
            return []
        dearer = (1 + self.lists) / self.lists if self.lists else 1  # than in full, where a page serves many objects
        runs = math.ceil((self.full_requests or 0) * dearer / (self.rereads / 2))
        days = math.ceil(runs * max(now - self.state.as_of, 1) / DAY_SECONDS)
        return [
            f"{name}: an edit of an old row that no event tells of is seen within {count_of(runs, 'run')}, "
            f"{count_of(days, 'day')} at this pace"
        ]

    def in_full(self, why: str = "") -> Pass:
        """Return the pass over all that Stripe has."""
        return replace(self, since=None, why=why, full_requests=None, unread=())


class Planner:
    """Decides how families are read, by their definitions, by what the target holds and by what events there are."""

    def __init__(self, api: Api, run: RunFile, identity: Identity, schema: str) -> None:
        self._api = api
        self._run = run
        self._identity = identity
        self._schema = schema
        self._version = api.client.connection.version
        self._now = api.client.stripe_seconds()
        self._opened = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._opened.close()

    def informed(self, passes: Sequence[Pass]) -> list[Pass]:
        """Return the passes with what events say has changed; in full where events do not tell."""
        passes = [self._if_recent(each) for each in passes]
        relying = [each for each in passes if each.relies_on_events]
        if not relying:
            return passes
        try:
            changes = self._changes(relying)
        except PermissionDenied as error:
            return [_without_events(each, f"the key may not read events ({error.reason or error})") for each in passes]
        except ConnectorError as error:  # also an event that is not what it should be
            return [_without_events(each, f"events cannot be read ({error})") for each in passes]
        if changes is None:
            return [_without_events(each) for each in passes]
        self._opened.callback(changes.close)
        ordered = self._is_ordered()
        return [replace(each, changes=changes, ordered=ordered) if each in relying else each for each in passes]

    def passes(self, session: Session, journal: Journal, families: Iterable[Sequence[Task]]) -> Iterator[Pass]:
        """Yield how each family would be read by what the target holds, if events tell what it needs."""
        states = journal.progress(self._identity.account)
        for tasks in families:
            parent = tasks[0]
            state = states.get(parent.name, State(parent.name))
            if state.as_of is None or not self._is_held(journal, tasks, states):
                yield Pass(tasks, state)
                continue
            full_requests = self._full_requests(session, tasks)
            rereads = _rereads(tasks, full_requests)
            if reasons_for_all(tasks) or full_requests <= max(FEW_REQUESTS, rereads):
                yield Pass(tasks, state)
                continue
            since = self._since(tasks, state.as_of)
            unread = {parent for task in tasks for parent in states[task.name].unread}
            yield Pass(tasks, state, since, full_requests=full_requests, rereads=rereads, unread=sorted(unread))

    def _is_held(self, journal: Journal, tasks: Sequence[Task], states: Mapping[str, State]) -> bool:
        """Say whether earlier runs read a parent and its children together, by the settings of today."""
        for task in tasks:
            state = states.get(task.name, State(task.name))
            choice = task.wish.after(journal.columns(task.name))
            if state.fingerprint != replace(task, choice=choice).fingerprint(self._version):
                return False
            if state.as_of != states[tasks[0].name].as_of:
                return False
        return True

    def _full_requests(self, session: Session, tasks: Sequence[Task]) -> int:
        """Return how many requests it takes to read again what a table holds, and the lists of its rows."""
        parent = tasks[0]
        pages = math.ceil(self._rows(session, parent) / PAGE_ROWS)
        return pages + sum(self._rows(session, parent, each.endpoint.parents[0].where) for each in _lists_below(tasks))

    def _rows(self, session: Session, task: Task, among: Mapping[str, Sequence[object]] | None = None) -> int:
        """Count the rows that a table holds of the account, only those with one of these values in each column."""
        table = Table(self._schema, task.name)
        columns = session.column_types(table)
        if not {"_account_id", "_deleted_at"} <= columns.keys():
            return 0
        quote = session.dialect.quote
        where = f"{quote('_account_id')} = ? AND {quote('_deleted_at')} IS NULL"
        values: list[object] = [self._identity.account]
        for name, wanted in (among or {}).items():
            if name in columns:
                where += f" AND {quote(name)} IN ({', '.join('?' * len(wanted))})"
                values += wanted
        ((rows,),) = session.rows(f"SELECT count(*) FROM {session.full(table)} WHERE {where}", values)
        return int(str(rows))

    def _since(self, tasks: Sequence[Task], as_of: int) -> int:
        """Return since when rows are read for being new, or for changing without an event."""
        since = as_of - self._run.overlap_seconds
        return min(since, self._now - self._run.window_seconds) if _are_silent(tasks) else since

    def _if_recent(self, planned: Pass) -> Pass:
        """Return a pass in full where events no longer reach back to the last one."""
        as_of = planned.state.as_of
        if as_of is None or not planned.relies_on_events or self._now - as_of <= KEPT_SECONDS:
            return planned
        days = (self._now - as_of) // DAY_SECONDS
        return planned.in_full(f"its last run began {days} days ago, and Stripe keeps events for 30")

    def _changes(self, passes: Sequence[Pass]) -> Changes | None:
        """Read the events that these passes need; None where that would cost more than it saves."""
        saved = sum(each.full_requests or 0 for each in passes)
        since = min(each.state.as_of or 0 for each in passes) - self._run.overlap_seconds
        most_pages = max(LEAST_EVENT_PAGES, math.ceil(saved / _EVENTS_SHARE))
        return read_changes(self._api, self._identity, since, most_pages, _parent_fields(passes))

    def _is_ordered(self) -> bool:
        """Say whether the times of events are real: those of objects on a test clock are the clock's."""
        return self._identity.livemode or has_clocks(self._api) is False


def _lists_below(tasks: Sequence[Task]) -> list[Task]:
    """Return the children of a family that take a request for each row of its parent."""
    return [child for child in tasks[1:] if child.is_own_list]


def _are_silent(tasks: Sequence[Task]) -> bool:
    """Say whether rows of a table, or of the lists below them, may change without an event."""
    return any(task.endpoint.updates != "events" for task in (tasks[0], *_lists_below(tasks)))


def _parent_fields(passes: Iterable[Pass]) -> dict[str, set[str]]:
    """Return by which fields the objects of lists below parents name these, by kind."""
    fields = defaultdict[str, set[str]](set)
    for task in (task for each in passes for task in _lists_below(each.tasks)):
        for kind in task.endpoint.object:
            fields[kind].add(task.endpoint.parents[0].column)
    return fields


def _rereads(tasks: Sequence[Task], full_requests: int) -> int:
    """Return how many requests may go for rows of a table that may change without an event."""
    if not _are_silent(tasks) and not tasks[0].endpoint.reread:
        return 0
    return max(LEAST_REREADS, math.ceil(full_requests / _REREADS_SHARE))


def _without_events(planned: Pass, why: str = "") -> Pass:
    return planned.in_full(why) if planned.relies_on_events else planned


def reasons_for_all(tasks: Sequence[Task]) -> list[str]:
    """Return why a family is always read in full, in words; none where what changed can be read alone."""
    parent, endpoint = tasks[0], tasks[0].endpoint
    reasons = {
        "it is no list of its own": bool(endpoint.parents or endpoint.window) or endpoint.paging != "cursor",
        "Stripe does not list it by time": parent.order_parameter is None,
        "it is read once for each of several values": bool(endpoint.each),
        "its rows have another key than an id": endpoint.primary_key != ("id",),
        "deletions show only by comparing": endpoint.deletes == "compare",
        "events do not tell which rows meet its conditions": not all(task.is_told_by_events for task in tasks),
        "no event tells of a list below its rows": any(each.endpoint.updates == "none" for each in _lists_below(tasks)),
    }
    return [reason for reason, holds in reasons.items() if holds]
