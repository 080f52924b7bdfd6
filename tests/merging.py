"""A table of things in any database, rows for it and ways to merge them, for tests of the merge."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from connector.databases.base import Counts, Database, MergeOptions, Session
from connector.databases.merge import Keys, Table
from connector.rows.types import arrow_field

KEYS = Keys(("account", "id"), "seen_at", ("seen_at",))
PLAIN = Keys(("account", "id"))
COLUMNS = {"account": "text", "id": "text", "value": "text", "seen_at": "timestamp"}
START = datetime(2026, 1, 1, tzinfo=UTC)
EXOTIC = [
    'qu"ote; DROP TABLE x --',
    "select",
    "a b",
    "[c]",
    "d]e",
    "50 % of ?",
    "%s",
    "\U0001f600 ñ 雪",
    "it's",
    "a.b",
    "$1",
]


def things(database: Database) -> Table:
    return Table(database.default_schema, "things")


def table_of(rows: list[dict[str, Any]], columns: dict[str, str]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=pa.schema([arrow_field(name, kind) for name, kind in columns.items()]))


def thing(key: str | None, value: str | None, second: int = 0, account: str = "acct_1") -> dict[str, Any]:
    return {"account": account, "id": key, "value": value, "seen_at": START + timedelta(seconds=second)}


def merge(
    database: Database, *rows: dict[str, Any], columns: dict[str, str] | None = None, keys: Keys = KEYS
) -> Counts:
    batch = table_of(list(rows), columns or COLUMNS)
    with database.transaction() as session:
        session.prepare(things(database), batch.schema, keys.columns)
        return session.upsert(things(database), batch, keys)


def load(database: Database, mode: str, *rows: dict[str, Any], **how: Any) -> Counts:
    """Merge rows as a load does: in batches, those without a whole key rejected."""
    batch, table = table_of(list(rows), COLUMNS), things(database)
    keys = PLAIN if mode not in ("append", "replace") else Keys(())
    with database.transaction() as session:
        session.prepare(table, batch.schema, PLAIN.columns if keys.columns else ())
        staged = session.stage(table, [batch.slice(0, 2), batch.slice(2)], batch.schema.names)
        rejected, places = session.reject_without_key(table, staged, keys) if keys.columns else (0, [])
        assert len(places) == rejected
        counts = session.merge(table, replace(staged, rows=staged.rows - rejected), keys, MergeOptions(mode, **how))
        return replace(counts, rejected=rejected)


def stored(database: Database, columns: str = "id, value, seen_at") -> list[tuple[Any, ...]]:
    with database.transaction() as session:
        return session.rows(f"SELECT {columns} FROM {session.full(things(database))} ORDER BY id")


def values(database: Database) -> dict[Any, Any]:
    return {key: value for key, value, _ in stored(database)}


def kind(session: Session, name: str) -> str:
    """Return how a database spells one of the definition's types."""
    return session.type_of(arrow_field("x", name))
