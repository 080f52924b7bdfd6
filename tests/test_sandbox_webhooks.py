"""Webhooks: signed as the official library verifies, tried again, late, doubled and out of order on request."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
import stripe

from connector.sandbox import Sandbox, SandboxError, api
from tests.accounts import NOW

WAIT_SECONDS = 20.0


class Receiver(ThreadingHTTPServer):
    """Takes webhooks and remembers them; refuses the first `refusals` of them."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Taking)
        self.refusals = 0
        self.taken: list[stripe.Event] = []
        self.secret = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook"


class _Taking(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.refusals:
            self.server.refusals -= 1
            self._answer(500)
            return
        event = stripe.Webhook.construct_event(body, self.headers["Stripe-Signature"], self.server.secret)
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
    receiver.refusals = 1
    customer = new_customer(sandbox)
    assert next(sandbox.truth("event"))["pending_webhooks"] == 1
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


def test_doubled_and_out_of_order_on_request(receiver: Receiver) -> None:
    with Sandbox(seed=5, now=NOW, rps=0, webhook_trouble="duplicate=0.5,disorder=0.5") as sandbox:
        receiver.secret = sandbox.webhook(receiver.url, ["customer.created"])
        made = [new_customer(sandbox, str(number)) for number in range(12)]
        assert sandbox.webhooks.wait(WAIT_SECONDS)
    heard = [event.data.object["id"] for event in receiver.taken]
    assert set(heard) == set(made)
    assert len(heard) > len(made)
    assert list(dict.fromkeys(heard)) != made


def test_events_of_the_wrong_key_mode_or_name_are_not_sent_and_trouble_is_checked(sandbox: Sandbox) -> None:
    with pytest.raises(SandboxError, match="late, duplicate, disorder"):
        Sandbox(webhook_trouble="lost=0.1")
    answer = httpx.post(
        f"{sandbox.url}/v1/webhook_endpoints",
        data={"url": "http://127.0.0.1:9/", "enabled_events[]": "customer.creatd"},
        auth=(sandbox.key, ""),
    )
    assert answer.status_code == 400
