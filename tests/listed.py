"""A list of Stripe's in memory, behind the HTTP library: it changes, fails and keeps readers waiting as a test says."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import httpx

from connector.api.client import Client
from connector.api.crew import Walk
from connector.api.pages import PageReader, Selection
from connector.api.records import Page
from connector.api.spans import END
from connector.config import Connection, Key
from connector.definitions.folders import find_endpoints
from tests.fake_clock import FakeClock

CHARGES = find_endpoints()["charges"]


@dataclass
class List(httpx.BaseTransport):
    """Charges by id, with when each was created; `meanwhile` is done while a request is on its way."""

    objects: dict[str, int]
    requests: int = 0
    before: Callable[[], httpx.Response | None] = lambda: None
    meanwhile: Callable[[], None] = lambda: None
    asked: list[dict[str, str]] = field(default_factory=list)
    _ordered: tuple[dict[str, int], list[tuple[int, str]]] = ({}, [])

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.requests += 1
        refused = self.before()
        query = dict(parse_qsl(request.url.query.decode()))
        self.asked.append(query)
        response = self._page(query) if refused is None else refused
        self.meanwhile()
        return response

    def _page(self, query: dict[str, str]) -> httpx.Response:
        cursor = query.get("starting_after")
        if cursor is not None and cursor not in self.objects:
            error = {"code": "resource_missing", "param": "starting_after", "type": "invalid_request_error"}
            return httpx.Response(400, json={"error": error})
        least, end = int(query.get("created[gte]", -END)), int(query.get("created[lt]", END))
        end = min(end, int(query.get("created[lte]", END)) + 1)
        keys = self._keys()
        high = bisect_left(keys, (end, "") if cursor is None else min((end, ""), (self.objects[cursor], cursor)))
        low = bisect_left(keys, (least, ""), 0, high)
        first = max(low, high - int(query["limit"]))
        data = [{"id": name, "object": "charge", "created": created} for created, name in keys[first:high][::-1]]
        body = {"object": "list", "data": data, "has_more": first > low}
        return httpx.Response(200, headers={"Request-Id": "req_1"}, json=body)

    def _keys(self) -> list[tuple[int, str]]:
        """Return the objects in order, sorted anew only when they have changed."""
        if self._ordered[0] != self.objects:
            self._ordered = (dict(self.objects), sorted((created, name) for name, created in self.objects.items()))
        return self._ordered[1]

    def walk(self, page_rows: int, client: Client | None = None) -> Walk:
        """Return what yields the pages of a part of this list."""
        reader = PageReader(client or self.client(), {}, page_rows)  # type: ignore[arg-type]
        return lambda part: reader.read(CHARGES, Selection({"created": part.bounds}))

    def client(self, **settings: Any) -> Client:
        """Return a client that asks this list, at no pace, by a clock that waits for nothing."""
        connection = Connection(Key("sk_test_x"), **{"max_rps": 1e6, "max_rps_per_endpoint": 1e6, **settings})
        return Client(connection, self, FakeClock())


def ids(pages: Iterator[Page | None]) -> list[str]:
    """Return the ids of the records of pages."""
    return [str(record["id"]) for page in pages if page is not None for record in json.loads(page.records)]
