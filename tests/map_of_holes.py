"""The map of holes: what changes in the sandbox without an event of its own, computed by doing all that can be done.

python -m tests.map_of_holes > docs/sandbox-holes.md
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Any, NamedTuple
from unittest.mock import patch

import msgspec

from connector.sandbox.world.expansion import snapshot
from connector.sandbox.world.store import Store
from connector.sandbox.writes.engine.schedule import WORKS, Action, Due
from connector.sandbox.writes.engine.write import Write
from tests.every_action import everything
from tests.office import Office, Record

_ASIDE = {"payout_content", "newcomer", "chargeback", "event"}
"""What the sandbox notes for itself, beside Stripe's objects; and the events."""

_ALWAYS_THERE = "balance"

_HEAD = """# What events do not show

Every action that the sandbox can do, done once: each call that writes, all that a bank does, all that falls due by \
itself. Here stands each object that was left behind otherwise than the last event about itself shows it. Whoever \
follows `/v1/events` alone misses these changes; lists, retrievals and `/_truth` show them. Calls stand by their \
path, what falls due by itself as "object: what".

This page is computed: `python -m tests.map_of_holes > docs/sandbox-holes.md`.

| object | is | fields that no event shows | in status | by |
|---|---|---|---|---|
"""


class Place(NamedTuple):
    """Where events are silent: a kind of object, and whether it is new, changed or deleted then."""

    kind: str
    change: str


@dataclass
class Hole:
    """What events do not show there: which fields, of objects in which status before, and what does it."""

    fields: set[str] = field(default_factory=set)
    statuses: set[str] = field(default_factory=set)
    actions: set[str] = field(default_factory=set)


class Watched(Store):
    """A store that knows which action changes what, and which of it was told."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.holes: dict[Place, Hole] = {}
        self.actions: set[str] = set()
        self._action = ""
        self._changed: dict[tuple[str, str], tuple[Record | None, Record | None]] = {}
        self._told: dict[tuple[str, str], Record] = {}

    def begin(self, action: str) -> None:
        """Take what changes from here on for the work of this action."""
        self.settle()
        self._action = action
        self.actions.add(action)

    def put(self, kind: str, record: Record) -> None:
        self._note(kind, record["id"], record)
        super().put(kind, record)

    def delete(self, kind: str, id: str) -> bool:  # noqa: A002 - Stripe's word for it
        self._note(kind, id, None)
        return super().delete(kind, id)

    def tell(self, event: Record) -> None:
        about = event["data"]["object"]
        self._told[about["object"], about.get("id", "")] = about
        super().tell(event)

    def settle(self) -> None:
        """Enter what the last action changed and did not tell."""
        for about, (before, after) in self._changed.items():
            fields = _untold(before, after, self._told.get(about))
            if fields and (before or about[0] != _ALWAYS_THERE):
                change = "new" if before is None else "deleted" if after is None else "changed"
                hole = self.holes.setdefault(Place(about[0], change), Hole())
                hole.fields |= fields
                hole.statuses.add(str((before or {}).get("status", "")))
                hole.actions.add(self._action)
        self._changed, self._told = {}, {}

    def _note(self, kind: str, ident: str, after: Record | None) -> None:
        if kind not in _ASIDE:
            before = self._changed[kind, ident][0] if (kind, ident) in self._changed else self.get(kind, ident)
            self._changed[kind, ident] = (before, after)


def _untold(before: Record | None, after: Record | None, told: Record | None) -> set[str]:
    """Return the fields of a changed object that its last event does not show as they are."""
    if before is None or after is None:
        return set() if told else {"all"}
    now, known = _shown(after), told or _shown(before)
    return {name for name in now.keys() | known.keys() if now.get(name) != known.get(name) and name[0] != "_"}


def _shown(record: Record) -> Record:
    copy: Record = msgspec.json.decode(msgspec.json.encode(record))
    snapshot(copy)
    return copy


class Surveyor(Office):
    """Somebody in the office who keeps a record of what is done."""

    store: Watched

    def __init__(self) -> None:
        super().__init__(store=Watched)

    def begin(self, action: str) -> None:
        self.store.begin(action)


@contextmanager
def _named(store: Watched) -> Iterator[None]:
    """Let what falls due by itself say what it is before it happens."""

    @cache
    def named(kind: str, act: Action) -> Action:
        def act_by_name(write: Write, record: Record) -> None:
            store.begin(f"{kind}: {act.__name__.strip('_').replace('_', ' ')}")
            act(write, record)

        return act_by_name

    def renamed(kind: str, when: Callable[[Record], Iterable[Due]], record: Record) -> Iterator[Due]:
        return ((at, named(kind, act)) for at, act in when(record))

    works = {kind: replace(work, when=partial(renamed, kind, work.when)) for kind, work in WORKS.items()}
    with patch.dict(WORKS, works):
        yield


@cache
def survey() -> Watched:
    """Do everything, and return the store that has seen it."""
    office = Surveyor()
    with _named(office.store):
        everything(office)
    office.store.settle()
    return office.store


def page() -> str:
    """Return the whole page, as Markdown."""
    return _HEAD + "".join(_row(place, hole) for place, hole in sorted(survey().holes.items()))


def _row(place: Place, hole: Hole) -> str:
    statuses = ", ".join(f"`{status}`" for status in sorted(hole.statuses - {""}))
    fields = ", ".join(name if name == "all" else f"`{name}`" for name in sorted(hole.fields))
    actions = ", ".join(f"`{action}`" if "/" in action else action for action in sorted(hole.actions))
    return f"| {place.kind} | {place.change} | {fields} | {statuses} | {actions} |\n"


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8", newline="\n")  # type: ignore[union-attr]
    sys.stdout.write(page())
