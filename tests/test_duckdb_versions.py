"""DuckDB files are read by the shells and libraries that people have, whatever version the connector brings."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pyarrow as pa
import pytest

from connector import Stripe

ROOT = Path(__file__).parents[1]
ADVICE = [
    line
    for page in (ROOT / "connector" / "cli" / "demo.py", ROOT / "docs" / "targets.md", ROOT / "README.md")
    for line in re.findall(r"uvx --from duckdb-cli duckdb [^\s`]+", page.read_text(encoding="utf-8"))
]
OLDEST = (
    "import duckdb; c = duckdb.connect('stripe.duckdb'); print(duckdb.__version__, c.sql('FROM invoices').fetchall())"
)


def run(command: list[str], folder: Path) -> str:
    """Run a command that takes a release from the index; skip where there is none to take it from."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode and re.search(r"[Ff]ailed to (fetch|download)|No solution found|error sending", done.stderr):
        pytest.skip("the index is out of reach")
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = pa.table({"id": ["in_1", "in_2"], "status": ["paid", "open"]})
    for _ in range(2):  # what is written later keeps the version, too
        Stripe.load(rows, str(tmp_path / "stripe.duckdb"), "invoices", key="id")
    return tmp_path


def test_the_oldest_library_that_is_promised_reads_the_file(folder: Path) -> None:
    python = ["uv", "run", "--no-project", "--quiet", "--with", "duckdb==1.0.0", "python", "-c", OLDEST]
    assert run(python, folder).strip() == "1.0.0 [('in_1', 'paid'), ('in_2', 'open')]"


@pytest.mark.parametrize("advice", sorted(set(ADVICE)))
def test_the_shell_that_is_advised_reads_the_file(advice: str, folder: Path) -> None:
    *command, _file = shlex.split(advice.replace("{FILE}", "stripe.duckdb"))
    query = ["stripe.duckdb", "-csv", "select status, count(*) as n from invoices group by 1 order by 1"]
    assert run([*command, *query], folder).split() == ["status,n", "open,1", "paid,1"]


def test_the_advice_stands_where_people_read_it() -> None:
    assert ADVICE
