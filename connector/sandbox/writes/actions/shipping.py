"""Shipping rates: created, switched off, and charged by invoices and checkout pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.sandbox.document.rules import Record
from connector.sandbox.history.objects.shipping import cost_of
from connector.sandbox.writes.actions.payments import LARGEST, check_step
from connector.sandbox.writes.engine.handlers import handles
from connector.sandbox.writes.engine.write import Write, apply


@handles("POST /v1/shipping_rates")
def create(write: Write) -> Record:
    """Create a shipping rate; Stripe has no event for it."""
    return _made(write, write.form, "fixed_amount")


@handles("POST /v1/shipping_rates/{shipping_rate_token}")
def update(write: Write) -> Record:
    """Change a shipping rate, but not what it costs in its own currency."""
    rate = write.get("shipping_rate", write.ids["shipping_rate_token"])
    apply(rate, write.form, "shipping_rate")
    _complete(rate)
    write.put("shipping_rate", rate)
    return rate


def rate_asked(write: Write, asked: Mapping[str, Any], param: str, currency: str) -> Record:
    """Return the rate that a form names, or make the one that it describes; refuse one that cannot be charged here."""
    if asked.keys() >= {"shipping_rate", "shipping_rate_data"}:
        raise write.refuse("exclusive", param, first="shipping_rate", second="shipping_rate_data")
    if "shipping_rate" in asked:
        param = f"{param}[shipping_rate]"
        rate = write.get("shipping_rate", asked["shipping_rate"], param)
    elif "shipping_rate_data" in asked:
        param = f"{param}[shipping_rate_data]"
        rate = _made(write, asked["shipping_rate_data"], f"{param}[fixed_amount]")
    else:
        raise write.refuse("required", f"{param}[shipping_rate]")
    if not rate["active"]:
        raise write.refuse("rate_inactive", param, rate=rate["id"])
    if _amount(rate, currency) is None:
        raise write.refuse("rate_currency", param, rate=rate["id"], currency=currency)
    return rate


def cost(rate: Record, currency: str) -> Record:
    """Return what an order says of its shipping, which nothing here taxes."""
    return cost_of(rate["id"], _amount(rate, currency))


def _made(write: Write, form: Mapping[str, Any], param: str) -> Record:
    if "fixed_amount" not in form:
        raise write.refuse("required", param)
    if form["fixed_amount"]["amount"] < 0:
        raise write.refuse("too_small", f"{param}[amount]", bound=0, value=form["fixed_amount"]["amount"])
    if form["fixed_amount"]["amount"] > LARGEST:
        raise write.refuse("amount_too_large", f"{param}[amount]", bound=LARGEST)
    check_step(write, form["fixed_amount"]["amount"], form["fixed_amount"]["currency"], f"{param}[amount]")
    rate = write.blank(
        "shipping_rate", id=write.new_id("shr_"), active=True, tax_behavior="unspecified", type="fixed_amount"
    )
    apply(rate, form, "shipping_rate")
    _complete(rate)
    write.put("shipping_rate", rate)
    return rate


def _complete(rate: Record) -> None:
    """Fill in what was not sent of what a rate costs in other currencies."""
    options = rate["fixed_amount"].pop("currency_options", None)
    if options:
        usual = {"tax_behavior": "unspecified"}
        rate["fixed_amount"]["currency_options"] = {name: usual | option for name, option in options.items()}


def _amount(rate: Record, currency: str) -> int | None:
    """Return what a rate costs in a currency, None where it says nothing of it."""
    fixed = rate["fixed_amount"]
    if fixed["currency"] == currency:
        return int(fixed["amount"])
    option = (fixed.get("currency_options") or {}).get(currency)
    return None if option is None else int(option["amount"])
