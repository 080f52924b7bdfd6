"""What is told of requests and answers where the rows alone would mislead."""

from __future__ import annotations

import pytest

from tests.scripted_server import Answer
from tests.test_request import answering


def test_a_plan_says_that_v1_takes_no_json() -> None:
    with answering(Answer()) as (_, stripe):
        assert "v1 takes no JSON but forms" in stripe.request("POST", "/v1/customers", body='{"email": "a@b.c"}').plan
        assert "takes no JSON" not in stripe.request("POST", "/v2/core/accounts", json={}).plan


@pytest.mark.parametrize(
    "said", [{"explode": "lines.data"}, {"filter": "$.data[*].lines.data[*]"}, {"filter": "$['data'][0].lines.data[*]"},
     {"filter": "$..lines.data[*]"}, {"filter": "$.data[*].lines..data[*]"}, {"filter": "$..data[?(@.amount)]"}]
)  # fmt: skip
def test_a_list_inside_an_object_that_goes_on_is_told(said: dict[str, str]) -> None:
    lines = {"object": "list", "data": [{"amount": 1}, {"amount": 2}], "has_more": True}
    body = {"object": "list", "data": [{"id": "in_1", "lines": lines}], "has_more": False}
    with answering(Answer(body=body)) as (_, stripe):
        found = stripe.request("GET", "/v1/invoices", paginate=True, **said)  # type: ignore[arg-type]
        assert found.to_arrow().num_rows == 2
        assert found.report.notes[0].startswith("GET /v1/invoices: 1 list inside objects with more items")
        everything = stripe.request("GET", "/v1/invoices", filter="$..data[*]")
        assert everything.to_arrow().num_rows == 3
        assert "1 list inside objects with more items" in everything.report.notes[0]
        plain = stripe.request("GET", "/v1/invoices", filter="$.data[*]")
        assert (plain.to_arrow().num_rows, plain.report.notes) == (1, [])


def test_a_byte_order_mark_is_no_part_of_json() -> None:
    with answering(Answer(body=b'\xef\xbb\xbf{"a": 1}')) as (_, stripe):
        assert stripe.request("GET", "x").to_arrow().to_pylist() == [{"a": 1}]
