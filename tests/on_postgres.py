"""A table of a Postgres, for tests of what only Postgres has: an empty database, what is asked of it and done to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pytest

from connector.databases.base import Counts, MergeOptions, Session
from connector.databases.merge import Keys, Table
from connector.databases.postgres.database import Postgres
from connector.errors import TargetError
from connector.rows.types import arrow_field
from tests.databases import postgres

THINGS = Table("public", "things")
KEYS = Keys(("id",))
Result = TypeVar("Result")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Postgres]:
    with postgres(tmp_path) as database:
        assert isinstance(database, Postgres)
        yield database


def ask(database: Postgres, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
    with database.transaction() as session:
        return session.rows(sql, parameters)


def do(database: Postgres, *statements: str) -> None:
    with database.transaction() as session:
        for statement in statements:
            session.execute(statement)


def rows(**columns: Any) -> pa.Table:
    """Return rows of columns given as name=values or name=(type of a definition, values)."""
    given = {name: each if isinstance(each, tuple) else ("text", each) for name, each in columns.items()}
    fields = [arrow_field(name, kind) for name, (kind, _) in given.items()]
    return pa.Table.from_pydict({name: values for name, (_, values) in given.items()}, pa.schema(fields))


def upsert(database: Postgres, batch: pa.Table, table: Table = THINGS, keys: Keys = KEYS) -> Counts:
    with database.transaction() as session:
        session.prepare(table, batch.schema, keys.columns)
        return session.upsert(table, batch, keys)


def write(database: Postgres, batch: pa.Table, mode: str = "append", keys: Keys | None = None) -> Counts:
    """Write rows to a table as it is."""
    with database.transaction() as session:
        return session.merge(
            THINGS, session.stage(THINGS, [batch], batch.schema.names), keys or Keys(()), MergeOptions(mode)
        )


def within(database: Postgres, work: Callable[[Session], Result]) -> Result:
    """Do work in a transaction of its own."""
    with database.transaction() as session:
        return work(session)


def refused(database: Postgres, batch: pa.Table) -> str:
    with pytest.raises(TargetError) as caught:
        write(database, batch)
    assert "\n" not in str(caught.value)
    return str(caught.value)
