"""Programs that are measured, each in a process of its own, start-up included."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
COMPILED = str(Path(tempfile.gettempdir(), "benchmarks-compiled"))


@dataclass(frozen=True)
class Spent:
    """What a process took: seconds of CPU, seconds, and the most memory that it held."""

    cpu: float
    seconds: float
    peak_mb: float


def spent(program: str, *arguments: str, python: str = sys.executable) -> Spent:
    """Run a program of Python to its end, modules compiled before, as where they are installed."""
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environ["PYTHONPYCACHEPREFIX"] = COMPILED
    began = time.perf_counter()
    process = subprocess.Popen([python, "-c", program, *arguments], cwd=ROOT, env=environ)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args)
    return Spent(usage.ru_utime + usage.ru_stime, seconds, peak_mb(usage))


def medians(runs: Sequence[Spent]) -> Spent:
    """Return the medians of several runs of one program."""
    cpu, seconds, peak = (statistics.median(figures) for figures in zip(*map(astuple, runs), strict=True))
    return Spent(cpu, seconds, peak)


def peak_mb(usage: resource.struct_rusage) -> float:
    """Return the most memory that was held; macOS counts it in bytes, Linux in KiB."""
    return usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e6 / 1024)


@contextmanager
def list_server(*settings: object) -> Iterator[str]:
    """Serve lists from a process of its own; yield its address."""
    command = [sys.executable, "-m", "benchmarks.list_server", *map(str, settings)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.terminate()
