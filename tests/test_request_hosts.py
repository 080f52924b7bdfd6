"""Where a request may go, and that the key never goes along to anybody else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connector import Stripe
from connector.api.calls import prepare, same_origin
from connector.config import Connection, Key
from connector.errors import DataError, StripeError, UsageError
from connector.request.bodies import following
from connector.request.template import Request, call_of
from tests.scripted_server import Answer, ScriptedServer
from tests.serving import SECRET

EMPTY = {"object": "list", "data": [], "has_more": False}
V2 = {"data": [{"id": "a"}], "next_page_url": None}


@contextmanager
def account(server: ScriptedServer, **settings: Any) -> Iterator[Stripe]:
    with Stripe(key=SECRET, api_base=server.url, total_seconds=5, **settings) as stripe:
        yield stripe


def knows_nothing(stranger: ScriptedServer) -> bool:
    """Whether nothing that a stranger was sent holds the key or speaks of it."""
    return not any(SECRET in str(each) or "authorization" in each.headers for each in stranger.requests)


def test_a_full_url_of_the_api_gets_the_key() -> None:
    with ScriptedServer(Answer(body=EMPTY)) as server, account(server) as stripe:
        stripe.request("GET", f"{server.url}/v1/customers")
    assert server.requests[0].headers["authorization"] == f"Bearer {SECRET}"


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_another_host_is_refused_before_anything_is_sent(method: str) -> None:
    with ScriptedServer(Answer()) as stranger, ScriptedServer(Answer()) as server, account(server) as stripe:
        with pytest.raises(UsageError, match=r"trusted_hosts .*--no-auth"):
            stripe.request(method, f"{stranger.url}/v1/x", apply=True, allow=["money", "delete"])
        assert (stranger.requests, server.requests) == ([], [])


def test_stripes_own_host_is_a_stranger_where_another_base_is_set() -> None:
    with (
        ScriptedServer(Answer()) as server,
        account(server) as stripe,
        pytest.raises(UsageError, match=r"not sent to https://api\.stripe\.com"),
    ):
        stripe.request("GET", "https://api.stripe.com/v1/customers")


def test_a_trusted_host_gets_the_key() -> None:
    with ScriptedServer(Answer(body=EMPTY)) as friend, ScriptedServer(Answer()) as server:
        with account(server, trusted_hosts=[friend.url.removeprefix("http://")]) as stripe:
            stripe.request("GET", f"{friend.url}/anything")
        assert friend.requests[0].headers["authorization"] == f"Bearer {SECRET}"
        assert server.requests == []


def test_without_the_key_any_host_will_do() -> None:
    with ScriptedServer(Answer(body=EMPTY)) as stranger, ScriptedServer(Answer()) as server:
        with account(server, account="acct_1") as stripe:
            stripe.request("GET", f"{stranger.url}/x?a=1", authenticate=False, headers=["X-Mine: 1"])
        (request,) = stranger.requests
    assert knows_nothing(stranger)
    assert "stripe-account" not in request.headers
    assert (request.target, request.headers["x-mine"]) == ("/x?a=1", "1")


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_redirect_takes_the_key_nowhere(method: str, status: int) -> None:
    with ScriptedServer(Answer(body=EMPTY)) as stranger:
        answer = Answer(status, {"Location": f"{stranger.url}/v1/customers"})
        with ScriptedServer(answer) as server, account(server) as stripe, pytest.raises(StripeError, match="redirects"):
            stripe.request(method, "/v1/customers", apply=True, allow=["money", "delete"])
        assert stranger.requests == []


@pytest.mark.parametrize("trusted", [False, True])
@pytest.mark.parametrize("authenticate", [False, True])
def test_the_next_page_of_v2_is_never_on_another_host(authenticate: bool, trusted: bool) -> None:
    with ScriptedServer(Answer(body=V2)) as stranger:
        answer = Answer(body={**V2, "next_page_url": f"{stranger.url}/v2/things?page=2"})
        hosts = [stranger.url.removeprefix("http://")] if trusted else []
        with ScriptedServer(answer) as server, account(server, trusted_hosts=hosts) as stripe:
            found = stripe.request(
                "GET", f"{server.url}/v2/things", paginate=True, authenticate=authenticate, headers=["Authorization: x"]
            )
            with pytest.raises(DataError, match="next page on another host, 127"):
                found.to_arrow()
        assert stranger.requests == []


@pytest.mark.parametrize(
    "further", ["//{host}/v2/things", "http://{host}@127.0.0.1:1/v2", "http://[", "ftp://{host}/x"]
)
def test_no_spelling_of_the_next_page_leads_elsewhere(further: str) -> None:
    with ScriptedServer(Answer(body=V2)) as stranger:
        url = further.replace("{host}", stranger.url.removeprefix("http://"))
        with ScriptedServer(Answer(body={**V2, "next_page_url": url})) as server, account(server) as stripe:
            with pytest.raises((DataError, UsageError)):
                stripe.request("GET", "/v2/things", paginate=True).to_arrow()
            assert len(server.requests) == 1
        assert stranger.requests == []


PIECES = ["http", "https", "://", "//", "/", "\\", "@", ":", "?", "#", ".", "..", "x.example", "api.stripe.com",
          "evil.example", "8443", "%2f", "%40", " ", "\t", "[", "]", "ü"]  # fmt: skip


ADDRESSES = st.lists(st.sampled_from(PIECES), max_size=8).map("".join) | st.text(max_size=30)


@given(ADDRESSES)
def test_whatever_is_typed_as_a_url_the_key_goes_to_the_api_or_nowhere(url: str) -> None:
    try:
        prepared = prepare(call_of(Request("GET", url)), Connection(Key(SECRET)))
    except UsageError:
        return
    assert (prepared.url.scheme, prepared.url.host, prepared.url.port) == ("https", "api.stripe.com", None)


@given(ADDRESSES)
@example("://api.stripe.com")
def test_whatever_the_next_page_is_called_it_is_on_the_same_host(named: str) -> None:
    try:
        further = following("https://api.stripe.com/v2/things?limit=1", {"data": [], "next_page_url": named})
    except DataError:
        return
    assert further is None or same_origin(further, "https://api.stripe.com")


def test_a_saved_table_follows_no_page_to_another_host(tmp_path: Path) -> None:
    with ScriptedServer(Answer(body=V2)) as stranger:
        answer = Answer(body={**V2, "next_page_url": f"{stranger.url}/v2/things?page=2"})
        with ScriptedServer(answer) as server, account(server, definitions=[tmp_path]) as stripe:
            stripe.request("GET", "/v2/things", save="things", key=["id"])
            with pytest.raises(UsageError, match="The key is not sent to"):
                stripe.extract("things").to_arrow()
        assert stranger.requests == []


def test_files_go_to_the_base_that_is_set() -> None:
    with ScriptedServer(Answer(body={"id": "file_1", "object": "file"})) as server, account(server) as stripe:
        stripe.request("POST", "files", multipart=True, form=["purpose=dispute_evidence"], apply=True)
        stripe.request("GET", "files/file_1/contents")
    assert [each.path for each in server.requests] == ["/v1/files", "/v1/files/file_1/contents"]


def test_a_header_cannot_be_broken_in_two() -> None:
    with ScriptedServer(Answer()) as server, account(server) as stripe:
        with pytest.raises(UsageError, match="line break"):
            stripe.request("GET", "/v1/x", headers={"X": "a\r\nX-Other: b"})
        assert server.requests == []
