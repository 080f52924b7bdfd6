"""The calls of forty queries, as they are: tests/data/query_calls.json has them; changed calls show as a difference."""

from __future__ import annotations

import json
import re
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from connector import ConnectorWarning
from connector.sandbox import Sandbox
from tests.accounts import NOW, account, keep_the_newest

GOLDEN: dict[str, dict[str, int]] = json.loads(
    (Path(__file__).parent / "data" / "query_calls.json").read_text(encoding="utf-8")
)


@pytest.fixture(scope="module")
def business() -> Iterator[Sandbox]:
    """A business with three pages of charges, and all its invoices: by their number it is decided what to follow."""
    with Sandbox(seed=7, rps=0, now=NOW) as sandbox:
        yield keep_the_newest(sandbox, {"charge": 250, "invoice": 10_000})


def calls(sandbox: Sandbox, sql: str) -> dict[str, int]:
    """Return the calls of a query, how often each, pages of one list taken together."""
    before = len(sandbox.requests)
    with account(sandbox) as stripe, warnings.catch_warnings():
        warnings.simplefilter("ignore", ConnectorWarning)
        stripe.query(sql).to_arrow()
    return dict(sorted(Counter(map(named, list(sandbox.requests)[before:])).items()))


def named(request: Any) -> str:
    query = re.sub(r"&?(?:limit|starting_after)=[^&]+", "", unquote(request.query)).strip("&")
    text = f"{request.path}{'?' * bool(query)}{query}".removeprefix("/v1/")
    return re.sub(r"\b([a-z]{2,4}_)[0-9A-Za-z]{10,}", r"\1…", text)


@pytest.mark.parametrize("sql", GOLDEN)
def test_a_query_makes_exactly_these_calls(sql: str, business: Sandbox) -> None:
    assert calls(business, sql) == GOLDEN[sql]
