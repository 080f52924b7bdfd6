"""Characters that some databases cannot hold: the null byte, in texts and, as an escape, in JSON."""

from __future__ import annotations

import re
from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from connector.rows.render import is_json, is_text

_REPLACEMENT = "\ufffd"
_ESCAPED = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


def without_null_bytes(batch: pa.RecordBatch) -> tuple[pa.RecordBatch, int]:
    """Return the rows with U+FFFD in the place of each null byte, and how many values had one."""
    columns, count = list(batch.columns), 0
    for place, field in enumerate(batch.schema):
        if is_text(field.type):
            columns[place], values = _replaced(columns[place], is_escaped=is_json(field))
            count += values
    return (pa.RecordBatch.from_arrays(columns, schema=batch.schema), count) if count else (batch, 0)


def _replaced(column: pa.Array, *, is_escaped: bool) -> tuple[pa.Array, int]:
    replace: Callable[[str], str] = _in_json if is_escaped else _in_text
    has = pc.fill_null(pc.match_substring(column, "\\u0000" if is_escaped else "\x00"), False)
    affected = column.filter(has).to_pylist()
    values = [replace(text) for text in affected]
    count = sum(old != new for old, new in zip(affected, values, strict=True))
    return (pc.replace_with_mask(column, has, pa.array(values, column.type)), count) if count else (column, 0)


def _in_text(text: str) -> str:
    return text.replace("\x00", _REPLACEMENT)


def _in_json(text: str) -> str:
    return _ESCAPED.sub(r"\1\\ufffd", text)
