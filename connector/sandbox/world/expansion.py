"""What an answer shows of an object: embedded lists cut at ten, fields that come only on request, expansions."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from connector.sandbox.document import api
from connector.sandbox.document.api import Operation, Shape
from connector.sandbox.document.refusals import refusal
from connector.sandbox.document.rules import Record
from connector.sandbox.world.store import Store, Stretch

EMBEDDED_MOST = 10
DEEPEST = 4

ON_REQUEST: dict[str, tuple[str, ...]] = {
    "charge": ("refunds",),
    "checkout.session": ("line_items",),
    "coupon": ("applies_to", "currency_options"),
    "customer": ("cash_balance", "discount", "sources", "subscriptions", "tax", "tax_ids"),
    "invoice": ("confirmation_secret", "payments"),
    "item": ("discounts", "taxes"),
    "payment_link": ("line_items",),
    "price": ("currency_options", "tiers"),
}
"""Fields that are absent unless expanded [docs]; the OpenAPI document does not say which."""

INSIDE_ON_REQUEST = {
    "checkout.session": ("total_details", "breakdown"),
    "shipping_rate": ("fixed_amount", "currency_options"),
}
"""Fields of the kind that stand one step below the object [known]."""

GATHERED = {
    ("charge", "refunds"): ("refund", "charge"),
    ("invoice", "payments"): ("invoice_payment", "invoice"),
    ("customer", "subscriptions"): ("subscription", "customer"),
    ("customer", "tax_ids"): ("tax_id", "customer"),
}
"""Lists on request that are made of objects with a list of their own: the kind, and its field for the parent."""

_EMBEDDING = frozenset({"checkout.session", "item", "payment_link", "subscription", "subscription_item"})
"""Kinds in which objects stand whole that have such fields: prices, and items with a price."""

Tree = dict[str, "Tree"]


def tree_of(paths: list[str], operation: Operation) -> Tree:
    """Return the dotted paths of `expand[]` as a tree; Refusal for one that cannot be expanded."""
    tree: Tree = {}
    for path in paths:
        names = path.split(".")
        if len(names) > DEEPEST:
            raise refusal("too_deep", "expand")
        _check(names, operation)
        branch = tree
        for name in names:
            branch = branch.setdefault(name, {})
    return tree


def _check(names: list[str], operation: Operation) -> None:
    shape = operation.returns
    if operation.searches and names == ["total_count"]:
        return
    for place, name in enumerate(names):
        below = shape.child(name) if shape else None
        last = place == len(names) - 1
        asked_inside = tuple(names[-2:]) in INSIDE_ON_REQUEST.values()
        if shape is None or below is None or (last and not asked_inside and not _can_expand(shape, name, below)):
            raise refusal("not_expandable", "expand", name=name, hint=_hint(names, operation))
        shape = below


def _can_expand(above: Shape, name: str, shape: Shape) -> bool:
    inner, parents = shape.items or shape, (above.items or above).resources
    return bool(inner.resources) or shape.is_list or any(name in ON_REQUEST.get(kind, ()) for kind in parents)


def _hint(names: list[str], operation: Operation) -> str:
    listing = operation.lists or operation.searches
    if listing and names[0] != "data":
        return f" You may want to try expanding 'data.{'.'.join(names)}' instead."
    return ""


def show(record: Record, kind: str, tree: Tree, store: Store) -> Record:
    """Turn a fresh whole `record` into what an answer shows of it; changes and returns it."""
    if kind in INSIDE_ON_REQUEST:
        _below_on_request(record, kind, tree)
    _on_request(record, kind, tree, store)
    if kind in _EMBEDDING:
        for name, value in record.items():
            _inside(value, tree.get(name, {}), store)
    for path in _lists_in(kind):
        _cut(record, path)
    if kind == "event":
        snapshot(record["data"]["object"])
    shape = api.schema(kind)
    for name, below in tree.items():
        found = shape.child(name)
        if found is not None and record.get(name) is not None:
            record[name] = _expanded(record[name], found, below, store)
    return record


def stub(kind: str, id: str) -> Record:  # noqa: A002 - Stripe's word for it
    """Return what is left of a deleted object where one is still shown."""
    return {"id": id, "object": kind, "deleted": True}


def _on_request(record: Record, kind: str, tree: Tree, store: Store) -> None:
    for name in ON_REQUEST.get(kind, ()):
        if name not in tree:
            record.pop(name, None)
        elif (kind, name) in GATHERED:
            record[name] = _gathered(record["id"], kind, name, store)
        elif record.get(name) is None and (kind, name) in _MADE:
            record[name] = _MADE[kind, name](record, store)


def _below_on_request(record: Record, kind: str, tree: Tree) -> None:
    """Leave out, or fill in, what comes only on request one step below the object."""
    outer, inner = INSIDE_ON_REQUEST[kind]
    below = record.get(outer) or {}
    held = below.pop(inner, None)
    if inner in tree.get(outer, {}):
        below[inner] = _MADE_BELOW[kind](record, held)


def _inside(value: Any, tree: Tree, store: Store) -> None:
    """Leave out, or fill in, what comes only on request of objects that stand whole in others."""
    if isinstance(value, list):
        for item in value:
            _inside(item, tree, store)
    elif isinstance(value, dict):
        if value.get("object") in ON_REQUEST:
            _on_request(value, value["object"], tree, store)
        for name, below in value.items():
            if isinstance(below, dict | list):
                _inside(below, tree.get(name, {}), store)


def _no_sources(customer: Record, _store: Store) -> Record:
    return {"object": "list", "data": [], "has_more": False, "url": f"/v1/customers/{customer['id']}/sources"}


def _cash_balance(customer: Record, _store: Store) -> Record:
    return {
        "object": "cash_balance",
        "available": None,
        "customer": customer["id"],
        "customer_account": None,
        "livemode": customer["livemode"],
        "settings": {"reconciliation_mode": "automatic", "using_merchant_default": True},
    }


def _tax(customer: Record, _store: Store) -> Record:
    """Return where a customer is taxed: where they live, if they said so."""
    address = customer["address"] or {}
    country = address.get("country")
    location = {"country": country, "source": "billing_address", "state": address.get("state")} if country else None
    automatic = "not_collecting" if country else "unrecognized_location"
    return {"automatic_tax": automatic, "ip_address": None, "location": location, "provider": "stripe"}


def _confirmation_secret(invoice: Record, store: Store) -> Record | None:
    """Return what a browser needs to pay an open invoice."""
    payments = _gathered(invoice["id"], "invoice", "payments", store)["data"]
    intent = next((each["payment"]["payment_intent"] for each in payments if each["status"] == "open"), None)
    found = store.get("payment_intent", intent) if intent else None
    return {"client_secret": found["client_secret"], "type": "payment_intent"} if found else None


def _currency_options(price: Record, _store: Store) -> Record:
    names = ("custom_unit_amount", "tax_behavior", "unit_amount", "unit_amount_decimal")
    return {price["currency"]: {name: price[name] for name in names}}


def _options_of_rate(rate: Record, held: Record | None) -> Record:
    """Return what a shipping rate costs in each currency, its own included."""
    fixed = rate["fixed_amount"]
    return {fixed["currency"]: {"amount": fixed["amount"], "tax_behavior": rate["tax_behavior"]}, **(held or {})}


def _breakdown(session: Record, _held: Record | None) -> Record:
    """Return what was taken off a session and added to it, by discount and by rate."""
    discounts: dict[str, Record] = {}
    taxes: dict[str, Record] = {}
    for line in session.get("line_items", {"data": ()})["data"]:
        for off in line.get("discounts") or ():
            _add(discounts, off["discount"]["id"], off)
        for tax in line.get("taxes") or ():
            _add(taxes, tax["rate"]["id"], tax)
    return {"discounts": list(discounts.values()), "taxes": list(taxes.values())}


def _add(sums: dict[str, Record], name: str, part: Record) -> None:
    before = sums.get(name, {})
    sums[name] = {**part, **{key: before.get(key, 0) + part[key] for key in _AMOUNTS & part.keys()}}


_AMOUNTS = frozenset({"amount", "taxable_amount"})
_MADE_BELOW: dict[str, Callable[[Record, Record | None], Record]] = {
    "checkout.session": _breakdown,
    "shipping_rate": _options_of_rate,
}

_MADE: dict[tuple[str, str], Callable[[Record, Store], Any]] = {
    ("customer", "cash_balance"): _cash_balance,
    ("customer", "sources"): _no_sources,
    ("customer", "tax"): _tax,
    ("invoice", "confirmation_secret"): _confirmation_secret,
    ("item", "discounts"): lambda _item, _store: [],
    ("item", "taxes"): lambda _item, _store: [],
    ("price", "currency_options"): _currency_options,
}
"""What is worked out for an answer that asks for it; what is not here and not held stays away, as at Stripe."""


def _gathered(id: str, kind: str, name: str, store: Store) -> Record:  # noqa: A002 - Stripe's word for it
    child, field = GATHERED[kind, name]
    found = store.records(child, Stretch(near=(field, id)))
    whole = child == "invoice_payment"  # the others are left out where they are canceled
    data = [item for item in found if item[field] == id and (whole or item.get("status") != "canceled")]
    return {"object": "list", "data": data, "has_more": False, "url": f"/v1/{kind}s/{id}/{name}"}


@cache
def _lists_in(kind: str) -> tuple[tuple[str, ...], ...]:
    """Return the paths of the lists embedded in objects of this kind."""

    def below(shape: Shape, path: tuple[str, ...]) -> list[tuple[str, ...]]:
        if shape.is_list:
            return [path]
        return [found for name, field in shape.fields.items() for found in below(field, (*path, name))]

    return tuple(found for name, field in api.schema(kind).fields.items() for found in below(field, (name,)))


def _cut(record: Record, path: tuple[str, ...]) -> None:
    place: Any = record
    for name in path:
        place = place.get(name) if isinstance(place, dict) else None
    if isinstance(place, dict) and len(place["data"]) > EMBEDDED_MOST:
        del place["data"][EMBEDDED_MOST:]
        place["has_more"] = True


def snapshot(record: Record) -> None:
    """Cut `record` to what an event shows of it; changes it."""
    kind = record.get("object", "")
    if kind in api.schemas():
        for name in ON_REQUEST.get(kind, ()):
            record.pop(name, None)
        for path in _lists_in(kind):
            _cut(record, path)


def _expanded(value: Any, shape: Shape, tree: Tree, store: Store) -> Any:
    if value is None:
        return None
    if isinstance(value, list):
        inner = shape.items or shape
        return [_expanded(item, inner, tree, store) for item in value]
    if isinstance(value, str):
        return _loaded(value, shape, tree, store) if shape.resources else value
    for name, below in tree.items():
        found = shape.child(name)
        if found is not None and value.get(name) is not None:
            value[name] = _expanded(value[name], found, below, store)
    return value


def _loaded(id: str, shape: Shape, tree: Tree, store: Store) -> Any:  # noqa: A002
    if "bank_account" in shape.resources:
        return next((bank for bank in store.business.bank_accounts() if bank["id"] == id), id)
    for kind in (kind for kind in shape.resources if kind in store.kinds):
        record = store.get(kind, id)
        if record is not None:
            return show(record, kind, tree, store)
        if store.was_deleted(kind, id):
            return stub(kind, id)
    return id
