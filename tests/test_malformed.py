"""What Stripe never sends, sent anyway: every outcome is rows or an error for people, never an unexpected exception."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connector import Stripe
from connector.api.client import Client
from connector.errors import ConnectorError, DataError
from connector.sandbox import Sandbox
from tests.fake_clock import FakeClock
from tests.scripted_server import Answer, Received, ScriptedServer


class Tampering:
    """Passes requests on to a sandbox and answers those to one path with something else."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.path = ""
        self.status = 200
        self.content: bytes | None = None
        self.http = httpx.Client(base_url=sandbox.url, auth=(sandbox.key, ""), timeout=60)
        self._genuine = cache(lambda target: self.http.get(target).content)
        self.genuine: dict[str, bytes] = {}

    def __call__(self, request: Received) -> Answer:
        content = self._genuine(request.target)
        self.genuine.setdefault(request.path, content)
        is_meant = request.path == self.path and self.content is not None
        status = self.status if is_meant else 200
        return Answer(status, {"Request-Id": "req_1"}, self.content if is_meant else content)


@pytest.fixture(scope="module")
def tampering(shared_sandbox: Sandbox) -> Iterator[Tampering]:
    made = Tampering(shared_sandbox)
    with made.http:
        yield made


@pytest.fixture(scope="module")
def stripe(tampering: Tampering) -> Iterator[Stripe]:
    """An account on a server that tampers with responses, whose waits take no time."""
    with ScriptedServer(tampering) as server, Stripe(key="sk_test_abc", api_base=server.url) as stripe:
        stripe._client = Client(stripe.connection, clock=FakeClock())
        yield stripe


def extracted(*arguments: Any, **options: Any) -> Callable[[Stripe], object]:
    return lambda stripe: stripe.extract(*arguments, **options).to_arrow()


def requested(path: str, **options: Any) -> Callable[[Stripe], object]:
    return lambda stripe: stripe.request("GET", path, **options).to_arrow()


def checked(stripe: Stripe) -> object:
    return list(stripe.check(["customers"]))


def items_of_one_subscription(stripe: Stripe) -> object:
    (subscription,) = stripe.extract("subscriptions", columns="id", limit=1).to_arrow().column("id").to_pylist()
    return stripe.extract("subscription_items", subscription=subscription).to_arrow()


# Each kind of response: whose path is tampered with, and what reads it.
KINDS: dict[str, tuple[str, Callable[[Stripe], object]]] = {
    "page": ("/v1/payouts", extracted("payouts", limit=120)),
    "single object": ("/v1/payouts/po_1", extracted("payouts", id="po_1")),
    "events": ("/v1/events", extracted("events", limit=20)),
    "embedded list": ("/v1/invoices", extracted("invoice_lines", limit=20)),
    "child list": ("/v1/subscription_items", items_of_one_subscription),
    "parents": ("/v1/subscriptions", extracted("subscription_items", limit=3)),
    "rows of kinds": ("/v1/balance", extracted("balance")),
    "v2": ("/v2/core/events", requested("/v2/core/events", paginate=True, limit=150)),
    "search": ("/v1/customers/search", requested("customers/search", query="query=created>0", paginate=True)),
    "any list": ("/v1/refunds", requested("refunds", paginate=True, explode="metadata")),
    "account": ("/v1/account", checked),
}

DEEP = 100_000
WHOLE: dict[str, bytes] = {
    "nothing": b"",
    "null": b"null",
    "a text": b'"text"',
    "a number": b"42",
    "true": b"true",
    "a list": b"[]",
    "a list of lists": b"[[]]",
    "an empty object": b"{}",
    "an object that is no list": b'{"object": "customer", "data": []}',
    "no has_more": b'{"object": "list", "data": []}',
    "has_more is a text": b'{"object": "list", "data": [], "has_more": "yes"}',
    "more after nothing": b'{"object": "list", "data": [], "has_more": true}',
    "data is null": b'{"object": "list", "data": null, "has_more": false}',
    "data is a text": b'{"object": "list", "data": "x", "has_more": false}',
    "data is an object": b'{"object": "list", "data": {"a": 1}, "has_more": false}',
    "no data": b'{"object": "list", "has_more": false}',
    "records that are null": b'{"object": "list", "data": [null], "has_more": false}',
    "records that are lists": b'{"object": "list", "data": [[]], "has_more": false}',
    "records without id": b'{"object": "list", "data": [{"object": "payout"}], "has_more": false}',
    "an id that is a number": b'{"object": "list", "data": [{"id": 5}], "has_more": false}',
    "an id that is an object": b'{"object": "list", "data": [{"id": {}}], "has_more": false}',
    "no UTF-8": b'{"object": "list", "data": [{"id": "\xff\xfe"}], "has_more": false}',
    "UTF-16": '{"object": "list", "data": []}'.encode("utf-16"),
    "half a surrogate": b'{"object": "list", "data": [{"id": "\\ud800"}], "has_more": false}',
    "a null character": b'{"object": "list", "data": [{"id": "a\\u0000b"}], "has_more": false}',
    "too deep": b'{"object": "list", "data": [{"id": "x", "metadata": ' + b"[" * DEEP + b"]" * DEEP + b"}]}",
    "a huge number": b'{"object": "list", "data": [{"id": "x", "created": 1e999}], "has_more": false}',
    "two documents": b"{}{}",
    "markup": b"<html></html>",
}


def outcome(read: Callable[[Stripe], object], stripe: Stripe) -> ConnectorError | None:
    """Read a kind of response; anything but rows and an error for people escapes."""
    try:
        read(stripe)
    except ConnectorError as error:
        return error
    return None


@pytest.mark.parametrize("kind", KINDS)
def test_a_response_that_is_something_else_is_an_error_for_people(
    kind: str, tampering: Tampering, stripe: Stripe, subtests: pytest.Subtests
) -> None:
    tampering.path, read = KINDS[kind]
    for name, tampering.content in WHOLE.items():
        with subtests.test(name):
            error = outcome(read, stripe)
            if isinstance(error, DataError):
                assert re.search(r"GET /v\d/\S+ \(200, request req_1\)", str(error))
                assert len(str(error).splitlines()) == 1


@pytest.mark.parametrize("status", [204, 302, 400, 401, 403, 404, 429, 500])
def test_a_refusal_of_any_shape_is_an_error_for_people(
    status: int, tampering: Tampering, stripe: Stripe, subtests: pytest.Subtests
) -> None:
    tampering.path, read = KINDS["page"]
    tampering.status = status
    for name, content in WHOLE.items():
        tampering.content = content * (status != 204)
        with subtests.test(name):
            assert "GET /v1/payouts" in str(outcome(read, stripe))
    tampering.status = 200


@pytest.mark.parametrize("kind", ["page", "embedded list", "any list"])
def test_what_is_a_little_too_deep_is_an_error_for_people(
    kind: str, tampering: Tampering, stripe: Stripe, subtests: pytest.Subtests
) -> None:
    tampering.path, read = KINDS[kind]
    for levels, (opened, closed) in product(range(880, 1000, 8), ((b"[", b"]"), (b'{"a": ', b"}"))):
        deep = opened * levels + b"1" + closed * levels
        tampering.content = b'{"object": "list", "data": [{"id": "x", "new": ' + deep + b'}], "has_more": false}'
        with subtests.test(levels=levels, of=opened):
            outcome(read, stripe)


@pytest.mark.parametrize("name", ["no UTF-8", "records without id"])  # cannot be decoded, cannot be a row
def test_an_endpoint_that_cannot_be_read_is_the_only_one_that_fails(
    name: str, tampering: Tampering, stripe: Stripe, tmp_path: Path
) -> None:
    tampering.path, tampering.content = "/v1/payouts", None
    to = f"sqlite:///{(tmp_path / 's.sqlite').as_posix()}"
    before = stripe.sync(["payouts", "products"], to=to)
    assert [run.status for run in before.runs] == ["succeeded", "succeeded"]
    tampering.content = WHOLE[name]
    payouts, products = stripe.sync(["payouts", "products"], to=to).runs
    assert (payouts.status, payouts.deleted, products.status) == ("failed", 0, "succeeded")
    assert "GET /v1/payouts (200, request req_1)" in str(payouts.error)


# Parts of genuine responses

VALUES: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, 0, -1, 2**63, 2**70, 1e300, "", "text", "\0", [], [None], ["text"], [[]], {}, {"id": None},
     {"object": "list"}, {"object": "list", "data": None, "has_more": True}, {"data": [{}]}]
)  # fmt: skip


def places(document: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to every value in a document, to those in the first two items of a list."""
    yield above
    inside = document.items() if isinstance(document, dict) else enumerate(document[:2])
    for key, value in inside:
        yield (*above, key)
        if isinstance(value, dict | list):
            yield from places(value, (*above, key))


def with_change(document: Any, place: Sequence[Any], value: Any, *, is_gone: bool) -> Any:
    """Return a copy of a document in which one place holds another value, or nothing."""
    if not place:
        return value
    changed = copy.deepcopy(document)
    here = changed
    for key in place[:-1]:
        here = here[key]
    if is_gone:
        del here[place[-1]]
    else:
        here[place[-1]] = value
    return changed


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_response_with_one_wrong_part_is_rows_or_an_error_for_people(
    kind: str, tampering: Tampering, stripe: Stripe, data: st.DataObject
) -> None:
    tampering.path, read = KINDS[kind]
    if tampering.path not in tampering.genuine:
        tampering.content = None
        outcome(read, stripe)
    genuine = json.loads(tampering.genuine[tampering.path])
    place = data.draw(st.sampled_from(sorted(places(genuine), key=str)))
    wrong = with_change(genuine, place, data.draw(VALUES), is_gone=data.draw(st.booleans()))
    tampering.content = json.dumps(wrong).encode()
    outcome(read, stripe)
