"""What a target remembers of a sync: spans of time that have been read, positions, runs. Values; targets store them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass


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


EVENTS = "_events"


@dataclass(frozen=True)
class Progress:
    """How far the reading of one endpoint has come: the spans of a pass that is not finished, and the last that is.

    `finished_at` is in unix seconds, None before the first pass is whole. For EVENTS it is the time of the event
    whose id is the `position`: the newest before anything was read.
    """

    endpoint: str
    covered: Spans = Spans()
    finished_at: int | None = None
    position: str | None = None


@dataclass(frozen=True)
class Run:
    """One reading of one endpoint, as history keeps it; times in unix seconds, `status` one of STATUSES."""

    run_id: str
    endpoint: str
    status: str
    started_at: float
    seconds: float = 0.0
    rows_read: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    deleted: int = 0
    requests: int = 0
    retries: int = 0
    error: str | None = None
    account: str | None = None


STATUSES = ("running", "succeeded", "failed", "skipped")


@dataclass(frozen=True)
class Lease:
    """Which run may write: its id, where it runs, and when it last said so, in unix seconds."""

    run_id: str
    host: str
    pid: int
    heartbeat_at: float

    def __str__(self) -> str:
        return f"run {self.run_id} (process {self.pid} on {self.host})"
