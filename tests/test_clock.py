"""When a request was sent, by Stripe's clock."""

from __future__ import annotations

import math
from email.utils import formatdate
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.api.clock import StripeClock
from tests.fake_clock import FakeClock
from tests.scripted_server import (
    Answer,
    Received,
)
from tests.serving import GET, serving


def dated(seconds: float) -> Answer:
    return Answer(200, {"Date": formatdate(seconds, usegmt=True), "Request-Id": "req_1"})


@pytest.mark.parametrize("skew", [-7200, 0, 3600])
def test_sent_at_is_by_stripe_s_clock(skew: int) -> None:
    clock = FakeClock(1_700_000_000.9)
    with serving(dated(1_700_000_000 + skew), clock=clock) as (_, client):
        assert client.request(GET).sent_at == 1_700_000_000 + skew


def test_sent_at_is_when_the_request_left_not_when_the_answer_came() -> None:
    clock = FakeClock(1_700_000_000.5)

    def slow(_: Received) -> Answer:
        clock.now += 20
        return dated(1_700_000_020)

    with serving(slow, clock=clock) as (_, client):
        assert client.request(GET).sent_at == 1_700_000_000


def test_a_slow_answer_does_not_make_later_requests_look_older_than_earlier_ones() -> None:
    clock = FakeClock(1_700_000_000)

    def slow(_: Received) -> Answer:
        clock.now += 20
        return dated(1_700_000_000)

    with serving(dated(1_700_000_000), slow, dated(1_700_000_021), clock=clock) as (_, client):
        first = client.request(GET).sent_at
        client.request(GET)
        clock.now += 1
        assert client.request(GET).sent_at >= first + 20


@pytest.mark.parametrize("headers", [{}, {"Date": "yesterday"}, {"Date": formatdate(0, usegmt=True)}])
def test_without_a_date_of_stripe_s_our_clock_has_to_do(headers: dict[str, str]) -> None:
    clock = FakeClock(1_700_000_000.9)
    with serving(Answer(200, headers), clock=clock) as (_, client):  # no Request-Id: not Stripe, or nothing to read
        assert client.request(GET).sent_at == 1_700_000_000


@pytest.mark.parametrize("hours", [25, -25, 24 * 365 * 70])
def test_one_date_far_away_does_not_put_the_clock_there_for_good(hours: int) -> None:
    clock = FakeClock(1_700_000_000)
    stripe_clock = StripeClock(clock)
    stripe_clock.observe(formatdate(clock.time() + 3600 * hours, usegmt=True), clock.now)
    assert stripe_clock.whole_seconds(clock.now) == 1_700_000_000
    stripe_clock.observe(formatdate(clock.time() + 7200, usegmt=True), clock.now)
    assert stripe_clock.whole_seconds(clock.now) == 1_700_007_200


latencies = st.tuples(st.floats(0, 5), st.floats(0, 90), st.floats(0, 5))


@given(st.floats(-8e4, 8e4), st.lists(latencies, min_size=1, max_size=20))
def test_sent_at_is_never_later_than_stripe_s_clock_and_never_goes_back(
    skew: float, requests: list[tuple[float, float, float]]
) -> None:
    """Each request: seconds until Stripe dates its answer, until the answer arrives, until the next request."""
    clock = FakeClock()
    stripe_clock = StripeClock(clock)
    stamps = []
    for until_dated, until_arrived, pause in requests:
        sent, at_stripe = clock.now, clock.time() + skew
        clock.now += until_dated
        date = formatdate(math.floor(clock.time() + skew), usegmt=True)
        clock.now += until_arrived
        stripe_clock.observe(date, clock.now)
        stamps.append(stripe_clock.whole_seconds(sent))
        assert stamps[-1] <= at_stripe
        clock.now += pause
    assert all(earlier <= later for earlier, later in pairwise(stamps))
