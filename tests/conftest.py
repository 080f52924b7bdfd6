"""What the tests share: one sandbox without limits, and an account on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connector import Stripe
from connector.sandbox import Sandbox
from tests.accounts import NOW, account


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
