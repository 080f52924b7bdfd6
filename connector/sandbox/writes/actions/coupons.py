"""Coupons, the promotion codes that customers type in, and the end of a discount."""

from __future__ import annotations

from collections.abc import Iterator

from connector.sandbox.document.rules import Record
from connector.sandbox.writes.actions.bills import drop_discounts
from connector.sandbox.writes.engine.handlers import handles, holds
from connector.sandbox.writes.engine.schedule import Due, due
from connector.sandbox.writes.engine.write import Write, apply

holds("promotion_code")

_WHOLE_PERCENT = 100


@handles("POST /v1/coupons")
def create(write: Write) -> Record:
    """A new coupon: a share or an amount off."""
    form = {"duration": "once", **write.form}
    _check(write, form)
    ident = form.pop("id", None) or write.new_id("")[:8]
    if write.look("coupon", ident) is not None:
        raise write.refuse("exists", "id", kind="Coupon")
    coupon = write.blank("coupon", id=ident)
    apply(coupon, form, "coupon")
    write.put("coupon", coupon)
    write.emit("coupon.created", coupon)
    return coupon


@handles("POST /v1/coupons/{coupon}")
def update(write: Write) -> Record:
    """Name, metadata and further currencies change, what it is worth never does."""
    coupon = write.get("coupon", write.ids["coupon"])
    before = write.get("coupon", coupon["id"])
    if "currency_options" in write.form and coupon["amount_off"] is None:
        raise write.refuse("needs_amount_off", "currency_options")
    apply(coupon, write.form, "coupon")
    write.put("coupon", coupon)
    write.emit("coupon.updated", coupon, before)
    return coupon


@handles("DELETE /v1/coupons/{coupon}")
def delete(write: Write) -> Record:
    """It can be given no more; who has its discount keeps it."""
    write.emit("coupon.deleted", write.get("coupon", write.ids["coupon"]))
    return write.delete("coupon", write.ids["coupon"])


@handles("POST /v1/promotion_codes")
def create_code(write: Write) -> Record:
    """A new code for a coupon; only one active code may have the same letters."""
    promotion = write.form["promotion"]
    if "coupon" not in promotion:
        raise write.refuse("required", "promotion[coupon]")
    write.get("coupon", promotion["coupon"], "promotion[coupon]")
    if "customer" in write.form:
        write.get("customer", write.form["customer"], "customer")
    code = write.form.get("code") or write.new_id("")[:8].upper()
    _check_free(write, code)
    made = write.blank(
        "promotion_code", id=write.new_id("promo_"), active=True, metadata={}, restrictions=dict(_UNRESTRICTED)
    )
    apply(made, {**write.form, "code": code}, "promotion_code")
    write.put("promotion_code", made)
    write.emit("promotion_code.created", made)
    return made


@handles("POST /v1/promotion_codes/{promotion_code}")
def update_code(write: Write) -> Record:
    """It can be switched off and on, and its metadata changed."""
    made = write.get("promotion_code", write.ids["promotion_code"])
    before = write.get("promotion_code", made["id"])
    if write.form.get("active") and not made["active"]:
        _check_free(write, made["code"])
    apply(made, write.form, "promotion_code")
    write.put("promotion_code", made)
    write.emit("promotion_code.updated", made, before)
    return made


@handles("DELETE /v1/subscriptions/{subscription_exposed_id}/discount")
def end_discount(write: Write) -> Record:
    """Take the discounts off a subscription; the answer shows the first of them."""
    subscription = write.get("subscription", write.ids["subscription_exposed_id"])
    before = write.get("subscription", subscription["id"])
    write.at(subscription["test_clock"])
    given = [write.look("discount", name) for name in subscription["discounts"]]
    if not given:
        raise write.refuse("no_discount", kind="subscription", id=subscription["id"])
    held = [discount for discount in given if discount is not None]
    subscription["discounts"] = []
    write.put("subscription", subscription)
    drop_discounts(write, [discount["id"] for discount in held])
    write.emit("customer.subscription.updated", subscription, before)
    return {**held[0], "deleted": True}


@handles("DELETE /v1/customers/{customer}/discount")
def end_customer_discount(write: Write) -> Record:
    """Refuse: discounts go on subscriptions and invoices, so that no customer has one."""
    customer = write.get("customer", write.ids["customer"])
    raise write.refuse("no_discount", kind="customer", id=customer["id"])


_UNRESTRICTED = {"first_time_transaction": False, "minimum_amount": None, "minimum_amount_currency": None}


def _check(write: Write, form: Record) -> None:
    if ("percent_off" in form) == ("amount_off" in form):
        name = "exclusive" if "percent_off" in form else "required"
        raise write.refuse(name, "percent_off", first="percent_off", second="amount_off")
    if "amount_off" in form and "currency" not in form:
        raise write.refuse("required", "currency")
    if "currency_options" in form and "amount_off" not in form:
        raise write.refuse("needs_amount_off", "currency_options")
    for place, product in enumerate(form.get("applies_to", {}).get("products", [])):
        write.get("product", product, f"applies_to[products][{place}]")
    if form["duration"] == "repeating" and "duration_in_months" not in form:
        raise write.refuse("required", "duration_in_months")
    if not 0 < form.get("percent_off", 1) <= _WHOLE_PERCENT:
        name, bound = ("too_large", _WHOLE_PERCENT) if form["percent_off"] > 0 else ("too_small", 0)
        raise write.refuse(name, "percent_off", bound=bound, value=form["percent_off"])


def _check_free(write: Write, code: str) -> None:
    for other in write.find("promotion_code", "code", code):
        if other["active"]:
            raise write.refuse("code_taken", code=code)


@due("coupon")
def _coupon(coupon: Record) -> Iterator[Due]:
    """Say when a coupon cannot be redeemed any more, of which no event tells [known]."""
    if coupon["valid"] and coupon["redeem_by"]:
        yield coupon["redeem_by"], _invalidate


def _invalidate(write: Write, coupon: Record) -> None:
    write.put("coupon", {**coupon, "valid": False})


@due("promotion_code")
def _promotion_code(code: Record) -> Iterator[Due]:
    """Say when a code is no longer active, of which no event tells [known]."""
    if code["active"] and code["expires_at"]:
        yield code["expires_at"], _switch_off


def _switch_off(write: Write, code: Record) -> None:
    write.put("promotion_code", {**code, "active": False})
