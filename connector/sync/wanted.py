"""Which objects of a list are to be read again, and the fewest pages that show them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field


@dataclass
class Wanted:
    """Single objects of a list, by id and second of creation, that are to be read again.

    They are read newest first, or as they were added, by pages of the list that begin at the next one: each page serves
    all that it reaches. Newest first no record is read twice, so the pages are never more than those of the whole list.
    What the list does not show where it should is in `gone`; what `most_pages` leave unread is wanted no more.
    `pages` counts those that were read.
    """

    newest_first: bool = True
    most_pages: int | None = None
    gone: list[str] = field(default_factory=list)
    pages: int = 0
    _created: dict[str, int] = field(default_factory=dict)
    _ids: dict[int, set[str]] = field(default_factory=dict)  # those that are left, by second of creation
    _order: list[int] = field(default_factory=list)  # the seconds in which to begin, the next one last
    _left: list[int] = field(default_factory=list)  # the seconds that are left, the oldest first
    _top: int = 0

    @property
    def ids(self) -> Collection[str]:
        """All objects that are or were wanted."""
        return self._created.keys()

    def add(self, id_: str, created: int) -> None:
        """Want one more object; only before reading begins."""
        self._created[id_] = created
        self._ids.setdefault(created, set()).add(id_)

    def stretch(self) -> tuple[int, int] | None:
        """Return the half-open stretch of creation time in which to read on, from its newest; None: all is read."""
        if not self._order:
            self._left = sorted(self._ids)
            self._order = [*self._left] if self.newest_first else [*reversed(self._ids)]
        while self._order and self._order[-1] not in self._ids:
            self._order.pop()
        if not self._order:
            return None
        self._top = self._order[-1]
        return self._left[0], self._top + 1

    def read(self, ids: Iterable[str], oldest: int | None) -> bool:
        """Take note of a page of the stretch, of when its oldest object was created (None: it is empty).

        Return whether the page behind it is wanted, too.
        """
        self.pages += 1
        for id_ in ids:
            self._ids.get(self._created.get(id_, -1), set()).discard(id_)
        if oldest is not None:
            self._pass_by(oldest + 1)
            if oldest in self._ids and not self._ids[oldest]:
                self._pass_by(oldest)
        if self.pages == self.most_pages:
            self._left, self._ids, self._order = [], {}, []
            return False
        return oldest is None or oldest in self._ids

    def end(self) -> None:
        """Take note that the list has no more in the stretch."""
        self._pass_by(0)

    def _pass_by(self, second: int) -> None:
        """Drop what was created in this second or later, up to the top of the stretch: it has been read or is gone."""
        first, end = bisect_left(self._left, second), bisect_left(self._left, self._top + 1)
        for passed in self._left[first:end]:
            self.gone += self._ids.pop(passed)
        del self._left[first:end]
