"""What Postgres refuses, in one plain line: never a value, never a password, always what is left behind."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from psycopg import errors

from connector.databases.base import Conflict, RefusedValue
from connector.errors import TargetError
from connector.rows.render import is_text

# COPY _stage, line 3, column amount: "twelve"; other languages have other words for line and column.
_PLACE = re.compile(r"^COPY [^,]*, \D*(?P<line>\d+)(?:, (?P<rest>.*))?", re.MULTILINE)
_NULL = "\x00"


def explained(error: psycopg.Error, label: str) -> TargetError:
    """Return what went wrong while a transaction was open; a Conflict where it may succeed when done again."""
    is_conflict = isinstance(error, errors.DeadlockDetected | errors.SerializationFailure | errors.UniqueViolation)
    return (Conflict if is_conflict else TargetError)(f"{label}: {_reason(error)}")


def explain_connection(error: Exception, tried: str) -> str:
    """Return why there is no connection, with what was tried."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    fatal = next((line for line in lines if "FATAL:" in line), lines[0])
    reason = fatal.rpartition("FATAL:")[2].strip().removeprefix("connection failed: ").rstrip(".")
    return f"Postgres does not let us in ({tried}): {reason}."


def refused_value(error: psycopg.Error, rows: pa.Table, kinds: Mapping[str, str]) -> RefusedValue | None:
    """Return which value of a COPY was refused; None where it was no value."""
    if nulls := _null_byte(rows):
        row, name = nulls
        return RefusedValue(name, row, "the text holds a null byte, which Postgres cannot store")
    found = _PLACE.search(error.diag.context or "")
    if not found or not (error.sqlstate or "").startswith(("22", "23")):
        return None
    name = _column(found["rest"] or "", rows.schema.names)
    row = _row_of_line(rows, int(found["line"]))
    return RefusedValue(name, row, _refusal(error, kinds.get(name, "its type")))


def _reason(error: psycopg.Error) -> str:
    said = error.diag.message_primary or (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
    if error.sqlstate is None and isinstance(error, psycopg.OperationalError):
        return f"the connection was lost ({said}). What was not committed is taken back: run again."
    match error:
        case errors.DeadlockDetected() | errors.SerializationFailure():
            return "another program wrote to the same rows meanwhile. Nothing was changed: run again."
        case errors.UniqueViolation():
            return (
                f"{said}: another row has this key, maybe written by another program meanwhile. Nothing was changed: "
                "run again, or merge by the columns of this constraint."
            )
        case errors.DependentObjectsStillExist():
            return f"{said}. Nothing was changed: without --swap, replace keeps the table and what depends on it."
        case psycopg.DataError():
            said = "a value does not fit its column"  # the message would hold it
    return f"{said}. Nothing was changed."


def _refusal(error: psycopg.Error, kind: str) -> str:
    match error:
        case errors.NumericValueOutOfRange():
            return f"the number is out of the range of {kind}"
        case errors.StringDataRightTruncation():
            return f"the text is too long for {kind}"
        case errors.UntranslatableCharacter() if kind.startswith("json"):
            return "the JSON holds \\u0000, which Postgres cannot store"
        case errors.UntranslatableCharacter() | errors.CharacterNotInRepertoire():
            return "the text has a character that the encoding of this database lacks"
        case errors.IntegrityError():
            return f"the value breaks a rule of {kind}"
    return f"the value is no {kind}"


def _null_byte(rows: pa.Table) -> tuple[int, str] | None:
    for name, column in zip(rows.schema.names, rows.columns, strict=True):
        if is_text(column.type):
            row = pc.index(pc.match_substring(column, _NULL), True).as_py()
            if row >= 0:
                return row, name
    return None


def _column(rest: str, names: list[str]) -> str:
    """Return the column in "column amount: …"; the longest name that fits, for a name may hold a colon."""
    said = rest.partition(" ")[2]
    return max((name for name in names if said.startswith(f"{name}:")), key=len, default="")


def _row_of_line(rows: pa.Table, line: int) -> int:
    """Return the row that a line of the CSV belongs to: a text may be lines long."""
    lines = np.ones(rows.num_rows, np.int64)
    for column in rows.columns:
        if is_text(column.type):
            lines += pc.fill_null(pc.count_substring(column, "\n"), 0).to_numpy()
            # Before it has seen how lines end, Postgres takes a carriage return for the end of one.
            returns, feeds = (pc.count_substring(column[0], sign).as_py() or 0 for sign in "\r\n")
            lines[0] += returns - feeds
    return int(min(np.searchsorted(np.cumsum(lines), line), rows.num_rows - 1))
