"""The command init: a config that runs at once, asked for or by flags, and one line for what cannot be."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from connector.cli.app import commands
from tests.command_line import Run

pytestmark = pytest.mark.usefixtures("no_rate_limits")


def test_a_written_config_runs_at_once(connector: Run, tmp_path: Path) -> None:
    code, out, err = connector("init", "--tables", "coupons,payment_link_lines", "--since", "yearstart-1y")
    assert (code, err) == (0, "")
    assert "connector check stripe.toml" in out
    assert "connector sync stripe.toml" in out
    written = tomllib.loads((tmp_path / "stripe.toml").read_text(encoding="utf-8"))
    assert written == {
        "to": "duckdb:///stripe.duckdb",
        "endpoints": ["payment_links", "coupons", "payment_link_lines"],
        "since": "yearstart-1y",
    }
    code, out, err = connector("sync", "stripe.toml")
    assert code == 0, err
    assert "payment_link_lines" in out


def test_on_a_terminal_it_asks_for_what_no_option_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("connector.cli.init._is_somebody_there", lambda: True)
    answers = "duckdb:///crm.duckdb\ncustomers\n\nEurope/Berlin\n"
    result = CliRunner().invoke(commands, ["init", "crm.toml", "--schema", "stripe"], input=answers)
    assert result.exit_code == 0, result.output
    assert tomllib.loads((tmp_path / "crm.toml").read_text(encoding="utf-8")) == {
        "to": "duckdb:///crm.duckdb",
        "schema": "stripe",
        "endpoints": ["customers"],
        "time_zone": "Europe/Berlin",
    }


def test_a_variable_stays_a_variable_and_a_password_is_told(connector: Run, tmp_path: Path) -> None:
    code, _, err = connector("init", "--to", "${PG_URL}", PG_URL="postgresql://me:secret@localhost/db")
    assert (code, err) == (0, "")
    assert "secret" not in (tmp_path / "stripe.toml").read_text(encoding="utf-8")
    assert connector("init", "later.toml", "--to", "${NOT_SET_YET}")[0] == 0
    code, _, err = connector("init", "open.toml", "--to", "postgresql://me:secret@localhost/db")
    assert code == 0
    assert "holds a password" in err
    assert "secret" not in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["there.toml"], "is there already"),
        (["--tables", "invoces"], "Did you mean invoices"),
        (["--to", "customers.csv"], "is no database"),
        (["--since", "tody"], "Did you mean today"),
        (["--time-zone", "Europe/Berln"], "Europe/Berlin"),
        (["--tables", ""], "it is empty"),
        (["--tables", ","], "names no table"),
        (["no/such/folder.toml"], "could not be written"),
    ],
)
def test_what_cannot_be_written_is_one_line_and_no_file(
    arguments: list[str], message: str, connector: Run, tmp_path: Path
) -> None:
    (tmp_path / "there.toml").write_text("mine", encoding="utf-8")
    code, out, err = connector("init", *arguments)
    assert code in (1, 2)
    assert message in err
    assert out == ""
    assert [file.read_text(encoding="utf-8") for file in tmp_path.iterdir()] == ["mine"]
