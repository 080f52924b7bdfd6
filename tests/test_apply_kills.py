"""Killed anywhere, with answers that are lost and refused, and applied until it is done: each effect exactly once."""

from __future__ import annotations

import random
import sqlite3
import sys
from pathlib import Path

import pytest

from connector.api import client
from connector.sandbox import Sandbox
from tests.accounts import NOW
from tests.apply_process import start, write

FAULTS = "drop=0.01,drop-after=0.01,429=0.01,500=0.005,503=0.005,truncate=0.005"
ROWS, KILLS = 2_000, 25
THOROUGH_ROWS, THOROUGH_KILLS = 10_000, 300
SEED = 5
LATER_SECONDS = 30 * 3600  # keys are of no use any more
EVENT_SECONDS = 700
MOST_RUNS = 20


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("action", ["create", "delete"])
def test_killed_anywhere_and_applied_until_done_each_effect_is_there_once(
    action: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "ATTEMPTS", client.ATTEMPTS)  # the runs in this process set it
    is_thorough = request.config.getoption("--thorough")
    rows, kills = (THOROUGH_ROWS, THOROUGH_KILLS) if is_thorough else (ROWS, KILLS)
    share = 4 if action == "create" else 1  # four fifths of all are creations
    with Sandbox(seed=SEED, rps=0, now=NOW, faults=FAULTS) as sandbox:
        once(sandbox, action, rows * share // 5, kills * share // 5, tmp_path)


def once(sandbox: Sandbox, action: str, count: int, kills: int, folder: Path) -> None:
    """Write so many rows, killed so many times on the way, and check that each had its effect once."""
    file, ledger, chance = folder / "rows.csv", folder / "ledger.sqlite", random.Random(SEED)
    wanted = rows_of(sandbox, action, count, file)
    landed = 0
    for number in range(kills):
        process = start(sandbox.url, file, ledger, action)
        process.join(chance.uniform(0.02, 0.5))
        landed += process.exitcode is None
        process.kill()
        process.join()
        if number == kills // 2:
            sandbox.advance(LATER_SECONDS)
    runs = applied_until_done(sandbox, file, ledger, action)
    sys.stdout.write(f"{action}: {count} rows, {landed} kills of {kills} landed, {runs} runs after them\n")
    assert landed >= kills // 2
    if action == "create":
        assert sorted(each["email"] for each in sandbox.truth("customer") if each["email"] in wanted) == sorted(wanted)
    else:
        assert not wanted & {each["id"] for each in sandbox.truth("customer")}
    assert_the_ledger_and_the_sandbox_agree(sandbox, ledger, count, is_keyed=action == "create")


def rows_of(sandbox: Sandbox, action: str, count: int, file: Path) -> set[str]:
    """Write the file of rows, and return what tells them apart."""
    if action == "create":
        wanted = {f"row{number}@kills.example" for number in range(count)}
        file.write_text("email\n" + "".join(f"{each}\n" for each in sorted(wanted)))
        return wanted
    template = next(each for each in sandbox.truth("customer") if not each.get("test_clock"))
    wanted = {f"cus_kill{number}" for number in range(count)}
    for each in wanted:
        sandbox.put("customer", {**template, "id": each})
    file.write_text("id\n" + "".join(f"{each}\n" for each in sorted(wanted)))
    return wanted


def applied_until_done(sandbox: Sandbox, file: Path, ledger: Path, action: str) -> int:
    """Run the file again and again until nothing is left, and return how often that was."""
    for number in range(1, MOST_RUNS):
        if not write(sandbox.url, file, ledger, action).failed:
            return number
        sandbox.advance(EVENT_SECONDS)
    pytest.fail(f"it is not done after {MOST_RUNS} runs")


def assert_the_ledger_and_the_sandbox_agree(sandbox: Sandbox, ledger: Path, count: int, *, is_keyed: bool) -> None:
    with sqlite3.connect(ledger) as connection:
        known = dict(connection.execute("SELECT key, status FROM rows").fetchall())
    assert set(known.values()) == {"done"}
    assert len(known) == count
    effects: dict[str, int] = sandbox.stats()["effects"]
    if is_keyed:
        assert dict.fromkeys(known, 1) == {key: times for key, times in effects.items() if key}
    else:
        assert effects == {"": count}
