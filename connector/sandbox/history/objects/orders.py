"""What a sale says beside its amount, on its payment intent and on its charge alike: where it goes, who is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector.sandbox.document.templates import Record, template

if TYPE_CHECKING:
    from connector.sandbox.history.story.people import People
    from connector.sandbox.history.story.sales import Sale

_ADDRESS = template("address")
_GOODS = ("handbook", "stickers")
_DEBITS = ("sepa_debit", "us_bank_account")
"""Only payments without a card may say on the statement what they please."""

_CARRIERS = ("DHL", None, "UPS", "La Poste")


def order_of(sale: Sale, people: People) -> Record:
    """The fields that an intent and its charge share, empty where the buyer has not said."""
    draw = sale.draw >> 5
    goods = [entry.line["product"] for entry, _ in sale.items if entry.line["product"] in _GOODS]
    return {
        "receipt_email": f"guest.{sale.draw % 100_000:05}@example.net" if draw & 1 else None,
        "shipping": _shipping(sale, people) if goods and draw & 2 else None,
        "statement_descriptor": "SANDBOX ORDER" if sale.kind in _DEBITS else None,
        "statement_descriptor_suffix": goods[0].upper() if goods and draw & 4 else None,
        "transfer_group": f"ORDER-{sale.draw % 10_000:04}" if draw % 7 == 0 else None,
    }


def _shipping(sale: Sale, people: People) -> Record:
    lives = None if sale.customer is None else people.address(sale.customer)
    carrier = _CARRIERS[sale.draw % len(_CARRIERS)]
    name = people.some_name(sale.draw >> 12) if sale.customer is None else people.name(sale.customer)
    phone = None if sale.customer is None else people.phone(sale.customer)
    return {
        "address": lives or _ADDRESS(),
        "carrier": carrier,
        "name": name or "Reception",
        "phone": phone,
        "tracking_number": carrier and f"{sale.draw % 10**12:012}",
    }


def terms_of(sale: Sale) -> Record:
    """The fields that only an intent has: the buyer's own number of the order, and how nobody may pay it."""
    draw = sale.draw >> 7
    details = {"customer_reference": f"PO-{draw % 9_000 + 1_000}", "order_reference": f"ORDER-{sale.draw % 10_000:04}"}
    return {
        "excluded_payment_method_types": ["klarna", "affirm"] if draw % 11 == 0 else None,
        "payment_details": details if draw % 5 == 0 else None,
    }
