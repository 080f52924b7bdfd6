"""Lists that do not say where they end, or have no end: errors, never fewer rows and never a walk without end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from connector import Stripe
from connector.errors import ConnectorError, DataError
from tests.scripted_server import Answer, Received
from tests.test_request import answering

Body = dict[str, Any]


def page(*ids: str, **fields: Any) -> Body:
    return {"object": "list", "data": [{"id": name, "object": "payout"} for name in ids], **fields}


def extracted(stripe: Stripe) -> object:
    return stripe.extract("payouts").to_arrow()


def requested(stripe: Stripe) -> object:
    return stripe.request("GET", "payouts", paginate=True).to_arrow()


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (page("po_1"), "does not say has_more"),
        ({"object": "customer", "data": [], "has_more": False}, "is no list but an object: customer"),
        ({"data": [], "has_more": False}, "is no list"),
    ],
)
def test_what_does_not_say_that_it_is_a_whole_list_is_not_one(body: Body, problem: str) -> None:
    with (
        answering(Answer(headers={"Request-Id": "req_1"}, body=body)) as (_, stripe),
        pytest.raises(DataError, match=rf"GET /v1/payouts \(200, request req_1\) {problem}"),
    ):
        extracted(stripe)


def test_a_request_for_all_pages_needs_to_know_that_it_has_them() -> None:
    with answering(Answer(body=page("po_1"))) as (_, stripe), pytest.raises(DataError, match="may not be the whole"):
        requested(stripe)
    with answering(Answer(body=page("po_1"))) as (_, stripe):
        assert stripe.request("GET", "payouts").to_arrow().num_rows == 1


CIRCLES: dict[str, Sequence[Body]] = {
    "the same page": [page("po_1", has_more=True)],
    "two in turn": [page("po_1", has_more=True), page("po_2", has_more=True)],
    "back after three": [page(name, has_more=True) for name in ("po_1", "po_2", "po_3")],
}


@pytest.mark.parametrize("read", [extracted, requested])
@pytest.mark.parametrize("name", CIRCLES)
def test_a_list_that_turns_in_a_circle_is_an_error(name: str, read: Callable[[Stripe], object]) -> None:
    bodies = CIRCLES[name]

    def turning(_: Received) -> Answer:
        return Answer(body=bodies[len(server.requests) % len(bodies)])

    with answering(turning) as (server, stripe), pytest.raises(DataError, match="would never end"):
        read(stripe)
    assert len(server.requests) == len(bodies) + 1


def test_a_cursor_that_is_said_to_be_gone_again_and_again_is_an_error() -> None:
    def denying(request: Received) -> Answer:
        if "starting_after" not in request.query:
            return Answer(body=page("po_1", "po_2", has_more=True))
        if request.query["limit"] == "1":
            return Answer(body=page(has_more=False))
        error = {"type": "invalid_request_error", "code": "resource_missing", "param": "starting_after"}
        return Answer(404, body={"error": error})

    with answering(denying) as (server, stripe), pytest.raises(ConnectorError, match="would never end"):
        extracted(stripe)
    assert len(server.requests) < 10
