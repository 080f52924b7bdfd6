"""What happens by itself as time passes: one kind of object registers what falls due, all of it runs in order.

    @due("payout", looks_back_days=30)
    def _payout(record: Record) -> Iterator[Due]:
        if record["status"] == "pending":
            yield record["arrival_date"], arrive          # arrive(write, record)

A kind's function says when which action falls due for an object as it is; each action runs in a write of its
own, whose `now` is that instant, and what it leaves behind is looked at again.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from weakref import WeakKeyDictionary

from connector.sandbox.document import api
from connector.sandbox.document.rules import Record
from connector.sandbox.world.clock import Clock
from connector.sandbox.world.store import Position, Store, Stretch
from connector.sandbox.writes.engine.write import Call, Write

DAY = 86_400
Action = Callable[[Write, Record], None]
Due = tuple[int, Action]
"""When something falls due, and what it is."""


@dataclass(frozen=True)
class _Work:
    when: Callable[[Record], Iterable[Due]]
    looks_back_days: int | None
    first: Callable[[Store], Record] | None


WORKS: dict[str, _Work] = {}
"""What falls due, by kind of object."""

_passed: WeakKeyDictionary[Store, int] = WeakKeyDictionary()
_watched: WeakKeyDictionary[Store, dict[str, list[Position]]] = WeakKeyDictionary()
"""Where generated objects stand for which something is still to fall due; the others are not looked at again."""


def due(
    kind: str, looks_back_days: int | None = None, first: Callable[[Store], Record] | None = None
) -> Callable[[Callable[[Record], Iterable[Due]]], Callable[[Record], Iterable[Due]]]:
    """Register the function below as what says when something falls due for objects of `kind`.

    Generated objects older than `looks_back_days` are not looked at, where that spares making them all. `first`
    makes the one object of its kind, where the store does not have it yet.
    """

    def register(when: Callable[[Record], Iterable[Due]]) -> Callable[[Record], Iterable[Due]]:
        assert kind not in WORKS, f"{kind} has two registers of what falls due"
        WORKS[kind] = _Work(when, looks_back_days, first)
        return when

    return register


def pass_time(store: Store, clock: Clock, until: int) -> None:
    """Run everything that falls due up to `until`, in order of time; objects on test clocks have their own time."""
    with store.writing:
        since = _passed.get(store, clock.start)
        if until > since:
            _run(store, _Span(since, until, None))
            _passed[store] = until


def passed(store: Store) -> int:
    """Return up to when everything that fell due has been run, on the sandbox's own clock."""
    return _passed.get(store, store.clock.start)


def pass_test_time(store: Store, test_clock: str, since: int, until: int) -> None:
    """Run everything that falls due in `since < t ≤ until` for the objects on a test clock."""
    with store.writing:
        _run(store, _Span(since, until, test_clock))


@dataclass(frozen=True)
class _Span:
    """A stretch of time to pass, on the sandbox's clock or on a test clock."""

    since: int
    until: int
    test_clock: str | None

    def dues(self, record: Record, kind: str) -> Iterator[Due]:
        """Yield what falls due for an object in this span."""
        if record.get("test_clock") == self.test_clock:
            yield from ((at, act) for at, act in WORKS[kind].when(record) if self.since < at <= self.until)


@dataclass
class _Agenda:
    """What is to be done, earliest first; nothing is done twice.

    What falls due in the same second has an order of its own, so that it does not matter when somebody looks.
    """

    span: _Span
    _heap: list[tuple[int, int, str, int, str, Action]] = field(default_factory=list)
    _known: set[tuple[int, str, str, Action]] = field(default_factory=set)
    _order: Iterator[int] = field(default_factory=count)

    def add(self, kind: str, record: Record) -> None:
        """Enter what falls due for an object."""
        for at, act in self.span.dues(record, kind):
            if (at, kind, record["id"], act) not in self._known:
                self._known.add((at, kind, record["id"], act))
                place = list(WORKS).index(kind)
                heapq.heappush(self._heap, (at, place, record["id"], next(self._order), kind, act))

    def __iter__(self) -> Iterator[tuple[int, str, str, Action]]:
        while self._heap:
            at, _, id_, _, kind, act = heapq.heappop(self._heap)
            yield at, kind, id_, act


def _run(store: Store, span: _Span) -> None:
    agenda = _Agenda(span)
    for kind, work in WORKS.items():
        for record in _candidates(store, kind, work, span):
            agenda.add(kind, record)
    latest = span.since
    for at, kind, ident, act in agenda:
        latest = max(latest, at)  # what an action leaves behind may have been due before it
        write = _Noting(store, Call(now=latest))
        about = write.look(kind, ident)
        if about is not None and (at, act) in span.dues(about, kind):
            write.livemode = bool(about.get("livemode"))
            act(write, about)
            write.commit()
            for touched in write.touched:
                _look_again(store, agenda, *touched)


def _candidates(store: Store, kind: str, work: _Work, span: _Span) -> Iterable[Record]:
    if kind not in store.kinds:
        return ()
    if span.test_clock is not None:
        return _on_clock(store, kind, span.test_clock)
    if work.first is not None and next(store.walk(kind), None) is None:
        store.put(kind, work.first(store))
    back = work.looks_back_days
    since = 0 if back is None else span.since - back * DAY
    watched = _watched.setdefault(store, {})
    if kind not in watched:
        watched[kind] = list(_to_fall_due(store, kind, work, Stretch(since=since)))
    positions = dict.fromkeys([*watched[kind], *store.written(kind, since)])
    found = (store.at(kind, position) for position in sorted(positions, reverse=True))
    return (record for record in found if record is not None)


def _to_fall_due(store: Store, kind: str, work: _Work, stretch: Stretch) -> Iterator[Position]:
    since = passed(store)
    for position in store.walk(kind, stretch):
        if position[0] or store.business.is_over(kind, position[1]):
            continue
        record = store.at(kind, position)
        if record is not None and any(at > since for at, _ in work.when(record)):
            yield position


def _on_clock(store: Store, kind: str, test_clock: str) -> Iterator[Record]:
    """Yield what the customers on a test clock have: customers are few there, and their objects soon found."""
    if kind not in api.schemas() or "test_clock" not in api.schema(kind).fields:
        return
    for customer in list(store.records("customer", Stretch(near=("test_clock", test_clock)))):
        if customer["test_clock"] == test_clock:
            found = store.records(kind, Stretch(near=("customer", customer["id"])))
            yield from (record for record in found if record["customer"] == customer["id"])


def _look_again(store: Store, agenda: _Agenda, kind: str, id: str) -> None:  # noqa: A002 - Stripe's word for it
    record = store.get(kind, id) if kind in WORKS else None
    if record is not None:
        agenda.add(kind, record)


class _Noting(Write):
    """A write that notes what it puts."""

    def __init__(self, store: Store, call: Call) -> None:
        super().__init__(store, call)
        self.touched: dict[tuple[str, str], Any] = {}

    def put(self, kind: str, record: Record) -> None:
        super().put(kind, record)
        self.touched[kind, record["id"]] = None
