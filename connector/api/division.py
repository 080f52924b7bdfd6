"""How one list is divided among readers: each reads a span of the time when objects were created, newest first.

An idle reader takes the older half of what the busiest has left. Which is the busiest is only guessed, from how
densely created the rows of its last page were; what has been read is never guessed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from itertools import pairwise

from connector.api.records import Page, created_since

Span = tuple[int, int]  # unix seconds, the later one excluded

_LEAST_PAGES = 3  # of less, the older half is not worth a request of its own
_ALLOWED_EXTRA = 45
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

    @property
    def rows_left(self) -> float:
        """How many rows are left if they are created as densely as those before them."""
        return (self.position - self.start) * self.rows_per_second


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
        busiest = max(self.parts, key=lambda part: part.rows_left, default=None)
        if busiest is None or self._is_wasteful or busiest.rows_left < _LEAST_PAGES * self.page_rows:
            return None
        foreseen_rows = _FORESEEN * self.rows
        if busiest.rows_left > foreseen_rows:
            older = Part(busiest.start, busiest.position - math.ceil(foreseen_rows / busiest.rows_per_second))
        else:
            older = replace(busiest, position=(busiest.start + busiest.position) // 2, is_ordered=True)
        if not busiest.start < older.position < busiest.position:
            return None  # a second is not divided
        busiest.start = older.position
        self.parts.append(older)
        return older

    def arrived(self, part: Part, page: Page) -> Portion:
        """Take a page of a part, without the rows that another reads now; the part may be at its end with it."""
        created = [moment for moment in page.created if isinstance(moment, int)]
        part.is_ordered &= len(created) == page.count and _is_descending([part.position - 1, *created])
        oldest = min(created, default=part.position)
        if created:
            part.rows_per_second = page.count / (max(created) + 1 - oldest)
        is_cut = oldest < part.start
        page = created_since(page, part.start) if is_cut else page
        self.pages, self.rows = self.pages + 1, self.rows + page.count
        if not page.goes_on or (is_cut and part.is_ordered):
            return replace(self.ended(part), page=page)
        # In disorder, a part is known to be whole only at its end.
        end, part.position = part.position, min(oldest + 1, part.position) if part.is_ordered else part.position
        return Portion(page, (part.position, end))

    def ended(self, part: Part) -> Portion:
        """Take note that a part has no more pages."""
        self.parts.remove(part)
        return Portion(None, (part.start, part.position))


def _is_descending(moments: list[int]) -> bool:
    return all(later >= earlier for later, earlier in pairwise(moments))
