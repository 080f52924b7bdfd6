"""What a request carries, and where the key may go."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from connector.api.calls import Call
from connector.api.client import Client
from connector.config import Connection, Key
from connector.errors import StripeError, UsageError
from tests.scripted_server import (
    Answer,
    ScriptedServer,
)
from tests.serving import GET, SECRET, serving

# What is sent


def test_every_request_names_version_key_and_program() -> None:
    with serving(Answer(), version="2025-01-01.acacia", account="acct_1") as (server, client):
        client.get("/v1/customers", {"limit": 100, "created": {"gte": 1}})
    request = server.requests[0]
    assert request.target == "/v1/customers?limit=100&created[gte]=1"
    assert request.headers["authorization"] == f"Bearer {SECRET}"
    assert request.headers["stripe-version"] == "2025-01-01.acacia"
    assert request.headers["stripe-account"] == "acct_1"
    assert request.headers["accept-encoding"] == "gzip"
    assert re.fullmatch(r"stripe-connector/\d+\.\d+\.\d+", request.headers["user-agent"])
    assert "idempotency-key" not in request.headers


def test_no_account_header_for_the_key_s_own_account() -> None:
    with serving(Answer()) as (server, client):
        client.request(GET)
    assert "stripe-account" not in server.requests[0].headers


def test_bodies_are_sent_as_form_json_or_as_they_are() -> None:
    with serving(Answer()) as (server, client):
        client.request(Call("POST", "/v1/customers", form={"metadata": {"a": ""}, "flag": True}))
        client.request(Call("POST", "/v2/core/accounts", json={"display_name": "ü"}))
        client.request(Call("POST", "/v1/files", content=b"\x00\x01", headers={"Content-Type": "image/png"}))
    form, json, raw = server.requests
    assert (form.body, form.headers["content-type"]) == (
        b"metadata[a]=&flag=true",
        "application/x-www-form-urlencoded",
    )
    assert (json.body, json.headers["content-type"]) == ('{"display_name":"ü"}'.encode(), "application/json")
    assert (raw.body, raw.headers["content-type"]) == (b"\x00\x01", "image/png")


def test_two_bodies_are_one_too_many() -> None:
    with serving(Answer()) as (server, client), pytest.raises(UsageError, match="one body"):
        client.request(Call("POST", "/v1/customers", form={"a": 1}, json={"a": 1}))
    assert server.requests == []


def test_parameters_join_those_that_an_address_has_already() -> None:
    with serving(Answer()) as (server, client):
        client.get(f"{server.url}/v2/core/accounts?page=abc", {"limit": 2})
    assert server.requests[0].query == {"page": "abc", "limit": "2"}


def test_a_header_of_the_caller_wins() -> None:
    with serving(Answer()) as (server, client):
        client.request(Call("GET", "/v1/x", headers={"stripe-version": "2020-08-27"}))
    assert server.requests[0].headers["stripe-version"] == "2020-08-27"


@pytest.mark.parametrize(
    "headers", [{"X": "a\r\nAuthorization: b"}, {"X": "ü"}, {"X\n": "a"}, {"Idempotency-Key": "k" * 256}]
)
def test_headers_that_would_break_the_request_are_refused(headers: dict[str, str]) -> None:
    with serving(Answer()) as (server, client), pytest.raises(UsageError):
        client.request(Call("POST", "/v1/x", headers=headers))
    assert server.requests == []


# Hosts


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/v1/customers",
        "http://api.stripe.com/v1/customers",
        "https://api.stripe.com:8443/v1/customers",
        "https://api.stripe.com.evil.example/v1/customers",
        "https://api.stripe.com@evil.example/v1/customers",
        "https://api.stripe.com\\@evil.example/v1/customers",
        "https://user:password@api.stripe.com/v1/customers",
        "https://аpi.stripe.com/v1/customers",  # a Cyrillic a
        "https://api.stripe.com./v1/customers",
        "ftp://api.stripe.com/v1/customers",
        "https:///v1/customers",
        "https://api.stripe.com/v1/a\nb",
        "https://api.stripe.com/v1/a#b",
    ],
)
def test_the_key_goes_to_no_other_host(url: str) -> None:
    def unreachable(request: httpx.Request) -> httpx.Response:
        raise AssertionError(request.url)

    transport = httpx.MockTransport(unreachable)
    with Client(Connection(Key(SECRET)), transport) as client, pytest.raises(UsageError) as caught:
        client.request(Call("GET", url))
    assert "password" not in str(caught.value).replace("user name, password", "")


@pytest.mark.parametrize(
    ("call", "settings", "sent_to"),
    [
        (Call("GET", "/v1/customers"), {}, "https://api.stripe.com/v1/customers"),
        (Call("GET", "v1/customers"), {}, "https://api.stripe.com/v1/customers"),
        (Call("GET", "@evil.example/x"), {}, "https://api.stripe.com/@evil.example/x"),
        (Call("GET", "//evil.example/x"), {}, "https://api.stripe.com/evil.example/x"),
        (Call("GET", "https://API.stripe.com:443/v1/x"), {}, "https://api.stripe.com/v1/x"),
        (Call("POST", "/v1/files"), {}, "https://files.stripe.com/v1/files"),
        (Call("GET", "/v1/files"), {}, "https://api.stripe.com/v1/files"),
        (Call("GET", "/v1/files/file_1/contents"), {}, "https://files.stripe.com/v1/files/file_1/contents"),
        (Call("POST", "/v1/files"), {"api_base": "https://x.example"}, "https://x.example/v1/files"),
        (
            Call("GET", "https://connect.stripe.com/x"),
            {"trusted_hosts": ("connect.stripe.com",)},
            "https://connect.stripe.com/x",
        ),
        (Call("GET", "https://x.example:8443/"), {"trusted_hosts": ("x.example:8443",)}, "https://x.example:8443/"),
    ],
)
def test_where_the_key_goes(call: Call, settings: dict[str, Any], sent_to: str) -> None:
    seen: list[httpx.Request] = []

    def note(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={})

    with Client(Connection(Key(SECRET), **settings), httpx.MockTransport(note)) as client:
        client.request(call)
    assert str(seen[0].url) == sent_to
    assert seen[0].headers["authorization"] == f"Bearer {SECRET}"


def test_a_trusted_host_is_not_trusted_over_http() -> None:
    connection = Connection(Key(SECRET), trusted_hosts=("x.example",))
    with Client(connection) as client, pytest.raises(UsageError, match=r"is not sent to http://x\.example"):
        client.request(Call("GET", "http://x.example/"))


def test_without_authentication_any_host_is_fine_and_learns_nothing() -> None:
    with ScriptedServer(Answer()) as stranger, serving(Answer(), account="acct_1") as (server, client):
        with pytest.raises(UsageError, match=r"The key is not sent to http://127\.0\.0\.1:"):
            client.request(Call("GET", f"{stranger.url}/x"))
        client.request(Call("POST", f"{stranger.url}/x", authenticate=False))
    assert server.requests == []
    (request,) = stranger.requests
    assert SECRET not in str(request)
    assert not {"authorization", "stripe-version", "stripe-account", "idempotency-key"} & set(request.headers)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(status: int) -> None:
    with ScriptedServer(Answer()) as stranger:
        target = stranger.url.replace("127.0.0.1", "localhost")
        answer = Answer(status, {"Location": f"{target}/x?secret=1"})
        with serving(answer) as (server, client), pytest.raises(StripeError, match="redirects to localhost") as caught:
            client.request(GET)
    assert stranger.requests == []
    assert len(server.requests) == 1
    assert "secret" not in str(caught.value)


def test_a_proxy_of_the_environment_does_not_see_requests_to_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer(Answer(502)) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        with serving(Answer()) as (server, client):
            client.request(GET)
    assert len(server.requests) == 1
    assert proxy.requests == []
