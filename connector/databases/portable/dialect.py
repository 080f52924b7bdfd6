"""The merge in SQL that most databases understand: no join in an UPDATE, no alias for what is written, no IS DISTINCT.

UPDATE target SET a = (SELECT s.a FROM stage AS s WHERE target.k = s.k), …
WHERE EXISTS (SELECT 1 FROM stage AS s WHERE target.k = s.k AND <not older> AND <differs>)
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence

from sqlalchemy import Dialect as Engine

from connector.databases.merge import Dialect, Table
from connector.errors import TargetError

_LONGEST_NAME_BYTES = 128  # where a database takes names without end, other databases would not take them from it
_QUOTED = r"""\"(?:[^\"]|\"\")*\"|`(?:[^`]|``)*`|'(?:[^']|'')*'"""
_QUOTED_OR_ALIAS = re.compile(rf"{_QUOTED}|\bt\.")
QUOTED_OR_MARK = re.compile(rf"{_QUOTED}|\?|%")
_MARKS = {
    "qmark": "?",
    "format": "%s",
    "pyformat": "%s",
    "numeric": ":{}",
    "named": ":{}",
    "numeric_dollar": "${}",
}


class PortableDialect(Dialect):
    """What nearly all databases understand, with names in the quotes of this one."""

    def __init__(self, engine: Engine) -> None:
        preparer = engine.identifier_preparer
        self._opening, self._closing = preparer.initial_quote, preparer.final_quote
        self.name_limit_bytes = min(engine.max_identifier_length, _LONGEST_NAME_BYTES)
        self._replaces_views = engine.name != "sqlite"

    def quote(self, name: str) -> str:
        """Return an identifier in this database's quotes, whatever stands in it."""
        return self._opening + name.replace(self._closing, self._closing * 2) + self._closing

    def full(self, table: Table) -> str:
        """Return the whole name of a table, quoted; without a schema where there are none."""
        return super().full(table) if table.schema else self.quote(table.name)

    def replace_view(self, view: Table, select: str) -> Sequence[str]:
        """Return the statements that make a view, in the place of an older one of that name."""
        if self._replaces_views:
            return super().replace_view(view, select)
        return (f"DROP VIEW IF EXISTS {self.full(view)}", f"CREATE VIEW {self.full(view)} AS {select}")

    def differs(self, columns: Mapping[str, str]) -> str:
        """Return the condition that one of these columns has changed; a null is a value."""
        return spelled_out_difference(self, columns)

    def update(self, target: str, stage: str, names: Sequence[str], matched: str, condition: str) -> str:
        """Return the statement that gives these columns the stage's values where rows match and meet a condition."""
        same = without_alias(matched, target)
        values = ", ".join(
            f"{self.quote(name)} = (SELECT s.{self.quote(name)} FROM {stage} AS s WHERE {same})" for name in names
        )
        there = f"SELECT 1 FROM {stage} AS s WHERE {same} AND {without_alias(condition, target)}"
        return f"UPDATE {target} SET {values} WHERE EXISTS ({there})"

    def delete(self, target: str, condition: str) -> str:
        """Return the statement that deletes the target's rows that meet a condition."""
        return f"DELETE FROM {target} WHERE {without_alias(condition, target)}"

    def create_schema(self, name: str) -> str:
        """Return the statement that creates a schema; whether there is one has been asked before."""
        return f"CREATE SCHEMA {self.quote(name)}"

    def create_table(self, table: Table, columns: Mapping[str, str], keys: Sequence[str]) -> Sequence[str]:
        """Return the statement that creates a table with a primary key."""
        described = [f"{self.quote(name)} {kind}" for name, kind in columns.items()]
        if keys:
            described.append(f"PRIMARY KEY ({', '.join(map(self.quote, keys))})")
        return (f"CREATE TABLE {self.full(table)} ({', '.join(described)})",)

    def create_typed_stage(
        self, name: str, columns: Mapping[str, str], place: str, what: str = "TEMPORARY TABLE"
    ) -> str:
        """Return the statement that makes an empty stage with columns of these types, and a place for each row."""
        described = ", ".join(f"{self.quote(column)} {kind}" for column, kind in columns.items())
        return f"CREATE {what} {name} ({described}, {self.quote(place)} {self.place_type})"


def spelled_out_difference(dialect: Dialect, columns: Mapping[str, str]) -> str:
    """Return the condition that one of these columns has changed, for databases without IS DISTINCT FROM."""
    pairs = [
        f"{old} <> {new} OR ({old} IS NULL AND {new} IS NOT NULL) OR ({old} IS NOT NULL AND {new} IS NULL)"
        for name, kind in columns.items()
        for old, new in zip(
            dialect.compared(f"t.{dialect.quote(name)}", kind),
            dialect.compared(f"s.{dialect.quote(name)}", kind),
            strict=True,
        )
    ]
    return f"({' OR '.join(pairs)})" if pairs else "1 = 0"


def without_alias(condition: str, target: str) -> str:
    """Return a condition that calls the target by its whole name instead of t."""
    return _QUOTED_OR_ALIAS.sub(lambda found: f"{target}." if found[0] == "t." else found[0], condition)


def placed(sql: str, paramstyle: str) -> str:
    """Return SQL in which values stand as ? as a driver has it; what stands in quotes is left as it is."""
    if paramstyle == "qmark":
        return sql
    if paramstyle not in _MARKS:
        raise TargetError(f'This database\'s driver takes values as "{paramstyle}", which the connector does not know.')
    mark, numbers, doubled = _MARKS[paramstyle], itertools.count(1), "format" in paramstyle

    def replaced(found: re.Match[str]) -> str:
        if found[0] == "?":
            return mark.format(next(numbers))
        return found[0].replace("%", "%%") if doubled else found[0]

    return QUOTED_OR_MARK.sub(replaced, sql)
