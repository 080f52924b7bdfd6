"""Idempotency keys: an effect at most once, the first answer again, and everything that may not be confused."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import httpx
import pytest
import stripe

from connector.sandbox import Sandbox
from connector.sandbox.document.refusals import Refusal
from connector.sandbox.server.idempotency import KEPT_SECONDS, Idempotency
from connector.sandbox.server.messages import Request, Response
from connector.sandbox.world.clock import Clock

NOW = 1_790_000_000
Post = Callable[..., httpx.Response]


class HandClock(Clock):
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        super().__init__(NOW)
        self.at = NOW

    def now(self) -> int:
        return self.at


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(now=NOW, rps=0) as running:
        yield running


@pytest.fixture
def post(sandbox: Sandbox) -> Iterator[Post]:
    with httpx.Client(base_url=sandbox.url, auth=(sandbox.key, ""), trust_env=False) as client:
        yield lambda path, key, **form: client.post(path, data=form, headers={"Idempotency-Key": key})


def call(key: str, method: str = "POST") -> Request:
    return Request(method, "/v1/customers", headers={"idempotency-key": key})


def customers(sandbox: Sandbox, name: str) -> int:
    return sum(1 for record in sandbox.truth("customer") if record["name"] == name)


def test_a_key_acts_once_and_answers_the_same_again(sandbox: Sandbox, post: Post) -> None:
    first, second = (post("/v1/customers", "k1", name="Once") for _ in range(2))
    assert first.content == second.content
    assert ("idempotent-replayed" in first.headers, second.headers["idempotent-replayed"]) == (False, "true")
    assert customers(sandbox, "Once") == 1


def test_another_request_with_the_same_key_is_refused(sandbox: Sandbox, post: Post) -> None:
    post("/v1/customers", "k1", name="One")
    for path in ("/v1/customers", "/v1/products"):
        answer = post(path, "k1", name="Two")
        assert (answer.status_code, answer.json()["error"]["type"]) == (400, "idempotency_error")
    assert customers(sandbox, "Two") == 0


def test_failed_validation_leaves_the_key_free(sandbox: Sandbox, post: Post) -> None:
    assert post("/v1/customers", "k1", nme="Free").status_code == 400
    assert post("/v1/customers", "k1", name="Free").status_code == 200
    assert customers(sandbox, "Free") == 1


def test_a_500_stays_with_its_key(sandbox: Sandbox, post: Post) -> None:
    sandbox.fail("500", on="POST /v1/customers")
    first, second, other = (post("/v1/customers", key, name="Kept") for key in ("k1", "k1", "k2"))
    assert [first.status_code, second.status_code, other.status_code] == [500, 500, 200]
    assert second.headers["idempotent-replayed"] == "true"
    assert customers(sandbox, "Kept") == 1


@pytest.mark.parametrize("fault", ["429", "503"])
def test_a_request_turned_away_leaves_the_key_free(sandbox: Sandbox, post: Post, fault: str) -> None:
    sandbox.fail(fault, on="POST /v1/customers")
    assert [post("/v1/customers", "k1", name="Late").status_code for _ in range(2)] == [int(fault), 200]


def test_keys_of_live_and_test_mode_are_apart(sandbox: Sandbox) -> None:
    answers = [
        httpx.post(
            f"{sandbox.url}/v1/customers",
            data={"name": name},
            auth=(key, ""),
            headers={"Idempotency-Key": "k1"},
            trust_env=False,
        )
        for key, name in ((sandbox.key, "Test"), (sandbox.live_key, "Live"))
    ]
    assert [answer.json()["name"] for answer in answers] == ["Test", "Live"]


def test_a_key_longer_than_255_characters_is_refused(post: Post) -> None:
    assert post("/v1/customers", "k" * 255, name="x").status_code == 200
    assert post("/v1/customers", "k" * 256, name="x").status_code == 400


def test_the_library_retries_a_lost_answer_without_doing_it_twice(sandbox: Sandbox) -> None:
    http = stripe.RequestsClient()
    client = stripe.StripeClient(
        sandbox.key, base_addresses={"api": sandbox.url}, http_client=http, max_network_retries=2
    )
    sandbox.fail("drop-after", on="POST /v1/customers")
    client.v1.customers.create({"name": "Lost"})
    http.close()  # type: ignore[no-untyped-call]
    assert [request.status for request in sandbox.requests] == [0, 200]
    assert customers(sandbox, "Lost") == 1


def test_a_key_in_flight_is_a_conflict() -> None:
    keys = Idempotency(Clock(NOW))
    inside, go = threading.Event(), threading.Event()

    def act() -> Response:
        inside.set()
        assert go.wait(5)
        return Response(200)

    running = threading.Thread(target=keys.once, args=(("acct",), call("k"), {}, act))
    running.start()
    assert inside.wait(5)
    with pytest.raises(Refusal) as caught:
        keys.once(("acct",), call("k"), {}, act)
    go.set()
    running.join()
    assert (caught.value.rule.status, caught.value.rule.code) == (409, "idempotency_key_in_use")
    assert keys.once(("acct",), call("k"), {}, act).headers == {"Idempotent-Replayed": "true"}


def test_keys_are_forgotten_after_24_hours() -> None:
    clock = HandClock()
    keys, done = Idempotency(clock), []

    def act() -> Response:
        done.append(clock.at)
        return Response(200)

    for clock.at in (NOW, NOW + KEPT_SECONDS - 1, NOW + KEPT_SECONDS):
        keys.once(("acct",), call("k"), {}, act)
    assert done == [NOW, NOW + KEPT_SECONDS]


def test_a_key_does_nothing_for_delete() -> None:
    keys, done = Idempotency(Clock(NOW)), []

    def act() -> Response:
        done.append(1)
        return Response(200)

    for _ in range(2):
        keys.once(("acct",), call("k", "DELETE"), {}, act)
    assert len(done) == 2
