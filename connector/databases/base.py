"""What every database target shares: tables made from columns, and the one merge of rows into them.

    stage ─► the newest of each key ─► UPDATE where not older and different ─► INSERT where missing ─► DELETE

The statements are in statements.py; a family (duckdb.py, postgres.py, sqlserver.py …) supplies its dialect and types,
its way to fill the stage, transactions and locks.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from functools import cached_property
from types import TracebackType
from typing import Self, TypeVar

import pyarrow as pa

from connector.databases.merge import Dialect, Keys, Merge, Table, place_column
from connector.databases.turns import Turns
from connector.errors import TargetError
from connector.words import count_of

MODES = ("upsert", "insert", "update", "delete", "append", "replace", "mirror", "create")
_SHOWN_PLACES = 10
Result = TypeVar("Result")


@dataclass(frozen=True)
class Counts:
    """What became of rows that were merged.

    `skipped` are those that a mode leaves alone, as insert does known keys; `duplicates` are those whose key a later
    row had, too, which stands in their place.
    """

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    deleted: int = 0
    skipped: int = 0
    rejected: int = 0
    duplicates: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(Counts)))


@dataclass(frozen=True)
class Staged:
    """Rows in the stage of a table: its whole name, quoted, the columns that it has, how many rows.

    `is_distinct` says that each key is known to stand in it once.
    """

    name: str
    columns: tuple[str, ...]
    rows: int
    is_distinct: bool = False


@dataclass(frozen=True)
class MergeOptions:
    """What a merge does with staged rows: the mode, and for mirror, which of the target's rows it is about.

    `doubles` says what a key that stands twice means: "last" keeps the last row, "error" is a TargetError.
    """

    mode: str = "upsert"
    doubles: str = "last"
    scope: Mapping[str, object] = field(default_factory=dict)


class Session(ABC):
    """One open transaction on a database."""

    dialect: Dialect = Dialect()
    is_alone = False  # whether nobody else can write, not even who heeds no lock

    @abstractmethod
    def execute(self, sql: str, parameters: Sequence[object] = ()) -> int:
        """Run one statement, in which values stand as ?, and return how many rows it has written."""

    @abstractmethod
    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[object, ...]]:
        """Run one query and return all of its rows; times are in UTC and say so."""

    @abstractmethod
    def append(self, into: str, rows: pa.Table) -> None:
        """Add rows to a table or stage, given by its whole name, by the names of their columns."""

    @abstractmethod
    def column_types(self, table: Table) -> dict[str, str]:
        """Return the type of each column as the database spells it; nothing where there is no such table.

        A TargetError where the name is a view's: rows cannot be merged into one.
        """

    @abstractmethod
    def type_of(self, field: pa.Field, *, is_key: bool = False) -> str:
        """Return the type for an Arrow field, spelled as `column_types` spells it; that of a key can be indexed."""

    @abstractmethod
    def field_of(self, name: str, kind: str) -> pa.Field | None:
        """Return the Arrow field whose values a column of this type takes; None: it takes the text of anything."""

    @abstractmethod
    def can_widen(self, old: str, new: str) -> bool:
        """Say whether every value of one type is a value of the other."""

    @abstractmethod
    def lock(self, table: Table, wait_seconds: float = 60.0) -> None:
        """Keep other writers of this kind from a table until the transaction ends; a TargetError when one stays."""

    def now(self) -> datetime:
        """Return the time by the database's clock, in UTC."""
        ((value,),) = self.rows(f"SELECT {self.dialect.now}")
        found = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)

    def full(self, table: Table) -> str:
        """Return the whole name of a table, quoted."""
        return self.dialect.full(table)

    def prepare(self, table: Table, schema: pa.Schema, keys: Sequence[str] = ()) -> list[str]:
        """Create the table, or add the columns that it lacks and widen those that are too narrow.

        Returns what was changed on a table that was there, in words.
        """
        existing = self.column_types(table)
        wanted = {field.name: self.type_of(field, is_key=field.name in keys) for field in schema}
        if not existing:
            self.lock(table)
            existing = self.column_types(table)  # another may have made it meanwhile
        self._check_names([name for name in wanted if name not in existing])
        if not existing:
            self._check_names([table.schema, table.name])
            self.create(table, wanted, keys)
            return []
        changes = []
        for name, kind in wanted.items():
            if name not in existing:
                self.execute(self.dialect.add_column(table, name, kind))
                changes.append(f"{table.name}: the column {name} is new")
            elif not self._takes(existing[name], kind):
                changes.append(self._widen(table, name, existing[name], kind))
        return changes

    def _check_names(self, names: Iterable[str]) -> None:
        limit = self.dialect.name_limit_bytes
        if long := next((name for name in names if len(name.encode()) > limit), None):
            raise TargetError(f'The name "{long}" is longer than the {limit} bytes that it may have here: shorten it.')

    def create(self, table: Table, columns: Mapping[str, str], keys: Sequence[str] = ()) -> None:
        """Create a table, in a schema that need not be there, with columns of these types."""
        self.create_schema(table.schema)
        for statement in self.dialect.create_table(table, columns, keys):
            self.execute(statement)

    def create_schema(self, name: str) -> None:
        """Create a schema where there is none."""
        self.execute(self.dialect.create_schema(name))

    def _takes(self, existing: str, kind: str) -> bool:
        """Say whether a column takes values of a type as it is: it has it, is wider, or reads the text of anything."""
        return existing == kind or self.can_widen(kind, existing) or self.field_of("", existing) is None

    def _widen(self, table: Table, name: str, old: str, new: str) -> str:
        if not self.can_widen(old, new):
            raise TargetError(
                f"{table}: the column {name} is {old} and would have to be {new}, which does not "
                "hold all its values. Rename the column or the table, and run again."
            )
        self.widen(table, name, new)
        return f"{table.name}: the column {name} was widened from {old} to {new}"

    def widen(self, table: Table, name: str, kind: str) -> None:
        """Give a column another type, which holds all of its values."""
        self.execute(self.dialect.widen(table, name, kind))

    # Rows

    def stage(self, table: Table, batches: Iterable[pa.Table], columns: Sequence[str]) -> Staged:
        """Fill the stage, a table of this transaction with the target's types, with rows numbered from 0."""
        place, count = place_column(columns), 0
        name = self.create_stage(table, columns, place)
        for rows in batches:
            places = pa.array(range(count, count + rows.num_rows), pa.int64())
            try:
                self.append(name, rows.select(columns).append_column(place, places))
            except RefusedValue as refused:
                raise RefusedValue(refused.column, count + refused.place, refused.reason) from refused
            count += rows.num_rows
        return Staged(name, tuple(columns), count)

    def stage_whole(self, table: Table, rows: pa.Table, keys: Keys) -> Staged:  # noqa: ARG002 - for databases that need no copy unless a key stands twice
        """Fill the stage with all rows of a merge."""
        return self.stage(table, [rows], rows.schema.names)

    def create_stage(self, table: Table, columns: Sequence[str], place: str) -> str:
        """Create an empty stage and return its whole name, quoted; no name of the user's can be in its way."""
        name = self.dialect.quote("_stage")
        self.execute(f"DROP TABLE IF EXISTS {name}")
        self.execute(self.dialect.create_stage(name, self.full(table), columns, place))
        return name

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
        self.lock(table)
        staged = self.stage_whole(table, rows, keys)
        counts = self.merge(table, staged, keys)
        self._check_arrived(table, self._merge(table, staged, keys), staged.rows - counts.duplicates)
        return counts

    def put(self, table: Table, schema: pa.Schema, row: Mapping[str, object], keys: Sequence[str]) -> None:
        """Write one row of the program's own: in the place of the one that has its key, else beside the others.

        For a few rows this takes a tenth of what a merge does.
        """
        quote, target = self.dialect.quote, self.full(table)
        sent = {name: self.dialect.sent(schema.field(name)) for name in row}
        changed = [name for name in row if name not in keys]
        values = ", ".join(f"{quote(name)} = {sent[name]}" for name in changed)
        key = " AND ".join(f"{quote(name)} = ?" for name in keys)
        in_order = [row[name] for name in (*changed, *keys)]
        if not self.execute(f"UPDATE {target} SET {values} WHERE {key}", in_order):
            names = ", ".join(map(quote, row))
            self.execute(f"INSERT INTO {target} ({names}) VALUES ({', '.join(sent.values())})", [*row.values()])

    def _check_arrived(self, table: Table, merge: Merge, rows: int) -> None:
        """Raise a TargetError where the table does not hold what was merged, whatever its counts say."""
        pairs, there, lost = (int(str(count or 0)) for count in self.rows(merge.arrived())[0])
        if missing := rows - there + lost:
            raise TargetError(
                f"{table}: {missing:,} of {rows:,} rows were not taken, as by a trigger or a rule of the table that "
                "drops them. Nothing was changed: remove it, and run again."
            )
        if pairs > there:
            raise TargetError(
                f"{table}: {pairs - there:,} rows too many have the key of another ({', '.join(merge.keys.columns)}), "
                "as after a restore. Nothing was changed: delete the copies, and run again."
            )

    def reject_without_key(self, table: Table, staged: Staged, keys: Keys) -> tuple[int, list[int]]:
        """Take rows whose key is not whole out of the stage; return how many they are, and the places of the first."""
        merge = self._merge(table, staged, keys)
        place, where = self.dialect.quote(merge.place), merge.without_key()
        ((count,),) = self.rows(f"SELECT count(*) FROM {staged.name} WHERE {where}")
        if not count:
            return 0, []
        found = self.rows(f"SELECT {place} FROM {staged.name} WHERE {where} ORDER BY {place}")
        self.execute(f"DELETE FROM {staged.name} WHERE {where}")
        return int(str(count)), [int(str(number)) for (number,) in found[:_SHOWN_PLACES]]

    def merge(self, table: Table, staged: Staged, keys: Keys, how: MergeOptions | None = None) -> Counts:
        """Bring the staged rows into the table; the caller holds its lock."""
        how, merge = how or MergeOptions(), self._merge(table, staged, keys)
        doubled = self._keep_newest(merge, how) if keys.columns and not staged.is_distinct else 0
        counts = self._merged(table, merge, staged.rows - doubled, how)
        return replace(counts, duplicates=doubled)

    def _merged(self, table: Table, merge: Merge, rows: int, how: MergeOptions) -> Counts:
        """Bring the rows of the stage, which has each key once, into the table."""
        target = self.full(table)
        if how.mode == "replace":
            deleted = self.execute(f"DELETE FROM {target}")
            return Counts(inserted=self.execute(merge.append()), deleted=deleted)
        if how.mode in ("append", "create"):
            return Counts(inserted=self.execute(merge.append()))
        is_empty = not self._has_rows(target)
        if how.mode == "delete":
            deleted = 0 if is_empty else self.execute(merge.delete())
            return Counts(deleted=deleted, skipped=max(rows - deleted, 0))
        located = merge if is_empty else self.located(table, merge)
        there = self._matched(located) if how.mode in ("upsert", "mirror") and not is_empty else None
        is_new = is_empty or there == 0
        updated = 0 if is_new or how.mode == "insert" else self._update(located, rows)
        if how.mode == "update":
            matched = self._matched(located)
            return Counts(updated=updated, unchanged=max(matched - updated, 0), skipped=rows - matched)
        is_plain, is_all_there = is_empty or (is_new and self.is_alone), self.is_alone and there == rows
        inserted = 0 if is_all_there else self.execute(merge.append() if is_plain else located.insert())
        unchanged = max(rows - inserted - updated, 0)
        if how.mode == "insert":
            return Counts(inserted=inserted, skipped=unchanged)
        gone = self._delete_others(merge, how) if how.mode == "mirror" and not is_empty else 0
        return Counts(inserted=inserted, updated=updated, unchanged=unchanged, deleted=gone)

    def located(self, table: Table, merge: Merge) -> Merge:  # noqa: ARG002 - for databases that know a row by its number
        """Return a merge that looks for the stage's keys in the table once for all statements, where that helps."""
        return merge

    def _merge(self, table: Table, staged: Staged, keys: Keys) -> Merge:
        types = self.column_types(table)
        return Merge(self.dialect, self.full(table), staged.name, {name: types[name] for name in staged.columns}, keys)

    def _keep_newest(self, merge: Merge, how: MergeOptions) -> int:
        """Leave one row of each key in the stage and return how many went; keys are equal as the target has it."""
        if not self.rows(merge.is_doubled())[0][0]:
            return 0
        if how.doubles == "error":
            places = [int(str(place)) for (place,) in self.rows(merge.older())]
            raise DoubledKeys(sorted(places)[:_SHOWN_PLACES], len(places))
        return self.execute(merge.keep_newest())

    def _matched(self, merge: Merge) -> int:
        """Return how many rows of the stage have their key in the target."""
        return int(str(self.rows(merge.matched())[0][0]))

    def _has_rows(self, target: str) -> bool:
        return bool(self.rows(f"SELECT CASE WHEN EXISTS (SELECT 1 FROM {target}) THEN 1 ELSE 0 END")[0][0])

    def _update(self, merge: Merge, rows: int) -> int:
        update, touch = merge.update(), merge.touch()
        updated = self.execute(update) if update else 0
        if touch and updated < rows:  # else all are written already
            self.execute(touch)
        return updated

    def _delete_others(self, merge: Merge, how: MergeOptions) -> int:
        return self.execute(merge.delete_others(list(how.scope)), list(how.scope.values()))


class DoubledKeys(TargetError):
    """A key stands in the stage more than once: the `places` of the first rows that have a newer one, and how many."""

    def __init__(self, places: Sequence[int], count: int) -> None:
        super().__init__(f"{count_of(count, 'row')} with a key that another row has, too.")
        self.places = places
        self.count = count


class RefusedValue(TargetError):
    """A value that its column does not take: the column, the place of the row in what was staged, and why."""

    def __init__(self, column: str, place: int, reason: str) -> None:
        where = f'column "{column}"' if column else "one of its columns"
        super().__init__(f"Row {place + 1:,}, {where}: {reason}. Nothing was changed.")
        self.column = column
        self.place = place
        self.reason = reason


class Conflict(TargetError):
    """Another writer was in the way and the transaction was taken back: done again as it was, it may succeed."""


class Database(ABC):
    """A database that rows are merged into, a transaction at a time; `label` never holds a password."""

    label: str
    default_schema: str

    @cached_property
    def turns(self) -> Turns:
        """The turns of the threads that share it."""
        return Turns()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:  # noqa: B027 - a file needs none
        """Close the connection that is kept between transactions, if any."""

    def exists(self) -> bool:
        """Say whether there is such a database already; of a server, a TargetError says why one cannot connect."""
        with self.transaction():
            return True

    @abstractmethod
    def transaction(self) -> AbstractContextManager[Session]:
        """Open a transaction; it is committed when the block ends well, taken back otherwise."""

    def repeated(self, work: Callable[[Session], Result]) -> Result:
        """Do work in a transaction of its own and return its result; once more where another writer was in its way."""
        try:
            with self.transaction() as session:
                return work(session)
        except Conflict:
            with self.transaction() as session:
                return work(session)
