"""Nothing is lost or doubled: killed anywhere and run again, the tables equal Stripe."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from connector.sandbox import Sandbox
from tests.accounts import account
from tests.synced import ENDPOINTS, Key, Place, assert_equal_to_stripe, expected_rows, query, rows_of

NAMES = ["customers", "subscriptions", "subscription_items"]
SEED = 11
KILLS, THOROUGH_KILLS = 25, 300
FRESH_EVERY = 3  # each third kill falls into a first load, the others into later runs


def start(sandbox: Sandbox, place: Place, log: Path) -> subprocess.Popen[str]:
    """Start the process that will sync; it is ready when this returns, and waits for a line."""
    command = [sys.executable, "-m", "tests.sync_process", sandbox.url, str(place), str(log), *NAMES]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def end(process: subprocess.Popen[str]) -> None:
    process.wait()
    for stream in (process.stdin, process.stdout):
        assert stream is not None
        stream.close()


def change(sandbox: Sandbox, chance: random.Random) -> None:
    """Change, delete and add an object of the sandbox."""
    customers: list[dict[str, Any]] = [each for each in sandbox.truth("customer") if not each.get("test_clock")]
    changed, gone = chance.sample(customers, 2)
    sandbox.put("customer", {**changed, "name": f"Changed {chance.random()}"})
    sandbox.delete("customer", gone["id"])
    sandbox.put("customer", {**changed, "id": f"cus_new{chance.randrange(10**9)}", "created": sandbox.clock.now()})
    for of_items in sandbox.truth("subscription"):
        if len(of_items["items"]["data"]) > 1:  # hundreds of kills use them all up
            of_items["items"]["data"].pop()
            sandbox.put("subscription", of_items)
            return


@pytest.mark.timeout(3600)
def test_killed_anywhere_and_run_again_the_tables_equal_stripe(
    sandbox: Sandbox, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    kills = THOROUGH_KILLS if request.config.getoption("--thorough") else KILLS
    landed = kill_and_run_again(sandbox, tmp_path, kills, lambda number: tmp_path / f"{number}.duckdb")
    assert landed["inside a commit"] >= kills // 4
    assert landed["after its end"] <= kills // 4, "too many kills missed their run"


def kill_and_run_again(sandbox: Sandbox, folder: Path, kills: int, fresh: Callable[[int | str], Place]) -> Counter[str]:
    """Kill runs by chance, check what the next one leaves, and return where the kills fell; `fresh` is a new place."""
    chance, landed = random.Random(SEED), Counter[str]()
    log, place = folder / "log", fresh("first")
    whole_run = start(sandbox, place, log)
    began = time.monotonic()
    go(whole_run)
    end(whole_run)
    seconds = time.monotonic() - began
    assert whole_run.returncode == 0
    commits = log.read_bytes().count(b"[")
    there = {name: set(expected_rows(sandbox, name)) for name in NAMES}
    for number in range(kills):
        if number % FRESH_EVERY == 0:
            place = fresh(number)
            there = {name: set() for name in NAMES}
        process = start(sandbox, place, log)
        go(process)
        if number % 2:
            kill_after(process, seconds * chance.random())
        else:
            kill_in_commit(process, log, chance.randrange(1, commits + 1))
        end(process)
        landed[died_in(log)] += 1
        change(sandbox, chance)
        there = converged(sandbox, place, there)
    sys.stdout.write(f"{kills} kills in runs of {seconds:.2f} s, seed {SEED}: {dict(landed)}\n")
    return landed


def converged(sandbox: Sandbox, place: Place, there: dict[str, set[Key]]) -> dict[str, set[Key]]:
    """Run a sync to its end, check that the tables equal Stripe, and return the keys that are there now."""
    expected = {name: set(expected_rows(sandbox, name)) for name in NAMES}
    with account(sandbox) as stripe:
        report = stripe.sync(NAMES, to=str(place))
    assert not report.failed
    assert_equal_to_stripe(place, sandbox, NAMES)
    for name in NAMES:
        missed = (there[name] - expected[name]) if ENDPOINTS[name].deletes != "never" else set()
        assert missed <= set(rows_of(place, name, deleted=True)), "what was there and is gone is marked"
    assert not query(place, "select * from _sync_runs where status = 'running'")
    return expected


def kill_after(process: subprocess.Popen[str], seconds: float) -> None:
    """Kill the process so long after its start, wherever it is by then."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()


def kill_in_commit(process: subprocess.Popen[str], log: Path, number: int) -> None:
    """Kill the process as soon as it is seen to begin a commit, the first or a later one."""
    while process.poll() is None and log.read_bytes().count(b"[") < number:
        continue
    process.kill()


def died_in(log: Path) -> str:
    """Say where in its run the process was when it died."""
    last = log.read_bytes()[-1:]
    return {b"[": "inside a commit", b"]": "between commits", b"": "before the first commit"}.get(last, "after its end")
