"""The sandbox's business: all the objects that its lists hold, as a function of a seed.

An object is made when it is asked for, out of its number: a million objects cost no more than a dozen. Those of a
small business are kept as they were made, as JSON, so that who reads them again does not wait. `story/` decides what
happened, `objects/` says it in Stripe's shapes, this is the door to both.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import msgspec

from connector.sandbox.history.meters import Meters
from connector.sandbox.history.objects.company import Company
from connector.sandbox.history.objects.kind import Kind
from connector.sandbox.history.objects.money import balance
from connector.sandbox.history.story.story import SIZES, Story

Record = dict[str, Any]


class Business:
    """About 24 months up to `now`, a unix time; `size` is one of `SIZES`.

    Each kind of object is numbered from 0, oldest first; some numbers are not used.
    """

    kinds: tuple[str, ...] = (
        "customer", "product", "price", "subscription", "invoice", "invoiceitem", "charge", "payment_intent",
        "invoice_payment", "refund", "payout", "balance_transaction", "dispute", "credit_note", "coupon",
        "payment_method", "payment_link", "checkout.session", "event", "billing.meter", "tax_rate", "tax_id",
        "discount", "promotion_code", "setup_intent", "setup_attempt", "test_helpers.test_clock",
        "customer_balance_transaction", "shipping_rate",
    )  # fmt: skip

    def __init__(self, *, seed: int, size: str, now: int) -> None:
        self.now = now
        self._kept: dict[tuple[str, int], bytes] | None = {} if size == "small" else None
        self._company = Company(Story(seed=seed, size=SIZES[size], now=now))
        meters = Meters(seed, self._company.story.calendar.start)
        self._kinds: dict[str, Kind | Meters] = {**self._company.kinds, "billing.meter": meters}

    def end(self, kind: str) -> int:
        """The number after the last one."""
        return self._kinds[kind].numbering.end

    def get(self, kind: str, number: int) -> Record | None:
        """A fresh object, embedded lists complete; None where the number is not used."""
        kept = self._kept.get((kind, number)) if self._kept is not None else None
        if kept is not None:
            record: Record | None = msgspec.json.decode(kept)
            return record
        found = self._kinds[kind]
        record = found.at(number, self.now) if 0 <= number < found.numbering.end else None
        if record is not None and self._kept is not None:
            self._kept[kind, number] = msgspec.json.encode(record)
        return record

    def created(self, kind: str, number: int) -> int:
        """When it came into being, also where Stripe does not say; never lower than for a lower number."""
        return self._kinds[kind].numbering.created(number)

    def number(self, kind: str, id: str) -> int | None:  # noqa: A002 - Stripe's word for it
        """The number of an id; None for an id that was not made here."""
        return self._kinds[kind].number(id)

    def first_at(self, kind: str, instant: int) -> int:
        """The lowest number created at `instant` or later; the end if there is none."""
        return self._kinds[kind].numbering.first_at(instant)

    def numbers(self, kind: str, field: str, value: str) -> Iterator[int] | None:
        """The numbers, highest first, whose filter `field` may equal `value`; None if only a scan can tell.

        They are exact for the payout of a balance transaction, which no field of it shows.
        """
        found = self._kinds[kind].numbers(field, value)
        if found is None:
            return None
        end = self._kinds[kind].numbering.end
        return iter(sorted({number for number in found if 0 <= number < end}, reverse=True))

    def balance(self) -> Record:
        """The balance: what the transactions leave in each currency."""
        return balance(self._company)

    def is_over(self, kind: str, number: int) -> bool:
        """Whether an object will surely never change by itself, as far as that is told more quickly than it is made."""
        found = self._kinds[kind]
        return not isinstance(found, Meters) and found.is_over(number, self.now)

    def left(self) -> Iterator[Record]:
        """The balance transactions that no payout has taken along."""
        found = (self.get("balance_transaction", posting.number) for posting in self._company.story.balance.left())
        return (record for record in found if record is not None)

    def account(self) -> Record:
        """The account."""
        return self._company.account()

    def bank_accounts(self) -> list[Record]:
        """The bank accounts that it is paid out to."""
        return self._company.bank_accounts()


@lru_cache(maxsize=8)
def business(seed: int, size: str, now: int) -> Business:
    """Return the business that these three make; sandboxes of the same three share it."""
    return Business(seed=seed, size=size, now=now)
