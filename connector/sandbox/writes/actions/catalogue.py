"""What is sold: products and prices."""

from __future__ import annotations

from typing import Any

from connector.sandbox.document.rules import Record
from connector.sandbox.writes.engine.handlers import handles
from connector.sandbox.writes.engine.write import Write, apply

_PRICED = ("custom_unit_amount", "tax_behavior", "unit_amount", "unit_amount_decimal")


@handles("POST /v1/products")
def create_product(write: Write) -> Record:
    """A new product, with its price where that is sent along."""
    product = new_product(write, write.form)
    asked = write.form.get("default_price_data")
    if asked is not None:
        product["default_price"] = new_price(write, {**asked, "product": product["id"]})["id"]
        write.put("product", product)
    return product


@handles("POST /v1/products/{id}")
def update_product(write: Write) -> Record:
    """What was sent changes; a default price must be one of the product's own."""
    product = write.get("product", write.ids["id"])
    before = write.get("product", product["id"])
    price = write.form.get("default_price")
    if price and write.get("price", price, "default_price")["product"] != product["id"]:
        raise write.refuse("price_of_another", "default_price", id=price)
    apply(product, write.form, "product")
    if product != before:
        product["updated"] = write.now
    write.put("product", product)
    write.emit("product.updated", product, before)
    return product


@handles("DELETE /v1/products/{id}")
def delete_product(write: Write) -> Record:
    """Only a product without prices can go."""
    product = write.get("product", write.ids["id"])
    if next(write.find("price", "product", product["id"]), None) is not None:
        raise write.refuse("product_has_prices")
    write.emit("product.deleted", product)
    return write.delete("product", product["id"])


@handles("POST /v1/prices")
def create_price(write: Write) -> Record:
    """A new price, of a product that there is or that is sent along."""
    form = dict(write.form)
    if "product_data" in form:
        form["product"] = new_product(write, form.pop("product_data"))["id"]
    return new_price(write, form)


@handles("POST /v1/prices/{price}")
def update_price(write: Write) -> Record:
    """What was sent changes; amounts never do."""
    price = write.get("price", write.ids["price"])
    before = write.get("price", price["id"])
    behavior = write.form.get("tax_behavior")
    if behavior and price["tax_behavior"] not in {"unspecified", behavior}:
        raise write.refuse("tax_behavior_fixed", "tax_behavior")
    _take_lookup_key(write, write.form, price["id"])
    apply(price, {name: value for name, value in write.form.items() if name != "currency_options"}, "price")
    write.put("price", price)
    write.emit("price.updated", price, before)
    return price


def new_product(write: Write, asked: Record) -> Record:
    """Leave a new product behind, as `asked` describes it."""
    if "id" in asked and write.look("product", asked["id"]) is not None:
        raise write.refuse("exists", "id", kind="Product")
    product = write.blank("product", id=asked.get("id") or write.new_id("prod_"), updated=write.now)
    form = {name: value for name, value in asked.items() if name not in {"id", "default_price_data"}}
    apply(product, form, "product")
    write.put("product", product)
    write.emit("product.created", product)
    return product


def new_price(write: Write, asked: Record) -> Record:
    """Leave a new price behind, as `asked` describes it."""
    if "product" not in asked:
        raise write.refuse("required", "product")
    write.get("product", asked["product"], "product")
    _check_price(write, asked)
    _take_lookup_key(write, asked, None)
    price = write.blank("price", id=write.new_id("price_"), type="recurring" if "recurring" in asked else "one_time")
    form = {name: value for name, value in asked.items() if name not in {"tiers", "currency_options", "recurring"}}
    apply(price, {**form, "currency": asked["currency"]}, "price")
    _set_amounts(price)
    if "recurring" in asked:
        price["recurring"] = _RECURRING | asked["recurring"]
    if "tiers" in asked:
        price["tiers"] = [_tier(tier) for tier in asked["tiers"]]
    if isinstance(price["custom_unit_amount"], dict):
        price["custom_unit_amount"].pop("enabled", None)
    options = {price["currency"]: {name: price[name] for name in _PRICED}}
    for currency, option in (asked.get("currency_options") or {}).items():
        options[currency] = dict.fromkeys(_PRICED) | {"tax_behavior": "unspecified"} | option
        _set_amounts(options[currency])
    price["currency_options"] = options
    write.put("price", price)
    write.emit("price.created", price)
    return price


_RECURRING: dict[str, Any] = {
    "interval": "month",
    "interval_count": 1,
    "meter": None,
    "trial_period_days": None,
    "usage_type": "licensed",
}


def _check_price(write: Write, asked: Record) -> None:
    how = asked.get("recurring", {})
    if how.get("usage_type") == "metered" and not how.get("meter"):
        raise write.refuse("metered_without_meter", "recurring[meter]")
    if how.get("meter"):
        write.get("billing.meter", how["meter"], "recurring[meter]")
    if asked.get("billing_scheme") == "tiered":
        for name in ("tiers", "tiers_mode"):
            if name not in asked:
                raise write.refuse("required", name)
        return
    given = [name for name in ("unit_amount", "unit_amount_decimal", "custom_unit_amount") if name in asked]
    if len(given) > 1:
        raise write.refuse("exclusive", given[1], first=given[0], second=given[1])
    if not given:
        raise write.refuse("required", "unit_amount")
    if asked.get("unit_amount", 0) < 0:
        raise write.refuse("too_small", "unit_amount", bound=0, value=asked["unit_amount"])


def _take_lookup_key(write: Write, asked: Record, own: str | None) -> None:
    """Refuse a lookup key that another price has, unless it is to be transferred."""
    key = asked.get("lookup_key")
    holders = [price for price in write.find("price", "lookup_key", key) if price["id"] != own] if key else []
    for price in holders:
        if not asked.get("transfer_lookup_key"):
            raise write.refuse("lookup_key_taken", "lookup_key", id=price["id"])
        before = write.get("price", price["id"])
        price["lookup_key"] = None
        write.put("price", price)
        write.emit("price.updated", price, before)


def _set_amounts(price: Record) -> None:
    """Give the amount in both of its forms; a fraction of a cent has only the decimal one."""
    amount, decimal = price.get("unit_amount"), price.get("unit_amount_decimal")
    if amount is not None:
        price["unit_amount_decimal"] = str(amount)
    elif decimal is not None and float(decimal).is_integer():
        price["unit_amount"] = int(float(decimal))


def _tier(asked: Record) -> Record:
    up_to = asked.get("up_to")
    tier: Record = {
        "flat_amount": asked.get("flat_amount"),
        "flat_amount_decimal": asked.get("flat_amount_decimal"),
        "unit_amount": asked.get("unit_amount"),
        "unit_amount_decimal": asked.get("unit_amount_decimal"),
        "up_to": None if up_to == "inf" else up_to,
    }
    for name in ("flat_amount", "unit_amount"):
        if tier[name] is not None:
            tier[f"{name}_decimal"] = str(tier[name])
    return tier
