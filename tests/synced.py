"""Synced tables beside the truth: what stands in a DuckDB file or a Postgres, and what Stripe holds."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import duckdb
import httpx
import pytest

from connector.config import API_VERSION
from connector.databases.merge import quoted
from connector.definitions.endpoint import Endpoints
from connector.sandbox import Sandbox
from connector.sync import passes
from tests.accounts import NOW, account, keep_the_newest
from tests.test_extract import comparable, truth

ENDPOINTS = Endpoints()
Key = tuple[Any, ...]
_EVENTS = {"subscription": "customer.subscription"}  # what events call an object, where that is another word
Place = Path | str  # a DuckDB file, or the URL of a Postgres


@pytest.fixture(scope="module")
def shared_sandbox() -> Iterator[Sandbox]:
    """A small sandbox for the tests of a module that only read from it."""
    with Sandbox(seed=7, rps=0, now=NOW) as sandbox:
        yield keep_the_newest(sandbox)


@pytest.fixture
def sandbox(sandbox: Sandbox) -> Sandbox:
    """A small sandbox of one's own."""
    return keep_the_newest(sandbox)


def query(place: Place, sql: str) -> list[dict[str, Any]]:
    """Return the rows of a query on a file that nobody holds open, or on a Postgres."""
    if "://" in str(place):
        return _query_postgres(str(place), sql)
    name, kept = quoted(Path(place).stem), _duckdb()
    kept.execute(f"ATTACH '{place}' AS {name} (READ_ONLY)")
    try:
        with kept.cursor() as connection:
            connection.execute(f"USE {name}")
            rows: list[dict[str, Any]] = connection.sql(sql).to_arrow_table().to_pylist()
            return rows
    finally:
        kept.execute(f"DETACH {name}")


@cache
def _duckdb() -> duckdb.DuckDBPyConnection:
    """Return a DuckDB in memory that files are attached to: to start one for each query takes ten times as long."""
    return duckdb.connect()


def _query_postgres(url: str, sql: str) -> list[dict[str, Any]]:
    import psycopg
    from psycopg.rows import dict_row
    from psycopg.types.string import TextLoader

    with psycopg.connect(url, row_factory=dict_row, options="-c timezone=UTC") as connection:
        connection.adapters.register_loader("jsonb", TextLoader)
        return connection.execute(sql.encode()).fetchall()


def rows_of(place: Place, name: str, *, deleted: bool = False, schema: str = "") -> dict[Key, dict[str, Any]]:
    """Return the rows of a synced table by key: those that are there, or those marked deleted; no key stands twice."""
    keys = ENDPOINTS[name].primary_key
    rows = query(place, f"select * from {schema and quoted(schema) + '.'}{quoted(name)}")
    by_key = {tuple(row[key] for key in keys): row for row in rows}
    assert len(by_key) == len(rows), f"{name}: a key stands twice"
    return {key: row for key, row in by_key.items() if (row["_deleted_at"] is not None) == deleted}


@pytest.fixture
def read_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every sync read its endpoints in full, as it does where changes cannot be told."""
    monkeypatch.setattr(passes, "FEW_REQUESTS", 10**9)


@pytest.fixture
def read_by_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a sync read by what changed also where a table is so small that reading it in full costs no more."""
    monkeypatch.setattr(passes, "FEW_REQUESTS", 0)
    monkeypatch.setattr(passes, "LEAST_EVENT_PAGES", 10**9)
    monkeypatch.setattr(passes, "LEAST_REREADS", 2)


def tell(sandbox: Sandbox, kind: str, record: dict[str, Any], **said: Any) -> None:
    """Let the sandbox's events tell that an object was like this."""
    event = {
        "id": sandbox.store.new_id("evt_"), "object": "event", "api_version": API_VERSION, "type": kind,
        "created": sandbox.clock.now(), "data": {"object": record}, "livemode": False, "pending_webhooks": 0,
        "request": {"id": None, "idempotency_key": None},
    }  # fmt: skip
    sandbox.store.tell({**event, **said})


def change(sandbox: Sandbox, kind: str, record: dict[str, Any]) -> None:
    """Change or add an object, and tell it."""
    sandbox.put(kind, record)
    tell(sandbox, f"{_EVENTS.get(kind, kind)}.updated", record)


def delete(sandbox: Sandbox, kind: str, record: dict[str, Any]) -> None:
    """Delete an object, and tell it."""
    sandbox.delete(kind, record["id"])
    tell(sandbox, f"{_EVENTS.get(kind, kind)}.deleted", record)


def expected_rows(sandbox: Sandbox, name: str) -> dict[Key, dict[str, Any]]:
    """Return what a table must hold, by key."""
    endpoint = ENDPOINTS[name]
    return {tuple(row[key] for key in endpoint.primary_key): row for row in truth(sandbox, endpoint)}


def assert_equal_to_stripe(place: Place, sandbox: Sandbox, names: Sequence[str]) -> None:
    """Compare every row and every value of these tables with the truth."""
    for name in names:
        expected, found = expected_rows(sandbox, name), rows_of(place, name)
        assert found.keys() == expected.keys(), name
        for key, row in expected.items():
            shown = {column: value for column, value in found[key].items() if column in row}
            assert comparable(shown, ENDPOINTS[name]) == row, (name, key)


def post(sandbox: Sandbox, path: str, method: str = "POST", **form: Any) -> dict[str, Any]:
    """Write by a call, which is told by events as Stripe tells it, until it gets through; return the response."""
    headers = {"Idempotency-Key": str(uuid4())}
    while True:
        with contextlib.suppress(httpx.TransportError):
            response = httpx.request(method, f"{sandbox.url}{path}", data=form, headers=headers, auth=(sandbox.key, ""))
            if response.status_code != httpx.codes.TOO_MANY_REQUESTS:
                break
    assert response.is_success, response.text
    written: dict[str, Any] = response.json()
    return written


def assert_equal_to_a_fresh_read(
    place: Place,
    sandbox: Sandbox,
    names: Sequence[str],
    only: Mapping[str, Mapping[str, Any]] | None = None,
    schema: str = "",
) -> None:
    """Compare every row and value of these tables with an extract, of some by conditions."""
    with account(sandbox) as stripe:
        for name in names:
            keys, found = ENDPOINTS[name].primary_key, rows_of(place, name, schema=schema)
            rows = stripe.extract(name, where=(only or {}).get(name, {})).to_arrow().to_pylist()
            fresh = {tuple(row[key] for key in keys): row for row in rows}
            assert found.keys() == fresh.keys(), name
            for key, row in fresh.items():
                there = {column: found[key][column] for column in row if column in found[key]}
                assert comparable(there, ENDPOINTS[name]) == comparable(row, ENDPOINTS[name]), (name, key)
