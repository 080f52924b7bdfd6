"""How many rows a sync would read: counted where Stripe can count, as in the last run, or unknown.

Only the searches of Stripe count (`total_count`), exactly up to 10,000; a list never says how long it is. In test mode
a search also finds the objects of test clocks, which lists leave out: there its count is an estimate.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from connector.api.account import Api
from connector.api.identity import identify
from connector.errors import StripeError
from connector.places import open_database
from connector.sync.history import last_runs
from connector.sync.journal import Journal, Run
from connector.sync.passes import Planner
from connector.sync.runfile import RunFile
from connector.sync.tasks import Task, families, tasks_of

_COUNTED_TO = 10_000
_REFUSED = (400, 403, 404)  # the key may not search, or this search knows no such field
_EXACT = "exact: counted by Stripe"
_ABOUT = "estimated: counted by Stripe, with what belongs to test clocks"


@dataclass(frozen=True)
class Forecast:
    """What one task would read: `rows` is None where nobody knows; `basis` says how it is known.

    `full_requests` is what reading it in full takes, where only what is new or has changed would be read.
    """

    task: Task
    rows: int | None
    basis: str
    full_requests: int | None = None


def forecast(api: Api, run: RunFile) -> tuple[list[Forecast], list[str]]:
    """Return how much a sync would read, and notes on what it leaves out; moves no data."""
    tasks, notes = tasks_of(api, run)
    narrowed = {} if run.full else _narrowed(api, run, tasks)
    forecasts = _forecasts(api, tasks, last_runs(run))
    return [replace(each, full_requests=narrowed.get(each.task.name)) for each in forecasts], notes


def _narrowed(api: Api, run: RunFile, tasks: Sequence[Task]) -> dict[str, int | None]:
    """Return what reading in full takes of each endpoint of which only what is new or has changed would be read."""
    with open_database(run.to) as database:
        if not database.exists():
            return {}
        schema = run.schema or database.default_schema
        with Planner(api, run, identify(api.client), schema) as planner, database.transaction() as session:
            journal = Journal(session, schema)
            passes = [*planner.passes(session, journal, families(tasks))] if journal.exists() else []
    return {each.tasks[0].name: each.full_requests for each in passes if each.since is not None}


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
