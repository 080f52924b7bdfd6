"""Requests in a former API version: what only that version knew is taken, and left aside.

The answer has today's shape all the same; the header `Sandbox-Shape` names the version that it has.
"""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import parse_qsl, urlencode

from connector.sandbox.document import api
from connector.sandbox.document.api import Operation
from connector.sandbox.document.refusals import Refusal
from connector.sandbox.server.bodies import FORM_TYPES
from connector.sandbox.server.messages import Request
from connector.sandbox.world.expansion import tree_of

SHAPE_HEADER = "Sandbox-Shape"
_RENAMED = {
    "coupon": "discounts[0][coupon]",
    "payment_method_types": "allowed_payment_method_types",
    "promotion_code": "discounts[0][promotion_code]",
    "rendering_options": "rendering",
}
"""Parameters that a former version called otherwise, where both mean the same."""

_NAME = re.compile(r"[^\[]*")


def is_former(version: str | None) -> bool:
    """Whether a version is older than that of the document: they begin with their day; None is the document's."""
    return version is not None and version[:10] < api.version()[:10]


def of_today(request: Request, operation: Operation) -> Request:
    """Return a request of a former version without what only that version knew."""
    query = _adapted(request.query, operation)
    is_form = request.headers.get("content-type", "").partition(";")[0] in FORM_TYPES
    body = _adapted(request.body.decode("utf-8", "replace"), operation).encode() if is_form else request.body
    return replace(request, query=query, body=body)


def _adapted(text: str, operation: Operation) -> str:
    """Return form-encoded text as today's version takes it; what neither version knows stays, to be refused."""
    kept = []
    for key, value in parse_qsl(text, keep_blank_values=True):
        name = _NAME.match(key)[0]  # type: ignore[index]  # matches any text
        if name == "expand" and not _can_expand(value, operation):
            continue
        known = {**operation.query, **operation.body}
        today = _RENAMED.get(name, name)
        if name not in known and today.partition("[")[0] in known:
            kept.append((today + key[len(name) :], value))
        elif name in known or name not in operation.former:
            kept.append((key, value))
    return urlencode(kept)


def _can_expand(path: str, operation: Operation) -> bool:
    try:
        tree_of([path], operation)
    except Refusal:
        return False
    return True
