"""A refusal as it is raised and answered, made of a row of the tables."""

from __future__ import annotations

from typing import Any

from connector.sandbox.document.refusals import billing, payments, requests
from connector.sandbox.document.refusals.rule import Rule

RULES: dict[str, Rule] = {**requests.RULES, **payments.RULES, **billing.RULES}
"""All rows, by name."""


class Refusal(Exception):
    """An answer that refuses; `rule` is its row, `param` the parameter at fault in bracket form.

    `more` are further fields of the error. `leaves` says that what was done stays done, as after a declined
    payment; else a refused call leaves nothing behind.
    """

    def __init__(self, rule: Rule, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.rule = rule
        self.message = message
        self.param = param
        self.more: dict[str, Any] = {}
        self.leaves = False

    def leaving(self, **more: Any) -> Refusal:
        """Return this refusal as one that undoes nothing, with the fields `more` in the error."""
        self.leaves = True
        self.more.update(more)
        return self

    def body(self) -> dict[str, Any]:
        """Return the answer's JSON; fields that do not apply are left out, as Stripe does."""
        code = self.rule.code
        kind = self.rule.type or None
        page = f"https://docs.stripe.com/error-codes#{code.replace('_', '-')}" if code and kind else None
        error = {"code": code, "doc_url": page, "message": self.message, "param": self.param, "type": kind}
        error.update(self.more)
        return {"error": {name: value for name, value in error.items() if value is not None}}


def refusal(name: str, /, param: str | None = None, **words: object) -> Refusal:
    """Return the refusal in the row called `name`, its message filled in with `words`."""
    rule = RULES[name]
    return Refusal(rule, rule.message.format(**words, param=param), param)
