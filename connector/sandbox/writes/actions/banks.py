"""What banks do, on request: Stripe itself only ever hears of it, so the sandbox has a path of its own for it.

POST /_bank/po_123 {"outcome": "failed"}                  a payout comes back
POST /_bank/du_123 {"outcome": "won"}                     a dispute is decided; or lost, warning_closed, needs_response
POST /_bank/ch_123 {"outcome": "needs_response"}          a charge is disputed; or warning_needs_response, prevented
POST /_bank/py_123 {"outcome": "failed"}                  a bank debit that was pending is turned down
"""

from __future__ import annotations

from collections.abc import Callable

from connector.sandbox.document.refusals import refusal
from connector.sandbox.document.rules import Record
from connector.sandbox.history.objects.declines import Decline
from connector.sandbox.world.store import Store
from connector.sandbox.writes.actions import disputes, payments, payouts
from connector.sandbox.writes.actions.cards import Disputed
from connector.sandbox.writes.engine.write import Call, Write, writing

_KINDS = {"po": "payout", "du": "dispute", "ch": "charge", "py": "charge"}
_RETURNED = Decline(
    "insufficient_funds", None, "The bank account has insufficient funds.", "issuer_declined", "declined_by_network",
    None, None, 20,
)  # fmt: skip

_Deed = Callable[[Write, Record], Record]


def decide(store: Store, ident: str, outcome: str) -> Record:
    """Let the bank of an object's payer or payee do something; return the object that comes of it."""
    kind = _KINDS.get(ident.partition("_")[0])
    deeds = {outcome: deed for (about, outcome), deed in OUTCOMES.items() if about == kind}
    if kind is None or outcome not in deeds:
        raise refusal("bank_outcome", id=ident, outcome=outcome, possible=", ".join(deeds) or "nothing")
    with writing(store, Call(now=store.clock.now())) as write:
        return deeds[outcome](write, write.get(kind, ident, "id"))


def _verdict(word: disputes.Verdict) -> _Deed:
    return lambda write, dispute: disputes.decided(write, dispute, word)


def _disputed(cause: Disputed) -> _Deed:
    return lambda write, charge: disputes.disputed(write, charge, cause)


OUTCOMES: dict[tuple[str, str], _Deed] = {
    ("payout", "failed"): payouts.fail,
    ("dispute", "won"): _verdict("won"),
    ("dispute", "lost"): _verdict("lost"),
    ("dispute", "warning_closed"): _verdict("warning_closed"),
    ("dispute", "needs_response"): disputes.escalated,
    ("charge", "needs_response"): _disputed(Disputed("fraudulent")),
    ("charge", "warning_needs_response"): _disputed(Disputed("fraudulent", is_inquiry=True)),
    ("charge", "prevented"): _disputed(Disputed("fraudulent", is_inquiry=True, is_prevented=True)),
    ("charge", "failed"): lambda write, charge: payments.turned_down(write, charge, _RETURNED),
}
