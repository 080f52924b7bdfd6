"""What things cost: prices asked for by id or described inline, and what so many units come to."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from connector.sandbox.document.rules import Record
from connector.sandbox.document.templates import RECORDS
from connector.sandbox.history.story.money import rounded
from connector.sandbox.writes.engine.write import Write


def price_asked(write: Write, asked: Mapping[str, Any], param: str = "") -> Record | None:
    """Return the price that a form names (price, plan, pricing[price]) or describes (price_data), or None."""
    if "price_data" in asked:
        return _inline(write, asked["price_data"], _below(param, "price_data"))
    if "pricing" in asked:
        return asked_price(write, asked["pricing"], _below(param, "pricing"))
    return asked_price(write, asked, param)


def asked_price(write: Write, asked: Mapping[str, Any], param: str) -> Record | None:
    """Return the price called by id in a form, or None; a retired one is refused."""
    name = next((name for name in ("price", "plan") if name in asked), None)
    if name is None:
        return None
    price = write.get("price", asked[name], _below(param, name))
    if not price["active"]:
        raise write.refuse("inactive_price", _below(param, name), price=price["id"])
    return price


def amount_of(price: Record, quantity: int) -> int:
    """Return what so many units of a price come to, in the minor unit of its currency."""
    packages = price.get("transform_quantity")
    if packages:
        up = packages["round"] == "up"
        quantity = -(-quantity // packages["divide_by"]) if up else quantity // packages["divide_by"]
    if price.get("tiers"):
        return _tiered(price, quantity)
    return exact(Fraction(price["unit_amount_decimal"] or 0) * quantity, price["currency"])


def exact(amount: Fraction, currency: str) -> int:
    """Return an amount in whole minor units, halves away from zero."""
    return rounded(amount.numerator, amount.denominator, currency)


def pricing_of(price: Record) -> Record:
    """Return how lines and invoice items refer to a price."""
    details = {"price": price["id"], "product": price["product"]}
    return {"price_details": details, "type": "price_details", "unit_amount_decimal": price["unit_amount_decimal"]}


def plan_of(price: Record) -> Record:
    """Return the plan that a recurring price still is."""
    plan = {**RECORDS["plan"], "amount": price["unit_amount"]}
    plan.update({name: price[name] for name in plan.keys() & price.keys() - {"object"}})
    plan.update(
        amount_decimal=price["unit_amount_decimal"],
        interval=price["recurring"]["interval"],
        interval_count=price["recurring"]["interval_count"],
        meter=price["recurring"]["meter"],
        transform_usage=price["transform_quantity"],
        usage_type=price["recurring"]["usage_type"],
    )
    return plan


def product_name(write: Write, price: Record) -> str | None:
    """Return what the product of a price is called."""
    product = write.look("product", price["product"])
    return product["name"] if product else None


def _tiered(price: Record, quantity: int) -> int:
    cost, below = Fraction(0), 0
    for tier in price["tiers"]:
        top = tier["up_to"] if tier["up_to"] is not None else quantity
        unit, flat = Fraction(tier["unit_amount_decimal"] or 0), Fraction(tier["flat_amount_decimal"] or 0)
        if price["tiers_mode"] == "volume":
            cost = unit * quantity + flat
        elif quantity > below or below == 0:
            cost += unit * (min(top, quantity) - below) + flat
        if quantity <= top:
            break
        below = top
    return exact(cost, price["currency"])


def _inline(write: Write, described: Mapping[str, Any], param: str) -> Record:
    """Return a price for one use: lists do not show it, only what it was made for does."""
    if "product" not in described:
        raise write.refuse("not_taken", _below(param, "product_data"))
    write.get("product", described["product"], _below(param, "product"))
    if "unit_amount" not in described and "unit_amount_decimal" not in described:
        raise write.refuse("required", _below(param, "unit_amount"))
    unit = described.get("unit_amount_decimal") or str(described["unit_amount"])
    price = write.blank("price", id=write.new_id("price_"), active=False, product=described["product"])
    price.update(currency=described["currency"], unit_amount_decimal=unit, type="one_time", recurring=None)
    price["unit_amount"] = int(unit) if Fraction(unit).denominator == 1 else None
    price["tax_behavior"] = described.get("tax_behavior", "unspecified")
    if "recurring" in described:
        usual = {"interval_count": 1, "meter": None, "trial_period_days": None, "usage_type": "licensed"}
        price.update(type="recurring", recurring=usual | described["recurring"])
    return price


def _below(param: str, name: str) -> str:
    return f"{param}[{name}]" if param else name
