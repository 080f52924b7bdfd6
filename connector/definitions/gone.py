"""Fields that Stripe's objects had in former API versions, and where what they said stands today."""

from __future__ import annotations

_PAYMENTS = "invoice_payments has the payments of an invoice: its columns payment_charge and payment_payment_intent"
_LINE_PRICE = "pricing_price_details_price; the price itself is in the table prices"
_PERIOD = "subscription_items, each item has its own"
GONE: dict[str, dict[str, str]] = {
    "invoices": {
        "quote": "parent_quote_details_quote",
        "payment_intent": _PAYMENTS,
        "charge": _PAYMENTS,
        "paid": "status = paid",
        "paid_out_of_band": "status and invoice_payments",
        "tax": "total_taxes",
        "total_tax_amounts": "total_taxes",
        "discount": "discounts",
        "rendering_options": "rendering_…",
    },
    "charges": {"invoice": f"{_PAYMENTS}; join it by the payment intent"},
    "payment_intents": {"invoice": _PAYMENTS},
    "invoice_lines": {
        "price": _LINE_PRICE,
        "proration": "parent_invoice_item_details_proration, parent_subscription_item_details_proration",
        "subscription_item": "parent_subscription_item_details_subscription_item",
        "invoice_item": "parent_invoice_item_details_invoice_item",
        "tax_amounts": "taxes",
        "tax_rates": "taxes",
    },
    "invoice_items": {
        "price": _LINE_PRICE,
        "unit_amount": "pricing_unit_amount_decimal",
        "subscription": "parent_subscription_details_subscription",
        "subscription_item": "parent_subscription_details_subscription_item",
    },
    "subscriptions": {
        "current_period_start": _PERIOD,
        "current_period_end": _PERIOD,
        "discount": "discounts",
    },
    "promotion_codes": {"coupon": "promotion_coupon"},
    "credit_notes": {"refund": "refunds", "tax_amounts": "total_taxes"},
    "checkout_sessions": {"shipping_details": "collected_information_shipping_details_…"},
}


def moved_to(table: str, field: str) -> str:
    """Return where a field of former versions went, as a sentence to append to an error; "" where nobody knows it."""
    place = GONE.get(table, {}).get(field.lower().replace(".", "_"))
    return f" Stripe has it no more; today: {place}." if place else ""
