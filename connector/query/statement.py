"""The statement: one SELECT, as written and as a tree."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from connector.errors import UsageError
from connector.query.refusals import explained

_INSTEAD = {
    "ATTACH": "--attach crm.duckdb makes its tables known as crm.NAME",
    "COPY": "--to writes the rows to a file or a table",
    "SET": "--time-zone sets the zone of days; the rest is as it is",
    "LOAD": "no extension is installed or loaded here",
    "PRAGMA": "describe NAME and show tables tell what there is",
    "EXPLAIN": "--explain prints the calls to Stripe",
    "MULTI": "PIVOT stands in a FROM here: select * from (from invoices pivot (…))",
}
_CHANGES = (exp.Insert, exp.Update, exp.Delete, exp.Merge)
_HIDES_TABLES = {"query", "query_table"}


@dataclass(frozen=True)
class Statement:
    """A SELECT: what was `written`, the `text` that DuckDB runs (with dates in the place of our tokens), its tree.

    `tree` is None where DuckDB reads the text and sqlglot does not. `shifts` are the places in `text` from which on it
    is longer than what was written, with how much longer.
    """

    written: str
    text: str
    tree: exp.Expr | None
    shifts: tuple[tuple[int, int], ...] = ()

    def place_of(self, offset: int) -> str:
        """Return where in what was written a place of the text stands: "line 1, column 8"."""
        for start, longer in reversed(self.shifts):
            if offset >= start:
                offset = max(start, offset - longer)
                break
        before = self.written[:offset]
        return f"line {before.count(chr(10)) + 1}, column {offset - (before.rfind(chr(10)) + 1) + 1}"


def read(connection: duckdb.DuckDBPyConnection, sql: str) -> Statement:
    """Check that a text is one SELECT, and read it."""
    text = sql.strip().rstrip(";").rstrip()
    statement = Statement(text, text, None)
    with explained(statement):
        statements = connection.extract_statements(text)
    kinds = [str(one.type).rpartition(".")[2] for one in statements]
    if not kinds:
        raise UsageError("There is no statement: write one SELECT.")
    if len(kinds) > 1 and "MULTI" not in kinds:
        raise UsageError(f"A query is one SELECT; these are {len(kinds)} statements.")
    if kinds != ["SELECT"]:
        instead = _INSTEAD.get(kinds[0], "the rows of a SELECT can be written with --to")
        raise UsageError(f"A query is one SELECT, not {kinds[0].replace('MULTI', 'PIVOT')}: {instead}.")
    tree = parsed(text)
    if tree is not None:
        _check(tree)
    return Statement(text, text, tree)


def parsed(text: str) -> exp.Expr | None:
    """Return the tree of a text; None where sqlglot cannot read it."""
    try:
        return sqlglot.parse_one(text, dialect="duckdb")
    except (SqlglotError, RecursionError):
        return None


def _check(tree: exp.Expr) -> None:
    change = tree.find(*_CHANGES)
    if change is not None:
        raise UsageError(f"A query is one SELECT; it changes nothing, so {change.key.upper()} has no place in it.")
    for function in tree.find_all(exp.Anonymous):
        if function.name.lower() in _HIDES_TABLES:
            raise UsageError(f"{function.name}() is not taken: it hides which tables are read. Write its SQL out.")
