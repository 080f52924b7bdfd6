"""Payouts: by hand or by the account's schedule from what is available, canceled or reversed, paid when they arrive."""

from __future__ import annotations

from collections.abc import Iterator

from connector.sandbox.document.rules import Record
from connector.sandbox.writes.actions import balances, sweeps
from connector.sandbox.writes.actions.balances import DAY, Movement
from connector.sandbox.writes.actions.payments import not_taken
from connector.sandbox.writes.engine.handlers import handles
from connector.sandbox.writes.engine.schedule import Due, due
from connector.sandbox.writes.engine.write import Write, apply, merged

_ARRIVES_DAYS = 2
_INSTANT_TAKES = 30 * 60
_SENT_AFTER = DAY
_LATE = 10 * DAY


@handles("POST /v1/payouts")
def create(write: Write) -> Record:
    """Send money to the bank."""
    form = write.form
    not_taken(write, ("payout_method",))
    amount, currency = form["amount"], form["currency"]
    if amount < 1:
        raise write.refuse("too_small", "amount", bound=1, value=amount)
    there = balances.available(write, currency)
    if amount > there:
        raise write.refuse("insufficient_funds", available=there, currency=currency)
    payout = _new(write, currency, amount)
    payout["destination"] = form.get("destination") or _bank_account(write, currency)
    apply(payout, form, "payout")
    if payout["method"] == "instant":
        payout["arrival_date"] = write.now + _INSTANT_TAKES
    return _leave(write, payout, "payout")


@handles("POST /v1/payouts/{payout}")
def update(write: Write) -> Record:
    """Change the metadata of a payout."""
    payout = write.get("payout", write.ids["payout"])
    before = write.get("payout", payout["id"])
    payout["metadata"] = merged(payout["metadata"], write.form.get("metadata", {}))
    write.put("payout", payout)
    write.emit("payout.updated", payout, before)
    return payout


@handles("POST /v1/payouts/{payout}/cancel")
def cancel(write: Write) -> Record:
    """Take a payout back that has not been sent yet."""
    payout = write.get("payout", write.ids["payout"])
    if payout["automatic"]:
        raise write.refuse("payout_automatic")
    if payout["status"] != "pending":
        raise write.refuse("payout_state", id=payout["id"], verb="canceled", status=payout["status"])
    payout["status"] = "canceled"
    returned = balances.move(write, _movement(payout, payout["amount"], "payout_cancel"))
    payout["failure_balance_transaction"] = returned["id"]
    write.put("payout", payout)
    write.emit("payout.canceled", payout)
    return payout


@handles("POST /v1/payouts/{payout}/reverse")
def reverse(write: Write) -> Record:
    """Fetch the money of a payout back from the bank, by another payout."""
    payout = write.get("payout", write.ids["payout"])
    if payout["status"] != "paid":
        raise write.refuse("payout_state", id=payout["id"], verb="reversed", status=payout["status"])
    if payout["reversed_by"] or payout["original_payout"]:
        raise write.refuse("payout_reversed", id=payout["id"])
    back = _new(write, payout["currency"], -payout["amount"])
    back.update(destination=payout["destination"], original_payout=payout["id"])
    back["metadata"] = merged({}, write.form.get("metadata", {}))
    before = write.get("payout", payout["id"])
    payout["reversed_by"] = back["id"]
    write.put("payout", payout)
    write.emit("payout.updated", payout, before)
    return _leave(write, back, "payout")


def fail(write: Write, payout: Record) -> Record:
    """Let the bank send a payout back, also one that seemed to have arrived."""
    if payout["status"] not in ("pending", "in_transit", "paid"):
        raise write.refuse("payout_state", id=payout["id"], verb="sent back", status=payout["status"])
    payout.update(failure_code="account_closed", failure_message="The bank account has been closed.", status="failed")
    returned = balances.move(write, _movement(payout, payout["amount"], "payout_failure"))
    payout["failure_balance_transaction"] = returned["id"]
    write.put("payout", payout)
    write.emit("payout.failed", payout)
    return payout


def _new(write: Write, currency: str, amount: int) -> Record:
    return write.blank(
        "payout",
        id=write.new_id("po_"),
        amount=amount,
        arrival_date=(write.now // DAY + _ARRIVES_DAYS) * DAY,
        automatic=False,
        currency=currency,
        reconciliation_status="not_applicable",
        status="pending",
    )


def _leave(write: Write, payout: Record, word: str) -> Record:
    payout["balance_transaction"] = balances.move(write, _movement(payout, -payout["amount"], word))["id"]
    write.put("payout", payout)
    write.emit("payout.created", payout)
    return payout


def _movement(payout: Record, amount: int, word: str) -> Movement:
    category = "payout" if word == "payout" and payout["original_payout"] is None else "payout_reversal"
    return Movement(amount, payout["currency"], word, category, payout["id"], payout["description"])


def _bank_account(write: Write, currency: str) -> str | None:
    """Return where earlier payouts in this currency went."""
    earlier = (payout for payout in write.store.records("payout") if payout["currency"] == currency)
    found = next(earlier, None)
    return found["destination"] if found else None


@due("balance", first=balances.opened)
def _paid_out(noted: Record) -> Iterator[Due]:
    """Say when the next automatic payouts are made."""
    yield balances.next_payouts(noted), _pay_out


def _pay_out(write: Write, _noted: Record) -> None:
    """Pay out what is available; what is below zero is fetched from the bank, as the account's settings say."""
    balances.note_payouts(write)
    for currency, amount in list(sweeps.ripe(write)):
        if amount:
            payout = _new(write, currency, amount)
            payout.update(automatic=True, description="STRIPE PAYOUT", reconciliation_status="in_progress")
            payout["destination"] = _bank_account(write, currency)
            sweeps.sweep(write, _leave(write, payout, "payout"))


@due("payout", looks_back_days=40)
def _falls_due(payout: Record) -> Iterator[Due]:
    """Say when a payout goes to the bank, and when it is there; one that the start found late, goes on late."""
    arrives = max(payout["arrival_date"], payout["created"] + 1)
    late = payout["created"] + _LATE
    if payout["status"] == "pending":
        yield from ((at, _send) for at in (min(payout["created"] + _SENT_AFTER, arrives), arrives, late))
    elif payout["status"] == "in_transit":
        yield from ((at, _pay) for at in (arrives, late))


def _send(write: Write, payout: Record) -> None:
    before = write.get("payout", payout["id"])
    payout["status"] = "in_transit"
    reconciles = payout["reconciliation_status"] == "in_progress"
    if reconciles:
        payout["reconciliation_status"] = "completed"
    write.put("payout", payout)
    write.emit("payout.updated", payout, before)
    if reconciles:
        write.emit("payout.reconciliation_completed", payout)


def _pay(write: Write, payout: Record) -> None:
    payout["status"] = "paid"
    payout["trace_id"] = {"status": "supported", "value": f"{payout['created']:015}"}
    write.put("payout", payout)
    write.emit("payout.paid", payout)


@due("balance_transaction", looks_back_days=8)
def _becomes_available(transaction: Record) -> Iterator[Due]:
    """Say when the money of a balance transaction is there."""
    if transaction["status"] == "pending":
        yield transaction["available_on"], balances.release
