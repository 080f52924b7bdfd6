"""All kinds of objects of one business, which find each other here."""

from __future__ import annotations

from connector.sandbox.document.templates import Record, template
from connector.sandbox.history.meters import meter_of_prices
from connector.sandbox.history.objects.catalogue import Coupons, PaymentLinks, Prices, Products
from connector.sandbox.history.objects.charges import Charges
from connector.sandbox.history.objects.clocks import CustomerBalanceTransactions, TestClocks
from connector.sandbox.history.objects.credit_notes import CreditNotes
from connector.sandbox.history.objects.customers import Customers, PaymentMethods
from connector.sandbox.history.objects.discounts import Discounts, PromotionCodes
from connector.sandbox.history.objects.events import Events
from connector.sandbox.history.objects.identities import Identities
from connector.sandbox.history.objects.invoice_items import InvoiceItems
from connector.sandbox.history.objects.invoice_payments import InvoicePayments
from connector.sandbox.history.objects.invoices import Invoices
from connector.sandbox.history.objects.kind import Kind
from connector.sandbox.history.objects.lines import Lines
from connector.sandbox.history.objects.money import BalanceTransactions, Payouts
from connector.sandbox.history.objects.pages import Pages
from connector.sandbox.history.objects.payment_intents import PaymentIntents
from connector.sandbox.history.objects.reversals import Disputes, Refunds
from connector.sandbox.history.objects.sessions import CheckoutSessions
from connector.sandbox.history.objects.setups import SetupAttempts, SetupIntents
from connector.sandbox.history.objects.shipping import ShippingRates
from connector.sandbox.history.objects.subscriptions import Subscriptions
from connector.sandbox.history.objects.taxes import TaxIds, TaxRates
from connector.sandbox.history.story.series import CURRENCIES
from connector.sandbox.history.story.story import Story

_ACCOUNT = template("account")


class Company:
    """The business with its objects by kind."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self.identities = Identities(story.seed)
        self.meter = meter_of_prices(story.seed)
        self.tax_rates = TaxRates(self)
        self.customers = Customers(self)
        self.products = Products(self)
        self.prices = Prices(self)
        self.subscriptions = Subscriptions(self)
        self.invoices = Invoices(self)
        self.lines = Lines(self)
        self.invoice_items = InvoiceItems(self)
        self.charges = Charges(self)
        self.payment_intents = PaymentIntents(self)
        self.invoice_payments = InvoicePayments(self)
        self.refunds = Refunds(self)
        self.payouts = Payouts(self)
        self.transactions = BalanceTransactions(self)
        self.disputes = Disputes(self)
        self.credit_notes = CreditNotes(self)
        self.coupons = Coupons(self)
        self.promotion_codes = PromotionCodes(self)
        self.discounts = Discounts(self)
        self.payment_methods = PaymentMethods(self)
        self.setup_intents = SetupIntents(self)
        self.setup_attempts = SetupAttempts(self)
        self.tax_ids = TaxIds(self)
        self.test_clocks = TestClocks(self)
        self.balance_transactions_of_customers = CustomerBalanceTransactions(self)
        self.shipping_rates = ShippingRates(self)
        self.pages = Pages(self)
        self.payment_links = PaymentLinks(self)
        self.sessions = CheckoutSessions(self)
        self.kinds: dict[str, Kind] = {kind.name: kind for kind in vars(self).values() if isinstance(kind, Kind)}
        self.kinds["event"] = Events(self)

    def second_method(self, customer: int) -> str:
        """The id of a customer's second card."""
        return self.identities.payment_method(self.story.layout.payment_methods.number(customer, 1))

    def tax(self, customer: int, amount: int, taxable: int) -> Record:
        """A tax as bills and credit notes show it."""
        market = self.story.people.market(customer)
        rate = self.tax_rates.of_market(market.key)
        return {
            "amount": amount,
            "tax_behavior": "exclusive",
            "tax_rate_details": {"tax_rate": rate},
            "taxability_reason": "standard_rated",
            "taxable_amount": taxable,
            "type": "tax_rate_details",
        }

    def account(self) -> Record:
        """The account whose key one has."""
        account = _ACCOUNT()
        account.update(id=self.identities.account, created=self.story.calendar.start - 30 * 86_400)
        account["settings"]["payouts"]["schedule"] = dict(self.story.payout_schedule)
        return account

    def bank_accounts(self) -> list[Record]:
        """The bank accounts that payouts go to, one for each currency."""
        return [self._bank_account(lane, currency) for lane, currency in enumerate(CURRENCIES)]

    def _bank_account(self, lane: int, currency: str) -> Record:
        """A bank account that payouts in a currency go to."""
        id_ = self.identities.bank_account(lane)
        return {
            "id": id_,
            "object": "bank_account",
            "account": self.identities.account,
            "account_holder_name": "Sandbox & Söhne",
            "account_holder_type": "company",
            "account_type": None,
            "available_payout_methods": ["standard"],
            "bank_name": "STRIPE TEST BANK",
            "country": "US" if currency == "usd" else "DE",
            "currency": currency,
            "customer": None,
            "default_for_currency": True,
            "fingerprint": self.identities.fingerprint(id_),
            "future_requirements": None,
            "last4": "6789" if currency == "usd" else "3000",
            "metadata": {},
            "requirements": None,
            "routing_number": "110000000" if currency == "usd" else None,
            "status": "new",
        }
