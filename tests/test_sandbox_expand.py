"""What an answer shows of an object: expansions, and fields that come only on request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from connector.sandbox import Sandbox
from connector.sandbox.document import api
from tests.serving import NOW, a_sandbox, its_client

Record = dict[str, Any]


sandbox = pytest.fixture(scope="module")(a_sandbox)
client = pytest.fixture(scope="module")(its_client)


def _first(sandbox: Sandbox, kind: str, passes: Callable[[Record], Any] = bool) -> Record:
    return next(record for record in sandbox.truth(kind) if passes(record))


def _get(client: httpx.Client, path: str, *expand: str) -> Record:
    answer = client.get(path, params={"expand[]": list(expand)})
    assert answer.status_code == 200, answer.text
    shown: Record = answer.json()
    return shown


def test_an_id_becomes_the_object_and_ids_inside_it_too(sandbox: Sandbox, client: httpx.Client) -> None:
    charge = _first(sandbox, "charge", lambda record: record["customer"] and record["balance_transaction"])
    path = f"/v1/charges/{charge['id']}"
    assert _get(client, path)["customer"] == charge["customer"]
    shown = _get(client, path, "customer", "balance_transaction.source", "payment_intent.customer")
    assert shown["customer"] == _get(client, f"/v1/customers/{charge['customer']}")
    assert shown["balance_transaction"]["source"]["id"] == charge["id"]
    assert shown["payment_intent"]["customer"]["object"] == "customer"
    assert api.problems(shown, "charge") == []


def test_what_was_taken_off_and_added_is_broken_down_on_request(sandbox: Sandbox, client: httpx.Client) -> None:
    def passes(record: Record) -> bool:
        return all(record["total_details"][f"amount_{name}"] for name in ("discount", "tax"))

    session = _first(sandbox, "checkout.session", passes)
    path = f"/v1/checkout/sessions/{session['id']}"
    assert "breakdown" not in _get(client, path)["total_details"]
    totals = _get(client, path, "total_details.breakdown")["total_details"]
    assert api.problems(totals["breakdown"]["discounts"][0]["discount"], "discount") == []
    for name, parts in (("discount", "discounts"), ("tax", "taxes")):
        assert sum(part["amount"] for part in totals["breakdown"][parts]) == totals[f"amount_{name}"]


def test_a_shipping_rate_says_on_request_what_it_costs_in_each_currency(client: httpx.Client) -> None:
    fixed = client.get("/v1/shipping_rates?limit=1&expand[]=data.fixed_amount.currency_options").json()["data"][0]
    amounts = fixed["fixed_amount"]
    assert amounts["currency_options"][amounts["currency"]]["amount"] == amounts["amount"]
    assert api.problems(fixed, "shipping_rate") == []


def test_a_payout_shows_the_bank_account_that_it_goes_to(client: httpx.Client) -> None:
    payout = client.get("/v1/payouts?limit=1&expand[]=data.destination").json()["data"][0]
    bank = payout["destination"]
    assert (bank["object"], bank["currency"]) == ("bank_account", payout["currency"])


def test_lists_expand_under_data(sandbox: Sandbox, client: httpx.Client) -> None:
    shown = client.get("/v1/subscriptions?limit=5&expand[]=data.latest_invoice&expand[]=data.items.data.price").json()
    assert {record["latest_invoice"]["object"] for record in shown["data"]} == {"invoice"}
    product = _first(sandbox, "price")["product"]
    lines = client.get("/v1/prices", params={"product": product, "expand[0]": "data.product"}).json()["data"]
    assert {price["product"]["id"] for price in lines} == {product}


def test_an_expansion_inside_an_embedded_list(sandbox: Sandbox, client: httpx.Client) -> None:
    subscription = _first(sandbox, "subscription")
    shown = _get(client, f"/v1/subscriptions/{subscription['id']}", "items.data.price.product")
    assert {item["price"]["product"]["object"] for item in shown["items"]["data"]} == {"product"}


def test_a_deleted_object_expands_to_a_stub() -> None:
    with Sandbox(now=NOW, rps=0) as sandbox, httpx.Client(base_url=sandbox.url, auth=(sandbox.key, "")) as client:
        invoice = _first(sandbox, "invoice")
        sandbox.delete("customer", invoice["customer"])
        shown = _get(client, f"/v1/invoices/{invoice['id']}", "customer")
        assert shown["customer"] == {"id": invoice["customer"], "object": "customer", "deleted": True}


def test_an_expanded_object_shows_its_own_lists_cut(sandbox: Sandbox) -> None:
    long = {record["id"] for record in sandbox.truth("invoice") if len(record["lines"]["data"]) > 10}
    note = _first(sandbox, "credit_note")
    with Sandbox(now=NOW, rps=0) as other:
        other.put("credit_note", {**note, "invoice": next(iter(long))})
        shown = httpx.get(
            f"{other.url}/v1/credit_notes/{note['id']}", params={"expand[]": "invoice"}, auth=(other.key, "")
        ).json()
    assert (len(shown["invoice"]["lines"]["data"]), shown["invoice"]["lines"]["has_more"]) == (10, True)


@pytest.mark.parametrize(
    ("kind", "path", "name"),
    [
        ("charge", "charges", "refunds"),
        ("customer", "customers", "subscriptions"),
        ("payment_link", "payment_links", "line_items"),
        ("checkout.session", "checkout/sessions", "line_items"),
    ],
)
def test_some_fields_come_only_on_request(
    sandbox: Sandbox, client: httpx.Client, kind: str, path: str, name: str
) -> None:
    record = _first(sandbox, kind)
    address = f"/v1/{path}/{record['id']}"
    assert name not in _get(client, address)
    assert name not in client.get(f"/v1/{path}?limit=1").json()["data"][0]
    assert _get(client, address, name)[name]["object"] == "list"
    assert client.get(f"/v1/{path}?limit=1&expand[]=data.{name}").json()["data"][0][name]["object"] == "list"


def test_the_refunds_of_a_charge_are_those_of_the_list(sandbox: Sandbox, client: httpx.Client) -> None:
    refund = _first(sandbox, "refund")
    shown = _get(client, f"/v1/charges/{refund['charge']}", "refunds")["refunds"]
    listed = client.get("/v1/refunds", params={"charge": refund["charge"]}).json()["data"]
    assert shown["data"] == listed[:10]


@pytest.mark.parametrize(
    ("path", "expand", "message"),
    [
        ("/v1/charges", "customer", "(customer). You may want to try expanding 'data.customer' instead."),
        ("/v1/charges", "data.colour", "(colour)."),
        ("/v1/charges", "data.amount", "(amount)."),
        ("/v1/charges", "data.metadata", "(metadata)."),
        ("/v1/charges", "data.billing_details", "(billing_details)."),
        ("/v1/charges", "data.customer.colour", "(colour)."),
        ("/v1/charges", "data.refunds.charge", "(charge)."),
        ("/v1/balance", "available", "(available)."),
    ],
)
def test_what_cannot_be_expanded_is_refused_by_name(client: httpx.Client, path: str, expand: str, message: str) -> None:
    answer = client.get(path, params={"expand[]": expand})
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == f"This property cannot be expanded {message}"


def test_more_than_four_levels_are_refused(client: httpx.Client) -> None:
    assert client.get("/v1/charges?expand[]=data.payment_intent.latest_charge.customer").status_code == 200
    deeper = client.get("/v1/charges?expand[]=data.payment_intent.latest_charge.customer.default_source")
    assert deeper.status_code == 400
    assert deeper.json()["error"]["message"] == "You cannot expand more than 4 levels of a property."


def test_what_the_sandbox_does_not_hold_stays_an_id() -> None:
    with Sandbox(now=NOW, rps=0) as sandbox:
        charge = _first(sandbox, "charge")
        sandbox.put("charge", {**charge, "application": "ca_1"})
        path = f"{sandbox.url}/v1/charges/{charge['id']}"
        answer = httpx.get(path, params={"expand[]": "application"}, auth=(sandbox.key, ""))
    assert answer.json()["application"] == "ca_1"
