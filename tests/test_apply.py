"""An effect at most once: whatever answers are lost, whoever kills the run, and however often it is repeated."""

from __future__ import annotations

import _thread
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from connector import Stripe
from connector.apply.ledger import Ledger, ledger_path
from connector.apply.report import ApplyReport
from connector.errors import ConnectorError
from connector.sandbox import Sandbox
from tests.accounts import NOW, account
from tests.fake_clock import FakeClock

CREATE, UPDATE = "POST /v1/customers", "POST /v1/customers/{customer}"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(seed=7, rps=0, now=NOW) as sandbox:
        yield sandbox


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "ledger.sqlite"
    monkeypatch.setenv("CONNECTOR_LEDGER", str(path))
    return path


@pytest.fixture
def stripe(sandbox: Sandbox, ledger: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stripe]:
    assert ledger
    monkeypatch.setattr("connector.api.client.ATTEMPTS", 2)  # an answer that is lost twice is lost
    with account(sandbox, total_seconds=60) as stripe:
        yield stripe


def frame(count: int, prefix: str = "row") -> pd.DataFrame:
    return pd.DataFrame({"email": [f"{prefix}{number}@once.example" for number in range(count)]})


def create(stripe: Stripe, rows: pd.DataFrame, **how: Any) -> ApplyReport:
    return stripe.write("customers", "create", rows, **how).apply()


def made(sandbox: Sandbox) -> list[str]:
    """Return the addresses of all customers that a test has made."""
    return sorted(each["email"] for each in sandbox.truth("customer") if str(each["email"]).endswith("@once.example"))


def statuses(ledger: Path) -> dict[str, int]:
    with sqlite3.connect(ledger) as connection:
        rows = connection.execute("SELECT status, count(*) FROM rows GROUP BY status").fetchall()
    return dict(rows)


def assert_once(sandbox: Sandbox, rows: pd.DataFrame) -> None:
    """Each row has had its effect once, and no key has had more than one."""
    assert made(sandbox) == sorted(rows["email"])
    assert max(sandbox.stats()["effects"].values()) == 1


def test_the_same_rows_are_not_sent_again_and_changed_ones_are(stripe: Stripe, sandbox: Sandbox) -> None:
    rows = frame(20)
    assert create(stripe, rows).counts == {"sent": 20}
    assert create(stripe, rows).counts == {"done before": 20}
    rows.loc[3, "email"] = "corrected@once.example"
    assert create(stripe, rows).counts == {"sent": 1, "done before": 19}
    assert len(made(sandbox)) == 21


def test_rows_that_are_alike_are_as_many_rows(stripe: Stripe, sandbox: Sandbox) -> None:
    rows = pd.DataFrame({"email": ["twin@once.example"] * 3})
    assert create(stripe, rows).counts == {"sent": 3}
    assert create(stripe, rows).counts == {"done before": 3}
    assert len(made(sandbox)) == 3


def test_a_row_is_known_by_its_key_whatever_else_it_says(stripe: Stripe, sandbox: Sandbox) -> None:
    rows = frame(2).assign(number=[1, 2])
    assert create(stripe, rows, row_key="number").counts == {"sent": 2}
    assert create(stripe, rows.assign(email="other@once.example"), row_key="number").counts == {"done before": 2}
    doubled = rows.assign(number=[1, 1])
    (error,) = stripe.write("customers", "create", doubled, row_key="number").plan.errors
    assert "an earlier row has the same key" in str(error)
    assert len(made(sandbox)) == 2


def test_again_does_all_anew(stripe: Stripe, sandbox: Sandbox) -> None:
    create(stripe, frame(2))
    assert create(stripe, frame(2), again=True).counts == {"sent": 2}
    assert len(made(sandbox)) == 4


def test_a_relative_date_does_not_make_another_row_of_it(stripe: Stripe, sandbox: Sandbox) -> None:
    customer = next(each["id"] for each in sandbox.truth("customer") if not each.get("test_clock"))
    how = {"customer": customer, "collection_method": "send_invoice", "due_date": "now+30d"}
    assert stripe.write("invoices", "create", **how).apply(allow=["money"]).counts == {"sent": 1}
    sandbox.advance(3600)
    assert stripe.write("invoices", "create", **how).apply(allow=["money"]).counts == {"done before": 1}


@pytest.mark.parametrize("fault", ["drop", "drop-after", "429", "503", "429-lock-timeout", "truncate"])
def test_a_lost_answer_goes_again_under_its_key(stripe: Stripe, sandbox: Sandbox, fault: str) -> None:
    rows = frame(3)
    sandbox.fail(fault, on=CREATE, nth=2)
    assert create(stripe, rows).counts == {"sent": 3}
    assert_once(sandbox, rows)


def test_a_key_that_is_in_use_is_waited_for(sandbox: Sandbox, ledger: Path) -> None:
    rows = frame(2)
    sandbox.fail("slow:1200", on=CREATE)
    assert ledger
    with Stripe(key=sandbox.key, api_base=sandbox.url, read_seconds=0.4, max_rps=100_000.0) as stripe:
        assert create(stripe, rows).counts == {"sent": 2}
    assert 409 in {int(status) for status in sandbox.stats()["calls"][CREATE] if status.isdecimal()}
    assert_once(sandbox, rows)


def test_answers_that_are_all_lost_are_found_in_the_events(stripe: Stripe, sandbox: Sandbox, ledger: Path) -> None:
    rows = frame(3)
    sandbox.fail("drop-after", on=CREATE, times=6)
    report = create(stripe, rows)
    assert report.counts == {"sent": 3}, "the events carry the keys, and the ids of what was made"
    assert all(outcome.object_id for outcome in report.outcomes)
    assert_once(sandbox, rows)
    assert statuses(ledger) == {"done": 3}


def test_a_call_that_may_have_happened_stays_in_doubt_and_goes_again_next_time(
    stripe: Stripe, sandbox: Sandbox, ledger: Path
) -> None:
    rows = frame(3)
    sandbox.fail("drop", on=CREATE, times=6)
    report = create(stripe, rows)
    assert report.counts == {"unknown": 3}
    assert report.failed
    assert statuses(ledger) == {"in doubt": 3}
    assert create(stripe, rows).counts == {"sent": 3}
    assert_once(sandbox, rows)


def test_a_kept_500_is_replayed_and_goes_again_under_a_new_key_when_no_event_came(
    stripe: Stripe, sandbox: Sandbox
) -> None:
    rows = frame(3)
    sandbox.fail("500", on=CREATE, nth=2)
    assert create(stripe, rows).counts == {"sent": 2, "unknown": 1}
    assert create(stripe, rows).counts == {"unknown": 1, "done before": 2}, "Stripe gives the same 500 again"
    sandbox.advance(700)
    assert create(stripe, rows).counts == {"sent": 1, "done before": 2}
    assert_once(sandbox, rows)


def test_many_kept_500s_do_not_stop_the_next_run(stripe: Stripe, sandbox: Sandbox, ledger: Path) -> None:
    rows = frame(120)
    sandbox.fail("500", CREATE, times=40)
    create(stripe, rows)
    assert statuses(ledger)["in doubt"] > 20, "as many as would end a run if they told of others"
    sandbox.advance(700)
    report = create(stripe, rows)
    assert (report.stopped, report.failed) == ("", False), report
    assert_once(sandbox, rows)


def test_thirty_hours_later_a_key_is_of_no_use_and_events_decide(stripe: Stripe, sandbox: Sandbox) -> None:
    rows = frame(4)
    sandbox.fail("drop-after", on=CREATE, times=8)
    sandbox.fail("drop", on="GET /v1/events", times=2)  # so that nothing is known at first
    assert create(stripe, rows).counts["unknown"] >= 1
    sandbox.advance(30 * 3600)
    assert create(stripe, rows).counts["unknown"] == 0
    assert_once(sandbox, rows)


def test_keys_age_by_stripes_clock_also_where_nothing_was_asked_before(
    sandbox: Sandbox, stripe: Stripe, ledger: Path
) -> None:
    own = stripe.request("GET", "/v1/account").to_arrow().to_pylist()[0]["id"]
    how: dict[str, Any] = {"key": sandbox.key, "api_base": sandbox.url, "account": own, "max_rps": 100_000.0}
    with Stripe(**how) as fresh:
        create(fresh, frame(1))
    with sqlite3.connect(ledger) as connection:
        ((sent_at,),) = connection.execute("SELECT sent_at FROM rows").fetchall()
    assert abs(sent_at - sandbox.clock.now()) < 60, "this computer's clock is weeks ahead of the sandbox's"


@pytest.mark.parametrize("fault", ["429", "403"])
def test_a_row_in_doubt_stays_so_when_it_cannot_be_sent_again(
    stripe: Stripe, sandbox: Sandbox, ledger: Path, fault: str
) -> None:
    rows = frame(2)
    sandbox.fail("drop-after", on=CREATE, times=4)
    sandbox.fail("drop", on="GET /v1/events", times=2)
    assert create(stripe, rows).counts == {"unknown": 2}
    if fault == "429":
        sandbox.fail("429", on=CREATE, times=200)
    key = "rk_test_read_all" if fault == "403" else sandbox.key
    with account(sandbox, key, total_seconds=1, clock=FakeClock()) as other:
        sandbox.fail("drop", on="GET /v1/events", times=2)
        other.write("customers", "create", rows).apply()
    assert statuses(ledger) == {"in doubt": 2}
    sandbox.service.plan._waiting.clear()
    assert create(stripe, rows).counts == {"sent": 2}
    assert_once(sandbox, rows)


def test_an_update_that_was_lost_is_settled_by_the_object(stripe: Stripe, sandbox: Sandbox, ledger: Path) -> None:
    ids = [each["id"] for each in sandbox.truth("customer") if not each.get("test_clock")][:3]
    rows = pd.DataFrame({"id": ids, "metadata.team": ["blue"] * 3})
    sandbox.fail("drop-after", on=UPDATE, times=3)
    sandbox.fail("drop", on=UPDATE, nth=1, times=3)
    report = stripe.write("customers", "update", rows).apply()
    assert report.counts == {"sent": 3}
    assert statuses(ledger) == {"done": 3}
    assert stripe.write("customers", "update", rows).plan.unchanged == 3


def test_a_deletion_that_was_lost_is_settled_by_its_object(stripe: Stripe, sandbox: Sandbox) -> None:
    create(stripe, frame(2))
    ids = [each["id"] for each in sandbox.truth("customer") if str(each["email"]).endswith("@once.example")]
    sandbox.fail("drop-after", on="DELETE /v1/customers/{customer}", times=2)
    report = stripe.write("customers", "delete", pd.DataFrame({"id": ids})).apply(allow=["delete"])
    assert report.counts == {"sent": 2}
    assert not made(sandbox)
    again = stripe.write("customers", "delete", pd.DataFrame({"id": ids})).apply(allow=["delete"])
    assert again.counts == {"done before": 2}


def test_a_verb_that_was_lost_is_settled_by_how_its_object_looks(stripe: Stripe, sandbox: Sandbox) -> None:
    customer = next(each["id"] for each in sandbox.truth("customer") if not each.get("test_clock"))
    stripe.write("invoice_items", "create", customer=customer, amount=500, currency="usd").apply(allow=["money"])
    how = {"customer": customer, "pending_invoice_items_behavior": "include", "collection_method": "send_invoice"}
    (row,) = (
        stripe.write("invoices", "create", days_until_due=30, **how)
        .apply(allow=["money"])
        .results.to_arrow()
        .to_pylist()
    )
    stripe.write("invoices", "finalize", set={"id": row["id"]}).apply(allow=["money"])
    sandbox.fail("drop-after", on="POST /v1/invoices/{invoice}/void", times=2)
    sandbox.fail("drop", on="GET /v1/events", times=2)
    report = stripe.write("invoices", "void", set={"id": row["id"]}).apply(allow=["delete"])
    assert report.counts == {"sent": 1}


def test_a_decline_is_the_rows_result_and_tried_again_under_a_new_key(stripe: Stripe, sandbox: Sandbox) -> None:
    rows = pd.DataFrame(
        {"amount": [500], "currency": ["usd"], "confirm": ["true"], "payment_method": ["pm_card_chargeDeclined"]}
    )
    for _ in range(2):
        report = stripe.write("payment_intents", "create", rows).apply(allow=["money"])
        (outcome,) = report.outcomes
        assert (outcome.status, outcome.code) == ("failed", "card_declined")
    keys = [each.headers["idempotency-key"] for each in sandbox.requests if each.method == "POST"]
    assert len(set(keys)) == 2


def test_a_refused_key_ends_the_run(sandbox: Sandbox, ledger: Path) -> None:
    with account(sandbox, "rk_test_read_all") as reader:
        report = create(reader, frame(300))
    assert report.failed
    assert report.counts["not sent"] > 0
    assert "403" in report.stopped
    assert set(statuses(ledger)) <= {"free"}


def test_it_stops_when_the_first_rows_fail_alike(stripe: Stripe) -> None:
    rows = pd.DataFrame({"id": [f"in_{number}" for number in range(200)]})
    report = stripe.write("invoices", "void", rows).apply(allow=["delete"])
    assert report.stopped == "Stopped: the first 20 rows failed alike."
    assert report.counts["not sent"] > 100


def test_it_stops_at_max_errors(stripe: Stripe, sandbox: Sandbox) -> None:
    drafts = [each["id"] for each in sandbox.truth("invoice") if each["status"] == "paid"][:5]
    ids = [f"in_{number}" if number % 2 else drafts[0] for number in range(300)]
    report = stripe.write("invoices", "void", pd.DataFrame({"id": ids})).apply(allow=["delete"], max_errors=3)
    assert report.stopped.endswith("failed.")
    assert report.counts["not sent"] > 100


def test_rows_of_which_nothing_tells_are_sent_by_resend_alone(stripe: Stripe, sandbox: Sandbox) -> None:
    customer = next(each["id"] for each in sandbox.truth("customer") if not each.get("test_clock"))
    sandbox.fail("500", on="POST /v1/customers/{customer}/balance_transactions")
    plan = {"customer": customer, "amount": -700, "currency": "usd"}

    def run(**how: Any) -> ApplyReport:
        return stripe.write("customer_balance_transactions", "create", **plan).apply(allow=["money"], **how)

    assert run().counts == {"unknown": 1}
    sandbox.advance(30 * 3600)
    report = run()
    assert report.counts == {"unknown": 1}
    assert "--resend" in repr(report)
    assert run(resend=True).counts == {"sent": 1}


def test_ctrl_c_lets_calls_in_flight_end_and_begins_no_other(stripe: Stripe, sandbox: Sandbox) -> None:
    rows = frame(500)

    def interrupt(done: int, _total: int) -> None:
        if done == 20:
            _thread.interrupt_main()

    report = stripe.write("customers", "create", rows).apply(watch=interrupt)
    assert report.is_interrupted
    assert report.counts["sent"] + report.counts["not sent"] == 500
    assert len(made(sandbox)) == report.counts["sent"] < 500
    assert create(stripe, rows).counts["done before"] == report.counts["sent"]


def test_two_runs_do_not_send_the_same_rows(stripe: Stripe, ledger: Path) -> None:
    plan = stripe.write("customers", "create", frame(1))
    with (
        Ledger(ledger) as other,
        other.sending(plan.plan.effects[0].scope),
        pytest.raises(ConnectorError, match=r"Another run is sending customers\.create"),
    ):
        plan.apply()
    assert plan.apply().counts == {"sent": 1}


def test_two_runs_at_once_have_each_effect_once(sandbox: Sandbox, stripe: Stripe) -> None:
    rows, plans = frame(40), [stripe.write("customers", "create", frame(40)) for _ in range(4)]
    ended: list[object] = []

    def run(plan: Any) -> None:
        try:
            ended.append(plan.apply())
        except ConnectorError as error:
            ended.append(error)

    threads = [threading.Thread(target=run, args=(plan,)) for plan in plans]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ended) == 4
    assert_once(sandbox, rows)


def test_the_ledger_holds_no_value_of_a_row_and_is_its_owners_alone(stripe: Stripe, ledger: Path) -> None:
    create(stripe, pd.DataFrame({"email": ["secret@once.example"], "name": ["Hidden Name"]}))
    content = b"".join(file.read_bytes() for file in ledger.parent.glob("ledger.sqlite*"))
    assert b"secret@once" not in content
    assert b"Hidden Name" not in content
    assert ledger.stat().st_mode & 0o077 == 0
    with sqlite3.connect(ledger) as connection:
        ((fields,),) = connection.execute("SELECT fields FROM rows").fetchall()
    assert fields == '["email","name"]'


def test_rows_of_one_object_are_sent_in_order(stripe: Stripe, sandbox: Sandbox) -> None:
    customer = next(each["id"] for each in sandbox.truth("customer") if not each.get("test_clock"))
    rows = pd.DataFrame({"customer": [customer] * 30, "amount": range(1, 31), "currency": ["usd"] * 30})
    stripe.write("customer_balance_transactions", "create", rows).apply(allow=["money"])
    kind = "customer_balance_transaction"
    amounts = [each["amount"] for each in sandbox.truth(kind) if each["customer"] == customer]
    assert sorted(amounts[:30]) in (amounts[:30], amounts[:30][::-1])


def test_keys_of_the_sources_own_are_sent(stripe: Stripe, sandbox: Sandbox) -> None:
    create(stripe, frame(2).assign(key=["k-1", "k-2"]), idempotency_key="key")
    sent = {each.headers.get("idempotency-key") for each in sandbox.requests if each.method == "POST"}
    assert {"k-1", "k-2"} <= sent


def test_a_ledger_that_cannot_be_written_ends_the_run_before_anything_is_sent(
    stripe: Stripe, sandbox: Sandbox, ledger: Path
) -> None:
    create(stripe, frame(1, "first"))
    with sqlite3.connect(ledger) as connection:
        connection.execute("ALTER TABLE rows RENAME COLUMN content TO other")
    with pytest.raises(ConnectorError, match="cannot be used"):
        create(stripe, frame(30))
    assert len(made(sandbox)) == 1


def test_a_fault_of_ours_is_raised_where_the_run_was_begun(stripe: Stripe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connector.apply.run._id_of", lambda _response: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        create(stripe, frame(3))


def test_where_the_ledger_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CONNECTOR_LEDGER", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert ledger_path().name == "ledger.sqlite"
    Path("connector.toml").write_text('ledger = "mine.sqlite"\n')
    assert ledger_path() == Path("mine.sqlite")
    monkeypatch.setenv("CONNECTOR_LEDGER", "/elsewhere/l.sqlite")
    assert ledger_path() == Path("/elsewhere/l.sqlite")
    assert ledger_path("given.sqlite") == Path("given.sqlite")


def test_a_broken_ledger_is_one_clear_line(stripe: Stripe, ledger: Path) -> None:
    ledger.write_bytes(b"this is no database, and long enough to be seen as none" * 20)
    with pytest.raises(ConnectorError, match=r"The ledger .* cannot be used"):
        create(stripe, frame(1))
