"""What we write we read back equal: every format, every type."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from connector.files.formats import FORMATS
from connector.rows.cast import cast
from connector.rows.types import ARROW_TYPES, arrow_field
from tests.reading import opened
from tests.row_batches import written
from tests.test_files import hostile

TYPELESS = {"csv", "xlsx"}
"""Formats that do not say all types: what is read has to be cast to them."""

LOOKALIKES = st.sampled_from(
    ["2024-01-31", "2024-01-31T12:00:00Z", "2024-01-31T12:00:00.000001", "0.1", "-5.0", "-0.0", "1", "true", "null"]
)
SCALARS = st.booleans() | st.text(max_size=3) | st.integers() | LOOKALIKES
NESTED = st.lists(SCALARS | st.lists(SCALARS, max_size=2), max_size=3) | st.dictionaries(st.text(), SCALARS, max_size=2)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "text": hostile | st.text(max_size=5) | LOOKALIKES,
    "integer": st.integers(-(2**63), 2**63 - 1),
    "number": st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([0.1, 1.0, -0.0, 1e300, 5e-324]),
    "decimal": st.decimals(-(10**25), 10**25, places=12) | st.decimals(-9, 9, places=1),
    "boolean": st.booleans(),
    "timestamp": st.datetimes(timezones=st.just(UTC)),
    "date": st.dates(),
    "json": NESTED.map(lambda value: json.dumps(value, separators=(",", ":"))),
}
FIELDS = {**{kind: arrow_field("x", kind) for kind in ARROW_TYPES}, "time": pa.field("x", pa.timestamp("us"))}
VALUES["time"] = st.datetimes()
ONE_TYPE = st.sampled_from([*FIELDS]).flatmap(
    lambda kind: st.tuples(st.just(kind), st.lists(st.none() | VALUES[kind], min_size=1, max_size=4))
)


def as_excel_keeps(value: Any) -> Any:
    """Return a value without what Excel does not hold: a text without characters, microseconds, a 17th digit."""
    if isinstance(value, datetime):
        return value.replace(microsecond=value.microsecond // 1000 * 1000)
    if isinstance(value, float):
        held = float(f"{value:.16G}")
        return held if math.isfinite(held) else 1e308  # the largest floats would be rounded up to infinity
    return value if value != "" else None


@pytest.mark.parametrize("form", FORMATS)
@given(ONE_TYPE)
@settings(deadline=None)
@example(("text", ["2024-01-31", None]))
@example(("text", ["-0.5"]))
@example(("decimal", [1, None]))
@example(("number", [1.0]))
@example(("number", [1.3510798882109874e16]))
def test_what_we_write_we_read_back_equal(
    form: str, tmp_path_factory: pytest.TempPathFactory, column: tuple[str, list[Any]]
) -> None:
    kind, values = column
    values = [as_excel_keeps(value) for value in values] if form == "xlsx" else values
    batch = pa.RecordBatch.from_arrays(
        [pa.array(values, FIELDS[kind].type), pa.array(["row"] * len(values))],
        schema=pa.schema([FIELDS[kind], pa.field("y", pa.string())]),
    )
    source = opened(tmp_path_factory.getbasetemp(), f"round_trip.{form}", written(form, batch))
    if form not in TYPELESS and any(value is not None for value in values):
        assert source.schema.equals(batch.schema, check_metadata=True)
    table = pa.Table.from_batches(
        [cast(each, batch.schema, 0, source.row_label) for each in source.batches()], batch.schema
    )
    assert table.to_pylist() == batch.to_pylist()
