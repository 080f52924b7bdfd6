"""SQL Server 2016 and later, and Azure SQL: a database that rows are merged into.

mssql://user:password@host:1433/database?Encrypt=yes — what stands behind the ? is given to the driver as it is.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID

import pyarrow as pa

from connector.databases.base import Conflict, Counts, Database, MergeOptions, RefusedValue, Session, Staged
from connector.databases.merge import Keys, Table
from connector.databases.sqlserver import types
from connector.databases.sqlserver.bulk_copy import Bulk
from connector.databases.sqlserver.connection import (
    Address,
    Connection,
    Lost,
    Misfit,
    NoDatabase,
    Rows,
    connect,
    parse_url,
)
from connector.databases.sqlserver.stage import Sent, sent
from connector.databases.sqlserver.tsql import TSQL, Parameter, insert_values, literal, parameter, portions
from connector.errors import TargetError

_WRITES = re.compile(r"\s*(INSERT|UPDATE|DELETE)\b", re.IGNORECASE)
_LOCKED, _DEADLOCK = -1, -3
_COLUMNS = """
SELECT c.name, COALESCE(b.name, u.name), c.max_length, c.precision, c.scale, c.collation_name, c.is_identity,
c.is_computed FROM sys.columns AS c INNER JOIN sys.types AS u ON u.user_type_id = c.user_type_id
LEFT JOIN sys.types AS b ON b.user_type_id = c.system_type_id WHERE c.object_id = ? ORDER BY c.column_id
""".strip().replace("\n", " ")  # of a type that somebody made from another, that other one


class SQLServer(Database):
    """A database of SQL Server; one connection is kept between transactions."""

    default_schema = "dbo"

    def __init__(self, url: str) -> None:
        self._address, self._is_bulk = parse_url(url)
        self.label = self._address.label
        self._connection: Connection | None = None

    def exists(self) -> bool:
        """Say whether there is such a database that the login may open."""
        try:
            with self.transaction():
                return True
        except NoDatabase:
            return False

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Session]:
        """Open a transaction, on a new connection where the last one was lost meanwhile."""
        connection = self._begun()
        try:
            with contextlib.closing(_Session(connection, self._address, is_bulk=self._is_bulk)) as session:
                yield session
                self._commit(connection)
        except BaseException:
            self._take_back(connection)
            raise

    def _begun(self) -> Connection:
        connection = self._connection or connect(self._address)
        try:
            connection.run("BEGIN TRANSACTION")
        except Lost:
            connection.close()
            connection = connect(self._address)
            connection.run("BEGIN TRANSACTION")
        self._connection = connection
        return connection

    def _commit(self, connection: Connection) -> None:
        try:
            connection.run("COMMIT TRANSACTION")
        except Lost as error:
            raise Lost(
                f"{self.label}: the connection was lost in the very moment of the commit, so that this step may have "
                "been kept or not; run it again."
            ) from error

    def _take_back(self, connection: Connection) -> None:
        try:
            connection.run("IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION")
        except TargetError:  # nothing is left to take back on a connection that is lost
            self.close()


class _Session(Session):
    def __init__(self, connection: Connection, address: Address, *, is_bulk: bool = False) -> None:
        self.dialect = TSQL()
        self._connection = connection
        self._label = address.label
        self._bulk = Bulk(address) if is_bulk else None
        self._kinds: dict[str, str] = {}  # of the stage's columns
        self._place = ""

    def close(self) -> None:
        if self._bulk is not None:
            self._bulk.close()

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> int:
        given = [parameter(value) for value in parameters]
        if not _WRITES.match(sql):
            self._connection.run(sql, given)
            return 0
        ((count,),) = self._connection.run(f"{sql}; SELECT @@ROWCOUNT", given)
        return int(str(count))

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[object, ...]]:
        found = self._connection.run(sql, [parameter(value) for value in parameters])
        return [tuple(map(_plain, row)) for row in found]

    # Tables

    def column_types(self, table: Table) -> dict[str, str]:
        return {column.name: column.spelled() for column in self._columns(table)}

    def _columns(self, table: Table) -> list[types.Column]:
        found = self.rows(
            "SELECT o.object_id, RTRIM(o.type) FROM sys.objects AS o INNER JOIN sys.schemas AS s "
            "ON s.schema_id = o.schema_id WHERE s.name = ? AND o.name = ? AND o.type IN ('U', 'V', 'SN')",
            (table.schema, table.name),
        )
        if not found:
            return []
        ((number, kind), *_) = found
        if kind != "U":
            what = "a view" if kind == "V" else "a synonym"
            raise TargetError(f"{table} in {self._label} is {what}: name the table behind it.")
        return [types.Column(*row) for row in self.rows(_COLUMNS, (number,))]  # type: ignore[arg-type]

    def type_of(self, field: pa.Field, *, is_key: bool = False) -> str:
        return types.type_of(field, is_key=is_key)

    def field_of(self, name: str, kind: str) -> pa.Field | None:
        return types.field_of(name, kind)

    def can_widen(self, old: str, new: str) -> bool:
        return types.can_widen(old, new)

    def prepare(self, table: Table, schema: pa.Schema, keys: Sequence[str] = ()) -> list[str]:
        existing = self.column_types(table)
        # A column that was made as a key stays as short as its index needs it, whatever a load is keyed by.
        keys = [*keys, *(name for name, kind in existing.items() if types.is_made_key(kind))]
        wanted = {field.name: self.type_of(field, is_key=field.name in keys) for field in schema}
        self._check_size(table, wanted | existing)
        return super().prepare(table, schema, keys)

    def create(self, table: Table, columns: Mapping[str, str], keys: Sequence[str] = ()) -> None:
        self._check_size(table, columns)
        super().create(table, columns, keys)

    def _check_size(self, table: Table, columns: Mapping[str, str]) -> None:
        name, size = f"{table}", types.least_row_bytes(columns.values())
        if len(columns) > types.COLUMN_LIMIT:
            raise TargetError(
                f"{name} would have {len(columns):,} columns, and a table of SQL Server has {types.COLUMN_LIMIT:,} at "
                "most: leave some out."
            )
        if size > types.ROW_BYTES:
            raise TargetError(
                f"{name} would have rows of {size:,} bytes, and those of SQL Server have {types.ROW_BYTES:,} at most: "
                "leave some columns out."
            )

    def lock(self, table: Table, wait_seconds: float = 60.0) -> None:
        """Take the lock of this name, which all loads of this kind take; it ends with the transaction."""
        resource = literal(f"connector:{table}".casefold()[:255])
        ((result,),) = self._connection.run(
            f"DECLARE @result INT; EXEC @result = sp_getapplock @Resource = {resource}, @LockMode = 'Exclusive', "
            f"@LockOwner = 'Transaction', @LockTimeout = {max(int(wait_seconds * 1_000), 1)}; SELECT @result"
        )
        name = f"{table} in {self._label}"
        if result == _LOCKED:
            raise TargetError(f"Another load holds {name}, still after {wait_seconds:g} seconds: wait for it.")
        if result == _DEADLOCK:
            raise Conflict(f"Another load that waits for this one holds {name}; run it again.")
        if int(str(result)) < 0:
            raise TargetError(f"{name} cannot be locked: sp_getapplock returned {result}.")

    # Rows

    def create_stage(self, table: Table, columns: Sequence[str], place: str) -> str:
        kinds = self.column_types(table)
        self._remember_stage(table, {name: kinds[name] for name in columns}, place)
        name = self.dialect.quote("#stage")
        self.execute(f"DROP TABLE IF EXISTS {name}")
        self.execute(self.dialect.create_stage(name, self.full(table), columns, place))
        return name

    def _remember_stage(self, table: Table, kinds: Mapping[str, str], place: str) -> None:
        for name, kind in kinds.items():
            if kind == "ROWVERSION":
                raise _unwritable(table, name, kind)
        self._kinds = dict(kinds)
        self._place = place

    def append(self, into: str, rows: pa.Table) -> None:
        columns = sent(rows, self._kinds)
        if self._bulk is not None and columns:
            self._append_bulk(self._bulk, into, columns, rows.num_rows)
        elif columns:
            self._append_batches(into, columns, rows.num_rows)
        if rows.num_rows and self._place in rows.schema.names:
            self._check_letters(into, columns, rows.column(self._place)[0].as_py())

    def _append_batches(self, into: str, columns: Sequence[Sent], rows: int) -> None:
        names = [self.dialect.quote(column.name) for column in columns]
        parameters = [column.parameters() for column in columns]
        for portion in portions(rows, len(columns)):
            given = [values[place] for place in portion for values in parameters]
            try:
                self._connection.run(insert_values(into, names, len(portion)), given)
            except Misfit as error:
                for column, values in zip(columns, parameters, strict=True):
                    pairs = [each for place in portion for each in (parameter(place), values[place])]
                    among = f"(VALUES {', '.join(['(?, ?)'] * len(portion))}) AS v (place, given)"
                    self._refuse_misfit(column, "place", "v.given", among, pairs)
                raise error from None

    def _append_bulk(self, bulk: Bulk, into: str, columns: Sequence[Sent], rows: int) -> None:
        names = [self.dialect.quote(column.name) for column in columns]
        loaded, listed = bulk.send(columns, rows), ", ".join(names)
        try:
            self.execute(f"INSERT INTO {into} ({listed}) SELECT {listed} FROM {loaded}")
        except Misfit as error:
            place = self.dialect.quote(self._place)
            first = f"(SELECT min({place}) FROM {loaded})"
            for column, name in zip(columns, names, strict=True):
                self._refuse_misfit(column, f"{place} - {first}", name, loaded)
            raise error from None

    def _refuse_misfit(
        self, column: Sent, place: str, value: str, among: str, parameters: Sequence[Parameter] = ()
    ) -> None:
        """Ask whether it was this column's value that did not fit; the transaction is lost anyhow."""
        condition = column.misfit(value)
        if condition is None:
            return
        found: Rows = []
        with contextlib.suppress(TargetError):  # where it cannot be asked, it stays unsaid
            self._connection.run("IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION")
            found = self._connection.run(
                f"SELECT TOP 1 {place} AS found FROM {among} WHERE {condition} ORDER BY found", parameters
            )
        for (number,) in found:
            raise RefusedValue(column.name, int(str(number)), f"the value does not fit {column.kind}")

    def _check_letters(self, stage: str, columns: Sequence[Sent], first: int) -> None:
        """Refuse letters that a column's code page cannot hold, which the server replaces by others or by ?."""
        for column in columns:
            foreign = column.foreign_letters()
            if not foreign:
                continue
            place, name = self.dialect.quote(self._place), self.dialect.quote(column.name)
            found = self._connection.run(
                f"SELECT {place}, CAST({name} AS NVARCHAR(MAX)) FROM {stage} WHERE {place} BETWEEN ? AND ?",
                [parameter(first + min(foreign)), parameter(first + max(foreign))],
            )
            stored = {int(str(number)) - first: str(text) for number, text in found}
            for number, text in foreign.items():
                if stored[number].rstrip(" ") != text.rstrip(" "):
                    raise RefusedValue(column.name, number, f"it has letters that {column.kind} has no code for")

    def merge(self, table: Table, staged: Staged, keys: Keys, how: MergeOptions | None = None) -> Counts:
        mode = (how or MergeOptions()).mode
        kinds = self.column_types(table)
        for name in staged.columns:
            only_found_by = name in keys.columns and mode in {"update", "delete"}
            if types.unwritable(kinds[name]) and not only_found_by:
                raise _unwritable(table, name, kinds[name])
        return super().merge(table, staged, keys, how)


def _unwritable(table: Table, name: str, kind: str) -> TargetError:
    return TargetError(
        f"{table}: the column {name} is {types.unwritable(kind)}, which SQL Server fills itself; leave it out."
    )


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    return str(value).upper() if isinstance(value, UUID) else value
