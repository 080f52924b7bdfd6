"""How many rows a sync would read: counted where Stripe can count, as in the last run, or unknown.

Only the searches of Stripe count (`total_count`), exactly up to 10,000; a list never says how long it is. In test mode
a search also finds the objects of test clocks, which lists leave out: there its count is an estimate.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from connector.api.account import Api
from connector.errors import StripeError
from connector.sync.history import last_runs
from connector.sync.journal import Run
from connector.sync.runfile import RunFile
from connector.sync.tasks import Task, tasks_of

_COUNTED_TO = 10_000
_REFUSED = (400, 403, 404)  # the key may not search, or this search knows no such field
_EXACT = "exact: counted by Stripe"
_ABOUT = "estimated: counted by Stripe, with what belongs to test clocks"


@dataclass(frozen=True)
class Forecast:
    """What one task would read: `rows` is None where nobody knows; `basis` says how it is known."""

    task: Task
    rows: int | None
    basis: str


def forecast(api: Api, run: RunFile) -> tuple[list[Forecast], list[str]]:
    """Return how much a sync would read, and notes on what it leaves out; moves no data."""
    tasks, notes = tasks_of(api, run)
    return list(_forecasts(api, tasks, last_runs(run))), notes


def _forecasts(api: Api, tasks: Sequence[Task], last: Sequence[Run]) -> Iterator[Forecast]:
    """Yield a forecast for each task; sends one small search for each that Stripe can count."""
    before = {run.endpoint: run for run in last}
    for task in tasks:
        counted, run = _counted(api, task), before.get(task.name)
        if counted is not None:
            live = api.client.connection.livemode
            yield Forecast(task, counted, _EXACT if live else _ABOUT)
        elif run is not None and run.rows_read:
            yield Forecast(task, run.rows_read, "estimated: as in the last run")
        else:
            yield Forecast(task, None, "unknown")


def _counted(api: Api, task: Task) -> int | None:
    """Return Stripe's own count of what a task reads; None where it has none, or the key may not search."""
    narrowed = task.planned.selection.parameters.keys() - {task.order_parameter}
    if task.endpoint.search is None or narrowed or task.endpoint.each:
        return None
    ends = ((">=", task.read.gte), ("<", task.read.lt))
    bounds = [f"{task.endpoint.order}{sign}{end}" for sign, end in ends if end is not None]
    query = " AND ".join(bounds or [f"{task.endpoint.order}>0"])
    try:
        found = api.client.get(task.endpoint.search, {"query": query, "limit": 1, "expand": ["total_count"]}).json()
    except StripeError as error:
        if error.status not in _REFUSED:
            raise
        return None
    count = found.get("total_count") if isinstance(found, dict) else None
    return count if isinstance(count, int) and count < _COUNTED_TO else None
