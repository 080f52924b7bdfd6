"""Any other database that SQLAlchemy reaches.

SQLite (sqlite.py) and MySQL (mysql.py) have ways of their own where the common one (session.py) would lose something.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from sqlalchemy import URL, Engine, create_engine, make_url
from sqlalchemy import exc as sql_errors
from sqlalchemy.pool import NullPool

from connector.databases.base import Database, Session
from connector.databases.portable.session import PortableSession
from connector.databases.urls import split_url
from connector.errors import TargetError, UsageError, did_you_mean

_KNOWN = ("duckdb", "postgresql", "mssql", "redshift", "sqlite", "mysql", "mariadb")
_INSTALLED_BY = {
    "mysql": "mysql+pymysql:// with pip install pymysql",
    "mariadb": "mariadb+pymysql:// with pip install pymysql",
    "snowflake": "pip install snowflake-sqlalchemy",
    "bigquery": "pip install sqlalchemy-bigquery",
    "cockroachdb": "pip install sqlalchemy-cockroachdb",
    "trino": "pip install 'trino[sqlalchemy]'",
    "databricks": "pip install databricks-sqlalchemy",
    "clickhouse": "pip install clickhouse-sqlalchemy",
}
_REFUSED = {
    "oracle": "Oracle takes an empty text for a null and knows no AS before the alias of a table",
    "access": "Access has no window functions",
}


class Portable(Database):
    """A database that SQLAlchemy reaches; it is connected to while a transaction is open."""

    def __init__(self, url: str) -> None:
        self._url = make_url(split_url(url)[0])
        backend = self._url.get_backend_name()
        self._session = _session_of(backend)
        self.label = self._session.name_of(self._url)
        self.default_schema = self._session.schema_of(self._url)
        self._engine = _engine(self._url, self._session.arguments(self._url))

    def exists(self) -> bool:
        """Say whether there is such a database; a TargetError says why one cannot connect."""
        known = self._session.is_there(self._url)
        if known is not None:
            return known
        with self.transaction():
            return True

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Session]:
        """Open a transaction; it is committed when the block ends well, taken back otherwise."""
        with self._explained(), self._engine.connect() as connection:
            session = self._session(connection, self.label)
            try:
                yield session
                connection.commit()
            finally:
                session.end()

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sql_errors.SQLAlchemyError as error:
            raise TargetError(f"{self.label}: {self._reason(error)}") from error

    def _reason(self, error: sql_errors.SQLAlchemyError) -> str:
        if isinstance(error, sql_errors.IntegrityError):  # the message may hold a value
            return "a row breaks a rule of the table, such as a key that is there already. Nothing was changed."
        if isinstance(error, sql_errors.DataError):
            return "a value does not fit its column. Nothing was changed."
        reason = str(getattr(error, "orig", None) or error).strip().partition("\n")[0].rstrip(".")
        if self._url.password:
            reason = reason.replace(str(self._url.password), "***")
        return f"{reason}. Nothing was changed."


def _session_of(backend: str) -> type[PortableSession]:
    if backend == "sqlite":
        from connector.databases.portable.sqlite import SQLiteSession

        return SQLiteSession
    if backend in ("mysql", "mariadb"):
        from connector.databases.portable.mysql import MySQLSession

        return MySQLSession
    return PortableSession


def _engine(url: URL, arguments: dict[str, Any]) -> Engine:
    backend = url.get_backend_name()
    if why := _REFUSED.get(backend):
        raise UsageError(f"Rows cannot be written to {backend}://: {why}.")
    try:
        return create_engine(url, poolclass=NullPool, **arguments)
    except sql_errors.NoSuchModuleError as error:
        install = f" Its driver is installed by {_INSTALLED_BY[backend]}." if backend in _INSTALLED_BY else ""
        near = did_you_mean(backend, _KNOWN)
        raise UsageError(
            f"{url.drivername}:// is no database that rows can be written to, or its driver for SQLAlchemy is not "
            f"installed.{install or near}"
        ) from error
    except ImportError as error:
        install = f", or take {_INSTALLED_BY[backend]}" if backend in _INSTALLED_BY else ""
        raise UsageError(f"{url.drivername}:// needs the Python library {error.name}: install it{install}.") from error
