"""Rows on their way into SQL Server: each column as parameters, and which value it was that did not fit.

Everything but floats and bytes travels as text in Unicode and is cast to a type that is named, so that neither code
pages nor the rounding of DATETIME come near a value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast

import pyarrow as pa
import pyarrow.compute as pc

from connector.databases.base import RefusedValue
from connector.databases.sqlserver.tsql import Parameter, utf16_units
from connector.databases.sqlserver.types import is_narrow_text, is_text, text_limit
from connector.rows.render import as_text, utc_clock

_PLAIN = {"FLOAT": pa.float64(), "BIGINT": pa.int64(), "DATE": pa.date32(), "DECIMAL(20,0)": pa.decimal128(20, 0)}


@dataclass(frozen=True)
class Sent:
    """A column of a batch: its name, the type that it goes to ("" where that is unknown), the one that it travels as.

    The values are of the one Arrow type that belongs to that.
    """

    name: str
    kind: str
    travels_as: str
    values: pa.Array

    def parameters(self) -> list[Parameter]:
        """Return the values as parameters of statements."""
        # Text is sent as NVARCHAR whatever is said here; all else is named, since the column may have another type.
        values, expression = self.values, "?" if is_text(self.kind) else f"CAST(? AS {self.travels_as})"
        how: Literal["text", "float", "binary"] = "text"
        if self.travels_as == "FLOAT":
            how = "float"
        elif self.travels_as == "VARBINARY(MAX)":
            how = "binary"
        elif self.travels_as == "BIT":
            values = values.cast(pa.int8()).cast(pa.string())
        elif pa.types.is_timestamp(values.type):
            values = values.cast(pa.string())
        elif not pa.types.is_large_string(values.type):
            values = as_text(values)
        return [Parameter(expression, value, how) for value in values.to_pylist()]

    def foreign_letters(self) -> dict[int, str]:
        """Return the texts with letters beyond ASCII that go to a column of a code page, by their places."""
        if not is_narrow_text(self.kind) or not pa.types.is_large_string(self.values.type):
            return {}
        return {place: text for place, text in enumerate(self.values.to_pylist()) if text and not text.isascii()}

    def misfit(self, expression: str) -> str | None:
        """Return the condition that a value does not fit its column; None where the server cannot tell."""
        kind = self.kind.partition(" COLLATE ")[0].partition(" IDENTITY")[0]
        if is_text(kind):
            limit = text_limit(kind)
            return None if limit is None else f"DATALENGTH(CAST({expression} AS VARCHAR(MAX))) > {limit}"
        return f"TRY_CAST({expression} AS {kind}) IS NULL AND {expression} IS NOT NULL" if kind else None


def sent(rows: pa.Table, kinds: Mapping[str, str]) -> list[Sent]:
    """Return the columns of a batch that hold anything; a RefusedValue where one cannot be held."""
    return [
        _column(cast("pa.Array", rows.column(name).combine_chunks()), name, kinds.get(name, ""))
        for name in rows.schema.names
        if rows.column(name).null_count < rows.num_rows
    ]


def _column(values: pa.Array, name: str, kind: str) -> Sent:
    if pa.types.is_floating(values.type):
        _refuse_infinite(values, name)
    travels_as, plain = _traveling(values)
    if is_text(kind) and travels_as != "VARBINARY(MAX)":
        travels_as, plain = "NVARCHAR(MAX)", as_text(values)
        _refuse_too_long(plain, name, kind)
    return Sent(name, kind, travels_as, plain)


def _traveling(values: pa.Array) -> tuple[str, pa.Array]:
    """Return the type of SQL Server that such values travel as, and the values in the Arrow type for it."""
    kind = values.type
    if pa.types.is_decimal(kind):
        return f"DECIMAL({kind.precision},{kind.scale})", values
    if pa.types.is_timestamp(kind):
        return "DATETIME2(6)", utc_clock(values)
    for is_such, name in (
        (pa.types.is_floating, "FLOAT"),
        (pa.types.is_uint64, "DECIMAL(20,0)"),
        (pa.types.is_integer, "BIGINT"),
        (pa.types.is_boolean, "BIT"),
        (pa.types.is_date, "DATE"),
        (pa.types.is_binary, "VARBINARY(MAX)"),
        (pa.types.is_large_binary, "VARBINARY(MAX)"),
    ):
        if is_such(kind):
            return name, values.cast(_PLAIN.get(name, kind))
    return "NVARCHAR(MAX)", as_text(values)


def _refuse_infinite(values: pa.Array, name: str) -> None:
    place = pc.index(pc.is_finite(values), False).as_py()
    if place >= 0:
        raise RefusedValue(name, place, "it is NaN or infinite, which SQL Server cannot hold")


def _refuse_too_long(texts: pa.Array, name: str, kind: str) -> None:
    """Refuse what would be cut; how many bytes letters take in a code page only the server knows."""
    limit = text_limit(kind)
    if limit is None or (pc.max(pc.binary_length(texts)).as_py() or 0) <= limit:
        return
    for place, text in enumerate(texts.to_pylist()):
        if text and (len(text) if is_narrow_text(kind) else utf16_units(text)) > limit:
            raise RefusedValue(name, place, f"the text of {utf16_units(text):,} characters is too long for {kind}")
