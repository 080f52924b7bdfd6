"""A server of Stripe's lists that is never what is measured: pages are joined from bytes that were made before.

    uv run python -m benchmarks.list_server ROWS [LATENCY_MS] [RPS_OF_A_LIST] [RPS_OF_ALL]

Every path is a list of the same varied charges, newest first, in two years. What is sent above a limit, in any stretch
of one second, is answered 429; `/counts` says how much was asked for, when, and how much of it was refused.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from bisect import bisect_left
from collections import defaultdict, deque
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from connector.definitions.endpoint import Endpoints

NEWEST, SECONDS = 1_790_000_000, 2 * 365 * 86_400
ACCOUNT = b'{"id": "acct_1BenchmarkedXy", "object": "account", "settings": null}'
SAMPLES = json.loads((Path(__file__).parents[1] / "tests/data/fixtures.json").read_text(encoding="utf-8"))["resources"]


def varied(rows: int, seed: int = 3) -> list[tuple[int, str, bytes]]:
    """Return charges that differ as real ones do: when created, id, and the JSON as Stripe prints it."""
    chance = random.Random(seed)
    endpoint = Endpoints()["charges"]
    known = {column.path[0] for column in endpoint.columns} | {path[0] for path in endpoint.ignored} | {"object"}
    sample = {key: value for key, value in SAMPLES["charge"].items() if key in known and key != "transfer_data"}
    made = []
    for number in range(rows):
        created = NEWEST - chance.randrange(SECONDS)
        record = _one(sample, number, created, chance)
        made.append((created, str(record["id"]), json.dumps(record, indent=2).encode()))
    return sorted(made)


def _one(sample: dict[str, Any], number: int, created: int, chance: random.Random) -> dict[str, Any]:
    details = {
        "type": "card",
        "card": {
            "amount_authorized": chance.randrange(100, 90_000),
            "brand": chance.choice(["visa", "mastercard", "amex"]),
            "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
            "country": chance.choice(["US", "DE", "FR", "JP"]),
            "exp_month": chance.randrange(1, 13),
            "exp_year": chance.randrange(2026, 2034),
            "fingerprint": f"{chance.getrandbits(80):016x}",
            "funding": chance.choice(["credit", "debit"]),
            "last4": f"{chance.randrange(10_000):04}",
            "network": "visa",
        },
    }
    return {
        **sample,
        "id": f"ch_3P{number:08}{chance.getrandbits(60):015x}",
        "created": created,
        "amount": chance.randrange(100, 90_000),
        "customer": f"cus_{chance.getrandbits(60):014x}" if chance.random() < 0.8 else None,
        "description": f"Order {chance.randrange(10**6)} — “{chance.choice(['tea', 'café', 'Brötchen'])}”",
        "receipt_email": f"person{number}@example.com" if chance.random() < 0.5 else None,
        "metadata": {"order": str(chance.randrange(10**6)), "channel": chance.choice(["web", "app"])},
        "payment_intent": f"pi_3P{chance.getrandbits(72):018x}",
        "payment_method": f"pm_1P{chance.getrandbits(72):018x}",
        "payment_method_details": details,
        "balance_transaction": f"txn_3P{chance.getrandbits(72):018x}",
        "paid": (is_paid := chance.random() < 0.93),
        "status": "succeeded" if is_paid else "failed",
        "failure_code": None if is_paid else "card_declined",
        "failure_message": None if is_paid else "Your card was declined.",
    }


class Lists:
    """The lists, their limits, and what was asked of them."""

    def __init__(self, rows: int, latency_ms: float, rps_of_a_list: float, rps_of_all: float) -> None:
        self._rows = varied(rows)
        self._keys = [(created, name) for created, name, _ in self._rows]
        self._created = {name: created for created, name, _ in self._rows}
        self._latency_seconds = latency_ms / 1000
        self._limits = {"": rps_of_all, "list": rps_of_a_list}
        self._recent: defaultdict[str, deque[float]] = defaultdict(deque)
        self.counts: dict[str, Any] = {"asked": [], "refused": 0, "pages_per_second": 0.0}

    async def answer(self, target: str) -> tuple[int, bytes]:
        address = urlsplit(target)
        if address.path == "/counts":
            return 200, json.dumps(self.counts).encode()
        if address.path == "/v1/account":
            return 200, ACCOUNT
        now = time.monotonic()
        is_refused = self._is_above("", now, "") or self._is_above(address.path, now, "list")
        self.counts["asked"].append((address.path, now))
        self.counts["refused"] += is_refused
        if self._latency_seconds:
            await asyncio.sleep(self._latency_seconds)
        return (429, b'{"error": {"type": "rate_limit"}}') if is_refused else (200, self.page(address.query))

    def _is_above(self, name: str, now: float, limit: str) -> bool:
        recent = self._recent[name]
        while recent and recent[0] <= now - 1:
            recent.popleft()
        recent.append(now)
        return bool(self._limits[limit]) and len(recent) > self._limits[limit]

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


async def _main(rows: float, latency_ms: float = 0, rps_of_a_list: float = 0, rps_of_all: float = 0) -> None:
    lists = Lists(int(rows), latency_ms, rps_of_a_list, rps_of_all)
    began = time.perf_counter()
    for _ in range(200):
        lists.page("limit=100")
    lists.counts["pages_per_second"] = 200 / (time.perf_counter() - began)
    server = await asyncio.start_server(lists.serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main(*map(float, sys.argv[1:])))
