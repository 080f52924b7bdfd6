"""Columns of amounts in major units, exact: 1234 beside usd is 12.34, beside jpy 1234."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from connector.definitions.endpoint import Endpoint
from connector.errors import UsageError
from connector.rows.currencies import EXPONENTS, USUAL
from connector.rows.render import TEXT, as_text, glue

MAJOR = pa.decimal128(38, 3)  # no currency has more decimals
MAJOR_OF_DECIMAL = pa.decimal128(38, 15)  # of amounts that have decimals of a minor unit, as 0.5 cents


def currencies(endpoint: Endpoint) -> dict[str, str]:
    """Return the column that has the currency of each amount of a table."""
    return {column.name: column.currency for column in endpoint.columns if column.currency}


def major_schema(schema: pa.Schema, of: Mapping[str, str]) -> pa.Schema:
    """Return the schema of rows whose amounts are in major units."""
    return pa.schema([each.with_type(_major_type(each.type)) if each.name in of else each for each in schema])


def in_major_units(batch: pa.RecordBatch, of: Mapping[str, str]) -> pa.RecordBatch:
    """Return rows with their amounts in major units; `of` names the currency's column of each."""
    columns = [
        major_column(column, batch.column(of[name])) if name in of else column
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=major_schema(batch.schema, of))


def major_column(amounts: pa.Array, codes: pa.Array, exponents: Mapping[str, int] = EXPONENTS) -> pa.Array:
    """Return amounts in major units; null where the amount or its currency is."""
    known = codes.dictionary_encode()
    shifts = [f"E-{exponents.get(code.lower(), USUAL)}" for code in known.dictionary.cast(TEXT).to_pylist()]
    return glue(as_text(amounts), pa.array(shifts, TEXT).take(known.indices)).cast(_major_type(amounts.type))


def _major_type(kind: pa.DataType) -> pa.DataType:
    return MAJOR_OF_DECIMAL if pa.types.is_decimal(kind) else MAJOR


def major_of(amounts: Any, currency: Any, exponents: Mapping[str, int] = EXPONENTS) -> Any:
    """Return a column of amounts in major units, in the library of the column; the currency is a column or one code."""
    minor = _arrow(amounts)
    codes = pa.repeat(pa.scalar(currency, TEXT), len(minor)) if isinstance(currency, str) else _arrow(currency)
    if len(codes) != len(minor):
        raise UsageError(f"There are {len(minor):,} amounts and {len(codes):,} currencies: one for each is needed.")
    if pa.types.is_floating(minor.type):  # what pandas makes of whole numbers with a gap
        try:
            minor = minor.cast(pa.int64())
        except pa.ArrowInvalid:
            raise UsageError("Amounts in minor units are whole numbers, and these have fractions.") from None
    return _like(amounts, major_column(minor, codes, exponents))


def _arrow(column: Any) -> pa.Array:
    if _library(column) == "polars":
        column = column.to_arrow()
    array = pa.array(column, from_pandas=True) if _library(column) == "pandas" else column
    if not isinstance(array, pa.Array | pa.ChunkedArray):
        array = pa.array(column)
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def _like(column: Any, values: pa.Array) -> Any:
    """Return values as a column of the same library, under the same name and index."""
    if _library(column) == "pandas":
        return type(column)(values.to_pylist(), index=column.index, name=column.name, dtype=object)
    if _library(column) == "polars":
        return type(column)(column.name, values)
    return pa.chunked_array([values]) if isinstance(column, pa.ChunkedArray) else values


def _library(column: Any) -> str:
    return type(column).__module__.partition(".")[0]
