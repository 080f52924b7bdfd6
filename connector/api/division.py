"""How one list is divided among readers: each reads a span of the time when objects were created, newest first.

An idle reader takes the older half of what the busiest has left. Which is the busiest is only guessed, from how
densely created the rows of its last page were; what has been read is never guessed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise

from connector.api.records import Page, created_since
from connector.api.spans import Span, bounds

_LEAST_PAGES = 3  # of less, the older half is not worth a request of its own
_ALLOWED_EXTRA = 45
_SLICE_PAGES = 8
_FORESEEN = 8  # times as many rows as have come may follow as densely; how it is further back, a page has to show


@dataclass(frozen=True)
class Portion:
    """A page, if any rows were left, and the span of time that is whole once this and all portions before are used."""

    page: Page | None
    span: Span


@dataclass(eq=False)
class Part:
    """What one reader reads: from `position`, down to which all has been read, back to `start`."""

    start: int
    position: int
    rows_per_second: float = 0.0  # nothing is known yet
    is_ordered: bool = True

    def __post_init__(self) -> None:
        self._end = self.position

    @property
    def bounds(self) -> Mapping[str, int]:
        """What to ask Stripe for at any time: less, once the older part has been given away."""
        return _Bounds(lambda: bounds((self.start, self._end)))

    @property
    def rows_left(self) -> float:
        """How many rows are left if they are created as densely as those before them."""
        return (self.position - self.start) * self.rows_per_second

    def halved(self) -> Part | None:
        """Give away the older half of the time that is left; None where that is a second, which is not divided."""
        return self._cut_at((self.start + self.position) // 2, self.rows_per_second)

    def cut(self, rows: float, rows_per_second: float = 0.0) -> Part | None:
        """Give away all but the time that so many rows are foreseen in; of what is given, nothing may be known."""
        return self._cut_at(self.position - math.ceil(rows / self.rows_per_second), rows_per_second)

    def _cut_at(self, moment: int, rows_per_second: float) -> Part | None:
        if not self.start < moment < self.position:
            return None
        older = Part(self.start, moment, rows_per_second)
        self.start = moment
        return older


@dataclass
class Division:
    """The parts of one span of a list that are being read; not locked by itself."""

    span: Span
    page_rows: int
    parts: list[Part] = field(init=False)
    pages: int = 0
    rows: int = 0
    _is_begun: bool = False

    def __post_init__(self) -> None:
        self.parts = [Part(*self.span)]

    @property
    def is_done(self) -> bool:
        """Whether everything has been read."""
        return not self.parts

    @property
    def _is_wasteful(self) -> bool:
        """Whether more requests than a tenth gave no full page, counting one that each part has before it."""
        needed = self.rows / self.page_rows
        return self.pages + len(self.parts) - needed > _ALLOWED_EXTRA + needed / 10

    def take(self) -> Part | None:
        """Return what an idle reader may read now, if anything."""
        if not self._is_begun:
            self._is_begun = True
            return self.parts[0]
        older = None if self._is_wasteful else self._older_of_busiest()
        if older is not None:
            self.parts.append(older)
            self.parts.sort(key=lambda part: part.position, reverse=True)
        return older

    def _older_of_busiest(self) -> Part | None:
        busiest = max(self.parts, key=lambda part: part.rows_left, default=None)
        if busiest is None or busiest.rows_left < _LEAST_PAGES * self.page_rows:
            return None
        if busiest.rows_left > _FORESEEN * self.rows:
            return busiest.cut(_FORESEEN * self.rows)
        return busiest.halved()

    def arrived(self, part: Part, page: Page) -> Portion:
        """Take a page of a part, without the rows that another reads now; the part may be at its end with it."""
        created = [moment for moment in page.created if isinstance(moment, int)]
        part.is_ordered &= len(created) == page.count and _is_descending([part.position - 1, *created])
        oldest = min(created, default=part.position)
        if not part.is_ordered:
            part.rows_per_second = 0.0  # what of the time before has come is not known: it is not divided
        elif created:
            part.rows_per_second = page.count / (max(created) + 1 - oldest)
        page = page if oldest >= part.start else created_since(page, part.start)
        self.pages, self.rows = self.pages + 1, self.rows + page.count
        if not page.goes_on:
            return replace(self.ended(part), page=page)
        # In disorder, a part is known to be whole only at its end.
        reached = max(part.start, min(oldest + 1, part.position)) if part.is_ordered else part.position
        end, part.position = part.position, reached
        return Portion(page, (reached, end))

    def ended(self, part: Part) -> Portion:
        """Take note that a part has no more pages."""
        self.parts.remove(part)
        return Portion(None, (part.start, part.position))


class _Bounds(Mapping[str, int]):
    """The bounds of a span that changes."""

    def __init__(self, now: Callable[[], dict[str, int]]) -> None:
        self._now = now

    def __getitem__(self, name: str) -> int:
        return self._now()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._now())

    def __len__(self) -> int:
        return len(self._now())


class ReadAhead(Division):
    """Parts so small that all rows can be handed on newest first, without many having to wait for newer ones."""

    def _older_of_busiest(self) -> Part | None:
        """Return what is older than the next some pages, else the older half of a part that has more left than that."""
        slice_rows, oldest = _SLICE_PAGES * self.page_rows, self.parts[-1]
        for part in self.parts[:-1]:
            if part.rows_left > 2 * slice_rows:  # denser than foreseen, and all others wait for it
                return part.halved()
        if oldest.rows_left > slice_rows:
            is_foreseen = sum(part.rows_left for part in self.parts[:-1]) < _FORESEEN * self.rows
            return oldest.cut(slice_rows, oldest.rows_per_second if is_foreseen else 0.0)
        if not oldest.rows_per_second:
            return None  # its first page will tell
        newest = next((part for part in self.parts if part.rows_left >= _LEAST_PAGES * self.page_rows), None)
        return None if newest is None else newest.halved()


class Lists(Division):
    """Several lists, each read by one reader and handed on in their order; they are counted down to their last."""

    def __post_init__(self) -> None:
        self.parts = [Part(number, number + 1) for number in reversed(range(*self.span))]
        self._untaken = iter(list(self.parts))

    def take(self) -> Part | None:
        """Return the next list, if any is left."""
        return next(self._untaken, None)

    def arrived(self, part: Part, page: Page) -> Portion:
        """Take a page of a list, which is whole at its end only."""
        return Portion(page, (part.position, part.position))


def _is_descending(moments: list[int]) -> bool:
    return all(later >= earlier for later, earlier in pairwise(moments))
