"""Events of the last month: each carries its object as it was then, and what was different just before."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from connector.sandbox.document.event_versions import changed
from connector.sandbox.document.templates import Record, template
from connector.sandbox.history.objects.kind import Happening, Kind
from connector.sandbox.history.story.calendar import DAY
from connector.sandbox.history.story.chance import Chance
from connector.sandbox.world.expansion import ON_REQUEST

if TYPE_CHECKING:
    from connector.sandbox.history.objects.company import Company

_EVENT = template("event")
_KEPT_DAYS = 32  # two more than Stripe keeps, so that there is something to hide
_PER_SLOT = 512  # more than ever happens in one slot
_EMBEDDED = 10  # records of an embedded list that a payload shows
_BY_CLOCK = ("updated", "paid", "expired", "deleted", "failed", "marked_uncollectible", "trial_will_end")
"""What mostly happens by itself, not by a request."""


class Events(Kind):
    """What the other kinds tell of each slot, in order of time. Numbers beyond a slot's last one are unused."""

    name = "event"

    def __init__(self, company: Company) -> None:
        super().__init__(company)
        self.ids = self.identities.event
        self._chance = Chance(self.story.seed, "event")
        calendar = self.story.calendar
        self._first_slot = max(0, calendar.slot_at(calendar.now - _KEPT_DAYS * DAY))
        self._told = lru_cache(maxsize=64)(self._tell)
        self.numbering = self

    @cached_property
    def end(self) -> int:
        """The number after the last event."""
        return self._at_or_after(self.story.calendar.now + 1)

    def created(self, number: int) -> int:
        """When it happened; for an unused number, the last second of its slot."""
        place, lane = divmod(number, _PER_SLOT)
        slot = self._first_slot + place
        told = self._told(slot)
        return told[lane].instant if lane < len(told) else self._ends(slot)

    def first_at(self, instant: int) -> int:
        """The lowest number of what happened at `instant` or later."""
        return self.end if instant > self.story.calendar.now else self._at_or_after(instant)

    def at(self, number: int, instant: int) -> Record | None:
        """The event; it stays as it is."""
        place, lane = divmod(number, _PER_SLOT)
        told = self._told(self._first_slot + place)
        if lane >= len(told) or told[lane].instant > instant:
            return None
        return self._event(number, told[lane])

    def numbers(self, field: str, value: str) -> Iterable[int] | None:  # noqa: ARG002
        """Events are found by scanning."""
        return None

    def happenings(self, slot: int) -> Iterator[Happening]:  # noqa: ARG002
        """There are no events of events."""
        return iter(())

    def _ends(self, slot: int) -> int:
        return self.story.calendar.instant(slot) + self.story.calendar.room(slot) - 1

    def _at_or_after(self, instant: int) -> int:
        slot = self.story.calendar.slot_at(instant)
        if slot < self._first_slot:
            return 0
        lane = bisect_left(self._told(slot), instant, key=lambda happening: happening.instant)
        return (slot - self._first_slot) * _PER_SLOT + lane

    def _tell(self, slot: int) -> list[Happening]:
        """What happened in a slot, without what changed nothing."""
        begins, ends = self.story.calendar.instant(slot), self._ends(slot)
        found = {
            happening
            for kind in self.company.kinds.values()
            for happening in kind.happenings(slot)
            if begins <= happening.instant <= ends and self._is_told(happening)
        }
        assert len(found) <= _PER_SLOT, "a slot has no room for so many events"
        return sorted(found, key=lambda happening: (happening.instant, _RANKS.get(happening.kind, 9), happening))

    def _is_told(self, happening: Happening) -> bool:
        kind = self.company.kinds[happening.kind]
        record = kind.at(happening.number, happening.instant)
        if record is None:
            return False
        return not happening.type.endswith(".updated") or bool(self._differences(happening, record))

    def _differences(self, happening: Happening, record: Record) -> Record:
        before = self.company.kinds[happening.kind].at(happening.number, happening.instant - 1)
        return {} if before is None else changed(_payload(before), _payload(record))

    def _event(self, number: int, happening: Happening) -> Record:
        record = self.company.kinds[happening.kind].at(happening.number, happening.instant)
        assert record is not None
        event = _EVENT()
        payload: Record = {"object": _payload(record)}
        if happening.type.endswith(".updated"):
            payload["previous_attributes"] = self._differences(happening, record)
        event.update(
            id=self.ids(number),
            created=happening.instant,
            data=payload,
            pending_webhooks=int(happening.instant > self.story.calendar.now - 60),
            type=happening.type,
        )
        draw = self._chance(number)
        if not happening.type.endswith(_BY_CLOCK):
            event["request"]["id"] = self.identities.request(number)
            if draw & 1:
                event["request"]["idempotency_key"] = f"{draw:016x}-{number:06}"
        return event


_RANKS = {"customer": 0, "payment_method": 1, "invoiceitem": 2, "charge": 3, "payment_intent": 4, "invoice": 5}


def _payload(record: Record) -> Record:
    """An object as events carry it: embedded lists cut, what has to be expanded left out."""
    hidden = ON_REQUEST.get(record["object"], ())
    payload = {key: value for key, value in record.items() if key not in hidden}
    for key, value in payload.items():
        if isinstance(value, dict) and value.get("object") == "list" and len(value["data"]) > _EMBEDDED:
            payload[key] = {**value, "data": value["data"][:_EMBEDDED], "has_more": True}
    return payload
