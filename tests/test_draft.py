"""Drafts of tables: what the command writes loads and reads as it is; what is no list is one line."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from connector.definitions import generate
from connector.definitions.draft import SHAPE, drafted_text
from connector.definitions.endpoint import Endpoints, read_definition
from connector.definitions.specification import Specification
from connector.errors import DefinitionError
from tests.command_line import Run

pytestmark = pytest.mark.usefixtures("no_rate_limits")
KNOWN = Endpoints()


def drafts() -> dict[str, str]:
    """Return the draft of every list that can be drafted from nothing but what ships."""
    texts = {}
    for path in Specification.read(SHAPE).document["paths"]:
        try:
            texts[path] = drafted_text(path, KNOWN)
        except DefinitionError:
            continue
    return texts


def test_every_list_of_stripes_can_be_drafted_and_the_draft_loads_as_it_is() -> None:
    texts = drafts()
    assert len(texts) > 100
    for path, text in texts.items():
        endpoint = read_definition(Path("my_tables/mine.toml"), tomllib.loads(text))
        assert endpoint.path == path
        assert endpoint.columns


def test_a_drafted_table_is_read_at_once(connector: Run, tmp_path: Path) -> None:
    child = "transactions_of_customers=customers/{customer}/balance_transactions"
    code, out, err = connector("endpoints", "--draft", child, "--draft", "my_coupons=/v1/coupons")
    assert (code, err) == (0, "")
    assert "my_coupons.toml: " in out
    assert "connector extract my_coupons --definitions my_tables" in out
    assert sorted(file.name for file in (tmp_path / "my_tables").iterdir()) == [
        "my_coupons.toml", "transactions_of_customers.toml"
    ]  # fmt: skip
    code, out, err = connector("extract", "my_coupons", "--definitions", "my_tables", "--limit", "1")
    assert code == 0, err
    assert "_extra is new" not in err
    code, _, err = connector(
        "extract", "transactions_of_customers", "--definitions", "my_tables", "--limit", "1", "--to", "x.csv"
    )
    assert code == 0, err


def test_a_child_is_drafted_after_its_parent_in_one_go(connector: Run, tmp_path: Path) -> None:
    child = "my_lines=/v1/quotes/{quote}/line_items"
    code, _, err = connector("endpoints", "--draft", "my_quotes=/v1/quotes", "--draft", child, "--into", "t")
    assert code == 0, err
    assert 'fills = "quote" }' in (tmp_path / "t/my_lines.toml").read_text("utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--draft", "money"], "NAME=PATH"),
        (["--draft", "=/v1/topups"], "NAME=PATH"),
        (["--draft", "Top-Ups=/v1/topups"], "cannot name a table"),
        (["--draft", "invoices=/v1/topups"], "There is a table invoices already"),
        (["--draft", "money=/v1/topup"], "no GET /v1/topup. Did you mean /v1/topups"),
        (["--draft", "money=/v1/balance"], "answers one object, not a list"),
        (["--draft", "found=/v1/customers/search"], "draft the list /v1/customers instead"),
        (["--draft", "pdf=/v1/quotes/{quote}/pdf"], "answers a file"),
        (["--into", "my_tables"], "--into is where --draft writes"),
        (["--draft", "money=/v1/topups", "--into", "there.txt"], "there.txt"),
    ],
)
def test_what_cannot_be_drafted_is_one_line_and_no_file(
    arguments: list[str], message: str, connector: Run, tmp_path: Path
) -> None:
    (tmp_path / "there.txt").write_text("mine", encoding="utf-8")
    code, out, err = connector("endpoints", *arguments)
    assert code == 2, err
    assert message in err
    assert out == ""
    assert [file.name for file in tmp_path.iterdir()] == ["there.txt"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "usage:"),
        (["spec3.json", "topups=/v1/topups"], "usage:"),
        (["nowhere.json"], "nowhere.json is no OpenAPI document that can be read"),
        (["broken.json"], "broken.json is no OpenAPI document that can be read"),
        (["broken.gz"], "broken.gz is no OpenAPI document that can be read"),
        (["other.json"], "has no paths and components"),
    ],
)
def test_the_generator_says_in_one_line_what_is_wrong_with_a_document(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in {"broken.json": "{", "broken.gz": "not packed", "other.json": "[]"}.items():
        Path(name).write_text(text, encoding="utf-8")
    assert generate.main(arguments) == 2
    assert message in capsys.readouterr().err
