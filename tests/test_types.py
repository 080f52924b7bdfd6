"""One type table: a value has the same type whichever verb read it, and from wherever."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector import Stripe
from connector.rows.infer import Inferred
from connector.rows.types import DECIMAL, ColumnProfile, json_number
from tests.reading import opened
from tests.scripted_server import Answer, ScriptedServer
from tests.serving import SECRET

TEXT, NUMBER, INTEGER = pa.string(), pa.float64(), pa.int64()
NOON, LOCAL = datetime(2024, 1, 31, 12, tzinfo=UTC), datetime(2024, 1, 31, 12)  # noqa: DTZ001


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, None], INTEGER),
        ([-(2**63), 2**63 - 1], INTEGER),
        ([2**63], DECIMAL),
        ([0.1, 2], NUMBER),
        ([float("nan"), 1], NUMBER),
        ([float("nan"), 2**60], TEXT),
        ([0.1, 2**53 + 1], DECIMAL),
        ([Decimal("0.1"), 2], DECIMAL),
        ([Decimal("0.1"), 0.1], NUMBER),
        ([Decimal("0.1234567890123456"), 0.1], pa.decimal128(38, 16)),
        ([Decimal("NaN")], TEXT),
        ([Decimal(10**38)], TEXT),
        ([True, False], pa.bool_()),
        ([True, 1], TEXT),
        ([date(2024, 1, 31)], pa.date32()),
        ([date(2024, 1, 31), LOCAL], pa.timestamp("us")),
        ([date(2024, 1, 31), NOON], TEXT),
        ([NOON, LOCAL], TEXT),
        ([b"x"], TEXT),
        ([], TEXT),
    ],
)
def test_the_type_that_holds_all_values(values: list[Any], kind: pa.DataType) -> None:
    profile = ColumnProfile()
    for value in values:
        profile.add([value])
    assert profile.field("x") == pa.field("x", kind)


@pytest.mark.parametrize(
    ("values", "in_json", "elsewhere"), [([[1], {}], True, True), ([[1], "x"], True, False), (["x"], False, False)]
)
def test_what_is_nested_is_json_and_a_mixture_only_where_it_came_from_json(
    values: list[Any], in_json: bool, elsewhere: bool
) -> None:
    for is_json, expected in ((True, in_json), (False, elsewhere)):
        profile = ColumnProfile(is_json=is_json)
        profile.add(values)
        assert (profile.field("x").metadata is not None) == expected


@pytest.mark.parametrize(
    "values",
    [["0.1"], ["1", "0.1"], ["1e300"], ["0.12345678901234567890"], [str(2**63)], ["true"], ['"0.10"'], ['"x"', "1"]],
)
def test_a_value_of_json_has_one_type_whether_it_was_loaded_or_requested(tmp_path: Path, values: list[str]) -> None:
    loaded = opened(tmp_path, "a.jsonl", "".join(f'{{"x":{value}}}\n' for value in values).encode()).schema
    body = '{"object":"list","has_more":false,"data":[' + ",".join(f'{{"x":{value}}}' for value in values) + "]}"
    with (
        ScriptedServer(Answer(body=body.encode())) as server,
        Stripe(key=SECRET, api_base=server.url) as stripe,
    ):
        assert stripe.request("GET", "/v1/things").to_arrow().schema.equals(loaded, check_metadata=True)


@given(st.floats(allow_nan=False, allow_infinity=False) | st.decimals(allow_nan=False, allow_infinity=False))
def test_a_number_of_json_loses_no_digit(value: float | Decimal) -> None:
    literal = repr(value) if isinstance(value, float) else str(value)
    assert Decimal(str(json_number(literal))) == Decimal(literal)


@pytest.mark.parametrize("name", ["customers", "invoices", "prices", "balance_transactions", "events"])
def test_a_list_has_the_same_types_whether_it_was_requested_or_extracted(name: str, stripe: Stripe) -> None:
    extracted = stripe.extract(name, limit=5).schema
    requested = stripe.request("GET", stripe.endpoints[name].path, limit=5).schema
    both = [field for field in requested if field.name in extracted.names]
    assert len(both) > 8
    assert [field for field in both if not field.equals(extracted.field(field.name), check_metadata=True)] == []


def test_a_field_that_is_not_what_its_definition_says_stays_what_it_is() -> None:
    record = {"object": "price", "id": "price_1", "created": 2**60, "unit_amount_decimal": "many", "active": "yes"}
    body = {"object": "list", "data": [record], "has_more": False}
    with ScriptedServer(Answer(body=body)) as server, Stripe(key=SECRET, api_base=server.url) as stripe:
        schema = stripe.request("GET", "/v1/prices").to_arrow().schema
    assert schema.types == [TEXT, TEXT, INTEGER, TEXT, TEXT]


def test_rows_of_several_objects_have_the_types_that_json_says() -> None:
    with Inferred() as inferred:
        inferred.add([{"object": "price", "created": 1}, {"object": "invoice", "created": 2}])
        assert inferred.finish().schema.field("created").type == INTEGER
