"""Rows that are gone from Stripe: those that a whole pass should have seen and did not, marked or removed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from connector.api.spans import BEGINNING, END
from connector.databases.base import Session
from connector.databases.merge import Table
from connector.sync.provenance import in_parts


@dataclass(frozen=True)
class Unseen:
    """The rows of an account that a pass, whose rows are all synced at `began_at` or later, should have seen.

    `bounds` (column, comparison, value) and `among` (column, values) narrow what it should have seen. `parent` is the
    table above and the column with its id: what belongs to a row that stays unseen there stays, too, and what belongs
    to those whose list could not be read: `unread`.
    """

    account: str
    began_at: datetime
    bounds: Sequence[tuple[str, str, object]] = ()
    among: Mapping[str, Sequence[str]] = field(default_factory=dict)
    parent: tuple[Table, str] | None = None
    unread: Sequence[str] = ()


@dataclass(frozen=True)
class Deletion:
    """When rows were known to be gone (Stripe's clock), when that is written, and whether they are removed."""

    known_at: datetime
    synced_at: datetime
    remove: bool = False


@dataclass(frozen=True)
class Gone:
    """What a pass should have seen: everything, or what was created in some stretches of time and single objects.

    `load_began_at` is when a load began that an earlier run has left to this one.
    """

    stretches: Sequence[tuple[int, int]] | None = None
    ids: Sequence[str] = ()
    load_began_at: datetime | None = None

    def of_parents(self, unseen: Unseen, order: str | None) -> Iterator[Unseen]:
        """Yield the rows among all of an endpoint's that are gone when they were not seen."""
        if self.stretches is None or order is None:
            yield unseen
            return
        for stretch in self.stretches:
            ends = zip((">=", "<"), stretch, (BEGINNING, END), strict=True)
            bounds = [(order, sign, datetime.fromtimestamp(at, UTC)) for sign, at, open_end in ends if at != open_end]
            yield replace(unseen, bounds=[*unseen.bounds, *bounds])
        for ids in in_parts(self.ids):
            yield replace(unseen, among={"id": ids})
        yield from self._of_load(unseen)

    def of_children(self, unseen: Unseen) -> Iterator[Unseen]:
        """Yield the same of the children of what was seen."""
        yield unseen
        yield from self._of_load(unseen)

    def _of_load(self, unseen: Unseen) -> Iterator[Unseen]:
        if self.load_began_at is not None:
            yield replace(unseen, began_at=self.load_began_at)


def mark_deleted(session: Session, table: Table, unseen: Unseen, deletion: Deletion) -> int:
    """Mark (or remove) the rows that a pass did not see and that are not deleted yet; return how many."""
    quote, target = session.dialect.quote, session.full(table)
    where, parameters = _unseen(session, table, unseen)
    condition = f"{quote('_deleted_at')} IS NULL AND {where}"
    if deletion.remove:
        return session.execute(f"DELETE FROM {target} WHERE {condition}", parameters)
    marks = ", ".join(f"{quote(name)} = ?" for name in ("_deleted_at", "_changed_at", "_synced_at"))
    values = (deletion.known_at, deletion.known_at, deletion.synced_at)
    return session.execute(f"UPDATE {target} SET {marks} WHERE {condition}", (*values, *parameters))


def _unseen(session: Session, table: Table, unseen: Unseen) -> tuple[str, list[object]]:
    """Return the condition that such rows meet, with its values."""
    quote = session.dialect.quote
    where = [f"{quote('_account_id')} = ?", f"({quote('_synced_at')} IS NULL OR {quote('_synced_at')} < ?)"]
    values: list[object] = [unseen.account, unseen.began_at]
    for column, sign, value in unseen.bounds:
        where.append(f"{quote(column)} {sign} ?")
        values.append(value)
    for column, among in unseen.among.items():
        where.append(f"{quote(column)} IN ({', '.join('?' * len(among))})")
        values += among
    if unseen.parent:
        above, column = unseen.parent
        where.append(
            f"NOT EXISTS (SELECT 1 FROM {session.full(above)} AS p WHERE p.{quote('_account_id')} = ? AND "
            f"p.{quote('id')} = {session.full(table)}.{quote(column)} AND "
            f"(p.{quote('_synced_at')} IS NULL OR p.{quote('_synced_at')} < ?) AND p.{quote('_deleted_at')} IS NULL)"
        )
        values += [unseen.account, unseen.began_at]
        if unseen.unread:
            where.append(f"{quote(column)} NOT IN ({', '.join('?' * len(unseen.unread))})")
            values += unseen.unread
    return " AND ".join(where), values
