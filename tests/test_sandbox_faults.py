"""Trouble on request: faults by plan, rate limits, latency."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from connector.sandbox import Planned, Sandbox, SandboxError
from connector.sandbox.server.faults import FAULTS, Fault, plan
from connector.sandbox.server.limits import Bucket
from tests.serving import NOW, a_sandbox, its_client

sandbox = pytest.fixture(a_sandbox)
client = pytest.fixture(its_client)


@pytest.mark.parametrize(
    ("fault", "status", "reason"),
    [
        ("429", 429, "global-rate"),
        ("429-endpoint-rate", 429, "endpoint-rate"),
        ("429-global-concurrency", 429, "global-concurrency"),
        ("429-endpoint-concurrency", 429, "endpoint-concurrency"),
        ("429-resource-specific", 429, "resource-specific"),
        ("429-lock-timeout", 429, None),
        ("500", 500, None),
        ("503", 503, None),
    ],
)
def test_exactly_the_planned_request_is_refused(
    sandbox: Sandbox, client: httpx.Client, fault: str, status: int, reason: str | None
) -> None:
    sandbox.fail(fault, on="GET /v1/customers", nth=2)
    paths = ["/v1/customers", "/v1/balance", "/v1/customers", "/v1/customers"]
    answers = [client.get(path) for path in paths]
    assert [answer.status_code for answer in answers] == [200, 200, status, 200]
    assert answers[2].headers.get("Stripe-Rate-Limited-Reason") == reason
    assert "Retry-After" not in answers[2].headers
    error = answers[2].json()["error"]
    limited = ("invalid_request_error", "lock_timeout" if fault == "429-lock-timeout" else "rate_limit")
    assert (error["type"], error.get("code")) == (limited if status == 429 else ("api_error", None))


def test_a_fault_can_fit_a_call_a_path_or_anything(sandbox: Sandbox, client: httpx.Client) -> None:
    sandbox.fail("500", on="GET /v1/customers/{customer}", times=2)
    assert [client.get(f"/v1/customers/{id_}").status_code for id_ in "abc"] == [500, 500, 404]
    sandbox.fail("500", on="GET /v1/customers/cus_2")
    assert [client.get(f"/v1/customers/cus_{id_}").status_code for id_ in "12"] == [404, 500]
    sandbox.fail("503")
    assert [client.get("/v1/balance").status_code for _ in range(2)] == [503, 200]


def test_a_dropped_connection_has_no_answer_and_the_next_one_does(sandbox: Sandbox, client: httpx.Client) -> None:
    sandbox.fail("drop")
    with pytest.raises(httpx.RemoteProtocolError):
        client.get("/v1/customers")
    assert client.get("/v1/customers").status_code == 200
    assert sandbox.stats()["calls"] == {"GET /v1/customers": {"200": 1, "dropped": 1}}


def test_a_truncated_body_breaks_off(sandbox: Sandbox, client: httpx.Client) -> None:
    sandbox.fail("truncate")
    with pytest.raises(httpx.RemoteProtocolError, match=r"incomplete|without sending complete"):
        client.get("/v1/customers")
    assert client.get("/v1/customers").json()["object"] == "list"


def test_a_slow_answer_takes_as_long_as_planned(sandbox: Sandbox, client: httpx.Client) -> None:
    sandbox.fail("slow:150")
    started = time.monotonic()
    assert client.get("/v1/customers").status_code == 200
    assert time.monotonic() - started >= 0.15


def test_stopping_does_not_wait_for_slow_answers() -> None:
    with Sandbox(now=NOW, rps=0) as sandbox, ThreadPoolExecutor() as pool:
        sandbox.fail("slow:60000")
        waiting = pool.submit(httpx.get, f"{sandbox.url}/v1/balance", auth=(sandbox.key, ""), timeout=30)
        while sandbox.stats()["most_at_once"] == 0:
            assert not waiting.done()
        sandbox.__exit__()
        assert isinstance(waiting.exception(timeout=5), httpx.RemoteProtocolError | httpx.ReadError | None)


def test_the_cursor_of_a_page_can_be_deleted_behind_it(sandbox: Sandbox, client: httpx.Client) -> None:
    sandbox.fail("delete-cursor", on="GET /v1/customers")
    ids = [record["id"] for record in client.get("/v1/customers").json()["data"]]
    after = client.get("/v1/customers", params={"starting_after": ids[-1]})
    assert after.json()["error"]["code"] == "resource_missing"
    assert after.json()["error"]["param"] == "starting_after"
    assert ids[-1] not in {record["id"] for record in sandbox.truth("customer")}
    older = client.get("/v1/customers", params={"starting_after": ids[-2]})
    assert older.json()["data"][0]["id"] not in ids


def test_a_plan_in_words_is_the_same_every_time_and_another_with_another_seed() -> None:
    words = "drop=0.1,429=0.2,slow:5=0.1"
    runs = [_run(words, seed) for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]
    shares = {name: sum(fault == wanted for fault in runs[0]) / 2000 for name, wanted in FAULTS.items()}
    assert abs(shares["drop"] - 0.1) < 0.03
    assert abs(shares["429"] - 0.2) < 0.03
    assert abs(sum(fault is None for fault in runs[0]) / 2000 - 0.6) < 0.04


def _run(words: str, seed: int) -> list[Fault | None]:
    made = plan(words, seed)
    return [made.next("GET /v1/customers", "") for _ in range(2000)]


def test_what_one_call_meets_does_not_depend_on_other_calls() -> None:
    alone, among = plan("500=0.5", 1), plan("500=0.5", 1)
    first = [alone.next("GET /v1/a", "") for _ in range(20)]
    second = []
    for _ in range(20):
        among.next("GET /v1/b", "")
        second.append(among.next("GET /v1/a", ""))
    assert first == second


def test_exact_faults_can_be_given_at_the_start() -> None:
    faults = [Planned("500", "GET /v1/balance", nth=2), Planned("429", times=1)]
    with Sandbox(now=NOW, faults=faults) as sandbox:
        answers = [httpx.get(f"{sandbox.url}/v1/balance", auth=(sandbox.key, "")) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [429, 500, 200]


@pytest.mark.parametrize(
    "words", ["tea=0.1", "drop", "drop=often", "drop=1.5", "drop=-1", "500:3=0.1", "slow:soon=0.1"]
)
def test_a_plan_that_makes_no_sense_is_refused(words: str) -> None:
    with pytest.raises(SandboxError, match="fault"):
        Sandbox(faults=words)


def test_a_fault_on_a_call_that_stripe_does_not_have_is_refused(sandbox: Sandbox) -> None:
    for call in ("GET /v1/customer", "customers", "/v1/customers"):
        with pytest.raises(SandboxError, match="no call"):
            sandbox.fail("500", on=call)


# rate limits


def _burst(sandbox: Sandbox, key: str, paths: list[str]) -> list[httpx.Response]:
    with httpx.Client(base_url=sandbox.url, auth=(key, "")) as client:
        return [client.get(path) for path in paths]


def test_an_account_has_twenty_five_requests_a_second_in_test_mode() -> None:
    with Sandbox(now=NOW) as sandbox:
        answers = _burst(sandbox, sandbox.key, ["/v1/account", "/v1/coupons"] * 40)
        refused = [answer for answer in answers if answer.status_code == 429]
        assert refused
        assert all(answer.status_code == 200 for answer in answers[:25])
        assert {answer.headers["Stripe-Rate-Limited-Reason"] for answer in refused} == {"global-rate"}
        assert sandbox.stats()["rate_limited"] == {"global-rate": len(refused)}


def test_in_live_mode_one_call_is_limited_before_the_account() -> None:
    with Sandbox(now=NOW) as sandbox:
        answers = _burst(sandbox, sandbox.live_key, ["/v1/coupons"] * 80)
        reasons = {answer.headers.get("Stripe-Rate-Limited-Reason") for answer in answers}
        assert reasons == {None, "endpoint-rate"}
        assert _burst(sandbox, sandbox.live_key, ["/v1/account"])[0].status_code == 200


def test_test_mode_and_live_mode_have_limits_of_their_own() -> None:
    with Sandbox(now=NOW, rps=2) as sandbox:
        assert _burst(sandbox, sandbox.key, ["/v1/balance"] * 3)[2].status_code == 429
        assert _burst(sandbox, sandbox.live_key, ["/v1/balance"])[0].status_code == 200


def test_no_limits_at_all_with_zero() -> None:
    with Sandbox(now=NOW, rps=0) as sandbox:
        assert {answer.status_code for answer in _burst(sandbox, sandbox.key, ["/v1/coupons"] * 60)} == {200}


def test_a_bucket_lets_its_rate_through_and_no_more() -> None:
    bucket = Bucket(per_second=25, tokens=25, filled_at=0)
    passed = 0
    for millisecond in range(10_000):
        if bucket.ready(millisecond / 1000):
            bucket.tokens -= 1
            passed += 1
    assert 25 + 249 <= passed <= 25 + 250


# latency


def test_latency_delays_every_answer_a_little_differently() -> None:
    with Sandbox(now=NOW, latency_ms=20) as sandbox, httpx.Client(auth=(sandbox.key, "")) as client:
        took = []
        for _ in range(4):
            started = time.monotonic()
            client.get(f"{sandbox.url}/v1/balance")
            took.append(time.monotonic() - started)
    assert min(took) >= 0.016
    assert len(set(took)) == len(took)


def test_the_most_requests_at_once_are_counted() -> None:
    with Sandbox(now=NOW, latency_ms=100) as sandbox, ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: httpx.get(f"{sandbox.url}/v1/balance", auth=(sandbox.key, "")), range(4)))
        assert 2 <= sandbox.stats()["most_at_once"] <= 4
