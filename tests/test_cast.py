"""Text and types brought to other types: what is guessed, what fits, and that no value is changed on the way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from connector.errors import DataError
from connector.rows.cast import Misfit, cast, guess_types, plain_schema, type_word
from connector.rows.render import as_text
from tests.row_batches import DECIMAL, JSON, NOON, TEXT, TIME, rows

NAIVE = pa.timestamp("us")
NUMBER, INTEGER, BOOLEAN, DATE = pa.float64(), pa.int64(), pa.bool_(), pa.date32()
INFINITY = float("inf")


class Texts:
    """Columns of text as a source, in batches of two rows."""

    label = "texts"
    is_text = True

    def __init__(self, **columns: list[str | None]) -> None:
        self._table = pa.table({name: pa.array(values, TEXT) for name, values in columns.items()})
        self.schema = self._table.schema

    def batches(self) -> Iterator[pa.RecordBatch]:
        return iter(self._table.to_batches(max_chunksize=2))

    def row_label(self, place: int) -> str:
        return f"line {place + 2}"


def converted(values: list[Any], given_as: pa.DataType | str, wanted: pa.DataType | str) -> list[Any]:
    found = cast(rows(x=(given_as, values)), rows(x=(wanted, [])).schema, 0, lambda place: f"line {place + 2}")
    return list(found.column(0).to_pylist())


def misfit(values: list[Any], given_as: pa.DataType | str, wanted: pa.DataType | str) -> str:
    with pytest.raises(Misfit) as caught:
        converted(values, given_as, wanted)
    assert caught.value.column == "x"
    return str(caught.value)


# Guessing


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "-5", "0", None, ""], INTEGER),
        (["123456789012345"], INTEGER),
        (["1", "2", "3", "4.5"], DECIMAL),
        (["0.5", "-0.25", "12345678901234.5"], DECIMAL),
        (["TRUE", "false"], BOOLEAN),
        (["2024-01-31", "", "1999-12-31"], DATE),
        (["2024-01-31T12:00:00Z", "2024-01-31 12:00", "2024-01-31T12:00:00.25+02:00"], TIME),
    ],
)
def test_the_narrowest_type_that_all_values_fit(values: list[str | None], kind: pa.DataType) -> None:
    assert guess_types(Texts(a=values)) == pa.schema({"a": kind})


@pytest.mark.parametrize(
    "value",
    [
        "007", "00.5", "+5", "1234567890123456", "1234567890123.456", "1e5", " 1", "1 ", "1\n", "NaN", "nan", "inf",
        "1,5", "1.", ".5", "0x1", "1_000", "١", "t", "yes", "2024-02-30", "31.01.2024", "2024-1-31", "0000-01-01",
        "2024-01-31T25:00", "2024-01-31T12:00:00.1234567Z", "0001-01-01T00:00:00+01:00", "x",
    ],
)  # fmt: skip
def test_what_a_number_or_date_would_change_stays_text(value: str) -> None:
    assert guess_types(Texts(a=[value])) == pa.schema({"a": TEXT})


@pytest.mark.parametrize(
    "values",
    [["1", "2", "x"], ["1", "1", "true"], ["true", "true", "1"], ["2024-01-31", "1", "1"], ["1.5", "1", "2024-01-31"]],
)
def test_one_value_at_the_end_makes_a_column_text(values: list[str | None]) -> None:
    assert guess_types(Texts(a=values)) == pa.schema({"a": TEXT})


def test_a_column_without_any_value_is_text_and_others_do_not_wait_for_it() -> None:
    texts = Texts(none=[None, "", None], late=["", None, "7"])
    assert guess_types(texts) == pa.schema({"none": TEXT, "late": INTEGER})
    assert guess_types(Texts(a=[])) == pa.schema({"a": TEXT})


cells = st.none() | st.sampled_from(["", "0", "-0", "1", "-1.50", "007", "1e5", "true", "FALSE", "2024-02-29", "x"])
numerals = st.from_regex(r"-?[0-9]{1,16}(\.[0-9]{1,13})?", fullmatch=True)
instants = st.datetimes().map(lambda value: value.isoformat(sep=" "))


@given(st.lists(cells | numerals, max_size=5) | st.lists(st.none() | numerals, max_size=5) | st.lists(instants))
@example(["-0.00", "5"])
def test_a_guess_never_changes_what_a_value_says(values: list[str | None]) -> None:
    texts = Texts(a=values)
    guessed = guess_types(texts)
    found = [
        value
        for batch in texts.batches()
        for value in as_text(cast(batch, guessed, 0, texts.row_label).column(0)).to_pylist()
    ]
    for before, after in zip(values, found, strict=True):
        if guessed.types == [TEXT] or not before:
            assert after == before or (after is None and guessed.types != [TEXT])
        elif guessed.types in ([INTEGER], [DECIMAL]):
            assert Decimal(after) == Decimal(before)
        elif guessed.types == [TIME]:
            assert datetime.fromisoformat(after) == datetime.fromisoformat(before).replace(tzinfo=UTC)
        else:
            assert after == before.lower()


# Text to types


@pytest.mark.parametrize(
    ("texts", "kind", "found"),
    [
        (["1", "", "+5", "007", "5.00", None, "-0"], INTEGER, [1, None, 5, 7, 5, None, 0]),
        (["1e-3", "+.5", "5.", "1.500000000000000"], DECIMAL, [Decimal(n) for n in ["0.001", "0.5", "5", "1.5"]]),
        (["123456.78"], pa.decimal128(8, 2), [Decimal("123456.78")]),
        (["1e5", "inf", "-inf", "+1", ".5", "1" + "0" * 20], NUMBER, [1e5, INFINITY, -INFINITY, 1.0, 0.5, 1e20]),
        (["true", "FALSE", "", None], BOOLEAN, [True, False, None, None]),
        (["2024-02-29", ""], DATE, [date(2024, 2, 29), None]),
        (["2024-01-31T12:00:00Z", "2024-01-31 14:00+0200", "2024-01-31T12:00"], TIME, [NOON] * 3),
        (["2024-01-31", None], TIME, [datetime(2024, 1, 31, tzinfo=UTC), None]),
        (["2024-01-31T14:00:00+02:00"], NAIVE, [NOON.replace(tzinfo=None)]),
        (['{"a": 1.10}', "5", None, "", '"x"'], JSON, ['{"a": 1.10}', "5", None, None, '"x"']),
        (["", "x"], TEXT, ["", "x"]),
    ],
)  # fmt: skip
def test_text_becomes_values(texts: list[str | None], kind: pa.DataType | str, found: list[Any]) -> None:
    assert converted(texts, TEXT, kind) == found
    assert converted(texts, pa.large_string(), kind) == found


@pytest.mark.parametrize(
    ("text", "kind", "word"),
    [
        ("x", INTEGER, "integer"),
        ("1.5", INTEGER, "integer"),
        ("9223372036854775808", INTEGER, "integer"),
        ("128", pa.int8(), "integer (int8)"),
        (" 1", INTEGER, "integer"),
        ("0.0000000000001", DECIMAL, "decimal(38,12)"),
        ("1.234", pa.decimal128(10, 2), "decimal(10,2)"),
        ("123456789.00", pa.decimal128(10, 2), "decimal(10,2)"),
        ("1" * 39, DECIMAL, "decimal(38,12)"),
        ("1e999", DECIMAL, "decimal(38,12)"),
        ("1e999", NUMBER, "number"),
        ("12345678901234567891", NUMBER, "number"),
        ("16777217", pa.float32(), "number"),
        ("1", BOOLEAN, "boolean"),
        ("2024-02-30", DATE, "date"),
        ("2024-01-31T12:00", DATE, "date"),
        ("2024-02-30T12:00", TIME, "timestamp"),
        ("2024-01-31T12:00:00.1234567", TIME, "timestamp"),
        ("9999-12-31T23:00:00-02:00", TIME, "timestamp"),
        ("{", JSON, "json"),
        ("NaN", JSON, "json"),
    ],
)
def test_the_first_value_that_does_not_fit_is_named_by_column_and_row(
    text: str, kind: pa.DataType | str, word: str
) -> None:
    fitting = {"boolean": "true", "date": "2024-01-31", "timestamp": "2024-01-31"}.get(word, "1")
    said = misfit([fitting, None, "", text, fitting, text], TEXT, kind)
    assert said.startswith(f'line 5, column "x": the value does not fit the type {word}.')
    assert text not in said.partition('"x": ')[2] or len(text) == 1


def test_the_first_of_all_rows_is_named_whatever_its_column() -> None:
    batch = rows(a=(TEXT, ["1", "2", "x"]), b=(TEXT, ["1", "x", "3"]))
    with pytest.raises(Misfit, match='line 12, column "b"'):
        cast(batch, pa.schema({"a": INTEGER, "b": INTEGER}), 10, lambda place: f"line {place + 1}")


def test_columns_are_taken_by_name_and_one_that_is_missing_is_named() -> None:
    batch = rows(a=(TEXT, ["1"]), b=(TEXT, ["2"]))
    assert cast(batch, pa.schema({"b": INTEGER}), 0, str).to_pydict() == {"b": [2]}
    with pytest.raises(DataError, match='no column "c"'):
        cast(batch, pa.schema({"c": INTEGER}), 0, str)


FINITE = st.floats(allow_nan=False)
VALUES: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = [
    (TEXT, st.text().filter(bool)),
    (INTEGER, st.integers(-(2**63), 2**63 - 1)),
    (DECIMAL, st.decimals(-(10**25), 10**25, places=12)),
    (pa.decimal128(20, 3), st.decimals(-(10**16), 10**16, places=3)),
    (NUMBER, FINITE),
    (pa.float32(), st.floats(allow_nan=False, width=32)),
    (BOOLEAN, st.booleans()),
    (TIME, st.datetimes(timezones=st.just(UTC))),
    (NAIVE, st.datetimes()),
    (DATE, st.dates()),
]


@pytest.mark.parametrize(("kind", "strategy"), VALUES, ids=[str(kind) for kind, _ in VALUES])
def test_a_value_written_as_text_comes_back_the_same(kind: pa.DataType, strategy: st.SearchStrategy[Any]) -> None:
    @given(st.lists(st.none() | strategy, max_size=6))
    def check(values: list[Any]) -> None:
        column = pa.array(values, kind)
        assert converted(as_text(column).to_pylist(), TEXT, kind) == column.to_pylist()

    check()


@settings(max_examples=30)
@given(st.lists(st.recursive(st.none() | st.booleans() | st.text(st.characters(codec="utf-8")) | FINITE, st.lists)))
def test_any_json_is_json(values: list[Any]) -> None:
    texts = [text for text in map(json.dumps, values) if "Infinity" not in text]
    assert converted(texts, TEXT, JSON) == texts


# Types to types


@pytest.mark.parametrize(
    ("values", "given_as", "wanted", "found"),
    [
        ([1, None], pa.int8(), INTEGER, [1, None]),
        ([1, 2**53], INTEGER, NUMBER, [1.0, 2.0**53]),
        ([1, -7], INTEGER, pa.decimal128(5, 2), [Decimal(1), Decimal(-7)]),
        ([0.1, 3.0], NUMBER, DECIMAL, [Decimal("0.1"), Decimal(3)]),
        ([3.0, None], NUMBER, INTEGER, [3, None]),
        ([1.5], pa.float32(), NUMBER, [1.5]),
        ([Decimal("1.50")], DECIMAL, pa.decimal128(5, 2), [Decimal("1.5")]),
        ([Decimal("0.1")], DECIMAL, NUMBER, [0.1]),
        ([Decimal(5)], DECIMAL, INTEGER, [5]),
        ([1_000], pa.timestamp("ns"), TIME, [datetime(1970, 1, 1, 0, 0, 0, 1, tzinfo=UTC)]),
        ([0], pa.timestamp("s", "Europe/Berlin"), TIME, [datetime(1970, 1, 1, tzinfo=UTC)]),
        ([NOON], TIME, NAIVE, [NOON.replace(tzinfo=None)]),
        ([NOON.replace(tzinfo=None)], NAIVE, TIME, [NOON]),
        ([NOON.date()], DATE, TIME, [NOON.replace(hour=0)]),
        ([NOON.replace(hour=0)], TIME, DATE, [NOON.date()]),
        ([NOON, None], TIME, TEXT, ["2024-01-31T12:00:00Z", None]),
        ([25.0, Decimal("1.50")][:1], NUMBER, TEXT, ["25"]),
        ([True], BOOLEAN, TEXT, ["true"]),
        ([b"\xff"], pa.binary(), TEXT, ["/w=="]),
        ([[1, None], None], pa.list_(INTEGER), TEXT, ["[1,null]", None]),
        ([[1]], pa.list_(INTEGER), JSON, ["[1]"]),
        ([NOON], TIME, JSON, ['"2024-01-31T12:00:00Z"']),
        ([5, None], INTEGER, JSON, ["5", None]),
        (['{"a":1}'], JSON, TEXT, ['{"a":1}']),
        ([None, None], pa.null(), TIME, [None, None]),
        ([], TEXT, TIME, []),
    ],
)
def test_types_are_changed_exactly(values: list[Any], given_as: Any, wanted: Any, found: list[Any]) -> None:
    assert converted(values, given_as, wanted) == found


@pytest.mark.parametrize(
    ("value", "given_as", "wanted"),
    [
        (2**53 + 1, INTEGER, NUMBER),
        (1_000, INTEGER, pa.decimal128(5, 2)),
        (300, INTEGER, pa.int8()),
        (0.1 + 0.2, NUMBER, DECIMAL),
        (float("nan"), NUMBER, DECIMAL),
        (float("nan"), NUMBER, JSON),
        (3.5, NUMBER, INTEGER),
        (1e300, NUMBER, INTEGER),
        (0.1, NUMBER, INTEGER),
        (16777217.0, NUMBER, pa.float32()),
        (Decimal("1.555"), DECIMAL, pa.decimal128(5, 2)),
        (Decimal(1_555), DECIMAL, pa.decimal128(5, 2)),
        (Decimal("5.5"), DECIMAL, INTEGER),
        (Decimal("12345678901234567890.5"), DECIMAL, NUMBER),
        (1, pa.timestamp("ns"), TIME),
        (10**15, pa.timestamp("s"), TIME),
        (NOON, TIME, DATE),
        (True, BOOLEAN, INTEGER),
        (1, INTEGER, BOOLEAN),
        (NOON, TIME, INTEGER),
        ([1], pa.list_(INTEGER), INTEGER),
    ],
)
def test_nothing_is_rounded_cut_or_reinterpreted(value: Any, given_as: Any, wanted: Any) -> None:
    assert 'line 3, column "x"' in misfit([None, value, None], given_as, wanted)


def test_the_types_that_rows_are_read_as() -> None:
    kinds = {
        pa.int32(): INTEGER,
        pa.uint64(): pa.decimal128(20, 0),
        pa.float32(): NUMBER,
        pa.decimal128(10, 2): pa.decimal128(10, 2),
        pa.timestamp("ns", "Europe/Berlin"): TIME,
        pa.timestamp("s"): NAIVE,
        pa.date64(): DATE,
        pa.time64("us"): TEXT,
        pa.binary(): TEXT,
        pa.null(): TEXT,
        pa.large_string(): TEXT,
        pa.string_view(): TEXT,
        pa.dictionary(pa.int8(), pa.float32()): NUMBER,
        pa.uuid(): TEXT,
    }
    plain = plain_schema(pa.schema([pa.field(str(place), kind) for place, kind in enumerate(kinds)]))
    assert plain.types == list(kinds.values())
    for nested in (pa.list_(INTEGER), pa.struct({"a": INTEGER}), pa.map_(TEXT, INTEGER), pa.json_()):
        assert type_word(plain_schema(pa.schema({"a": nested})).field("a")) == "json"


def test_ways_of_storing_text_make_no_difference() -> None:
    assert converted(["1"], pa.dictionary(pa.int8(), TEXT), INTEGER) == [1]
    assert converted(["1"], pa.string_view(), INTEGER) == [1]
    found = cast(pa.record_batch({"x": pa.array([b"\0" * 16], pa.uuid())}), pa.schema({"x": TEXT}), 0, str)
    assert found.to_pydict() == {"x": ["00000000-0000-0000-0000-000000000000"]}
