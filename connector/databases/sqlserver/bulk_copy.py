"""Bulk copy into SQL Server, which is an experiment: rows travel in a second session, by way of a table of their own.

That session sees nothing that is not committed, so the table is a real one, `_load_` and the run's number. It is
dropped when it is done with; one that a run left behind, as its lock that nobody holds tells, is dropped by the next.
Before anything of it is used, its rows, and the values of each column, are counted and compared with what was sent.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Sequence

import pyarrow as pa

from connector.databases.sqlserver.connection import Address, Connection, connect
from connector.databases.sqlserver.stage import Sent
from connector.databases.sqlserver.tsql import TSQL, literal
from connector.errors import TargetError

_PREFIX = "_load_"
_RUN_DIGITS = 12


class Bulk:
    """A second session, which is opened when the first rows come, and its table."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._name = _PREFIX + uuid.uuid4().hex[:_RUN_DIGITS]
        self._connection: Connection | None = None
        self._full = ""

    def send(self, columns: Sequence[Sent], rows: int) -> str:
        """Send a batch and return the whole name of the table that has it, and nothing else."""
        connection = self._connection = self._connection or self._opened()
        quote = TSQL().quote
        described = ", ".join(f"{quote(column.name)} {column.travels_as} NULL" for column in columns)
        connection.run(f"DROP TABLE IF EXISTS {self._full}")
        connection.run(f"CREATE TABLE {self._full} ({described})")
        names = [column.name for column in columns]
        # mssql-python opens the session for it by itself, from what this connection was opened with.
        connection.bulk_copy(self._full, pa.table([column.values for column in columns], names), names)
        counts = ", ".join(["count_big(*)", *(f"count_big({quote(name)})" for name in names)])
        ((there, *filled),) = connection.run(f"SELECT {counts} FROM {self._full}")
        expected = [rows - column.values.null_count for column in columns]
        for what, found, wanted in zip(["rows", *names], [there, *filled], [rows, *expected], strict=True):
            if found != wanted:
                raise TargetError(
                    f"{self._address.label}: bulk copy was given {wanted:,} of {what} and brought {found:,}; nothing "
                    "was changed. Leave bulk=1 out of the URL."
                )
        return self._full

    def _opened(self) -> Connection:
        connection = connect(self._address)
        ((schema,),) = connection.run("SELECT SCHEMA_NAME()")
        quote = TSQL().quote
        self._full = f"{quote(str(schema))}.{quote(self._name)}"
        _lock(connection, self._name)
        left = connection.run(
            f"SELECT s.name, o.name FROM sys.tables AS o INNER JOIN sys.schemas AS s ON s.schema_id = o.schema_id "
            f"WHERE LEFT(o.name, {len(_PREFIX)}) = {literal(_PREFIX)} AND LEN(o.name) = {len(self._name)}"
        )
        for owner, name in left:
            if name != self._name and _lock(connection, str(name)):
                connection.run(f"DROP TABLE IF EXISTS {quote(str(owner))}.{quote(str(name))}")
        return connection

    def close(self) -> None:
        """Drop the table and end the session, with which its locks go."""
        if self._connection is not None:
            with contextlib.suppress(TargetError):  # the next run drops it
                self._connection.run(f"DROP TABLE IF EXISTS {self._full}")
            self._connection.close()
            self._connection = None


def _lock(connection: Connection, name: str) -> bool:
    """Take the lock of a table's name for as long as the session lasts; say whether it was free."""
    ((result,),) = connection.run(
        f"DECLARE @result INT; EXEC @result = sp_getapplock @Resource = {literal(f'connector:{name}')}, "
        "@LockMode = 'Exclusive', @LockOwner = 'Session', @LockTimeout = 1; SELECT @result"
    )
    return int(str(result)) >= 0
