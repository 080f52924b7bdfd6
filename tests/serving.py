"""Servers for whole modules of tests, each with its client: the sandbox, and one that follows a script.

A module takes the first two as fixtures of its own:

    sandbox = pytest.fixture(scope="module")(a_sandbox)
    client = pytest.fixture(scope="module")(its_client)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from connector.api.calls import Call
from connector.api.client import Client
from connector.api.clock import LocalClock
from connector.config import Connection, Key
from connector.sandbox import Sandbox
from tests.fake_clock import FakeClock
from tests.scripted_server import ScriptedServer, Step

NOW = 1_790_000_000  # 21 September 2026, in the middle of a month: the same sandbox on every day
SECRET = "sk_test_51HqExAmPlEkEyThAtIsLoNgEnOuGh7Zx9"
GET = Call("GET", "/v1/customers")
POST = Call("POST", "/v1/customers", form={"email": "jane@example.com"})
DELETE = Call("DELETE", "/v1/customers/cus_123")


def a_sandbox() -> Iterator[Sandbox]:
    """A sandbox without limits."""
    with Sandbox(now=NOW, rps=0) as running:
        yield running


def its_client(sandbox: Sandbox) -> Iterator[httpx.Client]:
    """A plain HTTP client with the sandbox's key."""
    with httpx.Client(base_url=sandbox.url, auth=(sandbox.key, ""), timeout=60) as made:
        yield made


@contextmanager
def serving(*script: Step, clock: LocalClock | None = None, **settings: Any) -> Iterator[tuple[ScriptedServer, Client]]:
    """A server that follows the script, and a client of it whose time is fake."""
    with ScriptedServer(script) as server:
        defaults: dict[str, Any] = {"key": Key(SECRET), "api_base": server.url}
        connection = Connection(**(defaults | settings))
        with Client(connection, clock=clock or FakeClock()) as client:
            yield server, client


def error_body(**fields: str) -> dict[str, dict[str, str]]:
    return {"error": {"type": "invalid_request_error", **fields}}
