"""What is told of requests and answers where the rows alone would mislead."""

from __future__ import annotations

import pyarrow as pa
import pytest

from connector.api.client import Client
from connector.errors import ConnectorError
from tests.fake_clock import FakeClock
from tests.scripted_server import DROP_AFTER_READING, Answer, Fault, Received
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


def test_a_row_whose_request_gets_no_response_fails_alone() -> None:
    rows = pa.table({"id": ["a", "b", "c"]})

    def step(request: Received) -> Answer | Fault:
        return DROP_AFTER_READING if request.path.endswith("/b") else Answer(body={"id": request.path[-1]})

    with answering(step) as (_, stripe):
        stripe._client = Client(stripe.connection, clock=FakeClock())
        found = stripe.request("GET", "x/{id}", source=rows)
        assert found.to_arrow().column("id").to_pylist() == ["a", "c"]
    (failure,) = found.report.failures
    assert "No response from" in failure


@pytest.mark.parametrize(
    ("step", "sent"), [(Answer(403), 20), (Answer(404), 30)], ids=["a_key_that_may_not", "objects_that_are_gone"]
)
def test_where_the_first_twenty_fail_for_no_fault_of_theirs_no_more_are_sent(step: Answer, sent: int) -> None:
    with answering(step) as (server, stripe):
        stripe._client = Client(stripe.connection, clock=FakeClock())
        found = stripe.request("GET", "x/{id}", source=pa.table({"id": [str(number) for number in range(30)]}))
        if sent == 20:
            with pytest.raises(ConnectorError, match=r"The first 20 requests have failed, so no more were sent: .*403"):
                found.to_arrow()
        else:
            found.to_arrow()
    assert (len(server.requests), len(found.report.failures)) == (sent, sent)
