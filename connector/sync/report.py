"""What a sync gives back: a run per endpoint and everything worth telling, which a notebook shows as a table."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from html import escape

from connector.api.pace import Pace
from connector.sync.journal import WHOLE_RUN, Run
from connector.words import count_of

SyncWatch = Callable[[str, Run], None]  # called with an endpoint's name and its run, as it grows
_COLUMNS = ("endpoint", "status", "rows_read", "inserted", "updated", "unchanged", "deleted", "seconds", "error")


@dataclass(repr=False)
class SyncReport:
    """What a sync did, into which file or server: a run per endpoint, and everything worth telling."""

    target: str = ""
    runs: list[Run] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    pace: Pace | None = None

    @property
    def failed(self) -> list[Run]:
        """The endpoints that could not be read or written whole."""
        return [run for run in self.runs if run.status == "failed"]

    def lines(self) -> list[str]:
        """Return in sentences where the rows are, how fast they came, and everything worth telling."""
        pace = [str(self.pace)] if self.pace and self.pace.is_telling else []
        return [f"written to {self.target}", *pace, *self.notes]

    def __repr__(self) -> str:
        statuses = Counter(run.status for run in self.runs)
        counts = ", ".join(f"{count:,} {status}" for status, count in statuses.items())
        return f"<sync of {count_of(len(self.runs), 'endpoint')}: {counts or 'nothing to do'}>"

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{name}</th>" for name in _COLUMNS)
        rows = "".join(
            "<tr>" + "".join(f"<td>{escape(_shown(getattr(run, name)))}</td>" for name in _COLUMNS) + "</tr>"
            for run in self.runs
        )
        notes = "".join(f"<li>{escape(note)}</li>" for note in self.notes)
        return f"<p>{escape(self.target)}</p><table><tr>{head}</tr>{rows}</table>" + (
            f"<ul>{notes}</ul>" if notes else ""
        )


def name_of(run: Run) -> str:
    """Return what a run is called before people: its endpoint, or the whole."""
    return "the whole run" if run.endpoint == WHOLE_RUN else run.endpoint


_TOTALS = ("rows_read", "inserted", "updated", "unchanged", "deleted")


def whole_run(run: Run, report: SyncReport) -> Run:
    """Return the run of all endpoints as it ended: what their rows and full reads add up to, and which failed."""
    totals = {name: sum(getattr(each, name) for each in report.runs) for name in _TOTALS}
    failed = [each.endpoint for each in report.failed]
    error = f"{count_of(len(failed), 'endpoint')} failed: {', '.join(failed)}" if failed else None
    ended = replace(run, status="failed" if failed else "succeeded", error=error, **totals)
    narrowed = any(each.full_requests for each in report.runs)
    full = sum(each.full_requests or each.requests for each in report.runs) if narrowed else None
    return replace(ended, seconds=time.time() - run.started_at, full_requests=full)


def saving_notes(run: Run, report: SyncReport) -> list[str]:
    """Return in a sentence how few requests it took, where not everything was read."""
    narrowed = sum(each.full_requests is not None for each in report.runs)
    if not narrowed or run.full_requests is None:
        return []
    return [
        f"{count_of(run.requests, 'request')}, where reading all takes about {run.full_requests:,}: of "
        f"{count_of(narrowed, 'endpoint')} only what is new or has changed was read"
    ]


def failed_run(run: Run, error: str) -> Run:
    """Return a run that ended by an error."""
    return replace(run, status="failed", error=error, seconds=time.time() - run.started_at)


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.1f}"
    return f"{value:,}" if isinstance(value, int) else str(value or "")
