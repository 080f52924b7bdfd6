"""Shipping as it is written: rates, invoices that charge them, and checkout pages with all that they ask for."""

from __future__ import annotations

from typing import Any

import pytest

from connector.sandbox.document import api
from connector.sandbox.document.refusals import Refusal
from tests.office import DAY, Office, Record

GROUND: Record = {"display_name": "Ground", "fixed_amount": {"amount": 500, "currency": "usd"}}
SIZES: Record = {
    "key": "size",
    "label": {"custom": "Size", "type": "custom"},
    "type": "dropdown",
    "dropdown": {"options": [{"label": "Small", "value": "s"}]},
}


@pytest.fixture(scope="module")
def office() -> Office:
    return Office()


def rate(office: Office, **more: Any) -> str:
    return str(office.call("POST /v1/shipping_rates", {**GROUND, **more})["id"])


def page(office: Office, **asked: Any) -> Record:
    item = {"price_data": {"currency": "usd", "unit_amount": 2_000, "product_data": {"name": "Hat"}}, "quantity": 2}
    form = {"mode": "payment", "line_items": [item], **asked}
    session: Record = office.call("POST /v1/checkout/sessions", form)
    assert api.problems(session, "checkout.session") == []
    return session


def refused(office: Office, name: str, form: Record) -> tuple[str, str | None]:
    with pytest.raises(Refusal) as no:
        office.call(name, form)
    return no.value.message, no.value.param


def test_an_invoice_charges_what_sending_costs(office: Office) -> None:
    owner = office.customers[0]
    goes = {"name": "Ada", "address": {"line1": "1 Main St", "country": "US"}}
    asked = {"customer": owner, "currency": "usd", "shipping_cost": {"shipping_rate": rate(office)}}
    invoice = office.call("POST /v1/invoices", {**asked, "shipping_details": goes})
    assert (invoice["amount_shipping"], invoice["total"]) == (500, 500)
    assert invoice["shipping_details"]["address"]["line1"] == "1 Main St"
    office.call(
        "POST /v1/invoiceitems", {"customer": owner, "invoice": invoice["id"], "amount": 1_000, "currency": "usd"}
    )
    paid = office.call("POST /v1/invoices/{invoice}/pay", {}, invoice["id"])
    assert (paid["subtotal"], paid["total"], paid["amount_paid"]) == (1_000, 1_500, 1_500)
    assert api.problems(paid, "invoice") == []


def test_shipping_is_taken_off_a_draft_again(office: Office) -> None:
    cost = {"shipping_rate_data": {**GROUND, "type": "fixed_amount"}}
    invoice = office.call("POST /v1/invoices", {"customer": office.customers[0], "shipping_cost": cost})
    assert office.get("shipping_rate", invoice["shipping_cost"]["shipping_rate"])["display_name"] == "Ground"
    changed = office.call("POST /v1/invoices/{invoice}", {"shipping_cost": ""}, invoice["id"])
    assert (changed["shipping_cost"], changed["amount_shipping"], changed["total"]) == (None, 0, 0)


def test_a_page_has_the_first_way_of_sending_chosen(office: Office) -> None:
    ways: list[Record] = [
        {"shipping_rate": rate(office)},
        {"shipping_rate_data": {**GROUND, "display_name": "Express"}},
    ]
    session = page(office, shipping_options=ways, shipping_address_collection={"allowed_countries": ["US"]})
    assert [way["shipping_amount"] for way in session["shipping_options"]] == [500, 500]
    assert session["shipping_cost"]["shipping_rate"] == ways[0]["shipping_rate"]
    assert (session["amount_subtotal"], session["amount_total"]) == (4_000, 4_500)
    assert session["total_details"]["amount_shipping"] == 500


def test_a_shop_changes_how_an_open_page_sends_and_where_to(office: Office) -> None:
    session = page(office, ui_mode="elements", return_url="https://example.com", metadata={"cart": "1"})
    goes = {"name": "Ada", "address": {"line1": "1 Main St", "country": "US"}}
    form = {"shipping_options": [{"shipping_rate": rate(office)}], "collected_information": {"shipping_details": goes}}
    path = "POST /v1/checkout/sessions/{session}"
    changed = office.call(path, form, session["id"])
    assert (changed["amount_total"], changed["total_details"]["amount_shipping"]) == (4_500, 500)
    assert changed["collected_information"]["shipping_details"]["address"]["line1"] == "1 Main St"
    assert changed["metadata"] == {"cart": "1"}
    assert api.problems(changed, "checkout.session") == []
    without = office.call(path, {"shipping_options": ""}, session["id"])
    assert (without["amount_total"], without["shipping_cost"]) == (4_000, None)


def test_what_a_page_asks_for_is_empty_until_somebody_says_it(office: Office) -> None:
    session = page(office, custom_fields=[SIZES], consent_collection={"terms_of_service": "required"})
    assert session["custom_fields"][0]["dropdown"] == {**SIZES["dropdown"], "default_value": None, "value": None}
    assert session["consent"] == {"promotions": None, "terms_of_service": None}


def test_a_page_says_how_many_the_buyer_may_take(office: Office) -> None:
    price = {"currency": "usd", "unit_amount": 500, "product_data": {"name": "Hat"}}
    item = {"price_data": price, "quantity": 1, "adjustable_quantity": {"enabled": True, "maximum": 5}}
    (line,) = page(office, line_items=[item])["line_items"]["data"]
    assert line["adjustable_quantity"] == {"enabled": True, "maximum": 5, "minimum": None}


def test_an_expired_page_can_be_opened_again_where_the_shop_wants_that() -> None:
    office = Office()
    session = page(office, after_expiration={"recovery": {"enabled": True}})
    assert session["after_expiration"]["recovery"]["url"] is None
    office.wait(DAY)
    recovery = office.get("checkout.session", session["id"])["after_expiration"]["recovery"]
    assert recovery["url"].startswith("https://buy.stripe.com/r/")
    assert recovery["expires_at"] == session["expires_at"] + 30 * DAY


def test_a_page_inside_the_shop_has_a_secret_and_no_address(office: Office) -> None:
    for mode in ("embedded_page", "elements"):
        session = page(office, ui_mode=mode, return_url="https://example.com")
        assert session["url"] is None
        assert session["client_secret"].startswith(session["id"])


def test_a_link_shows_its_fields_without_a_value(office: Office) -> None:
    items = [{"price_data": {"currency": "usd", "unit_amount": 500, "product_data": {"name": "Hat"}}, "quantity": 1}]
    form = {"line_items": items, "custom_fields": [SIZES], "shipping_options": [{"shipping_rate": rate(office)}]}
    link = office.call("POST /v1/payment_links", form)
    assert "value" not in link["custom_fields"][0]["dropdown"]
    assert link["shipping_options"][0]["shipping_amount"] == 500
    assert api.problems(link, "payment_link") == []


ITEMS = [{"price_data": {"currency": "usd", "unit_amount": 500, "product_data": {"name": "Hat"}}, "quantity": 1}]
PAGE: Record = {"mode": "payment", "line_items": ITEMS}


@pytest.mark.parametrize(
    ("form", "param", "said"),
    [
        ({"custom_fields": [SIZES] * 4}, "custom_fields", "maximum of 3"),
        ({"custom_fields": [SIZES] * 2}, "custom_fields[1][key]", "unique"),
        ({"custom_fields": [{**SIZES, "dropdown": {}}]}, "custom_fields[0][dropdown]", "Missing"),
        ({"shipping_options": [{"shipping_rate": "shr_none"}]}, "shipping_options[0][shipping_rate]", "No such"),
        ({"shipping_options": [{}]}, "shipping_options[0][shipping_rate]", "Missing"),
        ({"shipping_options": [{"shipping_rate_data": GROUND}] * 6}, "shipping_options", "maximum of 5"),
        ({"optional_items": [{"price": "price_none", "quantity": 1}]}, "optional_items[0][price]", "No such"),
        ({"ui_mode": "elements", "custom_text": {"submit": {"message": "x"}}}, "custom_text", "elements"),
        ({"ui_mode": "embedded_page", "success_url": "https://example.com"}, "success_url", "embedded_page"),
        ({"permissions": {"update_shipping_details": "server_only"}}, "permissions", "hosted_page"),
        ({"mode": "setup", "phone_number_collection": {"enabled": True}}, "phone_number_collection", "setup"),
        ({"custom_fields": [{**SIZES, "key": "a b"}]}, "custom_fields[0][key]", "letters"),
    ],
)
def test_a_page_that_cannot_be_is_refused(office: Office, form: Record, param: str, said: str) -> None:
    message, about = refused(office, "POST /v1/checkout/sessions", {**PAGE, **form})
    assert about == param
    assert said in message


def test_a_rate_that_is_switched_off_or_of_another_currency_is_refused(office: Office) -> None:
    off = rate(office)
    office.call("POST /v1/shipping_rates/{shipping_rate_token}", {"active": False}, off)
    yen = rate(office, fixed_amount={"amount": 900, "currency": "jpy"})
    for name, word in ((off, "not active"), (yen, "usd")):
        form = {"customer": office.customers[0], "currency": "usd", "shipping_cost": {"shipping_rate": name}}
        message, param = refused(office, "POST /v1/invoices", form)
        assert (param, word in message) == ("shipping_cost[shipping_rate]", True)


@pytest.mark.parametrize(
    ("amount", "currency", "said"),
    [(-1, "usd", "greater than or equal to 0"), (10**9, "usd", "no more than"), (1_005, "kwd", "multiple of 10")],
)
def test_a_rate_that_nobody_could_pay_is_refused(office: Office, amount: int, currency: str, said: str) -> None:
    form = {**GROUND, "fixed_amount": {"amount": amount, "currency": currency}}
    message, param = refused(office, "POST /v1/shipping_rates", form)
    assert (param, said in message) == ("fixed_amount[amount]", True)


def test_a_rate_is_named_or_described(office: Office) -> None:
    both = {"shipping_rate": rate(office), "shipping_rate_data": GROUND}
    message, _ = refused(office, "POST /v1/invoices", {"customer": office.customers[0], "shipping_cost": both})
    assert "Please pass in only one" in message
