"""Nothing is lost or doubled: killed anywhere and run again, the tables equal Stripe."""

from __future__ import annotations

import contextlib
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from connector.errors import TargetError
from connector.sandbox import Sandbox
from tests.accounts import account
from tests.sync_process import start
from tests.synced import (
    ENDPOINTS,
    Key,
    Place,
    assert_equal_to_stripe,
    delete,
    expected_rows,
    query,
    read_by_changes,
    read_in_full,
    rows_of,
)
from tests.synced import change as changed_to

__all__ = ["read_by_changes", "read_in_full"]

NAMES = ["customers", "subscriptions", "subscription_items"]
SEED = 11
KILLS, THOROUGH_KILLS = {"read_in_full": 6, "read_by_changes": 9}, {"read_in_full": 100, "read_by_changes": 200}
DAMAGED_OF = 50  # kills: as one of so many may leave a file that DuckDB itself has damaged
FRESH_EVERY = 3  # each third kill falls into a first load, the others into later runs


def change(sandbox: Sandbox, chance: random.Random) -> None:
    """Change, delete and add an object of the sandbox."""
    customers: list[dict[str, Any]] = [each for each in sandbox.truth("customer") if not each.get("test_clock")]
    changed, gone = chance.sample(customers, 2)
    changed_to(sandbox, "customer", {**changed, "name": f"Changed {chance.random()}"})
    delete(sandbox, "customer", gone)
    new = {**changed, "id": f"cus_new{chance.randrange(10**9)}", "created": sandbox.clock.now()}
    changed_to(sandbox, "customer", new)
    for of_items in sandbox.truth("subscription"):
        if len(of_items["items"]["data"]) > 1:  # hundreds of kills use them all up
            of_items["items"]["data"].pop()
            changed_to(sandbox, "subscription", of_items)
            return


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("how", ["read_in_full", "read_by_changes"])
def test_killed_anywhere_and_run_again_the_tables_equal_stripe(
    how: str, sandbox: Sandbox, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue(how)
    kills = (THOROUGH_KILLS if request.config.getoption("--thorough") else KILLS)[how]
    landed = kill_and_run_again(
        sandbox, kills, lambda number: tmp_path / f"{number}.duckdb", in_full=how == "read_in_full"
    )
    assert landed["inside a commit"] >= kills // 4
    assert landed["after its end"] <= kills // 2, "too many kills missed their run"


def kill_and_run_again(
    sandbox: Sandbox, kills: int, fresh: Callable[[int | str], Place], *, in_full: bool
) -> Counter[str]:
    """Kill runs by chance, check what the next one leaves, and return where the kills fell; `fresh` is a new place."""
    chance, landed = random.Random(SEED), Counter[str]()
    place = fresh("first")
    there = keys(sandbox)  # first, since the sandbox has its objects at hand once they have been read
    first, later = (whole_run(sandbox, place, in_full=in_full) for _ in range(2))
    for number in range(kills):
        seconds, commits = first if number % FRESH_EVERY == 0 else later
        if number % FRESH_EVERY == 0:
            place = fresh(number)
            there = {name: set() for name in NAMES}
        process, steps = start(sandbox.url, str(place), NAMES, in_full=in_full)
        if number % 2:
            seen = steps_until(steps, seconds=seconds * chance.random())
        else:
            seen = steps_until(steps, commit=chance.randrange(1, commits + 1))
        process.kill()
        process.join()
        landed[died_in(seen + steps_until(steps))] += 1
        change(sandbox, chance)
        try:
            there = converged(sandbox, place, there)
        except TargetError as error:
            # DuckDB writes its catalogue's blocks in place: a plain DuckDB that is killed then leaves such a file, too.
            if "is damaged: " not in str(error):
                raise
            landed["in a file that DuckDB left damaged"] += 1
            place = fresh(f"{number} anew")
            there = converged(sandbox, place, {name: set() for name in NAMES})
    assert landed["in a file that DuckDB left damaged"] <= -(-kills // DAMAGED_OF)
    sys.stdout.write(
        f"{kills} kills in runs of {first[0]:.2f} s, later {later[0]:.2f} s, seed {SEED}: {dict(landed)}\n"
    )
    return landed


def whole_run(sandbox: Sandbox, place: Place, *, in_full: bool) -> tuple[float, int]:
    """Let one run come to its end; return how many seconds it took and how many commits."""
    process, steps = start(sandbox.url, str(place), NAMES, in_full=in_full)
    began = time.monotonic()
    seen = steps_until(steps)
    process.join()
    assert process.exitcode == 0
    return time.monotonic() - began, seen.count(b"[")


def keys(sandbox: Sandbox) -> dict[str, set[Key]]:
    """Return the keys that each table must hold now."""
    return {name: set(expected_rows(sandbox, name)) for name in NAMES}


def converged(sandbox: Sandbox, place: Place, there: dict[str, set[Key]]) -> dict[str, set[Key]]:
    """Run a sync to its end, check that the tables equal Stripe, and return the keys that are there now."""
    expected = keys(sandbox)
    with account(sandbox) as stripe:
        report = stripe.sync(NAMES, to=str(place))
    assert not report.failed
    assert_equal_to_stripe(place, sandbox, NAMES)
    for name in NAMES:
        missed = (there[name] - expected[name]) if ENDPOINTS[name].deletes != "never" else set()
        assert missed <= set(rows_of(place, name, deleted=True)), "what was there and is gone is marked"
    assert not query(place, "select * from _sync_runs where status = 'running'")
    return expected


def steps_until(steps: Connection, *, commit: int = 0, seconds: float | None = None) -> bytes:
    """Return a process's steps up to the beginning of its so-manieth commit, after so many seconds, or to its end."""
    seen = b""
    until = None if seconds is None else time.monotonic() + seconds
    with contextlib.suppress(EOFError):
        while (not commit or seen.count(b"[") < commit) and steps.poll(until and max(0.0, until - time.monotonic())):
            seen += steps.recv_bytes()
    return seen


def died_in(steps: bytes) -> str:
    """Say where in its run a process was when it died."""
    last = steps[-1:]
    return {b"[": "inside a commit", b"]": "between commits", b"": "before the first commit"}.get(last, "after its end")
