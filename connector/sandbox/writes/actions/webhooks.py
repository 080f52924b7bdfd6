"""Webhook endpoints: where events are to be sent. `connector.sandbox.server.delivery` sends them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

from connector.sandbox.document.rules import Record
from connector.sandbox.world.store import Store
from connector.sandbox.writes.engine.handlers import handles, holds
from connector.sandbox.writes.engine.write import Call, Write, apply, writing

_URL = re.compile(r"https?://[^/\s]")

holds("webhook_endpoint")


def secret_of(endpoint: str) -> str:
    """Return the signing secret of the endpoint with this id; Stripe shows it once, when the endpoint is made."""
    return "whsec_" + hashlib.sha256(f"sandbox {endpoint}".encode()).hexdigest()[:32]


def add_endpoint(store: Store, url: str, events: Sequence[str]) -> str:
    """Make an endpoint without a request; return its secret."""
    call = Call(now=store.clock.now(), form={"url": url, "enabled_events": list(events)})
    with writing(store, call) as write:
        return str(create(write)["secret"])


@handles("POST /v1/webhook_endpoints")
def create(write: Write) -> Record:
    """Make an endpoint; the answer alone has its secret."""
    endpoint = write.blank("webhook_endpoint", id=write.new_id("we_"), status="enabled")
    _set(write, endpoint)
    endpoint.pop("secret", None)
    write.put("webhook_endpoint", endpoint)
    return {**endpoint, "secret": secret_of(endpoint["id"])}


@handles("POST /v1/webhook_endpoints/{webhook_endpoint}")
def update(write: Write) -> Record:
    """Change an endpoint, or switch it off and on again."""
    endpoint = write.get("webhook_endpoint", write.ids["webhook_endpoint"])
    _set(write, endpoint)
    if "disabled" in write.form:
        endpoint["status"] = "disabled" if write.form["disabled"] else "enabled"
    write.put("webhook_endpoint", endpoint)
    return endpoint


def _set(write: Write, endpoint: Record) -> None:
    if "url" in write.form and not _URL.match(write.form["url"]):
        raise write.refuse("bad_url", "url")
    apply(endpoint, write.form, "webhook_endpoint")


@handles("DELETE /v1/webhook_endpoints/{webhook_endpoint}")
def delete(write: Write) -> Record:
    """Delete an endpoint; nothing is sent to it from here on."""
    return write.delete("webhook_endpoint", write.ids["webhook_endpoint"])
