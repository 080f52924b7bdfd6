"""DuckDB's errors in one line that points into the SQL, without its lists of candidates and its internals."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator
from typing import Protocol

import duckdb

from connector.errors import DataError, UsageError, did_you_mean

_PLACE = re.compile(r"^LINE (?P<line>\d+): (?P<text>.*)\n(?P<caret> *)\^", re.MULTILINE)
_ADVICE = r"Candidate \w+|Did you mean|You might need|Either add|Please try|LINE \d+"
_CANDIDATES = re.compile(rf"\s*(?:{_ADVICE}).*", re.DOTALL)
_EXTENSION = re.compile(r"extension (?P<after>\w+) to be loaded|the (?P<before>\w+) extension")
_TABLE = re.compile(r"Table with name (\w+) does not exist")
_EXPLAIN = "EXPLAIN "


class Located(Protocol):
    """What an error can point into."""

    @property
    def text(self) -> str:
        """The SQL that DuckDB ran."""

    def place_of(self, offset: int) -> str:
        """Return where an offset of the text stands in the SQL as it was written."""


@contextlib.contextmanager
def explained(statement: Located | None = None, tables: Iterable[str] = ()) -> Iterator[None]:
    """Raise DuckDB's errors as ours."""
    try:
        yield
    except duckdb.Error as error:
        raise _explained(error, statement, tables) from error


def _explained(error: duckdb.Error, statement: Located | None, tables: Iterable[str]) -> Exception:
    text = str(error)
    message = _CANDIDATES.sub("", text.partition(": ")[2] or text).strip().rstrip(".!")
    message = " ".join(message.split())
    where = _where(text, statement) if statement is not None else ""
    if "extension" in message and (named := _EXTENSION.search(message)):
        name = named["after"] or named["before"]
        return UsageError(f"The SQL{where} needs DuckDB's extension {name}: none is installed or loaded here.")
    near = re.search(r"^(?:Did you mean|Candidate bindings):+ *(.*?)$", text, re.MULTILINE)
    nearest = near[1].replace('"', "").rstrip("?").split(", ")[:3] if near else []
    hint = f" Did you mean {', '.join(nearest)}?" if nearest else ""
    if missing := _TABLE.search(message):
        hint = did_you_mean(missing[1], tables) or " `show tables` lists them."
    if isinstance(error, (duckdb.OutOfMemoryException, duckdb.IOException)) and "No files" not in message:
        return DataError(f"DuckDB could not run the SQL: {message}.")
    return UsageError(f"The SQL{where} cannot be run: {message}.{hint}")


def _where(text: str, statement: Located | None) -> str:
    match = _PLACE.search(text)
    if match is None or statement is None:
        return ""
    lines = f"{_EXPLAIN}{statement.text}".split("\n") if _EXPLAIN.strip() in text else statement.text.split("\n")
    number = int(match["line"]) - 1
    column = len(match["caret"]) - len(f"LINE {match['line']}: ")
    excerpt = match["text"]
    if number >= len(lines):
        return ""
    start = 0
    if excerpt.startswith("..."):
        start = lines[number].find(excerpt[3:].removesuffix("...")) - 3
    offset = sum(len(line) + 1 for line in lines[:number]) + start + column
    offset -= len(_EXPLAIN) if lines[0].startswith(_EXPLAIN) else 0
    return f", {statement.place_of(max(0, offset))},"
