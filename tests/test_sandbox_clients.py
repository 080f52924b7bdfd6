"""What real clients ask for: accounts, what comes only on request, former versions and paths, nested multipart."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from connector.sandbox import Sandbox
from connector.sandbox.document import api
from tests.serving import a_sandbox, its_client

sandbox = pytest.fixture(scope="module")(a_sandbox)
client = pytest.fixture(scope="module")(its_client)


def got(client: httpx.Client, path: str, *expand: str, **query: str) -> Any:
    answer = client.get(path, params={"expand[]": list(expand), **query})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_connected_accounts_are_listed_and_found(sandbox: Sandbox, client: httpx.Client) -> None:
    listed = got(client, "/v1/accounts")["data"]
    assert {account["id"] for account in listed} == set(sandbox.accounts)
    own = got(client, "/v1/account")
    assert got(client, f"/v1/accounts/{own['id']}") == own
    for account in listed:
        assert api.problems(account, "account") == []
        assert got(client, f"/v1/accounts/{account['id']}") == account
    created = [account["created"] for account in listed]
    assert created == sorted(created, reverse=True)


def test_an_account_of_nobody_is_not_admitted(client: httpx.Client) -> None:
    answer = client.get("/v1/accounts/acct_nobody")
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "account_invalid")


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("/v1/prices", ["data.tiers", "data.currency_options"]),
        ("/v1/customers", ["data.sources", "data.cash_balance", "data.tax", "data.tax_ids", "data.subscriptions"]),
        ("/v1/coupons", ["data.applies_to", "data.currency_options"]),
        ("/v1/invoices", ["data.discounts", "data.confirmation_secret", "data.payments"]),
        ("/v1/subscriptions", ["data.discounts", "data.latest_invoice.confirmation_secret"]),
        ("/v1/subscriptions", ["data.items.data.discounts"]),
        ("/v1/checkout/sessions", ["data.line_items.data.discounts", "data.line_items.data.taxes"]),
        ("/v1/setup_intents", ["data.latest_attempt", "data.payment_method"]),
        ("/v1/charges", ["data.refunds", "data.balance_transaction", "data.application", "data.transfer"]),
    ],
)
def test_what_comes_on_request_is_there_page_by_page(client: httpx.Client, path: str, names: list[str]) -> None:
    operation = api.operation("GET", path)
    assert operation is not None
    page = got(client, path, *names, limit="100")["data"]
    assert page
    for record in page:
        assert api.problems(record, operation.lists or "") == []


def test_the_graduated_price_has_its_tiers_on_request_only(client: httpx.Client) -> None:
    tiered = [price for price in got(client, "/v1/prices", "data.tiers", limit="100")["data"] if price.get("tiers")]
    assert [price["billing_scheme"] for price in tiered] == ["tiered"]
    assert tiered[0]["tiers"][-1]["up_to"] is None
    plain = got(client, f"/v1/prices/{tiered[0]['id']}")
    assert "tiers" not in plain
    subscriptions = got(client, "/v1/subscriptions", limit="100")["data"]
    items = [item for subscription in subscriptions for item in subscription["items"]["data"]]
    assert any(item["price"]["id"] == plain["id"] for item in items)
    assert all("tiers" not in item["price"] for item in items)


def test_discounts_are_objects_with_their_coupon_and_promotion_code(sandbox: Sandbox, client: httpx.Client) -> None:
    found = got(client, "/v1/subscriptions", "data.discounts", status="all", limit="100")["data"]
    discounts = [discount for each in found for discount in each["discounts"]]
    assert discounts
    coupons = {coupon["id"] for coupon in sandbox.truth("coupon")}
    codes = {code["id"] for code in sandbox.truth("promotion_code")}
    assert {discount["source"]["coupon"] for discount in discounts} <= coupons
    assert {discount["promotion_code"] for discount in discounts} <= codes | {None}


def test_an_open_invoice_has_a_secret_to_confirm_its_payment_with(client: httpx.Client) -> None:
    open_ones = got(client, "/v1/invoices", "data.confirmation_secret", status="open", limit="100")["data"]
    assert all(invoice["confirmation_secret"]["client_secret"].startswith("pi_") for invoice in open_ones)
    assert "confirmation_secret" not in got(client, f"/v1/invoices/{open_ones[0]['id']}")


def test_a_setup_intent_shows_its_attempt(client: httpx.Client) -> None:
    made = client.post("/v1/setup_intents", data={"payment_method": "pm_card_visa", "confirm": "true"}).json()
    attempt = got(client, f"/v1/setup_intents/{made['id']}", "latest_attempt")["latest_attempt"]
    assert (attempt["object"], attempt["status"], attempt["setup_intent"]) == (
        "setup_attempt", "succeeded", made["id"],
    )  # fmt: skip
    assert got(client, "/v1/setup_attempts", setup_intent=made["id"])["data"][0]["id"] == attempt["id"]
    declined = client.post(
        "/v1/setup_intents", data={"payment_method": "pm_card_visa_chargeDeclined", "confirm": "true"}
    ).json()["error"]["setup_intent"]
    failed = got(client, "/v1/setup_attempts", setup_intent=declined["id"])["data"][0]
    assert (failed["status"], failed["setup_error"]["code"]) == ("failed", "card_declined")


FORMER = {"Stripe-Version": "2022-11-15"}


def test_a_former_version_may_send_what_it_knew(client: httpx.Client) -> None:
    form = {"amount": "500", "currency": "usd", "payment_method_types[]": "card"}
    assert client.post("/v1/payment_intents", data=form).status_code == 400
    answer = client.post("/v1/payment_intents", data=form, headers=FORMER)
    assert answer.status_code == 200, answer.text
    assert answer.json()["payment_method_types"] == ["card"]
    assert answer.headers["Stripe-Version"] == "2022-11-15"
    assert answer.headers["Sandbox-Shape"] == api.version()
    assert client.post("/v1/customers", data={"coupon": "SPRING25"}, headers=FORMER).status_code == 200
    assert client.post("/v1/customers", data={"colour": "red"}, headers=FORMER).status_code == 400


def test_a_former_version_may_expand_what_it_had(client: httpx.Client) -> None:
    query = {"expand[]": ["data.payment_intent", "data.charge", "data.customer"]}
    assert client.get("/v1/invoices", params=query).status_code == 400
    answer = client.get("/v1/invoices", params=query, headers=FORMER)
    assert answer.json()["data"][0]["customer"]["object"] == "customer"


def test_todays_version_has_no_header_of_another_shape(client: httpx.Client) -> None:
    assert "Sandbox-Shape" not in client.get("/v1/balance").headers
    assert "Sandbox-Shape" not in client.get("/v1/balance", headers={"Stripe-Version": api.version()}).headers


def test_paths_of_former_days_say_the_same(sandbox: Sandbox, client: httpx.Client) -> None:
    refund = next(iter(sandbox.truth("refund")))
    of_charge = got(client, f"/v1/charges/{refund['charge']}/refunds")["data"]
    assert of_charge == got(client, "/v1/refunds", charge=refund["charge"])["data"]
    assert got(client, f"/v1/charges/{refund['charge']}/refunds/{refund['id']}")["id"] == refund["id"]
    subscription = next(each for each in sandbox.truth("subscription") if each["status"] == "active")
    path = f"/v1/customers/{subscription['customer']}/subscriptions"
    assert subscription["id"] in [each["id"] for each in got(client, path)["data"]]
    assert got(client, f"{path}/{subscription['id']}")["id"] == subscription["id"]
    history = got(client, "/v1/balance/history")["data"]
    assert history == got(client, "/v1/balance_transactions")["data"]
    assert got(client, f"/v1/balance/history/{history[0]['id']}")["id"] == history[0]["id"]
    customer = got(client, "/v1/customers", limit="1")["data"][0]["id"]
    for path, kind in (("bank_accounts", "bank_account"), ("cards", "card")):
        sources = got(client, f"/v1/customers/{customer}/{path}")["data"]
        assert {source["object"] for source in sources} == {kind}
        assert got(client, f"/v1/customers/{customer}/{path}/{sources[0]['id']}") == sources[0]
    people = got(client, f"/v1/accounts/{sandbox.accounts[0]}/persons")
    assert got(client, f"/v1/accounts/{sandbox.accounts[0]}/people")["data"] == people["data"]
    assert client.get("/v1/charges/ch_1&limit=x/refunds").json()["error"]["message"].endswith("'ch_1&limit=x'")


def test_usage_that_a_former_version_recorded_is_none(sandbox: Sandbox, client: httpx.Client) -> None:
    path = f"/v1/subscription_items/{next(sandbox.truth('subscription_item'))['id']}/usage_record_summaries"
    assert client.get(path, headers={"Stripe-Version": "2022-11-15"}).json()["data"] == []
    assert client.get(path).status_code == 404


def test_a_refund_can_be_made_by_its_former_path(client: httpx.Client) -> None:
    form = {"amount": "900", "currency": "usd", "payment_method": "pm_card_visa", "confirm": "true"}
    charge = client.post("/v1/payment_intents", data=form).json()["latest_charge"]
    assert client.post(f"/v1/charges/{charge}/refunds", data={"amount": "400"}).json()["charge"] == charge


def test_a_file_is_uploaded_with_a_link(client: httpx.Client) -> None:
    form = {"purpose": "dispute_evidence", "file_link_data[create]": "true", "file_link_data[metadata][case]": "7"}
    file = client.post("/v1/files", data=form, files={"file": ("proof.txt", b"proof")}).json()
    link = file["links"]["data"][0]
    assert (link["file"], link["metadata"]) == (file["id"], {"case": "7"})
    assert got(client, f"/v1/file_links/{link['id']}")["id"] == link["id"]


@pytest.mark.parametrize("name", ["transfers", "quotes", "topups", "reviews", "subscription_schedules"])
def test_what_the_business_has_none_of_is_there_as_samples(client: httpx.Client, name: str) -> None:
    samples = got(client, f"/v1/{name}")["data"]
    assert len(samples) == len({sample["id"] for sample in samples}) == 3
    for sample in samples:
        assert got(client, f"/v1/{name}/{sample['id']}") == sample


def test_of_three_parents_one_has_many_sampled_children_one_has_one_and_one_has_none(client: httpx.Client) -> None:
    parents = [each["id"] for each in client.get("/v1/customers?limit=3").json()["data"]]
    counts = [len(client.get(f"/v1/customers/{each}/sources?limit=100").json()["data"]) for each in parents]
    assert counts == [12, 1, 0]
    assert client.get("/v1/customers/cus_nobody/sources").status_code == 404


def test_recurring_prices_are_plans_too(client: httpx.Client) -> None:
    prices = [price["id"] for price in got(client, "/v1/prices", limit="100")["data"] if price["recurring"]]
    plans = got(client, "/v1/plans", limit="100", active="true")["data"]
    assert [plan["id"] for plan in plans] == prices
    assert all(api.problems(plan, "plan") == [] for plan in plans)
    assert got(client, f"/v1/plans/{plans[0]['id']}") == plans[0]
    assert len(got(client, "/v1/plans", limit="3")["data"]) == 3
    assert client.get("/v1/plans/price_none").status_code == 404


def test_payouts_go_to_bank_accounts_that_the_account_has(sandbox: Sandbox, client: httpx.Client) -> None:
    above = f"/v1/accounts/{sandbox.account}/external_accounts"
    banks = {bank["id"]: bank for bank in got(client, above, object="bank_account")["data"]}
    assert all(api.problems(bank, "bank_account") == [] for bank in banks.values())
    payouts = [payout for payout in sandbox.truth("payout") if payout["amount"] > 0]
    assert {(payout["destination"], payout["currency"]) for payout in payouts} == {
        (bank["id"], bank["currency"]) for bank in banks.values()
    }
    assert got(client, above, object="card")["data"] == []
    assert [got(client, f"{above}/{bank}") for bank in banks] == list(banks.values())
    assert got(client, f"/v1/accounts/{sandbox.account}/persons")["data"] == []


def test_a_connected_account_is_paid_out_to_bank_accounts_of_its_own(sandbox: Sandbox, client: httpx.Client) -> None:
    for account in got(client, "/v1/accounts")["data"]:
        path = f"/v1/accounts/{account['id']}/external_accounts"
        banks = got(client, path)
        assert banks == account["external_accounts"]
        assert account["controller"]["is_controller"]
        assert [got(client, f"{path}/{bank['id']}") for bank in banks["data"]] == banks["data"]
        assert {bank["account"] for bank in banks["data"]} == {account["id"]}
        at_home = [bank for bank in banks["data"] if bank["currency"] == account["default_currency"]]
        assert [(bank["country"], bank["status"]) for bank in at_home] == [(account["country"], "new")]
        paid = {payout["destination"] for payout in sandbox.truth("payout", account=account["id"])}
        assert paid <= {bank["id"] for bank in banks["data"]}
        assert got(client, path, object="card")["data"] == []
        assert client.get(f"{path}/ba_none").status_code == 404


def test_an_account_is_the_same_to_its_platform_and_to_itself(client: httpx.Client) -> None:
    for account in got(client, "/v1/accounts")["data"]:
        itself = {"Stripe-Account": account["id"]}
        for path in ("/v1/account", f"/v1/accounts/{account['id']}"):
            assert client.get(path, headers=itself).json() == account
        assert client.get("/v1/accounts", headers=itself).json()["data"] == []
        banks = account["external_accounts"]
        assert client.get(banks["url"], headers=itself).json() == banks


def test_the_sources_of_a_customer_are_the_same_expanded_and_listed(client: httpx.Client) -> None:
    for customer in got(client, "/v1/customers", "data.sources", limit="4")["data"]:
        assert customer["sources"] == got(client, customer["sources"]["url"])
        assert not any("deleted" in source for source in customer["sources"]["data"])
