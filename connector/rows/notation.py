"""Numbers and dates as much of the world writes them, 1.234,56 and 31.12.2024, brought to the notation that is read.

A column is taken for such numbers or dates only if all its values are; what else stands in a file stays as it is.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from connector.errors import UsageError
from connector.rows.parse import looks
from connector.rows.streams import Source
from connector.rows.types import Form, TextProfile

Conversion = Callable[[pa.Array], pa.Array]

_NUMBER = r"-?(?:0|[1-9][0-9]{0,2}(?:\.[0-9]{3})+|[1-9][0-9]*)(?:,[0-9]+)?"
_SHORT_NUMBER = r"-?(?:0|[1-9][0-9]{0,2}(?:\.[0-9]{3}){1,4}|[1-9][0-9]{0,14})(?:,[0-9]{1,12})?"
_FOREIGN = (
    Form("--decimal ,", _SHORT_NUMBER, pa.string()),
    Form("--date-format dd.mm.yyyy", r"[0-9]{1,2}\.[0-9]{1,2}\.[0-9]{4}", pa.string()),
    Form("--date-format dd/mm/yyyy, or mm/dd/yyyy,", "[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}", pa.string()),
)
# Letters of Excel's kind, the longest first; minutes are told from months by the colon before them.
_LETTERS = (("yyyy", "%Y"), (":mm", ":%M"), (":ss", ":%S"), ("hh", "%H"), ("dd", "%d"), ("mm", "%m"))


def conversions(decimal: str | None, date_format: str | None) -> list[Conversion]:
    """Return what brings texts in these notations to the one that is read; each raises a ValueError for other texts."""
    if decimal not in (None, ".", ","):
        raise UsageError('The decimal sign is , or . as in --decimal ","')
    wanted: list[Conversion] = []
    if date_format is not None:
        wanted.append(functools.partial(_dates, _pattern(date_format)))
    return [*wanted, _numbers] if decimal == "," else wanted


def by_column(batches: Iterable[pa.RecordBatch], possible: Sequence[Conversion], width: int) -> dict[int, Conversion]:
    """Return, by its place, the conversion of each column that all its values take."""
    left = {place: list(possible) for place in range(width)}
    for batch in batches:
        for place, column in enumerate(batch.columns):
            left[place] = [convert for convert in left[place] if _takes(convert, column)]
    return {place: converts[0] for place, converts in left.items() if converts}


def converted(batch: pa.RecordBatch, wanted: dict[int, Conversion]) -> pa.RecordBatch:
    """Return a batch whose columns are in the notation that is read."""
    columns = [wanted[place](column) if place in wanted else column for place, column in enumerate(batch.columns)]
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)


def notation_hints(source: Source, names: Sequence[str]) -> Iterator[str]:
    """Yield a sentence for each of these columns of text whose values all look like another notation's."""
    profiles = {name: TextProfile(_FOREIGN, empty_says_nothing=True) for name in names}
    for batch in source.batches() if source.is_text and names else ():
        for name, profile in profiles.items():
            profile.add(batch.column(name))
    for name, profile in profiles.items():
        if profile.form:
            yield f"{name} is text; it looks as if {profile.form.name} would read it as what it is."


def notation_hint(text: str) -> str:
    """Return the hint for one text that was expected to be a number or a date."""
    if text.isdecimal():
        return ""
    option = next((form.name for form in _FOREIGN if re.fullmatch(form.pattern, text)), None)
    return f" It looks as if {option} would read it." if option else ""


def _takes(convert: Conversion, column: pa.Array) -> bool:
    try:
        convert(column)
    except ValueError:
        return False
    return True


def _numbers(text: pa.Array) -> pa.Array:
    if not looks(text, f"(?:{_NUMBER})?"):
        raise ValueError("not all are such numbers")
    return pc.replace_substring(pc.replace_substring(text, ".", ""), ",", ".")


def _dates(pattern: str, text: pa.Array) -> pa.Array:
    encoded = text.dictionary_encode()  # days repeat, and Python's reading of each is exact but slow
    is_day = not re.search("%[HMS]", pattern)
    days = [_date(each, pattern, is_day=is_day) for each in encoded.dictionary.to_pylist()]
    return pa.array(days, text.type).take(encoded.indices)


def _date(text: str, pattern: str, *, is_day: bool) -> str:
    instant = datetime.strptime(text, pattern) if text else None  # noqa: DTZ007 - no zone is said
    return "" if instant is None else instant.date().isoformat() if is_day else instant.isoformat()


def _pattern(date_format: str) -> str:
    """Return a date format as Python has it: %d.%m.%Y of dd.mm.yyyy; one with a % is taken as it is."""
    pattern = date_format
    for letters, code in _LETTERS if "%" not in date_format else ():
        pattern = re.sub(re.escape(letters), code, pattern, flags=re.IGNORECASE)
    if "%Y" not in pattern or not re.search("%[dj]", pattern):
        raise UsageError(f'"{date_format}" is no date format: write it as dd.mm.yyyy, mm/dd/yyyy hh:mm or %d.%m.%Y.')
    return pattern
