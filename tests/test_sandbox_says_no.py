"""What Stripe refuses for a value that no schema shows to be wrong, and the odd ones that it takes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sandbox_caller import Caller, calling

Form = dict[str, str]


@pytest.fixture(scope="module")
def caller() -> Iterator[Caller]:
    with calling() as made:
        yield made


@pytest.fixture(scope="module")
def customer(caller: Caller) -> str:
    made = caller.post("/v1/customers", {"name": "Ada", "email": "ada@example.com", "phone": "+1 555"})
    card = caller.post("/v1/payment_methods/pm_card_visa/attach", {"customer": made["id"]})["id"]
    caller.post(f"/v1/customers/{made['id']}", {"invoice_settings[default_payment_method]": card})
    return str(made["id"])


@pytest.fixture(scope="module")
def price(caller: Caller) -> str:
    return monthly(caller, "900")


def monthly(caller: Caller, amount: str) -> str:
    form = {"product_data[name]": "Tea", "currency": "usd", "unit_amount": amount, "recurring[interval]": "month"}
    return str(caller.post("/v1/prices", form)["id"])


def payment(amount: str, currency: str, **more: str) -> Form:
    return {"amount": amount, "currency": currency, **more}


ADDRESS = "address[country]"
TAX_ID = {"tax_id_data[0][type]": "eu_vat"}
PRICE = {"product_data[name]": "Tea", "currency": "usd"}
REFUSED: dict[str, tuple[str, Form, str | None, str]] = {
    "unknown currency": ("/v1/payment_intents", payment("500", "xxx"), None, "currency"),
    "unknown currency of a price": ("/v1/prices", {**PRICE, "unit_amount": "5", "currency": "abc"}, None, "currency"),
    "unknown currency among options": (
        "/v1/prices",
        {**PRICE, "unit_amount": "5", "currency_options[zzz][unit_amount]": "5"},
        None,
        "currency_options",
    ),
    "unknown country": ("/v1/customers", {ADDRESS: "Atlantis"}, "country_code_invalid", ADDRESS),
    "unknown country of a rate": (
        "/v1/tax_rates",
        {"display_name": "VAT", "percentage": "5", "inclusive": "false", "country": "XX"},
        "country_code_invalid",
        "country",
    ),
    "tax id of no kind": ("/v1/customers", {**TAX_ID, "tax_id_data[0][value]": "12"}, "tax_id_invalid",
                          "tax_id_data[0][value]"),
    "thousandths of a dinar": ("/v1/payment_intents", payment("1234", "kwd"), None, "amount"),
    "hundredths of a krona": ("/v1/payment_intents", payment("12345", "isk"), None, "amount"),
    "forbidden sign": (
        "/v1/payment_intents", payment("500", "usd", statement_descriptor_suffix="A<B"), None,
        "statement_descriptor_suffix",
    ),
    "descriptor without a letter": (
        "/v1/products", {"name": "Tea", "statement_descriptor": "12345"}, None, "statement_descriptor",
    ),
    "metered without a meter": (
        "/v1/prices",
        {**PRICE, "unit_amount": "5", "recurring[interval]": "month", "recurring[usage_type]": "metered"},
        None,
        "recurring[meter]",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_value_of_no_kind_is_refused(caller: Caller, name: str) -> None:
    path, form, code, param = REFUSED[name]
    error = caller.refused(path, form)
    assert (error["type"], error.get("code"), error["param"]) == ("invalid_request_error", code, param)


def test_a_refund_and_a_capture_take_no_thousandths_either(caller: Caller) -> None:
    held = caller.pay(amount="12340", currency="kwd", capture_method="manual")["id"]
    assert caller.refused(f"/v1/payment_intents/{held}/capture", {"amount_to_capture": "1234"})["param"] == (
        "amount_to_capture"
    )
    paid = caller.pay(amount="12340", currency="kwd")["id"]
    assert caller.refused("/v1/refunds", {"payment_intent": paid, "amount": "1234"})["param"] == "amount"


def test_a_quantity_is_not_below_zero(caller: Caller, customer: str, price: str) -> None:
    form = {"customer": customer, "items[0][price]": price, "items[0][quantity]": "-1"}
    assert caller.refused("/v1/subscriptions", form)["param"] == "items[0][quantity]"


def test_a_subscription_has_twenty_items_at_most_and_each_price_once(caller: Caller, customer: str) -> None:
    prices = [monthly(caller, str(100 + place)) for place in range(21)]
    form = {f"items[{place}][price]": each for place, each in enumerate(prices)}
    assert caller.refused("/v1/subscriptions", {"customer": customer, **form})["param"] == "items"
    twice = {"items[0][price]": prices[0], "items[1][price]": prices[0]}
    assert caller.refused("/v1/subscriptions", {"customer": customer, **twice})["param"] == "items"
    form.popitem()
    subscription = caller.post("/v1/subscriptions", {"customer": customer, **form})
    item = {"subscription": subscription["id"], "price": prices[20]}
    assert caller.refused("/v1/subscription_items", item)["param"] == "items"


@pytest.mark.parametrize(("mode", "bound"), [("subscription", 20), ("payment", 100)])
def test_a_checkout_session_sells_so_many_things_at_most(caller: Caller, price: str, mode: str, bound: int) -> None:
    form = {f"line_items[{place}][price]": price for place in range(bound + 1)}
    error = caller.refused("/v1/checkout/sessions", {"mode": mode, "success_url": "https://example.com", **form})
    assert error["param"] == "line_items"
    assert str(bound) in error["message"]


@pytest.mark.parametrize(("query", "is_taken"), [("name~'Ad'", False), ("name~'Ada'", True), ("email~''", False)])
def test_a_substring_has_three_letters(caller: Caller, query: str, is_taken: bool) -> None:
    if is_taken:
        caller.get("/v1/customers/search", query=query)
    else:
        assert "3 characters" in caller.sandbox_refuses("/v1/customers/search", query=query)


def test_currencies_are_taken_in_capitals_and_shown_in_small_letters(caller: Caller) -> None:
    assert caller.pay(currency="USD")["currency"] == "usd"
    price = caller.post("/v1/prices", {**PRICE, "unit_amount": "5", "currency": "EUR"})
    assert price["currency"] == "eur"
    assert all(each["currency"] == "eur" for each in caller.get("/v1/prices", currency="EUR")["data"])


@pytest.mark.parametrize("name", ["name", "email", "phone"])
def test_a_customers_name_email_and_phone_are_emptied(caller: Caller, name: str) -> None:
    made = caller.post("/v1/customers", {"name": "Ada", "email": "ada@example.com", "phone": "+1 555"})
    assert caller.post(f"/v1/customers/{made['id']}", {name: ""})[name] is None


@pytest.mark.parametrize("currency", ["uah", "kes", "mad"])
def test_any_currency_that_stripe_takes_pays(caller: Caller, currency: str) -> None:
    assert caller.pay(currency=currency, amount="50000")["status"] == "succeeded"
