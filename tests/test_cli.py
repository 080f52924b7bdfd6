"""The command line: what it prints, where, and how it ends, for good input and for bad."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from connector.sandbox import Sandbox
from tests.command_line import Run

pytestmark = pytest.mark.usefixtures("no_rate_limits")
LIFTED = "max_rps = 100000\nmax_rps_per_endpoint = 100000\ntotal_seconds = 2\n"


def test_extract_writes_rows_to_stdout_and_everything_else_to_stderr(connector: Run) -> None:
    code, out, err = connector("extract", "customers", "--limit", "3", "--columns", "id,created,email")
    rows = list(csv.reader(io.StringIO(out)))
    assert code == 0
    assert rows[0] == ["id", "created", "email"]
    assert [row[0][:4] for row in rows[1:]] == ["cus_"] * 3
    assert "customers: 3 rows, 1 request," in err


def test_extract_writes_the_readmes_csv(connector: Run, tmp_path: Path) -> None:
    where = ["--where", "status=paid", "--where", "created>=2026-09-01"]
    code, out, err = connector("extract", "invoices", *where, "--to", "invoices.csv")
    assert (code, out) == (0, "")
    rows = list(csv.DictReader((tmp_path / "invoices.csv").read_text(encoding="utf-8").splitlines()))
    assert {row["status"] for row in rows} == {"paid"}
    assert f"invoices: {len(rows)} rows" in err


def test_quiet_commands_say_only_what_failed(connector: Run, tmp_path: Path) -> None:
    assert connector("extract", "coupons", "--to", "coupons.csv", "--quiet") == (0, "", "")
    assert connector("load", "coupons.csv", "--to", "c.duckdb", "--table", "c", "--key", "id", "--quiet") == (0, "", "")
    (tmp_path / "ids.csv").write_text("id\ncus_nobody\n", encoding="utf-8")
    code, out, err = connector(
        "request", "GET", "/v1/customers/{id}", "--from", "ids.csv", "--to", "c.jsonl", "--quiet"
    )
    assert (code, out) == (1, "")
    assert "cus_nobody" in err
    assert "requests" not in err


def test_extract_shows_a_table_that_fits_and_says_what_it_left_out(connector: Run) -> None:
    code, out, err = connector("extract", "invoices", "--format", "table")
    assert code == 0
    assert max(map(len, out.splitlines())) <= 100
    assert out.count("in_") == 20
    assert " columns more: --columns picks" in err
    assert "The first 20 rows" in err


def test_a_whole_table_is_not_called_the_first_rows(connector: Run) -> None:
    code, _, err = connector("extract", "balance", "--format", "table")
    assert code == 0
    assert "The first" not in err


def test_read_rows_that_are_not_kept_are_counted_on_stderr(connector: Run) -> None:
    code, _, err = connector("extract", "charges", "--where", "amount>5000", "--to", "charges.csv")
    assert code == 0
    assert " rows to keep " in err


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet", "xlsx", "duckdb"])
def test_every_kind_of_file_is_known_by_its_name(suffix: str, connector: Run, tmp_path: Path) -> None:
    code, _, err = connector("extract", "products", "--to", f"products.{suffix}")
    assert code == 0, err
    assert (tmp_path / f"products.{suffix}").stat().st_size > 100


def test_a_connection_of_the_config_is_used_by_name(connector: Run, tmp_path: Path) -> None:
    (tmp_path / "connector.toml").write_text(
        f'[connections.shop]\nkey = "${{SHOP_KEY}}"\napi_base = "${{STRIPE_API_BASE}}"\n{LIFTED}', encoding="utf-8"
    )
    code, out, err = connector(
        "extract", "coupons", "--connection", "shop", "--limit", "1", STRIPE_API_KEY=None, SHOP_KEY="sk_test_sandbox"
    )
    assert code == 0, err
    assert len(out.splitlines()) == 2


def test_check_says_whose_key_it_is_and_what_it_may_read(connector: Run) -> None:
    code, out, err = connector("check", "--only", "customers", "--only", "invoice_lines", "--only", "events")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert "sk_test_" in lines[0]
    assert "mode test" in lines[0]
    assert "acct_" in lines[1]
    assert [line.split()[:2] for line in lines[2:]] == [["ok", "customers"], ["ok", "events"], ["ok", "invoice_lines"]]


def test_check_stands_in_columns_however_long_a_name_is(connector: Run) -> None:
    names = ("customers", "financial_connections_account_owners")
    _, out, _ = connector("check", *(part for name in names for part in ("--only", name)))
    lines = out.splitlines()
    width = len("FAIL ") + max(map(len, names)) + 1
    assert {line[width - 1] for line in lines} == {" "}
    assert all(line[width] != " " for line in lines)


def test_check_names_what_a_restricted_key_may_not_read_and_fails(connector: Run) -> None:
    code, out, _ = connector(
        "check", "--only", "customers", "--only", "charges", STRIPE_API_KEY="rk_test_read_customers"
    )
    assert code == 1
    said = {line.split()[1]: line for line in out.splitlines()}
    assert said["customers"].startswith("ok")
    assert said["charges"].startswith("FAIL")
    assert said["account"].startswith("FAIL")
    assert "STRIPE_ACCOUNT" in said["account"]


def test_check_of_a_good_key_fails_at_no_table_that_needs_an_id_or_a_condition(connector: Run) -> None:
    names = ("mandates", "app_secrets", "tax_locations", "financial_connections_account_owners", "sources")
    code, out, err = connector("check", *(part for name in names for part in ("--only", name)))
    assert (code, err) == (0, ""), out
    found = {name: rest.strip() for _, name, rest in (line.split(maxsplit=2) for line in out.splitlines()[2:])}
    assert found["mandates"] == "not tried: Stripe gives it by id only"
    assert found["app_secrets"].startswith("can be read")
    assert found["financial_connections_account_owners"] == "not tried: it needs a condition on ownership"


def test_check_sends_one_small_request_per_endpoint(connector: Run, sandbox: Sandbox) -> None:
    only = [part for name in ("customers", "invoice_lines", "payment_link_lines") for part in ("--only", name)]
    code, _, err = connector("check", *only, "--api-base", sandbox.url)
    assert code == 0, err
    account, *lists = sandbox.requests
    assert account.path == "/v1/account"
    assert [each.path.rpartition("/v1/")[2].split("/")[0] for each in lists] == [
        "customers", "invoices", "payment_links", "payment_links"
    ]  # fmt: skip
    assert all("limit=1" in each.query for each in lists)


def test_endpoints_lists_tables_and_shows_one(connector: Run) -> None:
    code, out, _ = connector("endpoints")
    assert code == 0
    assert "customers" in out
    code, out, _ = connector("endpoints", "payouts")
    assert code == 0
    assert "arrival_date" in out
    assert "= < <= > >=" in out


def test_dates_prints_what_a_token_means(connector: Run) -> None:
    code, out, _ = connector("dates", "2022-01-31", "--time-zone", "Europe/Berlin")
    assert code == 0
    assert "2022-01-30 23:00:00+00:00" in out
    assert "2022-01-31 00:00:00+01:00" in out


def test_text_from_stripe_cannot_steer_the_terminal(sandbox: Sandbox, connector: Run) -> None:
    customer = next(sandbox.truth("customer"))
    sandbox.put("customer", {**customer, "name": "\x1b[31mred\x07 [bold]b[/bold]"})
    code, out, _ = connector(
        "extract", "customers", "--where", f"id={customer['id']}", "--columns", "id,name", "--format", "table",
        "--api-base", sandbox.url,
    )  # fmt: skip
    assert code == 0
    assert "\x1b" not in out
    assert "\x07" not in out
    assert "[bold]b[/bold]" in out


BAD_KEYS: dict[str, tuple[str | None, int, str]] = {
    "none": (None, 2, "STRIPE_API_KEY"),
    "empty": ("", 2, "STRIPE_API_KEY"),
    "unknown_to_stripe": ("sk_test_wrong_and_long_enough_to_be_one", 1, "401"),
    "publishable": ("pk_test_1234", 2, "pk_"),
    "webhook_secret": ("whsec_1234", 2, "whsec_"),
    "with_quotes": ('"sk_test_sandbox"', 2, "quote"),
    "without_permission": ("rk_test_none", 1, "403"),
}


@pytest.mark.parametrize("name", BAD_KEYS)
def test_a_bad_key_gets_one_clear_line_that_never_shows_it(name: str, connector: Run) -> None:
    key, expected, message = BAD_KEYS[name]
    code, out, err = connector("extract", "customers", "--to", "customers.csv", STRIPE_API_KEY=key)
    assert code == expected, err
    assert message in err
    assert "Traceback" not in err
    assert out == ""
    if key and len(key) > 12:
        assert key.strip('"') not in err


def start(sandbox: Sandbox, folder: Path, *arguments: str) -> subprocess.Popen[str]:
    environ = {**os.environ, "STRIPE_API_KEY": sandbox.key, "STRIPE_API_BASE": sandbox.url}
    return subprocess.Popen(
        [sys.executable, "-m", "connector", *arguments],
        cwd=folder, env=environ, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


@pytest.mark.skipif(sys.platform == "win32", reason="a signal that Windows does not have")
def test_ctrl_c_ends_with_one_line_and_leaves_no_file(tmp_path: Path) -> None:
    with Sandbox(seed=7, latency_ms=300) as slow:
        process = start(slow, tmp_path, "extract", "charges", "--to", "charges.csv")
        while not slow.requests:
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err.strip().splitlines()[-1] == "connector: stopped; what was not whole has not been written."
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
def test_a_full_disk_is_one_clear_line(tmp_path: Path, shared_sandbox: Sandbox) -> None:
    environ = {**os.environ, "STRIPE_API_KEY": shared_sandbox.key, "STRIPE_API_BASE": shared_sandbox.url}
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "connector", "extract", "customers", "--format", "csv"],
            cwd=tmp_path, env=environ, text=True, stdout=full, stderr=subprocess.PIPE, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == "connector: standard output could not be written: the disk is full.\n"
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="pipes end differently on Windows")
def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path, shared_sandbox: Sandbox) -> None:
    process = start(shared_sandbox, tmp_path, "extract", "charges", "--format", "jsonl")
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline().startswith("{")
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    process.wait(timeout=20)
    assert "Traceback" not in err
    assert "should not happen" not in err


def test_sync_ends_with_a_table_and_its_code_says_whether_all_went_well(connector: Run, tmp_path: Path) -> None:
    (tmp_path / "sync.toml").write_text('to = "s.duckdb"\nendpoints = ["coupons", "charges"]\n', encoding="utf-8")
    code, out, err = connector("sync", "sync.toml")
    assert code == 0, err
    assert [line.split()[0] for line in out.splitlines() if line.startswith(("coupons", "charges"))]
    code, out, err = connector("sync", "sync.toml", STRIPE_API_KEY="rk_test_read_coupons_account")
    assert code == 1
    assert "failed" in out
    assert err.count("GET /v1/charges") == 1, "an error comes once"
    code, out, err = connector("state", "sync.toml")
    assert code == 1
    assert "failed" in out
    assert "the whole run: 1 endpoint failed: charges" in err


def test_sync_takes_the_account_of_its_config(connector: Run, tmp_path: Path, sandbox: Sandbox) -> None:
    config = f'to = "s.duckdb"\naccount = "{sandbox.account}"\nendpoints = ["coupons"]\n'
    (tmp_path / "sync.toml").write_text(config, encoding="utf-8")
    for command in (["sync", "sync.toml"], ["sync", "sync.toml", "--dry-run"], ["check", "sync.toml"]):
        code, _, err = connector(*command, STRIPE_API_KEY="rk_test_read_coupons")
        assert code == 0, err


def test_in_json_every_line_of_a_sync_is_json(connector: Run, tmp_path: Path, sandbox: Sandbox) -> None:
    config = 'to = "s.duckdb"\nendpoints = ["coupons"]\n[connections.x]\n' + LIFTED
    config = f'connection = "x"\n{config}key = "{sandbox.key}"\napi_base = "{sandbox.url}"\n'
    (tmp_path / "sync.toml").write_text(config, encoding="utf-8")
    sandbox.fail("500", "GET /v1/coupons", times=1)
    sandbox.put("coupon", {**next(iter(sandbox.truth("coupon"))), "novelty": 1})
    code, out, err = connector("sync", "sync.toml", "--log-format", "json")
    lines = [json.loads(line) for line in err.splitlines()]
    assert (code, out) == (0, "")
    assert [line["endpoint"] for line in lines if "endpoint" in line] == ["coupons"]
    notes = " ".join(line["note"] for line in lines if "note" in line)
    assert "sent again" in notes
    assert "novelty is new" in notes


def test_a_state_without_a_run_says_so_and_names_no_password(connector: Run, tmp_path: Path) -> None:
    (tmp_path / "sync.toml").write_text('to = "s.duckdb"\nendpoints = ["coupons"]\n', encoding="utf-8")
    assert connector("state", "sync.toml") == (0, "", "Nothing has been synced by sync.toml yet.\n")
    code, out, err = connector("state", "sync.toml", "--reset", "coupons")
    assert (code, out, err) == (2, "", "connector: coupons has never been synced by sync.toml.\n")


def test_a_dry_run_counts_what_can_be_counted_and_makes_no_file(
    connector: Run, tmp_path: Path, shared_sandbox: Sandbox
) -> None:
    (tmp_path / "sync.toml").write_text('to = "s.duckdb"\nendpoints = "all"\n', encoding="utf-8")
    before = shared_sandbox.stats()["requests"]
    code, out, _ = connector("sync", "sync.toml", "--dry-run", COLUMNS="200")
    assert code == 0
    said = {line.split()[0]: line for line in out.splitlines() if line.strip()}
    assert "unknown" in said["coupons"]
    assert f"{len(list(shared_sandbox.truth('invoice'))):,}" in said["invoices"]
    assert "counted by Stripe" in said["invoices"]
    assert shared_sandbox.stats()["requests"] - before <= 7, "a search for each table that has one"
    assert not (tmp_path / "s.duckdb").exists()


def test_a_dry_run_after_a_sync_tells_on_a_narrow_terminal_what_reading_in_full_takes(
    connector: Run, tmp_path: Path
) -> None:
    names = '["payouts", "payout_transactions"]'
    (tmp_path / "sync.toml").write_text(f'to = "s.duckdb"\nendpoints = {names}\nsince = "2026-06-01"\n')
    assert connector("sync", "sync.toml")[0] == 0
    code, out, _ = connector("sync", "sync.toml", "--dry-run", COLUMNS="80")
    heads, _, *rows = out.splitlines()
    assert code == 0
    assert heads.split()[-3:] == ["requests", "in", "full"]
    assert int(rows[0].split()[-1]) > 2, "payouts, with a list for each"
    assert max(map(len, out.splitlines())) < 80
    assert {"changed", "those"} <= set(out.split())


def test_on_a_narrow_terminal_names_and_numbers_stay_whole(connector: Run, tmp_path: Path) -> None:
    (tmp_path / "sync.toml").write_text(
        'to = "s.duckdb"\nendpoints = ["balance_transactions", "invoices"]\n', encoding="utf-8"
    )
    code, out, _ = connector("sync", "sync.toml", COLUMNS="60")
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines() if line.strip()}
    assert code == 0
    assert rows["balance_transactions"][0] == rows["balance_transactions"][1]
    assert "," in rows["invoices"][0]
