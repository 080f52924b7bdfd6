"""Shipping: what it costs to send goods, and where they go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector.sandbox.document.templates import Record
from connector.sandbox.history.objects.catalogue import CatalogueKind
from connector.sandbox.history.story.catalogue import Entry, amount_of

if TYPE_CHECKING:
    from connector.sandbox.history.objects.company import Company
    from connector.sandbox.history.story.people import People
    from connector.sandbox.history.story.sales import Sale


class ShippingRates(CatalogueKind):
    """Shipping rates; one is archived."""

    name = "shipping_rate"

    def __init__(self, company: Company) -> None:
        super().__init__(company, company.story.catalogue.shipping_rates)
        self.ids = self.identities.shipping_rate

    def of(self, entry: Entry, instant: int) -> Record:
        """The shipping rate as it was at an instant."""
        line = entry.line
        return {
            "id": self.id_of(entry),
            "object": "shipping_rate",
            "active": not entry.was_changed(instant),
            "created": entry.created,
            "delivery_estimate": _estimate(*line["business_days"]) if "business_days" in line else None,
            "display_name": line["name"],
            "fixed_amount": {"amount": line["unit_amount"], "currency": line["currency"]},
            "livemode": False,
            "metadata": dict(line.get("metadata", {})),
            "tax_behavior": line.get("tax_behavior", "unspecified"),
            "tax_code": line.get("tax_code"),
            "type": "fixed_amount",
        }

    def options(self, rates: tuple[Entry, ...]) -> list[Record]:
        """What a page offers."""
        return [{"shipping_amount": amount_of(rate, 1), "shipping_rate": self.id_of(rate)} for rate in rates]

    def cost(self, rate: Entry | None) -> Record | None:
        """What an order says of its shipping."""
        return None if rate is None else cost_of(self.id_of(rate), amount_of(rate, 1))


def cost_of(rate_id: str, amount: int | None) -> Record:
    """What an order says of its shipping, which nothing here taxes."""
    return {"amount_subtotal": amount, "amount_tax": 0, "amount_total": amount, "shipping_rate": rate_id}


def destination(sale: Sale, people: People) -> Record:
    """Where an order goes, and to whom."""
    lives = None if sale.customer is None else people.address(sale.customer)
    name = people.some_name(sale.draw >> 12) if sale.customer is None else people.name(sale.customer)
    return {"address": lives or people.somewhere(sale.currency, sale.draw >> 12), "name": name or "Reception"}


def phone_of(sale: Sale, people: People) -> str:
    """The number that the buyer left for the carrier."""
    own = None if sale.customer is None else people.phone(sale.customer)
    return own or people.some_phone(sale.currency, sale.draw >> 12)


def _estimate(least: int, most: int) -> Record:
    return {
        "maximum": {"unit": "business_day", "value": most},
        "minimum": {"unit": "business_day", "value": least},
    }
