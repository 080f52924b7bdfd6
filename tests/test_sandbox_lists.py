"""Lists over HTTP against the whole truth: filters, hidden defaults, pages, child lists."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from connector.sandbox import Sandbox
from connector.sandbox.document import api
from connector.sandbox.document.rules import DEFAULTS, FILTERS, in_range, matches, values_at
from connector.sandbox.writes.served import KINDS, READERS
from tests.serving import NOW, a_sandbox, its_client

DAY = 86_400

Record = dict[str, Any]


sandbox = pytest.fixture(scope="module")(a_sandbox)
client = pytest.fixture(scope="module")(its_client)


class Truth(dict[str, list[Record]]):
    """The whole truth by kind, asked for once and only read."""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__()
        self.sandbox = sandbox

    def __missing__(self, kind: str) -> list[Record]:
        self[kind] = list(self.sandbox.truth(kind))
        return self[kind]

    def first(self, kind: str, passes: Callable[[Record], Any] = bool) -> Record:
        return next(record for record in self[kind] if passes(record))


@pytest.fixture(scope="module")
def truth(sandbox: Sandbox) -> Truth:
    return Truth(sandbox)


def _ids(client: httpx.Client, path: str, **parameters: Any) -> list[str]:
    """Return the ids of a whole list, read a hundred at a time."""
    found: list[str] = []
    while True:
        answer = client.get(path, params={"limit": 100, **parameters})
        assert answer.status_code == 200, answer.text
        found += [record["id"] for record in answer.json()["data"]]
        if not answer.json()["has_more"]:
            return found
        parameters["starting_after"] = found[-1]


def _first(sandbox: Sandbox, kind: str, passes: Callable[[Record], Any] = bool) -> Record:
    return next(record for record in sandbox.truth(kind) if passes(record))


LISTS = sorted(
    operation.path
    for operation in api.operations()
    if operation.method == "GET" and operation.lists and not operation.path_parameters and not operation.required
)


@pytest.mark.parametrize("path", LISTS)
def test_every_list_gives_the_whole_truth_newest_first(truth: Truth, client: httpx.Client, path: str) -> None:
    operation = api.operation("GET", path)
    assert operation is not None
    if operation.lists not in truth.sandbox.store.kinds:
        assert client.get(path).json()["data"] or operation.name in READERS  # samples
        return
    always = {"status": "all"} if path == "/v1/subscriptions" else {}
    kept = [default.keeps for default in DEFAULTS if default.path == path and not always.keys() & set(default.unless)]
    expected = [record for record in truth[operation.lists] if all(keeps(record) for keeps in kept)]
    if path == "/v1/accounts":  # the truth has the own account, which is connected to nobody
        expected = list(truth.sandbox.store.records("account"))
    assert expected or operation.lists in KINDS  # those that only come by writing
    assert _ids(client, path, **always) == [record["id"] for record in expected]
    created = [record["created"] for record in expected if "created" in record]
    assert created == sorted(created, reverse=True)


@pytest.mark.parametrize("kind", ["events", "charges", "customers", "invoices", "payouts", "subscriptions"])
def test_nothing_was_created_in_times_to_come(client: httpx.Client, kind: str) -> None:
    for days in (1, 40, 100, 400, 4_000):
        assert _ids(client, f"/v1/{kind}", **{"created[gte]": NOW + days * DAY}) == []
        answer = client.get(f"/v1/{kind}", params={"limit": 1, "created[lt]": NOW + days * DAY})
        assert len(answer.json()["data"]) == 1


def test_a_page_is_ten_unless_asked_otherwise(client: httpx.Client) -> None:
    first = client.get("/v1/charges").json()
    assert (len(first["data"]), first["has_more"], first["url"], first["object"]) == (10, True, "/v1/charges", "list")
    assert len(client.get("/v1/charges?limit=100").json()["data"]) == 100
    assert len(client.get("/v1/charges?limit=1").json()["data"]) == 1


def test_pages_run_older_and_newer_from_a_cursor(client: httpx.Client) -> None:
    ids = [record["id"] for record in client.get("/v1/charges?limit=30").json()["data"]]
    older = client.get("/v1/charges", params={"limit": 5, "starting_after": ids[9]}).json()
    assert [record["id"] for record in older["data"]] == ids[10:15]
    newer = client.get("/v1/charges", params={"limit": 5, "ending_before": ids[9]}).json()
    assert [record["id"] for record in newer["data"]] == ids[4:9]
    assert newer["has_more"] is True
    newest = client.get("/v1/charges", params={"limit": 9, "ending_before": ids[9]}).json()
    assert [record["id"] for record in newest["data"]] == ids[:9]
    assert newest["has_more"] is False


# filters: list, kind, parameter, and what a record must have to pass; the value is taken from the truth

EQUAL = [
    ("/v1/balance_transactions", "balance_transaction", "currency", "currency"),
    ("/v1/balance_transactions", "balance_transaction", "source", "source"),
    ("/v1/balance_transactions", "balance_transaction", "type", "type"),
    ("/v1/charges", "charge", "customer", "customer"),
    ("/v1/charges", "charge", "payment_intent", "payment_intent"),
    ("/v1/checkout/sessions", "checkout.session", "customer", "customer"),
    ("/v1/checkout/sessions", "checkout.session", "status", "status"),
    ("/v1/credit_notes", "credit_note", "customer", "customer"),
    ("/v1/credit_notes", "credit_note", "invoice", "invoice"),
    ("/v1/customers", "customer", "email", "email"),
    ("/v1/disputes", "dispute", "charge", "charge"),
    ("/v1/disputes", "dispute", "payment_intent", "payment_intent"),
    ("/v1/events", "event", "type", "type"),
    ("/v1/invoiceitems", "invoiceitem", "customer", "customer"),
    ("/v1/invoiceitems", "invoiceitem", "invoice", "invoice"),
    ("/v1/invoices", "invoice", "collection_method", "collection_method"),
    ("/v1/invoices", "invoice", "customer", "customer"),
    ("/v1/invoices", "invoice", "status", "status"),
    ("/v1/invoices", "invoice", "subscription", "parent.subscription_details.subscription"),
    ("/v1/payment_intents", "payment_intent", "customer", "customer"),
    ("/v1/payment_methods", "payment_method", "customer", "customer"),
    ("/v1/payment_methods", "payment_method", "type", "type"),
    ("/v1/payouts", "payout", "destination", "destination"),
    ("/v1/payouts", "payout", "status", "status"),
    ("/v1/prices", "price", "currency", "currency"),
    ("/v1/prices", "price", "product", "product"),
    ("/v1/prices", "price", "type", "type"),
    ("/v1/prices", "price", "recurring[interval]", "recurring.interval"),
    ("/v1/refunds", "refund", "charge", "charge"),
    ("/v1/refunds", "refund", "payment_intent", "payment_intent"),
    ("/v1/subscriptions", "subscription", "collection_method", "collection_method"),
    ("/v1/subscriptions", "subscription", "customer", "customer"),
    ("/v1/subscriptions", "subscription", "price", "items.data.price.id"),
    ("/v1/subscriptions", "subscription", "status", "status"),
]


@pytest.mark.parametrize("case", EQUAL, ids=[f"{case[0]}-{case[2]}" for case in EQUAL])
def test_a_filter_keeps_exactly_the_objects_that_equal_it(
    truth: Truth, client: httpx.Client, case: tuple[str, str, str, str]
) -> None:
    path, kind, parameter, field = case
    values = [value for record in truth[kind] for value in values_at(record, field) if value is not None]
    assert values, f"no {kind} has {field}"
    value = values[len(values) // 2]
    kept = [d.keeps for d in DEFAULTS if d.path == path and parameter not in d.unless]
    expected = [
        record["id"]
        for record in truth[kind]
        if value in values_at(record, field) and all(keeps(record) for keeps in kept)
    ]
    assert expected
    assert _ids(client, path, **{parameter: value}) == expected


RANGES = [
    ("/v1/charges", "charge", "created", "created"),
    ("/v1/invoices", "invoice", "due_date", "due_date"),
    ("/v1/invoiceitems", "invoiceitem", "created", "date"),
    ("/v1/payouts", "payout", "arrival_date", "arrival_date"),
    ("/v1/events", "event", "created", "created"),
]


@pytest.mark.parametrize("case", RANGES, ids=[f"{case[0]}-{case[2]}" for case in RANGES])
def test_a_range_keeps_exactly_what_lies_in_it(
    truth: Truth, client: httpx.Client, case: tuple[str, str, str, str]
) -> None:
    path, kind, parameter, field = case
    rows = [(record[field], record["id"]) for record in truth[kind]]
    times = sorted(time for time, _ in rows if time is not None)
    low, high = times[len(times) // 4], times[len(times) * 3 // 4]
    for bounds in ({"gte": low, "lt": high}, {"gt": low, "lte": high}, {"gt": high}, {"lte": low}):
        expected = [id_ for time, id_ in rows if time is not None and in_range(time, bounds)]
        assert _ids(client, path, **{f"{parameter}[{word}]": bound for word, bound in bounds.items()}) == expected
    assert _ids(client, path, **{parameter: low}) == [id_ for time, id_ in rows if time == low]


def test_range_bounds_include_what_their_names_say() -> None:
    assert [time for time in range(6) if in_range(time, {"gte": 1, "lt": 4})] == [1, 2, 3]
    assert [time for time in range(6) if in_range(time, {"gt": 1, "lte": 4})] == [2, 3, 4]
    assert not matches(None, {"gte": 0})


# hidden defaults and special filters


def test_canceled_subscriptions_come_only_on_request(truth: Truth, client: httpx.Client) -> None:
    live = [record for record in truth["subscription"] if record["test_clock"] is None]
    statuses = {record["id"]: record["status"] for record in live}
    assert "canceled" in statuses.values()
    wanted = {
        None: {id_ for id_, status in statuses.items() if status != "canceled"},
        "all": set(statuses),
        "canceled": {id_ for id_, status in statuses.items() if status == "canceled"},
        "ended": {id_ for id_, status in statuses.items() if status in {"canceled", "incomplete_expired"}},
    }
    for status, expected in wanted.items():
        assert set(_ids(client, "/v1/subscriptions", **({"status": status} if status else {}))) == expected


def test_inactive_prices_come_only_on_request(truth: Truth, client: httpx.Client) -> None:
    active = {record["id"]: record["active"] for record in truth["price"]}
    assert set(active.values()) == {True, False}
    assert set(_ids(client, "/v1/prices")) == {id_ for id_, value in active.items() if value}
    assert set(_ids(client, "/v1/prices", active="false")) == {id_ for id_, value in active.items() if not value}


def test_objects_on_a_test_clock_come_only_on_request() -> None:
    with Sandbox(now=NOW, rps=0) as sandbox, httpx.Client(base_url=sandbox.url, auth=(sandbox.key, "")) as client:
        for kind in ("customer", "subscription"):
            record = _first(sandbox, kind)
            sandbox.put(kind, {**record, "test_clock": "clock_1"})
            path = f"/v1/{kind}s"
            assert record["id"] not in _ids(client, path)
            assert _ids(client, path, test_clock="clock_1") == [record["id"]]
            assert client.get(f"{path}/{record['id']}").status_code == 200


def test_pending_invoice_items_belong_to_no_invoice(truth: Truth, client: httpx.Client) -> None:
    pending = {record["id"]: record["invoice"] is None for record in truth["invoiceitem"]}
    assert set(pending.values()) == {True, False}
    assert set(_ids(client, "/v1/invoiceitems", pending="true")) == {id_ for id_, is_so in pending.items() if is_so}
    assert set(_ids(client, "/v1/invoiceitems", pending="false")) == {
        id_ for id_, is_so in pending.items() if not is_so
    }


def test_a_payout_tells_its_balance_transactions(truth: Truth, client: httpx.Client) -> None:
    payout = truth.first("payout", lambda record: record["automatic"] and record["status"] == "paid")
    ids = _ids(client, "/v1/balance_transactions", payout=payout["id"])
    amounts = {record["id"]: record for record in truth["balance_transaction"]}
    parts = [amounts[id_] for id_ in ids if amounts[id_]["type"] != "payout"]
    assert parts
    assert sum(record["net"] for record in parts) == payout["amount"]


def test_a_manual_payout_does_not(truth: Truth) -> None:
    payout = truth.first("payout")
    with Sandbox(now=NOW, rps=0) as other:
        other.put("payout", {**payout, "automatic": False})
        answer = httpx.get(
            f"{other.url}/v1/balance_transactions", params={"payout": payout["id"]}, auth=(other.key, "")
        )
    assert answer.status_code == 400
    assert "automatic" in answer.json()["error"]["message"]


def test_events_are_filtered_by_name_group_and_several_names(truth: Truth, client: httpx.Client) -> None:
    types = {record["id"]: record["type"] for record in truth["event"]}
    assert set(_ids(client, "/v1/events", type="invoice.*")) == {
        id_ for id_, name in types.items() if name.startswith("invoice.")
    }
    two = sorted(set(types.values()))[:2]
    assert set(_ids(client, "/v1/events", **{"types[]": two})) == {id_ for id_, name in types.items() if name in two}
    assert _ids(client, "/v1/events", type="customer.[ab]*") == []


def test_events_go_back_thirty_days(truth: Truth, client: httpx.Client) -> None:
    oldest = min(record["created"] for record in truth["event"])
    assert NOW - 30 * DAY <= oldest < NOW - 20 * DAY
    assert _ids(client, "/v1/events", **{"created[lt]": NOW - 30 * DAY}) == []


def test_products_are_picked_by_their_ids(truth: Truth, client: httpx.Client) -> None:
    ids = [record["id"] for record in truth["product"]][1:4]
    assert _ids(client, "/v1/products", **{"ids[]": [*ids, "prod_nope"]}) == ids


def test_a_subscription_is_found_by_its_periods(truth: Truth, client: httpx.Client) -> None:
    record = truth.first("subscription", lambda record: record["status"] == "active")
    ends = min(values_at(record, "items.data.current_period_end"))
    assert record["id"] in _ids(client, "/v1/subscriptions", current_period_end=ends)
    assert record["id"] not in _ids(client, "/v1/subscriptions", **{"current_period_end[gt]": ends})


def test_an_open_session_is_found_by_the_address_of_its_customer(truth: Truth, client: httpx.Client) -> None:
    record = truth.first("checkout.session", lambda record: (record["customer_details"] or {}).get("email"))
    email = record["customer_details"]["email"]
    assert record["id"] in _ids(client, "/v1/checkout/sessions", **{"customer_details[email]": email})
    assert _ids(client, "/v1/checkout/sessions", **{"customer_details[email]": "nobody@example.com"}) == []


def test_filters_look_at_the_object_as_it_is_now() -> None:
    with Sandbox(now=NOW, rps=0) as sandbox, httpx.Client(base_url=sandbox.url, auth=(sandbox.key, "")) as client:
        paid = _first(sandbox, "invoice", lambda record: record["status"] == "paid")
        other = _first(sandbox, "customer", lambda record: record["id"] != paid["customer"])
        sandbox.put("invoice", {**paid, "status": "void", "customer": other["id"]})
        assert paid["id"] in _ids(client, "/v1/invoices", status="void")
        assert paid["id"] not in _ids(client, "/v1/invoices", status="paid")
        assert paid["id"] in _ids(client, "/v1/invoices", customer=other["id"])
        assert paid["id"] not in _ids(client, "/v1/invoices", customer=paid["customer"])
        sandbox.put("invoice", {**paid, "id": "in_new", "created": NOW + 5})
        assert client.get("/v1/invoices?limit=1").json()["data"][0]["id"] == "in_new"


# one object, child lists


@pytest.mark.parametrize("kind", ["customer", "charge", "event", "checkout.session", "balance_transaction", "coupon"])
def test_an_object_is_retrieved_by_its_id(truth: Truth, client: httpx.Client, kind: str) -> None:
    record = truth.first(kind)
    path = {"checkout.session": "checkout/sessions"}.get(kind, f"{kind}s")
    answer = client.get(f"/v1/{path}/{record['id']}")
    assert answer.status_code == 200
    assert answer.json()["id"] == record["id"]
    assert answer.json().get("created") == record.get("created")


def test_a_subscription_item_is_found_in_its_subscription(truth: Truth, client: httpx.Client) -> None:
    item = truth.first("subscription")["items"]["data"][0]
    assert client.get(f"/v1/subscription_items/{item['id']}").json() == item


def test_a_deleted_customer_is_a_stub_and_other_deleted_objects_are_missing() -> None:
    with Sandbox(now=NOW, rps=0) as sandbox, httpx.Client(base_url=sandbox.url, auth=(sandbox.key, "")) as client:
        customer = _first(sandbox, "invoice")["customer"]
        product = _first(sandbox, "product")["id"]
        assert sandbox.delete("customer", customer)
        assert sandbox.delete("product", product)
        stub = client.get(f"/v1/customers/{customer}")
        assert (stub.status_code, stub.json()) == (200, {"id": customer, "object": "customer", "deleted": True})
        assert customer not in _ids(client, "/v1/customers")
        assert _ids(client, "/v1/invoices", customer=customer) != []
        assert client.get(f"/v1/products/{product}").status_code == 404


def test_long_lists_inside_objects_are_cut_at_ten_and_continue_at_their_url(truth: Truth, client: httpx.Client) -> None:
    whole = truth.first("invoice", lambda record: len(record["lines"]["data"]) > 10)
    shown = client.get(f"/v1/invoices/{whole['id']}").json()["lines"]
    ids = [line["id"] for line in whole["lines"]["data"]]
    assert [line["id"] for line in shown["data"]] == ids[:10]
    assert (shown["has_more"], shown["url"]) == (True, f"/v1/invoices/{whole['id']}/lines")
    assert _ids(client, shown["url"], starting_after=ids[9]) == ids[10:]
    assert _ids(client, shown["url"], limit=3) == ids
    listed = client.get("/v1/invoices", params={"customer": whole["customer"], "limit": 100}).json()["data"]
    assert next(len(each["lines"]["data"]) for each in listed if each["id"] == whole["id"]) == 10


def test_children_are_listed_under_their_parent(truth: Truth, client: httpx.Client) -> None:
    link = truth.first("payment_link")
    items = [item["id"] for item in link["line_items"]["data"]]
    assert _ids(client, f"/v1/payment_links/{link['id']}/line_items") == items
    note = truth.first("credit_note")
    assert _ids(client, f"/v1/credit_notes/{note['id']}/lines") == [line["id"] for line in note["lines"]["data"]]
    subscription = truth.first("subscription")
    answer = client.get("/v1/subscription_items", params={"subscription": subscription["id"]}).json()
    assert answer["data"] == subscription["items"]["data"]


def test_the_payment_methods_of_a_customer_are_listed_and_retrieved(truth: Truth, client: httpx.Client) -> None:
    method = truth.first("payment_method", lambda record: record["customer"])
    path = f"/v1/customers/{method['customer']}/payment_methods"
    assert method["id"] in _ids(client, path)
    assert _ids(client, path) == _ids(client, "/v1/payment_methods", customer=method["customer"])
    assert client.get(f"{path}/{method['id']}").json()["id"] == method["id"]
    other = truth.first("customer", lambda record: record["id"] != method["customer"])["id"]
    assert client.get(f"/v1/customers/{other}/payment_methods/{method['id']}").status_code == 404


def test_every_rule_names_a_parameter_and_a_path_that_stripe_has() -> None:
    known = {
        (operation.lists, name)
        for operation in api.operations()
        if operation.method == "GET" and operation.lists
        for name in operation.query
    }
    assert set(FILTERS) <= known
    for default in DEFAULTS:
        operation = api.operation("GET", default.path)
        assert operation is not None
        assert set(default.unless) <= set(operation.query)
