"""How a new event comes into the list of events: at once and in order, or with the trouble that was asked for.

Stripe promises neither order within a second nor that a change is told once [docs]. What is late is there, but no
reader sees it before its time; what is doubled is two events of one change; what is in disorder stands among the
older events of its second.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping

from connector.sandbox.document.rules import Record
from connector.sandbox.world.clock import Clock
from connector.sandbox.world.troubles import NO_TROUBLE, Trouble

_AMONG = 32
"""Among so many older objects an event in disorder may stand."""

_ARRIVAL_BITS = 40
"""So many bits hold the number of an arrival."""


class Telling:
    """Which new events suffer which trouble, by the seed; without trouble none."""

    def __init__(self, clock: Clock, seed: int) -> None:
        self.troubles: Mapping[str, Trouble] = {}
        self._clock = clock
        self._seed = seed
        self._seen_at: dict[str, float] = {}

    def events(self, event: Record, new_id: Callable[[str], str]) -> Iterator[Record]:
        """Yield the events that tell of one change: this one, and another where it is told twice."""
        yield self._held_up(event)
        if self._suffers("duplicate", event["id"]):
            yield self._held_up({**event, "id": new_id("evt_")})

    def is_seen(self, event: str) -> bool:
        """Whether readers see an event already."""
        seen_at = self._seen_at.get(event)
        return seen_at is None or self._clock.passed_seconds() >= seen_at

    def place(self, event: str, arrival: int) -> int:
        """Return where an event stands among those of its second, the oldest lowest; no two share a place."""
        back = self._chance("place", event).randrange(_AMONG) if self._suffers("disorder", event) else 0
        return (max(0, arrival - back) << _ARRIVAL_BITS) | arrival

    def _held_up(self, event: Record) -> Record:
        if self._suffers("late", event["id"]):
            self._seen_at[event["id"]] = self._clock.passed_seconds() + self.troubles["late"].seconds
        return event

    def _suffers(self, trouble: str, event: str) -> bool:
        share = self.troubles.get(trouble, NO_TROUBLE).share
        return bool(share) and self._chance(trouble, event).random() < share

    def _chance(self, trouble: str, event: str) -> random.Random:
        return random.Random(f"{self._seed} {trouble} {event}")  # noqa: S311 - a plan, no secret
