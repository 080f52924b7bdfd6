"""The ids of everything, one way of writing them per kind of object."""

from __future__ import annotations

from connector.sandbox.history.story.ids import Ids

LINES = 64
"""More lines than any invoice, credit note, subscription or session has."""


class Identities:
    """Ids by kind. Like Stripe's, long ones carry letters of the account in the middle."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        letters = Ids(seed, "account", "")
        self._middle = letters(0)[:10]
        self.account = f"acct_1{letters(1)[:5]}{self._middle}"
        self.customer = self._short("customer", "cus_")
        self.product = self._short("product", "prod_")
        self.subscription_item = self._short("subscription_item", "si_")
        self.price = self._long("price", "price_1")
        self.subscription = self._long("subscription", "sub_1")
        self.invoice = self._long("invoice", "in_1")
        self.line = self._long("line", "il_1")
        self.invoice_payment = self._long("invoice_payment", "inpay_1")
        self.invoice_item = self._long("invoice_item", "ii_1")
        self.payment_intent = self._long("payment_intent", "pi_3")
        self.charge = self._long("charge", "ch_3")
        self.debit = self._long("charge", "py_3")
        self.refund = self._long("refund", "re_3")
        self.debit_refund = self._long("refund", "pyr_1")
        self.payout = self._long("payout", "po_1")
        self.transaction = self._long("transaction", "txn_3")
        self.dispute = self._long("dispute", "du_1")
        self.credit_note = self._long("credit_note", "cn_1")
        self.credit_note_line = self._long("credit_note_line", "cnli_1")
        self.payment_method = self._long("payment_method", "pm_1")
        self.payment_link = self._long("payment_link", "plink_1")
        self.shipping_rate = self._long("shipping_rate", "shr_1")
        self.sold_item = self._long("sold_item", "li_1")
        self.discount = self._long("discount", "di_1")
        self.tax_rate = self._long("tax_rate", "txr_1")
        self.tax_id = self._long("tax_id", "txi_1")
        self.promotion_code = self._long("promotion_code", "promo_1")
        self.setup_intent = self._long("setup_intent", "seti_1")
        self.setup_attempt = self._long("setup_attempt", "setatt_1")
        self.customer_balance_transaction = self._long("customer_balance_transaction", "cbtxn_1")
        self.bank_account = self._long("bank_account", "ba_1")
        self.test_clock = self._long("test_clock", "clock_1")
        self.event = self._long("event", "evt_1")
        self.request = Ids(seed, "request", "req_Q7")
        self.session = SessionIds(seed)
        self.letters = Ids(seed, "letters", "")

    @staticmethod
    def fingerprint(method: str) -> str:
        """What Stripe recognizes a card or an account by: here from the id of the payment method."""
        return f"Xt5E{method[-12:]}"

    def _long(self, kind: str, prefix: str) -> Ids:
        return Ids(self._seed, kind, f"{prefix}S", self._middle)

    def _short(self, kind: str, prefix: str) -> Ids:
        return Ids(self._seed, kind, f"{prefix}S{self._middle[0]}")


class SessionIds:
    """Ids of checkout sessions, which are longer than others."""

    def __init__(self, seed: int) -> None:
        self._ids = Ids(seed, "session", "cs_test_a1")
        self._more = [Ids(seed, f"session {part}", "") for part in range(4)]

    def __call__(self, number: int) -> str:
        """Write the id of a number."""
        return (self._ids(number) + "".join(ids(number) for ids in self._more))[: len("cs_test_") + 58]

    def number(self, text: str) -> int | None:
        """The number that `text` was made from; None if it was not made here."""
        number = self._ids.number(text[: len("cs_test_a1") + 12])
        return number if number is not None and self(number) == text else None
