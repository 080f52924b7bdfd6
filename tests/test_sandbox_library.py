"""Stripe's official library against the sandbox: what it can read there, and what it makes of refusals."""

from __future__ import annotations

import inspect
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import stripe

from connector.sandbox import Sandbox
from tests.serving import NOW, a_sandbox

sandbox = pytest.fixture(scope="module")(a_sandbox)


@pytest.fixture(scope="module")
def http() -> Iterator[stripe.HTTPClient]:
    made = stripe.RequestsClient()
    yield made
    made.close()  # type: ignore[no-untyped-call]


@pytest.fixture(scope="module")
def library(sandbox: Sandbox, http: stripe.HTTPClient) -> stripe.StripeClient:
    return _client(sandbox, sandbox.key, http)


def _client(sandbox: Sandbox, key: str, http: stripe.HTTPClient, retries: int = 0) -> stripe.StripeClient:
    return stripe.StripeClient(
        key,
        base_addresses={"api": sandbox.url, "files": sandbox.url},
        http_client=http,
        max_network_retries=retries,
    )


def test_auto_paging_reads_a_whole_list_in_both_directions(sandbox: Sandbox, library: stripe.StripeClient) -> None:
    truth = [record["id"] for record in sandbox.truth("refund")]
    assert len(truth) > 100
    older = [refund.id for refund in library.v1.refunds.list({"limit": 30}).auto_paging_iter()]
    assert older == truth
    newer = library.v1.refunds.list({"limit": 30, "ending_before": truth[-1]}).auto_paging_iter()
    assert [refund.id for refund in newer] == truth[-2::-1]


def test_auto_paging_goes_through_an_embedded_list(sandbox: Sandbox, library: stripe.StripeClient) -> None:
    whole = next(record for record in sandbox.truth("invoice") if len(record["lines"]["data"]) > 10)
    invoice = library.v1.invoices.retrieve(whole["id"])
    assert [line.id for line in invoice.lines.auto_paging_iter()] == [line["id"] for line in whole["lines"]["data"]]


def test_filters_travel_as_the_library_encodes_them(sandbox: Sandbox, library: stripe.StripeClient) -> None:
    since = NOW - 60 * 86_400
    found = library.v1.invoices.list({"status": "paid", "created": {"gte": since}, "limit": 100}).auto_paging_iter()
    assert [invoice.id for invoice in found] == [
        record["id"] for record in sandbox.truth("invoice") if record["status"] == "paid" and record["created"] >= since
    ]


def test_search_pages_by_itself(sandbox: Sandbox, library: stripe.StripeClient) -> None:
    found = library.v1.subscriptions.search({"query": "status:'active'", "limit": 30}).auto_paging_iter()
    expected = [record["id"] for record in sandbox.truth("subscription") if record["status"] == "active"]
    assert len(expected) > 60
    assert [subscription.id for subscription in found] == expected


def test_expand_makes_objects_of_ids(sandbox: Sandbox, library: stripe.StripeClient) -> None:
    record = next(record for record in sandbox.truth("charge") if record["customer"])
    charge = library.v1.charges.retrieve(record["id"], {"expand": ["customer", "balance_transaction"]})
    assert isinstance(charge.customer, stripe.Customer)
    assert charge.customer.id == record["customer"]


def test_singletons_and_children(library: stripe.StripeClient) -> None:
    assert isinstance(library.v1.balance.retrieve(), stripe.Balance)
    subscription = library.v1.subscriptions.list({"limit": 1}).data[0]
    items = library.v1.subscription_items.list({"subscription": subscription.id})
    assert items.data[0].subscription == subscription.id


def test_the_older_way_of_setting_the_host_works_too(
    sandbox: Sandbox, http: stripe.HTTPClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stripe, "api_base", sandbox.url)
    monkeypatch.setattr(stripe, "default_http_client", http)
    customer = stripe.Customer.list(limit=1, api_key=sandbox.key).data[0]
    assert stripe.Customer.retrieve(customer.id, api_key=sandbox.key).id == customer.id


def test_a_deleted_customer_says_so(sandbox: Sandbox, library: stripe.StripeClient) -> None:
    record = next(sandbox.truth("customer"))
    sandbox.delete("customer", record["id"])
    assert library.v1.customers.retrieve(record["id"]).deleted is True
    sandbox.put("customer", record)


def test_refusals_become_the_librarys_own_exceptions(
    sandbox: Sandbox, library: stripe.StripeClient, http: stripe.HTTPClient
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as missing:
        library.v1.invoices.retrieve("in_nope")
    assert (missing.value.code, missing.value.http_status) == ("resource_missing", 404)
    assert missing.value.request_id
    with pytest.raises(stripe.InvalidRequestError) as wrong:
        library.v1.customers.list({"limit": 1000})
    assert wrong.value.param == "limit"
    with pytest.raises(stripe.AuthenticationError):
        _client(sandbox, "sk_test_wrong", http).v1.balance.retrieve()
    with pytest.raises(stripe.PermissionError):
        _client(sandbox, "rk_test_none", http).v1.balance.retrieve()


@pytest.mark.parametrize(
    ("fault", "raised"),
    [("429", stripe.RateLimitError), ("500", stripe.APIError), ("drop", stripe.APIConnectionError)],
)
def test_faults_reach_the_library_as_what_they_are(
    sandbox: Sandbox, library: stripe.StripeClient, fault: str, raised: type[Exception]
) -> None:
    sandbox.fail(fault)
    with pytest.raises(raised):
        library.v1.balance.retrieve()


@pytest.mark.parametrize("fault", ["500", "503", "drop"])
def test_the_library_gets_over_a_fault_by_itself(
    sandbox: Sandbox, http: stripe.HTTPClient, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "_sleep_time_seconds", lambda *_, **__: 0)
    sandbox.fail(fault)
    assert _client(sandbox, sandbox.key, http, retries=2).v1.balance.retrieve().object == "balance"


def test_a_wrong_parameter_in_v2_has_a_code_and_no_type(sandbox: Sandbox, library: stripe.StripeClient) -> None:
    assert [event.type.partition(".")[0] for event in library.v2.core.events.list({"limit": 2}).data] == ["v1", "v1"]
    with pytest.raises(stripe.InvalidRequestError) as wrong:
        library.v2.core.events.list({"limit": 1000})
    assert (wrong.value.code, wrong.value.http_status) == ("invalid_fields", 400)
    assert isinstance(wrong.value.json_body, dict)
    assert set(wrong.value.json_body["error"]) == {"code", "message"}
    with pytest.raises(stripe.APIError, match="does not take object_id"):
        library.v2.core.events.list({"object_id": "cus_1"})
    assert httpx.get(f"{sandbox.url}/v2/core/events?page=no", auth=(sandbox.key, "")).status_code == 400


def test_an_event_of_the_v2_list_is_read_alone(library: stripe.StripeClient) -> None:
    newest = library.v2.core.events.list({"limit": 1}).data[0]
    assert library.v2.core.events.retrieve(newest.id).to_dict() == newest.to_dict()
    with pytest.raises(stripe.InvalidRequestError) as missing:
        library.v2.core.events.retrieve("evt_nope")
    assert missing.value.http_status == 404


def _services(parent: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    for name in getattr(sys.modules[type(parent).__module__], "_subservices", ()):
        service = getattr(parent, name)
        yield f"{above}{name}", service
        yield from _services(service, f"{above}{name}.")


def _takes_parameters_only(method: Any) -> bool:
    return next(iter(inspect.signature(method).parameters)) == "params"


def _first(service: Any) -> list[Any]:
    """The first objects of a list, none where it needs a parent."""
    if not hasattr(service, "list") or not _takes_parameters_only(service.list):
        return []
    try:
        return list(service.list({}).data)
    except stripe.InvalidRequestError as error:
        if error.code == "parameter_missing":
            return []
        raise


def test_the_library_understands_every_list_and_each_of_its_objects(library: stripe.StripeClient) -> None:
    read = Counter[str]()
    for name, service in _services(library.v1):
        for listed in _first(service):
            if hasattr(service, "retrieve"):
                assert service.retrieve(listed.id).id == listed.id, name
            read[name] += 1
    assert len(read) > 70
    assert {"promotion_codes", "shipping_rates"} <= read.keys()
    assert library.v1.balance_settings.retrieve().payments is not None


def test_what_is_not_served_is_not_tried_again(sandbox: Sandbox, http: stripe.HTTPClient) -> None:
    before = len(sandbox.requests)
    with pytest.raises(stripe.APIError, match="does not serve POST /v1/quotes yet"):
        _client(sandbox, sandbox.key, http, retries=3).v1.quotes.create()
    assert len(sandbox.requests) == before + 1
