"""The parameters of a request that writes: those in its body, and those in its query."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from connector.sandbox.document.api import Operation
from connector.sandbox.document.forms import CLEARED, decode, read
from connector.sandbox.document.refusals import refusal
from connector.sandbox.server.messages import Request

FORM_TYPES = frozenset({"", "application/x-www-form-urlencoded"})
"""Content types of a form; where none is said, it is one."""

_MULTIPART = "POST /v1/files"


def parameters_of(request: Request, operation: Operation) -> dict[str, Any]:
    """Return the parameters in body and query as typed values; Refusal for what `operation` does not take."""
    shapes = {**operation.query, **operation.body}
    is_form = request.headers.get("content-type", "").partition(";")[0] in FORM_TYPES
    if request.body and not is_form and operation.name != _MULTIPART:
        raise refusal("not_form")
    body = decode(request.body.decode("utf-8", "replace")) if is_form else {}
    raw = {**decode(request.query), **body}
    cleared = {name: "" for name in _also_cleared(operation) if raw.get(name) == ""}
    rest = {name: value for name, value in raw.items() if name not in cleared}
    return read(rest, shapes, operation.required if is_form else ()) | cleared


def _also_cleared(operation: Operation) -> Iterator[str]:
    fitting = (row.parameter for row in CLEARED if row.call in {None, operation.name})
    return (name for name in fitting if name in operation.body)
