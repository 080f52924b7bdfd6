"""What makes a bill smaller: coupons for some products or in several currencies, discounts that end, and credit."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from connector.sandbox import Sandbox
from connector.sandbox.document import api
from tests.serving import a_sandbox, its_client

Record = dict[str, Any]

sandbox = pytest.fixture(scope="module")(a_sandbox)
client = pytest.fixture(scope="module")(its_client)


def post(client: httpx.Client, path: str, **form: Any) -> Record:
    answer = client.post(path, data=form)
    assert answer.status_code == 200, answer.text
    record: Record = answer.json()
    return record


def refused(answer: httpx.Response) -> tuple[int, Any, Any]:
    error = answer.json()["error"]
    return answer.status_code, error.get("code"), error.get("param")


def price_of(client: httpx.Client, name: str, amount: int, currency: str = "usd") -> Record:
    product = post(client, "/v1/products", name=name)
    return post(client, "/v1/prices", product=product["id"], unit_amount=amount, currency=currency)


def bill(client: httpx.Client, coupon: str | None, *prices: Record, customer: str | None = None) -> Record:
    """Return a finalized invoice over one of each price, not yet paid."""
    customer = customer or post(client, "/v1/customers", name="Ada")["id"]
    discount = {"discounts[0][coupon]": coupon} if coupon else {}
    form = {"customer": customer, "collection_method": "send_invoice", "days_until_due": "30"}
    invoice = post(client, "/v1/invoices", **form, currency=prices[0]["currency"], **discount)
    for price in prices:
        post(client, "/v1/invoiceitems", customer=customer, invoice=invoice["id"], **{"pricing[price]": price["id"]})
    return post(client, f"/v1/invoices/{invoice['id']}/finalize")


def test_a_coupon_for_some_products_takes_nothing_off_the_others(client: httpx.Client) -> None:
    lamp, chair = price_of(client, "Lamp", 1000), price_of(client, "Chair", 3000)
    form = {"percent_off": "50", "applies_to[products][0]": lamp["product"]}
    coupon = post(client, "/v1/coupons", **form)
    assert "applies_to" not in coupon
    invoice = bill(client, coupon["id"], lamp, chair)
    assert invoice["total"] == 3500
    by_product = {line["pricing"]["price_details"]["product"]: line for line in invoice["lines"]["data"]}
    assert [part["amount"] for part in by_product[lamp["product"]]["discount_amounts"]] == [500]
    assert by_product[chair["product"]]["discount_amounts"] == []


def test_an_amount_off_is_that_of_the_invoices_currency(client: httpx.Client) -> None:
    form = {"amount_off": "500", "currency": "usd", "currency_options[eur][amount_off]": "400"}
    coupon = post(client, "/v1/coupons", **form)["id"]
    assert bill(client, coupon, price_of(client, "Lamp", 1000))["total"] == 500
    assert bill(client, coupon, price_of(client, "Lamp", 1000, "eur"))["total"] == 600
    assert bill(client, coupon, price_of(client, "Lamp", 1000, "gbp"))["total"] == 1000
    post(client, f"/v1/coupons/{coupon}", **{"currency_options[gbp][amount_off]": "300"})
    assert bill(client, coupon, price_of(client, "Lamp", 1000, "gbp"))["total"] == 700


def test_what_a_coupon_is_good_for_shows_when_expanded(client: httpx.Client) -> None:
    product = post(client, "/v1/products", name="Lamp")["id"]
    form = {"amount_off": "500", "currency": "usd", "applies_to[products][0]": product}
    coupon = post(client, "/v1/coupons", **form, **{"currency_options[eur][amount_off]": "400"})["id"]
    expand = {"expand[]": ["applies_to", "currency_options"]}
    shown = client.get(f"/v1/coupons/{coupon}", params=expand).json()
    assert shown["applies_to"] == {"products": [product]}
    assert shown["currency_options"] == {"eur": {"amount_off": 400}}
    assert api.problems(shown, "coupon") == []
    page = client.get("/v1/coupons", params={"expand[]": "data.applies_to"}).json()["data"]
    assert [each["applies_to"] for each in page if each["id"] != coupon][-1] is None


def test_a_coupon_refuses_unknown_products_and_currencies_without_an_amount(client: httpx.Client) -> None:
    unknown = client.post("/v1/coupons", data={"percent_off": "5", "applies_to[products][0]": "prod_nope"})
    assert refused(unknown) == (400, "resource_missing", "applies_to[products][0]")
    form = {"percent_off": "5", "currency_options[eur][amount_off]": "400"}
    assert refused(client.post("/v1/coupons", data=form)) == (400, None, "currency_options")


def test_the_discount_of_a_subscription_ends_when_deleted(sandbox: Sandbox, client: httpx.Client) -> None:
    coupon = post(client, "/v1/coupons", percent_off="20", duration="forever")["id"]
    active = next(
        each for each in sandbox.truth("subscription") if each["status"] == "active" and not each["discounts"]
    )
    url = f"/v1/subscriptions/{active['id']}"
    assert refused(client.delete(f"{url}/discount")) == (404, "resource_missing", None)
    discounts = post(client, url, **{"discounts[0][coupon]": coupon})["discounts"]
    gone = client.delete(f"{url}/discount").json()
    assert (gone["id"], gone["deleted"], gone["object"]) == (discounts[0], True, "discount")
    assert client.get(url).json()["discounts"] == []
    told = client.get("/v1/events", params={"type": "customer.discount.deleted"}).json()["data"]
    assert told[0]["data"]["object"]["id"] == discounts[0]


def test_customers_have_no_discount_to_delete(client: httpx.Client) -> None:
    customer = post(client, "/v1/customers", name="Ada")["id"]
    assert refused(client.delete(f"/v1/customers/{customer}/discount")) == (404, "resource_missing", None)


def test_credit_lowers_the_next_invoice_and_is_used_up_by_it(client: httpx.Client) -> None:
    customer = post(client, "/v1/customers", name="Ada")["id"]
    path = f"/v1/customers/{customer}/balance_transactions"
    given = post(client, path, amount="-700", currency="usd", description="Sorry", **{"metadata[why]": "late"})
    assert (given["type"], given["ending_balance"], given["metadata"]) == ("adjustment", -700, {"why": "late"})
    assert api.problems(given, "customer_balance_transaction") == []
    assert client.get(f"/v1/customers/{customer}").json()["balance"] == -700
    invoice = bill(client, None, price_of(client, "Lamp", 1000), customer=customer)
    assert (invoice["total"], invoice["amount_due"], invoice["starting_balance"]) == (1000, 300, -700)
    assert client.get(f"/v1/customers/{customer}").json()["balance"] == 0
    moves = client.get(path).json()["data"]
    assert [(each["type"], each["amount"]) for each in moves] == [("applied_to_invoice", 700), ("adjustment", -700)]
    assert moves[0]["invoice"] == invoice["id"]
    assert client.get(path, params={"invoice": invoice["id"]}).json()["data"] == moves[:1]


def test_a_debt_is_added_to_the_next_invoice(client: httpx.Client) -> None:
    customer = post(client, "/v1/customers", name="Ada")["id"]
    post(client, f"/v1/customers/{customer}/balance_transactions", amount="250", currency="usd")
    invoice = bill(client, None, price_of(client, "Lamp", 1000), customer=customer)
    assert (invoice["total"], invoice["amount_due"]) == (1000, 1250)


def test_a_balance_transaction_is_described_later_and_belongs_to_its_customer(client: httpx.Client) -> None:
    customer, other = (post(client, "/v1/customers", name=name)["id"] for name in ("Ada", "Bea"))
    given = post(client, f"/v1/customers/{customer}/balance_transactions", amount="-100", currency="eur")
    path = f"balance_transactions/{given['id']}"
    assert post(client, f"/v1/customers/{customer}/{path}", description="Gift")["description"] == "Gift"
    assert post(client, f"/v1/customers/{customer}/{path}", description="")["description"] is None
    assert client.get(f"/v1/customers/{customer}/{path}").json()["amount"] == -100
    assert refused(client.post(f"/v1/customers/{other}/{path}", data={"description": "x"}))[0] == 404
    second = client.post(f"/v1/customers/{customer}/balance_transactions", data={"amount": "5", "currency": "usd"})
    assert second.status_code == 501
    nonsense = client.post(f"/v1/customers/{customer}/balance_transactions", data={"amount": "5", "currency": "xyz"})
    assert refused(nonsense) == (400, None, "currency")
