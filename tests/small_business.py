"""Two small businesses of the sandbox, whole, for tests of what they hold."""

from __future__ import annotations

from functools import cache
from typing import Any

from connector.sandbox.history.business import Business

Record = dict[str, Any]
DAY = 86_400
NOW = 1_794_108_345  # 8 November 2026, in the middle of a month
SMALL = Business(seed=1, size="small", now=NOW)
OTHER = Business(seed=704_081_919_721, size="small", now=1_772_323_199)  # the last second of a February
BUSINESSES = [SMALL, OTHER]
KINDS = SMALL.kinds


@cache
def everything(business: Business, kind: str) -> list[Record]:
    found = (business.get(kind, number) for number in range(business.end(kind)))
    return [record for record in found if record is not None]


@cache
def by_id(business: Business, kind: str) -> dict[str, Record]:
    return {record["id"]: record for record in everything(business, kind)}
