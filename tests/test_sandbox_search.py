"""Search: the query language, its pages and its refusals."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from connector.sandbox import Sandbox
from tests.serving import NOW, its_client


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(now=NOW, rps=0) as running:
        record = next(running.truth("customer"))
        running.put("customer", {**record, "name": "Zoë O'Neill", "metadata": {"tier key": "gold", "plan": "a"}})
        yield running


client = pytest.fixture(scope="module")(its_client)


def _ids(client: httpx.Client, path: str, query: str, limit: int = 100) -> list[str]:
    found: list[str] = []
    page: dict[str, str] = {}
    while True:
        answer = client.get(path, params={"query": query, "limit": limit, **page})
        assert answer.status_code == 200, answer.text
        result = answer.json()
        assert (result["object"], result["url"]) == ("search_result", path)
        found += [record["id"] for record in result["data"]]
        assert result["has_more"] == (result["next_page"] is not None)
        if not result["has_more"]:
            return found
        page = {"page": result["next_page"]}


QUERIES: list[tuple[str, str, str, Callable[[Any], bool]]] = [
    ("charges", "charge", "status:'succeeded'", lambda record: record["status"] == "succeeded"),
    ("charges", "charge", "amount>5000", lambda record: record["amount"] > 5000),
    ("charges", "charge", "amount<=5000 AND currency:'EUR'", lambda r: r["amount"] <= 5000 and r["currency"] == "eur"),
    ("charges", "charge", "-currency:'usd'", lambda record: record["currency"] != "usd"),
    ("charges", "charge", "currency:'jpy' or currency:\"eur\"", lambda record: record["currency"] in {"jpy", "eur"}),
    ("charges", "charge", "refunded:'true'", lambda record: record["refunded"]),
    ("invoices", "invoice", f"created>={NOW - 90 * 86_400}", lambda record: record["created"] >= NOW - 90 * 86_400),
    ("prices", "price", "active:'false'", lambda record: not record["active"]),
    ("subscriptions", "subscription", "status:'canceled'", lambda record: record["status"] == "canceled"),
    ("customers", "customer", "name~'o\\'neill'", lambda record: "O'Neill" in (record["name"] or "")),
    ("customers", "customer", "metadata['tier key']:'gold'", lambda r: r["metadata"].get("tier key") == "gold"),
    ("customers", "customer", "metadata['plan']:null", lambda r: "plan" not in r["metadata"]),
]


@pytest.mark.parametrize("case", QUERIES, ids=[case[2] for case in QUERIES])
def test_a_query_finds_exactly_what_it_says(
    sandbox: Sandbox, client: httpx.Client, case: tuple[str, str, str, Callable[[Any], bool]]
) -> None:
    path, kind, query, passes = case
    expected = [record["id"] for record in sandbox.truth(kind) if passes(record)]
    assert expected
    assert _ids(client, f"/v1/{path}/search", query) == expected


def test_pages_of_a_search_show_each_object_once(sandbox: Sandbox, client: httpx.Client) -> None:
    expected = [record["id"] for record in sandbox.truth("product")]
    assert _ids(client, "/v1/products/search", "-name:'nothing'", limit=2) == expected


def test_the_total_comes_on_request(sandbox: Sandbox, client: httpx.Client) -> None:
    query: dict[str, Any] = {"query": "-name:'nothing'", "limit": 1}
    assert "total_count" not in client.get("/v1/products/search", params=query).json()
    answer = client.get("/v1/products/search", params={**query, "expand[]": "total_count"}).json()
    assert answer["total_count"] == sum(1 for _ in sandbox.truth("product"))


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("colour:'red'", "Field `colour` is an unsupported search field for resource `customers`."),
        ("metadata:'red'", "Field `metadata` is an unsupported"),
        ("email", "The search query cannot be understood"),
        ("email:'a' AND", "The search query cannot be understood"),
        ("email:'a", "The search query cannot be understood"),
        ("email:'a' AND name:'b' OR name:'c'", "The search query cannot be understood: AND and OR"),
    ],
)
def test_a_query_that_makes_no_sense_is_refused(client: httpx.Client, query: str, message: str) -> None:
    answer = client.get("/v1/customers/search", params={"query": query})
    assert answer.status_code == 400
    assert answer.json()["error"]["message"].startswith(message)
    assert answer.json()["error"]["param"] == "query"


@pytest.mark.parametrize("page", ["x", "!!!!", "YWJj"])
def test_a_page_that_was_never_given_out_is_refused(client: httpx.Client, page: str) -> None:
    answer = client.get("/v1/customers/search", params={"query": "email:'a'", "page": page})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "page")
