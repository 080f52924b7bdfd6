"""The sandbox's page says what its tables say, and its example runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from connector.sandbox import Sandbox
from connector.sandbox.faults import FAULTS
from connector.sandbox.present import ON_REQUEST
from connector.sandbox.refusals import RULES
from connector.sandbox.rules import DEFAULTS, FILTERS

PAGE = Path(__file__).parents[1] / "docs" / "sandbox.md"


def refusal_rows() -> list[str]:
    return [
        f"| {rule.status} | {rule.code or ''} | {rule.message} | {rule.basis} |".replace("{", "‹").replace("}", "›")
        for rule in RULES.values()
    ]


def filter_rows() -> list[str]:
    return [f"| {kind} | `{name}` | {rule.says} | {rule.basis} |" for (kind, name), rule in FILTERS.items()]


def default_rows() -> list[str]:
    return [
        f"| `{rule.path}` | {rule.says} | {', '.join(f'`{name}`' for name in rule.unless)} | {rule.basis} |"
        for rule in DEFAULTS
    ]


def request_rows() -> list[str]:
    return [f"| {kind} | {', '.join(f'`{name}`' for name in names)} |" for kind, names in ON_REQUEST.items()]


@pytest.mark.parametrize("row", [*refusal_rows(), *filter_rows(), *default_rows(), *request_rows()])
def test_every_row_of_the_tables_stands_on_the_page(row: str) -> None:
    assert row in PAGE.read_text(encoding="utf-8").splitlines()


def test_the_page_has_no_rows_that_the_tables_lack() -> None:
    rows = {*refusal_rows(), *filter_rows(), *default_rows(), *request_rows()}
    with_basis = re.findall(
        r"^\|.*\| (?:spec|docs|third|known|own) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE
    )
    assert set(with_basis) <= rows


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_is_explained(name: str) -> None:
    assert f"| `{name}` |" in PAGE.read_text(encoding="utf-8")


def test_the_examples_in_python_run() -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 2
    with Sandbox(rps=0) as sandbox:
        for block in blocks:
            exec(block.replace("http://127.0.0.1:12111", sandbox.url), {})
