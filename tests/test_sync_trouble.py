"""A sync when the world around it fails: the disk, the account, another program; and tables below odd parents."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from connector import Stripe
from connector.api import client
from connector.cli.app import run as cli
from connector.databases.duckdb.database import DuckDB
from connector.errors import StripeUnavailable
from connector.sandbox import Sandbox
from connector.sync import intake, room
from connector.sync.journal import Journal, Run
from connector.sync.report import SyncReport
from connector.sync.runfile import RunFile, TableRun
from tests.accounts import NOW, account, keep_the_newest
from tests.fake_clock import FakeClock
from tests.synced import assert_equal_to_stripe, expected_rows, query, rows_of, sandbox, shared_sandbox

__all__ = ["sandbox", "shared_sandbox"]

FULL_DISK = """
import resource, sys
from connector.sync import room
from connector.cli import run

room.COMMIT_ROWS = 100
sys.dont_write_bytecode = True  # cut by the limit, it would break whoever imports it next
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
sys.exit(run(["sync", "full.toml"]))
"""
on_posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no limit for the size of files")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "stripe.duckdb"


@on_posix
def test_a_disk_that_is_full_in_a_commit_ends_in_one_line_and_the_next_run_converges(
    shared_sandbox: Sandbox, file: Path, tmp_path: Path
) -> None:
    (tmp_path / "full.toml").write_text('to = "stripe.duckdb"\nendpoints = ["invoices", "invoice_lines"]\n')
    environ = {**os.environ, "STRIPE_API_KEY": shared_sandbox.key, "STRIPE_API_BASE": shared_sandbox.url}
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, "200000"],
        cwd=tmp_path, env=environ, check=False, capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "should not happen" not in done.stderr
    assert "disk is full" in done.stderr
    with account(shared_sandbox) as stripe:
        assert not stripe.sync(["invoices", "invoice_lines"], to=str(file)).failed
    assert_equal_to_stripe(file, shared_sandbox, ["invoices", "invoice_lines"])


def test_another_program_reads_whole_commits_between_them(
    sandbox: Sandbox, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "COMMIT_ROWS", 100)
    script = (
        "import duckdb, sys; c = duckdb.connect(sys.argv[1], read_only=True);"
        "print(c.execute('select count(*), count(distinct id) from customers').fetchone())"
    )
    seen: list[str] = []

    def look(name: str, run: Run) -> None:
        if name == "customers" and run.inserted and len(seen) < 2:
            done = subprocess.run([sys.executable, "-c", script, str(file)], check=True, capture_output=True, text=True)
            seen.append(done.stdout.strip())

    with account(sandbox) as stripe:
        stripe.sync(["customers"], to=str(file), watch=look)
    rows, keys = map(int, seen[0].strip("()").split(","))
    assert rows == keys > 0


def test_an_account_that_stripe_cannot_tell_now_is_an_error_and_changes_nothing(sandbox: Sandbox, file: Path) -> None:
    with account(sandbox) as stripe:
        stripe.sync(["products"], to=str(file))
    before = rows_of(file, "products")
    sandbox.fail("503", "GET /v1/account", nth=1, times=100_000)
    with account(sandbox) as stripe:
        stripe._client = client.Client(stripe.connection, clock=FakeClock())  # whose waits take no time
        with pytest.raises(StripeUnavailable):
            stripe.sync(["products"], to=str(file))
    assert rows_of(file, "products") == before
    with DuckDB(str(file)).transaction() as session:
        assert Journal(session, "main").lease() is None


def test_the_child_of_two_parents_is_synced_within_its_window(sandbox: Sandbox, file: Path) -> None:
    keep_the_newest(sandbox, {"customer": 30})
    window = TableRun(where={"start_time": {"gte": "2026-09-01", "lt": "2026-10-01"}})
    said = RunFile(
        to=str(file),
        endpoints=("billing_meters", "customers", "billing_meter_event_summaries"),
        tables={"billing_meter_event_summaries": window},
    )
    with account(sandbox) as stripe:
        first, second = stripe.sync_by(said), stripe.sync_by(said)
    assert not first.failed
    (mine,) = (run for run in second.runs if run.endpoint == "billing_meter_event_summaries")
    assert (mine.inserted, mine.updated, mine.deleted) == (0, 0, 0)
    assert mine.unchanged == len(rows_of(file, "billing_meter_event_summaries")) > 0
    assert len(rows_of(file, "customers")) == len(expected_rows(sandbox, "customers"))


def test_a_parent_whose_list_fails_is_named_and_the_lists_of_the_others_are_read(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "ATTEMPTS", 1)
    with Sandbox(now=NOW, rps=0) as sandbox, account(sandbox) as stripe:
        there = {(row["customer"], row["id"]) for row in stripe.extract("customer_tax_ids").to_arrow().to_pylist()}
        bad = min(there)[0]
        sandbox.fail("500", on=f"GET /v1/customers/{bad}/tax_ids")
        first = stripe.sync(["customers", "customer_tax_ids"], to=str(file))
        (failed,) = first.failed
        assert failed.endpoint == "customer_tax_ids"
        assert failed.error is not None
        assert bad in failed.error
        assert rows_of(file, "customer_tax_ids").keys() == {key for key in there if key[0] != bad} != set()
        assert not stripe.sync(["customers", "customer_tax_ids"], to=str(file)).failed
        assert rows_of(file, "customer_tax_ids").keys() == there


def test_where_many_lists_below_parents_fail_the_rest_is_not_tried(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "ATTEMPTS", 1)
    monkeypatch.setattr(intake, "MOST_UNREAD", 2)
    with Sandbox(now=NOW, rps=0) as sandbox, account(sandbox) as stripe:
        sandbox.fail("500", on="GET /v1/customers/{customer}/tax_ids", times=1000)
        report = stripe.sync(["customers", "customer_tax_ids"], to=str(file))
        calls = sandbox.stats()["calls"]["GET /v1/customers/{customer}/tax_ids"]["500"]
    assert [run.endpoint for run in report.failed] == ["customer_tax_ids"]
    assert calls < 100


def test_a_column_excluded_later_is_not_written_any_more(sandbox: Sandbox, file: Path) -> None:
    with account(sandbox) as stripe:
        stripe.sync(["customers"], to=str(file))
        changed = next(each for each in sandbox.truth("customer") if not each.get("test_clock"))
        sandbox.put("customer", {**changed, "name": "New", "phone": "+49"})
        said = RunFile(to=str(file), endpoints=("customers",), tables={"customers": TableRun(exclude=("phone",))})
        assert not stripe.sync_by(said).failed
    (row,) = query(file, f"select name, phone from customers where id = '{changed['id']}'")
    assert row == {"name": "New", "phone": changed["phone"]}


@pytest.mark.parametrize("filled", ["invoice_lines", "invoices"])
def test_a_table_that_an_extract_has_filled_is_left_as_it_is(filled: str, sandbox: Sandbox, file: Path) -> None:
    names = ["invoices", "invoice_lines", "coupons"]
    with account(sandbox) as stripe:
        stripe.extract(filled, limit=20).to(f"duckdb:///{file}?table={filled}")
        report = stripe.sync(names, to=str(file))
    status = {run.endpoint: run.status for run in report.runs}
    child_only = {"invoices": "succeeded", "invoice_lines": "failed", "coupons": "succeeded"}
    assert status == (child_only if filled == "invoice_lines" else {**child_only, "invoices": "failed"})
    (error,) = {run.error for run in report.failed}
    assert error is not None
    assert f"main.{filled}" in error
    assert "no sync has written" in error
    assert query(file, f"select count(*) as n from {filled}") == [{"n": 20}]
    assert_equal_to_stripe(file, sandbox, [name for name in names if status[name] == "succeeded"])


def test_a_second_account_in_the_same_tables_is_told_once(sandbox: Sandbox, file: Path) -> None:
    with account(sandbox) as stripe, Sandbox(seed=99, rps=0, now=NOW) as other, account(other) as theirs:
        assert not any("beside" in note for note in stripe.sync(["coupons"], to=str(file)).notes)
        first, second = theirs.sync(["coupons"], to=str(file)), theirs.sync(["coupons"], to=str(file))
    assert [note for note in first.notes if "now stand beside those of acct_" in note]
    assert not [note for note in second.notes if "beside" in note]


def test_a_run_that_is_interrupted_does_not_count_as_running(
    sandbox: Sandbox, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connector.sync.run.AT_ONCE", 1)

    def interrupt(name: str, _run: Run) -> None:
        if name == "coupons":
            raise KeyboardInterrupt

    with account(sandbox) as stripe, pytest.raises(KeyboardInterrupt):
        stripe.sync(["products", "coupons"], to=str(file), watch=interrupt)
    found = query(file, "select endpoint, status from _sync_runs order by endpoint")
    expected = [("_run", "failed"), ("coupons", "failed"), ("products", "succeeded")]
    assert [tuple(row.values()) for row in found] == expected
    with DuckDB(str(file)).transaction() as session:
        assert Journal(session, "main").lease() is None


def test_a_notebook_shows_counts_seconds_and_notes_as_people_read_them() -> None:
    run = Run("r", "invoices", "failed", 0.0, seconds=1.2345, rows_read=12345, error="<no>")
    html = SyncReport("s.duckdb", [run], ["a & b"])._repr_html_()
    cells = ("<td>12,345</td>", "<td>0</td>", "<td>1.2</td>", "<td>&lt;no&gt;</td>", "<li>a &amp; b</li>")
    assert all(cell in html for cell in cells)


def test_two_accounts_in_one_table_leave_each_other_alone(
    sandbox: Sandbox, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with account(sandbox) as stripe:
        stripe.sync(["products"], to=str(file))
        with duckdb.connect(file) as connection:
            for name in ("products", "_sync_runs"):
                connection.execute(f"update {name} set _account_id = 'acct_other'")
        before = query(file, "select * from products order by id")
        sandbox.delete("product", next(iter(sandbox.truth("product")))["id"])
        (run,) = stripe.sync(["products"], to=str(file)).runs
    assert (run.inserted, run.updated, run.deleted) == (len(before) - 1, 0, 0)
    assert query(file, "select * from products where _account_id = 'acct_other' order by id") == before
    config = file.with_suffix(".toml")
    config.write_text(f"to = '{file}'\nendpoints = ['products']\n", encoding="utf-8")
    runs = [each for each in Stripe.state(config) if each.endpoint == "products"]
    assert [each.account for each in runs] == sorted([sandbox.account, "acct_other"])
    assert cli(["state", str(config)]) == 0
    shown = capsys.readouterr().out
    assert shown.index("acct_other\n") < shown.rindex("products"), "a table for each account"
