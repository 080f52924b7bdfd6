"""Any other database that SQLAlchemy reaches.

SQLite (sqlite.py) and MySQL (mysql.py) have ways of their own where the common one (session.py) would lose something.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from sqlalchemy import exc as sql_errors
from sqlalchemy import make_url

from connector.databases.base import Database, Session
from connector.databases.portable.engine import open_engine, place_of, reason_of
from connector.databases.portable.session import PortableSession
from connector.errors import TargetError


class Portable(Database):
    """A database that SQLAlchemy reaches; it is connected to while a transaction is open."""

    def __init__(self, url: str) -> None:
        self._url = make_url(url)
        backend = self._url.get_backend_name()
        self._session = _session_of(backend)
        self.label = place_of(self._url)
        self.default_schema = self._session.schema_of(self._url)
        self._engine = open_engine(self._url, self._session.arguments(self._url))

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
        return f"{reason_of(error, self._url).rstrip('.')}. Nothing was changed."


def _session_of(backend: str) -> type[PortableSession]:
    if backend == "sqlite":
        from connector.databases.portable.sqlite import SQLiteSession

        return SQLiteSession
    if backend in ("mysql", "mariadb"):
        from connector.databases.portable.mysql import MySQLSession

        return MySQLSession
    return PortableSession
