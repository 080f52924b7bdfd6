"""A client, and the scripted server that it talks to, for tests of everything that a request goes through."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from connector.client import Call, Client
from connector.config import Connection, Key
from tests.fake_clock import FakeClock
from tests.scripted_server import ScriptedServer, Step

SECRET = "sk_test_51HqExAmPlEkEyThAtIsLoNgEnOuGh7Zx9"
GET = Call("GET", "/v1/customers")
POST = Call("POST", "/v1/customers", form={"email": "jane@example.com"})
DELETE = Call("DELETE", "/v1/customers/cus_123")


@contextmanager
def serving(*script: Step, clock: FakeClock | None = None, **settings: Any) -> Iterator[tuple[ScriptedServer, Client]]:
    """A server that follows the script, and a client of it whose time is fake."""
    with ScriptedServer(script) as server:
        defaults: dict[str, Any] = {"key": Key(SECRET), "api_base": server.url}
        connection = Connection(**(defaults | settings))
        with Client(connection, clock=clock or FakeClock()) as client:
            yield server, client


def error_body(**fields: str) -> dict[str, dict[str, str]]:
    return {"error": {"type": "invalid_request_error", **fields}}
