"""What the tests share: one sandbox without limits, and an account on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connector import Stripe
from connector.sandbox import Sandbox
from tests.accounts import NOW, account


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option for tests that repeat what chance decides more often."""
    parser.addoption("--thorough", action="store_true", help="kill a sync 300 times instead of 25")


@pytest.fixture(scope="session")
def shared_sandbox() -> Iterator[Sandbox]:
    """One sandbox for all tests that only read from it."""
    with Sandbox(seed=7, rps=0, now=NOW) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A sandbox of one's own, to change objects in and to let calls fail."""
    with Sandbox(seed=7, rps=0, now=NOW) as sandbox:
        yield sandbox


@pytest.fixture
def stripe(shared_sandbox: Sandbox) -> Iterator[Stripe]:
    """An account on the shared sandbox."""
    with account(shared_sandbox) as stripe:
        yield stripe


@pytest.fixture
def no_rate_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lift the client's own limits for commands, which take no setting for them: a sandbox without limits is meant."""
    monkeypatch.setattr("connector.client.TEST_RPS", 100_000.0)
    monkeypatch.setattr("connector.limits.ENDPOINT_RPS", 100_000.0)
