"""Subscriptions and the items in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from connector.sandbox.document.templates import Record, listed, template
from connector.sandbox.history.objects.identities import LINES
from connector.sandbox.history.objects.kind import Happening, Kind
from connector.sandbox.history.story.contracts import STARTS_AFTER, Contract, Fate
from connector.sandbox.history.story.invoices import INCOMPLETE_SECONDS

if TYPE_CHECKING:
    from connector.sandbox.history.objects.company import Company

_SUBSCRIPTION, _ITEM = template("subscription"), template("subscription_item")
_PRINTED = 4  # of nine subscriptions one has words of its own on its bills
_FEEDBACK = ("too_expensive", "unused", None, "switched_service", "missing_features", "other")
_COMMENTS = ('We go with "the others"', None, None, "zu teuer, leider", "=too+expensive", None, "line\nbreak")


class Subscriptions(Kind):
    """Plans that customers have taken."""

    name = "subscription"

    def __init__(self, company: Company) -> None:
        super().__init__(company)
        self.ids = self.identities.subscription
        self.numbering = self.story.layout.subscriptions
        self._standing = self.story.subscriptions
        self._month = self.story.calendar.slots_per_month

    def at(self, number: int, instant: int) -> Record | None:
        """The subscription as it was at an instant."""
        contract = self.story.contracts(number)
        if contract is None or self._standing.starts(contract, 0) > instant:
            return None
        return self.of(contract, instant)

    def of(self, contract: Contract, instant: int) -> Record:
        """The subscription of a contract that had begun by then."""
        period = self._standing.period(contract, instant)
        created = self._standing.starts(contract, 0)
        ident = self.ids(contract.number)
        subscription = _SUBSCRIPTION()
        subscription.update(
            id=ident,
            billing_cycle_anchor=self._standing.starts(contract, 1) if contract.trial else created,
            created=created,
            currency=contract.currency,
            customer=self.identities.customer(contract.customer),
            items=listed(f"/v1/subscription_items?subscription={ident}", self.items(contract, period, instant)),
            latest_invoice=self.identities.invoice(self.company.invoices.number_of(contract, period)),
            metadata=self.metadata(contract),
            payment_settings=self.payment_settings(contract) | {"save_default_payment_method": "off"},
            start_date=created,
            status=self._standing.status(contract, instant),
            test_clock=self.company.customers.test_clock(contract.customer),
        )
        if contract.fate is not Fate.PAUSED and (
            contract.number % 2 or not self.story.methods.is_default(contract.customer)
        ):
            subscription["default_payment_method"] = self.identities.payment_method(contract.method)
        if contract.coupon is not None and period < contract.discounted:
            subscription["discounts"].append(self.identities.discount(contract.number))
        subscription["invoice_settings"].update(self.printed(contract))
        if contract.number % 4 == 1:
            subscription["billing_cycle_anchor_config"] = _anchored(subscription["billing_cycle_anchor"])
        if contract.number % 5 == 0:
            subscription["description"] = "Renewed every month, until further notice"
        if contract.tax_permyriad:
            subscription["default_tax_rates"].append(self.company.tax_rates.of_customer(contract.customer))
        if contract.fate is Fate.BY_INVOICE:
            subscription.update(collection_method="send_invoice", days_until_due=30)
        if contract.trial:
            self._add_trial(subscription, contract)
        on_hold = self._standing.on_hold(contract)
        if on_hold is not None and on_hold <= instant:
            subscription["pause_collection"] = {"behavior": "keep_as_draft", "resumes_at": None}
        self._add_end(subscription, contract, instant)
        return subscription

    def metadata(self, contract: Contract) -> dict[str, str]:
        """What somebody has noted on it, as its bills say too."""
        return dict(self.story.people.metadata[contract.number % len(self.story.people.metadata)])

    def printed(self, contract: Contract) -> Record:
        """What is printed on its bills: nothing of its own on most."""
        if contract.number % 9 != _PRINTED:
            return {}
        field = {"name": "Cost centre", "value": f"{4000 + contract.number % 40}"}
        return {"custom_fields": [field], "description": "By subscription", "footer": "Danke & thank you!"}

    def payment_settings(self, contract: Contract) -> Record:
        """How its bills may be paid: one in three says so itself."""
        kinds = [contract.kind] if contract.number % 3 == 0 else None
        options = {"card": {"request_three_d_secure": "automatic"}} if kinds == ["card"] else None
        return {"payment_method_options": options, "payment_method_types": kinds}

    def items(self, contract: Contract, period: int, instant: int) -> list[Record]:
        """The items: each has its price, and the older form of it."""
        prices = self.company.prices
        upgraded = self._standing.upgraded(contract)
        has_new = upgraded is not None and upgraded <= instant
        created = self._standing.starts(contract, 0)
        start, end = self._standing.starts(contract, period), self._standing.starts(contract, period + contract.every)
        found = []
        for place, (entry, quantity) in enumerate(contract.upgraded_items if has_new else contract.items):
            item = _ITEM()
            price = prices.of(entry, instant)
            item.update(
                id=self.item_id(contract.number, place),
                created=created,
                current_period_end=end,
                current_period_start=start,
                metadata={"team": f"T-{contract.number % 7 + 1}"} if contract.number % 6 == 1 else {},
                plan=prices.plan(entry, price),
                price=price,
                subscription=self.ids(contract.number),
            )
            if price["recurring"]["usage_type"] == "metered":
                del item["quantity"]
            else:
                item["quantity"] = quantity
            found.append(item)
        return found

    def item_id(self, number: int, place: int) -> str:
        """The id of an item of a subscription."""
        return self.identities.subscription_item(number * LINES + place)

    def numbers(self, field: str, value: str) -> Iterable[int] | None:
        """By customer, or by the test clock of the customer."""
        if field == "customer":
            customer = self.company.customers.number(value)
        elif field == "test_clock":
            customer = self.company.customers.of_test_clock(value)
        else:
            return None
        return () if customer is None else self.story.people.slots(customer)

    def happenings(self, slot: int) -> Iterator[Happening]:
        """Subscriptions begin, are billed, changed, paused and canceled."""
        begun = self.story.contracts(slot)
        if begun is not None:
            yield self._happening(self._standing.starts(begun, 0), "created", begun)
        yield from self._billed(slot)
        yield from self._ending(slot)
        yield from self._changed(slot)
        for instant, invoice in self.company.invoices.settling(slot):
            if invoice.contract is not None and invoice.contract.fate is Fate.BY_INVOICE:
                yield self._happening(instant, "updated", invoice.contract)
        for earlier in self.story.calendar.slots_before(slot, INCOMPLETE_SECONDS + STARTS_AFTER):
            contract = self.story.contracts(earlier)
            if contract is not None and contract.fate is Fate.INCOMPLETE:
                yield self._happening(self._standing.starts(contract, 0) + INCOMPLETE_SECONDS, "updated", contract)

    def _contracts(self, slot: int) -> Iterator[tuple[int, Contract]]:
        """The subscriptions of which a period begins in a slot, and which one."""
        for period in range(slot // self._month + 1):
            contract = self.story.contracts(slot - period * self._month)
            if contract is not None:
                yield period, contract

    def _billed(self, slot: int) -> Iterator[Happening]:
        for period, contract in self._contracts(slot):
            if period and contract.billed(period):
                yield self._happening(self.story.layout.invoices.instant(slot, period), "updated", contract)
            if period == 1 and contract.fate is Fate.PAUSED:
                yield self._happening(self._standing.starts(contract, 1), "paused", contract)
            if slot == self.story.contracts.drafts_since and contract.fate is Fate.DRAFTS:
                yield self._happening(self._standing.on_hold(contract) or 0, "updated", contract)
        charges = self.story.layout.charges
        for lane in range(1, self.story.layout.charge_of_sale(slot)):
            payment = self.story.payments(charges.number(slot, lane))
            if payment is not None and payment.contract is not None:
                yield self._happening(payment.created, "updated", payment.contract)

    def _ending(self, slot: int) -> Iterator[Happening]:
        for period, contract in self._contracts(slot):
            if contract.fate is Fate.CANCELED and period == contract.stop:
                yield self._happening(self._standing.starts(contract, period), "deleted", contract)
        for period, contract in self._contracts(slot + self._standing.notice):
            noticed = self._standing.noticed(contract)
            if period == contract.stop and noticed is not None:
                yield self._happening(noticed, "updated", contract)
        for period, contract in self._contracts(slot - self.story.invoices.gives_up_after):
            given_up = self._standing.given_up(contract)
            if period == contract.fail and given_up is not None:
                word = "deleted" if contract.fate is Fate.FAILED else "updated"
                yield self._happening(given_up, word, contract)

    def _changed(self, slot: int) -> Iterator[Happening]:
        for period, contract in self._contracts(slot + self._standing.half_month):
            upgraded = self._standing.upgraded(contract)
            if period == contract.upgrade and upgraded is not None:
                yield self._happening(upgraded, "updated", contract)
        for period, contract in self._contracts(slot + self._standing.warning):
            if period == 1 and contract.trial:
                yield self._happening(self.story.calendar.instant(slot) + 27, "trial_will_end", contract)

    def _happening(self, instant: int, word: str, contract: Contract) -> Happening:
        return Happening(instant, f"customer.subscription.{word}", self.name, contract.number)

    def _add_trial(self, subscription: Record, contract: Contract) -> None:
        subscription["trial_start"] = subscription["created"]
        subscription["trial_end"] = ends = self._standing.starts(contract, 1)
        if contract.fate is Fate.PAUSED:
            subscription["trial_settings"]["end_behavior"]["missing_payment_method"] = "pause"
        if subscription["status"] == "paused":
            reason = {"type": "trial_end_without_payment_method"}
            paused = {"subscription": reason, "transitioned_at": ends, "type": "subscription"}
            subscription["status_details"] = {"paused": paused}

    def _add_end(self, subscription: Record, contract: Contract, instant: int) -> None:
        ended, noticed = self._standing.ended(contract), self._standing.noticed(contract)
        details = subscription["cancellation_details"]
        if ended is not None and ended <= instant:
            subscription.update(cancel_at=noticed and ended, canceled_at=noticed or ended, ended_at=ended)
        elif noticed is not None and noticed <= instant:
            subscription.update(cancel_at=ended, canceled_at=noticed)
        elif subscription["status"] == "incomplete_expired":
            subscription["ended_at"] = subscription["created"] + INCOMPLETE_SECONDS
            return
        else:
            return
        subscription["cancel_at_period_end"] = noticed is not None
        details["reason"] = "payment_failed" if contract.fate is Fate.FAILED else "cancellation_requested"
        if contract.fate is Fate.CANCELED:
            details["feedback"] = _FEEDBACK[contract.number % len(_FEEDBACK)]
            details["comment"] = _COMMENTS[contract.number % len(_COMMENTS)]


def _anchored(anchor: int) -> Record:
    """When the anchor is, as who asked for that day of the month has said it."""
    moment = datetime.fromtimestamp(anchor, UTC)
    at = {"hour": moment.hour, "minute": moment.minute, "second": moment.second}
    return {"day_of_month": moment.day, "month": None, **at}
