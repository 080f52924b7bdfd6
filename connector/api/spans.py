"""Spans of time that have been read, as values: joined, subtracted, stored as text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

Span = tuple[int, int]  # unix seconds, the later one excluded
BEGINNING, END = 0, 2**40  # before and after all of Stripe's


def bounds(span: Span) -> dict[str, int]:
    """Return what Stripe calls the ends of a span; one that is open has no name."""
    ends = (("gte", span[0], BEGINNING), ("lt", span[1], END))
    return {name: moment for name, moment, open_end in ends if moment != open_end}


@dataclass(frozen=True)
class Spans:
    """A set of half-open stretches of unix seconds, kept apart and in order; None is open at that end."""

    parts: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, parts: Iterable[tuple[int, int]]) -> Spans:
        """Return the spans that cover exactly these stretches; they may overlap and touch."""
        joined: list[tuple[int, int]] = []
        for start, end in sorted(part for part in parts if part[0] < part[1]):
            if joined and start <= joined[-1][1]:
                joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
            else:
                joined.append((start, end))
        return cls(tuple(joined))

    def with_span(self, start: int, end: int) -> Spans:
        """Return these spans and one more."""
        return Spans.of([*self.parts, (start, end)])

    def holds(self, second: int) -> bool:
        """Say whether one of these spans covers a second."""
        return any(start <= second < end for start, end in self.parts)

    def missing(self, start: int, end: int) -> Spans:
        """Return what these spans leave uncovered between `start` and `end`."""
        return Spans.of(self._gaps(start, end))

    def within(self, start: int, end: int) -> Spans:
        """Return the part of these spans between `start` and `end`."""
        return Spans.of((max(a, start), min(b, end)) for a, b in self.parts)

    def _gaps(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        for a, b in self.parts:
            yield start, min(a, end)
            start = max(start, b)
        yield start, end

    def to_json(self) -> str:
        """Return the spans as a target stores them: [[start, end], …]."""
        return json.dumps(self.parts, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str | None) -> Spans:
        """Read what `to_json` wrote; nothing stored is nothing covered."""
        return cls.of((a, b) for a, b in json.loads(text)) if text else cls()
