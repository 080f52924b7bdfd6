"""How far a read has come: a moving line on a terminal, a plain one every ten seconds elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from connector.result import Report

_PLAIN_EVERY_SECONDS = 10.0


class Progress:
    """Shows a report as it grows, on stderr; to be called with the report after each page."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._began = self._told = time.monotonic()
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Progress:
        if sys.stderr.isatty():
            self._open_bar()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, report: Report) -> None:
        """Show how far the read has come."""
        if self._bar is not None:
            self._bar.update(self._task, said=self._said(report))
        elif time.monotonic() - self._told >= _PLAIN_EVERY_SECONDS:
            self._told = time.monotonic()
            print(f"{self._name}: {self._said(report)}", file=sys.stderr)  # noqa: T201 - where people look

    def _said(self, report: Report) -> str:
        per_second = report.requests / max(time.monotonic() - self._began, 0.001)
        return f"{report.rows:,} rows  {report.requests:,} requests  {per_second:.0f}/s"

    def _open_bar(self) -> None:
        from rich.progress import Progress as Bar
        from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

        from connector.show import console

        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            TextColumn("{task.fields[said]}"),
            TimeElapsedColumn(),
        )
        self._bar = Bar(*columns, console=console(sys.stderr), transient=True)
        self._task = self._bar.add_task(self._name, total=None, said="")
        self._bar.start()
