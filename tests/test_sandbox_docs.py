"""The sandbox's pages say what its tables say, and their examples run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from connector.sandbox import Sandbox
from connector.sandbox.differences import page
from connector.sandbox.document.refusals import RULES
from connector.sandbox.server.faults import FAULTS

DOCS = Path(__file__).parents[1] / "docs"
PAGE = DOCS / "sandbox.md"


def test_the_page_of_differences_is_made_from_the_tables() -> None:
    written = (DOCS / "sandbox-differences.md").read_text(encoding="utf-8")
    assert written == page(), "run: python -m connector.sandbox.differences > docs/sandbox-differences.md"


def test_every_refusal_stands_there_with_a_basis() -> None:
    assert {rule.basis for rule in RULES.values()} <= {"spec", "docs", "sdk", "third", "known", "own"}
    assert all(re.sub(r"[{].*", "", rule.message) in page() for rule in RULES.values())


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_is_explained(name: str) -> None:
    assert f"| `{name}` |" in PAGE.read_text(encoding="utf-8")


def test_the_examples_in_python_run() -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 4
    with Sandbox(rps=0) as sandbox:
        for block in blocks:
            exec(block.replace("http://127.0.0.1:12111", sandbox.url), {})
