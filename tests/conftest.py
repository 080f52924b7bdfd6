"""What the tests share: one sandbox without limits, and an account on it."""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys
from collections.abc import Iterator
from functools import cache

import httpx
import pytest
from hypothesis import HealthCheck, settings

from connector import Stripe
from connector.sandbox import Sandbox
from tests.accounts import NOW, account
from tests.call_shapes import CallShapes
from tests.command_line import connector
from tests.postgres_server import postgres_database, postgres_url

__all__ = ["connector", "postgres_database", "postgres_url"]

LONGEST = {
    "test_apply_kills",
    "test_docs",
    "test_extract",
    "test_parallel",
    "test_query_property",
    "test_sandbox_business",
    "test_sandbox_one_story",
    "test_sync",
    "test_sync_changes",
    "test_sync_everything",
    "test_sync_histories",
    "test_sync_kills",
    "test_sync_lists_below",
    "test_sync_postgres",
    "test_sync_trouble",
    "test_targets_duckdb",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option for tests that repeat what chance decides more often."""
    parser.addoption("--thorough", action="store_true", help="repeat what chance decides ten times as often")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Spread folders of tests over all cores; a file that is named is done before a second process has begun."""
    files = {argument.partition("::")[0] for argument in config.args}
    return 0 if len(files) == 1 and files.pop().endswith(".py") else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, so that no core waits for one of them at the end."""
    items.sort(key=lambda item: item.path.stem not in LONGEST)


def pytest_collection_finish() -> None:
    """Let the collection of garbage pass over what thousands of tests and all libraries are made of: it lives on."""
    gc.freeze()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Let the last collection, as Python ends, find what libraries count as left behind else."""
    if not hasattr(config, "workerinput"):
        gc.unfreeze()
        return
    while gc.collect():  # here, for pytest collects five times, each time through all that thousands of tests keep
        pass
    gc.freeze()


def pytest_configure(config: pytest.Config) -> None:
    """Take Ctrl-C as usual also in the background, where it is ignored, and any time that a property needs."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(config, "workerinput"):  # one of several processes, whose memory the system frees at once
        atexit.register(os._exit, 0)  # as the first, so that it comes last
    between_runs = getattr(config, "cache", None)  # -p no:cacheprovider has none
    # In containers, each of some hundred processes would compile all libraries again.
    if sys.dont_write_bytecode and between_runs:
        del os.environ["PYTHONDONTWRITEBYTECODE"]
        os.environ["PYTHONPYCACHEPREFIX"] = str(between_runs.mkdir("bytecode"))
    gc.set_threshold(20_000, 20, 20)  # seldom, for the heap is large: it would be a tenth of all work
    # A machine that has other things to do is no reason to fail.
    any_machine = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=40)
    settings.register_profile("any machine", any_machine)
    settings.register_profile("thorough", any_machine, max_examples=500)
    settings.load_profile("thorough" if config.getoption("--thorough") else "any machine")


@pytest.fixture(scope="session", autouse=True)
def certificates_are_read_once() -> Iterator[None]:
    """Let clients share what they know of certificates: to read those takes 27 ms each time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("httpx._transports.default.create_ssl_context", cache(httpx.create_ssl_context))
        yield


@pytest.fixture(scope="session", autouse=True)
def call_shapes() -> Iterator[CallShapes]:
    """Every call to a sandbox is checked by Stripe's document."""
    from connector.sandbox.server.service import Service  # not needed by tests that need no sandbox

    shapes = CallShapes()
    Service.watchers.append(shapes.watch)
    yield shapes
    Service.watchers.clear()


@pytest.fixture(autouse=True)
def no_call_that_stripe_refuses(call_shapes: CallShapes) -> Iterator[None]:
    """Fail the test that made a call which the sandbox took and Stripe would not."""
    yield
    wrong = call_shapes.taken()
    assert not wrong, "Stripe would refuse what the sandbox took:\n" + "\n".join(wrong)


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
    monkeypatch.setattr("connector.api.limits.TEST_RPS", 100_000.0)
    monkeypatch.setattr("connector.api.limits.ENDPOINT_RPS", 100_000.0)
