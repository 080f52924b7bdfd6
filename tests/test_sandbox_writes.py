"""Writing to the sandbox with Stripe's official library: create, update, delete, events, refusals, retries."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import stripe

from connector.sandbox import Sandbox
from connector.sandbox.document import api
from connector.sandbox.writes.served import HANDLERS, READERS

NOW = 1_790_000_000
Record = dict[str, Any]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(now=NOW, rps=0) as running:
        yield running


@pytest.fixture(scope="module")
def library(sandbox: Sandbox) -> Iterator[stripe.StripeClient]:
    http = stripe.RequestsClient()
    yield stripe.StripeClient(sandbox.key, base_addresses={"api": sandbox.url}, http_client=http, max_network_retries=2)
    http.close()  # type: ignore[no-untyped-call]


@pytest.fixture(scope="module")
def http(sandbox: Sandbox) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=sandbox.url, auth=(sandbox.key, ""), trust_env=False) as client:
        yield client


def truth(sandbox: Sandbox, kind: str, ident: str) -> Record:
    return next(record for record in sandbox.truth(kind) if record["id"] == ident)


def told(sandbox: Sandbox, ident: str) -> list[Record]:
    """The events about an object, newest first."""
    return [event for event in sandbox.truth("event") if event["data"]["object"].get("id") == ident]


def test_every_handler_serves_a_call_that_stripe_has() -> None:
    names = {operation.name for operation in api.operations()}
    assert {name for name in HANDLERS | READERS if "/v1/" in name} <= names


def test_a_customer_comes_changes_and_goes(sandbox: Sandbox, library: stripe.StripeClient) -> None:
    made = library.v1.customers.create(
        {
            "name": "Zoë Ω",
            "business_name": "First",
            "address": {"city": "Graz", "line1": "Weg 1"},
            "metadata": {"a": "1", "b": "2"},
            "preferred_locales": ["de", "en"],
            "invoice_settings": {"custom_fields": [{"name": "VAT", "value": "7"}, {"name": "PO", "value": "8"}]},
        }
    )
    record = truth(sandbox, "customer", made.id)
    assert api.problems(record, "customer") == []
    assert record["address"] == dict.fromkeys(("country", "line2", "postal_code", "state")) | {
        "city": "Graz",
        "line1": "Weg 1",
    }
    assert [field["name"] for field in record["invoice_settings"]["custom_fields"]] == ["VAT", "PO"]
    library.v1.customers.update(
        made.id, {"business_name": "", "metadata": {"a": "", "c": "3"}, "address": {"city": "Wien"}}
    )
    changed = truth(sandbox, "customer", made.id)
    assert (changed["name"], changed["business_name"], changed["metadata"]) == ("Zoë Ω", None, {"b": "2", "c": "3"})
    assert (changed["address"]["city"], changed["address"]["line1"]) == ("Wien", None)
    library.v1.customers.update(made.id, {"address": ""})
    assert truth(sandbox, "customer", made.id)["address"] is None
    assert library.v1.customers.list({"limit": 1}).data[0].id == made.id
    assert library.v1.customers.delete(made.id).deleted
    assert library.v1.customers.retrieve(made.id).deleted
    assert all(customer.id != made.id for customer in library.v1.customers.list({"limit": 5}).data)
    types = [event["type"] for event in told(sandbox, made.id)]
    assert types == ["customer.deleted", "customer.updated", "customer.updated", "customer.created"]


def test_all_metadata_goes_with_an_empty_string(sandbox: Sandbox, library: stripe.StripeClient) -> None:
    made = library.v1.products.create({"name": "Box", "metadata": {"a": "1", "b": "2"}})
    library.v1.products.update(made.id, {"metadata": ""})
    assert truth(sandbox, "product", made.id)["metadata"] == {}


def test_arrays_are_replaced_whole(sandbox: Sandbox, library: stripe.StripeClient) -> None:
    made = library.v1.products.create({"name": "Box", "images": ["https://a.test/1", "https://a.test/2"]})
    library.v1.products.update(made.id, {"images": ["https://a.test/3"]})
    assert truth(sandbox, "product", made.id)["images"] == ["https://a.test/3"]
    library.v1.products.update(made.id, {"images": ""})
    assert truth(sandbox, "product", made.id)["images"] == []


def test_an_event_shows_what_the_object_was_and_what_changed(sandbox: Sandbox, library: stripe.StripeClient) -> None:
    made = library.v1.customers.create({"name": "Ada", "address": {"city": "Rom"}, "phone": "1"})
    answer = library.v1.customers.update(made.id, {"name": "Eve", "address": {"city": "Ulm"}}).last_response
    event = told(sandbox, made.id)[0]
    assert event["data"]["previous_attributes"] == {"name": "Ada", "address": {"city": "Rom"}}
    assert event["data"]["object"] == truth(sandbox, "customer", made.id)
    assert event["request"]["id"] == (answer and answer.request_id)
    assert event["request"]["idempotency_key"] is not None, "the library sends one with every POST"
    assert api.problems(event, "event") == []


def test_an_update_that_changes_nothing_tells_nothing(sandbox: Sandbox, library: stripe.StripeClient) -> None:
    made = library.v1.customers.create({"name": "Ada"})
    library.v1.customers.update(made.id, {"name": "Ada"})
    assert [event["type"] for event in told(sandbox, made.id)] == ["customer.created"]


def test_a_refused_call_leaves_nothing_behind(sandbox: Sandbox, library: stripe.StripeClient) -> None:
    before = [sum(1 for _ in sandbox.truth(kind)) for kind in ("product", "price", "event")]
    with pytest.raises(stripe.InvalidRequestError) as caught:
        library.v1.prices.create({"currency": "usd", "product_data": {"name": "Half"}})
    assert (caught.value.code, caught.value.param) == ("parameter_missing", "unit_amount")
    assert [sum(1 for _ in sandbox.truth(kind)) for kind in ("product", "price", "event")] == before


@pytest.mark.parametrize(
    ("path", "form", "expected"),
    [
        ("/v1/customers", {"nme": "x"}, (400, "parameter_unknown", "nme")),
        ("/v1/customers", {"address[town]": "x"}, (400, "parameter_unknown", "address[town]")),
        ("/v1/customers", {"email": "nobody"}, (400, "email_invalid", "email")),
        ("/v1/customers", {"invoice_prefix": ""}, (400, "parameter_invalid_empty", "invoice_prefix")),
        ("/v1/customers", {"balance": "much"}, (400, "parameter_invalid_integer", "balance")),
        ("/v1/customers/cus_none", {"name": "x"}, (404, "resource_missing", "id")),
        ("/v1/products", {}, (400, "parameter_missing", "name")),
        ("/v1/prices", {"currency": "usd", "unit_amount": "1"}, (400, "parameter_missing", "product")),
        (
            "/v1/prices",
            {"currency": "usd", "unit_amount": "1", "product": "prod_x"},
            (400, "resource_missing", "product"),
        ),
        ("/v1/coupons", {"percent_off": "5", "amount_off": "5"}, (400, "parameters_exclusive", "percent_off")),
        ("/v1/coupons", {"percent_off": "101"}, (400, None, "percent_off")),
        ("/v1/payment_methods/pm_none/attach", {"customer": "cus_none"}, (400, "resource_missing", "customer")),
    ],
)
def test_bad_input_is_refused_with_code_and_param(
    http: httpx.Client, path: str, form: dict[str, str], expected: tuple[int, str | None, str]
) -> None:
    answer = http.post(path, data=form)
    error = answer.json()["error"]
    assert (answer.status_code, error.get("code"), error.get("param")) == expected


def test_a_price_takes_its_amounts_and_a_product_its_price(sandbox: Sandbox, library: stripe.StripeClient) -> None:
    product = library.v1.products.create(
        {
            "name": "Tea",
            "default_price_data": {"currency": "eur", "unit_amount": 500, "recurring": {"interval": "month"}},
        }
    )
    price = truth(sandbox, "price", str(product.default_price))
    assert (price["product"], price["unit_amount_decimal"], price["type"]) == (product.id, "500", "recurring")
    assert api.problems(price, "price") == []
    with pytest.raises(stripe.InvalidRequestError, match="one or more user-created prices"):
        library.v1.products.delete(product.id)
    tiered = library.v1.prices.create(
        {
            "currency": "eur",
            "product": product.id,
            "billing_scheme": "tiered",
            "tiers_mode": "graduated",
            "recurring": {"interval": "year"},
            "tiers": [{"up_to": 10, "unit_amount": 9}, {"up_to": "inf", "unit_amount": 5}],
            "expand": ["tiers"],
        }
    )
    assert [(tier.up_to, tier.unit_amount) for tier in tiered.tiers or []] == [(10, 9), (None, 5)]


def test_a_lookup_key_belongs_to_one_price(sandbox: Sandbox, library: stripe.StripeClient) -> None:
    product = library.v1.products.create({"name": "Key"}).id
    asked: Any = {"currency": "usd", "unit_amount": 1, "product": product, "lookup_key": "gold"}
    first = library.v1.prices.create(asked)
    with pytest.raises(stripe.InvalidRequestError) as caught:
        library.v1.prices.create(asked)
    assert caught.value.param == "lookup_key"
    second = library.v1.prices.create(asked | {"transfer_lookup_key": True})
    assert truth(sandbox, "price", first.id)["lookup_key"] is None
    assert [price.id for price in library.v1.prices.list({"lookup_keys": ["gold"]}).data] == [second.id]


def test_coupons_and_promotion_codes(sandbox: Sandbox, library: stripe.StripeClient) -> None:
    coupon = library.v1.coupons.create({"id": "SPRING", "percent_off": 12.5, "duration": "forever"})
    assert api.problems(truth(sandbox, "coupon", coupon.id), "coupon") == []
    with pytest.raises(stripe.InvalidRequestError) as caught:
        library.v1.coupons.create({"id": "SPRING", "percent_off": 5})
    assert caught.value.code == "resource_already_exists"
    code = library.v1.promotion_codes.create({"promotion": {"type": "coupon", "coupon": "SPRING"}, "code": "HELLO"})
    assert api.problems(truth(sandbox, "promotion_code", code.id), "promotion_code") == []
    with pytest.raises(stripe.InvalidRequestError, match="HELLO"):
        library.v1.promotion_codes.create({"promotion": {"type": "coupon", "coupon": "SPRING"}, "code": "HELLO"})
    library.v1.promotion_codes.update(code.id, {"active": False})
    assert [found.active for found in library.v1.promotion_codes.list({"code": "HELLO"}).data] == [False]
    assert library.v1.coupons.delete("SPRING").deleted
    with pytest.raises(stripe.InvalidRequestError) as gone:
        library.v1.coupons.retrieve("SPRING")
    assert gone.value.code == "resource_missing"


def test_payment_methods_are_attached_once(sandbox: Sandbox, library: stripe.StripeClient) -> None:
    one, other = (library.v1.customers.create({"name": name}).id for name in ("One", "Other"))
    method = library.v1.payment_methods.create(
        {"type": "card", "card": {"token": "tok_visa"}, "billing_details": {"name": "O"}}
    )
    assert told(sandbox, method.id) == [], "Stripe tells nothing before it is attached"
    assert api.problems(truth(sandbox, "payment_method", method.id), "payment_method") == []
    with pytest.raises(stripe.InvalidRequestError, match="save this PaymentMethod"):
        library.v1.payment_methods.update(method.id, {"metadata": {"a": "1"}})
    library.v1.payment_methods.attach(method.id, {"customer": one})
    with pytest.raises(stripe.InvalidRequestError, match="already been attached"):
        library.v1.payment_methods.attach(method.id, {"customer": other})
    library.v1.customers.update(one, {"invoice_settings": {"default_payment_method": method.id}})
    assert [found.id for found in library.v1.customers.payment_methods.list(one).data] == [method.id]
    library.v1.payment_methods.detach(method.id)
    assert truth(sandbox, "customer", one)["invoice_settings"]["default_payment_method"] is None
    assert [event["type"] for event in told(sandbox, method.id)] == [
        "payment_method.detached",
        "payment_method.attached",
    ]


def test_tax_ids_stand_in_their_customer(sandbox: Sandbox, library: stripe.StripeClient) -> None:
    made = library.v1.customers.create(
        {"name": "T", "tax_id_data": [{"type": "eu_vat", "value": "DE123456789"}], "expand": ["tax_ids"]}
    )
    more = library.v1.customers.tax_ids.create(made.id, {"type": "gb_vat", "value": "GB123456789"})
    assert api.problems(truth(sandbox, "tax_id", more.id), "tax_id") == []
    assert [tax_id.value for tax_id in library.v1.customers.tax_ids.list(made.id).data] == [
        "GB123456789",
        "DE123456789",
    ]
    library.v1.customers.tax_ids.delete(made.id, more.id)
    assert [tax_id.value for tax_id in library.v1.customers.tax_ids.list(made.id).data] == ["DE123456789"]


def test_the_same_calls_make_the_same_ids_for_a_seed() -> None:
    def made() -> list[str]:
        with Sandbox(now=NOW, rps=0, seed=7) as fresh, httpx.Client(auth=(fresh.key, ""), trust_env=False) as client:
            answers = [client.post(f"{fresh.url}/v1/customers", data={"name": name}) for name in ("a", "b")]
            return [answer.json()["id"] for answer in answers]

    first = made()
    assert first == made()
    assert len(set(first)) == 2


def test_a_restricted_key_must_be_allowed_to_write(sandbox: Sandbox) -> None:
    answer = httpx.post(f"{sandbox.url}/v1/customers", auth=("rk_test_read_customers", ""), trust_env=False)
    assert answer.status_code == 403
    assert "rak_customer_write" in answer.json()["error"]["message"]


def test_what_is_not_built_says_so(http: httpx.Client) -> None:
    answer = http.post("/v1/terminal/locations", data={"display_name": "x"})
    assert answer.status_code in {501, 400}
    assert answer.headers.get("stripe-should-retry") == "false"
