"""What automatic payouts are made of: the balance transactions that wait for the next ones, and those of each.

Stripe shows on no object which payout took a transaction along; one can only ask for the transactions of a payout.
So it is noted here, beside the objects.
"""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

from connector.sandbox.document.rules import Record
from connector.sandbox.reads.lists import PAYOUT_CONTENT
from connector.sandbox.writes.engine.handlers import holds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connector.sandbox.writes.engine.write import Write

_NEXT = "next"
_FIELDS = ("id", "available_on", "currency", "net", "created")

holds(PAYOUT_CONTENT)


def wait(write: Write, transaction: Record) -> None:
    """Let a transaction wait for the next automatic payout."""
    _leave(write, [*_waiting(write), _row(transaction)])


def ripe(write: Write) -> Iterator[tuple[str, int]]:
    """Yield each currency in which transactions wait whose money is there now, and what they come to."""
    rows = sorted((row for row in _waiting(write) if row["available_on"] <= write.now), key=itemgetter("currency"))
    for currency, found in groupby(rows, key=itemgetter("currency")):
        yield currency, sum(row["net"] for row in found)


def sweep(write: Write, payout: Record) -> None:
    """Let a payout take along what is ripe in its currency; its own transaction is one of them."""
    taken: list[Record] = []
    left: list[Record] = []
    for row in _waiting(write):
        mine = row["id"] == payout["balance_transaction"]
        is_ripe = row["currency"] == payout["currency"] and row["available_on"] <= write.now
        (taken if mine or is_ripe else left).append(row)
    _leave(write, left)
    since = min(row["created"] for row in taken)
    content = {"id": payout["id"], "transactions": [row["id"] for row in taken], "since": since}
    write.put(PAYOUT_CONTENT, content)


def _waiting(write: Write) -> list[Record]:
    found = write.look(PAYOUT_CONTENT, _NEXT)
    rows: list[Record] = found["rows"] if found else [_row(each) for each in write.store.business.left()]
    return rows


def _leave(write: Write, rows: list[Record]) -> None:
    write.put(PAYOUT_CONTENT, {"id": _NEXT, "rows": rows})


def _row(transaction: Record) -> Record:
    return {name: transaction[name] for name in _FIELDS}
