"""Rows that may change without an event: those that a definition's `reread` names, then those unread for longest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from connector.databases.base import Session
from connector.databases.merge import Table
from connector.sync.provenance import instant
from connector.sync.tasks import Task

PAST = "past"  # in a definition: a time that has come
_WORDS = {"true": True, "false": False}


class Unread:
    """The rows of an account's table that a pass has not read again, the stalest first.

    `began_at` is when the pass began, as `_synced_at` tells, `now` what Stripe's clock showed, in unix seconds.
    """

    def __init__(self, session: Session, table: Table, account: str, began_at: datetime, now: int) -> None:
        self._session = session
        self._table = table
        quote = session.dialect.quote
        self._where = [
            f"{quote('_account_id')} = ?",
            f"{quote('_deleted_at')} IS NULL",
            f"({quote('_synced_at')} IS NULL OR {quote('_synced_at')} < ?)",
        ]
        self._values: list[object] = [account, began_at]
        self._now = datetime.fromtimestamp(now, UTC)

    def named(self, task: Task, most: int) -> list[tuple[str, int]]:
        """Return the id and the second of creation of at most so many rows that the `reread` of a task names."""
        if not task.endpoint.reread:
            return []
        conditions, values = self._named(task)
        return self._stalest(task, most, conditions, values)

    def stalest(self, task: Task, most: int) -> list[tuple[str, int]]:
        """Return the id and the second of creation of at most so many rows."""
        return self._stalest(task, most, [], [])

    def _named(self, task: Task) -> tuple[list[str], list[object]]:
        """Return the conditions of the `reread` of a definition, with their values."""
        conditions: list[str] = []
        values: list[object] = []
        for name, wanted in task.endpoint.reread.items():
            column = self._session.dialect.quote(name)
            alternatives = []
            for value in wanted:
                if value == "":
                    alternatives.append(f"{column} IS NULL")
                    continue
                alternatives.append(f"{column} {'<=' if value == PAST else '='} ?")
                values.append(self._now if value == PAST else _WORDS.get(value, value))
            conditions.append(f"({' OR '.join(alternatives)})")
        return conditions, values

    def _stalest(
        self, task: Task, most: int, conditions: Sequence[str], values: Sequence[object]
    ) -> list[tuple[str, int]]:
        quote, order = self._session.dialect.quote, self._session.dialect.quote(task.endpoint.order or "")
        columns = f"{quote('id')}, {order}"
        inner = (
            f"SELECT {columns}, row_number() OVER (ORDER BY {quote('_synced_at')}, {order} DESC) AS place "
            f"FROM {self._session.full(self._table)} WHERE {' AND '.join([*self._where, *conditions])}"
        )
        rows = self._session.rows(
            f"SELECT {columns} FROM ({inner}) AS ranked WHERE place <= ?", (*self._values, *values, most)
        )
        return list(_located(rows))


def _located(rows: Sequence[tuple[object, ...]]) -> Iterator[tuple[str, int]]:
    for id_, created in rows:
        at = instant(created)
        if at is not None:
            yield str(id_), int(at.timestamp())
