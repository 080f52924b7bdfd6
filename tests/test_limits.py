"""Rate limits: even pace, slower when told, faster again, never above the limit."""

from __future__ import annotations

import random
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

import pytest

from connector.api.client import Client
from connector.api.clock import LocalClock
from connector.api.limits import AFTER_LONE, PACE, REPEATED_SECONDS, Limits, account_rps, published_rps
from connector.config import Connection, Key
from tests.fake_clock import FakeClock, LockstepClock
from tests.scripted_server import Answer, Received, ScriptedServer

LIST = "GET /v1/charges"


class StrictServer:
    """Answers 429 to whatever would make more than `rps` requests in any stretch of one second."""

    def __init__(self, clock: LocalClock, rps: int) -> None:
        self.clock = clock
        self.rps = rps
        self.times: list[float] = []
        self.refused = 0
        self._window: deque[float] = deque()
        self._lock = threading.Lock()

    def __call__(self, _request: Received) -> Answer:
        with self._lock:
            now = self.clock.monotonic()
            while self._window and self._window[0] <= now - 1:
                self._window.popleft()
            if len(self._window) >= self.rps:
                self.refused += 1
                return Answer(429, {"Stripe-Rate-Limited-Reason": "global-rate"})
            self._window.append(now)
            self.times.append(now)
            return Answer()

    @property
    def mean_rps(self) -> float:
        return (len(self.times) - 1) / (self.times[-1] - self.times[0])


def connection(server: ScriptedServer, **settings: float) -> Connection:
    return Connection(Key("sk_test_" + "a" * 24), api_base=server.url, **settings)  # type: ignore[arg-type]


def test_one_thread_at_full_speed_is_never_refused_and_loses_little() -> None:
    clock = FakeClock()
    strict = StrictServer(clock, 25)
    with ScriptedServer(strict) as server, Client(connection(server), clock=clock) as client:
        for _ in range(120):
            client.get("/v1/charges")
    assert strict.refused == 0
    assert 23.5 <= strict.mean_rps <= 25


def test_eight_threads_share_one_limit_and_do_not_exceed_it() -> None:
    clock = LockstepClock(threads=8)
    strict = StrictServer(clock, 25)

    def read_twenty(path: str) -> None:
        for _ in range(20):
            client.get(path)
        clock.leave()

    paths = [f"/v1/{name}" for name in ("charges", "customers", "invoices", "prices") for _ in range(2)]
    with (
        ScriptedServer(strict) as server,
        Client(connection(server), clock=clock) as client,
        ThreadPoolExecutor(8) as pool,
    ):
        list(pool.map(read_twenty, paths))
    assert len(strict.times) == 160
    assert strict.refused == 0
    assert 23.5 <= strict.mean_rps <= 25


def test_a_stretch_of_one_second_never_holds_more_than_the_limit_even_with_late_requests() -> None:
    clock = FakeClock()
    limits = Limits(clock, 25)
    sent = []
    for number in range(200):
        with limits.turn(LIST) as turn:
            sent.append(turn.given_at + (0.04 if number % 2 == 0 else 0.0))
    sent.sort()
    most = max(sum(start <= moment < start + 1 for moment in sent) for start in sent)
    assert most <= 25


def test_a_server_slower_than_its_published_limit_is_met_at_its_own_pace() -> None:
    clock = FakeClock()
    strict = StrictServer(clock, 10)
    with ScriptedServer(strict) as server, Client(connection(server), clock=clock) as client:
        for _ in range(300):
            client.get("/v1/charges")
    assert len(strict.times) == 300
    assert strict.refused <= 30
    assert strict.mean_rps >= 5


def test_max_rps_of_the_connection_is_kept() -> None:
    clock = FakeClock()
    strict = StrictServer(clock, 4)
    with ScriptedServer(strict) as server, Client(connection(server, max_rps=4), clock=clock) as client:
        for _ in range(20):
            client.get("/v1/charges")
    assert strict.refused == 0
    assert strict.mean_rps > 3.5


def test_a_live_account_goes_faster_than_one_of_its_endpoints() -> None:
    def seconds_for(labels: list[str]) -> float:
        clock = FakeClock()
        limits = Limits(clock, 100)
        for number in range(96):
            with limits.turn(labels[number % len(labels)]):
                pass
        return clock.now - 50

    assert seconds_for([LIST]) == pytest.approx(4, rel=0.05)
    assert seconds_for([f"GET /v1/{number}" for number in range(4)]) == pytest.approx(1, rel=0.05)


def test_a_queue_for_one_endpoint_does_not_hold_up_another() -> None:
    clock = LockstepClock(threads=5)
    limits = Limits(clock, 100)
    waited: dict[str, float] = {}

    def take(label: str, turns: int) -> None:
        for _ in range(turns):
            with limits.turn(label) as turn:
                waited[label] = max(waited.get(label, 0), turn.waited_seconds)
        clock.leave()

    with ThreadPoolExecutor(5) as pool:
        list(pool.map(take, [LIST] * 4 + ["GET /v1/prices"], [20] * 4 + [5]))
    assert waited[LIST] > 0.1
    assert waited["GET /v1/prices"] < 0.06


@pytest.mark.parametrize(
    ("reason", "account_slower", "endpoint_slower", "fewer_in_flight"),
    [
        ("global-rate", True, False, False),
        ("endpoint-rate", False, True, False),
        ("global-concurrency", False, False, True),
        ("endpoint-concurrency", False, False, True),
        ("resource-specific", False, False, False),
        ("lock_timeout", False, False, False),
        (None, True, True, False),
        ("something new", True, True, False),
    ],
)
def test_the_reason_of_a_429_says_what_slows_down(
    reason: str | None, account_slower: bool, endpoint_slower: bool, fewer_in_flight: bool
) -> None:
    limits = Limits(FakeClock(), 25)
    with limits.turn(LIST) as turn:
        before = limits.account.rate_rps, turn.endpoint.rate_rps
        limits.throttled(turn, reason)
    assert (limits.account.rate_rps < before[0]) is account_slower
    assert (turn.endpoint.rate_rps < before[1]) is endpoint_slower
    allowed = min(limits.account.allowed_in_flight, turn.endpoint.allowed_in_flight)
    assert (allowed == 1) is fewer_in_flight


def test_a_volley_of_429s_slows_down_once() -> None:
    clock = FakeClock()
    limits = Limits(clock, 100)
    volley = []
    for number in range(4):
        with limits.turn(f"GET /v1/{number}") as turn:
            volley.append(turn)
    for turn in volley:
        limits.throttled(turn, "global-rate")
    assert limits.account.rate_rps == 100 * PACE * AFTER_LONE


def test_a_lone_429_costs_a_little_and_the_next_one_soon_after_half() -> None:
    clock = FakeClock()
    limits = Limits(clock, 100)

    def throttled() -> float:
        before = limits.account.rate_rps
        with limits.turn(LIST) as turn:
            limits.throttled(turn, "global-rate")
        return limits.account.rate_rps / before

    assert throttled() == pytest.approx(0.9)
    assert throttled() == pytest.approx(0.5)
    clock.sleep(REPEATED_SECONDS + 1)
    assert throttled() == pytest.approx(0.9)


def test_a_live_account_keeps_a_fifth_of_its_limit_for_payments_unless_told_otherwise() -> None:
    live = Connection(Key("sk_live_" + "a" * 24))
    assert account_rps(live) == 80
    assert account_rps(replace(live, max_rps=100)) == 100
    assert account_rps(Connection(Key("sk_test_" + "a" * 24))) == 25


def test_speed_comes_back_slowly_and_stops_at_the_limit() -> None:
    clock = FakeClock()
    limits = Limits(clock, 25)
    for _ in range(2):
        with limits.turn(LIST) as turn:
            limits.throttled(turn, "global-rate")
    slowest = limits.account.rate_rps
    rates = []
    for _ in range(1000):
        with limits.turn(LIST) as turn:
            limits.succeeded(turn)
        rates.append(limits.account.rate_rps)
    assert rates[10] == pytest.approx(slowest + 1, abs=0.2)  # a second of successes later: one request per second more
    assert rates == sorted(rates)
    assert rates[-1] == 25 * PACE


def test_it_never_comes_to_a_stop() -> None:
    clock = FakeClock()
    limits = Limits(clock, 25)
    for _ in range(50):
        with limits.turn(LIST) as turn:
            limits.throttled(turn, None)
    assert limits.account.rate_rps == 1
    assert max(clock.sleeps) <= 1


def test_after_a_concurrency_429_no_more_than_half_are_in_flight() -> None:
    limits = Limits(LocalClock(), 1e6, 1e6)
    together = threading.Barrier(8)
    most_after = 0
    in_flight = 0
    counting = threading.Lock()

    def first_volley(number: int) -> None:
        with limits.turn(LIST) as turn:
            together.wait(timeout=10)
            if number == 0:
                limits.throttled(turn, "global-concurrency")
            together.wait(timeout=10)

    def then(_: int) -> None:
        nonlocal most_after, in_flight
        with limits.turn(LIST):
            with counting:
                in_flight += 1
                most_after = max(most_after, in_flight)
            with suppress(threading.BrokenBarrierError):
                together.wait(timeout=0.2)  # all eight would meet here, were they let in
            with counting:
                in_flight -= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(first_volley, range(8)))
        list(pool.map(then, range(8)))
    assert limits.account.allowed_in_flight == 4
    assert most_after == 4


def test_published_limits_of_endpoints() -> None:
    assert published_rps("GET /v1/charges") == 25
    assert published_rps("GET /v1/charges/search") == 20
    assert published_rps("POST /v1/files") == 20
    assert published_rps("GET /v1/file_links") == 25


def test_a_turn_that_is_not_used_after_all_holds_nobody_back() -> None:
    class Interrupted(FakeClock):
        is_interrupted = True

        def sleep(self, seconds: float) -> None:
            if self.is_interrupted:
                raise KeyboardInterrupt
            super().sleep(seconds)

    clock = Interrupted()
    limits = Limits(clock, account_rps=2 / PACE, endpoint_rps=1 / PACE)
    with limits.turn(LIST) as first:
        for _ in range(5):
            with suppress(KeyboardInterrupt), limits.turn(LIST):
                raise AssertionError
        clock.is_interrupted = False
        with limits.turn(LIST) as second:
            assert second.given_at - first.given_at == pytest.approx(1)


def test_lists_that_are_read_together_use_the_whole_rate_of_their_account() -> None:
    lists, readers, seconds = 5, 10, 20
    clock = LockstepClock(lists * readers)
    limits = Limits(clock, account_rps=100, endpoint_rps=25)
    given, chance = list[float](), random.Random(5)

    def read(number: int) -> None:
        clock.sleep(chance.random())
        while clock.monotonic() < seconds:
            with limits.turn(f"GET /v1/{number % lists}") as turn:
                given.append(turn.given_at)
                clock.sleep(0.05 + chance.random() * 0.05)
        clock.leave()

    with ThreadPoolExecutor(lists * readers) as pool:
        list(pool.map(read, range(lists * readers)))
    assert len(given) / seconds > 90
    within = [sum(moment <= later < moment + 1 for later in given) for moment in given]
    assert max(within) <= 100
