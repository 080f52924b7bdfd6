"""Which tables a load must leave alone: those of a sync, and one that was to be made and is there."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from connector.databases.base import Session
from connector.databases.merge import Table
from connector.errors import TargetError
from connector.words import count_of

# What a sync writes beside the rows, by which its tables are known; the names that it gives them are in sync/.
ACCOUNT = "_account_id"
PROVENANCE = (ACCOUNT, "_changed_at", "_synced_at", "_deleted_at")
JOURNAL = ("_sync_progress", "_sync_runs", "_sync_lease")


def refuse_synced(session: Session, table: Table, existing: Mapping[str, str], mode: str, new: Collection[str]) -> None:
    """Refuse a table that a sync writes, in which rows without an account would stand twice after its next run.

    An update is let through where it leaves the sync's own columns alone: it adds no row, and what it writes into
    others the next run corrects. A copy of a synced table elsewhere takes rows that say their account.
    """
    has_journal = bool(session.column_types(Table(table.schema, JOURNAL[0])))
    if table.name in JOURNAL and has_journal:
        raise _refusal(table, "belongs to a sync, which keeps its progress there")
    if not existing.keys() >= {*PROVENANCE}:
        return
    is_harmless = mode == "update" and not {*PROVENANCE} & {*new}
    if is_harmless or (not has_journal and ACCOUNT in new):
        return
    raise _refusal(table, "is written by a sync")


def refuse_existing(session: Session, table: Table, existing: Mapping[str, str]) -> None:
    """Refuse a table that is there already, where one was to be made."""
    if existing:
        ((rows,),) = session.rows(f"SELECT count(*) FROM {session.full(table)}")  # noqa: S608
        held = count_of(int(str(rows)), "row")
        raise TargetError(
            f"The table {table} is there already, with {held}, and stays as it is: --replace puts these rows in their "
            "place, --key id merges them in, --table names another table."
        )


def _refusal(table: Table, reason: str) -> TargetError:
    return TargetError(f"The table {table} {reason}, and stays as it is: name another table, or another schema.")
