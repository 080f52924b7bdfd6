"""What every database target shares: tables made from columns, and the one merge of rows into them.

    stage ─► the newest of each key ─► UPDATE where not older ─► INSERT where missing

All statements are plain SQL; a family supplies its types, its way to fill the stage, and transactions.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast

import pyarrow as pa

from connector.errors import TargetError

_RANK = "_rank"
_PLACE = "_place"


@dataclass(frozen=True)
class Table:
    """A table by its schema and name."""

    schema: str
    name: str


@dataclass(frozen=True)
class Counts:
    """What became of rows that were merged."""

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    deleted: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.inserted + other.inserted,
            self.updated + other.updated,
            self.unchanged + other.unchanged,
            self.deleted + other.deleted,
        )


@dataclass(frozen=True)
class Keys:
    """How a merge knows rows: by these columns; which is newer by `clock`, if any.

    The `quiet` columns change with every reading: a row in which nothing else differs counts as unchanged.
    """

    columns: tuple[str, ...]
    clock: str | None = None
    quiet: tuple[str, ...] = ()


class Session(ABC):
    """One open transaction on a database."""

    @abstractmethod
    def execute(self, sql: str, parameters: Sequence[object] = ()) -> None:
        """Run one statement; values stand as ? in it."""

    @abstractmethod
    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[object, ...]]:
        """Run one query and return all of its rows."""

    @abstractmethod
    def fill(self, rows: pa.Table, types: Mapping[str, str]) -> str:
        """Put exactly these rows into the stage, a temporary table, and return its whole name, quoted.

        Its columns are of the `types` given by name, else of those that the rows have.
        """

    @abstractmethod
    def column_types(self, table: Table) -> dict[str, str]:
        """Return the type of each column as the database spells it; nothing where there is no such table."""

    @abstractmethod
    def type_of(self, field: pa.Field) -> str:
        """Return the database's type for an Arrow field, spelled as `column_types` spells it."""

    @abstractmethod
    def can_widen(self, old: str, new: str) -> bool:
        """Say whether every value of one type is a value of the other."""

    def full(self, table: Table) -> str:
        """Return the whole name of a table, quoted."""
        return f"{quoted(table.schema)}.{quoted(table.name)}"

    def create_schema(self, name: str) -> None:
        """Create a schema if it is not there."""
        self.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(name)}")

    def prepare(self, table: Table, schema: pa.Schema) -> list[str]:
        """Create the table, or add the columns that it lacks and widen those that are too narrow.

        Returns what was changed on a table that was there, in words.
        """
        existing = self.column_types(table)
        wanted = {field.name: self.type_of(field) for field in schema}
        if not existing:
            columns = ", ".join(f"{quoted(name)} {kind}" for name, kind in wanted.items())
            self.create_schema(table.schema)
            self.execute(f"CREATE TABLE {self.full(table)} ({columns})")
            return []
        changes = []
        for name, kind in wanted.items():
            if name not in existing:
                self.execute(f"ALTER TABLE {self.full(table)} ADD COLUMN {quoted(name)} {kind}")
                changes.append(f"{table.name}: the column {name} is new")
            elif existing[name] != kind:
                changes += self._widen(table, name, existing[name], kind)
        return changes

    def _widen(self, table: Table, name: str, old: str, new: str) -> list[str]:
        if self.can_widen(new, old):
            return []  # it is wider already
        if not self.can_widen(old, new):
            raise TargetError(
                f"{table.schema}.{table.name}: the column {name} is {old} and would have to be {new}, which does not "
                "hold all its values. Rename the column or the table, and run again."
            )
        self.execute(f"ALTER TABLE {self.full(table)} ALTER COLUMN {quoted(name)} TYPE {new}")
        return [f"{table.name}: the column {name} was widened from {old} to {new}"]

    def upsert(self, table: Table, rows: pa.Table, keys: Keys) -> Counts:
        """Merge rows by key: what is not older than the row that is there replaces it, what is missing is added.

        The last of several rows with the newest clock wins. Only values that differ are written.
        """
        if rows.num_rows == 0:
            return Counts()
        if without := [name for name in keys.columns if rows.column(name).null_count]:
            raise TargetError(
                f"{table.name}: a row came without {' and '.join(without)}, by which rows are told apart."
            )
        stage = self._stage(table, rows, keys)
        merge = _Merge(self.full(table), stage, rows.schema.names, keys)
        inserted, updated, unchanged = (int(str(count or 0)) for count in self.rows(merge.count())[0])
        if updated:
            self.execute(merge.update())
        if keys.quiet:
            self.execute(merge.touch())
        if inserted:
            self.execute(merge.insert())
        return Counts(inserted, updated, unchanged)

    def _stage(self, table: Table, rows: pa.Table, keys: Keys) -> str:
        """Fill the stage with the newest row of each key, in the types of the table, and return its name."""
        placed = rows.append_column(_PLACE, pa.array(range(rows.num_rows), pa.int64()))
        stage = self.fill(placed, self.column_types(table))
        order = [*([keys.clock] if keys.clock else []), _PLACE]
        newest = ", ".join(f"{quoted(name)} DESC" for name in order)
        rank = f"row_number() OVER (PARTITION BY {', '.join(map(quoted, keys.columns))} ORDER BY {newest})"
        self.execute(
            f"DELETE FROM {stage} WHERE {_PLACE} IN (SELECT {_PLACE} FROM "  # noqa: S608
            f"(SELECT {_PLACE}, {rank} AS {_RANK} FROM {stage}) AS ranked WHERE {_RANK} > 1)"
        )
        return stage

    def latest(self, table: Table, account: str) -> tuple[datetime | None, datetime | None]:
        """Return the latest `_changed_at` and `_synced_at` of an account's rows."""
        columns = f"max({quoted('_changed_at')}), max({quoted('_synced_at')})"
        where = f"{quoted('_account_id')} = ?"
        ((changed, synced),) = self.rows(f"SELECT {columns} FROM {self.full(table)} WHERE {where}", (account,))  # noqa: S608
        return cast("datetime | None", changed), cast("datetime | None", synced)

    def mark_deleted(self, table: Table, unseen: Unseen, at: Deletion) -> int:
        """Mark (or remove) the rows that a pass did not see and that are not deleted yet; return how many."""
        where, parameters = self._unseen(table, unseen)
        condition = f"{quoted('_deleted_at')} IS NULL AND {where}"
        ((count,),) = self.rows(f"SELECT count(*) FROM {self.full(table)} WHERE {condition}", parameters)  # noqa: S608
        if count and at.remove:
            self.execute(f"DELETE FROM {self.full(table)} WHERE {condition}", parameters)  # noqa: S608
        elif count:
            marks = ", ".join(f"{quoted(name)} = ?" for name in ("_deleted_at", "_changed_at", "_synced_at"))
            values = (at.known_at, at.known_at, at.synced_at)
            self.execute(f"UPDATE {self.full(table)} SET {marks} WHERE {condition}", (*values, *parameters))  # noqa: S608
        return int(str(count))

    def _unseen(self, table: Table, unseen: Unseen) -> tuple[str, list[object]]:
        """Return the condition that such rows meet, with its values."""
        where = [f"{quoted('_account_id')} = ?", f"{quoted('_synced_at')} < ?"]
        values: list[object] = [unseen.account, unseen.began_at]
        for column, sign, value in unseen.bounds:
            where.append(f"{quoted(column)} {sign} ?")
            values.append(value)
        for column, among in unseen.among.items():
            where.append(f"{quoted(column)} IN ({', '.join('?' * len(among))})")
            values += among
        if unseen.parent:
            above, column = unseen.parent
            where.append(
                f"NOT EXISTS (SELECT 1 FROM {self.full(above)} AS p WHERE p.{quoted('_account_id')} = ? AND "  # noqa: S608
                f"p.{quoted('id')} = {self.full(table)}.{quoted(column)} AND "
                f"p.{quoted('_synced_at')} < ? AND p.{quoted('_deleted_at')} IS NULL)"
            )
            values += [unseen.account, unseen.began_at]
        return " AND ".join(where), values


@dataclass(frozen=True)
class Unseen:
    """The rows of an account that a pass, whose rows are all synced at `began_at` or later, should have seen.

    `bounds` (column, comparison, value) and `among` (column, values) narrow what it should have seen. `parent` is the
    table above and the column with its id: what belongs to a row that stays unseen there stays, too.
    """

    account: str
    began_at: datetime
    bounds: Sequence[tuple[str, str, object]] = ()
    among: Mapping[str, Sequence[str]] = field(default_factory=dict)
    parent: tuple[Table, str] | None = None


@dataclass(frozen=True)
class Deletion:
    """When rows were known to be gone (Stripe's clock), when that is written, and whether they are removed."""

    known_at: object
    synced_at: object
    remove: bool = False


class Database(ABC):
    """A database that rows are merged into, a transaction at a time."""

    label: str

    @abstractmethod
    def exists(self) -> bool:
        """Say whether there is such a database already."""

    @abstractmethod
    def transaction(self) -> AbstractContextManager[Session]:
        """Open a transaction; it is committed when the block ends well, taken back otherwise."""


@dataclass(frozen=True)
class _Merge:
    """The statements that merge a stage into a target."""

    target: str
    stage: str
    columns: Sequence[str]
    keys: Keys

    @property
    def _same_key(self) -> str:
        return " AND ".join(f"t.{quoted(name)} = s.{quoted(name)}" for name in self.keys.columns)

    @property
    def _not_older(self) -> str:
        if self.keys.clock is None:
            return "TRUE"
        clock = quoted(self.keys.clock)
        return f"(t.{clock} IS NULL OR s.{clock} >= t.{clock})"

    @property
    def _differs(self) -> str:
        compared = [name for name in self.columns if name not in {*self.keys.columns, *self.keys.quiet}]
        return " OR ".join(f"t.{quoted(n)} IS DISTINCT FROM s.{quoted(n)}" for n in compared) or "FALSE"

    def count(self) -> str:
        """Return the query for how many rows will be inserted, updated and left as they are."""
        missing = f"t.{quoted(self.keys.columns[0])} IS NULL"
        changed = f"NOT ({missing}) AND {self._not_older} AND ({self._differs})"
        return (
            f"SELECT sum(CASE WHEN {missing} THEN 1 ELSE 0 END), sum(CASE WHEN {changed} THEN 1 ELSE 0 END), "  # noqa: S608
            f"sum(CASE WHEN {missing} OR ({changed}) THEN 0 ELSE 1 END) "
            f"FROM {self.stage} AS s LEFT JOIN {self.target} AS t ON {self._same_key}"
        )

    def update(self) -> str:
        """Return the statement that writes the rows that differ and are not older."""
        names = [name for name in self.columns if name not in self.keys.columns]
        return self._update(names, f"{self._not_older} AND ({self._differs})")

    def touch(self) -> str:
        """Return the statement that writes the quiet columns of all rows that are not older."""
        return self._update(self.keys.quiet, self._not_older)

    def _update(self, names: Sequence[str], condition: str) -> str:
        values = ", ".join(f"{quoted(name)} = s.{quoted(name)}" for name in names)
        matched = f"{self._same_key} AND {condition}"
        return f"UPDATE {self.target} AS t SET {values} FROM {self.stage} AS s WHERE {matched}"  # noqa: S608

    def insert(self) -> str:
        """Return the statement that adds the rows whose key is not there."""
        names = ", ".join(map(quoted, self.columns))
        values = ", ".join(f"s.{quoted(name)}" for name in self.columns)
        return (
            f"INSERT INTO {self.target} ({names}) SELECT {values} FROM {self.stage} AS s "  # noqa: S608
            f"WHERE NOT EXISTS (SELECT 1 FROM {self.target} AS t WHERE {self._same_key})"
        )


def quoted(name: str) -> str:
    """Return an identifier in quotes, whatever stands in it."""
    return '"' + name.replace('"', '""') + '"'
