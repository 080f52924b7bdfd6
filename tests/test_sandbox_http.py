"""The sandbox over HTTP: keys, headers, refusals in Stripe's shape, and a server that behaves."""

from __future__ import annotations

import base64
import json
import re
import socket
import time
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from connector.sandbox import Sandbox, SandboxError
from tests.serving import NOW, a_sandbox, its_client

sandbox = pytest.fixture(scope="module")(a_sandbox)
client = pytest.fixture(scope="module")(its_client)


def _with(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def _error(answer: httpx.Response) -> dict[str, Any]:
    error: dict[str, Any] = answer.json()["error"]
    return error


# keys


@pytest.mark.parametrize(
    ("authorization", "message"),
    [
        (None, "You did not provide an API key."),
        ("Bearer", "You did not provide an API key."),
        ("Basic !!", "You did not provide an API key."),
        ("Bearer sk_test_4eC39HqLyjWDarjtT1zdp7dc", "Invalid API Key provided: sk_test_********************p7dc"),
        ("Bearer sk_live_4eC39HqLyjWDarjtT1zdp7dc", "Invalid API Key provided: sk_live_********************p7dc"),
        ("Bearer rk_test_reed_customers", "Invalid API Key provided: rk_test_**********mers"),
        ("Bearer rk_test_read_custmers", "Invalid API Key provided: rk_test_*********mers"),
        ("Bearer abc", "Invalid API Key provided: ****"),
    ],
)
def test_a_missing_or_unknown_key_is_refused_and_masked(
    sandbox: Sandbox, authorization: str | None, message: str
) -> None:
    headers = {"Authorization": authorization} if authorization else {}
    answer = httpx.get(f"{sandbox.url}/v1/customers", headers=headers)
    assert answer.status_code == 401
    assert _error(answer)["type"] == "invalid_request_error"
    assert _error(answer)["message"].startswith(message)


def test_bearer_and_basic_both_carry_the_key(sandbox: Sandbox) -> None:
    basic = base64.b64encode(f"{sandbox.key}:".encode()).decode()
    for authorization in (f"Bearer {sandbox.key}", f"Basic {basic}"):
        answer = httpx.get(f"{sandbox.url}/v1/customers?limit=1", headers={"Authorization": authorization})
        assert answer.status_code == 200


@pytest.mark.parametrize(
    ("key", "path", "permission"),
    [
        ("rk_test_none", "/v1/charges", "rak_charge_read"),
        ("rk_test_read_customers", "/v1/charges?limit=1", "rak_charge_read"),
        ("rk_test_read_customers", "/v1/invoices/in_nope", "rak_invoice_read"),
        ("rk_test_read_customers", "/v1/invoiceitems", "rak_invoice_read"),
        ("rk_test_read_customers", "/v1/refunds", "rak_charge_read"),
        ("rk_test_read_customers", "/v1/account", "rak_accounts_kyc_basic_read"),
        ("rk_test_read_balance", "/v1/balance_transactions", "rak_balance_transaction_source_read"),
        ("rk_live_read_customers", "/v1/checkout/sessions", "rak_checkout_session_read"),
    ],
)
def test_a_missing_permission_is_named_before_anything_is_looked_up(
    sandbox: Sandbox, key: str, path: str, permission: str
) -> None:
    answer = httpx.get(sandbox.url + path, headers=_with(key))
    assert answer.status_code == 403
    assert f"Having the '{permission}' permission would allow" in _error(answer)["message"]
    assert key not in answer.text


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("rk_test_read_customers_invoices", "/v1/customers"),
        ("rk_test_read_customers_invoices", "/v1/customers/search?query=email:'a'"),
        ("rk_test_read_customers_invoices", "/v1/invoices"),
        ("rk_test_read_customers_balance_transactions", "/v1/balance_transactions"),
        ("rk_test_read_checkout_sessions", "/v1/checkout/sessions"),
        ("rk_test_read_charges", "/v1/refunds"),
        ("rk_test_write_products", "/v1/products"),
        ("rk_live_read_all", "/v1/events"),
        ("rk_test_read_account", "/v1/account"),
    ],
)
def test_a_restricted_key_may_what_its_name_says(sandbox: Sandbox, key: str, path: str) -> None:
    assert httpx.get(sandbox.url + path, headers=_with(key)).status_code == 200


@pytest.mark.parametrize("name", ["keys.toml", "keys.json"])
def test_a_file_names_keys_and_what_they_may(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    toml = '"rk_test_shop" = ["read customers", "write products"]\n'
    path.write_text(toml if name.endswith("toml") else '{"rk_test_shop": ["read customers"]}', encoding="utf-8")
    with Sandbox(now=NOW, keys=path) as sandbox:
        assert httpx.get(f"{sandbox.url}/v1/customers", headers=_with("rk_test_shop")).status_code == 200
        assert httpx.get(f"{sandbox.url}/v1/charges", headers=_with("rk_test_shop")).status_code == 403


@pytest.mark.parametrize("content", ["{", '["rk_test_a"]', '{"rk_test_a": "read customers"}', '{"rk_test_a": ["red"]}'])
def test_a_keys_file_that_makes_no_sense_is_said_so(tmp_path: Path, content: str) -> None:
    path = tmp_path / "keys.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(SandboxError, match="keys"):
        Sandbox(now=NOW, keys=path)


def test_a_live_key_sees_live_objects(sandbox: Sandbox) -> None:
    answer = httpx.get(f"{sandbox.url}/v1/subscriptions?limit=1", headers=_with(sandbox.live_key))
    assert answer.json()["data"][0]["livemode"] is True
    assert '"livemode": false' not in answer.text


# account and version


def test_the_own_account_is_accepted_and_any_other_refused(client: httpx.Client) -> None:
    own = client.get("/v1/account").json()["id"]
    assert client.get("/v1/balance", headers={"Stripe-Account": own}).status_code == 200
    other = client.get("/v1/balance", headers={"Stripe-Account": "acct_other"})
    assert (other.status_code, _error(other)["code"]) == (403, "account_invalid")


def test_the_version_is_echoed_pinned_by_default_and_checked(client: httpx.Client) -> None:
    assert client.get("/v1/balance").headers["Stripe-Version"] == "2026-10-28.endive"
    for version in ("2024-09-30.acacia", "2020-08-27"):
        assert client.get("/v1/balance", headers={"Stripe-Version": version}).headers["Stripe-Version"] == version
    wrong = client.get("/v1/balance", headers={"Stripe-Version": "latest"})
    assert (wrong.status_code, _error(wrong)["message"]) == (400, "Invalid Stripe API version: latest")


# answers


def test_answers_carry_stripes_headers_and_the_sandboxs_clock(client: httpx.Client) -> None:
    answer = client.get("/v1/customers?limit=1")
    assert re.fullmatch(r"req_[0-9A-Za-z]{14}", answer.headers["Request-Id"])
    assert answer.headers["Content-Type"] == "application/json"
    assert NOW <= parsedate_to_datetime(answer.headers["Date"]).timestamp() < NOW + 600
    assert answer.headers["Request-Id"] != client.get("/v1/customers?limit=1").headers["Request-Id"]


def test_json_is_printed_with_an_indent_of_two(client: httpx.Client) -> None:
    answer = client.get("/v1/customers?limit=2")
    assert answer.text.rstrip("\n") == json.dumps(answer.json(), indent=2, ensure_ascii=False)


REFUSALS = [
    ("/v1/foo", 404, None, None, "Unrecognized request URL (GET: /v1/foo)."),
    ("/nothing", 404, None, None, "Unrecognized request URL (GET: /nothing)."),
    ("/v1/customers?colour=red", 400, "parameter_unknown", "colour", "Received unknown parameter: colour"),
    ("/v1/customers?created[since]=1", 400, "parameter_unknown", "created[since]", "Received unknown parameter"),
    ("/v1/customers/cus_nope?email=a", 400, "parameter_unknown", "email", "Received unknown parameter: email"),
    ("/v1/customers?limit=abc", 400, "parameter_invalid_integer", "limit", "Invalid integer: abc"),
    ("/v1/customers?limit=0", 400, None, "limit", "This value must be greater than or equal to 1"),
    ("/v1/customers?limit=101", 400, None, "limit", "This value must be less than or equal to 100"),
    ("/v1/customers?created[gte]=now", 400, "parameter_invalid_integer", "created[gte]", "Invalid integer: now"),
    (
        "/v1/customers?starting_after=cus_nope",
        400,
        "resource_missing",
        "starting_after",
        "No such customer: 'cus_nope'",
    ),
    ("/v1/customers?ending_before=cus_nope", 400, "resource_missing", "ending_before", "No such customer: 'cus_nope'"),
    ("/v1/customers?starting_after=a&ending_before=b", 400, "parameters_exclusive", "ending_before", "Received both"),
    ("/v1/invoices?status=payed", 400, None, "status", "Invalid status: must be one of draft, open, paid"),
    ("/v1/invoices?customer=cus_nope", 400, "resource_missing", "customer", "No such customer: 'cus_nope'"),
    ("/v1/products?active=yes", 400, None, "active", "Invalid boolean: yes"),
    (
        "/v1/products?ids[]=a&starting_after=b",
        400,
        "parameters_exclusive",
        "ids",
        "Received both ids and starting_after",
    ),
    ("/v1/events?type=a&types[]=b", 400, "parameters_exclusive", "type", "Received both type and types"),
    ("/v1/events?" + "&".join(f"types[]=t{n}" for n in range(21)), 400, None, "types", "Array types exceeds"),
    ("/v1/subscription_items", 400, "parameter_missing", "subscription", "Missing required param: subscription."),
    ("/v1/subscription_items?subscription=sub_nope", 400, "resource_missing", "subscription", "No such subscription"),
    ("/v1/customers/search", 400, "parameter_missing", "query", "Missing required param: query."),
    ("/v1/customers/cus_nope", 404, "resource_missing", "id", "No such customer: 'cus_nope'"),
    ("/v1/invoices/in_nope", 404, "resource_missing", "invoice", "No such invoice: 'in_nope'"),
    ("/v1/invoices/in_nope/lines", 404, "resource_missing", "invoice", "No such invoice: 'in_nope'"),
    ("/v1/subscriptions/sub_nope", 404, "resource_missing", "id", "No such subscription: 'sub_nope'"),
    ("/v1/subscription_items/si_nope", 404, "resource_missing", "item", "No such subscription_item: 'si_nope'"),
    ("/v1/customers/cus_nope/payment_methods", 404, "resource_missing", "id", "No such customer: 'cus_nope'"),
]


@pytest.mark.parametrize("case", REFUSALS, ids=[case[0][:40] for case in REFUSALS])
def test_a_wrong_request_is_refused_in_stripes_shape(
    client: httpx.Client, case: tuple[str, int, str | None, str | None, str]
) -> None:
    path, status, code, param, message = case
    answer = client.get(path)
    error = _error(answer)
    assert (answer.status_code, error.get("code"), error.get("param")) == (status, code, param)
    assert error["message"].startswith(message)
    assert error["type"] == "invalid_request_error"
    assert answer.headers["Request-Id"].startswith("req_")


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("POST", "/v1/quotes", "POST /v1/quotes"),
        ("DELETE", "/v1/radar/value_lists/rsl_1", "DELETE /v1/radar/value_lists/{value_list}"),
        ("GET", "/v1/credit_notes/preview?invoice=in_1", "GET /v1/credit_notes/preview"),
    ],
)
def test_what_stripe_has_and_the_sandbox_does_not_is_said_so(
    client: httpx.Client, method: str, path: str, name: str
) -> None:
    answer = client.request(method, path)
    assert answer.status_code == 501
    assert answer.headers["Stripe-Should-Retry"] == "false"
    assert _error(answer) == {"type": "api_error", "message": f"The sandbox does not serve {name} yet."}


def test_a_bug_in_the_sandbox_is_answered_and_logged(
    sandbox: Sandbox, client: httpx.Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sandbox.store, "walk", lambda *_, **__: 1 / 0)
    answer = client.get("/v1/coupons")
    assert answer.status_code == 500
    assert "bug of the sandbox" in _error(answer)["message"]
    assert "ZeroDivisionError" in caplog.text


# the server


def test_it_listens_on_this_machine_only() -> None:
    for host in ("0.0.0.0", "192.168.1.1", ""):
        with pytest.raises(SandboxError, match="this machine only"):
            Sandbox(host=host)


def test_a_port_in_use_is_one_clear_error(sandbox: Sandbox) -> None:
    port = int(sandbox.url.rpartition(":")[2])
    with pytest.raises(SandboxError, match=f"port {port} cannot be used"):
        Sandbox(port=port)


@pytest.mark.parametrize("wrong", [{"size": "huge"}, {"latency_ms": -1}, {"rps": -1}])
def test_wrong_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SandboxError):
        Sandbox(**wrong)


def test_a_connection_is_kept_alive_without_delay(sandbox: Sandbox) -> None:
    request = f"GET /v1/account HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {sandbox.key}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", int(sandbox.url.rpartition(":")[2])), timeout=5) as connection:
        reader = connection.makefile("rb")
        started = time.monotonic()
        for _ in range(20):
            connection.sendall(request)
            assert reader.readline() == b"HTTP/1.1 200 OK\r\n"
            headers = dict(line.split(b": ", 1) for line in iter(reader.readline, b"\r\n"))
            json.loads(reader.read(int(headers[b"Content-Length"])))
        reader.close()
        assert time.monotonic() - started < 0.6  # with Nagle's algorithm on, each would wait some 40 ms


def test_a_client_that_goes_away_makes_no_noise(sandbox: Sandbox, capfd: pytest.CaptureFixture[str]) -> None:
    request = (
        f"GET /v1/charges?limit=100 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {sandbox.key}\r\n\r\n".encode()
    )
    for sent in (b"", b"GET /v1", request, request * 3):
        connection = socket.create_connection(("127.0.0.1", int(sandbox.url.rpartition(":")[2])), timeout=5)
        connection.sendall(sent)
        connection.close()
    assert httpx.get(f"{sandbox.url}/_stats").status_code == 200
    assert capfd.readouterr().err == ""


def test_stopping_closes_open_connections() -> None:
    with Sandbox(now=NOW) as sandbox:
        port = int(sandbox.url.rpartition(":")[2])
        connection = socket.create_connection(("127.0.0.1", port), timeout=5)
        httpx.get(f"{sandbox.url}/_stats")
    with connection:
        assert connection.recv(1) == b""
    with pytest.raises(OSError, match=r"."):
        socket.create_connection(("127.0.0.1", port), timeout=1).close()


def test_the_same_seed_and_time_make_the_same_objects() -> None:
    answers = []
    for seed in (1, 1, 2):
        with Sandbox(now=NOW, seed=seed) as sandbox:
            answers.append(httpx.get(f"{sandbox.url}/v1/charges?limit=20", headers=_with(sandbox.key)).text)
    assert answers[0] == answers[1]
    assert answers[0] != answers[2]


def test_it_starts_in_a_moment() -> None:
    started = time.monotonic()
    with Sandbox() as sandbox:
        httpx.get(f"{sandbox.url}/v1/customers?limit=1", headers=_with(sandbox.key))
    assert time.monotonic() - started < 1


# its own paths


def test_truth_counts_and_shows_every_kind(client: httpx.Client) -> None:
    counts = client.get("/_truth").json()
    assert counts["balance"] == counts["account"] == 1
    assert {"customer", "line_item", "subscription_item", "item", "checkout.session"} <= set(counts)
    for kind in ("payout", "coupon", "line_item", "checkout.session", "balance"):
        lines = client.get(f"/_truth/{kind}").text.splitlines()
        assert len(lines) == counts[kind] > 0
        assert json.loads(lines[0])["object"] == kind


def test_truth_shows_lists_whole_and_children_with_their_parent(sandbox: Sandbox, client: httpx.Client) -> None:
    lines = {invoice["id"]: len(invoice["lines"]["data"]) for invoice in sandbox.truth("invoice")}
    assert max(lines.values()) > 10
    children = [json.loads(line)["_parent"] for line in client.get("/_truth/line_item").text.splitlines()]
    assert {id_: children.count(id_) for id_ in list(lines)[:20]} == dict(list(lines.items())[:20])


@pytest.mark.parametrize("path", ["/_truth/nothing", "/_nothing", "/_stats/more"])
def test_an_unknown_own_path_is_refused(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 404


def test_stats_count_calls_by_name_and_status() -> None:
    with Sandbox(now=NOW) as sandbox, httpx.Client(base_url=sandbox.url, auth=(sandbox.key, "")) as client:
        size = sum(len(client.get(path).content) for path in ("/v1/balance", "/v1/customers/a", "/v1/customers/b"))
        assert client.get("/_stats").json() == {
            "calls": {"GET /v1/balance": {"200": 1}, "GET /v1/customers/{customer}": {"404": 2}},
            "requests": 3,
            "rate_limited": {},
            "effects": {},
            "most_at_once": 1,
            "bytes": size,
        }


def test_requests_are_remembered_without_their_key() -> None:
    with Sandbox(now=NOW) as sandbox:
        headers = {**_with(sandbox.key), "Stripe-Version": "2026-10-28.endive", "X-Other": "1", "User-Agent": "me"}
        httpx.get(f"{sandbox.url}/v1/customers?limit=1", headers=headers)
        (logged,) = sandbox.requests
    assert (logged.method, logged.path, logged.query, logged.status) == ("GET", "/v1/customers", "limit=1", 200)
    assert logged.headers["stripe-version"] == "2026-10-28.endive"
    assert "x-other" not in logged.headers
    assert sandbox.key not in repr(logged)
