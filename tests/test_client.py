"""The client against a real server that misbehaves by script."""

from __future__ import annotations

import random
import socket
import time
import uuid
from email.utils import formatdate

import pytest

from connector.api.calls import Call
from connector.api.client import Client
from connector.api.clock import LocalClock
from connector.api.stopping import StoppedError
from connector.config import Connection, Key
from connector.errors import ConnectorError, DataError, NoResponse, RateLimited, StripeError, StripeUnavailable
from tests.fake_clock import FakeClock
from tests.scripted_server import (
    CUT_BODY,
    DROP,
    DROP_AFTER_READING,
    ENDLESS_BODY,
    HANG,
    SLOW_HEAD,
    Answer,
    Fault,
    Received,
    Step,
)
from tests.serving import DELETE, GET, POST, SECRET, error_body, serving

TRUNCATED = Answer(body='{"object": "list", "data": [{"id": "cus_')


def unused_address() -> str:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


# Retries


def test_a_request_whose_client_was_closed_meanwhile_ends_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    def close(_request: Received) -> Fault:
        client.close()
        return DROP_AFTER_READING

    with serving(close) as (server, client), pytest.raises(StoppedError):
        client.request(GET)
    assert len(server.requests) == 1
    assert not caplog.records


AGAIN = [Answer(status) for status in (409, 429, 500, 502, 503, 504)]
NOT_AGAIN = [Answer(status) for status in (400, 401, 402, 403, 404, 405, 424)]
FAULTS: list[Step] = [DROP, DROP_AFTER_READING, CUT_BODY, TRUNCATED]


@pytest.mark.parametrize("call", [GET, POST, DELETE], ids=["GET", "POST", "DELETE"])
@pytest.mark.parametrize("step", [*AGAIN, *FAULTS], ids=str)
def test_what_may_pass_is_sent_again(step: Step, call: Call) -> None:
    with serving(step, step, Answer(body={"id": "cus_1"})) as (_, client):
        assert client.request(call).json() == {"id": "cus_1"}
    assert client.statistics.requests == 3
    assert client.statistics.retries == 2


@pytest.mark.parametrize("call", [GET, POST, DELETE], ids=["GET", "POST", "DELETE"])
@pytest.mark.parametrize("step", NOT_AGAIN, ids=str)
def test_what_stays_wrong_is_sent_once(step: Answer, call: Call) -> None:
    with serving(step) as (server, client), pytest.raises(StripeError) as caught:
        client.request(call)
    assert len(server.requests) == 1
    assert caught.value.status == step.status


@pytest.mark.parametrize("advice", ["true", "false"])
@pytest.mark.parametrize("status", [400, 404, 409, 429, 500, 503])
def test_stripe_s_own_advice_wins_over_the_status(status: int, advice: str) -> None:
    with serving(Answer(status, {"Stripe-Should-Retry": advice}), Answer()) as (server, client):
        if advice == "true":
            client.request(GET)
        else:
            with pytest.raises(StripeError):
                client.request(GET)
    assert len(server.requests) == (2 if advice == "true" else 1)


@pytest.mark.parametrize(
    "step", [DROP_AFTER_READING, Answer(500), Answer(500, {"Stripe-Should-Retry": "true"})], ids=str
)
def test_a_write_to_another_host_is_sent_once_for_our_headers_mean_nothing_there(step: Step) -> None:
    headers = {"Idempotency-Key": "heeded by nobody"}
    with serving(step) as (server, client), pytest.raises(ConnectorError) as caught:
        client.request(Call("POST", f"{server.url}/elsewhere", headers=headers, authenticate=False))
    assert len(server.requests) == 1
    assert caught.value.outcome_unknown
    assert caught.value.idempotency_key is None


def test_a_write_that_cannot_be_repeated_is_sent_once() -> None:
    with serving(DROP_AFTER_READING) as (server, client), pytest.raises(NoResponse) as caught:
        client.request(Call("PATCH", "/v1/x"))
    assert len(server.requests) == 1
    assert caught.value.outcome_unknown


def test_a_server_that_hangs_is_left_and_asked_again() -> None:
    with serving(HANG, Answer(), read_seconds=0.1) as (server, client):
        client.request(GET)
    assert len(server.requests) == 2


def test_a_server_that_hangs_is_left_when_the_time_for_the_request_is_up() -> None:
    began = time.monotonic()
    with serving(HANG, total_seconds=0.25) as (server, client), pytest.raises(NoResponse):
        client.request(GET)
    assert len(server.requests) == 1
    assert time.monotonic() - began < 5


def test_waits_double_with_jitter_from_a_floor_to_a_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connector.api.client.ATTEMPTS", 12)
    clock = FakeClock()
    with serving(Answer(503), clock=clock) as (_, client), pytest.raises(StripeUnavailable):
        client.request(GET)
    longest = [0.5, 1, 2, 4, 8, 16, 30, 30, 30, 30, 30]
    assert len(clock.sleeps) == 11
    assert all(0.25 <= slept <= most for slept, most in zip(clock.sleeps, longest, strict=True))
    assert len(set(clock.sleeps)) == 11


def test_jitter_uses_the_whole_span(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[float, float]] = []

    def longest(low: float, high: float) -> float:
        asked.append((low, high))
        return high

    monkeypatch.setattr(random, "uniform", longest)
    clock = FakeClock()
    with serving(Answer(503), clock=clock) as (_, client), pytest.raises(StripeUnavailable):
        client.request(GET)
    assert clock.sleeps == [0.5, 1, 2, 4, 8, 16, 30]
    assert {low for low, _ in asked} == {0.25}


@pytest.mark.parametrize("step", [Answer(503), DROP_AFTER_READING, TRUNCATED], ids=str)
def test_after_eight_attempts_it_gives_up(step: Step) -> None:
    with serving(step) as (server, client), pytest.raises((StripeUnavailable, NoResponse)):
        client.request(GET)
    assert len(server.requests) == 8


@pytest.mark.parametrize("body", ["42", "null", '"hi"'])
def test_an_answer_that_is_one_value_is_not_cut_off(body: str) -> None:
    with serving(Answer(body=body)) as (server, client):
        assert client.request(GET).content == body.encode()
    assert len(server.requests) == 1


def test_a_429_is_asked_again_until_the_time_is_up() -> None:
    clock = FakeClock()
    with serving(Answer(429), clock=clock) as (server, client), pytest.raises(RateLimited) as caught:
        client.request(GET)
    assert len(server.requests) > 8
    assert 270 <= clock.now - 50 <= 300
    assert client.statistics.rate_limited == len(server.requests)
    assert "lower max_rps" in str(caught.value)


def test_no_request_outlives_its_time_limit() -> None:
    clock = FakeClock()
    with serving(Answer(503), clock=clock, total_seconds=3) as (_, client), pytest.raises(StripeUnavailable):
        client.request(GET)
    assert clock.now - 50 < 3


@pytest.mark.parametrize("step", [SLOW_HEAD, ENDLESS_BODY], ids=str)
def test_what_comes_a_byte_at_a_time_is_left_when_the_time_for_the_request_is_up(step: Step) -> None:
    began = time.monotonic()
    with (
        serving(step, clock=LocalClock(), total_seconds=0.4) as (server, client),
        pytest.raises(NoResponse, match="no whole response came within the time allowed"),
    ):
        client.request(GET)
    assert len(server.requests) == 1
    assert time.monotonic() - began < 5


def test_a_body_larger_than_is_allowed_is_not_read_to_its_end() -> None:
    large = Answer(body=b"[" + b"1," * 60_000 + b"1]")
    with (
        serving(large, max_body_megabytes=0.1) as (server, client),
        pytest.raises(DataError, match=r"GET /v1/customers is larger than 0\.1 MB.*max_body_megabytes"),
    ):
        client.request(GET)
    assert len(server.requests) == 1
    with serving(large) as (_, client):
        assert len(client.request(GET).content) == 120_003


@pytest.mark.parametrize("status", [409, 429, 503])
def test_retry_after_in_seconds_is_the_least_wait(status: int) -> None:
    clock = FakeClock()
    with serving(Answer(status, {"Retry-After": "7"}), Answer(), clock=clock) as (_, client):
        client.request(GET)
    assert clock.sleeps[0] == 7


def test_retry_after_as_a_date_is_read_by_stripe_s_clock() -> None:
    clock = FakeClock()
    ahead = clock.time() + 3600
    headers = {"Retry-After": formatdate(ahead + 20, usegmt=True), "Date": formatdate(ahead, usegmt=True)}
    with serving(Answer(503, headers), Answer(), clock=clock) as (_, client):
        client.request(GET)
    assert clock.sleeps[0] == 20


def test_retry_after_as_a_date_is_read_by_our_clock_where_stripe_shows_none() -> None:
    clock = FakeClock()
    headers = {"Retry-After": formatdate(clock.time() + 20, usegmt=True)}
    with serving(Answer(503, headers), Answer(), clock=clock) as (_, client):
        client.request(GET)
    assert clock.sleeps[0] == pytest.approx(20)


@pytest.mark.parametrize("value", ["soon", "-5", "nan", "1e9", "Mon, 99 Foo 2024", ""])
def test_a_retry_after_that_is_neither_is_passed_over(value: str) -> None:
    clock = FakeClock()
    with serving(Answer(503, {"Retry-After": value}), Answer(), clock=clock) as (_, client):
        client.request(GET)
    assert 0.25 <= clock.sleeps[0] <= 0.5


def test_a_wait_longer_than_the_time_left_is_not_begun() -> None:
    clock = FakeClock()
    with serving(Answer(429, {"Retry-After": "999"}), clock=clock) as (_, client), pytest.raises(RateLimited):
        client.request(GET)
    assert clock.sleeps == []


# Writes


def test_one_idempotency_key_goes_through_all_attempts_of_a_post() -> None:
    script: list[Step] = [DROP_AFTER_READING, Answer(500), Answer(409), CUT_BODY, Answer(429), Answer()]
    with serving(*script) as (server, client):
        client.request(POST)
        client.request(POST)
    keys = [request.headers["idempotency-key"] for request in server.requests]
    assert len(keys) == 7
    assert len(set(keys[:6])) == 1
    assert keys[6] != keys[0]
    assert uuid.UUID(keys[0]).version == 4


def test_an_idempotency_key_that_is_given_is_used() -> None:
    with serving(Answer()) as (server, client):
        client.request(Call("POST", "/v1/refunds", idempotency_key="job-1-row-7"))
    assert server.requests[0].headers["idempotency-key"] == "job-1-row-7"


@pytest.mark.parametrize(
    ("method", "path", "has_key"),
    [
        ("POST", "/v1/x", True),
        ("POST", "/v2/x", True),
        ("DELETE", "/v2/x", True),
        ("DELETE", "/v1/x", False),
        ("GET", "/v2/x", False),
    ],
)
def test_who_gets_an_idempotency_key(method: str, path: str, has_key: bool) -> None:
    with serving(Answer()) as (server, client):
        client.request(Call(method, path))
    assert ("idempotency-key" in server.requests[0].headers) is has_key


UNKNOWN = "Whether it took effect is unknown"


@pytest.mark.parametrize("step", [DROP_AFTER_READING, DROP, CUT_BODY, TRUNCATED], ids=str)
def test_a_post_without_an_answer_may_have_happened(step: Step) -> None:
    with serving(step) as (_, client), pytest.raises(NoResponse, match=UNKNOWN) as caught:
        client.request(Call("POST", "/v1/refunds", idempotency_key="job-1-row-7"))
    assert caught.value.outcome_unknown
    assert caught.value.idempotency_key == "job-1-row-7"
    assert "send it again with the idempotency key job-1-row-7" in str(caught.value)


def test_a_delete_without_an_answer_may_have_happened_and_no_key_can_tell() -> None:
    with serving(DROP_AFTER_READING) as (_, client), pytest.raises(NoResponse, match=UNKNOWN) as caught:
        client.request(Call("DELETE", "/v1/customers/cus_1", idempotency_key="heeded by nobody"))
    assert caught.value.outcome_unknown
    assert "look at the object before you send it again" in str(caught.value)


def test_a_500_does_not_say_whether_a_post_happened() -> None:
    with serving(Answer(500)) as (_, client), pytest.raises(StripeUnavailable, match=UNKNOWN) as caught:
        client.request(POST)
    assert caught.value.outcome_unknown
    assert str(caught.value.idempotency_key) in str(caught.value)


def test_a_get_without_an_answer_leaves_nothing_unknown() -> None:
    with serving(DROP_AFTER_READING) as (_, client), pytest.raises(NoResponse) as caught:
        client.request(GET)
    assert not caught.value.outcome_unknown
    assert "unknown" not in str(caught.value)


def test_a_connection_that_was_never_made_leaves_nothing_unknown() -> None:
    clock = FakeClock()
    connection = Connection(Key(SECRET), api_base=unused_address())
    with Client(connection, clock=clock) as client, pytest.raises(NoResponse) as caught:
        client.request(POST)
    assert not caught.value.outcome_unknown
    seconds, attempts = round(clock.now - 50), client.statistics.requests
    said = f"No response from {connection.api_base} to POST /v1/customers after {attempts} attempts in {seconds} s: "
    assert str(caught.value).startswith(said + "connection refused.")


def test_a_server_that_starts_is_asked_again_within_a_second(caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeClock()
    connection = Connection(Key(SECRET), api_base=unused_address())
    with Client(connection, clock=clock) as client, pytest.raises(NoResponse):
        client.request(GET)
    assert all(0.25 <= slept <= 1 for slept in clock.sleeps)
    assert 18 <= clock.now - 50 <= 20
    assert caplog.text.count("connection refused") == 1  # nobody reads the same line thirty times


@pytest.mark.parametrize(
    ("call", "script", "unknown"),
    [
        (POST, [DROP_AFTER_READING, Answer(400)], False),
        (POST, [DROP_AFTER_READING, Answer(402)], False),
        (POST, [DROP_AFTER_READING, Answer(401)], True),
        (POST, [Answer(409), Answer(400)], False),
        (DELETE, [DROP_AFTER_READING, Answer(404)], True),
        (DELETE, [Answer(404)], False),
        (DELETE, [Answer(429), Answer(404)], False),
    ],
)
def test_an_error_after_an_unanswered_attempt(call: Call, script: list[Step], unknown: bool) -> None:
    with serving(*script) as (_, client), pytest.raises(StripeError) as caught:
        client.request(call)
    assert caught.value.outcome_unknown is unknown
    assert (UNKNOWN in str(caught.value)) is unknown


# Counting


def test_statistics_are_a_value_of_the_moment() -> None:
    script: list[Step] = [Answer(429), Answer(503), Answer(body={"id": "x" * 100})]
    clock = FakeClock()
    with serving(*script, clock=clock) as (_, client):
        before = client.statistics
        client.request(GET)
    after = client.statistics
    assert (before.requests, before.bytes) == (0, 0)
    assert (after.requests, after.retries, after.rate_limited) == (3, 2, 1)
    assert after.waited_seconds == pytest.approx(sum(clock.sleeps))
    assert after.bytes > 100


@pytest.mark.parametrize(
    ("key", "seconds"),
    [
        ("sk_live_" + "a" * 24, 1.25),
        ("sk_org_live_" + "a" * 24, 1.25),
        ("sk_test_" + "a" * 24, 4.0),
        ("sk_org_test_" + "a" * 24, 4.0),
        ("unknown", 4.0),
    ],
)
def test_the_mode_of_the_key_sets_the_account_s_limit(key: str, seconds: float) -> None:
    clock = FakeClock()
    with serving(Answer(), clock=clock, key=Key(key)) as (_, client):
        for number in range(97):
            client.get("/v1/x", endpoint=f"/v1/{number % 8}")
    assert clock.now - 50 == pytest.approx(seconds, rel=0.01)


def test_a_429_from_stripe_slows_the_requests_that_follow() -> None:
    def spacing_after(answer: Answer) -> float:
        clock = FakeClock()
        with serving(answer, Answer(), clock=clock) as (_, client):
            client.request(GET)
            client.request(GET)
            began = clock.now
            client.request(GET)
        return clock.now - began

    full = spacing_after(Answer())
    locked = error_body(code="lock_timeout")
    assert spacing_after(Answer(429, {"Stripe-Rate-Limited-Reason": "endpoint-rate"})) > full * 1.08
    assert spacing_after(Answer(429, {"Stripe-Rate-Limited-Reason": "resource-specific"})) == pytest.approx(full)
    assert spacing_after(Answer(429, body=locked)) == pytest.approx(full)
