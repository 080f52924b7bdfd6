"""What the seed tells and what the engine goes on with are one story: asked in SQL of the tables.

At the start, after forty days, and after a thousand changes of a busy business.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

from connector.sandbox import Sandbox
from tests.accounts import account
from tests.serving import NOW

DAY = 86_400
TABLES = (
    "balance_transactions", "charges", "coupons", "credit_notes", "customers", "disputes", "invoice_items",
    "invoice_lines", "invoices", "payment_intents", "payouts", "prices", "products", "refunds", "subscription_items",
    "subscriptions",
)  # fmt: skip
BY_HAND = (
    "tax_rate", "discount", "test_helpers.test_clock", "customer_balance_transaction", "promotion_code",
    "checkout.session", "shipping_rate",
)  # fmt: skip
"""Kinds that have no table yet: their objects are laid beside the tables, as JSON."""

IDENTITIES = {
    "an invoice is of a customer": """
        from invoices where customer not in (select id from customers union all select id from deleted)
        and test_clock is null""",
    "a charge is of an intent": "from charges where payment_intent not in (select id from payment_intents)",
    "a refund is of a charge": "from refunds where charge not in (select id from charges)",
    "a line is of an invoice": "from invoice_lines where invoice not in (select id from invoices)",
    "an item is of a subscription": "from subscription_items where subscription not in (select id from subscriptions)",
    "lines make the subtotal": """
        from (select any_value(i.subtotal) as subtotal, sum(l.amount) as lines
              from invoices i join invoice_lines l on l.invoice = i.id group by i.id)
        where subtotal != lines""",
    "what is due is paid or remains": "from invoices where amount_due != amount_paid + amount_remaining",
    "net is amount less fee": "from balance_transactions where net != amount - fee",
    "a charge has given back what its refunds say": """
        from charges c left join (select charge, sum(amount) as back from refunds
                                  where status in ('succeeded', 'pending', 'requires_action') group by charge) r
             on r.charge = c.id
        where c.amount_refunded != coalesce(r.back, 0)""",
    "a bill comes to its lines, less discounts, plus taxes and shipping": """
        from (select total, subtotal, amount_shipping,
                     list_sum([0] || cast(total_discount_amounts->'$[*].amount' as bigint[])) as off,
                     list_sum([0] || [cast(tax->>'amount' as bigint)
                                      for tax in from_json(total_taxes, '["JSON"]')
                                      if tax->>'tax_behavior' = 'exclusive']) as tax
              from invoices)
        where total != subtotal - off + tax + amount_shipping""",
    "a checkout page asks for what it sells and what sending it costs": """
        from "checkout.session"
        where cast(json->>'amount_total' as bigint) != cast(json->>'amount_subtotal' as bigint)
              - cast(json->'total_details'->>'amount_discount' as bigint)
              + cast(json->'total_details'->>'amount_tax' as bigint)
              + cast(json->'total_details'->>'amount_shipping' as bigint)""",
    "what sending costs is what the rate says": """
        from (select json->>'currency' as currency, json->'shipping_cost' as cost, json->'total_details' as totals
              from "checkout.session" where (json->>'shipping_cost') is not null
              union all select currency, json_object('amount_total', shipping_cost_amount_total,
                                                     'shipping_rate', shipping_cost_shipping_rate),
                               json_object('amount_shipping', amount_shipping)
              from invoices where shipping_cost_shipping_rate is not null) s
        left join shipping_rate r on r.id = (s.cost->>'shipping_rate')
        where r.id is null or (r.json->'fixed_amount'->>'currency') != s.currency
           or (r.json->'fixed_amount'->>'amount') != (s.cost->>'amount_total')
           or (s.cost->>'amount_total') != (s.totals->>'amount_shipping')""",
    "what a checkout page asks for is paid": """
        from "checkout.session" s left join payment_intents p on p.id = (s.json->>'payment_intent')
             left join charges c on c.id = p.latest_charge
        where (s.json->>'payment_intent') is not null
          and (p.id is null or p.amount != cast(s.json->>'amount_total' as bigint)
               or c.amount is distinct from p.amount or p.currency != (s.json->>'currency'))""",
    "what a charge takes is in the balance": """
        from charges c left join balance_transactions b on b.id = c.balance_transaction
        where c.captured and c.paid and (b.id is null or b.source != c.id
                                         or (b.currency = c.currency and b.amount != c.amount_captured))""",
    "an order goes where the buyer has said": """
        from "checkout.session" s join payment_intents p on p.id = (s.json->>'payment_intent')
        where (s.json->'collected_information'->>'shipping_details') is not null
          and (s.json->'collected_information'->'shipping_details'->'address'->>'line1')
              is distinct from p.shipping_address_line1""",
    "drafts have no number": "from invoices where status = 'draft' and number is not null",
    "numbers are without gaps": """
        from (select c.next_invoice_sequence as following,
                     count(i.number) as issued,
                     coalesce(max(cast(split_part(i.number, '-', 2) as integer)), 0) as last
              from customers c left join invoices i on i.customer = c.id group by c.id, c.next_invoice_sequence)
        where following != issued + 1 or last != issued""",
    "tax rates are there": """
        from (select unnest(from_json(total_taxes, '["JSON"]')) as tax from invoices)
        where (tax->'tax_rate_details'->>'tax_rate') not in (select id from tax_rate)""",
    "discounts are there": """
        from (select unnest(from_json(discounts, '["VARCHAR"]')) as id from invoices
              union all select unnest(from_json(discounts, '["VARCHAR"]')) from subscriptions)
        where id not in (select id from discount)""",
    "test clocks are there": """
        from (select test_clock from customers union all select test_clock from subscriptions
              union all select test_clock from invoices)
        where test_clock is not null and test_clock not in (select id from "test_helpers.test_clock")""",
    "a balance is what its transactions leave": """
        from customers c left join (select json->>'customer' as customer, sum(cast(json->>'amount' as bigint)) as moved
                                    from customer_balance_transaction group by all) m on m.customer = c.id
        where c.balance != coalesce(m.moved, 0)""",
    "a subscription that charges by itself has what to pay with": """
        from subscriptions s join customers c on c.id = s.customer
        where s.status = 'active' and s.collection_method = 'charge_automatically'
          and s.default_payment_method is null and c.invoice_settings_default_payment_method is null
          and s.id in (select subscription from invoices where amount_paid > 0)""",
    "open bills do not pile up": """
        from (select subscription, count(*) as bills from invoices
              where status = 'open' and collection_method = 'charge_automatically' group by all)
        where subscription is not null and bills > 1""",
    "an unpaid subscription makes drafts": """
        from invoices i join subscriptions s on s.id = i.subscription
        where s.status = 'unpaid' and i.status = 'open' and i.auto_advance""",
    "a late bill that is sent makes its subscription past due": """
        from subscriptions s
        where s.collection_method = 'send_invoice' and s.status = 'active'
          and exists (from invoices i where i.id = s.latest_invoice and i.status = 'open'
                      and epoch(i.due_date) < {now})""",
    "who owes a failed renewal is delinquent": """
        from subscriptions s join customers c on c.id = s.customer
        where s.status = 'past_due' and s.collection_method = 'charge_automatically' and not c.delinquent
          and not exists (from invoices i where i.customer = c.id and i.status = 'paid'
                          and i.subscription is distinct from s.id)""",
    "disputes are few": """
        from (select (select count(*) from disputes) as disputes, count(*) as charges from charges where paid)
        where disputes > charges * 0.008""",
    "payouts are paid on the days that the account says": """
        from payouts where automatic and original_payout is null and day(created at time zone 'UTC') not in {days}""",
}
"""What never holds: each is the end of a `select count(*)`."""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(now=NOW, rps=0) as running:
        yield running


@pytest.fixture(scope="module", params=["at the start", "after forty days", "after a thousand changes"])
def tables(sandbox: Sandbox, request: pytest.FixtureRequest) -> Iterator[duckdb.DuckDBPyConnection]:
    """The whole business as it stands then, in tables."""
    if request.param == "after forty days":
        sandbox.advance(40 * DAY)
    if request.param == "after a thousand changes":
        sandbox.work(1000)
    with account(sandbox) as stripe, duckdb.connect() as connection:
        for name in TABLES:
            rows: Any = stripe.extract(name).to_arrow()
            connection.register("rows", rows)
            connection.execute(f'create table "{name}" as from rows')
        for kind in BY_HAND:
            connection.execute(f'create table "{kind}" (id varchar, json json)')
            rows = [(record["id"], json.dumps(record)) for record in sandbox.truth(kind)]
            connection.executemany(f'insert into "{kind}" values (?, ?)', rows)
        billed = connection.sql("select distinct customer from invoices").fetchall()
        connection.execute("create table deleted (id varchar)")
        for gone in (row for row in billed if sandbox.store.was_deleted("customer", row[0])):
            connection.execute("insert into deleted values (?)", gone)
        yield connection


@pytest.mark.parametrize("name", IDENTITIES)
def test_the_story_is_one(sandbox: Sandbox, tables: duckdb.DuckDBPyConnection, name: str) -> None:
    (own,) = sandbox.truth("account")
    days = tuple(own["settings"]["payouts"]["schedule"]["monthly_payout_days"])
    sql = IDENTITIES[name].replace("{now}", str(sandbox.clock.now())).replace("{days}", str(days))
    assert tables.sql(f"select * {sql}").fetchall() == []
