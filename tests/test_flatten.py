"""Flattening: real samples land in columns, what is new lands in `_extra`, nothing is dropped."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.definitions.endpoint import Endpoint, Endpoints
from connector.errors import DataError
from connector.rows.flatten import EXTRA, Flattener

DATA = Path(__file__).parent / "data"
SAMPLES: dict[str, Any] = json.loads((DATA / "fixtures.json").read_text(encoding="utf-8"))["resources"]
ENDPOINTS = Endpoints()
WITH_SAMPLES = [name for name in ENDPOINTS if any(each in SAMPLES for each in ENDPOINTS[name].object)]


def flat(
    endpoint: str | Endpoint, *records: Any, columns: list[str] | None = None
) -> tuple[Flattener, list[dict[str, Any]]]:
    definition = ENDPOINTS[endpoint] if isinstance(endpoint, str) else endpoint
    flattener = Flattener(definition, columns)
    fills = {column.name: ["filled"] * len(records) for column in definition.columns if not column.path}
    batch = flattener.batch(json.dumps(list(records), indent=2).encode(), fills)
    return flattener, batch.to_pylist()


def leaves(value: Any, path: str = "") -> dict[str, Any]:
    """Return the scalars of a record by dotted path: an independent reading of it."""
    if isinstance(value, dict) and value:
        found: dict[str, Any] = {}
        for key, each in value.items():
            found |= leaves(each, f"{path}.{key}" if path else key)
        return found
    return {path: value}


@pytest.mark.parametrize("name", WITH_SAMPLES)
def test_a_real_sample_lands_in_columns_and_nothing_in_extra(name: str) -> None:
    endpoint = ENDPOINTS[name]
    sample = next(SAMPLES[each] for each in endpoint.object if each in SAMPLES)
    flattener, (row,) = flat(endpoint, sample)
    assert row[EXTRA] is None
    assert not flattener.drift.undeclared
    assert not flattener.drift.misfits
    known = leaves(sample)
    compared = 0
    for column in endpoint.columns:
        path = ".".join(column.path)
        if path in known and not isinstance(known[path], (list, dict)) and known[path] is not None:
            found: Any = row[column.name]
            found = int(found.timestamp()) if column.type == "timestamp" else found
            found = json.loads(found) if column.type == "json" else found
            assert found == (Decimal(known[path]) if column.type == "decimal" else known[path]), path
            compared += 1
    assert compared > 3


def test_a_real_invoice_of_an_older_version_keeps_in_extra_what_has_moved_since() -> None:
    old = json.loads((DATA / "invoice_2023.json").read_text(encoding="utf-8"))
    flattener, (row,) = flat("invoices", old)
    assert row["id"] == old["id"]
    assert row["amount_due"] == old["amount_due"]
    assert row["status"] == "draft"
    assert row["subscription"] is None
    assert json.loads(row[EXTRA]) == {"paid": False, "paid_out_of_band": False, "total_tax_amounts": []}
    assert flattener.drift.undeclared == {"paid": 1, "paid_out_of_band": 1, "total_tax_amounts": 1}
    _, (line,) = flat("invoice_lines", old["lines"]["data"][0])
    assert set(json.loads(line[EXTRA])) >= {"price", "proration", "type"}
    assert line["amount"] == old["lines"]["data"][0]["amount"]


def test_a_new_field_at_every_level_goes_to_extra_on_the_quick_way_too() -> None:
    customer = {**SAMPLES["customer"], "shoe_size": 44, "address": {"city": "Köln", "planet": {"name": "Earth"}}}
    flattener, rows = flat("customers", customer, SAMPLES["customer"])
    page = json.dumps([customer, SAMPLES["customer"]]).encode()
    again = flattener.batch(page).to_pylist()
    assert flattener.drift.slow_pages == 1, "the new fields are known from the second page on"
    assert rows == again
    assert json.loads(rows[0][EXTRA]) == {"shoe_size": 44, "address.planet": {"name": "Earth"}}
    assert rows[0]["address_city"] == "Köln"
    assert rows[1][EXTRA] is None
    assert flattener.drift.undeclared == {"shoe_size": 2, "address.planet": 2}


def test_a_new_field_that_is_always_null_does_not_slow_every_page() -> None:
    customer = {**SAMPLES["customer"], "shoe_size": None}
    flattener, (row,) = flat("customers", customer)
    flattener.batch(json.dumps([customer]).encode())
    assert flattener.drift.slow_pages == 1
    assert row[EXTRA] is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("balance", "twelve"),
        ("balance", 2**70),
        ("balance", 1.5),
        ("created", "yesterday"),
        ("created", 10**17),
        ("livemode", "true"),
        ("email", {"no": "resource"}),
        ("email", 7),
        ("address", "a string"),
        ("address", ["a", "list"]),
    ],
)
def test_a_value_that_does_not_fit_is_kept_in_extra_and_reported(field: str, value: Any) -> None:
    flattener, rows = flat("customers", {**SAMPLES["customer"], field: value}, SAMPLES["customer"])
    assert json.loads(rows[0][EXTRA]) == {field: value}
    assert flattener.drift.misfits == {field: 1}
    if field in rows[0]:
        assert rows[0][field] is None
    assert rows[1] == flat("customers", SAMPLES["customer"])[1][0], "its neighbours are not touched"


@pytest.mark.parametrize(
    ("expanded", "expected"),
    [
        ("cus_1", "cus_1"),
        (None, None),
        ({"id": "cus_1", "object": "customer", "name": "Jane", "email": None}, "cus_1"),
        ({"id": "cus_1", "object": "customer", "deleted": True}, "cus_1"),
    ],
)
def test_an_expandable_field_is_its_id_in_every_form(expanded: Any, expected: str | None) -> None:
    flattener, (row,) = flat("invoices", {**SAMPLES["invoice"], "customer": expanded})
    assert row["customer"] == expected
    assert row[EXTRA] is None
    assert not flattener.drift.misfits


def test_json_is_compact_and_verbatim_however_stripe_prints_it() -> None:
    record = json.dumps({**SAMPLES["customer"], "metadata": {}}, indent=4)
    raw = record.replace('"metadata": {}', '"metadata": {\n "a" :  1.10,\t"b": [1, 2.50e3]}').encode()
    row = Flattener(ENDPOINTS["customers"]).batch(b"[" + raw + b"]").to_pylist()[0]
    assert row["metadata"] == '{"a":1.10,"b":[1,2.50e3]}'


@pytest.mark.parametrize("text", ["0.5", "12", "0.000000000001", "99999999999999999999999999.999999999999", "1E+3"])
def test_decimals_are_exact(text: str) -> None:
    price = {**SAMPLES["price"], "unit_amount_decimal": text}
    flattener, (row,) = flat("prices", price)
    assert row["unit_amount_decimal"] == Decimal(text)
    assert not flattener.drift.misfits


def test_a_decimal_with_more_places_than_stripe_has_is_kept_not_rounded() -> None:
    flattener, (row,) = flat("prices", {**SAMPLES["price"], "unit_amount_decimal": "0.0000000000001"})
    assert row["unit_amount_decimal"] is None
    assert json.loads(row[EXTRA]) == {"unit_amount_decimal": "0.0000000000001"}
    assert flattener.drift.misfits == {"unit_amount_decimal": 1}


def test_a_record_of_another_object_never_lands_in_this_table() -> None:
    with pytest.raises(DataError, match="expected records of line_item, got invoice"):
        flat("invoice_lines", SAMPLES["invoice"])


def test_only_wanted_columns_are_made_and_new_fields_still_do_no_harm() -> None:
    charge = {**SAMPLES["charge"], "shoe_size": 44, "payment_method_details": {"card": {"brand": "visa"}}}
    flattener, (row,) = flat("charges", charge, columns=["id", "payment_method_details_card_brand"])
    assert row == {"id": charge["id"], "payment_method_details_card_brand": "visa"}
    assert flattener.schema.names == ["id", "payment_method_details_card_brand"]


def test_an_answer_that_is_not_a_list_of_records_is_an_error() -> None:
    with pytest.raises((DataError, msgspec.MsgspecError)):
        Flattener(ENDPOINTS["customers"]).batch(b'{"id": "cus_1"}')


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
values = st.recursive(scalars, lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(), each, max_size=3))
customer_fields = [".".join(column.path) for column in ENDPOINTS["customers"].columns]


@given(st.dictionaries(st.sampled_from(customer_fields) | st.text(min_size=1), values, max_size=6))
def test_no_value_of_any_record_is_ever_lost(fields: dict[str, Any]) -> None:
    record: dict[str, Any] = {"id": "cus_1", "object": "customer"}
    for path, value in fields.items():
        here: Any = record
        *above, last = path.split(".") if path in customer_fields else [path]
        for key in above:
            here = here.setdefault(key, {}) if isinstance(here.get(key, {}), dict) else {}
        if last != "object":
            here[last] = value
    flattener = Flattener(ENDPOINTS["customers"])
    try:
        page = json.dumps([record]).encode()
        (row,) = flattener.batch(page).to_pylist()
        (again,) = flattener.batch(page).to_pylist()
    except pa.ArrowInvalid:
        pytest.fail("a record was refused")
    assert row == again
    extra = json.loads(row[EXTRA]) if row[EXTRA] else {}
    for column in ENDPOINTS["customers"].columns:
        here = record
        for key in column.path:
            here = here.get(key) if isinstance(here, dict) else None
        path = ".".join(column.path)
        if here is not None and path not in extra:
            assert row[column.name] is not None, path
    declared = {column.path[0] for column in ENDPOINTS["customers"].columns} | {"object"}
    ignored = {path[0] for path in ENDPOINTS["customers"].ignored}
    for key, value in record.items():
        if key not in declared | ignored and value is not None:
            assert extra[key] == value
