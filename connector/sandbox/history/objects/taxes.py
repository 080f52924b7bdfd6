"""Tax rates, one for each market that has a tax, and the tax ids of customers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from connector.sandbox.document.templates import Record
from connector.sandbox.history.objects.kind import Happening, Kind, OfCustomer
from connector.sandbox.history.story.calendar import DAY

if TYPE_CHECKING:
    from connector.sandbox.history.objects.company import Company

_SET_UP_DAYS = 19  # before the first customer came
_SPACING_SECONDS = 41


class _Kind(NamedTuple):
    """What a market's tax is called, and which type of tax id its companies have, if any."""

    display_name: str
    tax_type: str
    id_type: str | None = None
    id_form: str = ""


_KINDS = {
    "ny": _Kind("Sales Tax", "sales_tax", "us_ein", "12-{:07}"),
    "us": _Kind("Sales Tax", "sales_tax", "us_ein", "98-{:07}"),
    "de": _Kind("MwSt.", "vat", "eu_vat", "DE9{:08}"),
    "fr": _Kind("TVA", "vat", "eu_vat", "FR12{:09}"),
    "nl": _Kind("BTW", "vat", "eu_vat", "NL1{:08}B01"),
    "gb": _Kind("VAT", "vat", "gb_vat", "GB9{:08}"),
    "jp": _Kind("消費税", "jct", "jp_cn", "7{:012}"),
    "is": _Kind("VSK", "vat"),
    "hu": _Kind("ÁFA", "vat", "eu_vat", "HU1{:07}"),
    "ug": _Kind("VAT", "vat"),
}


class TaxRates(Kind):
    """The rates that bills are taxed by; numbered by market."""

    name = "tax_rate"

    def __init__(self, company: Company) -> None:
        super().__init__(company)
        self.ids = self.identities.tax_rate
        self.numbering = self
        self._markets = sorted(self.story.people.markets)
        self.end = len(self._markets)

    def of_market(self, key: str) -> str:
        """The id of a market's rate."""
        return self.ids(self._markets.index(key))

    def of_customer(self, customer: int) -> Record:
        """The rate that a customer's bills are taxed by, which objects carry whole."""
        key = self.story.people.market(customer).key
        rate = self.at(self._markets.index(key), self.story.calendar.now)
        assert rate is not None
        return rate

    def created(self, number: int) -> int:
        """When the rate was set up."""
        return self.story.calendar.start - _SET_UP_DAYS * DAY + number * _SPACING_SECONDS

    def first_at(self, instant: int) -> int:
        """The first rate set up at `instant` or later."""
        return next((number for number in range(self.end) if self.created(number) >= instant), self.end)

    def at(self, number: int, instant: int) -> Record | None:
        """The rate; markets without a tax have none."""
        market = self.story.people.markets[self._markets[number]]
        if not market.tax_permyriad or self.created(number) > instant:
            return None
        kind = _KINDS[market.key]
        state = market.cities[0][2] if market.key == "ny" else None
        percentage = market.tax_permyriad / 100
        return {
            "id": self.ids(number),
            "object": "tax_rate",
            "active": True,
            "country": market.country,
            "created": self.created(number),
            "description": f"{kind.display_name}, {market.country}",
            "display_name": kind.display_name,
            "effective_percentage": percentage,
            "flat_amount": None,
            "inclusive": False,
            "jurisdiction": state or market.country,
            "jurisdiction_level": "state" if state else "country",
            "livemode": False,
            "metadata": {"ledger": f"{2400 + number}"},
            "percentage": percentage,
            "rate_type": "percentage",
            "state": state,
            "tax_type": kind.tax_type,
        }

    def numbers(self, field: str, value: str) -> Iterable[int] | None:  # noqa: ARG002
        """They are few: a scan is as good."""
        return None

    def happenings(self, slot: int) -> Iterator[Happening]:  # noqa: ARG002
        """Nothing happens to them since they were set up."""
        return iter(())


class TaxIds(OfCustomer):
    """What tax offices call those customers who are businesses; numbered by customer."""

    name = "tax_id"

    def __init__(self, company: Company) -> None:
        super().__init__(company)
        self.ids = self.identities.tax_id
        self.numbering = self.story.layout.customers

    def at(self, number: int, instant: int) -> Record | None:
        """The tax id; most customers have none."""
        people = self.story.people
        created = self.numbering.created(number)
        if created > instant or not people.comes(number) or not people.is_business(number):
            return None
        market = people.market(number)
        kind = _KINDS.get(market.key)
        if kind is None or kind.id_type is None:
            return None
        draw = people.draw(number)
        customer = self.identities.customer(number)
        verified = market.currency == "eur" and draw >> 20 & 3 != 0
        return {
            "id": self.ids(number),
            "object": "tax_id",
            "country": market.country,
            "created": created,
            "customer": customer,
            "customer_account": None,
            "livemode": False,
            "owner": {"account": None, "application": None, "customer": customer, "customer_account": None,
                      "type": "customer"},
            "type": kind.id_type,
            "value": kind.id_form.format(draw % 10_000_000),
            "verification": {
                "status": "verified" if verified else "unavailable",
                "verified_address": None,
                "verified_name": people.name(number) if verified else None,
            },
        }  # fmt: skip

    def printed(self, customer: int, instant: int) -> list[Record]:
        """What is printed of a customer's tax ids on a bill."""
        found = self.at(customer, instant)
        return [] if found is None else [{"type": found["type"], "value": found["value"]}]

    def happenings(self, slot: int) -> Iterator[Happening]:
        """They come with their customers."""
        if self.story.people.comes(slot):
            yield Happening(self.numbering.created(slot), "customer.tax_id.created", self.name, slot)
