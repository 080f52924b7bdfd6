"""The 39 operations that people bring along from other tools, from CSV files, with the parameters they know there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from connector import Stripe
from connector.sandbox import Sandbox
from tests.writing import a_sandbox, an_account

ALL = ("money", "delete")


class Shop:
    """Makes what the operations are about."""

    def __init__(self, stripe: Stripe, sandbox: Sandbox) -> None:
        self._stripe = stripe
        self.customer = next(each["id"] for each in sandbox.truth("customer") if not each.get("test_clock"))

    def made(self, of: str, action: str, **parameters: Any) -> str:
        report = self._stripe.write(of, action, **parameters).apply(allow=ALL)
        assert not report.failed, report
        return str(report.outcomes[0].object_id)

    def __getitem__(self, name: str) -> str:
        found = getattr(self, name)
        return str(found if isinstance(found, str) else found())

    def new_customer(self) -> str:
        return self.any("customers", name="New")

    def any(self, of: str, **parameters: Any) -> str:
        report = self._stripe.write(of, "create", again=True, **parameters).apply(allow=ALL)
        assert not report.failed, report
        return str(report.outcomes[0].object_id)

    def product(self) -> str:
        return self.any("products", name="Mug")

    def item(self) -> str:
        return self.any("invoice_items", customer=self.customer, amount=700, currency="usd")

    def draft(self) -> str:
        how: dict[str, Any] = {"collection_method": "send_invoice", "days_until_due": 30, "currency": "usd"}
        invoice = self.any("invoices", customer=self.customer, **how)
        self.any("invoice_items", customer=self.customer, amount=700, currency="usd", invoice=invoice)
        return invoice

    def open_invoice(self) -> str:
        return self.made("invoices", "finalize", set={"id": self.draft()})

    def intent(self) -> str:
        return self.any("payment_intents", amount=2000, currency="usd", payment_method="pm_card_visa")

    def held_intent(self) -> str:
        how: dict[str, Any] = {"capture_method": "manual", "payment_method": "pm_card_visa", "confirm": True}
        return self.any("payment_intents", amount=2000, currency="usd", **how)

    def paid_intent(self) -> str:
        return self.any("payment_intents", amount=2000, currency="usd", payment_method="pm_card_visa", confirm=True)

    def refund(self) -> str:
        return self.any("refunds", payment_intent=self.paid_intent(), amount=100)

    def payout(self) -> str:
        return self.any("payouts", amount=100, currency="usd")


@dataclass(frozen=True)
class Operation:
    """An operation as others call it: ours, and a CSV file of it; {name} is something of the shop."""

    called: str
    of: str
    action: str
    header: str
    row: str


ADDRESS = "address.line1,address.line2,address.city,address.state,address.country,address.postal_code"
CUSTOMER = (
    f"name,description,email,phone,balance,preferred_locales,{ADDRESS},shipping.name,shipping.phone,"
    "shipping.address.line1,shipping.address.line2,shipping.address.city,shipping.address.state,"
    "shipping.address.country,shipping.address.postal_code,invoice_settings.footer,next_invoice_sequence,tax_exempt"
)
CUSTOMER_ROW = (
    'Ada,Text,ada@example.com,+1555,-500,"[""en"",""de""]",1 Main St,Flat 2,Bath,,GB,BA1,Ada,+1555,'
    "1 Main St,Flat 2,Bath,,GB,BA1,Thank you,77,none"
)
PRODUCT = (
    "name,active,description,package_dimensions.height,package_dimensions.length,package_dimensions.weight,"
    "package_dimensions.width,shippable,statement_descriptor,unit_label,url,images[0],images[1]"
)
PRODUCT_ROW = (
    "Mug,true,A mug,4,4,10.5,4,true,MUG,piece,https://example.com/mug,https://example.com/1.png,"
    "https://example.com/2.png"
)
INVOICE = "days_until_due,auto_advance,collection_method,description,footer,statement_descriptor"
INVOICE_ROW = "30,false,send_invoice,For March,Thank you,MARCH"
ITEM = "description,discountable,period.start,period.end,amount"
ITEM_ROW = "Work,true,2026-10-01,2026-10-31,500"
INTENT_SHIPPING = (
    "shipping.name,shipping.phone,shipping.carrier,shipping.tracking_number,shipping.address.line1,"
    "shipping.address.city,shipping.address.postal_code,shipping.address.country"
)
INTENT_SHIPPING_ROW = "Ada,+1555,DHL,T1,1 Main St,Bath,BA1,GB"

# Of a drag-and-drop connector, then of two scenario builders; the bulk write of a generic request stands below.
OPERATIONS = [
    Operation("Delete a Customer", "customers", "delete", "id", "{new_customer}"),
    Operation("Create a Customer", "customers", "create",
              f"{CUSTOMER},tax_id_data[0].type,tax_id_data[0].value", f"{CUSTOMER_ROW},eu_vat,DE123456789"),
    Operation("Update a Customer", "customers", "update", f"id,{CUSTOMER}", "{new_customer}," + CUSTOMER_ROW),
    Operation("Delete a Product", "products", "delete", "id", "{product}"),
    Operation("Create a Product", "products", "create", PRODUCT, PRODUCT_ROW),
    Operation("Update a Product", "products", "update", f"id,{PRODUCT}", "{product}," + PRODUCT_ROW),
    Operation("Delete a Draft Invoice", "invoices", "delete", "id", "{draft}"),
    Operation("Finalize an Invoice", "invoices", "finalize", "id,auto_advance", "{draft},false"),
    Operation("Pay an Invoice", "invoices", "pay", "id,forgive,paid_out_of_band", "{open_invoice},,true"),
    Operation("Send an Invoice For Manual Payment", "invoices", "send", "id", "{open_invoice}"),
    Operation("Void an Invoice", "invoices", "void", "id", "{open_invoice}"),
    Operation("Mark an Invoice As Uncollectible", "invoices", "mark_uncollectible", "id", "{open_invoice}"),
    Operation("Create an Invoice", "invoices", "create", f"customer,{INVOICE}", "{customer}," + INVOICE_ROW),
    Operation("Update an Invoice", "invoices", "update", f"id,{INVOICE}", "{draft}," + INVOICE_ROW),
    Operation("Create an Invoice Item", "invoice_items", "create",
              f"customer,currency,{ITEM}", "{customer},usd," + ITEM_ROW),
    Operation("Update an Invoice Item", "invoice_items", "update", f"id,{ITEM}", "{item}," + ITEM_ROW),
    Operation("Delete an Invoice Item", "invoice_items", "delete", "id", "{item}"),
    Operation("Create a Payment Intent", "payment_intents", "create",
              "amount,currency,description,receipt_email,customer,statement_descriptor_suffix,capture_method,"
              f"transfer_group,metadata.order,{INTENT_SHIPPING}",
              "2000,usd,Order,ada@example.com,{customer},ORDER,automatic,group_1,77," + INTENT_SHIPPING_ROW),
    Operation("Confirm a Payment Intent", "payment_intents", "confirm",
              f"id,receipt_email,off_session,return_url,{INTENT_SHIPPING}",
              "{intent},ada@example.com,,https://example.com," + INTENT_SHIPPING_ROW),
    Operation("Capture a Payment Intent", "payment_intents", "capture",
              "id,amount_to_capture,statement_descriptor_suffix", "{held_intent},1500,PART"),
    Operation("Update a Payment Intent", "payment_intents", "update",
              f"id,amount,receipt_email,metadata.order,{INTENT_SHIPPING}",
              "{intent},2500,ada@example.com,78," + INTENT_SHIPPING_ROW),
    Operation("Cancel a Payment Intent", "payment_intents", "cancel", "id", "{intent}"),
    Operation("Create a Customer (builder)", "customers", "create",
              f"description,name,phone,metadata.crm,{ADDRESS},preferred_locales",
              'Text,Bob,+1555,9,1 Main St,,Bath,,GB,BA1,"[""en""]"'),
    Operation("Update a Customer (builder)", "customers", "update", "id,metadata.crm,name", "{new_customer},10,Bob B."),
    Operation("Delete a Customer (builder)", "customers", "delete", "id", "{new_customer}"),
    Operation("Create a Refund", "refunds", "create", "payment_intent,amount,reason,metadata.case",
              "{paid_intent},100,requested_by_customer,7"),
    Operation("Update a Refund", "refunds", "update", "id,metadata.case", "{refund},8"),
    Operation("Create a Payout", "payouts", "create", "amount,currency,description,method,statement_descriptor",
              "100,usd,To the bank,standard,OURS"),
    Operation("Cancel a Payout", "payouts", "cancel", "id", "{payout}"),
    Operation("Update a Payout", "payouts", "update", "id,metadata.run", "{payout},march"),
    Operation("Create an Invoice (builder)", "invoices", "create",
              f"customer,{INVOICE},metadata.run", "{customer}," + INVOICE_ROW + ",march"),
    Operation("Update an Invoice (builder)", "invoices", "update", "id,footer,metadata.run", "{draft},Thanks,april"),
    Operation("Finalize a Draft Invoice", "invoices", "finalize", "id", "{draft}"),
    Operation("Void an Invoice (builder)", "invoices", "void", "id", "{open_invoice}"),
    Operation("Delete a Draft Invoice (builder)", "invoices", "delete", "id", "{draft}"),
    Operation("Create an Invoice Item (builder)", "invoice_items", "create",
              "customer,amount,currency,description,period.start,period.end,metadata.run,discountable",
              "{customer},900,usd,More work,2026-10-01,2026-10-31,march,true"),
    Operation("Update an Invoice Item (builder)", "invoice_items", "update",
              "id,description,period.start,period.end,metadata.run,discountable",
              "{item},Less work,2026-10-01,2026-10-30,april,false"),
    Operation("Delete an Invoice Item (builder)", "invoice_items", "delete", "id", "{item}"),
]  # fmt: skip


sandbox = pytest.fixture(scope="module")(a_sandbox)
stripe = pytest.fixture(an_account)


def test_there_are_39_with_the_bulk_write_of_a_generic_request() -> None:
    assert len(OPERATIONS) + 1 == 39


@pytest.mark.parametrize("operation", OPERATIONS, ids=[each.called for each in OPERATIONS])
def test_an_operation_runs_from_a_csv_file(
    operation: Operation, stripe: Stripe, sandbox: Sandbox, tmp_path: Path
) -> None:
    shop = Shop(stripe, sandbox)
    row = operation.row
    for name in ("customer", "new_customer", "product", "draft", "open_invoice", "item", "intent", "held_intent",
                 "paid_intent", "refund", "payout"):  # fmt: skip
        if f"{{{name}}}" in row:
            row = row.replace(f"{{{name}}}", shop[name])
    file = tmp_path / "rows.csv"
    file.write_text(f"{operation.header}\n{row}\n", encoding="utf-8")
    plan = stripe.write(operation.of, operation.action, str(file))
    assert not plan.plan.errors, plan
    report = plan.apply(allow=ALL)
    assert report.counts == {"sent": 1}, report
    event = stripe.actions.find(operation.of, operation.action).event
    assert not event or event in events_of_the_last_call(sandbox)


def events_of_the_last_call(sandbox: Sandbox) -> set[str]:
    """Return the types of the events that carry the key of the newest write."""
    key = next(each.headers["idempotency-key"] for each in reversed(sandbox.requests) if each.method == "POST")
    return {each["type"] for each in sandbox.truth("event") if (each["request"] or {}).get("idempotency_key") == key}


def test_a_generic_request_writes_in_bulk(stripe: Stripe, sandbox: Sandbox, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text(f"id,note\n{Shop(stripe, sandbox).customer},Called on Monday\n", encoding="utf-8")
    how: dict[str, Any] = {"form": {"metadata": {"note": "{note}"}}, "source": str(file), "apply": True}
    (outcome,) = stripe.request("POST", "customers/{id}", **how).to_arrow().to_pylist()
    assert outcome["status"] == "sent"
