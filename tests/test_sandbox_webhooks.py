"""Webhooks: signed as the official library verifies, tried again, late, doubled and out of order on request."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
import stripe

from connector.sandbox import Sandbox, SandboxError
from connector.sandbox.document import api
from connector.sandbox.server.delivery import ATTEMPTS, pause_seconds
from tests.accounts import NOW

WAIT_SECONDS = 20.0


class Receiver(ThreadingHTTPServer):
    """Takes webhooks and remembers them; refuses the first `refusals` of them."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Taking)
        self.refusals = 0
        self.bodies: list[bytes] = []
        """Of every attempt, refused ones too."""
        self.taken: list[stripe.Event] = []
        self.secret = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook"


class _Taking(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        event = stripe.Webhook.construct_event(body, self.headers["Stripe-Signature"], self.server.secret)
        self.server.bodies.append(body)
        if self.server.refusals:
            self.server.refusals -= 1
            self._answer(500)
            return
        self.server.taken.append(event)
        self._answer(200)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - signature of the base class
        """Write nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def new_customer(sandbox: Sandbox, name: str = "Ada") -> str:
    return str(httpx.post(f"{sandbox.url}/v1/customers", data={"name": name}, auth=(sandbox.key, "")).json()["id"])


def test_an_event_arrives_signed_and_is_no_longer_pending(sandbox: Sandbox, receiver: Receiver) -> None:
    client = stripe.StripeClient(sandbox.key, base_addresses={"api": sandbox.url})
    made = client.v1.webhook_endpoints.create({"url": receiver.url, "enabled_events": ["customer.created"]})
    assert made.secret is not None
    receiver.secret = made.secret
    customer = new_customer(sandbox)
    client.v1.customers.update(customer, {"name": "Bea"})  # customer.updated, which nobody asked for
    assert sandbox.webhooks.wait(WAIT_SECONDS)
    assert [(event.type, event.data.object["id"]) for event in receiver.taken] == [("customer.created", customer)]
    event = client.v1.events.retrieve(receiver.taken[0].id)
    assert event.pending_webhooks == 0
    shown = client.v1.webhook_endpoints.retrieve(made.id)
    assert "secret" not in shown
    assert api.problems(next(sandbox.truth("webhook_endpoint")), "webhook_endpoint") == []


def test_what_was_not_taken_is_sent_again(sandbox: Sandbox, receiver: Receiver) -> None:
    receiver.secret = sandbox.webhook(receiver.url)
    receiver.refusals = 100
    customer = new_customer(sandbox)
    assert sandbox.webhooks.wait(WAIT_SECONDS, due=True)
    assert newest_event(sandbox)["pending_webhooks"] == 1
    receiver.refusals = 0
    sandbox.advance(30)
    assert sandbox.webhooks.wait(WAIT_SECONDS)
    assert [event.data.object["id"] for event in receiver.taken] == [customer]


def test_a_disabled_or_deleted_endpoint_hears_nothing(sandbox: Sandbox, receiver: Receiver) -> None:
    client = stripe.StripeClient(sandbox.key, base_addresses={"api": sandbox.url})
    made = client.v1.webhook_endpoints.create({"url": receiver.url, "enabled_events": ["*"]})
    assert client.v1.webhook_endpoints.update(made.id, {"disabled": True}).status == "disabled"
    new_customer(sandbox)
    client.v1.webhook_endpoints.update(made.id, {"disabled": False})
    assert client.v1.webhook_endpoints.delete(made.id).deleted
    new_customer(sandbox)
    assert sandbox.webhooks.wait(WAIT_SECONDS)
    assert receiver.taken == []


def test_every_attempt_is_signed_the_same_and_after_six_it_is_given_up(sandbox: Sandbox, receiver: Receiver) -> None:
    receiver.secret = sandbox.webhook(receiver.url, ["customer.created"])
    receiver.refusals = 100
    new_customer(sandbox)
    attempt_until_done(sandbox)
    assert len(receiver.bodies) == ATTEMPTS
    assert len(set(receiver.bodies)) == 1
    assert receiver.taken == []
    assert newest_event(sandbox)["pending_webhooks"] == 1


def test_the_pauses_between_attempts_double() -> None:
    assert [pause_seconds(attempt) for attempt in range(1, ATTEMPTS)] == [1, 2, 4, 8, 16]


def test_a_receiver_that_recovers_gets_the_event_once_and_later_ones_are_not_held_up(
    sandbox: Sandbox, receiver: Receiver
) -> None:
    receiver.secret = sandbox.webhook(receiver.url, ["customer.created"])
    receiver.refusals = 1
    first = new_customer(sandbox, "first")
    assert sandbox.webhooks.wait(WAIT_SECONDS, due=True)
    second = new_customer(sandbox, "second")
    attempt_until_done(sandbox)
    assert sorted(heard(receiver)) == sorted([first, second])
    assert len(receiver.bodies) == 3


def test_without_trouble_every_event_comes_once_and_in_order(sandbox: Sandbox, receiver: Receiver) -> None:
    receiver.secret = sandbox.webhook(receiver.url, ["customer.created"])
    made = [new_customer(sandbox, str(number)) for number in range(12)]
    assert sandbox.webhooks.wait(WAIT_SECONDS)
    assert heard(receiver) == made


def test_what_is_late_comes_when_its_time_has_come_and_is_pending_until_then(receiver: Receiver) -> None:
    with Sandbox(seed=5, now=NOW, rps=0, webhook_trouble="late:3600=0.5") as sandbox:
        receiver.secret = sandbox.webhook(receiver.url, ["customer.created"])
        made = [new_customer(sandbox, str(number)) for number in range(12)]
        assert sandbox.webhooks.wait(WAIT_SECONDS, due=True)
        on_time = heard(receiver)
        late = [customer for customer in made if customer not in on_time]
        assert on_time == [customer for customer in made if customer not in late]
        assert 3 <= len(late) <= 9
        assert pending(sandbox, made) == set(late)
        sandbox.advance(3500)
        assert sandbox.webhooks.wait(WAIT_SECONDS, due=True)
        assert heard(receiver) == on_time
        sandbox.advance(200)
        assert sandbox.webhooks.wait(WAIT_SECONDS)
        assert heard(receiver) == on_time + late
        assert pending(sandbox, made) == set()


def test_late_alone_means_two_seconds_and_the_seed_says_which(receiver: Receiver) -> None:
    orders = []
    for _ in range(2):
        with Sandbox(seed=5, now=NOW, rps=0, webhook_trouble="late=0.5") as sandbox:
            receiver.secret = sandbox.webhook(receiver.url, ["customer.created"])
            made = [new_customer(sandbox, str(number)) for number in range(8)]
            attempt_until_done(sandbox)
        orders.append([made.index(customer) for customer in heard(receiver)])
        receiver.taken.clear()
    assert orders[0] == orders[1]
    assert sorted(orders[0]) == [*range(8)]
    assert orders[0] != [*range(8)]


def test_what_is_doubled_comes_twice_under_one_id_with_one_body(receiver: Receiver) -> None:
    with Sandbox(seed=5, now=NOW, rps=0, webhook_trouble="duplicate=0.5") as sandbox:
        receiver.secret = sandbox.webhook(receiver.url, ["customer.created"])
        made = [new_customer(sandbox, str(number)) for number in range(12)]
        assert sandbox.webhooks.wait(WAIT_SECONDS)
        assert pending(sandbox, made) == set()
    times = Counter(event.id for event in receiver.taken)
    assert list(dict.fromkeys(heard(receiver))) == made
    assert set(times.values()) == {1, 2}
    assert Counter(receiver.bodies).total() == times.total()
    assert len(set(receiver.bodies)) == len(times)


def test_out_of_order_is_every_event_once_with_an_older_one_behind_a_newer(receiver: Receiver) -> None:
    with Sandbox(seed=5, now=NOW, rps=0, webhook_trouble="disorder=0.5") as sandbox:
        receiver.secret = sandbox.webhook(receiver.url, ["customer.created"])
        made = [new_customer(sandbox, str(number)) for number in range(12)]
        attempt_until_done(sandbox)
    assert sorted(heard(receiver)) == sorted(made)
    assert heard(receiver) != made


def heard(receiver: Receiver) -> list[str]:
    return [event.data.object["id"] for event in receiver.taken]


def pending(sandbox: Sandbox, customers: list[str]) -> set[str]:
    """Return the customers of whose creation a webhook has not been told yet."""
    created = (event for event in sandbox.truth("event") if event["type"] == "customer.created")
    return {event["data"]["object"]["id"] for event in created if event["pending_webhooks"]} & set(customers)


def newest_event(sandbox: Sandbox) -> dict[str, Any]:
    return next(sandbox.truth("event"))


def attempt_until_done(sandbox: Sandbox) -> None:
    """Let everything be sent that waits, without waiting: the sandbox's clock is moved instead."""
    for _ in range(ATTEMPTS + 1):
        assert sandbox.webhooks.wait(WAIT_SECONDS, due=True)
        sandbox.advance(30)
    assert sandbox.webhooks.wait(WAIT_SECONDS)


def test_events_of_the_wrong_key_mode_or_name_are_not_sent_and_trouble_is_checked(sandbox: Sandbox) -> None:
    for wrong in ["lost=0.1", "late", "late=2", "late:x=0.1", "duplicate:5=0.1"]:
        with pytest.raises(SandboxError, match="late, duplicate, disorder"):
            Sandbox(webhook_trouble=wrong)
    answer = httpx.post(
        f"{sandbox.url}/v1/webhook_endpoints",
        data={"url": "http://127.0.0.1:9/", "enabled_events[]": "customer.creatd"},
        auth=(sandbox.key, ""),
    )
    assert answer.status_code == 400
