"""What a target says of its syncs: no failure goes unseen, whenever it comes and however the run ended."""

from __future__ import annotations

import json
import re
from pathlib import Path

import duckdb
import pytest

from connector import Stripe
from connector.errors import ConnectorError
from connector.sandbox import Sandbox
from tests.accounts import account
from tests.command_line import Run
from tests.postgres_server import postgres_database, postgres_url
from tests.synced import Place, query

__all__ = ["postgres_database", "postgres_url"]

ROOT = Path(__file__).parents[1]
CONFIG = 'to = "s.duckdb"\nendpoints = ["coupons"]\n'


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "sync.toml").write_text(CONFIG, encoding="utf-8")
    return tmp_path / "sync.toml"


def age(file: Path, hours: int) -> None:
    """Let all runs have begun so many hours earlier."""
    with duckdb.connect(file) as connection:
        connection.execute(f"UPDATE _sync_runs SET started_at = started_at - INTERVAL {hours} HOUR")


def whole_runs(place: Place) -> list[tuple[object, ...]]:
    rows = query(place, "select status, error from _sync_runs where endpoint = '_run' order by started_at, run_id")
    return [tuple(row.values()) for row in rows]


@pytest.mark.parametrize("key", ["sk_test_revoked", "rk_test_read_customers"])
def test_a_run_whose_key_was_revoked_leaves_a_row_and_the_state_fails(
    key: str, shared_sandbox: Sandbox, config: Path, connector: Run
) -> None:
    assert connector("sync", "sync.toml")[0] == 0
    assert connector("state", "sync.toml")[0] == 0
    age(config.with_name("s.duckdb"), 1)
    code, _, err = connector("sync", "sync.toml", STRIPE_API_KEY=key)
    assert code > 0
    assert len(err.splitlines()) == 1
    assert [status for status, _ in whole_runs(config.with_name("s.duckdb"))] == ["succeeded", "failed"]
    code, _, err = connector("state", "sync.toml")
    assert (code, err.startswith("the whole run: ")) == (1, True)
    assert connector("sync", "sync.toml", STRIPE_API_KEY=shared_sandbox.key)[0] == 0
    assert connector("state", "sync.toml")[0] == 0, "a later run that succeeded makes good"


def test_a_first_run_without_a_network_leaves_a_row(config: Path) -> None:
    with (
        Stripe(key="sk_test_1", api_base="http://127.0.0.1:9", total_seconds=0.1) as nowhere,
        pytest.raises(ConnectorError),
    ):
        nowhere.sync(config)
    ((status, error),) = whole_runs(config.with_name("s.duckdb"))
    assert (status, "127.0.0.1:9" in str(error)) == ("failed", True)


def test_a_target_that_refuses_is_an_error_of_the_sync_and_of_the_state(config: Path, connector: Run) -> None:
    config.with_name("s.duckdb").mkdir()
    for command in ("sync", "state"):
        code, _, err = connector(command, "sync.toml")
        assert (code, len(err.splitlines())) == (1, 1)


def test_a_state_that_is_older_than_it_may_be_fails(config: Path, connector: Run) -> None:
    code, _, err = connector("state", "sync.toml", "--older-than", "26h")
    assert (code, "Nothing has been synced yet." in err) == (1, True)
    connector("sync", "sync.toml")
    assert connector("state", "sync.toml", "--older-than", "26h")[0] == 0
    age(config.with_name("s.duckdb"), 27)
    code, _, err = connector("state", "sync.toml", "--older-than", "26h")
    assert (code, "coupons: its last run began more than 26h ago" in err) == (1, True)
    assert connector("state", "sync.toml", "--older-than", "2d")[0] == 0
    assert connector("state", "sync.toml", "--older-than", "soon")[0] == 2


def test_a_run_that_was_killed_is_not_running(config: Path, connector: Run) -> None:
    connector("sync", "sync.toml")
    with duckdb.connect(config.with_name("s.duckdb")) as connection:
        connection.execute("UPDATE _sync_runs SET status = 'running'")
    code, out, err = connector("state", "sync.toml")
    assert (code, "running" in out, "stopped in the middle" in err) == (1, False, True)


def test_a_lease_can_be_taken_from_a_run_that_is_gone(config: Path, connector: Run) -> None:
    connector("sync", "sync.toml")
    with duckdb.connect(config.with_name("s.duckdb")) as connection:
        connection.execute("INSERT INTO _sync_lease VALUES ('sync', 'theirs', 'elsewhere', 1, now(), 'other')")
    code, _, err = connector("sync", "sync.toml")
    assert (code, "--release" in err) == (1, True)
    _, _, err = connector("state", "sync.toml", "--release")
    assert "run theirs (process 1 on elsewhere) has lost its lease" in err
    assert connector("sync", "sync.toml")[0] == 0


def alarm() -> str:
    (sql,) = re.findall(r"```sql\n(.*?)```", (ROOT / "docs/sync.md").read_text(encoding="utf-8"), re.DOTALL)
    return str(sql).strip().rstrip(";")


@pytest.mark.parametrize("kind", ["duckdb", "postgres"])
def test_the_alarm_of_the_docs_is_quiet_until_something_is_wrong(
    kind: str, shared_sandbox: Sandbox, tmp_path: Path, postgres_database: str
) -> None:
    place: Place = tmp_path / "s.duckdb" if kind == "duckdb" else postgres_database
    with account(shared_sandbox) as stripe:
        stripe.sync(["coupons"], to=str(place))
    assert query(place, alarm()) == []
    with account(shared_sandbox, "sk_test_revoked") as stripe, pytest.raises(ConnectorError):
        stripe.sync(["coupons"], to=str(place))
    (row,) = query(place, alarm())
    assert (row["endpoint"], "key" in row["error"]) == ("_run", True)


def test_a_quiet_sync_says_nothing_until_something_fails_and_that_once(config: Path, connector: Run) -> None:
    config.write_text(CONFIG.replace('["coupons"]', '["coupons", "charges"]'), encoding="utf-8")
    assert connector("sync", "sync.toml", "--quiet") == (0, "", "")
    code, out, err = connector("sync", "sync.toml", "--quiet", STRIPE_API_KEY="rk_test_read_coupons_account")
    assert (code, out) == (1, "")
    (line,) = err.splitlines()
    assert line.startswith("charges: ")


def test_in_json_times_are_iso_and_errors_are_json_too(shared_sandbox: Sandbox, config: Path, connector: Run) -> None:
    _, _, err = connector("sync", "sync.toml", "--log-format", "json")
    (line,) = (json.loads(line) for line in err.splitlines() if "endpoint" in json.loads(line))
    assert line["account"] == shared_sandbox.account
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", line["started_at"])
    code, out, err = connector("sync", "sync.toml", "--log-format", "json", STRIPE_API_KEY="sk_test_revoked")
    (line,) = map(json.loads, err.splitlines())
    assert (code, out, line["kind"]) == (1, "", "AuthenticationFailed")
    config.write_text('to = 1\nendpoints = "all"', encoding="utf-8")
    code, _, err = connector("sync", "sync.toml", "--log-format", "json")
    assert (code, "to must be text" in json.loads(err)["error"]) == (2, True)


def test_check_tries_what_a_run_of_a_config_needs(config: Path, connector: Run) -> None:
    code, out, err = connector("check", "sync.toml")
    assert code == 0, err
    assert [line.split()[:2] for line in out.splitlines()] == [
        ["ok", "target"], ["ok", "time"], ["ok", "key"], ["ok", "account"], ["ok", "coupons"]
    ]  # fmt: skip
    assert not config.with_name("s.duckdb").exists(), "no data is moved"
    config.with_name("s.duckdb").write_text("no database", encoding="utf-8")
    code, out, _ = connector("check", "sync.toml", STRIPE_API_KEY="rk_test_read_customers")
    assert code == 1
    assert [line.split()[1] for line in out.splitlines() if line.startswith("FAIL")] == ["target", "account", "coupons"]


def test_check_fails_for_an_account_that_the_key_may_not_open(connector: Run) -> None:
    code, out, _ = connector("check", "--only", "coupons", "--account", "acct_1Nv0FGQ9RKHgCVdK")
    assert code == 1
    assert "FAIL account" in out
