"""Every field that Stripe has is filled in some object of the seed, or a reason stands here why it is filled in none.

Names are those of the document, those inside nested objects too, down to where another object with a name of its own
begins; what is inside of something that no object has is not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

from connector.sandbox import Sandbox
from connector.sandbox.document import api
from connector.sandbox.document.api import Shape
from connector.sandbox.history.business import Business
from connector.sandbox.server.admin import CHILDREN
from tests.small_business import NOW, Record

KINDS = sorted({*Business.kinds, *CHILDREN, "account"} - {"event"})
"""Kinds of which there is a history; an event's fields are those of what it is about."""

METHODS = {"card", "link", "sepa_debit", "us_bank_account", "type"}
"""What customers of this business pay with."""

OF_METHODS = {"payment_method_details", "payment_method_options", "destination_details"}
"""Names below which stands a name for each way to pay."""

REASONS: dict[str, str] = {
    "Accounts of v2 have no objects of v1.": "*.customer_account",
    "It is the mark of an object that is gone.": "*.deleted",
    "The business is no platform and sells for nobody else.": """
        *.application *.application_fee *.application_fee_amount *.application_fee_percent *.on_behalf_of
        *.transfer_data *.transfer *.source_transfer *.source_transfer_reversal *.transfer_reversal *.issuer.account
        tax_id.owner.account *.invoice_data.issuer *.automatic_tax.liability account.groups""",
    "It comes on request alone.": """
        customer.cash_balance customer.discount customer.sources customer.subscriptions customer.tax customer.tax_ids
        charge.refunds invoice.confirmation_secret invoice.payments price.currency_options
        shipping_rate.fixed_amount.currency_options checkout.session.total_details.breakdown""",
    "A product that the business does not use: tax that is worked out.": """
        invoice.automatic_tax.* subscription.automatic_tax.* checkout.session.automatic_tax.* product.tax_details
        *.shipping_cost.taxes tax_rate.flat_amount""",
    "A product that the business does not use: prices in the payer's own currency.": """
        *.presentment_details checkout.session.currency_conversion""",
    "A product that the business does not use: reviews, rules and reports of Radar.": """
        *.review *.radar_options charge.outcome.rule charge.fraud_details.stripe_report""",
    "A product that the business does not use: schedules, thresholds, credits and templates of Billing.": """
        subscription.schedule subscription.billing_schedules *.billing_thresholds invoice.threshold_reason
        *.credit_balance_transaction customer.invoice_credit_balance invoice.rendering.template*
        customer.invoice_settings.rendering_options subscription.cancellation_details.feedback_option
        invoice.parent.quote_details subscription_item.billed_until subscription_item.current_trial""",
    "A product that the business does not use: treasury, issuing, payment records, hooks, managed payments.": """
        account.settings.treasury account.settings.card_issuing.* *.payment_record *.payment_record_refund
        payment_intent.hooks setup_intent.managed_payments *.flow_directions *.attach_to_self""",
    "A product that the business does not use: methods of payment chosen by settings.": """
        *.payment_method_configuration_details payment_intent.allowed_payment_method_types
        setup_intent.allowed_payment_method_types setup_intent.excluded_payment_method_types
        payment_link.payment_method_types payment_link.payment_method_options account.settings.paypay_payments
        account.settings.bacs_debit_payments.*""",
    "A product that the business does not use: evidence that banks have made easy.": """
        dispute.enhanced_eligibility_types dispute.evidence.enhanced_evidence*
        dispute.evidence_details.enhanced_eligibility* dispute.intended_submission_method""",
    "Its capabilities are those for what its customers pay with.": "account.capabilities.*",
    "What account holders elsewhere have to say: in Japan, of other forms of company.": """
        *_kana *_kanji account.company.*_registrar account.company.vat_id_provided account.company.export_*
        account.company.*_address account.company.*_declaration account.company.ownership_exemption_reason
        account.company.principal_place_of_business account.company.registration_date account.individual
        account.business_profile.minority_owned_business_designation account.tos_acceptance.service_agreement
        account.business_profile.specified_commercial_transactions_act_url""",
    "Nothing is asked of the account that it has not told.": """
        account.requirements.* account.future_requirements.* account.company.verification.document.*""",
    "No file is named: files are put up when the sandbox starts, and the history knows none.": """
        account.settings.branding.icon account.settings.branding.logo checkout.session.branding_settings.icon
        checkout.session.branding_settings.logo dispute.evidence.appeal dispute.evidence.cancellation_policy
        dispute.evidence.customer_communication dispute.evidence.customer_signature
        dispute.evidence.duplicate_charge_documentation dispute.evidence.receipt dispute.evidence.refund_policy
        dispute.evidence.service_documentation dispute.evidence.shipping_documentation
        dispute.evidence.uncategorized_file""",
    "No dispute of this seed is about a charge that was made twice.": "dispute.evidence.duplicate_charge_*",
    "Paid out on days of the month, by itself, and without notes.": """
        account.settings.payouts.schedule.weekly_* payout.metadata payout.original_payout payout.reversed_by
        payout.payout_method""",
    "The account prints no tax id of its own.": """
        account.settings.invoices.default_account_tax_ids *.account_tax_ids""",
    "Cards and sources of former days are samples.": "*.default_source *.source charge.level3",
    "Stripe shows it to few, or says that it is for its own use.": """
        *.card.description *.card.iin *.card.issuer *.request_log_url payment_method.link.persistent_token
        *.link.persistent_token charge.payment_method_details.link.funding_source_group""",
    "Cards without instalments, mandates, readers or a choice of networks.": """
        *.card.installments *.card.mandate *.card.moto *.card.mandate_options *.card.network *.card.generated_from
        *.card.networks.preferred *.card.transaction_link_id *.sepa_debit.generated_from.*
        setup_attempt.payment_method_details.card.wallet""",
    "Nothing but the usual is asked of the card networks.": """
        *.card.request_extended_authorization *.card.request_incremental_authorization *.card.request_multicapture
        *.card.request_overcapture *.card.require_cvc_recollection *.card.setup_credential_usage
        *.card.stored_credential_usage *.card.capture_method *.card.setup_future_usage *.card.restrictions
        *.three_d_secure.exemption_indicator *.three_d_secure.exemption_indicator_applied
        *.three_d_secure.result_reason""",
    "Cards are in Apple's and Google's wallets only.": """
        *.card.wallet.amex_express_checkout *.card.wallet.link *.card.wallet.masterpass *.card.wallet.samsung_pay
        *.card.wallet.visa_checkout""",
    "Mandates are samples; German banks have no branches; accounts are told by hand, none is blocked.": """
        *.sepa_debit.mandate *.us_bank_account.mandate *.us_bank_account.mandate_options *.branch_code
        *.us_bank_account.financial_connections* *.us_bank_account.status_details* *.default_mandate""",
    "Nothing but the usual is asked of banks and Link.": """
        *.us_bank_account.setup_future_usage *.us_bank_account.target_date *.us_bank_account.transaction_purpose
        *.sepa_debit.setup_future_usage *.sepa_debit.target_date *.link.capture_method *.link.setup_future_usage
        checkout.session.payment_method_options.link checkout.session.payment_method_options.sepa_debit""",
    "Bills and subscriptions leave it to the customer's bank and to Link how they are paid.": """
        invoice.payment_settings.payment_method_options.* subscription.payment_settings.payment_method_options.*""",
    "Only cards are set up for later, and nothing is charged then.": """
        setup_*.payment_method_details.* setup_*.payment_method_options.* setup_intent.last_setup_error.*
        setup_intent.mandate setup_intent.next_action setup_intent.single_use_mandate setup_attempt.setup_error.*
        subscription.pending_setup_intent checkout.session.setup_intent""",
    "Taxes of payers are told in Brazil only.": "*.billing_details.tax_id",
    "A bank debit that fails has had no transaction.": "charge.failure_balance_transaction",
    "Shops send no list of goods along, and no tip.": """
        payment_intent.amount_details.discount_amount payment_intent.amount_details.error
        payment_intent.amount_details.line_items payment_intent.amount_details.tip*""",
    "Only a bank or a payer can bring it about, once the sandbox runs.": """
        payment_intent.processing payment_intent.next_action.* refund.instructions_email refund.next_action
        checkout.session.recovered_from payment_intent.last_payment_error.*""",
    "Bills are finalized without fault, and none is made anew.": """
        invoice.last_finalization_error invoice.from_invoice invoice.latest_revision
        invoice.automatically_finalizes_at""",
    "Where a customer lives is no parcel on its way.": """
        customer.shipping.carrier customer.shipping.tracking_number invoice.customer_shipping.carrier
        invoice.customer_shipping.tracking_number""",
    "The few bills over goods go to addresses of one line.": "invoice.shipping_details.address.line2",
    "No goods are taken back in whole.": "credit_note.shipping_cost",
    "Subscriptions renew as they were agreed; what waits for them is billed with them.": """
        subscription.billing_mode.* subscription.next_pending_invoice_item_invoice
        subscription.pending_invoice_item_interval subscription.pending_update subscription.pause_collection.resumes_at
        subscription.trial_settings.end_behavior.billing_cycle_anchor subscription.billing_cycle_anchor_config.month
        invoice.parent.subscription_details.subscription_proration_date""",
    "Discounts and taxes are those of whole bills.": """
        *.discounts *.tax_rates discount.invoice discount.invoice_item discount.subscription_item coupon.applies_to""",
    "Coupons and codes are good for everybody, each in one currency.": """
        coupon.currency_options promotion_code.restrictions.currency_options promotion_code.customer""",
    "Items are added by hand, and prorations come with bills.": """
        invoiceitem.frozen_fields invoiceitem.invoicing_rules invoiceitem.net_amount invoiceitem.proration_details
        invoiceitem.parent.subscription_details.subscription_item
        line_item.parent.subscription_item_details.invoice_item
        line_item.parent.invoice_item_details.proration_details.credited_items""",
    "Credit was given when customers came, and is not used.": """
        customer_balance_transaction.checkout_session customer_balance_transaction.credit_note
        customer_balance_transaction.invoice credit_note.customer_balance_transaction
        credit_note.out_of_band_amount credit_note_line_item.metadata""",
    "Bills are paid by intents.": "invoice_payment.payment.charge",
    "No bill is made of what a page or a link sells, and links leave payments as they are.": """
        checkout.session.invoice_creation.invoice_data.* payment_link.invoice_creation payment_link.payment_intent_data
        payment_link.restrictions payment_link.subscription_data""",
    "Prices have neither trials of their own nor fees by tier.": """
        price.recurring.trial_period_days price.tiers.flat_amount price.tiers.flat_amount_decimal""",
    "Tax offices tell names, and no addresses.": "tax_id.verification.verified_address",
    "No clock is on its way.": "test_helpers.test_clock.status_details.advancing",
}
"""Why no object has it: patterns of names, by reason."""


@cache
def names() -> dict[str, bool]:
    """Return every name that was looked at, and whether some object fills it."""
    found: dict[str, bool] = {}
    with Sandbox(seed=1, now=NOW, rps=0) as sandbox:
        for kind in KINDS:
            for record in sandbox.store.records(kind) if kind == "account" else sandbox.truth(kind):
                for name, is_filled in _names(record, api.schema(kind), kind):
                    found[name] = found.get(name, False) or is_filled
        for name, is_filled in _names(next(sandbox.truth("account")), api.schema("account"), "account"):
            found[name] = found.get(name, False) or is_filled
    return found


def _names(record: Record, shape: Shape, above: str) -> Iterator[tuple[str, bool]]:
    for name, field in shape.fields.items():
        value, path = record.get(name), f"{above}.{name}"
        yield path, _is_filled(value, field)
        if not field.is_list and not field.expandable:
            yield from _inside(value, field, path)


def _inside(value: Any, shape: Shape, path: str) -> Iterator[tuple[str, bool]]:
    if isinstance(value, dict) and not shape.resources:
        yield from _names(value, shape, path)
    elif isinstance(value, list) and shape.items is not None and not shape.items.resources:
        for each in value:
            yield from _inside(each, shape.items, path)


def _is_filled(value: Any, shape: Shape) -> bool:
    """Whether there is something; an empty object is, where the document has nothing that could be in it."""
    return value not in (None, "", [], {}) or (value == {} and not shape.fields and shape.values is None)


def _has_reason(name: str) -> bool:
    return _is_of_another_method(name) or any(_reasons(name))


def _is_of_another_method(name: str) -> bool:
    above, _, leaf = name.rpartition(".")
    if above == "payment_method":
        return leaf in api.schema("payment_method").fields["type"].choices and leaf not in METHODS
    return above.rpartition(".")[2] in OF_METHODS and leaf not in METHODS


def _reasons(name: str) -> list[str]:
    return [reason for reason, patterns in REASONS.items() if any(fnmatchcase(name, each) for each in patterns.split())]


def test_what_no_object_fills_has_a_reason() -> None:
    assert [name for name, is_filled in names().items() if not is_filled and not _has_reason(name)] == []


def test_no_reason_is_given_for_what_is_filled() -> None:
    empty = [name for name, is_filled in names().items() if not is_filled]
    idle = [
        pattern
        for patterns in REASONS.values()
        for pattern in patterns.split()
        if not any(fnmatchcase(name, pattern) for name in empty)
    ]
    assert idle == []
