"""What share of a limit reading reaches, at answers that take 100 and 300 ms.

    uv run python -m benchmarks.pace

One list at 25 requests a second, five together at 100, one at a granted 100: from the third second until what is left
cannot keep all readers busy, at least 90 % of what is set, and under 1 % refused by a limit over any second.
"""

from __future__ import annotations

import json
import threading
import urllib.request
from dataclasses import dataclass
from itertools import pairwise

from benchmarks.processes import list_server
from connector.api.client import Client
from connector.api.crew import MOST_READERS
from connector.api.pages import PageReader, Selection
from connector.api.parallel import read_list
from connector.api.spans import BEGINNING, END
from connector.config import Connection, Key
from connector.definitions.endpoint import Endpoints
from connector.rows.flatten import Flattener

FIVE = ("charges", "refunds", "payment_intents", "invoices", "balance_transactions")


@dataclass(frozen=True)
class Case:
    """So many rows of so many lists, at limits in requests a second."""

    title: str
    lists: tuple[str, ...]
    rows: int
    list_rps: int
    all_rps: int


CASES = (
    Case("one list at 25", FIVE[:1], 40_000, 25, 25),
    Case("five together at 100", FIVE, 30_000, 25, 100),
    Case("one list at a granted 100", FIVE[:1], 100_000, 100, 100),
)


def read(client: Client, name: str) -> None:
    """Read a list to its end, flattening what comes."""
    endpoints = Endpoints()
    endpoint = endpoints[name]
    flattener, reader = Flattener(endpoints["charges"]), PageReader(client, endpoints)

    for portion in read_list(reader, endpoint, Selection(), (BEGINNING, END)):
        if portion.page is not None:
            flattener.batch(portion.page.records)


def measured(case: Case, latency_ms: int) -> None:
    with list_server(case.rows, latency_ms, case.list_rps, case.all_rps) as url:
        of_all, of_a_list = float(case.all_rps), float(case.list_rps)
        key = Key("sk_test_x")
        with Client(Connection(key, api_base=url, max_rps=of_all, max_rps_per_endpoint=of_a_list)) as client:
            threads = [threading.Thread(target=read, args=(client, name)) for name in case.lists]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        with urllib.request.urlopen(f"{url}/counts") as response:
            counts = json.load(response)
    asked = [(path, moment - counts["asked"][0][1]) for path, moment in counts["asked"]]
    moments = [moment for _, moment in asked]
    until = min(last_busy(asked, path) for path, _ in asked[:: len(asked) // 50])
    steady = [moment for moment in moments if 2 <= moment < until]
    share = (len(steady) - 1) / (steady[-1] - steady[0]) / case.all_rps
    refused, extra = counts["refused"] / len(moments), len(moments) - counts["refused"] - needed(case)
    longest = max(later - earlier for earlier, later in pairwise(steady))
    is_met = share >= 0.9 and refused < 0.01
    print(
        f"{case.title:<28}{latency_ms:>5} ms{share:>9.0%}{refused:>9.2%}{moments[-1]:>9.1f} s{len(moments):>8}"
        f"{extra:>+7}{longest:>9.2f} s{counts['pages_per_second']:>12,.0f}{'' if is_met else '   MISSED'}",
        flush=True,
    )


def last_busy(asked: list[tuple[str, float]], path: str) -> float:
    """Return until when a list had more left to read than there are readers."""
    moments = [moment for each, moment in asked if each == path]
    return moments[-2 * MOST_READERS]


def needed(case: Case) -> int:
    return len(case.lists) * -(-case.rows // 100)


def main() -> None:
    headings = ("answer", 8), ("share", 9), ("refused", 9), ("in all", 11), ("asked", 8), ("extra", 7), ("gap", 11)
    print(f"{'':<28}{''.join(f'{word:>{width}}' for word, width in headings)}{'server/s':>12}")
    for case in CASES:
        for latency_ms in (100, 300):
            measured(case, latency_ms)


if __name__ == "__main__":
    main()
