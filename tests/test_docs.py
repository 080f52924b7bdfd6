"""The docs: made pages say what the code says, and every example runs."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from pathlib import Path

import pyarrow as pa
import pytest

from connector import Stripe
from connector.cli.app import commands, run
from connector.definitions.endpoint import Endpoints
from connector.definitions.layout import KEYS
from connector.definitions.parts import TYPES
from connector.sandbox import Sandbox
from docs import reference
from tests.accounts import NOW, account
from tests.synced import shared_sandbox

__all__ = ["shared_sandbox"]

pytestmark = pytest.mark.usefixtures("no_rate_limits")

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^uv run connector ((?:extract|init|sync|state|load|request) .*)$", README, re.MULTILINE)
OUT_OF_DATE = "out of date: uv run python docs/reference.py"
WRITES = ("connector write ", "connector apply ")
PAGE_ON_WRITES = (ROOT / "docs/write.md").read_text(encoding="utf-8")
HELP_EXAMPLES = [
    line.strip().removeprefix("connector ")
    for command in commands.commands.values()
    for line in (command.help or "").splitlines()
    if line.strip().startswith("connector ") and not line.strip().startswith(("connector sandbox", *WRITES))
]
WRITE_EXAMPLES = [
    re.findall(r"^    connector ((?:write|apply) .*)$", text, re.MULTILINE)
    for text in (PAGE_ON_WRITES, commands.commands["write"].help or "", commands.commands["apply"].help or "")
]

OTHER_CONFIGS = sorted(  # than those that an example syncs, which takes seconds
    file.name
    for file in (ROOT / "sample_configs").glob("*.toml")
    if not any(example == f"sync sample_configs/{file.name}" for example in EXAMPLES)
)
MADE_PAGES = [file for file in reference.pages() if file != reference.README]  # whose demo is run by test_demo.py


@pytest.fixture(autouse=True)
def at_the_sandbox(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shared_sandbox: Sandbox) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "sample_configs", tmp_path / "sample_configs")  # a sync writes beside its config
    for name in list(os.environ):
        if name.startswith("STRIPE_") and name != "STRIPE_SPEC_DIR":
            monkeypatch.delenv(name)
    monkeypatch.setenv("STRIPE_API_KEY", shared_sandbox.key)
    monkeypatch.setenv("STRIPE_API_BASE", shared_sandbox.url)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("CONNECTOR_LEDGER", str(tmp_path / "ledger.sqlite"))


@pytest.mark.parametrize("file", MADE_PAGES, ids=lambda file: file.name)
def test_a_made_page_says_what_the_code_says(file: Path) -> None:
    assert file.read_text(encoding="utf-8") == reference.pages()[file](), OUT_OF_DATE


def make_what_loads_read(folder: Path) -> None:
    (folder / "leads.csv").write_text("email,name\njane@example.com,Jane\n", encoding="utf-8")
    orders = pa.table({"id": [1, 2], "region": ["eu", "us"]})
    for file in ("orders.xlsx", "prices.parquet", "stripe.duckdb"):
        Stripe.load(orders, str(folder / file), "customers", mode="replace")


@pytest.mark.parametrize(
    "example", dict.fromkeys(each.partition("  #")[0].rstrip() for each in (*EXAMPLES, *HELP_EXAMPLES))
)
def test_every_example_runs(
    example: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    if "_URL}" in example:
        for name in ("PG_URL", "MSSQL_URL"):  # Postgres stands in for the SQL Server that is not here
            monkeypatch.setenv(name, request.getfixturevalue("postgres_database"))
    if example.startswith("load "):
        make_what_loads_read(tmp_path)
    words = shlex.split(example, comments=True)
    if "stripe.toml" in words:
        assert run(["init", "--tables", "customers,invoices"]) == 0
    if words[0] == "state":
        assert run(["sync", "stripe.toml", "--quiet"]) == 0
    if "--reset" in words:
        assert run(["sync", "stripe.toml", "--only", words[-1]]) == 0
    code = run(words)
    written = capfd.readouterr()
    failed = [line for line in written.out.splitlines() if line.startswith("FAIL")]
    assert (code, failed) == (0, []), written.err


def make_what_writes_read(folder: Path, sandbox: Sandbox) -> str:
    """Make the files that the examples of writes read, and return the id of a draft invoice."""
    ids = [each["id"] for each in sandbox.truth("customer") if not each.get("test_clock")][:2]
    (folder / "segments.csv").write_text(
        "".join(f"{line}\n" for line in ("id,segment", *(f"{each},gold" for each in ids)))
    )
    (folder / "crm.csv").write_text(f"mail,full_name\njane@example.com,Jane\n{ids[0]}@example.com,Joe\n")
    items = pa.table({"customer": ids, "cents": [500, 1250], "currency": ["usd", "usd"]})
    Stripe.load(items, str(folder / "march.xlsx"), mode="replace")
    with account(sandbox) as stripe:
        draft = {"collection_method": "send_invoice", "days_until_due": 30, "customer": ids[0]}
        made = stripe.write("invoices", "create", **draft).apply(allow=["money"])
    return str(made.outcomes[0].object_id)


@pytest.mark.parametrize("examples", WRITE_EXAMPLES, ids=["page", "write", "apply"])
def test_the_examples_of_writes_run_one_after_the_other(
    examples: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert examples
    with Sandbox(seed=7, rps=0, now=NOW) as sandbox:
        monkeypatch.setenv("STRIPE_API_BASE", sandbox.url)
        invoice = make_what_writes_read(tmp_path, sandbox)
        for example in examples:
            code = run(shlex.split(example.replace("in_1", invoice)))
            assert code == 0, f"{example}\n{capfd.readouterr().err}"


def test_the_python_of_the_page_on_writes_runs(capfd: pytest.CaptureFixture[str]) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE_ON_WRITES, re.DOTALL)
    exec(compile(example, "docs/write.md", "exec"), {})
    assert "to send              2" in capfd.readouterr().out


def test_there_are_examples_to_run() -> None:
    assert len(EXAMPLES) >= 10
    assert len(HELP_EXAMPLES) >= 10


def test_the_readmes_python_runs(tmp_path: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(example, "README.md", "exec"), names)
    assert isinstance(names["stripe"], Stripe)
    names["stripe"].close()
    assert (tmp_path / "invoices.csv").stat().st_size > 1000
    assert len(names["frame"]) > 10  # type: ignore[arg-type]


def test_the_python_of_the_page_on_outputs_runs(capfd: pytest.CaptureFixture[str]) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/outputs.md").read_text(encoding="utf-8"), re.DOTALL)
    exec(compile(example, "docs/outputs.md", "exec"), {})
    assert "usd" in capfd.readouterr().out


@pytest.mark.parametrize("name", commands.commands)
def test_every_command_and_option_can_be_found(name: str) -> None:
    page = (ROOT / "docs/commands.md").read_text(encoding="utf-8")
    assert re.search(rf"connector {name}\b", README)
    for option in commands.commands[name].params:
        assert all(each in page for each in option.opts if each.startswith("-"))


def test_what_the_readme_writes_is_what_the_page_on_writes_runs() -> None:
    examples = re.findall(r"^uv run (connector (?:write|apply) .*)$", README, re.MULTILINE)
    assert examples
    for example in examples:
        assert f"    {example}\n" in PAGE_ON_WRITES


def test_every_word_of_a_definition_is_explained() -> None:
    page = (ROOT / "docs/definitions.md").read_text(encoding="utf-8")
    for word in (*KEYS, *TYPES, "child", "omit", "many", "wildcard", "required", "parameter", "column", "kind"):
        assert re.search(rf"`?\b{word}\b", page), word


def test_every_endpoint_can_be_found() -> None:
    page = (ROOT / "docs/endpoints.md").read_text(encoding="utf-8")
    missing = [name for name in Endpoints() if f"\n## {name}\n" not in page]
    assert not missing, "\n".join(missing)


def test_links_between_the_pages_lead_somewhere() -> None:
    for file in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", file.read_text(encoding="utf-8")):
            assert (file.parent / link).exists(), f"{file.name}: {link}"


def test_the_sample_connections_work(shared_sandbox: Sandbox, capfd: pytest.CaptureFixture[str]) -> None:
    arguments = ["--config", str(ROOT / "sample_configs/connections.toml"), "--connection", "sandbox"]
    code = run(["extract", "customers", *arguments, "--api-base", shared_sandbox.url, "--columns", "id,team"])
    written = capfd.readouterr()
    assert code == 0, written.err
    assert written.out.startswith("id,team\n")


@pytest.mark.timeout(400)  # one of them reads every table that there is
@pytest.mark.parametrize("name", OTHER_CONFIGS)
def test_every_sample_config_runs(
    name: str, capfd: pytest.CaptureFixture[str], request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name == "connections.toml":  # names keys for other commands
        pytest.skip("no config of a sync")
    if name == "sqlserver.toml" and "TEST_MSSQL_URL" not in os.environ:
        pytest.skip("TEST_MSSQL_URL is not set: there is no SQL Server here")
    if name == "postgres.toml":
        monkeypatch.setenv("PG_URL", request.getfixturevalue("postgres_database"))
    monkeypatch.setenv("MSSQL_URL", os.environ.get("TEST_MSSQL_URL", ""))
    config = f"sample_configs/{name}"
    assert run(["sync", config, "--log-format", "json"]) == 0, capfd.readouterr().err
    assert run(["state", config]) == 0


def test_the_example_of_a_sync_config_says_only_what_a_config_may_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRIPE_KEY_SHOP", "sk_test_sandbox")
    (example,) = re.findall(r"```toml\n(.*?)```", (ROOT / "docs/sync.md").read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "my_tables").mkdir()
    (tmp_path / "sync.toml").write_text(example, encoding="utf-8")
    assert run(["sync", "sync.toml", "--dry-run"]) == 0


def test_the_example_of_a_snapshot_runs() -> None:
    import duckdb

    shutil.copy("sample_configs/duckdb.toml", "duckdb.toml")
    assert run(["sync", "duckdb.toml", "--only", "coupons"]) == 0
    examples = re.findall(r"```python\n(.*?)```", (ROOT / "docs/sync.md").read_text(encoding="utf-8"), re.DOTALL)
    exec(compile(examples[-1], "docs/sync.md", "exec"), {})
    with duckdb.connect("snapshot.duckdb") as copy:
        ((rows,),) = copy.sql("SELECT count(*) FROM coupons").fetchall()
    assert rows > 3
