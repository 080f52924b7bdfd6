"""`connector request` as people type it."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from connector.sandbox import Sandbox
from tests.command_line import Run
from tests.scripted_server import Answer, ScriptedServer

pytestmark = pytest.mark.usefixtures("no_rate_limits")


def test_the_examples_of_the_page_run(connector: Run, tmp_path: Path) -> None:
    code, out, err = connector(
        "request", "GET", "/v1/events", "--query", "type=invoice.paid", "--filter", "$.data[*]", "--paginate",
        "--to", "events.parquet",
    )  # fmt: skip
    assert (code, out) == (0, ""), err
    found = pq.read_table(tmp_path / "events.parquet")
    assert set(found.column("type").to_pylist()) == {"invoice.paid"}
    assert re.search(rf"GET /v1/events: {found.num_rows} rows, .* s, written to events.parquet\n", err)


def test_rows_go_to_stdout_and_everything_else_to_stderr(connector: Run) -> None:
    code, out, err = connector("request", "get", "customers?limit=2")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert (code, [row["object"] for row in rows]) == (0, ["customer"] * 2)
    assert "GET /v1/customers: 2 rows, 1 request," in err
    assert "--paginate reads them all" in err
    code, out, _ = connector("request", "GET", "customers", "--limit", "1", "--format", "jsonl")
    assert json.loads(out)["object"] == "customer"


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet", "xlsx", "duckdb"])
def test_every_kind_of_file_takes_the_rows(suffix: str, connector: Run, tmp_path: Path) -> None:
    code, _, err = connector("request", "GET", "payouts", "--to", f"payouts.{suffix}", "--table", "payouts")
    assert code == 0, err
    told = (
        "payouts in payouts.duckdb: 10 rows read, 10 inserted"
        if suffix == "duckdb"
        else f", written to payouts.{suffix}\n"
    )
    assert told in err
    assert (tmp_path / f"payouts.{suffix}").stat().st_size > 100


def test_a_table_fits_and_names_only_what_there_is(connector: Run) -> None:
    code, out, err = connector("request", "GET", "charges", "--paginate", "--format", "table")
    assert code == 0
    assert out.count("ch_") == 20
    assert " columns more: --to FILE writes them all" in err
    assert "--columns" not in err


def test_a_write_is_printed_until_it_is_asked_for(connector: Run, sandbox: Sandbox) -> None:
    words = ["request", "POST", "customers", "--form", "email=new@example.com", "--api-base", sandbox.url]
    code, out, err = connector(*words)
    assert (code, err) == (0, "")
    assert out.startswith(f"POST {sandbox.url}/v1/customers\n")
    assert out.endswith("\nNot sent. What sends it: --apply\n")
    assert sandbox.requests == []
    code, out, err = connector(*words, "--apply", "--format", "jsonl")
    assert code == 0, err
    assert json.loads(out)["email"] == "new@example.com"
    assert [each.method for each in sandbox.requests] == ["POST"]


def test_files_are_sent_as_form_data(connector: Run, sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "receipt.pdf").write_bytes(b"%PDF receipt")
    words = ["request", "POST", "/v1/files", "--multipart", "--form", "purpose=dispute_evidence", "--form",
             "file=@receipt.pdf", "--apply", "--api-base", sandbox.url]  # fmt: skip
    code, out, err = connector(*words, "--format", "jsonl")
    assert code == 0, err
    made = json.loads(out)
    assert (made["filename"], made["size"]) == ("receipt.pdf", 12)
    code, out, err = connector("request", "GET", f"files/{made['id']}/contents", "--api-base", sandbox.url)
    assert (code, out) == (0, ""), err
    assert f"12 bytes of application/octet-stream saved as {made['id']}.bin" in err
    assert (tmp_path / f"{made['id']}.bin").read_bytes() == b"%PDF receipt"
    code, _, err = connector(
        "request", "GET", f"files/{made['id']}/contents", "--to", "back.pdf", "--api-base", sandbox.url
    )
    assert code == 0, err
    assert (tmp_path / "back.pdf").read_bytes() == b"%PDF receipt"


def test_a_file_that_cannot_be_read_sends_nothing(connector: Run, sandbox: Sandbox) -> None:
    code, _, err = connector(
        "request", "POST", "/v1/files", "--multipart", "--form", "file=@no.pdf", "--apply", "--api-base", sandbox.url
    )
    assert (code, sandbox.requests) == (2, [])
    assert "no.pdf" in err


def test_raw_is_the_body_as_it_came(connector: Run, tmp_path: Path) -> None:
    body = b'{ "a" :1.50}\n'
    with ScriptedServer(Answer(body=body)) as server:
        code, out, err = connector("request", "GET", "x", "--raw", "--api-base", server.url)
        assert (code, out, err) == (0, body.decode(), "")
        code, out, _ = connector("request", "GET", "x", "--raw", "--to", "x.json", "--api-base", server.url)
        assert (code, out) == (0, "")
    assert (tmp_path / "x.json").read_bytes() == body


def test_the_raw_answer_to_a_write_goes_to_a_file_of_any_name(connector: Run, tmp_path: Path) -> None:
    with ScriptedServer(Answer(body={"id": "cus_1"})) as server:
        words = ["request", "POST", "customers", "--apply", "--raw", "--to", "answer.txt", "--api-base", server.url]
        code, _, err = connector(*words)
    assert code == 0, err
    assert json.loads((tmp_path / "answer.txt").read_bytes()) == {"id": "cus_1"}


def test_a_file_is_not_printed_on_a_terminal(connector: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = Answer(headers={"Content-Type": "image/png"}, body=b"\x89PNG\x00")
    with ScriptedServer(answer) as server:
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
        code, out, err = connector("request", "GET", "v1/logo", "--raw", "--api-base", server.url)
    assert (code, out) == (0, "")
    assert "saved as logo.png" in err
    assert (tmp_path / "logo.png").read_bytes() == b"\x89PNG\x00"


def test_what_is_not_json_is_one_clear_line(connector: Run) -> None:
    with ScriptedServer(Answer(headers={"Content-Type": "text/html"}, body="<html>oops")) as server:
        code, out, err = connector("request", "GET", "x", "--api-base", server.url)
    assert (code, out) == (1, "")
    assert "is text/html, not JSON, so it has no rows" in err
    assert len(err.splitlines()) == 1


def test_a_saved_request_is_a_table_from_then_on(connector: Run, tmp_path: Path) -> None:
    (tmp_path / "my_tables").mkdir()
    (tmp_path / "connector.toml").write_text('definitions = ["my_tables"]\n', encoding="utf-8")
    code, _, err = connector(
        "request", "GET", "/v1/events", "--query", "type=invoice.paid", "--paginate", "--save", "paid_events",
        "--key", "id", "--to", "events.csv",
    )  # fmt: skip
    assert code == 0, err
    assert "my_tables/paid_events.toml".replace("/", "\\" if sys.platform == "win32" else "/") in err
    code, out, err = connector("extract", "paid_events")
    assert code == 0, err
    saved = list(csv.DictReader((tmp_path / "events.csv").read_text(encoding="utf-8").splitlines()))
    assert [row["id"] for row in csv.DictReader(io.StringIO(out))] == [row["id"] for row in saved]
    (tmp_path / "sync.toml").write_text(
        'to = "s.duckdb"\nendpoints = ["paid_events"]\ndefinitions = ["my_tables"]\n', encoding="utf-8"
    )
    code, out, err = connector("sync", "sync.toml")
    assert code == 0, err
    code, out, err = connector("request", "GET", "/v1/payouts", "--save", "paid_events")
    assert (code, out) == (2, "")
    assert "--replace" in err


PAGE = (Path(__file__).parents[1] / "docs/request.md").read_text(encoding="utf-8")


def test_every_example_of_the_docs_runs(connector: Run, sandbox: Sandbox, tmp_path: Path) -> None:
    write_ids(tmp_path, [each["id"] for each, _ in zip(sandbox.truth("customer"), range(3), strict=False)])
    (tmp_path / "receipt.pdf").write_bytes(b"%PDF")
    (tmp_path / "leads.csv").write_text("mail,team\njane@example.com,blue\n", encoding="utf-8")
    gone = next(each["id"] for each in sandbox.truth("customer") if not each.get("test_clock"))
    (tmp_path / "gone.csv").write_text(f"id\n{gone}\n", encoding="utf-8")
    (tmp_path / "my_tables").mkdir()
    (tmp_path / "connector.toml").write_text('definitions = ["my_tables"]\n', encoding="utf-8")
    examples = re.findall(r"^connector (.*)$", PAGE, re.MULTILINE)
    assert len(examples) >= 8
    for example in examples:
        code, _, err = connector(*shlex.split(example), STRIPE_API_BASE=sandbox.url)
        assert code == 0, (example, err)
    (definition,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert (tmp_path / "my_tables" / "reports.toml").read_text(encoding="utf-8") == definition


def test_the_docs_have_a_row_for_each_of_the_twelve_filters() -> None:
    from connector.request.jsonpath import RowFilter

    filters = [text.replace("\\|", "|") for text in re.findall(r"^\| `(\$.*?)` \|", PAGE, re.MULTILINE)]
    assert len(set(filters)) == 12
    for text in filters:
        RowFilter(text)


# For each row of a source


def write_ids(folder: Path, ids: list[str]) -> None:
    (folder / "ids.csv").write_text("customer,note\n" + "".join(f"{each},x\n" for each in ids), encoding="utf-8")


def test_a_get_is_sent_for_each_row(connector: Run, tmp_path: Path, shared_sandbox: Sandbox) -> None:
    ids = [each["id"] for each, _ in zip(shared_sandbox.truth("customer"), range(5), strict=False)]
    write_ids(tmp_path, ids)
    code, out, err = connector("request", "GET", "customers/{customer}", "--from", "ids.csv")
    assert code == 0, err
    assert [row["id"] for row in csv.DictReader(io.StringIO(out))] == ids
    assert "5 rows, 5 requests" in err


def test_a_row_that_fails_is_named_and_the_others_come(connector: Run, tmp_path: Path, shared_sandbox: Sandbox) -> None:
    (first, second) = [each["id"] for each, _ in zip(shared_sandbox.truth("customer"), range(2), strict=False)]
    write_ids(tmp_path, [first, "cus_gone", "", second])
    code, _, err = connector("request", "GET", "customers/{customer}", "--from", "ids.csv", "--to", "out.jsonl")
    assert code == 1
    rows = [json.loads(line)["id"] for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert rows == [first, second]
    failed = [line for line in err.splitlines() if "cus_gone" in line or "has no value" in line]
    assert len(failed) == 2
    assert all("row" in line or "line" in line for line in failed)


def test_where_every_row_fails_each_is_named(connector: Run, tmp_path: Path) -> None:
    write_ids(tmp_path, ["cus_gone", "cus_away"])
    code, _, err = connector("request", "GET", "customers/{customer}", "--from", "ids.csv", "--to", "out.csv")
    assert code == 1
    assert "No such customer: 'cus_gone'" in err
    assert "No such customer: 'cus_away'" in err
    assert not (tmp_path / "out.csv").exists()


def test_a_placeholder_that_the_source_lacks_sends_nothing(connector: Run, tmp_path: Path, sandbox: Sandbox) -> None:
    write_ids(tmp_path, ["cus_1"])
    bad: list[tuple[list[str], str]] = [
        (["customers/{custmer}"], "Did you mean customer?"),
        (["customers"], "put a column in braces"),
        (["https://example.com/{customer}"], "--no-auth"),
        (["customers", "--query", "email={mail}"], "{mail} is no column of the source"),
    ]
    for words, message in bad:
        code, _, err = connector("request", "GET", *words, "--from", "ids.csv", "--api-base", sandbox.url)
        assert (code, message in err) == (2, True), err
    code, _, err = connector("request", "GET", "customers/{customer}", "--from", "no.csv", "--api-base", sandbox.url)
    assert code != 0
    assert "no.csv" in err
    assert sandbox.requests == []


# One row: what people get wrong, the exit code, and what the line must say.
BAD: dict[str, tuple[list[str], int, str]] = {
    "no_url": (["GET"], 2, "Missing argument 'URL'"),
    "unknown_method": (["FETCH", "x"], 2, "There is no method"),
    "query_without_value": (["GET", "x", "--query", "a"], 2, "write key=value"),
    "get_with_body": (["GET", "x", "--body", "a"], 2, "--query adds parameters"),
    "filter_broken": (["GET", "x", "--filter", "$.data["], 2, "The filter $.data["),
    "unknown_allowance": (["POST", "x", "--allow", "mony"], 2, "Did you mean money"),
    "money": (["POST", "refunds", "--apply"], 2, "--allow money"),
    "deletion": (["DELETE", "customers/cus_1", "--apply"], 2, "--allow delete"),
    "stranger": (["GET", "https://example.com/"], 2, "--no-auth"),
    "raw_and_pages": (["GET", "x", "--raw", "--paginate"], 2, "--raw is one response"),
    "key_for_a_file": (["GET", "x", "--key", "id", "--to", "x.csv"], 2, "--key is for"),
    "replace_of_nothing": (["GET", "x", "--replace"], 2, "--replace is for --save"),
    "raw_into_a_database": (["POST", "customers", "--apply", "--raw", "--to", "x.duckdb"], 2, "not to a database"),
    "write_with_nowhere_to_go": (["POST", "customers", "--apply", "--to", "x.cvs"], 2, "x.cvs"),
    "save_without_folder": (["GET", "charges", "--save", "kept"], 2, "--definitions FOLDER"),
    "save_of_a_condition": (["GET", "charges", "--save", "kept", "--filter", "$..x"], 2, "cannot be saved"),
    "pages_of_a_write": (["POST", "customers", "--paginate"], 2, "a POST has none"),
    "bad_header": (["GET", "x", "-H", "nonsense"], 2, "has no colon"),
    "header_of_the_length": (["GET", "x", "-H", "Content-Length: 5"], 2, "Content-Length follows from what is sent"),
    "header_of_the_host": (["GET", "x", "-H", "HOST: example.com"], 2, "HOST follows from what is sent"),
    "bad_version": (["GET", "x", "--stripe-version", "new"], 2, "API version"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_gets_one_clear_line_and_sends_nothing(
    name: str, connector: Run, tmp_path: Path, shared_sandbox: Sandbox
) -> None:
    words, expected, message = BAD[name]
    before = shared_sandbox.stats()["requests"]
    code, out, err = connector("request", *words)
    assert (code, out) == (expected, ""), err
    assert message in err
    assert "Traceback" not in err
    assert shared_sandbox.stats()["requests"] == before
    assert list(tmp_path.iterdir()) == []


def test_a_key_that_was_typed_into_a_path_is_not_shown(connector: Run) -> None:
    with ScriptedServer(Answer(body={"id": "x"})) as server:
        code, _, err = connector("request", "GET", "customers/sk_live_abc123", "--api-base", server.url)
    assert (code, "abc123" in err) == (0, False)
    assert "GET /v1/customers/sk_live_…: 1 row" in err


def test_rows_are_merged_into_a_table_by_key(connector: Run, tmp_path: Path) -> None:
    arguments = ("request", "GET", "payouts", "--to", "s.duckdb", "--table", "payouts", "--key", "id", "--limit", "5")
    code, out, err = connector(*arguments)
    assert (code, out) == (0, "")
    assert "5 rows read, 5 inserted" in err
    code, _, err = connector(*arguments)
    assert code == 0
    assert "0 inserted, 0 updated, 5 unchanged" in err
    assert [file.name for file in tmp_path.iterdir()] == ["s.duckdb"]
