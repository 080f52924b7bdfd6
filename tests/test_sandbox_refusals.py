"""What Stripe refuses by rules that its documents state: codes, parameters and limits, and whose objects are meant."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from connector.sandbox import Sandbox, SandboxError
from tests.sandbox_caller import DAY, NOW, Caller, calling

Refused = tuple[str | None, str | None]


@pytest.fixture(scope="module")
def caller() -> Iterator[Caller]:
    with calling() as made:
        yield made


@pytest.fixture(scope="module")
def monthly(caller: Caller) -> dict[str, str]:
    """A form that subscribes a customer who pays to a price by the month."""
    customer = caller.post("/v1/customers")["id"]
    method = caller.post("/v1/payment_methods/pm_card_visa/attach", {"customer": customer})["id"]
    form = {"product_data[name]": "Tea", "currency": "usd", "unit_amount": "900", "recurring[interval]": "month"}
    price = caller.post("/v1/prices", form)["id"]
    return {"customer": customer, "default_payment_method": method, "items[0][price]": price}


def refused(caller: Caller, path: str, **form: str) -> Refused:
    error = caller.refused(path, form)
    assert error["type"] == "invalid_request_error"
    return error.get("code"), error.get("param")


@pytest.mark.parametrize("path", ["/v1/payment_intents", "/v1/setup_intents", "/v1/checkout/sessions"])
def test_payment_method_types_are_no_longer_taken(caller: Caller, path: str) -> None:
    given = refused(caller, path, **{"payment_method_types[]": "card"})
    assert given == ("payment_method_types_no_longer_supported", "payment_method_types")


@pytest.mark.parametrize(("amount", "code"), [("10", "amount_too_small"), ("100000000", "amount_too_large")])
def test_an_amount_out_of_bounds_has_its_code(caller: Caller, amount: str, code: str) -> None:
    assert refused(caller, "/v1/payment_intents", amount=amount, currency="usd") == (code, "amount")


def test_what_an_intent_cannot_do_any_more_has_its_code(caller: Caller) -> None:
    paid = caller.pay()["id"]
    for verb in ("cancel", "capture", "confirm"):
        assert refused(caller, f"/v1/payment_intents/{paid}/{verb}") == ("payment_intent_unexpected_state", None)
    setup = caller.post("/v1/setup_intents")["id"]
    assert refused(caller, f"/v1/setup_intents/{setup}/confirm") == ("setup_intent_unexpected_state", None)


def test_giving_back_and_taking_too_much_is_refused_for_its_parameter(caller: Caller) -> None:
    intent = caller.pay()["id"]
    assert refused(caller, "/v1/refunds", payment_intent=intent, amount="2001") == (None, "amount")
    caller.post("/v1/refunds", {"payment_intent": intent})
    assert refused(caller, "/v1/refunds", payment_intent=intent) == ("charge_already_refunded", None)
    held = caller.pay(capture_method="manual")["id"]
    more = refused(caller, f"/v1/payment_intents/{held}/capture", amount_to_capture="2001")
    assert more == (None, "amount_to_capture")
    there = caller.get("/v1/balance")["available"][0]
    amount, currency = str(there["amount"] + 1), there["currency"]
    assert refused(caller, "/v1/payouts", amount=amount, currency=currency) == ("balance_insufficient", None)


def test_a_charge_is_captured_once(caller: Caller) -> None:
    charge = caller.post("/v1/charges", {"amount": "900", "currency": "usd", "source": "tok_visa"})["id"]
    assert refused(caller, f"/v1/charges/{charge}/capture") == ("charge_already_captured", None)


@pytest.mark.parametrize(
    ("form", "param"),
    [
        ({"metadata[" + "k" * 41 + "]": "v"}, "metadata"),
        ({"metadata[k]": "v" * 501}, "metadata[k]"),
        ({f"metadata[{place}]": "v" for place in range(51)}, "metadata"),
    ],
)
def test_metadata_beyond_its_limits_is_refused(caller: Caller, form: dict[str, str], param: str) -> None:
    assert refused(caller, "/v1/customers", **form) == (None, param)


def test_metadata_is_full_with_fifty_keys_however_they_came(caller: Caller) -> None:
    longest = {f"metadata[{'k' * 38}{place:02}]": "v" * 500 for place in range(50)}
    full = caller.post("/v1/customers", longest)["id"]
    assert refused(caller, f"/v1/customers/{full}", **{"metadata[more]": "v"}) == (None, "metadata")
    swapped = {"metadata[more]": "v", next(iter(longest)): ""}
    assert len(caller.post(f"/v1/customers/{full}", swapped)["metadata"]) == 50


def test_metadata_of_what_is_nested_has_the_same_limits(caller: Caller, monthly: dict[str, str]) -> None:
    form = monthly | {"items[0][metadata][k]": "v" * 501}
    assert refused(caller, "/v1/subscriptions", **form) == (None, "items[0][metadata][k]")


@pytest.mark.parametrize("text", ["abc", "nan", "1e3", "0.1234567890123", "1,5"])
def test_a_decimal_has_digits_and_twelve_places_at_most(caller: Caller, text: str) -> None:
    form = {"product_data[name]": "Tea", "currency": "usd", "unit_amount_decimal": text}
    assert refused(caller, "/v1/prices", **form) == (None, "unit_amount_decimal")


@pytest.mark.parametrize("text", ["nan", "inf", "1e400", "ten"])
def test_a_number_is_no_nan(caller: Caller, text: str) -> None:
    assert refused(caller, "/v1/coupons", percent_off=text, duration="once") == (None, "percent_off")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("billing_cycle_anchor", NOW * 1000),  # milliseconds
        ("billing_cycle_anchor", NOW + 60 * DAY),
        ("trial_end", NOW - DAY),
        ("trial_end", NOW * 1000),
        ("trial_period_days", 800),
        ("trial_period_days", -1),
    ],
)
def test_a_subscription_cannot_begin_too_early_or_too_late(
    caller: Caller, monthly: dict[str, str], name: str, value: int
) -> None:
    assert refused(caller, "/v1/subscriptions", **monthly, **{name: str(value)}) == (None, name)


def test_no_days_of_trial_are_none(caller: Caller, monthly: dict[str, str]) -> None:
    assert caller.post("/v1/subscriptions", monthly | {"trial_period_days": "0"})["status"] == "active"


def test_a_link_that_redirects_says_where(caller: Caller, monthly: dict[str, str]) -> None:
    form = {
        "line_items[0][price]": monthly["items[0][price]"],
        "line_items[0][quantity]": "1",
        "after_completion[type]": "redirect",
    }
    assert refused(caller, "/v1/payment_links", **form) == ("parameter_missing", "after_completion[redirect]")


def test_a_webhook_goes_to_a_url(caller: Caller) -> None:
    form = {"enabled_events[]": "*", "url": "example.com/hook"}
    assert refused(caller, "/v1/webhook_endpoints", **form) == ("url_invalid", "url")
    with pytest.raises(SandboxError, match=r'webhook "nope": Not a valid URL'):
        caller.sandbox.webhook("nope")


def test_a_json_body_is_refused_instead_of_being_left_unread(caller: Caller) -> None:
    auth = (caller.sandbox.key, "")
    answer = httpx.post(f"{caller.sandbox.url}/v1/customers", json={"name": "Unread"}, auth=auth)
    assert (answer.status_code, "content type" in answer.json()["error"]["message"]) == (400, True)
    assert all(customer["name"] != "Unread" for customer in caller.sandbox.truth("customer"))


def test_the_key_of_a_slow_request_is_in_use(caller: Caller) -> None:
    caller.sandbox.fail("slow:700", on="POST /v1/products", times=2)
    url, auth = f"{caller.sandbox.url}/v1/products", (caller.sandbox.key, "")

    def post(_: int) -> int:
        return httpx.post(url, data={"name": "Once"}, auth=auth, headers={"Idempotency-Key": "slow"}).status_code

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(post, range(2))) == [200, 409]


def test_stripe_context_names_the_account(caller: Caller) -> None:
    sandbox = caller.sandbox
    own, (first, second, _) = caller.get("/v1/account")["id"], sandbox.accounts
    for context, account in ((first, first), (f"{own}/{second}", second)):
        headers = {"Stripe-Context": context, "Stripe-Account": own}
        answer = httpx.get(f"{sandbox.url}/v1/account", auth=(sandbox.key, ""), headers=headers)
        assert answer.json()["id"] == account
    for context in ("acct_nobody", f"acct_nobody/{first}"):
        headers = {"Stripe-Context": context}
        assert httpx.get(f"{sandbox.url}/v1/account", auth=(sandbox.key, ""), headers=headers).status_code == 403


def test_events_of_a_connected_account_say_whose_they_are(caller: Caller) -> None:
    sandbox = caller.sandbox
    account = sandbox.accounts[0]
    headers = {"Stripe-Account": account}
    httpx.post(f"{sandbox.url}/v1/customers", data={"name": "New"}, auth=(sandbox.key, ""), headers=headers)
    events = list(sandbox.truth("event", account=account))
    assert len(events) > 1
    assert {event["account"] for event in events} == {account}
    assert all("account" not in event for event in sandbox.truth("event"))


def test_a_report_tells_of_its_file(caller: Caller) -> None:
    run = caller.post("/v1/reporting/report_runs", {"report_type": "payouts.itemized.3"})["id"]
    caller.sandbox.advance(2)
    file = caller.get(f"/v1/reporting/report_runs/{run}")["result"]["id"]
    assert caller.events_of(file) == ["file.created"]


def test_the_clock_moves_on_by_two_years_at_most(caller: Caller) -> None:
    for seconds in (-1, NOW * 1000):
        with pytest.raises(SandboxError, match=f"cannot be moved by {seconds} seconds"):
            caller.sandbox.advance(seconds)
    body = {"advance_seconds": 10**12}
    assert httpx.post(f"{caller.sandbox.url}/_clock", json=body).status_code == 400


@pytest.mark.parametrize("port", [-1, 65_536])
def test_a_port_that_does_not_exist_is_refused_in_words(port: int) -> None:
    with pytest.raises(SandboxError, match=f"port {port} cannot be used"):
        Sandbox(port=port)


def test_faults_cannot_be_more_than_all_requests() -> None:
    with pytest.raises(SandboxError, match="more than 1"):
        Sandbox(faults="drop=0.6,500=0.6")
