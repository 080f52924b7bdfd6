"""Columns found by looking at all rows: nothing is lost, and how rows come does not change what they become."""

from __future__ import annotations

import itertools
import json
import tracemalloc
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.errors import DataError, TargetError, UsageError
from connector.rows import infer as inference
from connector.rows.cast import type_word
from connector.rows.infer import Inferred

SAMPLES = json.loads((Path(__file__).parent / "data/fixtures.json").read_text(encoding="utf-8"))["resources"]
JSON_FIELD = {b"type": b"json"}


class Table:
    """What was inferred, read."""

    def __init__(self, parts: Iterable[Iterable[Mapping[str, Any]]], explode: str | None = None) -> None:
        with Inferred(explode) as inferred:
            for part in parts:
                inferred.add(part)
            found = inferred.finish()
            self.schema, self.notes, self.rows = found.schema, found.notes, found.rows
            batches = list(found.batches())
            assert list(found.batches()) == batches, "rows can be read again"
        assert sum(batch.num_rows for batch in batches) == self.rows
        self.pylist: list[dict[str, Any]] = pa.Table.from_batches(batches, schema=self.schema).to_pylist()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Table) and vars(self) == vars(other) and self.schema.equals(other.schema, True)

    __hash__ = None  # type: ignore[assignment]

    @property
    def types(self) -> dict[str, str]:
        return {each.name: "json" if each.metadata == JSON_FIELD else type_word(each) for each in self.schema}


def table(*records: Any, explode: str | None = None) -> Table:
    return Table([records], explode)


def column(*values: Any) -> tuple[str, list[Any], list[str]]:
    """Return the type, the values and the notes of one column."""
    found = table(*({"x": value} for value in values))
    return found.types["x"], [row["x"] for row in found.pylist], found.notes


def test_nested_objects_become_columns_and_arrays_json() -> None:
    found = table(
        {"id": "a", "address": {"city": "Köln", "geo": {"lat": 50.9}}, "tags": ["x", {"y": 1}], "paid": True, "n": 3},
        {"id": "b", "address": None, "metadata": {}, "nothing": None},
    )
    assert found.types == {
        "id": "text",
        "address_city": "text",
        "address_geo_lat": "number",
        "tags": "json",
        "paid": "boolean",
        "n": "integer",
        "metadata": "json",
        "nothing": "text",
    }
    first, second = found.pylist
    assert first["tags"] == '["x",{"y":1}]'
    assert (first["address_geo_lat"], first["metadata"]) == (50.9, None)
    assert (second["address_city"], second["metadata"], second["nothing"]) == (None, "{}", None)
    assert found.notes == []


def test_columns_come_in_the_order_of_their_first_appearance_and_those_of_an_object_together() -> None:
    found = table({"b": 1, "o": None, "a": 2}, {"c": 3, "o": {"z": 1}}, {"o": {"y": 1}})
    assert found.schema.names == ["b", "o_z", "o_y", "a", "c"]


@pytest.mark.parametrize(
    ("values", "kind", "expected", "note"),
    [
        ([None, None], "text", [None, None], None),
        ([1, None, -(2**63)], "integer", [1, None, -(2**63)], None),
        ([1, 2.5], "number", [1.0, 2.5], None),
        ([2**53, 0.1], "number", [2.0**53, 0.1], None),
        ([2**53 + 1, 0.1], "decimal(38,12)", [Decimal(2**53 + 1), Decimal("0.1")], "integer column holds"),
        ([2**53 + 1, 1e-13], "decimal(38,13)", [Decimal(2**53 + 1), Decimal("1e-13")], "integer column holds"),
        ([2**53 + 1, 1e-30], "text", [str(2**53 + 1), "1E-30"], "integer column holds"),
        ([2**64], "decimal(38,12)", [Decimal(2**64)], "integer column holds"),
        ([10**26, 1], "decimal(38,0)", [Decimal(10**26), Decimal(1)], "integer column holds"),
        ([10**38, 1], "text", [str(10**38), "1"], "integer column holds"),
        ([1e300], "number", [1e300], None),
        ([Decimal("0.10"), 1], "number", [0.1, 1.0], None),
        ([Decimal("1.00000000000000001")], "decimal(38,17)", [Decimal("1.00000000000000001")], "integer column holds"),
        (
            [Decimal("1234567890123456789.5")],
            "decimal(38,12)",
            [Decimal("1234567890123456789.5")],
            "integer column holds",
        ),
        ([Decimal("1E+400")], "text", ["1E+400"], "integer column holds"),
        ([True, False], "boolean", [True, False], None),
        ([1, "a", None], "text", ["1", "a", None], "integers and text came, so the column is text"),
        ([True, 1, 2.5, "a"], "text", ["true", "1", "2.5", "a"], "booleans, integers, fractions and text came"),
        ([True, 1], "text", ["true", "1"], "booleans and integers came"),
        (["2024-01-31T12:00:00Z", "2024-01-31"], "text", ["2024-01-31T12:00:00Z", "2024-01-31"], None),
        ([1706702400], "integer", [1706702400], None),
        ([[], [1]], "json", ["[]", "[1]"], None),
        ([{}, None], "json", ["{}", None], None),
        ([{}, []], "json", ["{}", "[]"], "arrays and objects came, so the column is JSON"),
        (["a", {"y": 1}], "json", ['"a"', '{"y":1}'], "text and objects came, so the column is JSON"),
        ([{"y": 1}, 5, [2]], "json", ['{"y":1}', "5", "[2]"], "integers, arrays and objects came"),
    ],
)
def test_the_type_of_a_column_loses_nothing(
    values: list[Any], kind: str, expected: list[Any], note: str | None
) -> None:
    found, rows, notes = column(*values)
    assert found == kind
    assert [(type(each), each) for each in rows] == [(type(each), each) for each in expected]
    assert len(notes) == (note is not None)
    if note:
        assert note in notes[0]
        assert notes[0].startswith("x: ")


def test_an_empty_object_needs_no_column_where_others_have_content() -> None:
    found = table({"m": {}}, {"m": {"k": 1}})
    assert found.types == {"m_k": "integer"}
    assert found.pylist == [{"m_k": None}, {"m_k": 1}]


def test_names_that_meet_are_told_apart_and_told() -> None:
    found = table({"a": {"b": 1}, "a_b": 2, "A_B": 3, "a.b": 4, "": 5, "a_b_2": 6})
    assert found.schema.names == ["a_b", "a_b_2", "A_B_3", "a_b_4", "_", "a_b_2_2"]
    assert found.notes[0] == 'a_b: "a.b" has that name already, so the column is called a_b_2'


def test_long_names_are_shortened_as_everywhere() -> None:
    found = table({"x" * 80: {"y": 1, "Y": 2}})
    assert all(len(name) == 63 for name in found.schema.names)
    assert len({name.casefold() for name in found.schema.names}) == 2


def test_more_columns_than_are_sane_name_the_object_that_has_them() -> None:
    with (
        Inferred() as inferred,
        pytest.raises(DataError, match=r"more than 10,000 columns: orders\.by_id has 9,999 different"),
    ):
        inferred.add({"id": 1, "orders": {"by_id": {f"k{row}_{n}": n for n in range(100)}}} for row in range(200))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), Decimal("NaN"), "\ud800", object()])
def test_what_json_cannot_hold_is_refused_in_one_line(value: Any) -> None:
    with Inferred() as inferred, pytest.raises(DataError, match="cannot be kept as JSON"):
        inferred.add([{"x": value}])


def test_an_object_nested_without_end_is_refused_in_one_line() -> None:
    deep: dict[str, Any] = {}
    for _ in range(5000):
        deep = {"a": deep}
    with Inferred() as inferred, pytest.raises(DataError, match="cannot be kept as JSON"):
        inferred.add([deep])


def test_values_that_json_writes_as_text_are_text() -> None:
    class Colour(StrEnum):
        RED = "red"

    found = table({"x": Colour.RED, "y": (1, 2)})
    assert found.types == {"x": "text", "y": "json"}
    assert found.pylist == [{"x": "red", "y": "[1,2]"}]


def test_no_records_have_no_columns_and_records_without_fields_are_rows() -> None:
    assert (table().rows, table().schema.names) == (0, [])
    assert (table({}, {}).rows, table({}, {}).schema.names) == (2, [])


def test_real_samples_become_columns_of_every_leaf() -> None:
    found = table(*[SAMPLES["charge"]] * 3)
    assert found.notes == []
    assert found.types["payment_method_details_card_checks_cvc_check"] == "text"
    assert found.types["amount"] == "integer"
    assert found.pylist[0]["billing_details_address_city"] == SAMPLES["charge"]["billing_details"]["address"]["city"]


def test_exploded_items_are_rows_and_the_rest_is_repeated() -> None:
    found = table(
        {"id": "in_1", "lines": {"object": "list", "data": [{"id": "il_1", "period": {"end": 1}}, {"id": "il_2"}]}},
        {"id": "in_2", "lines": {"object": "list", "data": []}},
        {"id": "in_3", "lines": None},
        {"id": "in_4"},
        explode="lines.data",
    )
    assert found.schema.names == ["id", "lines_object", "lines_data_id", "lines_data_period_end"]
    assert [tuple(row.values()) for row in found.pylist] == [
        ("in_1", "list", "il_1", 1),
        ("in_1", "list", "il_2", None),
        ("in_2", "list", None, None),
        ("in_3", None, None, None),
        ("in_4", None, None, None),
    ]


def test_exploded_values_and_what_is_no_array() -> None:
    found = table({"id": 1, "tags": ["a", 2]}, {"id": 2, "tags": "b"}, {"id": 3, "tags": [[1], None]}, explode="tags")
    assert found.types == {"id": "integer", "tags": "json"}
    assert [row["tags"] for row in found.pylist] == ['"a"', "2", '"b"', "[1]", None]


def test_nothing_to_explode_is_told() -> None:
    found = table({"id": 1, "lines": [{"data": [1]}]}, explode="lines.data")
    assert found.notes == ["lines.data: no record has an array there, so each record is one row"]
    assert found.types["lines"] == "json"
    assert table(explode="lines").notes == []


def test_an_array_within_what_is_not_always_an_object_cannot_be_exploded() -> None:
    with pytest.raises(DataError, match=r"^customer is not an object in every record"):
        table({"customer": {"tags": [1]}}, {"customer": "cus_1"}, explode="customer.tags")


@pytest.mark.parametrize("path", ["", ".", "a..b", "a."])
def test_a_path_with_gaps_is_refused(path: str) -> None:
    with pytest.raises(UsageError, match="not the path of an array"):
        Inferred(path)


def test_many_items_come_in_batches_of_a_size_to_work_on() -> None:
    with Inferred("n") as inferred:
        inferred.add([{"id": 1, "n": list(range(25_000))}, {"id": 2, "n": [7]}])
        sizes = [batch.num_rows for batch in inferred.finish().batches()]
    assert sizes == [10_000, 10_000, 5_001]


numbers = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | numbers | st.text(max_size=5) | st.sampled_from([0, 1, "a", 2**53 + 1, 0.5])


def objects(keys: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, Any]]:
    values = st.recursive(
        scalars,
        lambda inside: st.lists(inside, max_size=3) | st.dictionaries(keys, inside, max_size=3),
        max_leaves=8,
    )
    return st.dictionaries(keys, values, max_size=4)


letters = objects(st.sampled_from("abc"))
documents = st.lists(letters, max_size=6)


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Return all values but null by path, arrays whole: an independent reading of a record."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from leaves(each, (*path, key))
        if not value:
            yield path, value
    elif value is not None:
        yield path, value


def within(record: Any, path: list[str]) -> Any:
    return within(record.get(path[0]), path[1:]) if path and isinstance(record, dict) else None if path else record


def same(original: Any, found: Any, kind: str) -> bool:
    if original is None or (original == {} and found is None):
        return found is None
    if kind == "json" or (kind == "text" and not isinstance(original, str)):
        return bool(json.loads(found, parse_float=Decimal) == json.loads(json.dumps(original), parse_float=Decimal))
    if kind.startswith("decimal"):
        return bool(found == Decimal(repr(original)))
    return bool(found == original) and (kind == "number" or type(found) is type(original))


@given(documents)
def test_no_value_is_lost(records: list[dict[str, Any]]) -> None:
    found = table(*records)
    assert found.rows == len(records)
    for record, row in zip(records, found.pylist, strict=True):
        for name, kind in found.types.items():
            assert same(within(record, name.split("_")), row[name], kind), name
        for path, value in leaves(record):
            columns = ["_".join(path[:length]) for length in range(1, len(path) + 1)]
            longer = any(name.startswith(columns[-1] + "_") for name in found.schema.names) if path else False
            assert any(name in found.types for name in columns) or (value == {} and (longer or not path))


@given(documents, st.lists(st.integers(0, 6), max_size=4), st.sampled_from([None, "a", "a.b"]), st.integers(1, 300))
def test_how_records_come_and_where_they_are_kept_changes_nothing(
    records: list[dict[str, Any]], cuts: list[int], explode: str | None, spool_bytes: int
) -> None:
    places = [0, *sorted(cuts), len(records)]
    parts = [records[start:end] for start, end in itertools.pairwise(places)]
    with pytest.MonkeyPatch.context() as patch:
        try:
            expected = Table([records], explode)
        except DataError:
            return
        patch.setattr(inference, "SPOOL_BYTES", spool_bytes)
        patch.setattr(inference, "_GROUP_RECORDS", 2)
        patch.setattr(inference, "_READ_BYTES", 20)
        patch.setattr(inference, "_BATCH_ROWS", 2)
        assert Table(parts, explode) == expected


def by_item(record: dict[str, Any], path: list[str]) -> Iterator[dict[str, Any]]:
    """Return a record once for each item of an array in it, the item in the array's place."""
    key, *deeper = path
    if key not in record:
        yield record
    elif deeper:
        below = by_item(record[key], deeper) if isinstance(record[key], dict) else [record[key]]
        yield from ({**record, key: each} for each in below)
    elif isinstance(record[key], list):
        yield from ({**record, key: each} for each in record[key] or [None])
    else:
        yield record


@given(documents, st.sampled_from(["a", "a.b"]))
def test_exploding_is_the_same_as_records_by_item(records: list[dict[str, Any]], path: str) -> None:
    try:
        found = table(*records, explode=path)
    except DataError:
        return
    expected = Table([[item for record in records for item in by_item(record, path.split("."))]])
    assert found.pylist == expected.pylist
    assert found.types == expected.types


def texts(value: Any) -> Counter[str]:
    """Return all texts at any depth."""
    below = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return sum(map(texts, below), Counter([value] if isinstance(value, str) else []))


@given(st.lists(objects(st.text(max_size=3) | st.sampled_from(["a", "a.b", "a_b", "A_B", "x" * 90])), max_size=4))
def test_any_keys_make_names_that_every_database_can_tell_apart(records: list[dict[str, Any]]) -> None:
    found = table(*records)
    names = found.schema.names
    assert all(names)
    assert len({name.casefold() for name in names}) == len(names)
    assert max((len(name.encode()) for name in names), default=0) <= 63
    for record, row in zip(records, found.pylist, strict=True):
        cells = [
            json.loads(row[name]) if kind == "json" and row[name] else row[name] for name, kind in found.types.items()
        ]
        assert not texts(record) - texts(cells)


def test_memory_does_not_grow_with_rows() -> None:
    def peak(rows: int) -> int:
        tracemalloc.start()
        with Inferred() as inferred:
            inferred.add({"id": number, "text": "x" * 1000} for number in range(rows))
            for batch in inferred.finish().batches():
                assert batch.num_rows
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(60_000) < peak(30_000) * 1.1


def test_a_full_disk_is_told_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: bytes) -> int:
        raise OSError(28, "No space left on device")

    with Inferred() as inferred:
        monkeypatch.setattr(inferred._spool, "write", full)
        with pytest.raises(TargetError, match="No space left on device; TMPDIR"):
            inferred.add([{"a": 1}])


def test_two_readers_at_once_do_not_disturb_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inference, "_READ_BYTES", 10)
    with Inferred() as inferred:
        inferred.add({"n": number} for number in range(100))
        found = inferred.finish()
        inferred.add([{"other": 1}])
        assert all(one == other for one, other in zip(found.batches(), found.batches(), strict=True))
        next(found.batches())
        again = inferred.finish()
        assert again.schema.names == ["n", "other"]
        assert sum(batch.num_rows for batch in again.batches()) == again.rows == 101
