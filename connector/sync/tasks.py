"""What a sync's config asks for, checked against the definitions: a task per endpoint."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from connector.api.account import Api
from connector.api.pages import Selection
from connector.api.spans import BEGINNING, END, Spans, bounds
from connector.databases.merge import Keys
from connector.dates import Interval, interval
from connector.definitions.endpoint import Endpoint
from connector.definitions.readings import reading_of
from connector.errors import ConditionError, ConfigError, DateError, did_you_mean
from connector.extract.conditions import Condition, Plan, column_of, from_mapping, plan
from connector.rows.flatten import EXTRA, Flattener
from connector.sync.columns import ColumnChoice, ColumnWish, needed
from connector.sync.runfile import RunFile, TableRun

QUIET = ("_changed_at", "_synced_at")


@dataclass(frozen=True)
class Task:
    """One endpoint to sync: what is asked of it, and the part of time that it is about.

    `read` bounds what is read, `compared` the rows that are gone when they were not read; `major` asks for a view of
    its amounts in major units.
    """

    endpoint: Endpoint
    said: TableRun
    planned: Plan
    listed: bool
    read: Interval
    compared: Interval
    conditions: tuple[Condition, ...] = ()
    major: bool = False
    choice: ColumnChoice = field(default_factory=ColumnChoice)

    @property
    def wish(self) -> ColumnWish:
        """What the config says of its columns."""
        return ColumnWish(self.said.columns, self.said.exclude)

    @property
    def name(self) -> str:
        """The endpoint's name, and its table's."""
        return self.endpoint.name

    @property
    def order_parameter(self) -> str | None:
        """The parameter that bounds the list by time, where there is one."""
        return self.endpoint.order_parameter

    @property
    def keys(self) -> Keys:
        """How its rows are told apart, and which of two is newer."""
        return Keys(("_account_id", *self.endpoint.primary_key), "_changed_at", QUIET)

    @property
    def compares(self) -> bool:
        """Whether rows that were not read are gone."""
        return self.endpoint.deletes != "never" or self.said.prune

    @property
    def compared_bounds(self) -> list[tuple[str, str, datetime]]:
        """The times (column, comparison, value) within which rows are gone when they were not read."""
        order, ends = self.endpoint.order, ((">=", self.compared.gte), ("<", self.compared.lt))
        return [(order, sign, datetime.fromtimestamp(end, UTC)) for sign, end in ends if order and end is not None]

    @property
    def further_conditions(self) -> list[Condition]:
        """The conditions but those that bound the list by time; all of those below parents, which are read whole."""
        bounds = None if self.endpoint.parents else self.endpoint.order
        return [condition for condition in self.conditions if condition.word != bounds]

    @property
    def is_told_by_events(self) -> bool:
        """Whether events tell which rows meet the conditions: not of what Stripe alone or the calendar decides.

        Children are read whenever their parents are; without `prune` their conditions bound what never changes.
        """
        if self.endpoint.parents and not self.said.prune:
            return True
        columns = [column_of(self.endpoint, condition) for condition in self.further_conditions]
        are_shown = all(column is not None and column.type not in ("timestamp", "date") for column in columns)
        return not columns or (are_shown and (self.endpoint.updates == "events" or bool(self.endpoint.parents)))

    @property
    def is_own_list(self) -> bool:
        """Whether its rows take a request for each parent: they do not come with them."""
        return bool(self.endpoint.parents) and not self.endpoint.embedded

    def fingerprint(self, version: str) -> str:
        """Return what stands for the settings that decide which rows are read and what is in them, but time bounds."""
        endpoint, left_out = self.endpoint, self.choice.left_out(self.endpoint)
        written = [(column.name, column.path) for column in endpoint.columns if column.name not in left_out]
        conditions = [str(condition) for condition in self.further_conditions]
        settings = (version, endpoint.path, endpoint.always, endpoint.each, endpoint.parents, written, conditions)
        return hashlib.sha256(repr(settings).encode()).hexdigest()[:16]

    @property
    def span(self) -> tuple[int, int]:
        """The half-open stretch of creation time that it is about, in unix seconds."""
        start = BEGINNING if self.read.gte is None else self.read.gte
        return start, max(start, END if self.read.lt is None else self.read.lt)

    @property
    def left_behind(self) -> list[tuple[int, int]]:
        """The stretches of creation time before and after what is read, whose rows are pruned: bounds may move."""
        if not self.said.prune or not self.order_parameter:
            return []
        start, end = self.span
        return [stretch for stretch in ((BEGINNING, start), (end, END)) if stretch[0] < stretch[1]]

    def is_about(self, created: int) -> bool:
        """Say whether it is about what was created at a time, in unix seconds."""
        return self.span[0] <= created < self.span[1]

    def missing(self, covered: Spans) -> list[tuple[int, int]]:
        """Return the stretches of creation time that are not covered, newest first; all where there is no range."""
        missing = covered.missing(*self.span) if self.order_parameter else Spans.of([self.span])
        return [*reversed(missing.parts)]

    def covered(self, covered: Spans) -> list[tuple[int, int]]:
        """Return the stretches of creation time that are covered, newest first."""
        return [*reversed(covered.within(*self.span).parts)] if self.order_parameter else []

    def selection(self, stretch: tuple[int, int]) -> Selection:
        """Return what to ask Stripe for, narrowed to a stretch of time."""
        selection, parameter = self.planned.selection, self.order_parameter
        return selection if parameter is None else selection.within(parameter, bounds(stretch))

    def flattener(self) -> Flattener:
        """Return what makes its rows: the columns that are not left out, and those that conditions need."""
        written = {column.name for column in self.endpoint.columns} - set(self.choice.left_out(self.endpoint))
        return Flattener(self.endpoint, {*written, *self.planned.columns, EXTRA})


def tasks_of(api: Api, run: RunFile) -> tuple[list[Task], list[str]]:
    """Return what a config asks for, parents before their children, and notes on what it leaves out."""
    names = list(dict.fromkeys(run.endpoints))
    for name in run.tables:
        api.endpoints[name]  # an unknown one is an error, also where all are wanted
    left_out: defaultdict[str, list[str]] = defaultdict(list)  # reason → tables
    for name in api.endpoints if run.everything else ():
        why = None if name in run.tables else _left_out(api.endpoints[name])
        if why is not None:
            left_out[why].append(name)
        elif name not in names:
            names.append(name)
    tasks = [_task(api, run, name) for name in names]
    for task in tasks:
        for parent in task.endpoint.parents:
            if parent.table not in names and not task.endpoint.window:
                raise ConfigError(f'{task.name} is read with {parent.table}: add "{parent.table}" to endpoints.')
    for task in tasks:
        if not task.endpoint.primary_key:
            left_out[_without_key(task)].append(task.name)
    keyed = [task for task in tasks if task.endpoint.primary_key]
    notes = [f"left out, since {why}: {', '.join(tables)}" for why, tables in left_out.items()]
    return sorted(keyed, key=lambda task: bool(task.endpoint.parents)), notes


def _left_out(endpoint: Endpoint) -> str | None:
    """Return why a sync of everything leaves a table out, in words that fit all such tables; None: it does not."""
    if endpoint.window:
        return "each needs a time window ([sync.NAME] gives one)"
    if not endpoint.path:
        return "Stripe does not list them"
    if reading_of(endpoint) == "asked":
        asked = next(given.name for given in endpoint.filters.values() if given.required)
        return f"a condition on {asked} is needed ([sync.NAME] gives one)"
    return f"each takes {endpoint.by_name} ([sync.NAME] adds it)" if endpoint.by_name else None


def _without_key(task: Task) -> str:
    """Return why a table whose rows nothing tells apart is left out; one that the config names is an error."""
    if task.listed:
        raise ConfigError(
            f"{task.name} cannot be synced: {task.endpoint.file} says no primary_key, so nothing tells its rows "
            "apart. Name the columns that do."
        )
    return "their definitions have no primary_key"


def families(tasks: Sequence[Task]) -> Iterator[list[Task]]:
    """Yield each endpoint with the children that are read with it, so that both stand in one commit.

    A table with two parents, with a time window or below another child is read by itself.
    """
    tops = {task.name for task in tasks if not task.endpoint.parents}
    above = {task.name: _above(task.endpoint, tops) for task in tasks}
    for task in tasks:
        if above[task.name] is None:
            yield [task, *(each for each in tasks if above[each.name] == task.name)]


def _above(endpoint: Endpoint, tops: Collection[str]) -> str | None:
    """Return the table with which an endpoint is read."""
    is_read_with = len(endpoint.parents) == 1 and not endpoint.window and endpoint.parents[0].table in tops
    return endpoint.parents[0].table if is_read_with else None


def _task(api: Api, run: RunFile, name: str) -> Task:
    endpoint, said = api.endpoints[name], run.table(name)
    conditions = from_mapping(said.where)
    order = endpoint.filter_for(endpoint.order) if endpoint.order else None
    since = Interval(None, None)
    if said.since and order and order.kind == "range":
        since = _since(said.since, api)
        conditions.append(Condition(order.name, ">=", (said.since,)))
    elif name in run.tables and run.tables[name].since is not None:
        raise ConfigError(f"[sync.{name}] since: Stripe does not list {name} by time{_bounded_by(endpoint)}.")
    planned = plan(endpoint, conditions, api.calendar)
    sent = planned.selection.parameters.get(order.parameter, {}) if order and order.kind == "range" else {}
    read = Interval(sent.get("gte"), sent.get("lt"))
    listed = not run.everything or name in run.tables
    task = Task(endpoint, said, planned, listed, read, since if said.prune else read, tuple(conditions), run.major)
    _check(task, conditions)
    return replace(task, choice=task.wish.after(ColumnChoice()))


def _since(token: str, api: Api) -> Interval:
    try:
        return interval(">=", token, api.calendar)
    except DateError as error:
        raise DateError(f"since: {error}") from None


def _bounded_by(endpoint: Endpoint) -> str:
    return f"; since of {endpoint.parents[0].table} bounds it, too" if endpoint.parents else ""


def _check_columns(task: Task) -> None:
    names = [column.name for column in task.endpoint.columns]
    wanted = () if isinstance(task.said.columns, str) else task.said.columns or ()
    for word, name in [*(("columns", name) for name in wanted), *(("exclude", name) for name in task.said.exclude)]:
        where = f"[sync.{task.name}] {word}"
        if name not in names:
            raise ConfigError(f'{where}: there is no column "{name}".{did_you_mean(name, names)}')
        if word == "exclude" and name in needed(task.endpoint):
            raise ConfigError(f"{where}: {name} tells rows apart or orders them and must stay.")
        if word == "exclude" and name in wanted:
            raise ConfigError(f"{where}: {name} stands in columns, too.")


def _check(task: Task, conditions: Sequence[Condition]) -> None:
    """Refuse conditions under which rows would go stale, and columns left out that there are not or must not be."""
    _check_columns(task)
    if task.planned.selection.ids is not None:
        raise ConditionError(f"[sync.{task.name}] A sync is not about single ids; `connector extract` reads those.")
    window = task.endpoint.window.column if task.endpoint.window else None
    for condition in conditions:
        given = task.endpoint.filter_for(condition.word)
        bounds_time = given is not None and given.parameter == task.order_parameter and given.kind == "range"
        fixed = bounds_time or condition.word in {window, *task.planned.selection.parents}
        if not task.said.prune and (not fixed or condition in task.planned.here):
            raise ConditionError(
                f'[sync.{task.name}] "{condition}": a row that no longer meets it would stay as it was. Say '
                "prune = true to have such rows marked deleted, or leave the condition to your queries."
            )
