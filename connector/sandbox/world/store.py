"""All objects of the sandbox: the generated business below, and over it what was changed, added or deleted.

Everything reads through here. A generated object is made anew each time from its number and costs no memory;
only objects that were put stand in memory, as compact JSON.
"""

from __future__ import annotations

import heapq
import random
import threading
from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain, count
from typing import Any, Protocol

import msgspec

from connector.sandbox.document.event_versions import in_its_version
from connector.sandbox.document.rules import Record, indexed_path, values_at
from connector.sandbox.world.clock import Clock
from connector.sandbox.world.telling import Telling

Position = tuple[int, int, int]
"""Where an object stands in its list, oldest lowest: (0, number, 0) if generated, else (1, created, arrival)."""

KEPT_SECONDS = {"event": 30 * 86_400}
"""How long objects can be read at all; what is older is gone [docs: events go back 30 days]."""

_ID_LENGTHS = {"cus_": 14, "prod_": 14, "cs_test_": 58}
"""How many letters follow a prefix, where it is not 24 [docs: as in the documentation's samples]."""
_END: Position = (2, 0, 0)
_ID_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class Business(Protocol):
    """The generated objects: a function of seed and number."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """Names of the objects that there are."""

    def end(self, kind: str) -> int:
        """Return the number after the last one."""

    def get(self, kind: str, number: int) -> Record | None:
        """Return a fresh whole object, or None where the number is not used."""

    def created(self, kind: str, number: int) -> int:
        """Return its time in unix seconds, never lower than that of a lower number."""

    def number(self, kind: str, id: str) -> int | None:  # noqa: A002 - Stripe's word for it
        """Return the number of the object with this id."""

    def first_at(self, kind: str, instant: int) -> int:
        """Return the lowest number created at `instant` or later."""

    def numbers(self, kind: str, field: str, value: str) -> Iterator[int] | None:
        """Return the numbers, highest first, that may match a filter, or None when only a scan can tell."""

    def balance(self) -> Record:
        """Return the balance object."""

    def is_over(self, kind: str, number: int) -> bool:
        """Return whether it is certain that nothing will fall due for an object any more; quicker than to make it."""

    def left(self) -> Iterator[Record]:
        """Yield the balance transactions that no payout has taken along."""

    def account(self) -> Record:
        """Return the account object."""

    def bank_accounts(self) -> list[Record]:
        """Return the bank accounts that it is paid out to."""


@dataclass(frozen=True)
class Stretch:
    """A part of a list: created in `since ≤ t < until`, and between two positions, both left out.

    `near` is a filter (field, value) that may spare a scan; it narrows only where it can.
    """

    since: int | None = None
    until: int | None = None
    above: Position | None = None
    below: Position | None = None
    near: tuple[str, str] | None = None


WHOLE = Stretch()


@dataclass
class _Layer:
    """What was put or deleted of one kind."""

    written: dict[Position, bytes] = field(default_factory=dict)
    added: list[Position] = field(default_factory=list)
    ids: dict[str, Position] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    gone: set[Position] = field(default_factory=set)
    index: dict[str, defaultdict[Any, set[Position]]] = field(default_factory=dict)
    """By dotted path and value, where something was written that has it, or had it."""

    def note(self, path: str, record: Record, position: Position) -> None:
        """Enter into the index of a path what a record has there."""
        for value in values_at(record, path):
            if isinstance(value, str):
                self.index[path][value].add(position)

    def having(self, path: str, value: str) -> set[Position]:
        """Return where something was written that may have `value` at a path."""
        if path not in self.index:
            self.index[path] = defaultdict(set)
            for position, written in self.written.items():
                self.note(path, msgspec.json.decode(written), position)
        return self.index[path].get(value, set())


class Store:
    """The objects by kind, each kind a list from oldest to newest."""

    def __init__(self, business: Business, clock: Clock, more_kinds: Iterable[str] = (), seed: int = 0) -> None:
        self.business = business
        self.clock = clock
        self.seed = seed
        """What chance goes by in this store."""
        self.kinds = frozenset(business.kinds) | frozenset(more_kinds)
        self.writing = threading.RLock()
        """Held by whoever writes: one write at a time."""
        self.listeners: list[Callable[[Record], None]] = []
        """Called with each new event, once what it tells of has taken effect; not to raise, not to wait."""
        self.telling = Telling(clock, seed)
        """How new events come into their list."""
        self.search_lag_seconds = 0
        """How old an object has to be for a search to find it."""
        self.older_events: float = 0
        """Which share of the events is in an older API version."""
        self.connected_account: str | None = None
        """Whose objects these are, where they are a connected account's: its events say so."""
        self.own_account: Callable[[], Record] = business.account
        """Makes the account whose objects these are; that of a connected one says who controls it."""
        self._ids_given = count(1)
        self._layers: defaultdict[str, _Layer] = defaultdict(_Layer)
        self._lock = threading.Lock()
        self._arrivals = 0

    def get(self, kind: str, id: str) -> Record | None:  # noqa: A002 - Stripe's word for it
        """Return a fresh copy of the object, or None when there is none or it was deleted."""
        position = self.position(kind, id)
        return None if position is None else self.at(kind, position)

    def position(self, kind: str, id: str) -> Position | None:  # noqa: A002
        """Return where the object stands, or None when there is none, it was deleted or is too old."""
        layer = self._layers[kind]
        found = layer.ids.get(id)
        if found is None:
            number = self.business.number(kind, id) if kind in self.business.kinds else None
            found = None if number is None else (0, number, 0)
        if found is None or found in layer.gone or self._created(kind, found) < self._kept_since(kind):
            return None
        return found

    def at(self, kind: str, position: Position) -> Record | None:
        """Return a fresh copy of the object at `position`, or None when it is deleted or unused."""
        layer = self._layers[kind]
        written = layer.written.get(position)
        if written is not None:
            record: Record = msgspec.json.decode(written)
            return record
        if position in layer.gone or position[0] != 0:
            return None
        made = self.business.get(kind, position[1])
        return self._as_told(made) if made and kind == "event" else made

    def _as_told(self, event: Record) -> Record:
        """Return a generated event as it stands in this store."""
        if self.connected_account is not None:
            event["account"] = self.connected_account
        return in_its_version(event, self.older_events) if self.older_events else event

    def was_deleted(self, kind: str, id: str) -> bool:  # noqa: A002
        """Whether there was such an object until it was deleted."""
        return id in self._layers[kind].deleted

    def put(self, kind: str, record: Record) -> None:
        """Keep `record` as the object of its id: changed in place, or new after all others."""
        layer = self._layers[kind]
        with self._lock:
            position = self.position(kind, record["id"]) or self._add(kind, record)
            layer.written[position] = msgspec.json.encode(record)
            for path in layer.index:
                layer.note(path, record, position)
            layer.ids[record["id"]] = position
            layer.deleted.discard(record["id"])

    def tell(self, event: Record) -> None:
        """Keep a new event, as often as its change is told."""
        for told in self.telling.events(event, self.new_id):
            self.put("event", told)

    def delete(self, kind: str, id: str) -> bool:  # noqa: A002
        """Delete the object; False when there is none."""
        layer = self._layers[kind]
        with self._lock:
            position = self.position(kind, id)
            if position is None:
                return False
            layer.gone.add(position)
            layer.written.pop(position, None)
            layer.ids.pop(id, None)
            layer.deleted.add(id)
            return True

    def new_id(self, prefix: str) -> str:
        """Return an id that was never given before; the same ones in the same order for a seed."""
        chance = random.Random(f"{self.seed} {next(self._ids_given)} {prefix}")  # noqa: S311 - ids, no secrets
        return prefix + "".join(chance.choices(_ID_LETTERS, k=_ID_LENGTHS.get(prefix, 24)))

    def walk(self, kind: str, stretch: Stretch = WHOLE, newest_first: bool = True) -> Iterator[Position]:
        """Yield the positions in `stretch`; some may hold nothing (see `at`)."""
        stretch = replace(stretch, since=max(stretch.since or 0, self._kept_since(kind)))
        generated = ((0, number, 0) for number in self._numbers(kind, stretch, newest_first))
        added = self._added(kind, stretch)
        return chain(reversed(added), generated) if newest_first else chain(generated, added)

    def records(self, kind: str, stretch: Stretch = WHOLE) -> Iterator[Record]:
        """Yield the objects in `stretch`, newest first."""
        for position in self.walk(kind, stretch):
            record = self.at(kind, position)
            if record is not None:
                yield record

    def written(self, kind: str, since: int = 0) -> list[Position]:
        """Return where objects stand that were put, changed or new, created at `since` or later."""
        with self._lock:
            return [position for position in self._layers[kind].written if self._created(kind, position) >= since]

    def indexed(self, kind: str, field: str, value: str) -> Iterator[int] | None:
        """Return the numbers of generated objects that may match a filter, or None when only a scan can tell."""
        return self.business.numbers(kind, field, value) if kind in self.business.kinds else None

    def _add(self, kind: str, record: Record) -> Position:
        self._arrivals += 1
        created = record.get("created") or record.get("date") or self.clock.now()
        place = self.telling.place(record["id"], self._arrivals) if kind == "event" else self._arrivals
        position = (1, created, place)
        insort(self._layers[kind].added, position)
        return position

    def _created(self, kind: str, position: Position) -> int:
        return position[1] if position[0] else self.business.created(kind, position[1])

    def _kept_since(self, kind: str) -> int:
        return self.clock.now() - KEPT_SECONDS[kind] if kind in KEPT_SECONDS else 0

    def _added(self, kind: str, stretch: Stretch) -> list[Position]:
        added = self._layers[kind].added
        near = self._written_near(kind, stretch)
        added = list(added) if near is None else sorted(position for position in near if position[0])
        low = bisect_left(added, max((1, stretch.since or 0, 0), _after(stretch.above)))
        until = _END if stretch.until is None else (1, stretch.until, 0)
        return added[low : max(low, bisect_left(added, min(until, stretch.below or _END)))]

    def _numbers(self, kind: str, stretch: Stretch, newest_first: bool) -> Iterable[int]:
        if kind not in self.business.kinds:
            return ()
        first, last = self._bounds(kind, stretch)
        near = self.indexed(kind, *stretch.near) if stretch.near else None
        if near is None:
            numbers = range(first, last)
            return reversed(numbers) if newest_first else numbers
        changed = self._written_near(kind, stretch)
        found = self._near(near, self._layers[kind].written if changed is None else changed, range(first, last))
        return found if newest_first else reversed(list(found))

    def _bounds(self, kind: str, stretch: Stretch) -> tuple[int, int]:
        first, last = 0, self.business.end(kind)
        if stretch.since:
            first = self.business.first_at(kind, stretch.since)
        if stretch.until is not None:
            last = min(last, self.business.first_at(kind, stretch.until))
        if stretch.above is not None:
            first = max(first, last if stretch.above[0] else stretch.above[1] + 1)
        if stretch.below is not None and stretch.below[0] == 0:
            last = min(last, stretch.below[1])
        return first, last

    def _written_near(self, kind: str, stretch: Stretch) -> set[Position] | None:
        """Return where something was written that may pass the stretch's filter; None where only a look can tell."""
        path = indexed_path(kind, stretch.near[0]) if stretch.near else None
        if path is None or stretch.near is None:
            return None
        with self._lock:
            return set(self._layers[kind].having(path, stretch.near[1]))

    @staticmethod
    def _near(near: Iterator[int], written: Iterable[Position], bounds: range) -> Iterator[int]:
        """Yield those of `near` in `bounds`, and every changed object, whose filter may have changed too."""
        changed = sorted((position[1] for position in written if position[0] == 0), reverse=True)
        previous = None
        for number in heapq.merge(near, changed, reverse=True):
            if number < bounds.start:
                return
            if number < bounds.stop and number != previous:
                yield number
            previous = number


def _after(above: Position | None) -> Position:
    return (0, 0, 0) if above is None else (above[0], above[1], above[2] + 1)
