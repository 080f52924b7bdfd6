"""Payouts in the sandbox: by hand and by themselves, what they are made of, and the balance that they leave."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.sandbox_caller import DAY, NOW, Caller, calling


@pytest.fixture
def caller() -> Iterator[Caller]:
    with calling() as made:
        yield made


def test_payouts_come_out_of_what_is_available(caller: Caller) -> None:
    there = amounts(caller.get("/v1/balance"))["available", "eur"]
    payout = caller.post("/v1/payouts", {"amount": str(there), "currency": "eur", "metadata[a]": "b"})
    assert (payout["status"], payout["automatic"], payout["metadata"]) == ("pending", False, {"a": "b"})
    assert amounts(caller.get("/v1/balance"))["available", "eur"] == 0
    assert "Insufficient funds" in caller.refused("/v1/payouts", {"amount": "1", "currency": "eur"})["message"]
    assert caller.post(f"/v1/payouts/{payout['id']}/cancel")["status"] == "canceled"
    assert amounts(caller.get("/v1/balance"))["available", "eur"] == there
    assert "canceled" in caller.refused(f"/v1/payouts/{payout['id']}/cancel")["message"]


def test_a_payout_is_paid_on_its_arrival_day_and_can_be_reversed_then(caller: Caller) -> None:
    payout = caller.post("/v1/payouts", {"amount": "1000", "currency": "usd"})
    path = f"/v1/payouts/{payout['id']}"
    assert "pending" in caller.refused(f"{path}/reverse")["message"]
    caller.sandbox.advance(payout["arrival_date"] - NOW)
    assert caller.get(path)["status"] == "paid"
    assert caller.events_of(payout["id"]) == ["payout.created", "payout.updated", "payout.paid"]
    back = caller.post(f"{path}/reverse")
    assert (back["amount"], back["original_payout"]) == (-1000, payout["id"])
    assert caller.get(path)["reversed_by"] == back["id"]
    assert caller.refused(f"{path}/reverse")["type"] == "invalid_request_error"


def test_an_automatic_payout_cannot_be_canceled(caller: Caller) -> None:
    payout = next(payout for payout in caller.sandbox.truth("payout") if payout["automatic"])
    assert "Automatic" in caller.refused(f"/v1/payouts/{payout['id']}/cancel")["message"]


def to_payout_day(caller: Caller) -> None:
    """Let time pass to the next midnight of a day on which the account is paid out."""
    days = caller.get("/v1/account")["settings"]["payouts"]["schedule"]["monthly_payout_days"]
    midnight = (caller.sandbox.clock.now() // DAY + 1) * DAY
    while datetime.fromtimestamp(midnight, UTC).day not in days:
        midnight += DAY
    caller.sandbox.advance(midnight - caller.sandbox.clock.now())


def test_what_becomes_available_is_paid_out_when_the_account_says(caller: Caller) -> None:
    caller.pay("pm_card_bypassPending", amount="5000")
    there = amounts(caller.get("/v1/balance"))
    to_payout_day(caller)
    payouts = [payout for payout in caller.get("/v1/payouts")["data"] if payout["created"] > NOW]
    assert {payout["currency"] for payout in payouts} == {"usd", "eur"}
    for payout in payouts:
        assert (payout["automatic"], payout["status"]) == (True, "pending")
        assert payout["reconciliation_status"] == "in_progress"
        assert (payout["created"] % DAY, payout["arrival_date"]) == (0, payout["created"] + 2 * DAY)
        assert payout["amount"] >= there["available", payout["currency"]], "what became available on the way is in it"
        assert amounts(caller.get("/v1/balance"))["available", payout["currency"]] == 0
        assert "Automatic" in caller.refused(f"/v1/payouts/{payout['id']}/cancel")["message"]
        assert caller.events_of(payout["id"]) == ["payout.created"]
    caller.sandbox.advance(2 * DAY)
    for payout in payouts:
        paid = caller.get(f"/v1/payouts/{payout['id']}")
        assert (paid["status"], paid["reconciliation_status"]) == ("paid", "completed")
        assert caller.events_of(payout["id"])[1:] == [
            "payout.updated", "payout.reconciliation_completed", "payout.paid"
        ]  # fmt: skip


def test_an_automatic_payout_is_its_transactions_with_its_own(caller: Caller) -> None:
    intent = caller.pay("pm_card_bypassPending", amount="5000")
    charge = caller.get(f"/v1/charges/{intent['latest_charge']}")
    by_hand = caller.post("/v1/payouts", {"amount": "700", "currency": "usd"})
    to_payout_day(caller)
    payout = next(payout for payout in caller.get("/v1/payouts")["data"] if payout["currency"] == "usd")
    first = caller.get("/v1/balance_transactions", payout=payout["id"], limit=2)
    assert (first["data"][0]["id"], first["has_more"]) == (payout["balance_transaction"], True)
    rest = caller.get(
        "/v1/balance_transactions", payout=payout["id"], limit=100, starting_after=first["data"][-1]["id"]
    )
    found = {part["id"]: part["net"] for part in first["data"] + rest["data"]}
    assert sum(found.values()) == 0
    assert {charge["balance_transaction"], by_hand["balance_transaction"]} < found.keys()
    of_type = caller.get("/v1/balance_transactions", payout=payout["id"], type="charge", limit=100)["data"]
    assert charge["balance_transaction"] in {part["id"] for part in of_type}
    assert "manual" in caller.sandbox_refuses("/v1/balance_transactions", payout=by_hand["id"])


def test_a_balance_below_zero_is_fetched_from_the_bank(caller: Caller) -> None:
    refunded = caller.pay("pm_card_bypassPending", amount="9000000", currency="eur")
    to_payout_day(caller)
    caller.post("/v1/refunds", {"payment_intent": refunded["id"]})
    assert amounts(caller.get("/v1/balance"))["available", "eur"] == -9_000_000
    to_payout_day(caller)
    payout = next(payout for payout in caller.get("/v1/payouts")["data"] if payout["currency"] == "eur")
    assert payout["automatic"]
    assert -9_000_000 < payout["amount"] < 0, "what came in meanwhile has made it less"
    assert amounts(caller.get("/v1/balance"))["available", "eur"] == 0


def test_a_payout_of_the_business_has_its_own_transaction_too(caller: Caller) -> None:
    payout = next(payout for payout in caller.sandbox.truth("payout") if payout["automatic"])
    found = caller.get("/v1/balance_transactions", payout=payout["id"], limit=100)["data"]
    assert found[0]["id"] == payout["balance_transaction"]
    assert sum(part["net"] for part in found) == 0


def amounts(balance: dict[str, Any]) -> dict[tuple[str, str], int]:
    words = ("available", "pending")
    return {(word, part["currency"]): part["amount"] for word in words for part in balance[word]}
