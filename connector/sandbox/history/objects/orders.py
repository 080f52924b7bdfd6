"""What a sale says beside its amount, on its payment intent and on its charge alike: where it goes, who is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector.sandbox.document.templates import Record
from connector.sandbox.history.objects.shipping import destination, phone_of

if TYPE_CHECKING:
    from connector.sandbox.history.story.people import People
    from connector.sandbox.history.story.sales import Sale

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
        "shipping": _shipping(sale, people) if sale.chosen or (goods and draw & 2) else None,
        "statement_descriptor": "SANDBOX ORDER" if sale.kind in _DEBITS else None,
        "statement_descriptor_suffix": goods[0].upper() if goods and draw & 4 else None,
        "transfer_group": f"ORDER-{sale.draw % 10_000:04}" if draw % 7 == 0 else None,
    }


def _shipping(sale: Sale, people: People) -> Record:
    carrier = _CARRIERS[sale.draw % len(_CARRIERS)]
    return {
        **destination(sale, people),
        "carrier": carrier,
        "phone": phone_of(sale, people) if sale.draw & 256 else None,
        "tracking_number": carrier and f"{sale.draw % 10**12:012}",
    }


def terms_of(sale: Sale, shipping: Record | None) -> Record:
    """The fields that only an intent has: the buyer's own number of the order, and how nobody may pay it."""
    draw = sale.draw >> 7
    details = {"customer_reference": f"PO-{draw % 9_000 + 1_000}", "order_reference": f"ORDER-{sale.draw % 10_000:04}"}
    amounts: Record = {"tip": {}}
    if shipping is not None and not sale.has_session:  # which the shop has told, sending it for nothing
        postal_code = shipping["address"]["postal_code"]
        amounts["tax"] = {"total_tax_amount": 0}
        amounts["shipping"] = {"amount": 0, "from_postal_code": "62701", "to_postal_code": postal_code}
    return {
        "amount_details": amounts,
        "excluded_payment_method_types": ["klarna", "affirm"] if draw % 11 == 0 else None,
        "payment_details": details if draw % 5 == 0 else None,
    }
