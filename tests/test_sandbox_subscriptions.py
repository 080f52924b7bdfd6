"""Subscriptions in the sandbox: how they begin, change, are renewed as time passes, and end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import stripe

from connector.sandbox import Sandbox
from connector.sandbox.document import api
from connector.sandbox.writes.engine.schedule import pass_time
from tests.test_sandbox_billing import customer_with, price_of, told, total_of

NOW = int(datetime(2026, 1, 31, 12, tzinfo=UTC).timestamp())
HOUR, DAY = 3_600, 86_400


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(seed=4, now=NOW, rps=0) as running:
        yield running
        for kind in ("invoice", "invoiceitem", "subscription", "event", "test_helpers.test_clock"):
            for record in running.store.records(kind):
                if int(record.get("created") or record["date"]) >= NOW:
                    assert api.problems(record, kind) == []


@pytest.fixture
def client(sandbox: Sandbox) -> Any:
    return stripe.StripeClient(sandbox.key, base_addresses={"api": sandbox.url}, max_network_retries=0).v1


class Timed:
    """A customer on a test clock."""

    def __init__(self, client: Any, method: str | None = "pm_card_visa") -> None:
        self.client, self.now = client, NOW
        self.clock = client.test_helpers.test_clocks.create({"frozen_time": NOW})
        self.customer = customer_with(client, method, test_clock=self.clock.id)

    def subscribe(self, price: Any, **asked: Any) -> Any:
        items = [{"price": price.id, "quantity": 2}]
        return self.client.subscriptions.create({"customer": self.customer.id, "items": items, **asked})

    def wait(self, seconds: int) -> None:
        self.now += seconds
        advanced = self.client.test_helpers.test_clocks.advance(self.clock.id, {"frozen_time": self.now})
        assert advanced.status == "advancing"
        assert self.client.test_helpers.test_clocks.retrieve(self.clock.id).status == "ready"

    def bills(self) -> list[Any]:
        return list(self.client.invoices.list({"customer": self.customer.id, "limit": 100}).data)


@pytest.fixture
def timed(client: Any) -> Timed:
    return Timed(client)


def the_item(subscription: Any) -> Any:
    return subscription["items"].data[0]


def test_the_first_bill_is_paid_in_the_call(sandbox: Sandbox, client: Any, timed: Timed) -> None:
    subscription = timed.subscribe(price_of(client, 1_000))
    assert subscription.status == "active"
    bill = client.invoices.retrieve(subscription.latest_invoice)
    assert (bill.status, bill.total, bill.billing_reason) == ("paid", 2_000, "subscription_create")
    assert bill.parent.subscription_details.subscription == subscription.id
    assert told(sandbox, subscription.id) == ["customer.subscription.created", "customer.subscription.updated"]


def test_the_month_ends_where_february_does(client: Any, timed: Timed) -> None:
    subscription = timed.subscribe(price_of(client, 1_000))
    assert the_item(subscription).current_period_end == int(datetime(2026, 2, 28, 12, tzinfo=UTC).timestamp())
    timed.wait(28 * DAY)
    renewed = client.subscriptions.retrieve(subscription.id)
    assert the_item(renewed).current_period_end == int(datetime(2026, 3, 31, 12, tzinfo=UTC).timestamp())


def test_a_renewal_is_drafted_and_paid_an_hour_later(client: Any, timed: Timed) -> None:
    subscription = timed.subscribe(price_of(client, 1_000))
    extra = {"customer": timed.customer.id, "amount": 300, "subscription": subscription.id, "currency": "usd"}
    client.invoice_items.create(extra)
    timed.wait(28 * DAY)
    draft = timed.bills()[0]
    assert (draft.status, draft.billing_reason, draft.total) == ("draft", "subscription_cycle", 2_300)
    timed.wait(HOUR)
    paid = client.invoices.retrieve(draft.id)
    assert (paid.status, paid.status_transitions.paid_at) == ("paid", timed.now)


def test_two_months_bring_two_bills(client: Any, timed: Timed) -> None:
    timed.subscribe(price_of(client, 1_000))
    timed.wait(28 * DAY)
    timed.wait(31 * DAY + HOUR)
    assert [bill.status for bill in timed.bills()] == ["paid", "paid", "paid"]
    assert len({bill.number for bill in timed.bills()}) == 3


def test_without_a_payment_method_nothing_begins(client: Any) -> None:
    nobody = Timed(client, method=None)
    with pytest.raises(stripe.InvalidRequestError):
        nobody.subscribe(price_of(client, 1_000))
    assert nobody.bills() == []


def test_a_declined_first_bill_leaves_it_incomplete_then_expired(client: Any) -> None:
    poor = Timed(client, "pm_card_chargeCustomerFail")
    subscription = poor.subscribe(price_of(client, 1_000))
    assert subscription.status == "incomplete"
    poor.wait(DAY)
    assert client.subscriptions.retrieve(subscription.id).status == "incomplete_expired"
    assert poor.bills()[0].status == "void"


def test_error_if_incomplete_leaves_nothing(client: Any) -> None:
    poor = Timed(client, "pm_card_chargeCustomerFail")
    with pytest.raises(stripe.CardError):
        poor.subscribe(price_of(client, 1_000), payment_behavior="error_if_incomplete")
    assert poor.bills() == []


def test_paying_the_first_bill_late_completes_it(client: Any) -> None:
    late = Timed(client)
    subscription = late.subscribe(price_of(client, 1_000), payment_behavior="default_incomplete")
    assert subscription.status == "incomplete"
    client.invoices.pay(subscription.latest_invoice)
    assert client.subscriptions.retrieve(subscription.id).status == "active"


def test_a_card_that_fails_later_makes_it_past_due_and_ends_it(sandbox: Sandbox, client: Any, timed: Timed) -> None:
    subscription = timed.subscribe(price_of(client, 1_000))
    bad = client.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": timed.customer.id})
    client.customers.update(timed.customer.id, {"invoice_settings": {"default_payment_method": bad.id}})
    timed.wait(28 * DAY + HOUR)
    assert client.subscriptions.retrieve(subscription.id).status == "past_due"
    assert client.customers.retrieve(timed.customer.id).delinquent
    timed.wait(20 * DAY)
    ended = client.subscriptions.retrieve(subscription.id)
    assert (ended.status, ended.cancellation_details.reason) == ("canceled", "payment_failed")
    assert timed.bills()[0].attempt_count == 4
    assert told(sandbox, subscription.id)[-1] == "customer.subscription.deleted"


def test_a_trial_bills_nothing_and_warns_before_it_ends(sandbox: Sandbox, client: Any, timed: Timed) -> None:
    subscription = timed.subscribe(price_of(client, 1_000), trial_period_days=14)
    assert (subscription.status, subscription.trial_end) == ("trialing", NOW + 14 * DAY)
    assert timed.bills()[0].total == 0
    timed.wait(14 * DAY + HOUR)
    assert client.subscriptions.retrieve(subscription.id).status == "active"
    assert [bill.total for bill in timed.bills()] == [2_000, 0]
    assert "customer.subscription.trial_will_end" in told(sandbox, subscription.id)


def test_a_trial_that_ends_without_a_card_pauses_until_resumed(sandbox: Sandbox, client: Any) -> None:
    guest = Timed(client, method=None)
    settings = {"end_behavior": {"missing_payment_method": "pause"}}
    subscription = guest.subscribe(price_of(client, 1_000), trial_period_days=7, trial_settings=settings)
    guest.wait(8 * DAY)
    assert client.subscriptions.retrieve(subscription.id).status == "paused"
    card = client.payment_methods.attach("pm_card_visa", {"customer": guest.customer.id})
    client.subscriptions.update(subscription.id, {"default_payment_method": card.id})
    resumed = client.subscriptions.resume(subscription.id)
    assert (resumed.status, the_item(resumed).current_period_start) == ("active", guest.now)
    assert "customer.subscription.resumed" in told(sandbox, subscription.id)


def test_a_higher_quantity_waits_as_prorations_for_the_next_bill(client: Any, timed: Timed) -> None:
    subscription = timed.subscribe(price_of(client, 2_800))
    timed.wait(14 * DAY)
    client.subscriptions.update(subscription.id, {"items": [{"id": the_item(subscription).id, "quantity": 4}]})
    waiting = client.invoice_items.list({"customer": timed.customer.id, "pending": True}).data
    assert sorted(item.amount for item in waiting) == [-2_800, 5_600]
    assert all(item.proration for item in waiting)
    timed.wait(14 * DAY)
    renewal = timed.bills()[0]
    assert renewal.total == 4 * 2_800 + 2_800 == total_of(renewal)


def test_always_invoice_bills_the_change_at_once(client: Any, timed: Timed) -> None:
    subscription = timed.subscribe(price_of(client, 2_800))
    timed.wait(14 * DAY)
    item = client.subscription_items.update(
        the_item(subscription).id, {"quantity": 4, "proration_behavior": "always_invoice"}
    )
    assert item.quantity == 4
    assert (timed.bills()[0].total, timed.bills()[0].status) == (2_800, "paid")


def test_another_interval_starts_a_new_cycle(client: Any, timed: Timed) -> None:
    subscription = timed.subscribe(price_of(client, 2_800))
    timed.wait(14 * DAY)
    yearly = price_of(client, 20_000, interval="year")
    changed = client.subscriptions.update(
        subscription.id, {"items": [{"id": the_item(subscription).id, "price": yearly.id}]}
    )
    assert the_item(changed).current_period_start == timed.now == changed.billing_cycle_anchor
    assert timed.bills()[0].total == 20_000 - 2_800


def test_items_come_and_go_but_one_stays(client: Any, timed: Timed) -> None:
    subscription = timed.subscribe(price_of(client, 1_000))
    added = client.subscription_items.create({"subscription": subscription.id, "price": price_of(client, 500).id})
    assert len(client.subscriptions.retrieve(subscription.id)["items"].data) == 2
    assert client.subscription_items.delete(added.id).deleted
    with pytest.raises(stripe.InvalidRequestError):
        client.subscription_items.delete(the_item(subscription).id)
    yearly = price_of(client, 500, interval="year")
    with pytest.raises(stripe.InvalidRequestError):
        client.subscription_items.create({"subscription": subscription.id, "price": yearly.id})


def test_a_canceled_subscription_is_out_of_the_list_but_there(client: Any, timed: Timed) -> None:
    subscription = timed.subscribe(price_of(client, 1_000))
    canceled = client.subscriptions.cancel(subscription.id, {"cancellation_details": {"feedback": "unused"}})
    assert (canceled.status, canceled.ended_at) == ("canceled", timed.now)
    assert canceled.cancellation_details.reason == "cancellation_requested"
    assert client.subscriptions.list({"customer": timed.customer.id}).data == []
    assert len(client.subscriptions.list({"customer": timed.customer.id, "status": "all"}).data) == 1
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.subscriptions.cancel(subscription.id)
    assert caught.value.code == "resource_missing"
    with pytest.raises(stripe.InvalidRequestError):
        client.subscriptions.update(subscription.id, {"description": "x"})
    assert client.subscriptions.update(subscription.id, {"metadata": {"a": "b"}}).metadata.to_dict() == {"a": "b"}


def test_cancel_at_period_end_ends_it_then_and_can_be_taken_back(client: Any, timed: Timed) -> None:
    subscription = timed.subscribe(price_of(client, 1_000))
    ending = client.subscriptions.update(subscription.id, {"cancel_at_period_end": True})
    assert ending.cancel_at == the_item(subscription).current_period_end
    staying = client.subscriptions.update(subscription.id, {"cancel_at_period_end": False})
    assert (staying.cancel_at, staying.canceled_at) == (None, None)
    client.subscriptions.update(subscription.id, {"cancel_at_period_end": True})
    timed.wait(30 * DAY)
    assert client.subscriptions.retrieve(subscription.id).status == "canceled"
    assert len(timed.bills()) == 1


def test_a_coupon_for_once_is_taken_off_once(client: Any, timed: Timed) -> None:
    coupon = client.coupons.create({"percent_off": 50, "duration": "once"})
    timed.subscribe(price_of(client, 1_000), discounts=[{"coupon": coupon.id}])
    timed.wait(28 * DAY + HOUR)
    assert [bill.total for bill in timed.bills()] == [2_000, 1_000]


def test_one_time_prices_and_mixed_intervals_are_refused(client: Any, timed: Timed) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        timed.subscribe(price_of(client, 1_000, interval=None))
    items = [{"price": price_of(client, 1).id}, {"price": price_of(client, 1, interval="year").id}]
    with pytest.raises(stripe.InvalidRequestError):
        client.subscriptions.create({"customer": timed.customer.id, "items": items})


def test_a_clock_goes_forward_only_and_takes_its_customers_with_it(client: Any, timed: Timed) -> None:
    timed.subscribe(price_of(client, 1_000))
    with pytest.raises(stripe.InvalidRequestError):
        client.test_helpers.test_clocks.advance(timed.clock.id, {"frozen_time": NOW})
    with pytest.raises(stripe.InvalidRequestError):
        client.test_helpers.test_clocks.advance(timed.clock.id, {"frozen_time": NOW + 100 * DAY})
    assert client.test_helpers.test_clocks.delete(timed.clock.id).deleted
    assert client.customers.retrieve(timed.customer.id).deleted


def test_an_invoice_sent_and_not_paid_is_overdue(sandbox: Sandbox, client: Any, timed: Timed) -> None:
    price = price_of(client, 1_000, interval="year")
    subscription = timed.subscribe(price, collection_method="send_invoice", days_until_due=10)
    assert (subscription.status, timed.bills()[0].status) == ("active", "draft")
    timed.wait(HOUR)
    assert timed.bills()[0].status == "open"
    timed.wait(11 * DAY)
    assert client.subscriptions.retrieve(subscription.id).status == "past_due"
    assert "invoice.overdue" in told(sandbox, timed.bills()[0].id)


def test_the_generated_business_goes_on_when_the_clock_is_moved() -> None:
    with Sandbox(seed=4, now=NOW) as sandbox:
        pass_time(sandbox.store, sandbox.clock, NOW + 35 * DAY)
        renewed = [bill for bill in sandbox.store.records("invoice") if bill["created"] > NOW + 60]
        assert len(renewed) > 50
        assert {bill["status"] for bill in renewed} >= {"paid", "draft"}
        for bill in renewed:
            assert api.problems(bill, "invoice") == []
            lines = bill["lines"]["data"]
            taken = sum(part["amount"] for line in lines for part in line["discount_amounts"])
            taxes = sum(tax["amount"] for line in lines for tax in line["taxes"])
            assert bill["total"] == sum(line["amount"] for line in lines) - taken + taxes
        before = len(list(sandbox.store.records("invoice")))
        pass_time(sandbox.store, sandbox.clock, NOW + 35 * DAY)
        assert len(list(sandbox.store.records("invoice"))) == before


def test_a_paused_subscription_is_not_renewed(client: Any, timed: Timed) -> None:
    subscription = timed.subscribe(price_of(client, 1_000))
    assert client.subscriptions.pause(subscription.id, {"type": "subscription"}).status == "paused"
    timed.wait(40 * DAY)
    assert len(timed.bills()) == 1
    assert client.subscriptions.resume(subscription.id).status == "active"
    assert len(timed.bills()) == 2
