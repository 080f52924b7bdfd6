"""Conditions as comparisons of one column with constants: those that must hold where the condition does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import sqlglot
from sqlglot import exp

_OPERATORS: Mapping[type[exp.Expr], str] = {
    exp.EQ: "=", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">=",
}  # fmt: skip
_FLIPPED = {"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_PERIODS = ("DAY", "WEEK", "MONTH", "QUARTER", "YEAR")


@dataclass(frozen=True)
class Comparison:
    """What a conjunct asks of one column: an operator and the constants that it stands against, any of them for =.

    `of_time` says that it bounds a time whose day, month or the like was compared: it holds for columns of times alone.
    """

    column: exp.Column
    operator: str
    constants: tuple[exp.Expr, ...]
    of_time: bool = False

    @property
    def name(self) -> str:
        """The column's name, in lower case."""
        return self.column.name.lower()


def comparisons(node: exp.Expr) -> list[Comparison]:
    """Return the comparisons that a condition is made of, all of which hold where it does; none if it is no such."""
    node = node.unnest()
    read = _READERS.get(type(node))
    return read(node) if read is not None else []


def _is_true(node: exp.Expr) -> list[Comparison]:
    return _checked(node, "=", [exp.true()])


def _is_false(node: exp.Expr) -> list[Comparison]:
    return _checked(node.this, "=", [exp.false()])


def _is(node: exp.Expr) -> list[Comparison]:
    return _checked(node.this, "=", [node.expression]) if isinstance(node.expression, exp.Boolean) else []


def _between(node: exp.Expr) -> list[Comparison]:
    if node.args.get("symmetric"):
        return []
    return [*_checked(node.this, ">=", [node.args["low"]]), *_checked(node.this, "<=", [node.args["high"]])]


def _in(node: exp.Expr) -> list[Comparison]:
    if any(node.args.get(key) for key in ("query", "unnest", "field")):
        return []
    return _checked(node.this, "=", node.expressions)


def _compares(node: exp.Expr) -> list[Comparison]:
    operator = _OPERATORS[type(node)]
    one, other = node.args["this"], node.args["expression"]
    return _checked(one, operator, [other]) or _checked(other, _FLIPPED[operator], [one])


def _either(node: exp.Expr) -> list[Comparison]:
    one, other = comparisons(node.args["this"]), comparisons(node.args["expression"])
    both = [*one, *other]
    if len(one) != 1 or len(other) != 1 or {comparison.operator for comparison in both} != {"="}:
        return []
    if one[0].column != other[0].column:
        return []
    return [Comparison(one[0].column, "=", (*one[0].constants, *other[0].constants))]


_READERS: Mapping[type[exp.Expr], Callable[[exp.Expr], list[Comparison]]] = {
    exp.Column: _is_true, exp.Not: _is_false, exp.Is: _is, exp.Between: _between, exp.In: _in, exp.Or: _either,
    **dict.fromkeys(_OPERATORS, _compares),
}  # fmt: skip


def _checked(column: exp.Expr, operator: str, constants: Sequence[exp.Expr]) -> list[Comparison]:
    column = column.unnest()
    if not constants or not all(map(is_constant, constants)):
        return []
    if isinstance(column, exp.Column):
        return [Comparison(column, operator, tuple(constants))]
    return _of_period(column, operator, constants)


def _of_period(node: exp.Expr, operator: str, constants: Sequence[exp.Expr]) -> list[Comparison]:
    """Return the bounds of a time whose day, week, month, quarter or year is compared.

    The beginning of its period is never later than a time, and the next period's is always later, whatever zone and
    clock change: so a time is no earlier than the beginning of the least constant's period where it may be that one or
    a later one, and before the end of the greatest's where it may be that one or an earlier one.
    """
    column, unit = _truncated(node)
    if column is None:
        return []
    first, last = (_extreme(name, constants) for name in ("LEAST", "GREATEST"))
    if operator == "<":
        last = f"{last} - INTERVAL 1 MICROSECOND"
    bounds = {">=": f"date_trunc('{unit}', {first})", "<": f"date_trunc('{unit}', {last}) + INTERVAL 1 {unit}"}
    sides = {"=": (">=", "<"), "<": ("<",), "<=": ("<",), ">": (">=",), ">=": (">=",)}[operator]
    return [Comparison(column, side, (_read(bounds[side]),), of_time=True) for side in sides]


def _truncated(node: exp.Expr) -> tuple[exp.Column | None, str]:
    """Return the column of which an expression is the day, week, month, quarter or year, and which of them."""
    unit = ""
    if isinstance(node, exp.Date) or (isinstance(node, exp.Cast | exp.TryCast) and node.to.this == exp.DType.DATE):
        unit = "DAY"
    elif isinstance(node, exp.TimestampTrunc | exp.DateTrunc):
        unit = str(node.args["unit"].name).upper()
    column = node.this.unnest() if unit in _PERIODS else None
    return (column if isinstance(column, exp.Column) else None), unit


def _extreme(function: str, constants: Sequence[exp.Expr]) -> str:
    times = ", ".join(f"CAST(({constant.sql(dialect='duckdb')}) AS TIMESTAMPTZ)" for constant in constants)
    return f"{function}({times})" if len(constants) > 1 else times


def _read(sql: str) -> exp.Expr:
    return sqlglot.parse_one(sql, dialect="duckdb")


def is_constant(node: exp.Expr) -> bool:
    """Whether an expression has one value for all rows, as far as can be seen in it."""
    varying = (exp.Column, exp.Query, exp.Star, exp.Placeholder, exp.Parameter, exp.AggFunc, exp.Window, exp.Lambda)
    return node.find(*varying) is None
