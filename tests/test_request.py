"""The generic request: what is sent at once, what has to be asked for, and what comes of the answers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from connector import Stripe
from connector.api.calls import Call, prepare
from connector.apply.gates import missing, needed, permission
from connector.config import Connection, Key
from connector.definitions.actions import Actions
from connector.errors import DataError, ObjectMissing, StripeError, TargetError, UsageError
from connector.sandbox import Sandbox
from tests.accounts import account
from tests.scripted_server import Answer, Received, ScriptedServer, Step
from tests.serving import SECRET


@contextmanager
def answering(*script: Step, key: str = SECRET) -> Iterator[tuple[ScriptedServer, Stripe]]:
    with ScriptedServer(script) as server, Stripe(key=key, api_base=server.url, total_seconds=5) as stripe:
        yield server, stripe


def listed(*records: Any, more: bool = False, **fields: Any) -> Answer:
    return Answer(body={"object": "list", "data": list(records), "has_more": more, **fields})


# What may be sent


def test_a_get_is_sent_at_once_and_once(stripe: Stripe, shared_sandbox: Sandbox) -> None:
    before = shared_sandbox.stats()["requests"]
    found = stripe.request("get", "customers", query=["limit=2"])
    assert shared_sandbox.stats()["requests"] == before + 1
    assert (found.status, found.headers["content-type"].partition(";")[0]) == (200, "application/json")
    assert found.to_arrow().num_rows == len(found.to_pandas()) == 2
    assert b'"object": "list"' in found.raw
    assert shared_sandbox.stats()["requests"] == before + 1


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_anything_else_is_shown_and_not_sent(method: str) -> None:
    with answering(Answer()) as (server, stripe):
        form = [] if method == "DELETE" else ["email=jane@example.com"]
        found = stripe.request(method, "/v1/customers/cus_1", form=form, headers=["Authorization: Basic abc123"])
        for use in (found.to_arrow, lambda: found.raw, lambda: found.status, lambda: list(found), found.download):
            with pytest.raises(UsageError, match="was not sent"):
                use()
    assert server.requests == []
    assert repr(found) == found.plan
    assert found.plan.startswith(f"{method} {server.url}/v1/customers/cus_1\n")
    assert "--apply" in found.plan
    assert "abc123" not in found.plan


def test_a_plan_never_shows_the_key() -> None:
    with answering(Answer()) as (_, stripe):
        plan = stripe.request("POST", "/v1/refunds", form=["charge=ch_1", f"metadata[key]={SECRET}"]).plan
    assert SECRET not in plan
    assert "Bearer sk_test_…" in plan
    assert "charge=ch_1" in plan
    assert "Idempotency-Key: (made when it is sent)" in plan
    assert "--apply --allow money" in plan


def test_a_write_is_sent_once_however_often_its_answer_is_read(sandbox: Sandbox) -> None:
    with account(sandbox) as stripe:
        found = stripe.request("POST", "customers", form={"email": "new@example.com"}, apply=True)
        assert found.to_pandas()["email"].tolist() == ["new@example.com"]
        assert found.to_arrow().num_rows == 1
        assert [batch.num_rows for batch in found] == [1]
    assert [each.method for each in sandbox.requests] == ["POST"]


def test_a_deletion_needs_its_name(sandbox: Sandbox) -> None:
    customer = next(sandbox.truth("customer"))["id"]
    with account(sandbox) as stripe:
        with pytest.raises(UsageError, match="it needs --allow delete too"):
            stripe.request("DELETE", f"customers/{customer}", apply=True, allow=["money"])
        assert sandbox.requests == []
        found = stripe.request("DELETE", f"customers/{customer}", apply=True, allow="delete")
    assert found.to_arrow().to_pylist() == [{"id": customer, "object": "customer", "deleted": True}]


KEYS = {"test": ("sk_test_abc", True), "restricted": ("rk_test_abc", True), "live": ("sk_live_abc", False),
        "restricted_live": ("rk_live_abc", False), "of_an_organisation": ("sk_org_live_abc", False),
        "of_no_known_kind": ("xyz", False)}  # fmt: skip


@pytest.mark.parametrize("kind", KEYS)
def test_only_a_test_key_writes_without_allow_live(kind: str) -> None:
    key, is_free = KEYS[kind]
    with answering(Answer(body={"id": "cus_1"}), key=key) as (server, stripe):
        if not is_free:
            with pytest.raises(UsageError, match="--allow-live"):
                stripe.request("POST", "customers", form=["a=1"], apply=True)
            assert server.requests == []
        stripe.request("POST", "customers", form=["a=1"], apply=True, allow_live=not is_free)
        stripe.request("GET", "customers")
    assert len(server.requests) == 2


HARMLESS_WRITES = ["customers", "customers/cus_1", "products/prod_1", "prices", "files", "refunds/re_1"]
MONEY = {
    "payment": Call("POST", "/v1/payment_intents", form={"amount": 1}),
    "refund": Call("POST", "/v1/refunds"),
    "unknown": Call("POST", "/v1/whatever"),
    "below_a_harmless_path": Call("POST", "/v1/customers/cus_1/cash_balance"),
    "climbing": Call("POST", "/v1/customers/../refunds"),
    "climbing_unseen": Call("POST", "/v1/customers/%2e%2e/refunds"),
    "two_slashes": Call("POST", "/v1//customers"),
    "slash_at_the_end": Call("POST", "/v1/customers/"),
    "other_letters": Call("POST", "/v1/customers/cüs"),
    "v2": Call("POST", "/v2/core/accounts", json={}),
    "balance_by_form": Call("POST", "/v1/customers/cus_1", form={"balance": -1000}),
    "balance_by_query": Call("POST", "/v1/customers/cus_1?balance=-1000"),
    "funds_that_pay_invoices": Call("POST", "/v1/customers", content=b"cash_balance[settings][reconciliation_mode]=x"),
    "balance_by_text": Call("POST", "/v1/customers", content=b"x=1&balance=5"),
    "balance_by_json": Call("POST", "/v1/customers", content=b'{"balance": 5}'),
    "balance_by_parts": Call("POST", "/v1/customers", content=b'name="balance"\r\n\r\n5\r\n'),
    "put": Call("PUT", "/v1/transfers"),
    "trusted_host": Call("POST", "https://x.example/v1/customers"),
}


@pytest.mark.parametrize("path", HARMLESS_WRITES)
def test_what_is_known_to_move_no_money_needs_no_more_than_apply(path: str) -> None:
    connection = Connection(Key(SECRET))
    call = prepare(Call("POST", f"/v1/{path}", form={"metadata": {"balance_due": "1"}}), connection)
    assert needed(call, connection, Actions()) == ["--apply"]


@pytest.mark.parametrize("name", MONEY)
def test_what_is_not_known_counts_as_money(name: str) -> None:
    connection = Connection(Key(SECRET), trusted_hosts=("x.example",))
    flags = needed(prepare(MONEY[name], connection), connection, Actions())
    assert flags == ["--apply", "--allow money"]
    assert missing(flags, permission(apply=True, allow=["delete"], live=True)) == ["--allow money"]
    assert missing(flags, permission(apply=True, allow=["money,delete"], live=False)) == []


def test_what_no_action_knows_may_move_money() -> None:
    connection = Connection(Key(SECRET))
    call = prepare(Call("POST", "/v1/novelties"), connection)
    assert needed(call, connection, Actions()) == ["--apply", "--allow money"]


def test_an_unknown_permission_is_named() -> None:
    with answering(Answer()) as (_, stripe), pytest.raises(UsageError, match="Did you mean money"):
        stripe.request("POST", "refunds", apply=True, allow=["mony"])


# Rows


def test_a_list_gives_its_data_and_anything_else_one_row(stripe: Stripe) -> None:
    assert stripe.request("GET", "customers", query=["limit=4"]).to_arrow().num_rows == 4
    assert stripe.request("GET", "/v1/balance").to_arrow().num_rows == 1
    assert stripe.request("GET", "/v1/balance", filter="$.available[*]").to_arrow().schema.names[:2] == [
        "amount", "currency"
    ]  # fmt: skip


def test_rows_are_flat_and_typed_by_all_of_them() -> None:
    records = [{"id": 1, "a": {"b": 1}}, {"id": 2, "a": {"b": 1.5, "c": [1]}, "t": "x"}, {"id": "three"}]
    with answering(listed(*records)) as (_, stripe):
        found = stripe.request("GET", "things")
        assert found.schema.types == [pa.string(), pa.float64(), pa.string(), pa.string()]
        assert found.to_arrow().to_pylist() == [
            {"id": "1", "a_b": 1.0, "a_c": None, "t": None},
            {"id": "2", "a_b": 1.5, "a_c": "[1]", "t": "x"},
            {"id": "three", "a_b": None, "a_c": None, "t": None},
        ]
        assert any(note.startswith("id: ") for note in found.report.notes)


def test_digits_are_kept() -> None:
    body = (
        '{"object": "list", "data": [{"rate": 0.10000000000000000001}, {"rate": 12345678901234567}], "has_more": false}'
    )
    with answering(Answer(body=body)) as (_, stripe):
        assert [str(row["rate"]) for row in stripe.request("GET", "x").to_arrow().to_pylist()][1].startswith(
            "12345678901234567"
        )


def test_arrays_are_json_or_rows(stripe: Stripe) -> None:
    plain = stripe.request("GET", "invoices", query=["limit=3"])
    assert plain.to_arrow().num_rows == 3
    exploded = stripe.request("GET", "invoices", query=["limit=3"], explode="lines.data").to_arrow()
    assert exploded.num_rows >= 3
    assert "lines_data_amount" in exploded.schema.names


def test_an_empty_answer_and_a_filter_that_picks_nothing_say_so() -> None:
    with answering(Answer(204, body=b""), listed({"id": "a"})) as (_, stripe):
        nothing = stripe.request("GET", "x")
        assert nothing.to_arrow().num_rows == 0
        assert nothing.report.notes == ["GET /v1/x: the response holds no rows"]
        picked = stripe.request("GET", "x", filter="$.other[*]")
        assert picked.to_pandas().empty
        assert picked.report.notes == ["GET /v1/x: the filter $.other[*] picked nothing"]


def test_no_rows_leave_a_file_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("as it was")
    with answering(listed()) as (_, stripe), pytest.raises(DataError, match=r"which columns .*x\.csv has"):
        stripe.request("GET", "x").to(tmp_path / "x.csv")
    assert (tmp_path / "x.csv").read_text() == "as it was"


@pytest.mark.parametrize("text", ["$.data[", "$.data[?(@.a=1)]", ""])
def test_a_filter_that_cannot_be_read_sends_nothing(text: str) -> None:
    with answering(listed()) as (server, stripe), pytest.raises(UsageError, match="filter"):
        stripe.request("GET", "x", filter=text)
    assert server.requests == []


def test_a_filter_that_picks_no_objects_is_one_clear_line(stripe: Stripe) -> None:
    with pytest.raises(DataError, match=r"The filter \$\.data\[\*\]\.id picks text where an object is needed"):
        stripe.request("GET", "customers", filter="$.data[*].id").to_arrow()


# What is shown of a result


def test_a_sent_get_says_so_before_its_rows_are_read() -> None:
    with answering(listed({"id": "a"})) as (_, stripe):
        found = stripe.request("GET", "x")
        assert re.fullmatch(r"<GET /v1/x: sent, 200, \d+ bytes, rows not read yet>", repr(found))
        found.to_arrow()
        assert repr(found) == "<GET /v1/x: 1 column, 1 row>"


# Pages


def test_pages_are_followed_by_cursor(stripe: Stripe, shared_sandbox: Sandbox) -> None:
    found = stripe.request("GET", "charges", paginate=True)
    ids = found.to_arrow().column("id").to_pylist()
    assert len(set(ids)) == len(ids) == len(list(shared_sandbox.truth("charge")))
    assert "there are more rows" not in str(found.report.notes)
    assert "there are more rows; --paginate" in str(_read(stripe.request("GET", "charges")).report.notes)


def _read(result: Any) -> Any:
    result.to_arrow()
    return result


def test_pages_of_a_search_and_of_v2_are_followed(stripe: Stripe) -> None:
    found = stripe.request("GET", "customers/search", query={"query": "created>0"}, paginate=True).to_arrow()
    assert found.num_rows == len(set(found.column("id").to_pylist())) > 100
    thin = stripe.request("GET", "/v2/core/events", query=["limit=40"], paginate=True, limit=90).to_arrow()
    assert thin.num_rows == len(set(thin.column("id").to_pylist())) == 90


def test_pages_are_followed_upwards_too(stripe: Stripe) -> None:
    ids = stripe.request("GET", "charges", query=["limit=30"]).to_arrow().column("id").to_pylist()
    query = {"limit": 10, "ending_before": ids[-1]}
    above = stripe.request("GET", "charges", query=query, paginate=True).to_arrow().column("id").to_pylist()
    assert sorted(above) == sorted(ids[:-1])


def test_the_limit_counts_rows_and_asks_for_no_more(stripe: Stripe, shared_sandbox: Sandbox) -> None:
    assert stripe.request("GET", "charges", paginate=True, limit=130).to_arrow().num_rows == 130
    assert [each.query for each in shared_sandbox.requests][-2].endswith("limit=100")
    assert stripe.request("GET", "charges", paginate=True, limit=7).to_arrow().num_rows == 7
    assert shared_sandbox.requests[-1].query.endswith("limit=7")
    assert stripe.request("GET", "charges", limit=0).to_arrow().num_rows == 0
    rows = stripe.request("GET", "invoices", query=["limit=9"], explode="lines.data", limit=5)
    assert rows.to_arrow().num_rows == 5


def test_a_list_that_takes_no_limit_is_asked_without(stripe: Stripe) -> None:
    assert stripe.request("GET", "reporting/report_types", paginate=True).to_arrow().num_rows > 1


@pytest.mark.parametrize(
    "answer",
    [listed(more=True), listed({"name": "no id"}, more=True), listed("x", more=True)],
    ids=["empty", "no_id", "no_object"],
)
def test_pages_that_cannot_be_followed_are_an_error_not_an_end(answer: Answer) -> None:
    with answering(answer) as (_, stripe), pytest.raises(DataError):
        stripe.request("GET", "x", paginate=True).to_arrow()


def test_a_list_that_turns_in_a_circle_ends() -> None:
    with answering(Answer(body={"data": [], "next_page_url": "/v2/x?limit=100"})) as (server, stripe):
        with pytest.raises(DataError, match="would never end"):
            stripe.request("GET", "/v2/x", paginate=True).to_arrow()
        assert len(server.requests) == 1


# Answers that are no rows


def test_what_is_not_json_is_said_and_still_there() -> None:
    with answering(Answer(headers={"Content-Type": "text/html"}, body="<html>")) as (_, stripe):
        found = stripe.request("GET", "x")
        with pytest.raises(DataError, match="is text/html, not JSON, so it has no rows"):
            found.to_arrow()
        assert (found.raw, found.is_binary) == (b"<html>", False)


BINARY = {
    "pdf": ({"Content-Type": "application/pdf"}, b"%PDF", "po_1.pdf"),
    "image": ({"Content-Type": "image/png"}, b"\x89PNG", "po_1.png"),
    "unnamed": ({"Content-Type": "text/plain"}, b"\x00\x01", "po_1.txt"),
    "named": ({"Content-Type": "image/png", "Content-Disposition": 'attachment; filename="a b.png"'}, b"x", "a b.png"),
    "climbing": (
        {"Content-Type": "image/png", "Content-Disposition": 'attachment; filename="../../x.png"'},
        b"x",
        "x.png",
    ),
    "climbing_back": (
        {"Content-Type": "image/png", "Content-Disposition": r'attachment; filename="..\\.b"'},
        b"x",
        "b.png",
    ),
    "of_400_letters": (
        {"Content-Type": "image/png", "Content-Disposition": f'attachment; filename="{"x" * 400}.png"'},
        b"x",
        "x" * 60 + ".png",
    ),
    "of_our_own_config": (
        {"Content-Type": "text/plain; charset=x", "Content-Disposition": 'attachment; filename="Connector.TOML"'},
        b"\x00",
        "Connector.TOML.download",
    ),
    "of_a_module": (
        {"Content-Type": "image/png", "Content-Disposition": 'attachment; filename="httpx.py"'},
        b"x",
        "httpx.py.download",
    ),
    "of_a_device": (
        {"Content-Type": "image/png", "Content-Disposition": 'attachment; filename="nul.png"'},
        b"x",
        "nul.png.download",
    ),
    "nameless": (
        {"Content-Type": "image/png", "Content-Disposition": 'attachment; filename="../.."'},
        b"x",
        "answer.png",
    ),
}


@pytest.mark.parametrize("kind", BINARY)
def test_a_file_is_saved_under_a_name_in_this_folder(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers, body, name = BINARY[kind]
    monkeypatch.chdir(tmp_path)
    with answering(Answer(headers=headers, body=body)) as (_, stripe):
        found = stripe.request("GET", "/v1/payouts/po_1/contents")
        assert found.is_binary
        assert found.download() == Path(name)
        assert (tmp_path / name).read_bytes() == body
        with pytest.raises(TargetError, match="is there already"):
            found.download()
        assert found.download(tmp_path / "other.bin").read_bytes() == body
        with pytest.raises(TargetError, match="is a folder"):
            found.download(tmp_path)
        with pytest.raises(TargetError, match="could not be written"):
            found.download(tmp_path / "no" / "such" / "folder")
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted([name, "other.bin"])


def test_an_uploaded_file_comes_back_byte_for_byte(sandbox: Sandbox, tmp_path: Path) -> None:
    file = tmp_path / "receipt.pdf"
    file.write_bytes(bytes(range(256)))
    with account(sandbox) as stripe:
        form = ["purpose=dispute_evidence", f"file=@{file}"]
        made = stripe.request("POST", "/v1/files", multipart=True, form=form, apply=True).to_pandas()
        assert made["filename"].tolist() == ["receipt.pdf"]
        back = stripe.request("GET", f"/v1/files/{made['id'][0]}/contents")
    assert back.is_binary
    assert back.raw == file.read_bytes()


def test_errors_carry_stripes_message_param_and_request_id(stripe: Stripe) -> None:
    with pytest.raises(StripeError, match=r"request req_\w+\): .*\[.*param limit\]"):
        stripe.request("GET", "customers", query=["limit=1000"])
    with pytest.raises(ObjectMissing, match="No such customer: 'cus_x'"):
        stripe.request("GET", "customers/cus_x")


def test_version_and_account_go_along_as_headers() -> None:
    with answering(listed()) as (server, stripe):
        stripe.request("GET", "x", stripe_version="2025-03-31.basil", stripe_account="acct_1", headers={"X-A": "1"})
    headers = server.requests[0].headers
    assert (headers["stripe-version"], headers["stripe-account"], headers["x-a"]) == ("2025-03-31.basil", "acct_1", "1")


def test_an_idempotency_key_of_the_users_is_the_one_that_is_sent() -> None:
    with answering(Answer(body={"id": "cus_1"})) as (server, stripe):
        stripe.request("POST", "customers", form=["a=1"], apply=True, idempotency_key="once")
        assert "Idempotency-Key: twice" in stripe.request("POST", "customers", idempotency_key="twice").plan
    assert server.requests[0].headers["idempotency-key"] == "once"


def test_a_word_that_nothing_means_is_an_error_of_python() -> None:
    with answering(listed()) as (server, stripe), pytest.raises(TypeError, match="filtr"):
        stripe.request("GET", "x", filtr="$")  # type: ignore[call-arg]
    assert server.requests == []


def test_pages_carry_what_the_first_one_carried() -> None:
    def page(request: Received) -> Answer:
        return listed({"id": "a"}, more="starting_after" not in request.query)

    with answering(page) as (server, stripe):
        stripe.request("GET", "x", query=["expand[]=a", "expand[]=b"], headers=["X-A: 1"], paginate=True).to_arrow()
    first, second = server.requests
    assert second.headers["x-a"] == "1"
    assert "expand%5B%5D=a&expand%5B%5D=b" in second.target
    assert {**first.query, "starting_after": "a"} == second.query
