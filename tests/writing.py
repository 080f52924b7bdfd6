"""A sandbox of a module's own to write to, and an account on it with a ledger of its own.

A module takes them as fixtures:

    sandbox = pytest.fixture(scope="module")(a_sandbox)
    stripe = pytest.fixture(an_account)
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from connector import Stripe
from connector.sandbox import Sandbox
from tests.accounts import NOW, account

PATIENT_SECONDS = 60.0  # on a machine that is busy with other tests


def a_sandbox() -> Iterator[Sandbox]:
    """A sandbox without limits."""
    with Sandbox(seed=7, rps=0, now=NOW) as sandbox:
        yield sandbox


def an_account(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stripe]:
    """An account on the sandbox, whose ledger is ledger.sqlite in the test's folder."""
    monkeypatch.setenv("CONNECTOR_LEDGER", str(tmp_path / "ledger.sqlite"))
    with account(sandbox, total_seconds=PATIENT_SECONDS) as stripe:
        yield stripe
