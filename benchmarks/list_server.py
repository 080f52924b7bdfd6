"""A server of Stripe's lists that is never what is measured: pages are joined from bytes that were made before.

    uv run python -m benchmarks.list_server ROWS [LATENCY_MS] [RPS_OF_A_LIST] [RPS_OF_ALL] [NAME…]

Each table that is named has a list of so many varied objects, newest first, in two years; every other path is the list
of the first name, charges unless said. What is sent above a limit, in any stretch of one second, is answered 429.
`/counts` says how much was asked for, when, and how much of it was refused; `/change` changes the amount of each
hundredth object.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

from benchmarks.samples import varied
from connector.definitions.endpoint import Endpoints

ACCOUNT = b'{"id": "acct_1BenchmarkedXy", "object": "account", "settings": null}'


class Objects:
    """One list: its objects in order of time."""

    def __init__(self, rows: list[tuple[int, str, bytes]]) -> None:
        self._rows = rows
        self._keys = [(created, name) for created, name, _ in rows]
        self._created = {name: created for created, name, _ in rows}

    def page(self, query: str) -> bytes:
        asked = {name: values[0] for name, values in parse_qs(query).items()}
        end = (int(asked.get("created[lt]", 2**41)), "")
        if "starting_after" in asked:
            end = min(end, (self._created[asked["starting_after"]], asked["starting_after"]))
        high = bisect_left(self._keys, end)
        low = bisect_left(self._keys, (int(asked.get("created[gte]", 0)), ""))
        first = max(low, high - int(asked.get("limit", 10)))
        records = b",".join(row[2] for row in self._rows[first:high][::-1])
        more = b"true" if first > low else b"false"
        return b'{"object": "list", "url": "/v1/charges", "has_more": ' + more + b', "data": [' + records + b"]}"

    def change(self) -> None:
        """Give another amount to each hundredth object."""
        for place in range(0, len(self._rows), 100):
            created, name, record = self._rows[place]
            amount = re.search(rb'\n  "amount": (\d+)', record)
            assert amount is not None
            changed = record[: amount.start(1)] + b"%d" % (int(amount[1]) + 1) + record[amount.end(1) :]
            self._rows[place] = (created, name, changed)


class Lists:
    """The lists, their limits, and what was asked of them."""

    def __init__(self, objects: dict[str, Objects], latency_ms: float, rps_of_a_list: float, rps_of_all: float) -> None:
        self.objects = objects
        self.first = next(iter(objects.values()))
        self._latency_seconds = latency_ms / 1000
        self._limits = {"": rps_of_all, "list": rps_of_a_list}
        self._recent: defaultdict[str, deque[float]] = defaultdict(deque)
        self.counts: dict[str, Any] = {"asked": [], "refused": 0, "pages_per_second": 0.0}

    async def answer(self, target: str) -> tuple[int, bytes]:
        address = urlsplit(target)
        if address.path == "/counts":
            return 200, json.dumps(self.counts).encode()
        if address.path == "/change":
            self.first.change()
            return 200, b"{}"
        if address.path == "/v1/account":
            return 200, ACCOUNT
        now = time.monotonic()
        is_refused = self._is_above("", now, "") or self._is_above(address.path, now, "list")
        self.counts["asked"].append((address.path, now))
        self.counts["refused"] += is_refused
        if self._latency_seconds:
            await asyncio.sleep(self._latency_seconds)
        if is_refused:
            return 429, b'{"error": {"type": "rate_limit"}}'
        return 200, self.objects.get(address.path, self.first).page(address.query)

    def _is_above(self, name: str, now: float, limit: str) -> bool:
        recent = self._recent[name]
        while recent and recent[0] <= now - 1:
            recent.popleft()
        recent.append(now)
        return bool(self._limits[limit]) and len(recent) > self._limits[limit]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                status, body = await self.answer(head.split(b" ", 2)[1].decode())
                date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())
                line = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nRequest-Id: req_1\r\nDate: {date}\r\n"
                writer.write(line.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


async def _main(rows: float, limits: Sequence[float], names: Sequence[str]) -> None:
    endpoints = [Endpoints()[name] for name in names or ["charges"]]
    objects = {endpoint.path: Objects(varied(endpoint, int(rows))) for endpoint in endpoints}
    lists = Lists(objects, *limits, *[0] * (3 - len(limits)))
    began = time.perf_counter()
    for _ in range(200):
        lists.first.page("limit=100")
    lists.counts["pages_per_second"] = 200 / (time.perf_counter() - began)
    server = await asyncio.start_server(lists.serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main(float(sys.argv[1]), [float(limit) for limit in sys.argv[2:5]], sys.argv[5:]))
