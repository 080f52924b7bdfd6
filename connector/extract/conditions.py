"""Conditions on columns: read as people write them, sent to Stripe where it can narrow, decided here for certain.

The same condition has one meaning in the four places where it can be written. Several values mean any of them, an
empty one means null, and a comparison with null is never true (as in SQL). What is sent only narrows: every
condition on a column is decided again here, on the rows that came.
"""

from __future__ import annotations

import csv
import functools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from connector.api.pages import Selection
from connector.dates import Calendar, Interval, interval, token_of
from connector.definitions.endpoint import Endpoint
from connector.definitions.gone import moved_to
from connector.definitions.parts import Column, Filter
from connector.errors import ConditionError, did_you_mean
from connector.rows.types import ARROW_TYPES

OPERATORS = ("=", "!=", "<", "<=", ">", ">=")
_WORDS = {"eq": "=", "ne": "!=", "lt": "<", "lte": "<=", "gt": ">", "gte": ">="}
_TEXT = re.compile(r"\s*(?P<word>[\w.]+)\s*(?P<operator><=|>=|!=|=|<|>)(?P<values>.*)", re.DOTALL)
_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_MICROSECONDS = 1_000_000
_MOST_VALUES_SENT = 20  # what Stripe takes in one list parameter such as types[]
_MINUTE_SECONDS = 60
_BOUNDS = {"=": ("gte", "lte"), "<": ("lt",), "<=": ("lte",), ">": ("gt",), ">=": ("gte",)}


@dataclass(frozen=True)
class Condition:
    """What a user asks of one column (or filter): an operator and the values that satisfy it; None is null."""

    word: str
    operator: str
    values: tuple[str | None, ...]

    def __str__(self) -> str:
        return f"{self.word}{self.operator}{','.join('' if value is None else value for value in self.values)}"


def parse(text: str) -> Condition:
    """Read a condition as the command line has it: status=open,paid or 'created>=monthstart-1d'."""
    found = _TEXT.fullmatch(text)
    if not found:
        raise ConditionError(
            f'"{text}" is not a condition. Write COLUMN, one of {" ".join(OPERATORS)}, and a value, '
            "as in status=paid or 'created>=monthstart-1d'."
        )
    values = next(csv.reader([found["values"].strip()], skipinitialspace=True), None) or [""]
    return _checked(Condition(found["word"], found["operator"], tuple(value.strip() or None for value in values)))


def from_mapping(where: Mapping[str, Any]) -> list[Condition]:
    """Read conditions as Python and TOML have them: {"status": "paid", "created": {"gte": "monthstart-1d"}}."""
    conditions = []
    for word, said in where.items():
        for operator, value in said.items() if isinstance(said, Mapping) else [("=", said)]:
            sign = _WORDS.get(operator, operator)
            if sign not in OPERATORS:
                known = [*_WORDS, *OPERATORS]
                raise ConditionError(f'{word}: "{operator}" is no comparison.{did_you_mean(operator, known)} '
                                     f"There are {', '.join(_WORDS)}.")  # fmt: skip
            values = value if isinstance(value, (list, tuple, set, frozenset)) else [value]
            conditions.append(_checked(Condition(word, sign, tuple(_as_text(word, each) for each in values))))
    return conditions


def _checked(condition: Condition) -> Condition:
    if not condition.values:
        raise ConditionError(f"{condition.word}: no value is given, so nothing could ever match.")
    if condition.operator not in ("=", "!=") and (len(condition.values) > 1 or None in condition.values):
        raise ConditionError(f'"{condition}": {condition.operator} compares with exactly one value.')
    return condition


def _as_text(word: str, value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value or None
    if isinstance(value, (list, tuple, Mapping)):
        raise ConditionError(f"{word}: a value is a text, a number, a date or null, not a list or an object.")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (datetime, date)):
        return token_of(value)
    return str(value)


@dataclass(frozen=True)
class Plan:
    """How conditions are met: what Stripe is asked (`selection`), what is decided here although Stripe is not.

    `here` lists the conditions for which rows are read that are not kept.
    """

    selection: Selection
    here: tuple[Condition, ...]
    matches: Callable[[pa.RecordBatch], pa.RecordBatch]
    columns: frozenset[str]


def plan(endpoint: Endpoint, conditions: Sequence[Condition], calendar: Calendar) -> Plan:
    """Check conditions against an endpoint and decide which of them Stripe can answer."""
    narrowing = [condition for condition in conditions if not _is_met_by_all(endpoint, condition)]
    return _Planner(endpoint, narrowing, calendar).plan()


def _is_met_by_all(endpoint: Endpoint, condition: Condition) -> bool:
    """Whether this is Stripe's own word for no condition: status=all, which no row's status ever is."""
    given = endpoint.filter_for(condition.word)
    return given is not None and given.name == "status" and (condition.operator, condition.values) == ("=", ("all",))


def column_of(endpoint: Endpoint, condition: Condition) -> Column | None:
    """Return the column that shows whether a row meets a condition; None where only Stripe can say."""
    given = endpoint.filter_for(condition.word)
    return endpoint.column(condition.word) or (endpoint.column(given.column) if given and given.column else None)


class _Planner:
    def __init__(self, endpoint: Endpoint, conditions: Sequence[Condition], calendar: Calendar) -> None:
        self.endpoint = endpoint
        self.conditions = conditions
        self.calendar = calendar
        self.parameters: dict[str, Any] = {}
        self.ranges: dict[str, Interval] = {}
        self.parents: dict[str, tuple[str, ...]] = {}
        self.above: dict[str, dict[str, str]] = {}
        self.ids: tuple[str, ...] | None = None
        self.here: list[Condition] = []

    def plan(self) -> Plan:
        for condition in self.conditions:
            if not self._send(condition):
                self.here.append(condition)
        self._send_ranges()
        self._check_required()
        return Plan(
            selection=Selection(self.parameters, self.ids, self.parents, self.above),
            here=tuple(self.here),
            matches=self._matcher(),
            columns=frozenset(column.name for column, _ in self._decided()),
        )

    def _send(self, condition: Condition) -> bool:
        """Have Stripe narrow by the condition, if it can; say whether it does."""
        endpoint, column = self.endpoint, self.endpoint.column(condition.word)
        given = endpoint.filter_for(condition.word)
        if column is None and given is None:
            known, gone = endpoint.conditionable(), moved_to(endpoint.name, condition.word)
            raise ConditionError(
                f'{endpoint.name} has no column "{condition.word}".{gone or did_you_mean(condition.word, known)} '
                f"`connector endpoints {endpoint.name}` lists them."
            )
        if column is not None and self._sent_as_ids(condition, column):
            return True
        if column is not None and endpoint.window and column.name == endpoint.window.column:
            return self._send_range(condition, column.name)
        if given is None:
            return False
        self._check_values(condition, given)
        sent = self._narrow(condition, given)
        if not sent and given.column is None:
            raise ConditionError(
                f'"{condition}": only Stripe can decide {given.name}, since its records do not show it, '
                "and it takes one value at a time."
            )
        return sent

    def _narrow(self, condition: Condition, given: Filter) -> bool:
        if given.parent:
            return self._send_above(condition, given)
        if given.kind != "range":
            return self._send_equals(condition, given)
        column = self.endpoint.column(given.column) if given.column else None
        if column is not None and column.type == "integer":
            return self._send_bound(condition, given.parameter, column)
        return self._send_range(condition, given.parameter)

    def _send_above(self, condition: Condition, given: Filter) -> bool:
        """Narrow the list of the parent, whose children alone are read then."""
        value = condition.values[0]
        if condition.operator != "=" or len(condition.values) > 1 or value is None:
            return False
        return self.above.setdefault(given.parent, {}).setdefault(given.parameter, value) == value

    def _send_bound(self, condition: Condition, parameter: str, column: Column) -> bool:
        """Narrow to the numbers on one side of a value; a second bound on the same side is decided here."""
        bounds: dict[str, int] = self.parameters.setdefault(parameter, {})
        words = _BOUNDS.get(condition.operator, ())
        if not words or len(condition.values) != 1 or condition.values[0] is None or bounds.keys() & set(words):
            return False
        bounds |= dict.fromkeys(words, _scalar(column, condition, condition.values[0]).as_py())
        return True

    def _sent_as_ids(self, condition: Condition, column: Column) -> bool:
        if condition.operator != "=" or None in condition.values:
            return False
        ids = tuple(value for value in condition.values if value is not None)
        unseen = any(self._only_stripe_decides(other) for other in self.conditions)
        if column.path == ("id",) and self.endpoint.retrieve and self.ids is None and not unseen:
            self.ids = ids
            return True
        if column.name in (parent.column for parent in self.endpoint.parents) and column.name not in self.parents:
            self.parents[column.name] = ids
            return True
        return False

    def _only_stripe_decides(self, condition: Condition) -> bool:
        given = self.endpoint.filter_for(condition.word)
        return given is not None and given.column is None

    def _check_values(self, condition: Condition, given: Filter) -> None:
        for value in condition.values:
            if value is not None and given.values and value not in given.values:
                raise ConditionError(
                    f'{self.endpoint.name}.{given.name} is never "{value}".{did_you_mean(value, given.values)} '
                    f"Values: {', '.join(given.values)}."
                )

    def _send_range(self, condition: Condition, parameter: str) -> bool:
        """Narrow to the stretch of time that holds every value; a null or a != cannot be sent."""
        if condition.operator == "!=" or None in condition.values:
            return False
        stretches = [interval(condition.operator, value, self.calendar) for value in condition.values if value]
        lows, highs = [each.gte for each in stretches], [each.lt for each in stretches]
        whole = Interval(
            None if None in lows else min(low for low in lows if low is not None),
            None if None in highs else max(high for high in highs if high is not None),
        )
        self.ranges[parameter] = self.ranges.get(parameter, Interval(None, None)).intersection(whole)
        return len(stretches) == 1

    def _send_equals(self, condition: Condition, given: Filter) -> bool:
        values = condition.values
        if condition.operator != "=" or None in values or given.parameter in self.parameters:
            return False
        if len(values) == 1:
            column = self.endpoint.column(given.column) if given.column else None
            boolean = column is not None and column.type == "boolean"
            value = _scalar(column, condition, values[0] or "").as_py() if column and boolean else values[0]
            self.parameters[given.parameter] = [value] if given.many == given.parameter else value
            return True
        if given.many and len(values) <= _MOST_VALUES_SENT and not any("*" in (value or "") for value in values):
            self.parameters[given.many] = list(values)
            return True
        return False

    def _send_ranges(self) -> None:
        window = self.endpoint.window
        for parameter, stretch in self.ranges.items():
            if window and parameter == window.column:
                self.parameters |= {window.start: stretch.gte, window.end: stretch.lt}
                continue
            bounds = {"gte": stretch.gte, "lt": stretch.lt}
            self.parameters[parameter] = {key: value for key, value in bounds.items() if value is not None}

    def _check_required(self) -> None:
        window, name = self.endpoint.window, self.endpoint.name
        if not self.endpoint.path and self.ids is None:
            raise ConditionError(f"Stripe does not list {name}; it gives them by id: --where id=ID, or id=ID,ID …")
        if window:
            stretch = self.ranges.get(window.column, Interval(None, None))
            if stretch.gte is None or stretch.lt is None:
                raise ConditionError(
                    f"{name} needs a time window: bound {window.column} at both ends, as in "
                    f"--where '{window.column}>=monthstart-1m' --where '{window.column}<monthstart'."
                )
            if stretch.gte % _MINUTE_SECONDS or stretch.lt % _MINUTE_SECONDS:
                raise ConditionError(f"{name}: both ends of {window.column} must be whole minutes.")
        for given in self.endpoint.filters.values():
            if given.required and given.parameter not in self.parameters and given.name not in self.parents:
                raise ConditionError(f"{name} needs a condition on {given.name}: Stripe does not list it without one.")

    def _decided(self) -> list[tuple[Column, Condition]]:
        """Return the conditions that the rows show, with their columns."""
        decided = []
        for condition in self.conditions:
            column = column_of(self.endpoint, condition)
            if column is not None:
                decided.append((column, condition))
        return decided

    def _matcher(self) -> Callable[[pa.RecordBatch], pa.RecordBatch]:
        tests = [(column.name, self._test(column, condition)) for column, condition in self._decided()]

        def matches(batch: pa.RecordBatch) -> pa.RecordBatch:
            for name, test in tests:
                batch = batch.filter(test(batch.column(name)))
            return batch

        return matches

    def _test(self, column: Column, condition: Condition) -> Callable[[pa.Array], pa.Array]:
        """Return the test of one condition: an array of values to an array of booleans."""
        values = [value for value in condition.values if value is not None]
        if column.type == "json" and values:
            raise ConditionError(f'"{condition}": {column.name} holds JSON; it can only be compared with null.')
        given = self.endpoint.filter_for(condition.word)
        wildcard = given is not None and given.wildcard
        tests = [_value_test(column, condition, value, self.calendar, wildcard=wildcard) for value in values]
        if None in condition.values:
            tests.append(pc.is_null)

        def any_of(array: pa.Array) -> pa.Array:
            found = [pc.fill_null(test(array), False) for test in tests]
            return functools.reduce(pc.or_, found)

        if condition.operator != "!=":
            return any_of
        return lambda array: pc.and_(pc.invert(any_of(array)), pc.is_valid(array))


def _value_test(
    column: Column, condition: Condition, value: str, calendar: Calendar, *, wildcard: bool
) -> Callable[[pa.Array], pa.Array]:
    operator = "=" if condition.operator == "!=" else condition.operator
    if column.type in ("timestamp", "date"):
        zoned = calendar if column.type == "timestamp" else Calendar(calendar.now, UTC, calendar.week_start)
        return functools.partial(_within, interval(operator, value, zoned))
    if column.type == "text" and wildcard and "*" in value:
        pattern = ".*".join(re.escape(part) for part in value.split("*"))
        return lambda array: pc.match_substring_regex(array, f"^{pattern}$")
    if column.type == "boolean" and operator != "=":
        raise ConditionError(f'"{condition}": {column.name} is true or false; it can only be = or !=.')
    scalar = _scalar(column, condition, value)
    return lambda array: _COMPARE[operator](array, scalar)


def _scalar(column: Column, condition: Condition, value: str) -> pa.Scalar:
    """Return a value as the column's type has it; a ConditionError says what would fit."""
    try:
        return pa.scalar(_PARSE[column.type](value), ARROW_TYPES[column.type])
    except (ValueError, ArithmeticError, OverflowError, KeyError) as error:
        wanted = {"integer": "a whole number", "boolean": "true or false"}.get(column.type, "a number")
        hint = _minor_units_hint(column, value)
        raise ConditionError(f'"{condition}": {column.name} is {wanted}, not "{value}".{hint}') from error


def _minor_units_hint(column: Column, value: str) -> str:
    """Return the hint for an amount that was given in major units."""
    if column.currency is None or not re.fullmatch(r"-?[0-9]+\.[0-9]{1,2}", value):
        return ""
    return f" Amounts are in minor units: {int(Decimal(value) * 100)}, where the currency has two decimals."


_COMPARE: Mapping[str, Callable[[pa.Array, pa.Scalar], pa.Array]] = {
    "=": pc.equal,
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
}
_PARSE: Mapping[str, Callable[[str], Any]] = {
    "text": str,
    "integer": int,
    "number": float,
    "decimal": Decimal,
    "boolean": lambda value: _BOOLEANS[value.lower()],
}


def _within(stretch: Interval, array: pa.Array) -> pa.Array:
    """Test timestamps and dates against a stretch of whole seconds."""
    instants = array.cast(pa.timestamp("us", "UTC")).cast(pa.int64())
    tests = [pc.is_valid(instants)]
    if stretch.gte is not None:
        tests.append(pc.greater_equal(instants, stretch.gte * _MICROSECONDS))
    if stretch.lt is not None:
        tests.append(pc.less(instants, stretch.lt * _MICROSECONDS))
    return functools.reduce(pc.and_, tests)
