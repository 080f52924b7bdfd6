"""The columns of a synced table: what was left out stays out until a config says otherwise, whoever syncs it next."""

from __future__ import annotations

from pathlib import Path

import pytest

from connector import Stripe
from connector.databases.base import Database
from connector.errors import UsageError
from connector.sandbox import Sandbox
from connector.sync.columns import ColumnChoice, ColumnWish
from connector.sync.journal import Journal
from tests.accounts import account
from tests.databases import database
from tests.synced import query

__all__ = ["database"]

HEAD = 'to = "s.duckdb"\n[sync.customers]\n'


def sync(sandbox: Sandbox, folder: Path, text: str) -> list[str]:
    """Sync by a config that says this of customers, and return the report's notes."""
    (folder / "run.toml").write_text(HEAD + text, encoding="utf-8")
    with account(sandbox) as stripe:
        report = stripe.sync(folder / "run.toml")
    assert not report.failed
    return report.notes


def filled(folder: Path, column: str) -> bool:
    (row,) = query(folder / "s.duckdb", f"select count({column}) as n from customers")
    return bool(row["n"])


def columns(folder: Path) -> set[str]:
    return {row["column_name"] for row in query(folder / "s.duckdb", "describe customers")}


def test_the_line_of_a_notebook_does_not_bring_back_what_a_config_excludes(
    shared_sandbox: Sandbox, tmp_path: Path
) -> None:
    sync(shared_sandbox, tmp_path, 'exclude = ["phone", "email"]')
    with account(shared_sandbox) as stripe:
        report = stripe.sync(["customers"], to=str(tmp_path / "s.duckdb"))
    assert not {"phone", "email"} & columns(tmp_path)
    assert any("stays left out" in note and "email" in note and "phone" in note for note in report.notes)


def test_another_config_adds_to_what_is_excluded_and_columns_says_otherwise(
    shared_sandbox: Sandbox, tmp_path: Path
) -> None:
    sync(shared_sandbox, tmp_path, 'exclude = ["phone"]')
    sync(shared_sandbox, tmp_path, 'exclude = ["name"]')
    assert "phone" not in columns(tmp_path)
    notes = sync(shared_sandbox, tmp_path, 'columns = "all"\nexclude = ["name"]')
    assert filled(tmp_path, "phone")
    assert any("phone is written again" in note for note in notes)
    assert not [note for note in sync(shared_sandbox, tmp_path, "") if "phone" in note]


def test_columns_is_the_positive_list_and_later_runs_keep_to_it(shared_sandbox: Sandbox, tmp_path: Path) -> None:
    sync(shared_sandbox, tmp_path, 'columns = ["name"]')
    sync(shared_sandbox, tmp_path, "")
    provenance = {"_account_id", "_changed_at", "_synced_at", "_deleted_at", "_extra"}
    assert columns(tmp_path) == {"id", "created", "name", *provenance}
    sync(shared_sandbox, tmp_path, 'columns = ["name", "email"]')
    assert filled(tmp_path, "email")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('columns = ["emial"]', "columns: there is no column.*Did you mean email"),
        ("columns = []", "names none"),
        ('columns = "some"', "must be a list"),
        ('columns = ["email"]\nexclude = ["email"]', "stands in columns, too"),
    ],
)
def test_columns_that_cannot_be_are_refused(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text(HEAD + text, encoding="utf-8")
    with Stripe(key="sk_test_1", api_base="http://127.0.0.1:9") as nowhere, pytest.raises(UsageError, match=said):
        nowhere.sync(tmp_path / "run.toml")


def test_a_choice_is_remembered_in_every_database(database: Database) -> None:
    choices = [ColumnChoice(("a", "b"), ("c",)), ColumnChoice(None, ("c", "d")), ColumnChoice()]
    with database.transaction() as session:
        journal = Journal(session, database.default_schema)
        journal.prepare()
        for choice in choices:
            journal.save_columns("customers", choice)
            assert journal.columns("customers") == choice
        assert journal.columns("charges") == ColumnChoice()


def test_what_a_config_says_nothing_of_stays() -> None:
    earlier = ColumnChoice(("a",), ("b",))
    assert ColumnWish().after(earlier) == earlier
    assert ColumnWish(exclude=("c",)).after(earlier) == ColumnChoice(("a",), ("b", "c"))
    assert ColumnWish("all").after(earlier) == ColumnChoice()
    assert ColumnWish(("b",)).after(earlier) == ColumnChoice(("b",))
