"""Words: a count bends its noun."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import connector
from connector.words import count_of, in_python

PACKAGE = Path(connector.__file__).parent
NOUNS = "rows|requests|values|columns|bytes|lists|records|tables|files"


@pytest.mark.parametrize(
    ("number", "noun", "wanted"),
    [(1, "row", "1 row"), (0, "row", "0 rows"), (1234, "request", "1,234 requests"), (2, "entry", "2 entries"),
     (2, "key", "2 keys")],
)  # fmt: skip
def test_one_is_not_many(number: int, noun: str, wanted: str) -> None:
    assert count_of(number, noun) == wanted


@pytest.mark.parametrize("room", ["apply", "cli", "extract", "load", "request", "result.py", "sync"])
def test_no_report_bends_a_noun_by_itself(room: str) -> None:
    files = [PACKAGE / room] if room.endswith(".py") else sorted((PACKAGE / room).rglob("*.py"))
    for file in files:
        for line in file.read_text(encoding="utf-8").splitlines():
            assert not re.search(rf":,\}} ({NOUNS})\b", line), f"{file.name}: {line.strip()}"


@pytest.mark.parametrize(
    ("sentence", "wanted"),
    [
        ("there are more rows; --paginate reads them all", "there are more rows; paginate=True reads them all"),
        ("a path with --from and --on-new-column add", "a path with source and on_new_column add"),
        ("two -- dashes, a-b", "two -- dashes, a-b"),
    ],
)
def test_options_are_parameters_in_python(sentence: str, wanted: str) -> None:
    assert in_python(sentence) == wanted
