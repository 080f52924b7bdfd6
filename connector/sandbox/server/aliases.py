"""Paths of former days that Stripe still serves: each says the same as a call of today, its parent in the path.

GET /v1/charges/ch_1/refunds            GET /v1/refunds?charge=ch_1
GET /v1/balance/history/txn_1           GET /v1/balance_transactions/txn_1
"""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import urlencode

from connector.sandbox.server.messages import Request

_ID = r"([^/]+)"
_ALIASES: tuple[tuple[re.Pattern[str], str, str | None], ...] = tuple(
    (re.compile(pattern), path, parent)
    for pattern, path, parent in (
        ("/v1/balance/history", "/v1/balance_transactions", None),
        (f"/v1/balance/history/{_ID}", r"/v1/balance_transactions/\1", None),
        (f"/v1/charges/{_ID}/refunds", "/v1/refunds", "charge"),
        (f"/v1/charges/{_ID}/refund", "/v1/refunds", "charge"),
        (f"/v1/charges/{_ID}/refunds/{_ID}", r"/v1/refunds/\2", None),
        (f"/v1/customers/{_ID}/subscriptions", "/v1/subscriptions", "customer"),
        (f"/v1/customers/{_ID}/subscriptions/{_ID}", r"/v1/subscriptions/\2", None),
        (f"/v1/customers/{_ID}/subscriptions/{_ID}/discount", r"/v1/subscriptions/\2/discount", None),
    )
)
"""A path of former days, that of today, and the parameter in which today's has the parent."""


def _with(request: Request, parent: str) -> Request:
    """Return a request with one parameter more, where those of its method stand."""
    if request.method == "GET":
        return replace(request, query="&".join(filter(None, (request.query, parent))))
    return replace(request, body=b"&".join(filter(None, (request.body, parent.encode()))))


def of_today(request: Request) -> Request:
    """Return the request as it is made today."""
    for pattern, path, parent in _ALIASES:
        found = pattern.fullmatch(request.path)
        if found is not None:
            return _with(replace(request, path=found.expand(path)), urlencode({parent: found[1]}) if parent else "")
    return request
