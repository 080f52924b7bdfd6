"""Checkout pages: what a page asks for, which goes by what it sells, and what a buyer has said there."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from connector.sandbox.document.templates import Record
from connector.sandbox.history.objects.catalogue import after_submit
from connector.sandbox.history.objects.shipping import destination, phone_of
from connector.sandbox.history.story.calendar import DAY
from connector.sandbox.history.story.catalogue import Items
from connector.sandbox.history.story.sales import Sale

if TYPE_CHECKING:
    from connector.sandbox.history.objects.company import Company

_RECOVERED_FOR = 30 * DAY  # so long an expired page can be opened again
_FINISHES = ("matte", "glossy")
_CONTEXTS = ("web", None, "mobile_app", None)
_LOOKS = {
    "background_color": "#ffffff",
    "border_style": "rounded",
    "button_color": "#1f3a5f",
    "display_name": "Sandbox & Söhne",
    "font_family": "default",
    "icon": None,
    "logo": None,
}
_BUSINESS_NAME = {"business": {"enabled": True, "optional": True}, "individual": {"enabled": True, "optional": False}}
_TEXTS = {
    "shipping_address": ("handbook", "stickers"),
    "submit": ("onboarding",),
    "terms_of_service_acceptance": ("stickers",),
}
_MESSAGES = {
    "shipping_address": 'No parcels to "packing stations", please.',
    "submit": "We call you within a day.",
    "terms_of_service_acceptance": "I agree to the [terms](https://example.com/terms).",
}


class Pages:
    """What the pages of payment links and of checkout sessions have in common."""

    def __init__(self, company: Company) -> None:
        self.company = company
        self.people = company.story.people
        self.catalogue = company.story.catalogue

    def asked(self, items: Items, instant: int) -> Record:
        """What a page that sells these items asks its buyer for."""
        products = {entry.line["product"] for entry, _ in items}
        ships, is_business = self.catalogue.ships(items), "onboarding" in products
        agrees = "stickers" in products
        return {
            "consent_collection": _consents() if agrees else None,
            "custom_fields": [_FIELDS[name]() for name in sorted(products & _FIELDS.keys())],
            "custom_text": _texts(products),
            "name_collection": {name: dict(rule) for name, rule in _BUSINESS_NAME.items()} if is_business else None,
            "optional_items": self._more(products, items, instant),
            "phone_number_collection": {"enabled": ships},
            "shipping_address_collection": {"allowed_countries": list(self._countries)} if ships else None,
            "tax_id_collection": {"enabled": is_business, "required": "never"},
        }

    def opened(self, session: Record, sale: Sale) -> None:
        """Add what the shop has set for a page that is no link's, and what every page says."""
        kinds = session["payment_method_types"]
        options = {"card": {"request_three_d_secure": "automatic"}}
        if "us_bank_account" in kinds:
            options["us_bank_account"] = {"verification_method": "automatic"}
        session.update(
            allowed_payment_method_types=list(kinds) if sale.draw & 512 else None,
            branding_settings=dict(_LOOKS),
            excluded_payment_method_types=["klarna"] if sale.draw % 11 == 0 else None,
            integration_identifier="shop-2" if sale.link is None else None,
            invoice_creation=_no_invoice(),
            origin_context=_CONTEXTS[(sale.draw >> 50) % len(_CONTEXTS)] if sale.link is None else None,
            payment_method_options=options,
            shipping_options=self.company.shipping_rates.options(sale.shipping),
            wallet_options={"link": {"display": "never" if sale.draw & 1024 else "auto"}},
        )
        if sale.customer is not None:
            session["saved_payment_method_options"] = {
                "allow_redisplay_filters": ["always"],
                "payment_method_remove": "disabled",
                "payment_method_save": "enabled",
            }
        for field in session["custom_fields"]:
            field[field["type"]]["value"] = None
        if sale.link is not None:
            session["custom_text"]["after_submit"] = after_submit(self.catalogue.payment_links[sale.link])
        elif (sale.draw >> 52) % 4 == 0:
            self._embed(session, "elements" if (sale.draw >> 54) % 2 else "embedded_page")

    def ship(self, session: Record, sale: Sale, *, is_done: bool) -> None:
        """Add what sending costs: the first way, until the buyer has chosen another."""
        rate = sale.chosen if is_done or not sale.shipping else sale.shipping[0]
        session["shipping_cost"] = cost = self.company.shipping_rates.cost(rate)
        session["total_details"]["amount_shipping"] = shipping = cost["amount_total"] if cost else 0
        session["amount_total"] = session["amount_subtotal"] + shipping

    def recover(self, session: Record, sale: Sale, *, is_expired: bool) -> None:
        """Add how an expired page is opened again, where the shop wants that."""
        if sale.link is not None or sale.draw & 2048 or session["ui_mode"] == "elements":
            return
        reopened = reopening(session) if is_expired else {"expires_at": None, "url": None}
        session["after_expiration"] = {"recovery": {"allow_promotion_codes": True, "enabled": True, **reopened}}

    def answered(self, session: Record, sale: Sale) -> None:
        """Add what the buyer has said."""
        details, draw = session["customer_details"], sale.draw >> 20
        for field in session["custom_fields"]:
            field[field["type"]]["value"] = _answer(field, draw)
        if session["consent_collection"]:
            promotions = "opt_in" if draw % 3 else "opt_out"
            session["consent"] = {"promotions": promotions, "terms_of_service": "accepted"}
        collected: Record = {"business_name": None, "individual_name": None, "shipping_details": None}
        if sale.chosen is not None:
            details["phone"] = phone_of(sale, self.people)
            collected["shipping_details"] = destination(sale, self.people)
        if session["name_collection"]:
            collected["individual_name"] = details["name"] or "Somebody"
            collected["business_name"] = f"{self.people.some_name(draw)} & Partners" if draw & 1 else None
        if session["tax_id_collection"]["enabled"]:
            known = () if sale.customer is None else self.company.tax_ids.printed(sale.customer, session["created"])
            details["tax_ids"] = list(known)
        details.update({name: collected[name] for name in ("business_name", "individual_name")})
        session["collected_information"] = collected if any(collected.values()) else None

    @cached_property
    def _countries(self) -> list[str]:
        return sorted({market.country for market in self.people.markets.values()})

    def _embed(self, session: Record, mode: str) -> None:
        """Make it a page inside the shop's own, with a secret instead of an address."""
        session.update(
            cancel_url=None,
            client_secret=f"{session['id']}_secret_{self.company.identities.letters(session['created'])}",
            return_url="https://example.com/return?session={CHECKOUT_SESSION_ID}",
            success_url=None,
            ui_mode=mode,
        )
        if mode == "elements":
            # such a page is built by the shop itself
            session.update(dict.fromkeys(("branding_settings", "optional_items", "origin_context", "submit_type")))
            session.update(custom_fields=[], custom_text=_texts(set()))
            session["permissions"] = {"update_shipping_details": "client_only"}
        else:
            session["redirect_on_completion"] = "always"

    def _more(self, products: set[str], items: Items, instant: int) -> list[Record] | None:
        """What may be put into the basket beside a book."""
        price = self.catalogue.price.get(f"stickers-{items[0][0].line['currency']}")
        if "handbook" not in products or "stickers" in products or price is None or not price.is_live(instant):
            return None
        adjustable = {"enabled": True, "maximum": 10, "minimum": 0}
        return [{"adjustable_quantity": adjustable, "price": self.company.prices.id_of(price), "quantity": 1}]


def reopening(session: Record) -> Record:
    """Where, and until when, an expired page can be opened again."""
    url = f"https://buy.stripe.com/r/{session['id'].rpartition('_')[2][:32]}"
    return {"expires_at": session["expires_at"] + _RECOVERED_FOR, "url": url}


def _consents() -> Record:
    return {
        "payment_method_reuse_agreement": {"position": "auto"},
        "promotions": "auto",
        "terms_of_service": "required",
    }


def _texts(products: set[str]) -> Record:
    shown = {name: {"message": _MESSAGES[name]} for name, about in _TEXTS.items() if products & set(about)}
    return {"after_submit": None, **dict.fromkeys(_TEXTS), **shown}


def _no_invoice() -> Record:
    names = ("account_tax_ids", "custom_fields", "description", "footer", "issuer", "rendering_options")
    return {"enabled": False, "invoice_data": {**dict.fromkeys(names), "metadata": {}}}


def _field(key: str, label: str, details: Record, *, optional: bool = False) -> Record:
    """A custom field, of the one type that `details` has."""
    (kind,) = details
    return {
        "key": key,
        "label": {"custom": label, "type": "custom"},
        "optional": optional,
        "type": kind,
        **details,
    }


def _finish() -> Record:
    options = [{"label": finish.capitalize(), "value": finish} for finish in _FINISHES]
    return _field("finish", "Finish", {"dropdown": {"default_value": "matte", "options": options}})


_FIELDS = {
    "handbook": lambda: _field(
        "dedication",
        'Dedication (for "whom"?)',
        {"text": {"default_value": "With thanks", "maximum_length": 60, "minimum_length": 2}},
        optional=True,
    ),
    "onboarding": lambda: _field(
        "people", "How many people?", {"numeric": {"default_value": "10", "maximum_length": 3, "minimum_length": 1}}
    ),
    "stickers": _finish,
}
"""What is asked of who buys a product."""


def _answer(field: Record, draw: int) -> str | None:
    if field["type"] == "dropdown":
        return _FINISHES[draw % len(_FINISHES)]
    if field["type"] == "numeric":
        return str(3 + draw % 40)
    return "Für Jo,\nwith love" if draw % 3 == 0 else None
