# ruff: noqa: D102 - what a method does is said where it is declared, in base.py and portable.py
"""MySQL 8 and MariaDB: exact texts, microseconds, a lock by name, and a stage that is a table like any other.

A temporary table can be used only once in a statement there, so that the stage is a real one with a name of its own. It
is made and dropped on another connection, since making a table ends the transaction that it is made in.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
from sqlalchemy import URL, Connection, create_engine
from sqlalchemy import exc as sql_errors
from sqlalchemy.dialects import mysql
from sqlalchemy.pool import NullPool
from sqlalchemy.types import TypeEngine

from connector.databases.merge import Table
from connector.databases.portable.dialect import PortableDialect
from connector.databases.portable.session import PortableSession, stage_name
from connector.databases.portable.types import KEY_TEXT, arrow_type, sql_type
from connector.errors import TargetError
from connector.rows.render import is_json, is_text

_LETTERS = {"charset": "utf8mb4", "collation": "utf8mb4_bin"}  # every letter and its case count
_BOOLEAN = "TINYINT(1)"  # as which BOOLEAN is stored
_TEXTS = ("VARCHAR", "CHAR", "TEXT", "TINYTEXT", "MEDIUMTEXT", "LONGTEXT", "ENUM")


class MySQLDialect(PortableDialect):
    """MySQL's own: texts are compared byte by byte, whatever their collation says."""

    now = "UTC_TIMESTAMP(6)"

    def compared(self, expression: str, kind: str) -> Sequence[str]:
        """Return what is compared to tell whether a value of this type has changed."""
        return (f"CAST({expression} AS BINARY)",) if kind.startswith(_TEXTS) else (expression,)

    def widen(self, table: Table, name: str, kind: str) -> str:
        """Return the statement that gives a column another type."""
        return f"ALTER TABLE {self.full(table)} MODIFY COLUMN {self.quote(name)} {kind}"

    def swap(self, fresh: Table, table: Table) -> Sequence[str]:
        """Return the statements that put a fresh table in the place of another."""
        return (f"DROP TABLE {self.full(table)}", f"RENAME TABLE {self.full(fresh)} TO {self.full(table)}")


class MySQLSession(PortableSession):
    """One transaction on MySQL."""

    dialect: MySQLDialect

    def __init__(self, connection: Connection, label: str) -> None:
        super().__init__(connection, label)
        self._locked: set[str] = set()
        self._stages: list[str] = []
        self._url = connection.engine.url

    @classmethod
    def arguments(cls, url: URL) -> dict[str, Any]:  # noqa: ARG003 - for all alike
        # What another load has committed must be seen once its lock is ours.
        return {"isolation_level": "READ COMMITTED"}

    @classmethod
    def schema_of(cls, url: URL) -> str:
        return url.database or ""

    def make_dialect(self) -> MySQLDialect:
        return MySQLDialect(self._engine)

    def made_for(self, field: pa.Field, *, is_key: bool) -> TypeEngine[Any]:
        if pa.types.is_timestamp(field.type):
            return mysql.DATETIME(fsp=6)
        made = sql_type(field, is_key=is_key)
        arrow = arrow_type(made)
        if arrow is None or not is_text(arrow.type):
            return mysql.TINYINT(display_width=1) if pa.types.is_boolean(field.type) else made
        if is_key and not is_json(field):
            return mysql.VARCHAR(KEY_TEXT, **_LETTERS)
        return mysql.LONGTEXT(**_LETTERS)

    def field_of(self, name: str, kind: str) -> pa.Field | None:
        return pa.field(name, pa.bool_()) if kind == _BOOLEAN else super().field_of(name, kind)

    def lock(self, table: Table, wait_seconds: float = 60.0) -> None:
        """Take the lock of this name, which all loads of this kind take; it ends with the connection."""
        digest = hashlib.sha256(f"{table}".casefold().encode()).hexdigest()
        name = f"connector-{digest[:40]}"
        if name in self._locked:
            return
        if self.rows("SELECT GET_LOCK(?, ?)", (name, int(wait_seconds))) != [(1,)]:
            raise TargetError(
                f"{self._label}: another load into {table} is running; {wait_seconds:g} seconds "
                "were not enough for it to end. Nothing was changed: run again later."
            )
        self._locked.add(name)

    def make_stage(self, table: Table, kinds: Mapping[str, str], place: str) -> str:
        name = self.dialect.full(Table(table.schema, stage_name()))
        self._beside(self.dialect.create_typed_stage(name, kinds, place, "TABLE"))
        return name

    def drop_stage(self) -> None:
        """Leave it until the end: as long as this transaction has rows in it, nobody can drop it."""
        if self._stage:
            self._stages.append(self._stage)
            self._stage = ""

    def end(self) -> None:
        self.drop_stage()
        self._connection.rollback()
        for name in self._stages:
            with contextlib.suppress(sql_errors.SQLAlchemyError):
                self._beside(f"DROP TABLE {name}")

    def _beside(self, statement: str) -> None:
        engine = create_engine(self._url, poolclass=NullPool)
        with engine.connect() as connection:
            connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
            connection.commit()
