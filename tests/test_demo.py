"""The first minute: the demo syncs, answers from the file, and shows what a second run does."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from connector.cli.app import run
from connector.cli.demo import FILE, QUESTIONS, show_demo
from docs import reference
from tests.accounts import NOW

pytestmark = pytest.mark.usefixtures("no_rate_limits")


@pytest.fixture(autouse=True)
def somewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")


def test_the_demo_answers_from_a_file_and_a_second_one_shows_a_second_run(
    capfd: pytest.CaptureFixture[str],
) -> None:
    show_demo(now=reference.DEMO_NOW)
    first = capfd.readouterr()
    assert reference.readme(first.out) == reference.README.read_text(encoding="utf-8"), "run docs/reference.py"
    for question in QUESTIONS:
        assert question in first.out
    assert "Traceback" not in first.err
    with duckdb.connect(FILE, read_only=True) as connection:
        (customers, deleted) = connection.sql("SELECT count(*), count(_deleted_at) FROM customers").fetchall()[0]
    assert (customers > 200, deleted) == (True, 0)
    show_demo(now=reference.DEMO_NOW)
    second = capfd.readouterr()
    (line,) = [line.split() for line in second.out.splitlines() if line.startswith("customers ")]
    assert (line[1], line[2], line[-1]) == ("0", "3", "1")


def test_the_demo_leaves_a_file_with_other_data_alone(capfd: pytest.CaptureFixture[str]) -> None:
    from connector.sandbox import Sandbox
    from tests.accounts import account

    with Sandbox(seed=99, rps=0, now=NOW) as other, account(other) as stripe:
        stripe.sync(["coupons"], to=f"duckdb:///{FILE}")
    capfd.readouterr()
    before = Path(FILE).read_bytes()
    assert run(["demo"]) == 2
    assert "another account" in capfd.readouterr().err
    assert Path(FILE).read_bytes() == before
