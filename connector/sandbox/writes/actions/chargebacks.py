"""Disputes that come by themselves as time passes: one renewal of the business in so many, days after it was paid."""

from __future__ import annotations

from collections.abc import Iterator

from connector.sandbox.document.rules import Record
from connector.sandbox.writes.actions.cards import Disputed
from connector.sandbox.writes.actions.disputes import open_dispute
from connector.sandbox.writes.engine.handlers import holds
from connector.sandbox.writes.engine.schedule import DAY, Due, due
from connector.sandbox.writes.engine.write import Write

_KIND = "chargeback"
_COUNT = "count"
_EVERY = 150
"""Less than 0.8 % are disputed: above that, card networks step in."""

_BEGINS_AT = 90
_AFTER_DAYS = 6
_REASONS = ("fraudulent", "product_not_received", "fraudulent")

holds(_KIND)


def foresee(write: Write, charge: Record) -> None:
    """Count a charge; note it as one to be disputed where its turn has come."""
    counted = write.look(_KIND, _COUNT) or {"id": _COUNT, "charges": _BEGINS_AT}
    counted["charges"] += 1
    write.put(_KIND, counted)
    turns, rest = divmod(counted["charges"], _EVERY)
    if rest == 0:
        reason = _REASONS[turns % len(_REASONS)]
        write.put(_KIND, {"id": charge["id"], "at": write.now + _AFTER_DAYS * DAY, "reason": reason})


@due(_KIND)
def _falls_due(noted: Record) -> Iterator[Due]:
    """Say when a charge comes to be disputed."""
    if noted["id"] != _COUNT:
        yield noted["at"], _dispute


def _dispute(write: Write, noted: Record) -> None:
    write.delete(_KIND, noted["id"])
    charge = write.look("charge", noted["id"])
    if charge is not None and not charge["refunded"] and not charge["disputed"]:
        open_dispute(write, charge, Disputed(noted["reason"]))
