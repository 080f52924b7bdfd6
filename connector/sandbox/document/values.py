"""What a value must be like wherever a parameter has this name: currencies, countries, quantities, descriptors.

The document gives these parameters no more than a type; its prose, and Stripe's pages, say the rest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from connector.sandbox.document.refusals import refusal

_CURRENCY_CODES = (
    "aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl bsd bwp byn bzd cad cdf chf clp "
    "cny cop crc cve czk djf dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gnf gtq gyd hkd hnl hrk htg huf idr ils "
    "inr isk jmd jod jpy kes kgs khr kmf krw kwd kyd kzt lak lbp lkr lrd lsl mad mdl mga mkd mmk mnt mop mur mvr mwk "
    "mxn myr mzn nad ngn nio nok npr nzd omr pab pen pgk php pkr pln pyg qar ron rsd rub rwf sar sbd scr sek sgd shp "
    "sle sos srd std szl thb tjs tnd top try ttd twd tzs uah ugx usd uyu uzs vnd vuv wst xaf xcd xof xpf yer zar "
    "zmw"
)
CURRENCIES = frozenset(_CURRENCY_CODES.split())
"""Currencies that payments can be in [docs]."""

_COUNTRY_CODES = (
    "AC AD AE AF AG AI AL AM AO AQ AR AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ "
    "CA CD CF CG CH CI CK CL CM CN CO CR CV CW CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FO FR GA GB GD "
    "GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HN HR HT HU ID IE IL IM IN IO IQ IS IT JE JM JO JP KE KG KH "
    "KI KM KN KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MK ML MM MN MO MQ MR MS MT MU MV MW MX "
    "MY MZ NA NC NE NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PY QA RE RO RS RU RW SA SB SC SE "
    "SG SH SI SJ SK SL SM SN SO SR SS ST SV SZ TA TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG US UY UZ VA "
    "VC VE VG VN VU WF WS XK YE YT ZA ZM ZW ZZ"
)
_COUNTRIES = frozenset(_COUNTRY_CODES.split())
_FORBIDDEN = re.compile(r"""[<>\\"'*]""")
_LAST = re.compile(r"\[?([^\[\]]*)\]?$")
_STEPS = {**dict.fromkeys(("bhd", "jod", "kwd", "omr", "tnd"), 10), **dict.fromkeys(("isk", "ugx"), 100)}
"""What amounts of a payment must be multiples of, as cards take no less [docs]."""


def checked(value: Any, name: str) -> Any:
    """Return the value of the parameter `name` as it is kept; Refusal for one that cannot be."""
    last = _LAST.search(name)
    check = _CHECKS.get((last[1], type(value))) if last else None
    return check(value, name) if check else value


def currency(value: str, name: str) -> str:
    """Return a currency in lower case; Refusal for one that Stripe does not know."""
    if value.lower() not in CURRENCIES:
        raise refusal("bad_currency", name, currency=value)
    return value.lower()


def step_of(currency: str) -> int:
    """Return what a payment's amount in a currency must be a multiple of."""
    return _STEPS.get(currency, 1)


def _country(value: str, name: str) -> str:
    if value.upper() not in _COUNTRIES:
        raise refusal("bad_country", name, country=value)
    return value.upper()


def _quantity(value: int, name: str) -> int:
    if value < 0:
        raise refusal("too_small", name, bound=0, value=value)
    return value


def _descriptor(value: str, name: str) -> str:
    if _FORBIDDEN.search(value):
        raise refusal("descriptor_signs", name)
    if not any(letter.isalpha() for letter in value):
        raise refusal("descriptor_letters", name)
    return value


_CHECKS: Mapping[tuple[str, type], Callable[[Any, str], Any]] = {
    ("currency", str): currency,
    ("default_currency", str): currency,
    ("minimum_amount_currency", str): currency,
    ("country", str): _country,
    ("quantity", int): _quantity,
    ("statement_descriptor", str): _descriptor,
    ("statement_descriptor_suffix", str): _descriptor,
}
