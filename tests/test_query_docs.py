"""The questions of docs/query.md are answered, with no more calls than the page says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from connector.sandbox import Sandbox
from tests.accounts import account

PAGE = (Path(__file__).parents[1] / "docs" / "query.md").read_text(encoding="utf-8")
QUESTIONS = re.findall(r"^([^\n]+\?) \((\d+) calls[^)]*\)\n\n```sql\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def business() -> Iterator[Sandbox]:
    """A business up to the present: the questions ask about this month."""
    with Sandbox(seed=7, rps=0) as sandbox:
        yield sandbox


def test_there_are_ten_questions() -> None:
    assert len(QUESTIONS) == 10


@pytest.mark.parametrize(("question", "calls", "sql"), QUESTIONS, ids=[question for question, _, _ in QUESTIONS])
def test_a_question_is_answered_with_the_calls_that_the_page_says(
    question: str, calls: str, sql: str, business: Sandbox
) -> None:
    with account(business) as stripe:
        result = stripe.query(sql)
        assert result.to_arrow().num_columns > 0, question
        assert result.report.requests <= int(calls), result.report.requests
