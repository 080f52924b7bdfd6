"""Where a sync goes, by whose key and with which definitions: what its config says, wherever it is started."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from connector.cli.app import run as cli
from connector.sandbox import Sandbox
from connector.sync.runfile import located
from tests.accounts import NOW, account
from tests.synced import query

MINE = """
description = "A few columns of coupons."
docs = "https://docs.stripe.com/api/coupons"
path = "/v1/coupons"
object = "coupon"
primary_key = ["id"]
order = "created"
updates = "events"
deletes = "event"
[columns]
id = "text"
created = "timestamp"
"""


@pytest.fixture(scope="module")
def other_sandbox() -> Iterator[Sandbox]:
    with Sandbox(seed=99, rps=0, now=NOW) as sandbox:
        yield sandbox


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a config, seen from another, as cron sees it."""
    (tmp_path / "home").mkdir()
    (tmp_path / "shop").mkdir()
    monkeypatch.chdir(tmp_path / "home")
    for name in ("STRIPE_API_KEY", "STRIPE_API_BASE", "STRIPE_ACCOUNT"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "shop"


def write(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text, encoding="utf-8")
    return str(folder / name)


def connection_table(sandbox: Sandbox, name: str) -> str:
    return f'[connections.{name}]\nkey = "{sandbox.key}"\napi_base = "{sandbox.url}"\n'


def accounts(file: Path, name: str = "coupons") -> set[str]:
    return {row["_account_id"] for row in query(file, f"select distinct _account_id from {name}")}


def account_of(sandbox: Sandbox) -> str:
    return sandbox.account


def test_a_config_is_synced_by_the_connection_that_it_names_not_by_the_key_at_hand(
    shared_sandbox: Sandbox, other_sandbox: Sandbox, folder: Path
) -> None:
    text = 'to = "s.duckdb"\nendpoints = ["coupons"]\nconnection = "other"\n'
    config = write(folder, "run.toml", text + connection_table(other_sandbox, "other"))
    with account(shared_sandbox) as stripe:
        stripe.sync(config)
    assert accounts(folder / "s.duckdb") == {account_of(other_sandbox)}


def test_arguments_of_a_sync_win_over_its_config(shared_sandbox: Sandbox, folder: Path) -> None:
    config = write(folder, "run.toml", 'to = "s.duckdb"\nendpoints = ["customers"]\n')
    with account(shared_sandbox) as stripe:
        report = stripe.sync(config, to=f"duckdb:///{folder}/t.duckdb", schema="crm", since="2026-10-01")
    (rows,) = query(folder / "t.duckdb", "select count(*) as n, min(created) as oldest from crm.customers")
    assert (report.runs[0].rows_read, rows["oldest"].isoformat() >= "2026-10-01") == (rows["n"], True)
    assert not (folder / "s.duckdb").exists()


@pytest.mark.parametrize("beside", ["run.toml", "connector.toml"])
def test_definitions_of_a_config_and_of_connector_toml_are_used(
    beside: str, shared_sandbox: Sandbox, folder: Path
) -> None:
    (folder / "mine").mkdir()
    write(folder / "mine", "few_coupons.toml", MINE)
    texts = {
        "run.toml": 'to = "s.duckdb"\nconnection = "shop"\nendpoints = ["few_coupons"]\n',
        "connector.toml": "",
    }
    texts[beside] += 'definitions = ["mine"]\n'
    texts["connector.toml"] += connection_table(shared_sandbox, "shop")
    for name, text in texts.items():
        write(folder, name, text)
    assert cli(["sync", str(folder / "run.toml")]) == 0
    with account(shared_sandbox) as stripe:
        assert not stripe.sync(folder / "run.toml").failed
    assert accounts(folder / "s.duckdb", "few_coupons") == {account_of(shared_sandbox)}


def test_from_cron_a_config_with_relative_paths_fills_the_same_file(
    shared_sandbox: Sandbox, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder, "key.txt", shared_sandbox.key)
    table = f'[connections.shop]\nkey_file = "key.txt"\napi_base = "{shared_sandbox.url}"\n'
    write(folder, "connector.toml", table)
    for kind in ("duckdb:///warehouse.duckdb", "sqlite:///warehouse.db"):
        write(folder, "run.toml", f'to = "{kind}"\nconnection = "shop"\nendpoints = ["coupons"]\n')
        monkeypatch.chdir(folder)
        assert cli(["sync", "run.toml"]) == 0
        monkeypatch.chdir(folder.parent / "home")
        assert cli(["sync", str(folder / "run.toml")]) == 0
        assert cli(["state", str(folder / "run.toml")]) == 0
        assert not list((folder.parent / "home").iterdir())
        assert str(folder / "warehouse.") in capsys.readouterr().err, "it names the file"
    (row,) = query(folder / "warehouse.duckdb", "select count(distinct run_id) as n from _sync_runs")
    assert row["n"] == 2


def test_a_file_that_an_earlier_version_wrote_into_the_current_folder_is_told(
    shared_sandbox: Sandbox, folder: Path
) -> None:
    config = write(folder, "run.toml", 'to = "s.duckdb"\nendpoints = ["coupons"]\n')
    with account(shared_sandbox) as stripe:
        stripe.sync(["coupons"], to="s.duckdb")
        first, second = stripe.sync(config), stripe.sync(config)
    assert [str(Path("s.duckdb").absolute()) in note for note in first.notes] == [True]
    assert (first.target, second.notes) == (str(folder / "s.duckdb"), [])


@pytest.mark.parametrize(
    ("to", "seen"),
    [
        ("a.duckdb", "/shop/a.duckdb"),
        ("/x/a.duckdb", "/x/a.duckdb"),
        ("duckdb:///a.duckdb", "duckdb:////shop/a.duckdb"),
        ("duckdb:///b%20c/a.duckdb", "duckdb:////shop/b%20c/a.duckdb"),
        ("duckdb:////x/a.duckdb", "duckdb:////x/a.duckdb"),
        ("duckdb:///C:/x/a.duckdb", "duckdb:///C:/x/a.duckdb"),
        ("sqlite:///a.db?timeout=3", "sqlite:////shop/a.db?timeout=3"),
        ("sqlite+pysqlite:///a.db", "sqlite+pysqlite:////shop/a.db"),
        ("sqlite:///:memory:", "sqlite:///:memory:"),
        ("postgresql://u:p@host/shop.duckdb", "postgresql://u:p@host/shop.duckdb"),
        ("rows.csv", "rows.csv"),
    ],
)
def test_a_file_is_seen_from_the_folder_of_the_config(to: str, seen: str) -> None:
    assert located(to, Path("/shop")) == seen
