"""The business's time: months cut into slots, and how objects are numbered along it.

A month has the same number of slots, spread over its first 28 days, so that what began in a slot comes back in
the same slot of every later month: month and day of a billing anniversary are arithmetic. In a slot that is days long,
who comes may come a day later, and is billed a day later from then on. Whatever happens has a slot and a place of its
own in it, a *lane*; a `Series` turns slot and lane into a number and back.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache

from connector.sandbox.history.story.chance import Chance

DAY = 86_400
MONTHS = 24  # whole months of history before the one of `now`
_MONTHS_AHEAD = 14  # periods that are paid for reach a year beyond `now`
_SLOT_DAYS = 28


class Calendar:
    """Slots of about 24 months up to `now`, the newest of them under way."""

    def __init__(self, seed: int, now: int, slots_per_month: int) -> None:
        self.now = now
        self.slots_per_month = slots_per_month
        self._months = _month_starts(now)
        spacing = _SLOT_DAYS * DAY // slots_per_month
        jitter = Chance(seed, "anchor")
        self._anchors = [place * spacing + jitter(place) % (spacing // 8) for place in range(slots_per_month)]
        self._late = Chance(seed, "late")
        self._late_days = max(1, spacing // DAY)  # so many days there are on which to come
        self.finalized_after = min(3600, spacing // 4)  # how long an invoice stays a draft
        self.expired_after = min(DAY, spacing * 3 // 4)  # how long a checkout session stays open
        self.start = self._months[0]
        self.slots = self.begun(now)
        """How many slots have brought what they bring."""

    def instant(self, slot: int) -> int:
        """The second at which a slot begins."""
        month, place = divmod(slot, self.slots_per_month)
        return self._months[month] + self._anchors[place]

    @property
    def is_loose(self) -> bool:
        """Whether slots are days long, so that what they bring may come on one day or another."""
        return self._late_days > 1

    def lateness(self, slot: int) -> int:
        """How many seconds after the slot begins its customer and subscription come, and all bills from then on."""
        return self._late(slot) % self._late_days * DAY

    def comes(self, slot: int) -> int:
        """The second at which a slot brings what it brings."""
        return self.instant(slot) + self.lateness(slot)

    def begun(self, instant: int) -> int:
        """How many slots had brought what they bring by an instant."""
        newest = self.slot_at(instant)
        return newest + (self.comes(newest) <= instant)

    def room(self, slot: int) -> int:
        """How many seconds a slot has until the next begins; the last of a month has some days more."""
        place = slot % self.slots_per_month
        if place + 1 < self.slots_per_month:
            return self._anchors[place + 1] - self._anchors[place]
        return self.instant(slot + 1) - self.instant(slot)

    def slot_at(self, instant: int) -> int:
        """The slot that is under way at `instant`; below 0 before the history begins."""
        month = bisect_right(self._months, instant) - 1
        place = bisect_right(self._anchors, instant - self._months[month]) - 1
        return month * self.slots_per_month + place

    def slots_before(self, slot: int, seconds: int) -> range:
        """The slots that were under way so many seconds before this one."""
        begins = self.instant(slot)
        last = self.slot_at(begins + self.room(slot) - 1 - seconds)
        return range(max(0, self.slot_at(begins - seconds)), last + 1)

    def month(self, slot: int) -> int:
        """The month of a slot, 0 the first."""
        return slot // self.slots_per_month

    def days_of_month(self, every: int) -> list[int]:
        """The days of a month, counted from 1, on which every so many slots one begins."""
        return sorted({self._anchors[place] // DAY + 1 for place in range(0, self.slots_per_month, every)})

    def days(self, count: int) -> int:
        """How many slots about `count` days are, at least one."""
        return max(1, round(count * self.slots_per_month / _SLOT_DAYS))


class Series:
    """The numbers of one kind of object: so many lanes per slot, or per `every` slots.

    With `monthly` there is one lane more in every month than in the one before. `offset` says how many seconds
    after its slot's beginning a lane's object comes into being; in loose slots numbers follow that, not the lanes.
    """

    def __init__(
        self,
        calendar: Calendar,
        lanes: int,
        offset: Callable[[int, int], int],
        *,
        monthly: bool = False,
        every: int = 1,
    ) -> None:
        self._calendar = calendar
        self._offset = offset
        self._every = every
        self._places = calendar.slots_per_month // every
        months = range(MONTHS + 3)
        self._widths = [lanes + month * monthly for month in months]
        self._firsts = [sum(self._widths[:month]) * self._places for month in months]
        self._order = cache(self._make_order) if calendar.is_loose and every == 1 else None
        self.end = self._first_at(calendar.now + 1)

    def number(self, slot: int, lane: int) -> int:
        """The number of what stands in a lane of a slot."""
        return self._first(slot) + (lane if self._order is None else self._order(slot)[0][lane])

    def place(self, number: int) -> tuple[int, int]:
        """The slot and lane of a number."""
        month = bisect_right(self._firsts, number) - 1
        place, rank = divmod(number - self._firsts[month], self._widths[month])
        slot = (month * self._places + place) * self._every
        return slot, rank if self._order is None else self._order(slot)[1][rank]

    def numbers(self, slot: int) -> range:
        """The numbers of all that stands in a slot."""
        return range(self._first(slot), self._first(slot + self._every))

    def created(self, number: int) -> int:
        """When it comes into being, should it ever; a higher number is never earlier."""
        return self.instant(*self.place(number))

    def instant(self, slot: int, lane: int) -> int:
        """When what stands in a lane of a slot comes into being."""
        return self._calendar.instant(slot) + self._offset(slot, lane)

    def first_at(self, instant: int) -> int:
        """The lowest number created at `instant` or later, the end if there is none."""
        return self.end if instant > self._calendar.now else self._first_at(instant)

    def _first_at(self, instant: int) -> int:
        slot = self._calendar.slot_at(instant)
        if slot < 0:
            return 0
        slot -= slot % self._every
        numbers = self.numbers(slot)
        return numbers.start + bisect_left(numbers, instant, key=self.created)

    def _first(self, slot: int) -> int:
        month, place = divmod(slot // self._every, self._places)
        return self._firsts[month] + place * self._widths[month]

    def _make_order(self, slot: int) -> tuple[list[int], list[int]]:
        """The rank of each lane of a slot by time, and the lane of each rank."""
        width = self._widths[self._calendar.month(slot)]
        lanes = sorted(range(width), key=lambda lane: (self._offset(slot, lane), lane))
        ranks = [0] * width
        for rank, lane in enumerate(lanes):
            ranks[lane] = rank
        return ranks, lanes


def _month_starts(now: int) -> list[int]:
    today = datetime.fromtimestamp(now, UTC)
    first = today.year * 12 + today.month - 1 - MONTHS
    months = range(first, first + MONTHS + 1 + _MONTHS_AHEAD)
    return [int(datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC).timestamp()) for month in months]
