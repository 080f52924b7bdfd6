"""Events of an older API version: snapshots as they were before what came later, for readers that must notice.

At Stripe an event keeps the version that was in force when it arose. On request a share of the sandbox's events
is in `VERSION`, that of the older OpenAPI document that Stripe published. What only that version has is made from
the object itself; `LEFT_OUT` names what would need other objects.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from connector.sandbox.document.rules import Record

VERSION = "2023-08-16"

_LATER = {
    "balance_transaction": "balance_type",
    "charge": "authorization_code level3 presentment_details source",
    "checkout.session": "adaptive_pricing allowed_payment_method_types branding_settings client_secret "
    "collected_information customer_account discounts excluded_payment_method_types integration_identifier "
    "managed_payments name_collection optional_items origin_context payment_method_configuration_details "
    "permissions presentment_details redirect_on_completion return_url saved_payment_method_options ui_mode "
    "wallet_options",
    "coupon": "",
    "credit_note": "customer_account post_payment_amount pre_payment_amount pretax_credit_amounts refunds total_taxes",
    "credit_note_line_item": "metadata pretax_credit_amounts taxes",
    "customer": "business_name customer_account individual_name",
    "dispute": "enhanced_eligibility_types intended_submission_method network_reason_code",
    "invoice": "amount_overpaid amount_paid_off_stripe automatically_finalizes_at confirmation_secret "
    "customer_account issuer parent payments rendering status_details total_pretax_credit_amounts total_taxes",
    "invoiceitem": "customer_account frozen_fields invoicing_rules net_amount parent pricing proration_details "
    "quantity_decimal",
    "line_item": "invoice parent pretax_credit_amounts pricing quantity_decimal subtotal taxes",
    "payment_intent": "allowed_payment_method_types customer_account excluded_payment_method_types hooks "
    "managed_payments payment_details payment_method_configuration_details payment_record presentment_details source",
    "payment_link": "inactive_message managed_payments name_collection optional_items payment_method_options "
    "restrictions",
    "payment_method": "allow_redisplay customer_account",
    "payout": "application_fee application_fee_amount payout_method trace_id",
    "plan": "meter",
    "price": "",
    "product": "marketing_features tax_details type",
    "refund": "customer customer_account destination_details payment_method pending_reason presentment_details",
    "subscription": "billing_cycle_anchor_config billing_mode billing_schedules customer_account discounts "
    "invoice_settings managed_payments presentment_details status_details",
    "tax_rate": "flat_amount jurisdiction_level rate_type",
    "subscription_item": "billed_until current_period_end current_period_start current_trial discounts",
}
"""Fields that came after `VERSION`; objects that are not named here are always told of in the newest version."""

LEFT_OUT = (
    "charge.invoice", "invoice.charge", "invoice.discount", "invoice.payment_intent", "invoiceitem.price",
    "line_item.price", "line_item.tax_rates", "payment_intent.invoice", "promotion_code.coupon",
    "subscription.discount",
)  # fmt: skip
"""What the older version has, and these snapshots lack."""


def in_its_version(event: Record, share: float) -> Record:
    """Return the event, rewritten into the older version if it belongs to that share of all events."""
    snapshot = event["data"]["object"]
    if snapshot.get("object") not in _LATER or not _belongs(event["id"], share):
        return event
    told: Record = {"object": older(snapshot)}
    if "previous_attributes" in event["data"]:
        before = older(_merged(snapshot, event["data"]["previous_attributes"]))
        told["previous_attributes"] = changed(before, told["object"])
    return {**event, "api_version": VERSION, "data": told}


def older(value: Any) -> Any:
    """Return an object, and all that stand in it, in the shape of the older version."""
    if isinstance(value, list):
        return [older(item) for item in value]
    if not isinstance(value, dict):
        return value
    kind = str(value.get("object", ""))
    later = _LATER.get(kind, "").split()
    kept = {name: older(item) for name, item in value.items() if name not in later}
    if "automatic_tax" in kept:
        kept["automatic_tax"] = {k: v for k, v in kept["automatic_tax"].items() if k in {"enabled", "status"}}
    return {**kept, **_EARLIER[kind](value)} if kind in _EARLIER else kept


def _belongs(id: str, share: float) -> bool:  # noqa: A002 - Stripe's word for it
    return int.from_bytes(hashlib.sha256(id.encode()).digest()[:4]) < share * 2**32


def _merged(after: Record, previous: Record) -> Record:
    """Return the object as it was before, from what it is and what an event says was different."""
    inner = {
        name: _merged(after[name], old)
        for name, old in previous.items()
        if isinstance(old, dict) and isinstance(after.get(name), dict)
    }
    return {**after, **previous, **inner}


def changed(before: Record, after: Record) -> Record:
    """Return what stood there before, where it differs; nested objects in part, everything else whole."""
    found: Record = {}
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if old != new:
            found[name] = changed(old, new) if isinstance(old, dict) and isinstance(new, dict) else old
    return found


def _invoice(invoice: Record) -> Record:
    parent = invoice.get("parent") or {}
    contract, quote = parent.get("subscription_details"), parent.get("quote_details")
    rendering = invoice.get("rendering")
    taxes = invoice.get("total_taxes") or []
    return {
        "application_fee_amount": None,
        "paid": invoice["status"] == "paid",
        "paid_out_of_band": bool(invoice.get("amount_paid_off_stripe")),
        "quote": quote["quote"] if quote else None,
        "rendering_options": rendering and {"amount_tax_display": rendering.get("amount_tax_display")},
        "subscription": contract["subscription"] if contract else None,
        "subscription_details": {"metadata": contract.get("metadata")} if contract else None,
        "tax": sum(tax["amount"] for tax in taxes) if taxes else None,
        "total_tax_amounts": _taxes(taxes),
        "transfer_data": None,
    }


def _taxes(taxes: list[Record] | None) -> list[Record]:
    return [
        {
            "amount": tax["amount"],
            "inclusive": tax["tax_behavior"] == "inclusive",
            "tax_rate": (tax.get("tax_rate_details") or {}).get("tax_rate"),
            "taxability_reason": tax.get("taxability_reason"),
            "taxable_amount": tax.get("taxable_amount"),
        }
        for tax in taxes or []
    ]


def _line(line: Record) -> Record:
    parent = line.get("parent") or {}
    contract, item = parent.get("subscription_item_details"), parent.get("invoice_item_details")
    origin = contract or item or {}
    inside = sum(tax["amount"] for tax in line.get("taxes") or [] if tax["tax_behavior"] == "inclusive")
    ids = {"invoice_item": origin.get("invoice_item"), "subscription_item": origin.get("subscription_item")}
    return {
        "amount_excluding_tax": line["amount"] - inside,
        "proration": bool(origin.get("proration")),
        "proration_details": origin.get("proration_details"),
        "tax_amounts": _taxes(line.get("taxes")),
        "type": "subscription" if contract else "invoiceitem",
        **{name: found for name, found in ids.items() if found is not None},
    }


def _invoice_item(item: Record) -> Record:
    contract = (item.get("parent") or {}).get("subscription_details") or {}
    decimal = (item.get("pricing") or {}).get("unit_amount_decimal")
    return {
        "subscription": contract.get("subscription"),
        "unit_amount": int(decimal) if decimal and decimal.lstrip("-").isdecimal() else None,
        "unit_amount_decimal": decimal,
        **({"subscription_item": contract["subscription_item"]} if contract.get("subscription_item") else {}),
    }


def _subscription(subscription: Record) -> Record:
    items = subscription["items"]["data"]
    return {
        "current_period_end": min((item["current_period_end"] for item in items), default=None),
        "current_period_start": max((item["current_period_start"] for item in items), default=None),
    }


def _credit_note(note: Record) -> Record:
    refunds = note.get("refunds") or []
    return {"refund": refunds[0]["refund"] if refunds else None, "tax_amounts": _taxes(note.get("total_taxes"))}


_EARLIER: dict[str, Callable[[Record], Record]] = {
    "checkout.session": lambda session: {
        "shipping_details": (session.get("collected_information") or {}).get("shipping_details")
    },
    "credit_note": _credit_note,
    "credit_note_line_item": lambda line: {"tax_amounts": _taxes(line.get("taxes"))},
    "invoice": _invoice,
    "invoiceitem": _invoice_item,
    "line_item": _line,
    "product": lambda product: {"features": product.get("marketing_features", [])},
    "subscription": _subscription,
}
"""What only the older version has of an object."""
