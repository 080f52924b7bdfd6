"""Discounts, which subscriptions have by coupons, and the promotion codes that some of them came by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from connector.sandbox.document.templates import Record
from connector.sandbox.history.objects.catalogue import CatalogueKind
from connector.sandbox.history.objects.kind import Happening, Kind
from connector.sandbox.history.story.calendar import DAY
from connector.sandbox.history.story.catalogue import Entry
from connector.sandbox.history.story.contracts import Contract

if TYPE_CHECKING:
    from connector.sandbox.history.objects.company import Company


class Discounts(Kind):
    """What a coupon gives a subscription; numbered as subscriptions are."""

    name = "discount"

    def __init__(self, company: Company) -> None:
        super().__init__(company)
        self.ids = self.identities.discount
        self.numbering = self.story.layout.subscriptions

    def at(self, number: int, instant: int) -> Record | None:
        """The discount of the subscription with that number."""
        contract = self.story.contracts(number)
        if contract is None or contract.coupon is None or self.numbering.created(number) > instant:
            return None
        code = self.story.contracts.code_of(contract)
        return {
            "id": self.ids(number),
            "object": "discount",
            "checkout_session": self.company.sessions.of_contract(number),
            "customer": self.identities.customer(contract.customer),
            "customer_account": None,
            "end": self._end(contract),
            "invoice": None,
            "invoice_item": None,
            "promotion_code": None if code is None else self.identities.promotion_code(code.number),
            "source": {"coupon": contract.coupon.line["id"], "type": "coupon"},
            "start": self.numbering.created(number),
            "subscription": self.identities.subscription(number),
            "subscription_item": None,
        }

    def numbers(self, field: str, value: str) -> Iterable[int] | None:
        """By customer or subscription."""
        return self.company.subscriptions.numbers(field, value)

    def happenings(self, slot: int) -> Iterator[Happening]:
        """They come with their subscriptions."""
        contract = self.story.contracts(slot)
        if contract is not None and contract.coupon is not None:
            yield Happening(self.numbering.created(slot), "customer.discount.created", self.name, slot)

    def _end(self, contract: Contract) -> int | None:
        """When the discount ends, where it lasts for some months."""
        assert contract.coupon is not None
        if contract.coupon.line["duration"] != "repeating":
            return None
        return self.story.subscriptions.starts(contract, contract.discounted)


class PromotionCodes(CatalogueKind):
    """Words that customers type in to get a coupon."""

    name = "promotion_code"

    def __init__(self, company: Company) -> None:
        super().__init__(company, company.story.catalogue.promotion_codes)
        self.ids = self.identities.promotion_code

    def of(self, entry: Entry, instant: int) -> Record:
        """The promotion code as it was at an instant."""
        line = entry.line
        redeemed = self.story.contracts.redeemed_by_code(entry, instant)
        most, days = line.get("max_redemptions"), line.get("expires_days")
        expires = None if days is None else self.story.calendar.start + days * DAY
        return {
            "id": self.id_of(entry),
            "object": "promotion_code",
            "active": (expires is None or instant < expires) and (most is None or redeemed < most),
            "code": line["code"],
            "created": entry.created,
            "customer": None,
            "customer_account": None,
            "expires_at": expires,
            "livemode": False,
            "max_redemptions": most,
            "metadata": dict(line.get("metadata", {})),
            "promotion": {"coupon": line["coupon"], "type": "coupon"},
            "restrictions": {
                "first_time_transaction": bool(line.get("first_time")),
                "minimum_amount": line.get("minimum_amount"),
                "minimum_amount_currency": line.get("minimum_amount") and "usd",
            },
            "times_redeemed": redeemed,
        }
