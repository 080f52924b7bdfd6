"""How far a verb has come: moving lines on a terminal, plain ones elsewhere, JSON for machines."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from connector.masking import masked
from connector.words import count_of

if TYPE_CHECKING:
    from connector.result import Report
    from connector.stripe import Stripe
    from connector.sync.journal import Run

_PLAIN_EVERY_SECONDS = 10.0
_NAME_WIDTH = 20  # of a bar: narrow terminals cut the words beside an endpoint, not its name


class _Line:
    """One line that says how far something has come: a moving one on a terminal, plain ones now and then elsewhere."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._began = self._shown_at = time.monotonic()
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            self._open_bar()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def _tell(self, line: str) -> None:
        shown = masked(line)
        if self._bar is not None:
            self._bar.update(self._task, line=shown)
        elif time.monotonic() - self._shown_at >= _PLAIN_EVERY_SECONDS:
            self._shown_at = time.monotonic()
            print(f"{masked(self._name)}: {shown}", file=sys.stderr)  # noqa: T201 - where people look

    def _per_second(self, count: int) -> float:
        return count / max(time.monotonic() - self._began, 0.001)

    def _open_bar(self) -> None:
        from rich.progress import Progress as Bar
        from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

        from connector.cli.show import console

        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            TextColumn("{task.fields[line]}"),
            TimeElapsedColumn(),
        )
        self._bar = Bar(*columns, console=console(sys.stderr), transient=True)
        self._task = self._bar.add_task(masked(self._name), total=None, line="")
        self._bar.start()


class ReadProgress(_Line):
    """Shows a report as it grows, on stderr; to be called with the report after each page."""

    def __call__(self, report: Report) -> None:
        """Show how far the read has come."""
        per_second = self._per_second(report.requests)
        self._tell(f"{count_of(report.rows, 'row')}  {count_of(report.requests, 'request')}  {per_second:.0f}/s")


class LoadProgress(_Line):
    """Shows how many rows of a source have been read, on stderr; to be called with their number after each batch."""

    def __call__(self, rows: int) -> None:
        """Show how many rows have been read."""
        self._tell(f"{count_of(rows, 'row')}  {self._per_second(rows):,.0f} rows/s")


class WriteProgress(_Line):
    """Shows how many rows of a plan have been sent, on stderr; to be called with their number and that of all."""

    def __call__(self, done: int, total: int) -> None:
        """Show how many rows have been sent."""
        self._tell(f"{done:,} of {count_of(total, 'row')}  {self._per_second(done):,.0f} rows/s")


class _JsonNote(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return masked(json.dumps({"time": _iso(record.created), "note": record.getMessage()}))


def json_error(error: Exception) -> None:
    """Say what ended a run as a line of JSON."""
    line = {"time": _iso(time.time()), "error": masked(str(error)), "kind": type(error).__name__}
    print(json.dumps(line), file=sys.stderr, flush=True)  # noqa: T201 - where people look


def show_failures(runs: Iterable[Run]) -> None:
    """Say what failed and what was skipped, each whole and once."""
    for run in runs:
        if run.error:
            print(masked(f"{run.endpoint}: {run.error}"), file=sys.stderr)  # noqa: T201 - where people look


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


class SyncProgress:
    """Shows the endpoints of a sync on stderr, to be called with an endpoint's name and its run as it grows.

    `form` is "text" (a bar per endpoint on a terminal; elsewhere a line now and then, and one per finished endpoint),
    "json" (a line of JSON per finished endpoint, and one per note) or "quiet" (nothing).
    """

    def __init__(self, stripe: Stripe, form: str = "text") -> None:
        self._stripe = stripe
        self._is_json = form == "json"
        self._is_quiet = form == "quiet"
        self._began = self._shown_at = time.monotonic()
        self._bars: Any = None
        self._tasks: dict[str, Any] = {}
        self._handler: logging.Handler | None = None

    def __enter__(self) -> SyncProgress:
        if self._is_json or self._is_quiet:
            self._open_log()
        elif sys.stderr.isatty() and not self._is_quiet:
            self._open_bars()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()
        if self._handler is not None:
            logging.getLogger("connector").removeHandler(self._handler)

    def __call__(self, name: str, run: Run) -> None:
        """Show how far one endpoint has come."""
        finished = run.status != "running"
        if self._bars is not None:
            self._show(name, run, finished=finished)
        elif self._is_json:
            if finished:
                self._say(json.dumps({**asdict(run), "started_at": _iso(run.started_at)}))
        elif not self._is_quiet and (finished or time.monotonic() - self._shown_at >= _PLAIN_EVERY_SECONDS):
            self._shown_at = time.monotonic()
            self._say(f"{name}: {run_in_words(run) if finished else self._so_far(run)}")

    def note(self, notes: Iterable[str]) -> None:
        """Say what is worth telling, where a machine reads."""
        for note in notes if self._is_json else ():
            self._say(json.dumps({"time": _iso(time.time()), "note": note}))

    def _open_log(self) -> None:
        """Make lines of JSON of what is logged meanwhile, too, as that a request was sent again; none where quiet."""
        self._handler = logging.StreamHandler(sys.stderr) if self._is_json else logging.NullHandler()
        self._handler.setLevel(logging.WARNING)
        self._handler.setFormatter(_JsonNote())
        logging.getLogger("connector").addHandler(self._handler)

    def _say(self, line: str) -> None:
        print(masked(line), file=sys.stderr, flush=True)  # noqa: T201 - where people look

    def _show(self, name: str, run: Run, *, finished: bool) -> None:
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(name, total=None, line="")
        line = run_in_words(run) if finished else self._so_far(run)
        self._bars.update(self._tasks[name], line=line, total=1 if finished else None, completed=int(finished))

    def _so_far(self, run: Run) -> str:
        return f"{count_of(run.rows_read, 'row')}  {self._pace()}"

    def _pace(self) -> str:
        """Return how many requests there have been a second, and how much of the account's limit that is."""
        used, limit = self._stripe.requests_and_limit()
        per_second = used / max(time.monotonic() - self._began, 0.001)
        return f"{count_of(used, 'request')}  {per_second:.0f}/s, {per_second / limit:.0%} of the limit"

    def _open_bars(self) -> None:
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as Bars
        from rich.table import Column

        from connector.cli.show import console

        name = TextColumn("{task.description}", table_column=Column(no_wrap=True, min_width=_NAME_WIDTH))
        columns = (name, BarColumn(bar_width=12), TextColumn("{task.fields[line]}"))
        self._bars = Bars(*columns, console=console(sys.stderr))
        self._bars.start()


def run_in_words(run: Run) -> str:
    """Return the outcome of one endpoint in a line; errors stand once, at the end."""
    if run.error is not None:
        return run.status
    parts = {"new": run.inserted, "changed": run.updated, "unchanged": run.unchanged, "deleted": run.deleted}
    counts = ", ".join(f"{count:,} {word}" for word, count in parts.items() if count)
    return f"{count_of(run.rows_read, 'row')} read: {counts or 'nothing'} ({run.seconds:.1f} s)"
