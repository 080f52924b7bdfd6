"""Calls a sandbox over HTTP, and checks the shape of everything that it answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from connector.sandbox import Sandbox
from connector.sandbox.document import api

NOW = 1_790_000_000
DAY = 86_400


class Caller:
    """Calls one sandbox, and checks the shape of everything that it answers."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self._http = httpx.Client(base_url=sandbox.url, auth=(sandbox.key, ""), timeout=60)

    def post(self, path: str, form: dict[str, str] | None = None) -> dict[str, Any]:
        status, body = self.try_post(path, form)
        assert status == 200, body
        assert api.problems(body, body["object"]) == []
        return body

    def try_post(self, path: str, form: dict[str, str] | None = None) -> tuple[int, dict[str, Any]]:
        answer = self._http.post(path, data=form or {})
        return answer.status_code, answer.json()

    def refused(self, path: str, form: dict[str, str] | None = None, status: int = 400) -> dict[str, Any]:
        given_status, body = self.try_post(path, form)
        assert given_status == status, body
        error: dict[str, Any] = body["error"]
        return error

    def sandbox_refuses(self, path: str, **query: Any) -> str:
        answer = self._http.get(path, params=query)
        assert answer.status_code == 400, answer.text
        return str(answer.json()["error"]["message"])

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        answer = self._http.get(path, params=query)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def pay(self, method: str = "pm_card_visa", **form: str) -> dict[str, Any]:
        usual = {"amount": "2000", "currency": "usd", "payment_method": method, "confirm": "true"}
        return self.post("/v1/payment_intents", usual | form)

    def events_of(self, id: str) -> list[str]:  # noqa: A002
        found = [event for event in self.sandbox.truth("event") if event["data"]["object"]["id"] == id]
        return [event["type"] for event in reversed(found)]

    def close(self) -> None:
        self._http.close()


@contextmanager
def calling() -> Iterator[Caller]:
    """Start a sandbox of one's own, and call it."""
    with Sandbox(seed=7, rps=0, now=NOW) as sandbox:
        caller = Caller(sandbox)
        yield caller
        caller.close()
