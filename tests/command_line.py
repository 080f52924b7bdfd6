"""The command line, run as people run it: in an empty folder, with a sandbox's key in the environment."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from connector.cli.app import run
from connector.sandbox import Sandbox

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def connector(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
    shared_sandbox: Sandbox,
) -> Run:
    """Run the command line in an empty folder, with the sandbox's key, and return its code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith(("STRIPE_", "CONNECTOR_")) and name != "STRIPE_SPEC_DIR":
            monkeypatch.delenv(name)
    monkeypatch.setenv("CONNECTOR_LEDGER", str(tmp_path / "ledger.sqlite"))
    monkeypatch.setenv("STRIPE_API_KEY", shared_sandbox.key)
    monkeypatch.setenv("STRIPE_API_BASE", shared_sandbox.url)
    monkeypatch.setenv("COLUMNS", "100")

    def connector(*arguments: str, **environ: str | None) -> tuple[int, str, str]:
        for name, value in environ.items():
            monkeypatch.delenv(name, raising=False) if value is None else monkeypatch.setenv(name, value)
        code = run([each.replace("{url}", shared_sandbox.url) for each in arguments])
        written = capfd.readouterr()
        return code, written.out, written.err

    return connector
