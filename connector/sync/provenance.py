"""The columns that tell where a synced row comes from: whose it is, when it was so, when it was written, when it went.

_account_id    with the primary key it tells rows apart
_changed_at    when the row was like this, by Stripe's clock: the newer wins
_synced_at     when it was last seen and written
_deleted_at    when it was found to be gone
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa

from connector.databases.base import Session
from connector.databases.merge import Table
from connector.errors import TargetError
from connector.rows.types import arrow_field

_COLUMNS = {"_account_id": "text", "_changed_at": "timestamp", "_synced_at": "timestamp", "_deleted_at": "timestamp"}
_NAMED_IDS = 500
_INSTANT = pa.timestamp("us", "UTC")


def with_provenance(batch: pa.RecordBatch, account: str, changed_at: int | Sequence[int]) -> pa.RecordBatch:
    """Add whose rows these are and when they, or each of them, were like this, in unix seconds.

    When they are written is set at the commit.
    """
    rows = batch.num_rows
    seconds = [changed_at] * rows if isinstance(changed_at, int) else changed_at
    changed = pa.array(seconds, pa.timestamp("s", "UTC")).cast(_INSTANT)
    nothing = pa.nulls(rows, _INSTANT)
    fields = [arrow_field(name, kind) for name, kind in _COLUMNS.items()]
    arrays = [*batch.columns, pa.repeat(account, rows), changed, nothing, nothing]
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema([*batch.schema, *fields]))


def written_at(batches: Sequence[pa.RecordBatch], instant: datetime) -> pa.Table:
    """Return the batches as one table whose rows say that they are written now."""
    rows = pa.Table.from_batches(batches)
    place = rows.schema.get_field_index("_synced_at")
    return rows.set_column(place, rows.schema.field(place), pa.repeat(pa.scalar(instant, _INSTANT), rows.num_rows))


@dataclass(frozen=True)
class Held:
    """What the target holds of an object: in seconds when it was like that and was created, and whether it is gone."""

    changed_at: int
    created: int | None
    is_deleted: bool


def held(session: Session, table: Table, account: str, order: str, ids: Sequence[str]) -> dict[str, Held]:
    """Return what a table holds of these objects of an account; `order` is the column that has their creation."""
    rows = _rows_of(session, table, account, ids, ("id", "_changed_at", "_deleted_at", order))
    return {
        str(id_): Held(_seconds(changed) or 0, _seconds(created), deleted is not None)
        for id_, changed, deleted, created in rows
    }


def held_below(
    session: Session, table: Table, account: str, parent: str, ids: Sequence[str]
) -> dict[str, dict[str, Held]]:
    """Return what a table of lists below parents holds of these objects, by parent, whose id is in a column."""
    found: dict[str, dict[str, Held]] = {}
    rows = _rows_of(session, table, account, ids, ("id", "_changed_at", "_deleted_at", parent))
    for id_, changed, deleted, owner in rows:
        found.setdefault(str(id_), {})[str(owner)] = Held(_seconds(changed) or 0, None, deleted is not None)
    return found


def _rows_of(
    session: Session, table: Table, account: str, ids: Sequence[str], columns: Sequence[str]
) -> Sequence[tuple[object, ...]]:
    quote = session.dialect.quote
    where = f"{quote('_account_id')} = ? AND {quote('id')} IN ({', '.join('?' * len(ids))})"
    sql = f"SELECT {', '.join(map(quote, columns))} FROM {session.full(table)} WHERE {where}"
    return session.rows(sql, (account, *ids))


def in_parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield the ids in parts that a statement can name."""
    return (ids[place : place + _NAMED_IDS] for place in range(0, len(ids), _NAMED_IDS))


def latest(session: Session, table: Table, account: str) -> tuple[datetime | None, datetime | None]:
    """Return the latest `_changed_at` and `_synced_at` of an account's rows."""
    quote = session.dialect.quote
    columns = f"max({quote('_changed_at')}), max({quote('_synced_at')})"
    where = f"{quote('_account_id')} = ?"
    ((changed, synced),) = session.rows(f"SELECT {columns} FROM {session.full(table)} WHERE {where}", (account,))
    return instant(changed), instant(synced)


def refuse_other_rows(session: Session, table: Table, label: str) -> None:
    """Refuse a table that something else has filled: its rows, without an account, would stand there twice."""
    columns = session.column_types(table)
    if not columns:
        return
    foreign = f" WHERE {session.dialect.quote('_account_id')} IS NULL" if "_account_id" in columns else ""
    ((count,),) = session.rows(f"SELECT count(*) FROM {session.full(table)}{foreign}")
    if count:
        raise TargetError(
            f"{table} in {label} holds rows that no sync has written, as an extract does: rename "
            "or drop that table, or give the sync another schema."
        )


def _seconds(value: object) -> int | None:
    at = instant(value)
    return None if at is None else math.floor(at.timestamp())


def instant(value: object) -> datetime | None:
    """Return a time out of a row, None where there is none.

    SQLite gives that of a function as text, since it does not know what it is.
    """
    if isinstance(value, str):
        return datetime.fromisoformat(value).replace(tzinfo=UTC)
    return value if isinstance(value, datetime) else None
