"""Every way in which the sandbox says no, in Stripe's shape: tables, each row with its basis.

A basis is "spec" (the OpenAPI document), "docs" (Stripe's documentation), "sdk" (what Stripe's own libraries
make of answers), "third" (Stripe quoted elsewhere, for example in an error report), "known" (general knowledge,
not confirmed) or "own" (a sandbox matter that Stripe does not have).
"""

from connector.sandbox.document.refusals.refusal import RULES, Refusal, refusal
from connector.sandbox.document.refusals.rule import Rule

__all__ = ["RULES", "Refusal", "Rule", "refusal"]
