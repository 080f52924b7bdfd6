"""Paths of former days that Stripe still serves: each says the same as a call of today, its parent in the path.

GET /v1/charges/ch_1/refunds            GET /v1/refunds?charge=ch_1
GET /v1/balance/history/txn_1           GET /v1/balance_transactions/txn_1
"""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import quote_plus

from connector.sandbox.server.messages import Request

_ID = r"([^/]+)"
_CUSTOMER = f"/v1/customers/{_ID}"
_ALIASES: tuple[tuple[re.Pattern[str], str, str], ...] = tuple(
    (re.compile(pattern), path, added)
    for pattern, path, added in (
        (f"/v1/accounts/{_ID}/bank_accounts/{_ID}", r"/v1/accounts/\1/external_accounts/\2", ""),
        (f"/v1/accounts/{_ID}/people(/{_ID})?", r"/v1/accounts/\1/persons\2", ""),
        ("/v1/balance/history", "/v1/balance_transactions", ""),
        (f"/v1/balance/history/{_ID}", r"/v1/balance_transactions/\1", ""),
        (f"/v1/charges/{_ID}/refunds", "/v1/refunds", r"charge=\1"),
        (f"/v1/charges/{_ID}/refund", "/v1/refunds", r"charge=\1"),
        (f"/v1/charges/{_ID}/refunds/{_ID}", r"/v1/refunds/\2", ""),
        (f"{_CUSTOMER}/bank_accounts", r"/v1/customers/\1/sources", "object=bank_account"),
        (f"{_CUSTOMER}/cards", r"/v1/customers/\1/sources", "object=card"),
        (f"{_CUSTOMER}/(?:bank_accounts|cards)/{_ID}", r"/v1/customers/\1/sources/\2", ""),
        (f"{_CUSTOMER}/subscriptions", "/v1/subscriptions", r"customer=\1"),
        (f"{_CUSTOMER}/subscriptions/{_ID}", r"/v1/subscriptions/\2", ""),
        (f"{_CUSTOMER}/subscriptions/{_ID}/discount", r"/v1/subscriptions/\2/discount", ""),
    )
)
"""A path of former days, that of today, and the parameter that today's has more, such as the parent."""


def _with(request: Request, added: str) -> Request:
    """Return a request with one parameter more, where those of its method stand."""
    if request.method == "GET":
        return replace(request, query="&".join(filter(None, (request.query, added))))
    return replace(request, body=b"&".join(filter(None, (request.body, added.encode()))))


def of_today(request: Request) -> Request:
    """Return the request as it is made today."""
    for pattern, path, added in _ALIASES:
        found = pattern.fullmatch(request.path)
        if found is not None:
            name, equals, value = found.expand(added).partition("=")
            return _with(replace(request, path=found.expand(path)), f"{name}{equals}{quote_plus(value)}")
    return request
