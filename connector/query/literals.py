"""Texts that stand against something else: relative dates are replaced by instants, and what can never fit is refused.

`created >= 'monthstart-1d'` becomes an instant at its place in the text, by the rules of the date grammar: a day is
whole, so = is between its first instant and its last. ISO texts keep the meaning that they have in SQL.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime

import sqlglot
from sqlglot import exp

from connector.dates import ANCHORS, Calendar, Moment, resolve
from connector.errors import ConditionError, DateError
from connector.query.statement import Statement, parsed

_RELATIVE = re.compile(rf"\s*(?:{'|'.join(ANCHORS)})\s*(?:[+-].*)?", re.IGNORECASE | re.DOTALL)
_COMPARED = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Between, exp.In)
_EQUALS: Mapping[type[exp.Expr], re.Pattern[str]] = {
    exp.EQ: re.compile(r"==?\s*$"),
    exp.NEQ: re.compile(r"(?:<>|!=)\s*$"),
}
_FLIPPED: Mapping[type[exp.Expr], type[exp.Expr]] = {exp.LT: exp.GT, exp.LTE: exp.GTE, exp.GT: exp.LT, exp.GTE: exp.LTE}
_TIMES = ("TIMESTAMP WITH TIME ZONE", "TIMESTAMP", "DATE")
_WANTED = {
    "BIGINT": "a whole number", "INTEGER": "a whole number", "HUGEINT": "a whole number", "DOUBLE": "a number",
    "DECIMAL": "a number", "BOOLEAN": "true or false", **dict.fromkeys(_TIMES, "a time"),
}  # fmt: skip
_MAP = sqlglot.parse_one("MAP {1: 1}", dialect="duckdb")

TypeOf = Callable[[str], str | None]


def with_instants(statement: Statement, calendar: Calendar, type_of: TypeOf) -> Statement:
    """Return the statement with instants in the place of relative dates; what stands against a text stays a text."""
    done: set[str] = set()
    while statement.tree is not None:
        pair = next((pair for pair in _texts(statement.tree) if _is_relative(pair) and _key(pair) not in done), None)
        if pair is None:
            break
        if type_of(_probe(statement.tree, pair[0])) in _TIMES:
            statement = _replaced(statement, *pair, calendar)
        else:
            done.add(_key(pair))
    return statement


def check(statement: Statement, type_of: TypeOf, fits: Callable[[str, str], bool], calendar: Calendar) -> None:
    """Refuse texts that can never be what they stand against; `fits` says whether a text can be cast to a type."""
    for literal, comparison in _texts(statement.tree) if statement.tree is not None else ():
        kind = type_of(_probe(statement.tree, literal)) if statement.tree is not None else None
        wanted = next((words for name, words in _WANTED.items() if kind is not None and kind.startswith(name)), None)
        if kind is None or wanted is None or fits(literal.name, kind):
            continue
        where, other = statement.place_of(literal.meta["start"]), _other(literal, comparison).sql(dialect="duckdb")
        if kind not in _TIMES:
            raise ConditionError(f'{where}: {other} is {wanted}, not "{literal.name}".')
        _moment(literal.name, where, calendar)
        raise ConditionError(
            f'{where}: "{literal.name}" cannot stand here: compare {other} with =, <, <=, >, >= or BETWEEN.'
        )


def _probe(tree: exp.Expr, literal: exp.Literal) -> str:
    """Return SQL that DuckDB refuses with the type of what a text stands against: it compares that with a map."""
    tree = tree.copy()
    for twin, comparison in _texts(tree):
        if twin.meta["start"] == literal.meta["start"]:
            comparison.replace(exp.GT(this=exp.paren(_other(twin, comparison)), expression=_MAP.copy()))
            break
    return tree.sql(dialect="duckdb")


def _other(literal: exp.Literal, comparison: exp.Expr) -> exp.Expr:
    """Return what a text stands against."""
    other: exp.Expr = comparison.this if literal is not comparison.this else comparison.args["expression"]
    return other


def _texts(tree: exp.Expr) -> Iterator[tuple[exp.Literal, exp.Expr]]:
    """Yield the texts that stand against something with a column in it."""
    for comparison in tree.find_all(*_COMPARED):
        parts = list(comparison.iter_expressions())
        if not any(part.find(exp.Column) for part in parts):
            continue
        for part in parts:
            if isinstance(part, exp.Literal) and part.is_string and "start" in part.meta:
                yield part, comparison


def _is_relative(pair: tuple[exp.Literal, exp.Expr]) -> bool:
    return _RELATIVE.fullmatch(pair[0].name) is not None and not isinstance(pair[1], exp.In)


def _key(pair: tuple[exp.Literal, exp.Expr]) -> str:
    literal = pair[0]
    return f"{literal.meta['start']} {literal.name}"


def _replaced(statement: Statement, literal: exp.Literal, comparison: exp.Expr, calendar: Calendar) -> Statement:
    start, end = literal.meta["start"], literal.meta["end"] + 1
    moment = _moment(literal.name, statement.place_of(start), calendar)
    kind = type(comparison)
    if kind in _EQUALS and moment.whole_day:
        operator = _EQUALS[kind].search(statement.text[:start])
        if literal is not comparison.expression or operator is None:
            raise ConditionError(f"{statement.place_of(start)}: write the column first, as in created = 'today'.")
        start = operator.start()
        word = "BETWEEN" if kind is exp.EQ else "NOT BETWEEN"
        instants = f"{word} {_instant(moment.first)} AND {_instant(moment.after, before=True)} "
    else:
        instants = _bound(literal, comparison, moment)
    text = statement.text[:start] + instants + statement.text[end:]
    longer = len(instants) - (end - start)
    before = [(place, size) for place, size in statement.shifts if place <= start]
    after = [(place + longer, size + longer) for place, size in statement.shifts if place > start]
    so_far = before[-1][1] if before else 0
    shifts = (*before, (start + len(instants), so_far + longer), *after)
    return Statement(statement.written, text, parsed(text), shifts)


def _moment(token: str, where: str, calendar: Calendar) -> Moment:
    """Return what a token names; the error points into the SQL and leaves the grammar to `connector dates`."""
    try:
        return resolve(token, calendar)
    except DateError as error:
        reason = str(error).splitlines()[0]
        end = "" if reason.endswith("?") else "."
        raise DateError(f"{where}: {reason}{end} `connector dates --help` shows the grammar.") from None


def _bound(literal: exp.Literal, comparison: exp.Expr, moment: Moment) -> str:
    """Return the instant that a comparison with a day or an instant means: the last of it for <= and >."""
    kind: type[exp.Expr] = type(comparison)
    if isinstance(comparison, exp.Between):
        kind = exp.LTE if literal is comparison.args["high"] else exp.GTE
    elif literal is comparison.this:
        kind = _FLIPPED.get(kind, kind)
    last = kind in (exp.LTE, exp.GT)
    return _instant(moment.after, before=True) if last else _instant(moment.first)


def _instant(seconds: int, *, before: bool = False) -> str:
    """Return an instant in SQL, or the last microsecond before it."""
    when = datetime.fromtimestamp(seconds - before, UTC).strftime("%Y-%m-%d %H:%M:%S")
    return f"TIMESTAMPTZ '{when}{'.999999' if before else ''}+00'"
