"""The databases that the merge is tested on: a family is one function that returns an empty database."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from connector.databases.base import Database
from connector.databases.duckdb.database import DuckDB
from connector.databases.portable.database import Portable


def duckdb_file(folder: Path) -> Database:
    return DuckDB(str(folder / "merge.duckdb"))


def postgres(_folder: Path) -> Database:
    from connector.databases.postgres.database import Postgres
    from tests.postgres_server import _server

    database = Postgres(_server())
    with database.transaction() as session:
        session.execute("DROP SCHEMA public CASCADE")
        session.execute("CREATE SCHEMA public")
    return database


def sqlserver(_folder: Path) -> Database:
    from tests.merging import EXOTIC
    from tests.sqlserver_server import empty_database, skip_what_babelfish_lacks

    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    database = empty_database(f"connector_tests{worker}", *EXOTIC)
    skip_what_babelfish_lacks(database, os.environ["PYTEST_CURRENT_TEST"].split("::")[-1])
    return database


def sqlite_file(folder: Path) -> Database:
    return Portable(f"sqlite:///{folder / 'merge.db'}")


FAMILIES: dict[str, Callable[[Path], Database]] = {
    "duckdb": duckdb_file,
    "postgres": postgres,
    "sqlite": sqlite_file,
}
if os.environ.get("TEST_MSSQL_URL"):
    FAMILIES["sqlserver"] = sqlserver


@pytest.fixture(params=FAMILIES)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty database, of each family in turn."""
    with FAMILIES[request.param](tmp_path) as database:
        yield database
