"""The SQL of a merge as text: what all databases say alike, and a Dialect for what they say in their own way.

Nothing here needs a connection, so that every statement can be read, compared and tried on its own.
In all of them t is the target and s the stage.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from connector.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa  # which takes long to import, and names alone need none of it

# "a ""quoted"" part", [a bracketed one], or plain text up to the next dot; each ends at a dot or at the end.
_PART = re.compile(r"""(?:^|(?<=\.))("(?:[^"]|"")*"(?=\.|$)|\[(?:[^\]]|\]\])*\](?=\.|$)|[^.]*)(?:\.|$)""", re.DOTALL)
_PLACE = "_place"
_RANK = "_rank"


@dataclass(frozen=True)
class Table:
    """A table by its schema and name."""

    schema: str
    name: str

    def __str__(self) -> str:
        """Return the name as a person writes it, and as `parse` reads it; a schema of "" is left out."""
        return ".".join(_written(part) for part in (self.schema, self.name) if part)

    @classmethod
    def parse(cls, text: str, default_schema: str) -> Table:
        """Return the table of NAME or SCHEMA.NAME; a part that has a dot stands in quotes or brackets."""
        *schemas, name = [_unquoted(part) for part in _PART.findall(text)]
        if not name or len(schemas) > 1 or "" in schemas:
            raise UsageError(f'"{text}" is not a table: write NAME or SCHEMA.NAME, a part with a dot in quotes.')
        return cls(schemas[0] if schemas else default_schema, name)


@dataclass(frozen=True)
class Keys:
    """How a merge knows rows: by these columns; which is newer by `clock`, if any.

    The `quiet` columns change with every reading: a row in which nothing else differs counts as unchanged.
    """

    columns: tuple[str, ...]
    clock: str | None = None
    quiet: tuple[str, ...] = ()


def looked_up(keys: Sequence[str]) -> Sequence[str]:
    """Return the columns of a key that people look rows up by: in a synced table, all but the account's."""
    return keys[1:] if len(keys) > 1 and keys[0] == "_account_id" else ()


class Dialect:
    """How a database says what a merge needs; this one is what DuckDB and Postgres have in common."""

    name_limit_bytes = 63
    place_type = "BIGINT"
    keeps_null_bytes = True  # in texts
    now = "CURRENT_TIMESTAMP"

    def quote(self, name: str) -> str:
        """Return an identifier in quotes, whatever stands in it."""
        return quoted(name)

    def full(self, table: Table) -> str:
        """Return the whole name of a table, quoted."""
        return f"{self.quote(table.schema)}.{self.quote(table.name)}"

    def same(self, column: str, kind: str) -> str:  # noqa: ARG002 - for databases where equality depends on the type
        """Return the condition that a key column of the target equals the stage's."""
        return f"t.{self.quote(column)} = s.{self.quote(column)}"

    def grouped(self, column: str, kind: str) -> Sequence[str]:  # noqa: ARG002 - as above
        """Return what rows are grouped by to find those that have the same value in a key column."""
        return (self.quote(column),)

    def compared(self, expression: str, kind: str) -> Sequence[str]:  # noqa: ARG002 - as above
        """Return what is compared to tell whether a value of this type has changed."""
        return (expression,)

    def sent(self, field: pa.Field) -> str:  # noqa: ARG002 - for databases that do not take JSON as text
        """Return how a value of a field stands in a statement."""
        return "?"

    def differs(self, columns: Mapping[str, str]) -> str:
        """Return the condition that one of these columns, given with their types, has changed; a null is a value."""
        pairs = [
            f"{old} IS DISTINCT FROM {new}"
            for name, kind in columns.items()
            for old, new in zip(
                self.compared(f"t.{self.quote(name)}", kind), self.compared(f"s.{self.quote(name)}", kind), strict=True
            )
        ]
        return f"({' OR '.join(pairs)})" if pairs else "1 = 0"

    def update(self, target: str, stage: str, names: Sequence[str], matched: str, condition: str) -> str:
        """Return the statement that gives these columns the stage's values where rows match and meet a condition."""
        values = ", ".join(f"{self.quote(name)} = s.{self.quote(name)}" for name in names)
        return f"UPDATE {target} AS t SET {values} FROM {stage} AS s WHERE {matched} AND {condition}"

    def delete(self, target: str, condition: str) -> str:
        """Return the statement that deletes the target's rows that meet a condition."""
        return f"DELETE FROM {target} AS t WHERE {condition}"

    def locked(self, target: str) -> str:
        """Return the target, called t, as an INSERT looks into it for what is there."""
        return f"{target} AS t"

    def create_schema(self, name: str) -> str:
        """Return the statement that creates a schema where there is none."""
        return f"CREATE SCHEMA IF NOT EXISTS {self.quote(name)}"

    def create_table(self, table: Table, columns: Mapping[str, str], keys: Sequence[str]) -> Sequence[str]:  # noqa: ARG002 - DuckDB merges quicker without an index
        """Return the statements that create a table with these columns, and what finds rows by key."""
        described = ", ".join(f"{self.quote(name)} {kind}" for name, kind in columns.items())
        return (f"CREATE TABLE {self.full(table)} ({described})",)

    def add_column(self, table: Table, name: str, kind: str) -> str:
        """Return the statement that adds a column."""
        return f"ALTER TABLE {self.full(table)} ADD COLUMN {self.quote(name)} {kind}"

    def widen(self, table: Table, name: str, kind: str) -> str:
        """Return the statement that gives a column another type."""
        return f"ALTER TABLE {self.full(table)} ALTER COLUMN {self.quote(name)} TYPE {kind}"

    def swap(self, fresh: Table, table: Table) -> Sequence[str]:
        """Return the statements that put a fresh table in the place of another."""
        return (
            f"DROP TABLE {self.full(table)}",
            f"ALTER TABLE {self.full(fresh)} RENAME TO {self.quote(table.name)}",
        )

    def replace_view(self, view: Table, select: str) -> Sequence[str]:
        """Return the statements that make a view, in the place of an older one of that name."""
        return (f"CREATE OR REPLACE VIEW {self.full(view)} AS {select}",)

    def create_stage(self, name: str, target: str, columns: Sequence[str], place: str) -> str:
        """Return the statement that makes an empty stage with the target's own types, and a place for each row."""
        taken = ", ".join(f"t.{self.quote(column)}" for column in columns)
        return (
            f"CREATE TEMPORARY TABLE {name} AS SELECT {taken}, "
            f"CAST(NULL AS {self.place_type}) AS {self.quote(place)} FROM {target} AS t WHERE 1 = 0"
        )


@dataclass(frozen=True)
class Merge:
    """The statements that bring a stage into a target, both given by whole, quoted names; columns with types."""

    dialect: Dialect
    target: str
    stage: str
    columns: Mapping[str, str]
    keys: Keys

    @property
    def place(self) -> str:
        """The stage's column that numbers its rows from 0."""
        return place_column(self.columns)

    @property
    def same_key(self) -> str:
        """The condition that a row of the target has the key of one of the stage."""
        return " AND ".join(self.dialect.same(name, self.columns[name]) for name in self.keys.columns)

    def without_key(self) -> str:
        """Return the condition that a row of the stage lacks a part of its key."""
        return " OR ".join(f"{self.dialect.quote(name)} IS NULL" for name in self.keys.columns)

    def is_doubled(self) -> str:
        """Return the query that says 1 when a key stands more than once in the stage, else 0."""
        doubled = f"SELECT 1 AS one FROM {self.stage} GROUP BY {self._grouped_key} HAVING count(*) > 1"
        return f"SELECT CASE WHEN EXISTS ({doubled}) THEN 1 ELSE 0 END"

    def older(self) -> str:
        """Return the query for the places of rows of which the stage has a newer one, else a later one."""
        quote, place = self.dialect.quote, self.dialect.quote(self.place)
        newest = f"{place} DESC"
        if self.keys.clock:  # a row without a time is the oldest; databases disagree on where nulls stand
            clock = quote(self.keys.clock)
            newest = f"CASE WHEN {clock} IS NULL THEN 1 ELSE 0 END, {clock} DESC, {newest}"
        rank = f"row_number() OVER (PARTITION BY {self._grouped_key} ORDER BY {newest})"
        return f"SELECT {place} FROM (SELECT {place}, {rank} AS {_RANK} FROM {self.stage}) AS ranked WHERE {_RANK} > 1"

    def keep_newest(self) -> str:
        """Return the statement that leaves one row of each key in the stage."""
        return f"DELETE FROM {self.stage} WHERE {self.dialect.quote(self.place)} IN ({self.older()})"

    def update(self) -> str | None:
        """Return the statement that writes the rows that differ and are not older; None when there is only a key."""
        names = [name for name in self.columns if name not in self.keys.columns]
        told = {name: kind for name, kind in self.columns.items() if name in names and name not in self.keys.quiet}
        return self._update(names, told)

    def touch(self) -> str | None:
        """Return the statement that writes the quiet columns of rows that are not older; None when there are none."""
        return self._update(self.keys.quiet, {name: self.columns[name] for name in self.keys.quiet})

    def _update(self, names: Sequence[str], told: Mapping[str, str]) -> str | None:
        if not names:
            return None
        condition = f"{self._not_older} AND {self.dialect.differs(told)}"
        return self.dialect.update(self.target, self.stage, names, self._same_row, condition)

    def insert(self) -> str:
        """Return the statement that adds the rows whose key is not there."""
        return f"{self.append()} WHERE {self._is_new}"

    def append(self) -> str:
        """Return the statement that adds all rows."""
        quote = self.dialect.quote
        names = ", ".join(map(quote, self.columns))
        values = ", ".join(f"s.{quote(name)}" for name in self.columns)
        return f"INSERT INTO {self.target} ({names}) SELECT {values} FROM {self.stage} AS s"

    def delete(self) -> str:
        """Return the statement that deletes the target's rows whose key stands in the stage."""
        return self.dialect.delete(self.target, f"EXISTS ({self._staged})")

    def delete_others(self, scope: Sequence[str] = ()) -> str:
        """Return the statement that deletes the target's rows that the stage lacks; ? stands for each scope's value."""
        among = "".join(f" AND t.{self.dialect.quote(name)} = ?" for name in scope)
        return self.dialect.delete(self.target, f"NOT EXISTS ({self._staged}){among}")

    def arrived(self) -> str:
        """Return the query for what became of a merged stage, in three counts.

        They are the pairs of its rows with the target's, its rows whose key is there, and those of its rows that should
        have been written and were not, as the quiet columns tell.
        """
        place, quiet = f"s.{self.dialect.quote(self.place)}", {name: self.columns[name] for name in self.keys.quiet}
        lost = f"CASE WHEN {self._not_older} AND {self.dialect.differs(quiet)} THEN 1 ELSE 0 END"
        pairs = (
            f"SELECT {place} AS _at, {lost} AS _lost FROM {self.stage} AS s "
            f"INNER JOIN {self.target} AS t ON {self.same_key}"
        )  # a query of its own: SQL Server sums up nothing that has a subquery in it
        return f"SELECT count(*), count(DISTINCT _at), sum(_lost) FROM ({pairs}) AS pairs"

    def matched(self) -> str:
        """Return the query for how many rows of the stage have their key in the target."""
        there = f"SELECT 1 FROM {self.target} AS t WHERE {self.same_key}"
        return f"SELECT count(*) FROM {self.stage} AS s WHERE EXISTS ({there})"

    @property
    def _staged(self) -> str:
        return f"SELECT 1 FROM {self.stage} AS s WHERE {self.same_key}"

    @property
    def _is_new(self) -> str:
        return f"NOT EXISTS (SELECT 1 FROM {self.dialect.locked(self.target)} WHERE {self.same_key})"

    @property
    def _same_row(self) -> str:
        return self.same_key

    @property
    def _grouped_key(self) -> str:
        return ", ".join(part for name in self.keys.columns for part in self.dialect.grouped(name, self.columns[name]))

    @property
    def _not_older(self) -> str:
        if self.keys.clock is None:
            return "1 = 1"
        clock = self.dialect.quote(self.keys.clock)
        return f"(t.{clock} IS NULL OR s.{clock} >= t.{clock})"


def place_column(columns: Mapping[str, object] | Sequence[str]) -> str:
    """Return a name for the stage's own column that none of the rows' columns has."""
    return free_name(_PLACE, columns)


def free_name(name: str, columns: Mapping[str, object] | Sequence[str]) -> str:
    """Return the name, made longer until none of the columns has it, however that writes it."""
    taken = {column.lower() for column in columns}
    while name in taken:
        name += "_"
    return name


def _unquoted(part: str) -> str:
    if len(part) > 1 and part[0] + part[-1] == '""':
        return part[1:-1].replace('""', '"')
    if len(part) > 1 and part[0] + part[-1] == "[]":
        return part[1:-1].replace("]]", "]")
    return part


def _written(part: str) -> str:
    return quoted(part) if "." in part or part[0] in '"[' else part


def quoted(name: str) -> str:
    """Return an identifier in quotes as the SQL standard has them, whatever stands in it."""
    return '"' + name.replace('"', '""') + '"'
