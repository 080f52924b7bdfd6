"""What moves the balance: every movement makes a balance transaction, and the balance is what they leave.

The balance stands in the store as one object that each movement changes, so that asking for it looks at nothing
else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from connector.sandbox.document.rules import Record
from connector.sandbox.history.story import money
from connector.sandbox.world.expansion import show, tree_of
from connector.sandbox.writes.actions import sweeps
from connector.sandbox.writes.engine.handlers import holds, reads
from connector.sandbox.writes.engine.schedule import passed

if TYPE_CHECKING:
    from connector.sandbox.document.api import Operation
    from connector.sandbox.world.store import Store
    from connector.sandbox.writes.engine.write import Write

DAY = 86_400
_KIND = "balance"
_PAID_OUT, _DAYS = "_paid_out_at", "_paid_out_on"  # notes on the balance that no answer shows
_PENDING_DAYS = 2
_MONTH = 30 * DAY
_PER_MILLE_TAX = 190  # of the fees in euro, a part is tax
_MILLIONTHS_OF_A_CENT = {  # dollar cents for one minor unit, times a million, beside those that the business takes
    "aed": 272_000, "aud": 660_000, "bhd": 265_000, "brl": 185_000, "cad": 730_000, "chf": 1_240_000,
    "clp": 107_000, "cny": 140_000, "czk": 47_000, "dkk": 155_000, "hkd": 128_000, "idr": 62, "ils": 290_000,
    "inr": 11_500, "jod": 141_000, "krw": 73_000, "mxn": 54_000, "myr": 236_000, "nok": 98_000, "nzd": 600_000,
    "omr": 260_000, "php": 17_500, "pln": 272_000, "ron": 230_000, "sar": 266_000, "sek": 105_000, "sgd": 770_000,
    "thb": 30_500, "tnd": 34_000, "try": 24_000, "twd": 32_500, "vnd": 3_900, "zar": 56_000,
}  # fmt: skip
_OF_THE_BUSINESS = frozenset({"usd", "eur", "gbp", "jpy", "kwd", "isk", "huf", "ugx"})
_USUAL_RATE = 10_000  # of currencies that nobody here pays in

holds(_KIND)


@dataclass(frozen=True)
class Movement:
    """A change of the balance, before exchange: signed amount in the currency of its cause, and Stripe's words.

    `fee` is in the currency that it settles in; `is_pending` says that the money is there only after some days.
    """

    amount: int
    currency: str
    type: str
    category: str
    source: str | None
    description: str | None
    fee: int = 0
    is_pending: bool = False


def settled(amount: int, currency: str, now: int) -> int:
    """Return what an amount comes to in the currency that it settles in."""
    rate = _rate(currency, now)
    return amount if rate is None else money.rounded(amount * rate, 1_000_000, "usd")


def charge_fee(amount: int, currency: str, now: int, *, debit: bool) -> int:
    """Return what Stripe keeps of a payment, in the currency that it settles in."""
    exchanged = _rate(currency, now) is not None
    return money.fee(settled(amount, currency, now), money.settled_in(currency), exchanged=exchanged, debit=debit)


def move(write: Write, movement: Movement) -> Record:
    """Leave behind the balance transaction of a movement, and the balance after it."""
    amount = settled(movement.amount, movement.currency, write.now)
    currency = money.settled_in(movement.currency)
    rate = _rate(movement.currency, write.now)
    available = write.now
    if movement.is_pending:
        available = (write.now // DAY + _PENDING_DAYS) * DAY
    is_pending = movement.is_pending and available > passed(write.store)  # a test clock may be far behind
    record = write.blank(
        "balance_transaction",
        id=write.new_id("txn_"),
        amount=amount,
        available_on=available,
        currency=currency,
        description=movement.description,
        exchange_rate=None if rate is None else rate / 1_000_000,
        fee=movement.fee,
        fee_details=_fees(movement, currency),
        net=amount - movement.fee,
        reporting_category=movement.category,
        source=movement.source,
        status="pending" if is_pending else "available",
        type=movement.type,
    )
    write.put("balance_transaction", record)
    sweeps.wait(write, record)
    _change(write, record["status"], currency, record["net"])
    return record


def release(write: Write, transaction: Record) -> None:
    """Let the money of a pending balance transaction become available."""
    transaction["status"] = "available"
    write.put("balance_transaction", transaction)
    _change(write, "pending", transaction["currency"], -transaction["net"])
    _change(write, "available", transaction["currency"], transaction["net"])


def available(write: Write, currency: str) -> int:
    """Return what can be paid out in a currency."""
    amounts = _balance(write)["available"]
    return next((part["amount"] for part in amounts if part["currency"] == currency), 0)


def balance(store: Store) -> Record:
    """Return the balance object: what all transactions leave, generated and new."""
    record = store.get(_KIND, _KIND) or opened(store)
    return {name: value for name, value in record.items() if name not in ("id", _PAID_OUT, _DAYS)}


def opened(store: Store) -> Record:
    """Return the balance as it is noted at first: what the business begins with, paid out at the last midnight."""
    schedule = store.business.account()["settings"]["payouts"]["schedule"]
    notes = {_PAID_OUT: store.clock.start // DAY * DAY, _DAYS: schedule.get("monthly_payout_days")}
    return {"id": _KIND, **store.business.balance(), **notes}


def next_payouts(noted: Record) -> int:
    """Return when the balance is paid out next: at midnight (UTC) of a day that the account's schedule names."""
    following = int(noted[_PAID_OUT]) + DAY
    days = noted[_DAYS]
    while days and datetime.fromtimestamp(following, UTC).day not in days:
        following += DAY
    return following


def note_payouts(write: Write) -> None:
    """Note that the payouts that were due have been made."""
    noted = _balance(write)
    noted[_PAID_OUT] = next_payouts(noted)
    write.put(_KIND, noted)


@reads("GET /v1/balance")
def retrieve(store: Store, operation: Operation, _path: str, parameters: Mapping[str, Any]) -> Record:
    """Serve the balance."""
    return show(balance(store), _KIND, tree_of(parameters.get("expand", []), operation), store)


def _balance(write: Write) -> Record:
    return write.look(_KIND, _KIND) or opened(write.store)


def _change(write: Write, word: str, currency: str, net: int) -> None:
    record = _balance(write)
    part = next((part for part in record[word] if part["currency"] == currency), None)
    if part is None:
        part = {"amount": 0, "currency": currency, "source_types": {"card": 0}}
        record[word].append(part)
    part["amount"] += net
    part["source_types"]["card"] += net
    write.put(_KIND, record)


def _rate(currency: str, now: int) -> int | None:
    """Millionths of a dollar cent for one minor unit; None where nothing is exchanged."""
    if currency in _OF_THE_BUSINESS:
        return money.rate(currency, now // _MONTH)
    return _MILLIONTHS_OF_A_CENT.get(currency, _USUAL_RATE)


def _fees(movement: Movement, currency: str) -> list[Record]:
    """Return the parts of the fee; what is withheld in euro includes a tax."""
    text = "Dispute fee" if movement.category == "dispute" else "Stripe processing fees"
    tax = movement.fee * _PER_MILLE_TAX // (1000 + _PER_MILLE_TAX) if currency == "eur" else 0
    parts = [(movement.fee - tax, text, "stripe_fee"), (tax, "VAT", "tax")]
    return [
        {"amount": amount, "application": None, "currency": currency, "description": words, "type": kind}
        for amount, words, kind in parts
        if amount
    ]
