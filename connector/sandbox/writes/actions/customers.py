"""Customers, their tax ids and their balance."""

from __future__ import annotations

import re

from connector.sandbox.document.rules import Record
from connector.sandbox.writes.actions.invoice_states import move_balance
from connector.sandbox.writes.actions.methods import attached
from connector.sandbox.writes.engine.handlers import handles, holds
from connector.sandbox.writes.engine.write import Write, apply

holds("tax_id")

_ANY_TAX_ID = re.compile(r"[A-Za-z0-9/]{3,30}")
_TAX_IDS = {
    "eu_vat": re.compile(r"[A-Z]{2}[A-Z0-9]{8,12}"),
    "gb_vat": re.compile(r"GB([0-9]{9}|[0-9]{12})"),
    "us_ein": re.compile(r"[0-9]{9}"),
    "ch_vat": re.compile(r"CHE[0-9]{9}(MWST|TVA|IVA)"),
    "au_abn": re.compile(r"[0-9]{11}"),
    "jp_cn": re.compile(r"[0-9]{13}"),
    "no_vat": re.compile(r"[0-9]{9}(MVA)?"),
}
"""What tax ids look like [known]; those of other types have letters and digits."""

_ASIDE = frozenset({"cash_balance", "source", "tax", "validate"})
"""Parameters that leave nothing in the object, or nothing that the sandbox holds."""


@handles("POST /v1/customers")
def create(write: Write) -> Record:
    """A new customer; on a test clock, in its time."""
    write.at(write.form.get("test_clock"))
    customer = write.blank("customer", id=write.new_id("cus_"))
    customer["invoice_prefix"] = write.new_id("")[:8].upper()
    attaching = write.form.get("payment_method")
    method = attached(write, attaching, customer["id"], "payment_method")["id"] if attaching else None
    settings = write.form.get("invoice_settings") or {}
    if method and settings.get("default_payment_method") == attaching:
        settings["default_payment_method"] = method  # a test name, such as pm_card_visa, is the same card in one call
    credit = write.form.get("balance", 0)
    _fill(write, customer)
    customer["balance"] = 0
    for place, asked in enumerate(write.form.get("tax_id_data", [])):
        _new_tax_id(write, asked, customer["id"], f"tax_id_data[{place}][value]")
    write.put("customer", customer)
    write.emit("customer.created", customer)
    return _set_balance(write, customer, credit, "initial")


@handles("POST /v1/customers/{customer}")
def update(write: Write) -> Record:
    """What was sent changes, the rest stays."""
    customer = write.get("customer", write.ids["customer"])
    before = write.get("customer", customer["id"])
    write.at(customer["test_clock"])
    _fill(write, customer)
    wanted, customer["balance"] = customer["balance"], before["balance"]
    write.put("customer", customer)
    write.emit("customer.updated", customer, before)
    return _set_balance(write, customer, wanted, "adjustment")


@handles("DELETE /v1/customers/{customer}")
def delete(write: Write) -> Record:
    """Subscriptions end at once; what remains is a stub."""
    customer = write.get("customer", write.ids["customer"])
    write.at(customer["test_clock"])
    for subscription in list(write.find("subscription", "customer", customer["id"])):
        if subscription["status"] not in {"canceled", "incomplete_expired"}:
            subscription.update(status="canceled", canceled_at=write.now, ended_at=write.now)
            write.put("subscription", subscription)
            write.emit("customer.subscription.deleted", subscription)
    write.emit("customer.deleted", customer)
    return write.delete("customer", customer["id"])


@handles("POST /v1/customers/{customer}/tax_ids")
def create_tax_id(write: Write) -> Record:
    """A new tax id of the customer in the path."""
    customer = write.get("customer", write.ids["customer"])
    return _new_tax_id(write, write.form, customer["id"])


@handles("DELETE /v1/customers/{customer}/tax_ids/{id}")
def delete_tax_id(write: Write) -> Record:
    """The tax id goes; the customer in the path must be its owner."""
    write.get("customer", write.ids["customer"])
    tax_id = write.get("tax_id", write.ids["id"])
    if tax_id["customer"] != write.ids["customer"]:
        raise write.refuse("missing", "id", kind="tax_id", id=tax_id["id"])
    write.emit("customer.tax_id.deleted", tax_id)
    return write.delete("tax_id", tax_id["id"])


@handles("POST /v1/customers/{customer}/balance_transactions")
def move(write: Write) -> Record:
    """Give the customer credit (a negative amount) or a debt; the next invoice takes it into account."""
    customer = write.get("customer", write.ids["customer"])
    write.at(customer["test_clock"])
    currency = write.form["currency"]
    if customer["currency"] not in (None, currency):
        raise write.refuse("not_held", "currency", what="balances in a second currency")
    if customer["currency"] is None:
        write.put("customer", {**customer, "currency": currency})
    moved = move_balance(write, customer["id"], write.form["amount"], type="adjustment")
    return _described(write, moved)


@handles("POST /v1/customers/{customer}/balance_transactions/{transaction}")
def describe_move(write: Write) -> Record:
    """Its description and metadata change, its amount never does."""
    write.get("customer", write.ids["customer"])
    moved = write.get("customer_balance_transaction", write.ids["transaction"])
    if moved["customer"] != write.ids["customer"]:
        raise write.refuse("missing", "transaction", kind="customer_balance_transaction", id=moved["id"])
    return _described(write, moved)


def _set_balance(write: Write, customer: Record, wanted: int, word: str) -> Record:
    """Let a customer's balance be so much, by a transaction over the difference; return the customer."""
    if wanted != customer["balance"]:
        move_balance(write, customer["id"], wanted - customer["balance"], type=word)
    return write.get("customer", customer["id"])


def _described(write: Write, moved: Record) -> Record:
    told = {name: value for name, value in write.form.items() if name in {"description", "metadata"}}
    apply(moved, told, "customer_balance_transaction")
    write.put("customer_balance_transaction", moved)
    return moved


def _fill(write: Write, customer: Record) -> None:
    form = {name: value for name, value in write.form.items() if name not in _ASIDE}
    if "source" in write.form:
        raise write.refuse("not_held", "source", what="sources of customers")
    if form.get("email") and not re.fullmatch(r"[^@\s]+@[^@\s]+", form["email"]):
        raise write.refuse("bad_email", "email", email=form["email"])
    if form.get("tax_exempt") == "":
        form["tax_exempt"] = "none"
    method = (form.get("invoice_settings") or {}).get("default_payment_method")
    param = "invoice_settings[default_payment_method]"
    if method and write.get("payment_method", method, param)["customer"] != customer["id"]:
        raise write.refuse("method_not_attached", param, id=method)
    apply(customer, form, "customer")


def _new_tax_id(write: Write, asked: Record, customer: str, param: str = "value") -> Record:
    if not _TAX_IDS.get(asked["type"], _ANY_TAX_ID).fullmatch(re.sub(r"[ .-]", "", asked["value"])):
        raise write.refuse("bad_tax_id", param, type=asked["type"])
    country = asked["type"].partition("_")[0].upper()
    tax_id = write.blank(
        "tax_id",
        id=write.new_id("txi_"),
        type=asked["type"],
        value=asked["value"],
        customer=customer,
        country=None if country == "EU" else country,
        owner={"type": "customer", "customer": customer},
        verification={"status": "pending", "verified_address": None, "verified_name": None},
    )
    write.put("tax_id", tax_id)
    write.emit("customer.tax_id.created", tax_id)
    return tax_id
