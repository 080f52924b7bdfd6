"""Balance transactions, payouts, and the balance itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from connector.sandbox.document.templates import Record, template
from connector.sandbox.history.objects.kind import Happening, Kind
from connector.sandbox.history.story.balance import Payout, Posting
from connector.sandbox.history.story.calendar import DAY
from connector.sandbox.history.story.payments import Payment
from connector.sandbox.history.story.reversals import Refund
from connector.sandbox.history.story.series import CURRENCIES, Movement

if TYPE_CHECKING:
    from connector.sandbox.history.objects.company import Company

_TRANSACTION, _PAYOUT = template("balance_transaction"), template("payout")
_BALANCE = template("balance")
_PER_MILLE_TAX = 190  # of the fees in euro, a part is tax

# what moves the balance → type for cards, type for bank debits, reporting category
_WORDS = {
    Movement.CHARGE: ("charge", "payment", "charge"),
    Movement.REFUND: ("refund", "payment_refund", "refund"),
    Movement.FAILED_REFUND: ("refund_failure", "refund_failure", "refund_failure"),
    Movement.DISPUTE: ("adjustment", "adjustment", "dispute"),
    Movement.REINSTATED: ("adjustment", "adjustment", "dispute_reversal"),
    Movement.FEE: ("stripe_fee", "stripe_fee", "fee"),
    Movement.PAYOUT: ("payout", "payout", "payout"),
    Movement.RETURNED_PAYOUT: ("payout_failure", "payout_cancel", "payout_reversal"),
}


class BalanceTransactions(Kind):
    """Every movement of the balance. Its payout is not on it, but can be asked for."""

    name = "balance_transaction"

    def __init__(self, company: Company) -> None:
        super().__init__(company)
        self.ids = self.identities.transaction
        self.numbering = self.story.layout.transactions

    def at(self, number: int, instant: int) -> Record | None:
        """The balance transaction as it was at an instant."""
        posting = self.story.balance.posting(number)
        if posting is None or posting.created > instant:
            return None
        source, other, description = self._source(posting)
        card, debit, category = _WORDS[posting.movement]
        record = _TRANSACTION()
        record.update(
            id=self.ids(number),
            amount=posting.amount,
            available_on=posting.available,
            created=posting.created,
            currency=posting.currency,
            description=description,
            exchange_rate=None if posting.rate is None else posting.rate / 1_000_000,
            fee=posting.fee,
            net=posting.net,
            reporting_category=category,
            source=source,
            status="available" if posting.available <= instant else "pending",
            type=debit if other else card,
        )
        record["fee_details"] += _fees(posting)
        return record

    def numbers(self, field: str, value: str) -> Iterable[int] | None:
        """By payout, exactly; by source, whose prefix tells what it is."""
        if field == "payout":
            payout = self.company.payouts.find(value)
            return () if payout is None else self._of_payout(payout)
        return self._of_source(value) if field == "source" else None

    def happenings(self, slot: int) -> Iterator[Happening]:  # noqa: ARG002
        """Stripe tells nothing about balance transactions."""
        return iter(())

    def _of_payout(self, payout: Payout) -> Iterator[int]:
        """What a payout took along, and its own transaction."""
        yield self.story.layout.transaction(payout.slot, Movement.PAYOUT, payout.lane)
        yield from self.story.balance.swept(payout)

    def _source(self, posting: Posting) -> tuple[str | None, bool, str | None]:
        """The id of what it is about, whether that was a debit or canceled, and a description."""
        cause = posting.cause
        if cause is None:
            return None, False, "Billing – usage fee"
        if isinstance(cause, Payment):
            return self.company.charges.id_of(cause), cause.is_debit, self.company.charges.description(cause)
        if isinstance(cause, Refund):
            text = "REFUND FOR PAYMENT" if cause.payment.is_debit else "REFUND FOR CHARGE"
            return self.company.refunds.id_of(cause), cause.payment.is_debit, text
        if isinstance(cause, Payout):
            return self.identities.payout(cause.number), cause.fate == "canceled", "STRIPE PAYOUT"
        charge = self.company.charges.id_of(cause.payment)
        word = "reversal" if posting.movement is Movement.REINSTATED else "withdrawal"
        return self.identities.dispute(cause.slot), False, f"Chargeback {word} for {charge}"

    def _of_source(self, value: str) -> Iterator[int]:
        layout, prefix = self.story.layout, value.partition("_")[0]
        if prefix in ("ch", "py"):
            charge = self.company.charges.number(value)
            payment = None if charge is None else self.story.payments(charge)
            if payment is not None:
                yield self.company.charges.transaction(payment)
        elif prefix in ("re", "pyr"):
            refund = self.company.refunds.number(value)
            if refund is not None:
                slot, lane = layout.refunds.place(refund)
                yield layout.transaction(slot + self.story.reversals.fails_after, Movement.FAILED_REFUND, lane)
                yield layout.transaction(slot, Movement.REFUND, lane)
        elif prefix == "du":
            dispute = self.company.disputes.number(value)
            if dispute is not None:
                yield layout.transaction(dispute + self.story.reversals.closed_after, Movement.REINSTATED)
                yield layout.transaction(dispute, Movement.DISPUTE)
        elif prefix == "po":
            payout = self.company.payouts.number(value)
            if payout is not None:
                slot, lane = layout.payouts.place(payout)
                yield layout.transaction(slot + self.story.balance.returned_after, Movement.RETURNED_PAYOUT, lane)
                yield layout.transaction(slot, Movement.PAYOUT, lane)


class Payouts(Kind):
    """Transfers to the two bank accounts, as often as the business is paid out."""

    name = "payout"

    def __init__(self, company: Company) -> None:
        super().__init__(company)
        self.ids = self.identities.payout
        self.numbering = self.story.layout.payouts

    def at(self, number: int, instant: int) -> Record | None:
        """The payout as it was at an instant."""
        payout = self._of(number)
        if payout is None or payout.created > instant:
            return None
        status, manual = payout.status(instant), payout.fate == "canceled"
        arrival = payout.ended if payout.fate == "paid" else payout.created + 3 * DAY
        record = _PAYOUT()
        record.update(
            id=self.ids(number),
            amount=payout.amount,
            arrival_date=arrival - arrival % DAY,
            automatic=not manual,
            balance_transaction=self._transaction(payout, Movement.PAYOUT, payout.slot),
            created=payout.created,
            currency=payout.currency,
            description='Auszahlung von Hand, "manual"' if manual else "STRIPE PAYOUT",
            destination=self.identities.bank_account(payout.lane),
            reconciliation_status=self._reconciliation(payout, instant),
            statement_descriptor="SANDBOX SOEHNE" if manual else None,
            status=status,
        )
        if status == "paid":
            record["trace_id"] = {"status": "supported", "value": f"{payout.number * 104729:015}"}
        if status in ("failed", "canceled"):
            returned = payout.slot + self.story.balance.returned_after
            record["failure_balance_transaction"] = self._transaction(payout, Movement.RETURNED_PAYOUT, returned)
        if status == "failed":
            record["failure_code"] = "account_closed"
            record["failure_message"] = "The bank account has been closed."
        return record

    def find(self, ident: str) -> Payout | None:
        """The automatic payout with that id; for others Stripe does not know what they are made of."""
        number = self.number(ident)
        payout = None if number is None else self._of(number)
        return None if payout is None or payout.fate == "canceled" else payout

    def numbers(self, field: str, value: str) -> Iterable[int] | None:
        """By bank account: every second one."""
        if field != "destination":
            return None
        lane = self.identities.bank_account.number(value)
        if lane is None or lane >= len(CURRENCIES):
            return ()
        return range(lane, self.numbering.end, len(CURRENCIES))

    def happenings(self, slot: int) -> Iterator[Happening]:
        """Payouts are created, sent, and end."""
        every, balance = self.story.layout.payout_every, self.story.balance
        oldest = slot - max(balance.arrives_after, balance.returned_after) - 1
        for earlier in range(slot - slot % every, oldest, -every):
            for lane in range(len(CURRENCIES)):
                payout = self.story.balance.payout(earlier, lane)
                if payout is not None:
                    yield from self._told(payout)

    def _told(self, payout: Payout) -> Iterator[Happening]:
        ends = [(payout.created, "created"), (payout.ended, payout.fate)]
        if payout.fate != "canceled":
            ends += [(payout.sent, "updated"), (payout.sent, "reconciliation_completed")]
        for instant, word in ends:
            yield Happening(instant, f"payout.{word}", self.name, payout.number)

    def _of(self, number: int) -> Payout | None:
        return self.story.balance.payout(*self.story.layout.payouts.place(number))

    def _transaction(self, payout: Payout, movement: Movement, slot: int) -> str:
        return self.identities.transaction(self.story.layout.transaction(slot, movement, payout.lane))

    def _reconciliation(self, payout: Payout, instant: int) -> str:
        if payout.fate == "canceled":
            return "not_applicable"
        return "completed" if instant >= payout.sent else "in_progress"


def balance(company: Company) -> Record:
    """What is left in each currency, available or not yet."""
    now = company.story.calendar.now
    sums: dict[str, Counter[str]] = {"available": Counter(), "pending": Counter()}
    for posting in company.story.balance.left():
        sums["available" if posting.available <= now else "pending"][posting.currency] += posting.net
    record = _BALANCE()
    for word, amounts in sums.items():
        record[word] = [
            {"amount": amounts[currency], "currency": currency, "source_types": {"card": amounts[currency]}}
            for currency in CURRENCIES
        ]
    record["connect_reserved"] = [{"amount": 0, "currency": currency} for currency in CURRENCIES]
    return record


def _fees(posting: Posting) -> list[Record]:
    """The parts of the fee; what is withheld in euro includes a tax."""
    if posting.fee == 0:
        return []
    text = "Dispute fee" if posting.movement is Movement.DISPUTE else "Stripe processing fees"
    tax = posting.fee * _PER_MILLE_TAX // (1000 + _PER_MILLE_TAX) if posting.currency == "eur" else 0
    parts = [(posting.fee - tax, text, "stripe_fee"), (tax, "VAT", "tax")]
    return [
        {"amount": amount, "application": None, "currency": posting.currency, "description": words, "type": kind}
        for amount, words, kind in parts
        if amount
    ]
