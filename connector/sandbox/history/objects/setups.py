"""Setup intents, by which second cards were made ready for later payments, and the attempts at it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from connector.sandbox.document.templates import Record
from connector.sandbox.history.objects.cards import authenticated, checks_of
from connector.sandbox.history.objects.declines import decline, error_of
from connector.sandbox.history.objects.kind import Happening, Kind, OfCustomer
from connector.sandbox.history.story.payments import Failure

if TYPE_CHECKING:
    from connector.sandbox.history.objects.company import Company

_GAVE_UP = 13  # of so many customers one begins to set up a card and leaves it


class SetupIntents(OfCustomer):
    """One for each second card, and some that came to nothing; numbered by customer."""

    name = "setup_intent"

    def __init__(self, company: Company) -> None:
        super().__init__(company)
        self.ids = self.identities.setup_intent
        self.numbering = self.story.layout.setup_intents

    def has(self, number: int) -> bool:
        """Whether the customer ever set up a card, or began to."""
        return self.story.people.comes(number) and (self.is_ready(number) or number % _GAVE_UP == 0)

    def is_ready(self, number: int) -> bool:
        """Whether the customer has a second card."""
        return self.story.methods.has_second(number)

    def at(self, number: int, instant: int) -> Record | None:
        """The setup intent; few customers have one."""
        created = self.numbering.created(number)
        if created > instant or not self.has(number):
            return None
        ident, ready = self.ids(number), self.is_ready(number)
        canceled = not ready and number // _GAVE_UP % 2 == 0
        failed = self.has_failed(number)
        return {
            "id": ident,
            "object": "setup_intent",
            "allowed_payment_method_types": None,
            "application": None,
            "attach_to_self": None,
            "automatic_payment_methods": {"allow_redirects": "always", "enabled": True},
            "cancellation_reason": "abandoned" if canceled else None,
            "client_secret": f"{ident}_secret_{self.identities.letters(number)}",
            "created": created,
            "customer": self.identities.customer(number),
            "customer_account": None,
            "description": "A second card" if number % 2 else None,
            "excluded_payment_method_types": None,
            "flow_directions": None,
            "last_setup_error": self.error(number, instant) if failed else None,
            "latest_attempt": self.identities.setup_attempt(number) if ready or failed else None,
            "livemode": False,
            "managed_payments": None,
            "mandate": None,
            "metadata": {"asked_by": "support"} if number % 3 == 0 else {},
            "next_action": None,
            "on_behalf_of": None,
            "payment_method": self.company.second_method(number) if ready else None,
            "payment_method_configuration_details": None,
            "payment_method_options": {"card": {"mandate_options": None, "network": None,
                                                "request_three_d_secure": "automatic"}},
            "payment_method_types": ["card"],
            "single_use_mandate": None,
            "status": "succeeded" if ready else "canceled" if canceled else "requires_payment_method",
            "usage": "off_session",
        }  # fmt: skip

    def has_failed(self, number: int) -> bool:
        """Whether the customer's bank would not have their first card set up once more."""
        gave_up = number % _GAVE_UP == 0 and number // _GAVE_UP % 2 == 1 and not self.is_ready(number)
        return gave_up and self.story.methods.kind_of_customer(number, self.story.people.market(number)) == "card"

    def error(self, number: int, instant: int) -> Record:
        """Why that failed."""
        method = self.company.payment_methods.at(self.story.methods.of_customer(number), instant)
        return error_of(decline(Failure.FOR_NOW, number), None, method)

    def happenings(self, slot: int) -> Iterator[Happening]:
        """They are made, and most succeed at once."""
        if self.has(slot):
            created = self.numbering.created(slot)
            yield Happening(created, "setup_intent.created", self.name, slot)
            if self.is_ready(slot):
                yield Happening(created, "setup_intent.succeeded", self.name, slot)
            elif self.has_failed(slot):
                yield Happening(created, "setup_intent.setup_failed", self.name, slot)


class SetupAttempts(Kind):
    """The attempt of each setup intent that succeeded or failed."""

    name = "setup_attempt"

    def __init__(self, company: Company) -> None:
        super().__init__(company)
        self.ids = self.identities.setup_attempt
        self.numbering = self.story.layout.setup_intents

    def at(self, number: int, instant: int) -> Record | None:
        """The attempt."""
        intent = self.company.setup_intents.at(number, instant)
        if intent is None or intent["latest_attempt"] is None:
            return None
        error, methods = intent["last_setup_error"], self.story.layout.payment_methods
        method = methods.number(number, 1) if error is None else self.story.methods.of_customer(number)
        return {
            "id": self.ids(number),
            "object": "setup_attempt",
            "application": None,
            "attach_to_self": None,
            "created": intent["created"],
            "customer": intent["customer"],
            "customer_account": None,
            "flow_directions": None,
            "livemode": False,
            "on_behalf_of": None,
            "payment_method": self.identities.payment_method(method),
            "payment_method_details": {"card": self._card(method), "type": "card"},
            "setup_error": error,
            "setup_intent": intent["id"],
            "status": "succeeded" if error is None else "failed",
            "usage": intent["usage"],
        }

    def _card(self, method: int) -> Record:
        card = self.story.methods.card(method)
        billing = self.company.payment_methods.billing(method)
        return {
            "brand": card.brand,
            "checks": checks_of(billing),
            "country": card.country,
            "exp_month": card.exp_month,
            "exp_year": card.exp_year,
            "fingerprint": self.identities.fingerprint(self.identities.payment_method(method)),
            "funding": card.funding,
            "last4": card.last4,
            "network": card.network,
            "three_d_secure": authenticated(method, card.network) if method % 2 else None,
            "wallet": None,
        }

    def numbers(self, field: str, value: str) -> Iterable[int] | None:
        """By setup intent."""
        if field != "setup_intent":
            return None
        number = self.company.setup_intents.number(value)
        return () if number is None else (number,)

    def happenings(self, slot: int) -> Iterator[Happening]:  # noqa: ARG002
        """Stripe tells nothing about them."""
        return iter(())
