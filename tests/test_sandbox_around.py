"""Around the objects: the clock, files, reports, the v2 list, faults of writes, and a business that goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
import stripe
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.sandbox import Sandbox, SandboxError
from connector.sandbox.document import api
from connector.sandbox.writes.actions.files import parts
from tests.accounts import NOW

DAY = 86_400


def ask(sandbox: Sandbox, path: str, **parameters: Any) -> httpx.Response:
    return httpx.get(f"{sandbox.url}{path}", params=parameters or None, auth=(sandbox.key, ""), timeout=60)


def send(sandbox: Sandbox, path: str, key: str = "", **form: Any) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return httpx.post(f"{sandbox.url}{path}", data=form, auth=(sandbox.key, ""), headers=headers, timeout=60)


# the clock


def test_forty_days_pass_in_a_test(sandbox: Sandbox) -> None:
    before = send(sandbox, "/v1/customers", name="Ada").json()
    assert ask(sandbox, "/v1/events", type="customer.created").json()["data"][0]["data"]["object"]["id"] == before["id"]
    answer = httpx.post(f"{sandbox.url}/_clock", json={"advance_seconds": 40 * DAY}, timeout=60)
    assert answer.json()["now"] >= NOW + 40 * DAY
    after = send(sandbox, "/v1/customers", name="Ada").json()
    assert after["created"] - before["created"] >= 40 * DAY
    listed = ask(sandbox, "/v1/events", type="customer.created", limit=100).json()["data"]
    told = [event["data"]["object"]["id"] for event in listed]
    assert (told[0], before["id"] in told) == (after["id"], False)
    assert sandbox.advance(60) >= after["created"] + 60


@pytest.mark.parametrize("body", [b"", b"[]", b'{"advance_seconds": -1}', b'{"advance_seconds": "soon"}'])
def test_a_clock_that_cannot_be_set_stays(sandbox: Sandbox, body: bytes) -> None:
    assert httpx.post(f"{sandbox.url}/_clock", content=body).status_code == 400
    assert sandbox.clock.now() < NOW + 60


# files


@given(st.binary(max_size=300).filter(lambda content: b"--limit" not in content))
def test_a_multipart_body_gives_back_what_was_put_in(content: bytes) -> None:
    head = b'--limit\r\nContent-Disposition: form-data; name="purpose"\r\n\r\npci_document\r\n--limit\r\n'
    field = b'Content-Disposition: form-data; name="file"; filename="a.bin"\r\n\r\n'
    found = list(parts(head + field + content + b"\r\n--limit--\r\n", 'multipart/form-data; boundary="limit"'))
    assert [(part.name, part.filename, part.content) for part in found] == [
        ("purpose", None, b"pci_document"),
        ("file", "a.bin", content),
    ]


def test_a_file_comes_back_as_it_was_sent(sandbox: Sandbox, tmp_path: Path) -> None:
    content = bytes(range(256)) * 40
    client = stripe.StripeClient(sandbox.key, base_addresses={"api": sandbox.url, "files": sandbox.url})
    path = tmp_path / "proof.pdf"
    path.write_bytes(content)
    with path.open("rb") as source:
        with_library = client.v1.files.create({"purpose": "dispute_evidence", "file": source})
    assert (with_library.filename, with_library.size, with_library.type) == ("proof.pdf", len(content), "pdf")
    assert with_library.url is not None
    read = httpx.get(with_library.url, auth=(sandbox.key, ""))
    assert (read.content, read.headers["content-type"]) == (content, "application/octet-stream")
    newest, *_ = ask(sandbox, "/v1/files", purpose="dispute_evidence").json()["data"]
    assert newest["id"] == with_library.id
    assert api.problems(next(sandbox.truth("file")), "file") == []
    link = send(sandbox, "/v1/file_links", file=with_library.id).json()
    assert api.problems(link, "file_link") == []


@pytest.mark.parametrize("path", ["/v1/files/file_none/contents", "/v1/files/file_none"])
def test_a_file_that_is_not_there_is_refused(sandbox: Sandbox, path: str) -> None:
    assert ask(sandbox, path).status_code == 404


@pytest.mark.parametrize(
    ("purpose", "file", "param"), [("dispute_evidence", False, "file"), ("a_wrong_one", True, "purpose")]
)
def test_an_upload_that_lacks_something_is_refused(sandbox: Sandbox, purpose: str, file: bool, param: str) -> None:
    sent: dict[str, Any] = {"purpose": (None, purpose)} | ({"file": ("a.csv", b"1")} if file else {})
    answer = httpx.post(f"{sandbox.url}/v1/files", files=sent, auth=(sandbox.key, ""))
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


# reports


def test_a_report_run_succeeds_and_its_file_adds_up(sandbox: Sandbox) -> None:
    known = ask(sandbox, "/v1/reporting/report_types").json()["data"]
    assert [api.problems(each, "reporting.report_type") for each in known] == [[]] * len(known)
    interval: dict[str, Any] = {
        "parameters[interval_start]": NOW - 60 * DAY,
        "parameters[interval_end]": NOW // DAY * DAY,
    }
    run = send(sandbox, "/v1/reporting/report_runs", report_type=known[0]["id"], **interval).json()
    assert (run["status"], run["result"]) == ("pending", None)
    sandbox.advance(2)
    done = ask(sandbox, f"/v1/reporting/report_runs/{run['id']}").json()
    assert api.problems(done, "reporting.report_run") == []
    assert done["status"] == "succeeded"
    lines = ask(sandbox, done["result"]["url"].removeprefix(sandbox.url)).text.splitlines()
    within = [
        record["id"]
        for record in sandbox.truth("balance_transaction")
        if NOW - 60 * DAY <= record["created"] < NOW // DAY * DAY
    ]
    assert [line.partition(",")[0] for line in lines[1:]] == within
    assert [event["type"] for event in ask(sandbox, "/v1/events", type="reporting.*").json()["data"]] == [
        "reporting.report_run.succeeded"
    ]


@pytest.mark.parametrize(
    "form",
    [
        {"report_type": "none.1"},
        {"report_type": "payouts.itemized.3", "parameters[interval_end]": NOW + 9 * DAY},
        {"report_type": "payouts.itemized.3", "parameters[columns][0]": "colour"},
    ],
)
def test_a_report_that_cannot_be_run_is_refused(sandbox: Sandbox, form: dict[str, Any]) -> None:
    assert send(sandbox, "/v1/reporting/report_runs", **form).status_code == 400


# v2


def test_the_v2_list_is_followed_to_its_end_by_next_page_url(sandbox: Sandbox) -> None:
    path: str | None = "/v2/core/events?limit=100"
    seen: list[str] = []
    while path:
        page = ask(sandbox, path).json()
        seen += [event["id"] for event in page["data"]]
        path = page["next_page_url"]
    assert seen == [event["id"] for event in sandbox.truth("event")]
    assert ask(sandbox, "/v2/core/events?limit=0").status_code == 400
    assert ask(sandbox, "/v2/core/events?page=evt_none").status_code == 400


# faults of writes


def test_a_call_can_take_effect_and_its_answer_be_lost(sandbox: Sandbox) -> None:
    sandbox.fail("drop-after", on="POST /v1/customers")
    with pytest.raises(httpx.TransportError):
        send(sandbox, "/v1/customers", key="once", name="Ada")
    again = send(sandbox, "/v1/customers", key="once", name="Ada")
    assert again.headers["Idempotent-Replayed"] == "true"
    made = [customer["id"] for customer in sandbox.truth("customer") if customer["name"] == "Ada"]
    assert made == [again.json()["id"]]
    assert sandbox.stats()["effects"] == {"once": 1}


def test_a_page_can_hold_an_object_twice_and_come_slowly(sandbox: Sandbox) -> None:
    whole = ask(sandbox, "/v1/customers").json()["data"]
    sandbox.fail("duplicate", on="GET /v1/customers")
    assert ask(sandbox, "/v1/customers").json()["data"] == [*whole, whole[0]]
    sandbox.fail("trickle:200", on="GET /v1/customers")
    answer = ask(sandbox, "/v1/customers")
    assert answer.json()["data"] == whole
    assert answer.elapsed.total_seconds() >= 0.2


# a business that goes on


def test_the_same_seed_makes_the_same_changes() -> None:
    told = []
    for _ in range(2):
        with Sandbox(seed=3, now=NOW, rps=0) as sandbox:
            done = sandbox.work(60)
            told.append((done, [event["type"] for event in sandbox.truth("event")]))
    assert told[0] == told[1]
    assert sum(told[0][0].values()) == 60


@settings(max_examples=3, deadline=None)
@given(st.integers(0, 1000))
def test_every_change_leaves_objects_of_stripes_shape_and_events_that_show_them(seed: int) -> None:
    with Sandbox(seed=seed, now=NOW, rps=0) as sandbox:
        before = {event["id"] for event in sandbox.truth("event")}
        done = sandbox.work(150)
        assert "POST /v1/payment_intents/{intent}" in done  # silent: Stripe has no event for it
        fresh = [event for event in sandbox.truth("event") if event["id"] not in before]
        assert len(fresh) > 100
        newest = {event["data"]["object"]["id"]: event for event in reversed(fresh)}
        for event in newest.values():
            assert api.problems(event["data"]["object"], event["data"]["object"]["object"]) == []


def test_links_methods_payouts_sessions_coupons_and_credit_notes_of_a_busy_business_change_too() -> None:
    with Sandbox(now=NOW, rps=0) as sandbox:
        before = {event["id"] for event in sandbox.truth("event")}
        sandbox.work(800)
        told = {event["type"] for event in sandbox.truth("event") if event["id"] not in before}
    assert told >= {
        "checkout.session.expired", "coupon.updated", "credit_note.created", "credit_note.updated", "invoice.sent",
        "invoice.voided", "payment_link.created", "payment_link.updated", "payment_method.attached",
        "payment_method.updated", "payout.updated", "setup_intent.succeeded",
    }  # fmt: skip


def test_a_busy_sandbox_changes_while_one_looks() -> None:
    with Sandbox(now=NOW, rps=0, busy=200) as sandbox:
        first = next(sandbox.truth("event"))["id"]
        for _ in range(500):
            if ask(sandbox, "/v1/events", limit=1).json()["data"][0]["id"] != first:
                return
        pytest.fail("nothing changed")


def test_a_negative_pace_is_refused() -> None:
    with pytest.raises(SandboxError, match="busy"):
        Sandbox(busy=-1)


# accounts and modes


def test_each_connected_account_has_objects_of_its_own(sandbox: Sandbox) -> None:
    first, second, _ = sandbox.accounts
    answers = [
        httpx.get(f"{sandbox.url}/v1/customers", auth=(sandbox.key, ""), headers={"Stripe-Account": account}).json()
        for account in (first, second)
    ]
    assert not {each["id"] for each in answers[0]["data"]} & {each["id"] for each in answers[1]["data"]}
    own = httpx.get(f"{sandbox.url}/v1/account", auth=(sandbox.key, ""), headers={"Stripe-Account": first})
    assert own.json()["id"] == first
    client = stripe.StripeClient(sandbox.key, base_addresses={"api": sandbox.url}, stripe_account=first)
    made = client.v1.customers.create({"name": "Connected"})
    assert next(sandbox.truth("customer", account=first))["id"] == made.id
    assert all(each["id"] != made.id for kind in ("customer", "event") for each in sandbox.truth(kind))
    with pytest.raises(SandboxError, match="no account"):
        sandbox.truth("customer", account="acct_none")


def test_what_is_changed_in_live_mode_stays_there(sandbox: Sandbox) -> None:
    made = httpx.post(f"{sandbox.url}/v1/customers", data={"name": "Live"}, auth=(sandbox.live_key, "")).json()
    assert made["livemode"] is True
    assert ask(sandbox, f"/v1/customers/{made['id']}").status_code == 404
    assert next(sandbox.truth("customer", livemode=True))["id"] == made["id"]


def test_a_search_that_lags_finds_a_new_object_later() -> None:
    with Sandbox(now=NOW, rps=0, search_lag_seconds=60) as sandbox:
        made = send(sandbox, "/v1/customers", email="late@example.com").json()["id"]
        asked = {"query": "email:'late@example.com'", "expand[]": "total_count"}
        early = ask(sandbox, "/v1/customers/search", **asked).json()
        assert (early["data"], early["total_count"]) == ([], 0)
        sandbox.advance(61)
        assert [each["id"] for each in ask(sandbox, "/v1/customers/search", **asked).json()["data"]] == [made]
