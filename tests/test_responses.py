"""What becomes of answers: values, and errors that people can act on and that show no key."""

from __future__ import annotations

import logging
import re
import socket
import ssl
import traceback

import httpx
import pytest

from connector.api.calls import Call
from connector.api.client import Client
from connector.api.responses import failure_of
from connector.config import Connection, Key
from connector.errors import (
    AuthenticationFailed,
    ConnectorError,
    DataError,
    NoResponse,
    ObjectMissing,
    PermissionDenied,
    StripeError,
    StripeUnavailable,
    UsageError,
)
from tests.fake_clock import FakeClock
from tests.scripted_server import (
    CUT_BODY,
    DROP,
    DROP_AFTER_READING,
    HANG,
    Answer,
    Fault,
)
from tests.serving import GET, POST, SECRET, error_body, serving

# What comes back


def test_a_reply_has_status_headers_content_and_request_id() -> None:
    with serving(Answer(200, {"Request-Id": "req_1"}, {"id": "cus_1"})) as (_, client):
        response = client.request(GET)
    assert (response.status, response.request_id, response.json()) == (200, "req_1", {"id": "cus_1"})
    assert response.headers["request-id"] == "req_1"
    assert response.content == b'{"id": "cus_1"}'
    assert "cus_1" not in repr(response)


def test_an_answer_that_is_not_json_is_an_error_with_its_request_id() -> None:
    with serving(Answer(200, {"Request-Id": "req_1", "Content-Type": "text/html"}, "<html>")) as (_, client):
        response = client.request(GET)
    with pytest.raises(DataError, match=r"The response to GET /v1/customers \(200, request req_1\) is not JSON"):
        response.json()


# Errors


@pytest.mark.parametrize(
    ("status", "kind", "next_step"),
    [
        (400, StripeError, None),
        (401, AuthenticationFailed, "Check STRIPE_API_KEY"),
        (402, StripeError, None),
        (403, PermissionDenied, "Grant the restricted key the permission that Stripe names"),
        (404, ObjectMissing, "Check the id, the account"),
    ],
)
def test_refusals_are_typed_and_say_what_to_do(status: int, kind: type[StripeError], next_step: str | None) -> None:
    body = error_body(message="It did\n not work.", code="some_code", param="metadata[a]", decline_code="lost_card")
    with serving(Answer(status, {"Request-Id": "req_1"}, body)) as (_, client), pytest.raises(StripeError) as caught:
        client.request(GET)
    error = caught.value
    assert type(error) is kind
    assert (error.status, error.request_id, error.type) == (status, "req_1", "invalid_request_error")
    assert (error.code, error.param, error.decline_code) == ("some_code", "metadata[a]", "lost_card")
    said = (
        f"Stripe refused GET /v1/customers ({status}, request req_1): It did not work. "
        "[code some_code, decline_code lost_card, param metadata[a]]."
    )
    assert str(error).startswith(said)
    assert next_step is None or next_step in str(error)


def test_a_server_error_tells_how_often_it_was_tried() -> None:
    clock = FakeClock()
    answer = Answer(503, {"Request-Id": "req_9"}, error_body(message="Try later"))
    with serving(answer, clock=clock) as (_, client), pytest.raises(StripeUnavailable) as caught:
        client.request(GET)
    seconds = round(clock.now - 50)
    expected = (
        f"Stripe could not answer GET /v1/customers (503, request req_9) after 8 attempts in {seconds} s: Try later."
    )
    assert str(caught.value) == expected


def test_a_page_that_is_not_stripe_s_makes_one_ask_whether_the_host_is_right() -> None:
    with serving(Answer(404, {"Content-Type": "text/html"}, "<html>nginx</html>")) as (server, client):
        with pytest.raises(ObjectMissing) as caught:
            client.request(GET)
        assert f"is {server.url} Stripe's API?" in str(caught.value)
    assert "nginx" not in str(caught.value)


@pytest.mark.parametrize("body", ["", "[]", '"text"', '{"error": "text"}', '{"error": {"message": 5}}', b"\xff\xfe"])
def test_an_error_of_any_shape_is_one_line(body: str | bytes) -> None:
    with serving(Answer(400, body=body)) as (_, client), pytest.raises(StripeError) as caught:
        client.request(GET)
    assert re.fullmatch(r"Stripe refused GET /v1/customers \(400\): .+", str(caught.value))


def test_a_reason_without_end_is_cut() -> None:
    endless = error_body(message="a:b@" * 1_000_000, code="c\n" * 100_000)
    with serving(Answer(400, body=endless)) as (_, client), pytest.raises(StripeError) as caught:
        client.request(GET)
    assert len(str(caught.value)) < 2_200
    assert "\n" not in str(caught.value)


def test_values_of_rows_stay_out_of_our_part_of_a_message() -> None:
    call = Call("POST", "/v1/customers/cus_123/sources/card_9", params={"q": "jane"}, form={"email": "jane@x.org"})
    with serving(Answer(400, body=error_body(message="Bad."))) as (_, client), pytest.raises(StripeError) as caught:
        client.request(call)
    assert "POST /v1/customers/{id}/sources/{id} (400)" in str(caught.value)
    assert "jane" not in str(caught.value)
    assert "jane" not in repr(call)


def test_the_template_of_a_path_names_the_call() -> None:
    with serving(Answer(404)) as (_, client), pytest.raises(ObjectMissing, match=r"GET /v1/coupons/\{coupon\} \(404"):
        client.get("/v1/coupons/gold", endpoint="/v1/coupons/{coupon}")


def chained(kind: type[httpx.RequestError], cause: Exception) -> httpx.RequestError:
    error = kind("low level")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "reason", "was_sent"),
    [
        (chained(httpx.ConnectError, socket.gaierror(-2, "x")), "the name of the host was not found", False),
        (chained(httpx.ConnectError, ConnectionRefusedError()), "connection refused", False),
        (httpx.ConnectTimeout(""), "no connection within the time allowed", False),
        (httpx.ReadTimeout(""), "no whole response came within the time allowed", True),
        (httpx.ReadError(""), "the connection broke before the response was whole", True),
        (httpx.DecodingError("bad gzip"), "the connection broke before the response was whole", True),
        (httpx.ProxyError("407 Proxy Authentication Required"), "407 Proxy Authentication Required", False),
    ],
)
def test_why_there_was_no_answer(error: httpx.RequestError, reason: str, was_sent: bool) -> None:
    failure = failure_of(error)
    assert (failure.reason, failure.was_sent, failure.is_final) == (reason, was_sent, False)


def test_a_certificate_that_is_not_trusted_is_not_tried_again() -> None:
    bad = ssl.SSLCertVerificationError("self-signed")
    bad.verify_message = "self-signed certificate"
    failure = failure_of(chained(httpx.ConnectError, bad))
    assert failure.is_final
    assert failure.reason == "its certificate is not trusted (self-signed certificate)"


# Keys stay secret


def everything_said(error: BaseException) -> str:
    """All that a log, a notebook or a crash report could show of an error."""
    texts = [str(error), repr(error), repr(vars(error)), *traceback.format_exception(error)]
    linked = [link for link in (error.__cause__, error.__context__) if link is not None]
    return "\n".join([*texts, *(everything_said(link) for link in linked)])


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 429, 503])
@pytest.mark.parametrize("secret", [SECRET, "some-new-kind-of-key-0123456789"], ids=["known form", "new form"])
def test_a_key_that_the_server_echoes_is_shown_nowhere(
    status: int, secret: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    body = {"error": dict.fromkeys(("message", "type", "code", "param"), f"{secret} rk_live_another123")}
    headers = {"Request-Id": secret, "Location": f"http://{secret}/{secret}"}
    with (
        serving(Answer(status, headers, body), key=Key(secret), total_seconds=2) as (_, client),
        pytest.raises(ConnectorError) as caught,
    ):
        client.request(POST)
    said = everything_said(caught.value) + caplog.text + repr(client) + repr(client.connection)
    assert secret not in said
    assert secret.lower() not in said.lower()
    assert "another123" not in said
    assert caplog.text


@pytest.mark.parametrize("step", [DROP, DROP_AFTER_READING, CUT_BODY, HANG], ids=str)
def test_an_error_without_an_answer_shows_no_key_and_chains_nothing(
    step: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with (
        serving(step, read_seconds=0.05, total_seconds=0.2) as (_, client),
        pytest.raises(NoResponse) as caught,
    ):
        client.request(GET)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert SECRET not in everything_said(caught.value) + caplog.text


def test_values_of_rows_stay_out_of_logs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with serving(Answer(503), Answer(200, {"Request-Id": "req_1"})) as (_, client):
        client.get("/v1/customers/cus_123", {"email": "jane@example.com"})
    assert "GET /v1/customers/{id}: 503; sent again in" in caplog.text
    assert "GET /v1/customers/{id}: 200 req_1" in caplog.text
    assert not re.search("jane|cus_123|Bearer", caplog.text)


def test_other_users_of_the_http_library_keep_their_logs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with serving(Answer()) as (server, client):
        client.request(GET)
        httpx.get(f"{server.url}/theirs")
    assert caplog.text.count("HTTP Request") == 1
    assert "/theirs" in caplog.text


def test_a_key_that_no_header_can_carry_is_not_shown_either() -> None:
    with Client(Connection(Key("sk_test_line\nbreak_in_it"))) as client, pytest.raises(UsageError) as caught:
        client.request(GET)
    assert "break_in_it" not in everything_said(caught.value)
