"""Connections to SQL Server by one of two drivers, and what their errors mean in plain words.

mssql-python    Microsoft's own: all ways to log in, and bulk copy
pymssql         the fallback that needs no library of the system; passwords only
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import pyarrow as pa

from connector.databases.base import Conflict
from connector.databases.sqlserver.tsql import Parameter, placed, written
from connector.errors import ConnectorError, MissingExtra, TargetError, UsageError

_LOGIN_SECONDS = 15
_PORTION_ROWS = 10_000
_SHORT_TEXT, _SHORT_BYTES = 4_000, 8_000
# The session says what it expects, whatever the driver, the server or the login would have it.
_SETTINGS = (
    "IF @@LANGUAGE <> N'us_english' SET LANGUAGE us_english",  # the errors are told apart by their words
    "SET NOCOUNT ON",  # rows are counted by @@ROWCOUNT, which no trigger can change
    "SET XACT_ABORT ON",
    "SET QUOTED_IDENTIFIER ON",
    "SET ANSI_NULLS ON",
    "SET ANSI_NULL_DFLT_ON ON",  # what ALTER COLUMN leaves unsaid may be null
    "SET ANSI_WARNINGS ON",
    "SET ANSI_PADDING ON",
    "SET ARITHABORT ON",
    "SET CONCAT_NULL_YIELDS_NULL ON",
    "SET NUMERIC_ROUNDABORT OFF",
    "SET TRANSACTION ISOLATION LEVEL READ COMMITTED",
    "SET LOCK_TIMEOUT 300000",
)
Rows = list[tuple[object, ...]]


@dataclass(frozen=True)
class Address:
    """Where a database is and how to log in; `options` are the driver's own, `label` never holds the password."""

    host: str
    port: int | None
    database: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    driver: str = "mssqlpython"
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The database and its server."""
        return f"{self.database} on {self.host}{f':{self.port}' if self.port else ''}"


def parse_url(url: str) -> tuple[Address, bool]:
    """Return the address that a URL names, and whether rows go in by bulk copy."""
    from sqlalchemy import make_url

    read = make_url(url)
    options = {name: value if isinstance(value, str) else value[-1] for name, value in read.query.items()}
    is_bulk = options.pop("bulk", "0").lower() in {"1", "yes", "true"}
    driver = read.drivername.partition("+")[2] or "mssqlpython"
    if driver not in {"mssqlpython", "pymssql"}:
        raise UsageError(f"{read.drivername}:// is no way to SQL Server: write mssql:// or mssql+pymssql://.")
    if not read.host or not read.database:
        raise UsageError("An SQL Server database is written mssql://user:password@host:1433/database.")
    if is_bulk and driver == "pymssql":
        raise UsageError("Bulk copy needs Microsoft's driver: write mssql:// instead of mssql+pymssql://.")
    return Address(read.host, read.port, read.database, read.username, read.password, driver, options), is_bulk


class Connection(Protocol):
    """One connection, on which transactions are begun and ended by statements."""

    def run(self, sql: str, parameters: Sequence[Parameter] = ()) -> Rows:
        """Run one statement and return the rows that it gives, if any; driver errors come as they are."""

    def stream(self, sql: str) -> tuple[list[str], Iterator[Rows]]:
        """Run a query and return its columns' names, none where it gives no rows, and the rows as they are taken."""

    def bulk_copy(self, table: str, rows: pa.Table, names: Sequence[str]) -> None:
        """Copy rows into the columns of these names, in a session of its own."""

    def close(self) -> None:
        """Close it; a transaction that is open is taken back."""


class _Microsoft:
    def __init__(self, address: Address) -> None:
        try:
            import mssql_python
        except ImportError as error:
            raise MissingExtra("SQL Server", "sqlserver") from error
        if not mssql_python.PoolingManager.is_initialized():
            # A connection in a pool is closed in name only: what it holds, it would hold on to.
            mssql_python.pooling(enabled=False)
        self.errors = (mssql_python.Error, mssql_python.ConnectionStringParseError, RuntimeError)
        self._sizes = {
            "text": (mssql_python.SQL_WVARCHAR, _SHORT_TEXT, 0),
            "float": (mssql_python.SQL_DOUBLE, 0, 0),
            "binary": (mssql_python.SQL_VARBINARY, _SHORT_BYTES, 0),
        }
        self._raw = mssql_python.connect(connection_string(address), autocommit=True, timeout=_LOGIN_SECONDS)
        self._cursor = self._raw.cursor()

    def run(self, sql: str, parameters: Sequence[Parameter] = ()) -> Rows:
        if parameters:
            self._cursor.setinputsizes([self._size(each) for each in parameters])
            self._cursor.execute(placed(sql, parameters), [each.value for each in parameters])
        else:
            self._cursor.execute(sql)
        return [tuple(row) for row in self._cursor.fetchall()] if _has_rows(self._cursor) else []

    def stream(self, sql: str) -> tuple[list[str], Iterator[Rows]]:
        self._cursor.execute(sql)
        return _portions(self._cursor)

    def _size(self, given: Parameter) -> tuple[int, int, int]:
        kind, size, scale = self._sizes[given.kind]
        is_long = isinstance(given.value, str | bytes) and 2 * len(given.value) > size
        return (kind, 0 if is_long else size, scale)

    def bulk_copy(self, table: str, rows: pa.Table, names: Sequence[str]) -> None:
        mapped = list(enumerate(names))
        try:
            self._cursor.bulkcopy_arrow(table, rows, timeout=0, column_mappings=mapped, keep_nulls=True)
        except BaseException as error:
            if type(error).__name__ == "PanicException":  # the driver's inner part gave up, which is no Exception
                raise RuntimeError("bulk copy broke off in the driver; leave bulk=1 out of the URL") from None
            raise

    def close(self) -> None:
        self._raw.close()


class _FreeTDS:
    def __init__(self, address: Address) -> None:
        try:
            import pymssql
        except ImportError as error:
            raise MissingExtra("mssql+pymssql://", "sqlserver") from error
        if address.options:
            raise UsageError(
                f"pymssql takes no options in the URL, such as {next(iter(address.options))}: write mssql:// for them."
            )
        self.errors = (pymssql.Error,)
        self._raw = pymssql.connect(
            server=address.host,
            port=str(address.port or 1433),
            user=address.user,
            password=address.password,
            database=address.database,
            login_timeout=_LOGIN_SECONDS,
            autocommit=True,
            use_datetime2=True,
        )
        self._cursor = self._raw.cursor()

    def run(self, sql: str, parameters: Sequence[Parameter] = ()) -> Rows:
        self._cursor.execute(written(sql, parameters))
        return cast("Rows", self._cursor.fetchall()) if self._cursor.description else []

    def stream(self, sql: str) -> tuple[list[str], Iterator[Rows]]:
        self._cursor.execute(sql)
        return _portions(self._cursor)

    def close(self) -> None:
        self._raw.close()


def _has_rows(cursor: Any) -> bool:
    """Go to the first result that has rows, and say whether there is one."""
    while not cursor.description and cursor.nextset():
        pass
    return bool(cursor.description)


def _portions(cursor: Any) -> tuple[list[str], Iterator[Rows]]:
    if not _has_rows(cursor):
        return [], iter(())
    return [column[0] for column in cursor.description], iter(lambda: cursor.fetchmany(_PORTION_ROWS), [])


def connect(address: Address) -> Connection:
    """Open a connection that tells its errors in plain words."""
    opener = _FreeTDS if address.driver == "pymssql" else _Microsoft
    return _Explained(address, opener)


class _Explained:
    """A connection whose errors are ours: one line, no password and no value of a row."""

    def __init__(self, address: Address, opener: Callable[[Address], Any]) -> None:
        self._address = address
        try:
            self._inner = opener(address)
        except ConnectorError:
            raise
        except Exception as error:  # the driver may be gone from under us, too
            raise explained(error, address) from None
        self.run("; ".join(_SETTINGS))

    def run(self, sql: str, parameters: Sequence[Parameter] = ()) -> Rows:
        with self._explaining():
            return cast("Rows", self._inner.run(sql, parameters))

    def stream(self, sql: str) -> tuple[list[str], Iterator[Rows]]:
        with self._explaining():
            names, portions = self._inner.stream(sql)
        return names, self._taken(portions)

    def _taken(self, portions: Iterator[Rows]) -> Iterator[Rows]:
        with self._explaining():
            yield from portions

    def bulk_copy(self, table: str, rows: pa.Table, names: Sequence[str]) -> None:
        with self._explaining():
            self._inner.bulk_copy(table, rows, names)

    @contextlib.contextmanager
    def _explaining(self) -> Iterator[None]:
        try:
            yield
        except self._inner.errors as error:
            raise explained(error, self._address) from None

    def close(self) -> None:
        with contextlib.suppress(*self._inner.errors):  # it was lost already
            self._inner.close()


def connection_string(address: Address) -> str:
    """Return what mssql-python is told, every value in braces so that no sign in it means anything."""
    where = address.host if address.port is None else f"{address.host},{address.port}"
    given = {"Server": where, "Database": address.database, "UID": address.user, "PWD": address.password}
    values = {name: value for name, value in (given | dict(address.options)).items() if value is not None}
    return "".join(f"{name}={{{value.replace('}', '}}')}}};" for name, value in values.items())


class Misfit(TargetError):
    """A value does not fit its column; which one is found by asking again."""


class Lost(TargetError):
    """The connection is gone, and with it the transaction."""


class NoDatabase(TargetError):
    """There is no such database, or the login may not open it."""


# What an error says, in the words of SQL Server, ODBC or FreeTDS → what that means.
_MEANINGS: tuple[tuple[str, type[TargetError], str], ...] = (
    (r"not allowed to access the server|40615", TargetError,
     "the firewall of Azure SQL keeps this computer out: add its address in the server's network settings."),
    (r"Cannot open database|database .* does not exist|\(4060,", NoDatabase,
     "there is no such database, or {user} may not open it."),
    (r"Login failed|Invalid authorization specification", TargetError,
     "SQL Server does not let {user} in: look at user, password and the way to log in (Authentication=… in the URL)."),
    (r"certificate|SSL Provider|TLS", TargetError,
     "no safe connection, since the server's TLS certificate is not trusted: install its authority's certificate, or, "
     "where the network is safe, add TrustServerCertificate=yes to the URL."),
    (r"Failed to load the driver|can't open lib", TargetError,
     "the driver of mssql-python does not start: install libltdl7 and libkrb5-3, or write mssql+pymssql://."),
    (r"link failure|not connected|DBPROCESS is dead|connection (is|was) (closed|broken|lost|terminated)|"
     r"server closed the connection|Connection reset|\(20047,|\(20006,", Lost,
     "the connection was lost, and nothing of this step is kept; run it again."),
    (r"unable to establish connection|Login timeout|Unable to connect|TCP Provider|server was not found", Lost,
     "no SQL Server answers there: look at host, port and firewalls."),
    (r"server connection failed", TargetError,  # of a second failure FreeTDS tells no more
     "the server refused the connection: look at host, port, user, password and database."),
    (r"deadlock|Serialization failure|\(1205,", Conflict,
     "SQL Server ended this load for another program's that stood in its way; run it again."),
    (r"[Cc]annot insert duplicate key|duplicate key value violates", Conflict,
     "a row has the same values as another in a unique index{where}."),
    (r"Lock request time ?out|lock timeout", TargetError,
     "another program has held rows of the table for too long; run it again when that is done."),
    (r"[Cc]onversion failed|Error converting|converting data type|overflow|would be truncated|out of range|right-trunca"
     r"|out-of-range|XML parsing|Invalid character value|Invalid datetime|invalid input syntax|too long for type|"
     r"Implicit conversion|Explicit conversion", Misfit, "a value does not fit its column."),
)  # fmt: skip
_UNIQUE = re.compile(r"constraint '(?P<name>[^']+)'|index '(?P<other>[^']+)'")
_VALUES = re.compile(r" ?(The duplicate key value is|Truncated value:|value ['=(]).*", re.DOTALL)
_DRIVER_WORDS = re.compile(r"\[[A-Za-z0-9 .]+\]|DB-Lib error.*", re.DOTALL)


def explained(error: Exception, address: Address) -> TargetError:
    """Return a driver's error as one of ours."""
    text = _words(error)
    for pattern, kind, meaning in _MEANINGS:
        if re.search(pattern, text):
            index = _UNIQUE.search(text)
            where = f" ({index['name'] or index['other']})" if index else ""
            user = f"the user {address.user}" if address.user else "you"
            return kind(f"{address.label}: {meaning.format(user=user, where=where)}")
    first = next(iter(_VALUES.sub("", _DRIVER_WORDS.sub("", text)).strip().splitlines()), type(error).__name__)
    return TargetError(f"{address.label}: {first}")


def _words(error: Exception) -> str:
    """Return what the server said, with its number where the driver tells it."""
    if isinstance(error, ValueError) or hasattr(error, "errors"):  # of the URL's options, by their names
        return "; ".join(map(str, getattr(error, "errors", error.args)))
    said = getattr(error, "ddbc_error", None)
    if said:
        return f"{said} ({getattr(error, 'driver_error', '')})"
    arguments = error.args[0] if len(error.args) == 1 and isinstance(error.args[0], tuple) else error.args
    if len(arguments) > 1 and isinstance(arguments[1], bytes):
        return f"{arguments[1].decode('utf-8', 'replace')} ({arguments[0]},"
    return str(error)
