"""Products, prices, coupons and payment links."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from connector.sandbox.document.templates import Record, listed, template
from connector.sandbox.history.objects.identities import LINES
from connector.sandbox.history.objects.kind import Happening, Kind
from connector.sandbox.history.story.catalogue import (
    BAND_SIZE,
    TIERS,
    Entry,
    Items,
    amount_of,
    unit_decimal,
    unit_in_band,
)

if TYPE_CHECKING:
    from connector.sandbox.history.objects.company import Company

_PRODUCT, _PRICE, _PLAN = template("product"), template("price"), template("plan")
_COUPON, _PAYMENT_LINK, _ITEM = template("coupon"), template("payment_link"), template("item")
_ADJUSTABLE = {"enabled": True, "maximum": 500, "minimum": 1}
_LINK_ITEMS = 1 << 50  # what payment links hold is numbered from here, beyond what sessions hold


class Cost(NamedTuple):
    """What a line of a basket costs."""

    subtotal: int
    discount: int = 0
    tax: int = 0


def costs_of(items: Items, free_amount: int = 0) -> list[Cost]:
    """What the items of a basket cost; a donation, which has no price, costs what the buyer chose."""
    return [Cost(amount_of(entry, quantity) or free_amount) for entry, quantity in items]


class EntryNumbering:
    """Numbers of catalogue entries: their place in the list."""

    def __init__(self, entries: list[Entry], now: int) -> None:
        self._created = [entry.created for entry in entries]
        self.end = self.first_at(now + 1)

    def created(self, number: int) -> int:
        """When the entry came."""
        return self._created[number]

    def first_at(self, instant: int) -> int:
        """The first entry that came at `instant` or later."""
        return bisect_left(self._created, instant)


class CatalogueKind(Kind):
    """What these four share: few, they come, and they change once at most."""

    def __init__(self, company: Company, entries: list[Entry]) -> None:
        super().__init__(company)
        self.entries = entries
        self.numbering = EntryNumbering(entries, self.story.calendar.now)

    def id_of(self, entry: Entry) -> str:
        """The id of an entry, written once: bills name the same prices again and again."""
        return self._written[entry.number]

    @cached_property
    def _written(self) -> list[str]:
        return [self.ids(entry.number) for entry in self.entries]

    def at(self, number: int, instant: int) -> Record | None:
        """The object as it was at an instant."""
        entry = self.entries[number]
        return self.of(entry, instant) if entry.created <= instant else None

    def of(self, entry: Entry, instant: int) -> Record:
        """The object of an entry, which had come by then."""
        raise NotImplementedError

    def numbers(self, field: str, value: str) -> Iterable[int] | None:  # noqa: ARG002
        """They are few: a scan is as good."""
        return None

    def happenings(self, slot: int) -> Iterator[Happening]:
        """Their coming and their one change."""
        begins = self.story.calendar.instant(slot)
        span = range(begins, begins + self.story.calendar.room(slot))
        for entry in self.entries:
            if entry.created in span:
                yield Happening(entry.created, f"{self.name}.created", self.name, entry.number)
            if entry.changed is not None and entry.changed in span:
                yield Happening(entry.changed, f"{self.name}.updated", self.name, entry.number)


class Products(CatalogueKind):
    """Products; one is renamed, one is archived."""

    name = "product"

    def __init__(self, company: Company) -> None:
        super().__init__(company, company.story.catalogue.products)
        self.ids = self.identities.product

    def of(self, entry: Entry, instant: int) -> Record:
        """The product as it was at an instant."""
        line, changed = entry.line, entry.was_changed(instant)
        default = self.story.catalogue.price.get(line["default_price"])
        product = _PRODUCT()
        product.update({key: value for key, value in line.items() if key in product})
        product.update(
            id=self.id_of(entry),
            active=not changed or "old_name" in line,
            created=entry.created,
            default_price=None if default is None else self.company.prices.id_of(default),
            images=list(line.get("images", ())),
            marketing_features=[dict(feature) for feature in line.get("marketing_features", ())],
            metadata=dict(line.get("metadata", {})),
            name=line["name"] if changed else line.get("old_name", line["name"]),
            updated=entry.changed if changed else entry.created,
        )
        return product


class Prices(CatalogueKind):
    """Prices; subscriptions carry them whole, together with their older form, the plan."""

    name = "price"

    def __init__(self, company: Company) -> None:
        super().__init__(company, company.story.catalogue.prices)
        self.ids = self.identities.price

    def of(self, entry: Entry, instant: int) -> Record:
        """The price as it was at an instant."""
        line = entry.line
        price = _PRICE()
        price.update(
            id=self.id_of(entry),
            active=not entry.was_changed(instant),
            billing_scheme="tiered" if "tiers_mode" in line else "per_unit",
            created=entry.created,
            currency=line["currency"],
            custom_unit_amount=_copied(line.get("custom_unit_amount")),
            lookup_key=line.get("lookup_key"),
            metadata=dict(line.get("metadata", {})),
            nickname=line.get("nickname"),
            product=self.company.products.id_of(self.story.catalogue.product[line["product"]]),
            tax_behavior=line.get("tax_behavior", "unspecified"),
            tiers_mode=line.get("tiers_mode"),
            transform_quantity=_copied(line.get("transform_quantity")),
            type="recurring" if "interval" in line else "one_time",
            unit_amount=line.get("unit_amount"),
            unit_amount_decimal=unit_decimal(line),
        )
        if "interval" in line:
            price["recurring"] = {
                "interval": line["interval"],
                "interval_count": 1,
                "meter": self.company.meter if "usage_type" in line else None,
                "trial_period_days": None,
                "usage_type": line.get("usage_type", "licensed"),
            }
        return price

    def at(self, number: int, instant: int) -> Record | None:
        """The price as it was at an instant, with its tiers, which only it has and nothing that names it."""
        price = super().at(number, instant)
        if price is not None and price["tiers_mode"]:
            price["tiers"] = [tier(band) for band in range(TIERS)]
        return price

    def plan(self, entry: Entry, price: Record) -> Record:
        """The plan that a recurring price still is."""
        plan = _PLAN()
        plan.update(
            id=price["id"],
            active=price["active"],
            amount=price["unit_amount"],
            amount_decimal=price["unit_amount_decimal"],
            billing_scheme=price["billing_scheme"],
            created=entry.created,
            currency=price["currency"],
            interval=entry.line["interval"],
            metadata=dict(price["metadata"]),
            meter=price["recurring"]["meter"],
            nickname=price["nickname"],
            product=price["product"],
            tiers_mode=price["tiers_mode"],
            transform_usage=_copied(price["transform_quantity"]),
            usage_type=price["recurring"]["usage_type"],
        )
        return plan

    def sold(self, items: Items, costs: list[Cost], first: int, instant: int) -> list[Record]:
        """The lines of a basket; `first` is the number of the first line."""
        found = []
        for place, ((entry, quantity), cost) in enumerate(zip(items, costs, strict=True)):
            line = _ITEM()
            line.update(
                id=self.identities.sold_item(first + place),
                amount_discount=cost.discount,
                amount_subtotal=cost.subtotal,
                amount_tax=cost.tax,
                amount_total=cost.subtotal - cost.discount + cost.tax,
                currency=entry.line["currency"],
                description=self.story.catalogue.product[entry.line["product"]].line["name"],
                adjustable_quantity=dict(_ADJUSTABLE) if entry.line["product"] == "stickers" else None,
                metadata={"shelf": "B-2"} if entry.line["product"] == "handbook" else {},
                price=self.of(entry, instant),
                quantity=quantity,
            )
            found.append(line)
        return found


class Coupons(CatalogueKind):
    """Coupons, whose ids people have chosen."""

    name = "coupon"

    def __init__(self, company: Company) -> None:
        super().__init__(company, company.story.catalogue.coupons)
        self.ids = CouponIds(self.entries)

    def of(self, entry: Entry, instant: int) -> Record:
        """The coupon as it was at an instant."""
        line = entry.line
        redeem_by = None
        if "redeem_by_day" in line:
            redeem_by = self.story.calendar.start + line["redeem_by_day"] * 86_400
        redeemed = self.story.contracts.redeemed(entry, instant)
        coupon = _COUPON()
        coupon.update({key: value for key, value in line.items() if key in coupon})
        coupon.update(
            created=entry.created,
            metadata=dict(line.get("metadata", {})),
            name=line["name"] if entry.was_changed(instant) else line.get("old_name", line["name"]),
            redeem_by=redeem_by,
            times_redeemed=redeemed,
            valid=(redeem_by is None or instant < redeem_by) and redeemed < line.get("max_redemptions", redeemed + 1),
        )
        return coupon


class CouponIds:
    """The ids in the catalogue, by number and back."""

    def __init__(self, entries: list[Entry]) -> None:
        self._ids = [entry.line["id"] for entry in entries]

    def __call__(self, number: int, /) -> str:
        """Look up the id of a number."""
        code: str = self._ids[number]
        return code

    def number(self, text: str) -> int | None:
        """The number of a coupon, case and all."""
        return self._ids.index(text) if text in self._ids else None


class PaymentLinks(CatalogueKind):
    """Payment links, with what they sell; some are closed."""

    name = "payment_link"

    def __init__(self, company: Company) -> None:
        super().__init__(company, company.story.catalogue.payment_links)
        self.ids = self.identities.payment_link

    def of(self, entry: Entry, instant: int) -> Record:
        """The payment link as it was at an instant."""
        line, number = entry.line, entry.number
        items = self.story.catalogue.link_items[number]
        ident = self.id_of(entry)
        rates = tuple(self.story.catalogue.shipping_options(items, instant))
        link = _PAYMENT_LINK()
        link.update(
            self.company.pages.asked(items, instant),
            id=ident,
            active=not entry.was_changed(instant),
            currency=items[0][0].line["currency"],
            inactive_message=line.get("inactive_message"),
            line_items=listed(
                f"/v1/payment_links/{ident}/line_items",
                self.company.prices.sold(items, costs_of(items), _LINK_ITEMS + number * LINES, instant),
            ),
            metadata=dict(line.get("metadata", {})),
            shipping_options=self.company.shipping_rates.options(rates),
            submit_type=line.get("submit_type", "auto"),
            url=f"https://buy.stripe.com/test_{self.identities.letters(number)}",
        )
        link["custom_text"]["after_submit"] = after_submit(entry)
        if "redirect" in line:
            link["after_completion"] = {"redirect": {"url": line["redirect"]}, "type": "redirect"}
        elif "message" in line:
            link["after_completion"]["hosted_confirmation"]["custom_message"] = line["message"]
        return link


def after_submit(link: Entry) -> Record | None:
    """What a link's page says below its button."""
    return {"message": link.line["custom_text"]} if "custom_text" in link.line else None


def tier(band: int) -> Record:
    """A tier of the graduated price; the last is without end."""
    unit = unit_in_band(band)
    return {
        "flat_amount": None,
        "flat_amount_decimal": None,
        "unit_amount": unit,
        "unit_amount_decimal": str(unit),
        "up_to": (band + 1) * BAND_SIZE if band + 1 < TIERS else None,
    }


def _copied(value: Any) -> Any:
    return None if value is None else dict(value)
