"""Payment methods: made, attached to a customer, changed and detached."""

from __future__ import annotations

from connector.sandbox.document import api
from connector.sandbox.document.rules import Record
from connector.sandbox.document.templates import RECORDS
from connector.sandbox.writes.actions import cards
from connector.sandbox.writes.engine.handlers import handles
from connector.sandbox.writes.engine.write import Write, apply, empty

_BRANDS = {"2": "mastercard", "3": "amex", "4": "visa", "5": "mastercard", "6": "discover"}
"""Brands by the first digit of a card's number."""


@handles("POST /v1/payment_methods")
def create(write: Write) -> Record:
    """A new payment method of nobody yet; there is no event for it."""
    form = dict(write.form)
    kind = form.get("type")
    if kind is None:
        raise write.refuse("required", "type")
    details = form.pop(kind, {})
    method = _by_token(write, details) or write.blank("payment_method", id=write.new_id("pm_"), type=kind)
    method["billing_details"] = method["billing_details"] or write.blank("billing_details")
    method.setdefault(kind, _details(write, kind, details))
    apply(method, {name: form[name] for name in ("allow_redisplay", "billing_details", "metadata") if name in form},
          "payment_method")  # fmt: skip
    write.put("payment_method", method)
    return method


@handles("POST /v1/payment_methods/{payment_method}")
def update(write: Write) -> Record:
    """What was sent changes; only methods that belong to a customer can be changed."""
    method = write.get("payment_method", write.ids["payment_method"])
    before = write.get("payment_method", method["id"])
    if method["customer"] is None:
        raise write.refuse("method_unsaved")
    apply(method, write.form, "payment_method")
    write.put("payment_method", method)
    write.emit("payment_method.updated", method, before)
    return method


@handles("POST /v1/payment_methods/{payment_method}/attach")
def attach(write: Write) -> Record:
    """The method becomes that of a customer, for good until it is detached."""
    if "customer" not in write.form:
        raise write.refuse("required", "customer")
    customer = write.get("customer", write.form["customer"], "customer")
    return attached(write, write.ids["payment_method"], customer["id"], None)


@handles("POST /v1/payment_methods/{payment_method}/detach")
def detach(write: Write) -> Record:
    """The method is nobody's again, and no customer's default."""
    method = write.get("payment_method", write.ids["payment_method"])
    before = write.get("payment_method", method["id"])
    if method["customer"] is None:
        raise write.refuse("method_not_detachable")
    customer = write.look("customer", method["customer"])
    method["customer"] = None
    write.put("payment_method", method)
    write.emit("payment_method.detached", method, before)
    if customer and customer["invoice_settings"]["default_payment_method"] == method["id"]:
        old = write.get("customer", customer["id"])
        customer["invoice_settings"]["default_payment_method"] = None
        write.put("customer", customer)
        write.emit("customer.updated", customer, old)
    return method


def attached(write: Write, name: str, customer: str, param: str | None) -> Record:
    """Give the payment method of an id or a test name such as pm_card_visa to a customer."""
    method = cards.test_method(write, name) or write.get("payment_method", name, param)
    if method["customer"] not in {None, customer}:
        raise write.refuse("method_attached", param)
    if method["customer"] is None:
        method["customer"] = customer
        write.put("payment_method", method)
        write.emit("payment_method.attached", method)
    return method


def _by_token(write: Write, details: Record) -> Record | None:
    token = details.get("token")
    method = cards.test_method(write, token) if token else None
    if token and method is None:
        raise write.refuse("missing_reference", "card[token]", kind="token", id=token)
    return method


def _details(write: Write, kind: str, asked: Record) -> Record:
    name, shape = f"payment_method.{kind}", api.schema("payment_method").fields[kind]
    details = write.blank(name) if name in RECORDS else empty(shape)
    details.update({key: value for key, value in asked.items() if key in shape.fields})
    number = str(asked.get("number") or asked.get("account_number") or asked.get("iban") or "")
    if number and "last4" in shape.fields:
        details["last4"] = number[-4:]
        details["fingerprint"] = f"Xt5E{number[-8:]}"
    if number and kind == "card":
        details["brand"] = details["display_brand"] = _BRANDS.get(number[0], "unknown")
        details["networks"]["available"] = [details["brand"]]
    return details
