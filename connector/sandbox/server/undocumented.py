"""Calls of Stripe's that its v1 document lacks: the contents of files, and one list in the manner of v2.

GET /v1/files/{file}/contents     what is in a file
GET /v1/subscription_items/{item}/usage_record_summaries     in former versions: none, usage is metered
GET /v2/core/events               events, thin, by pages with next_page_url
GET /v2/core/events/{id}          one of them
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from urllib.parse import parse_qsl, urlencode

from connector.sandbox.document import api
from connector.sandbox.document.refusals import refusal
from connector.sandbox.document.rules import Record
from connector.sandbox.document.templates import listed
from connector.sandbox.server.former_versions import is_former
from connector.sandbox.server.keys import Key, masked
from connector.sandbox.server.messages import Request, Response, pretty
from connector.sandbox.world.store import Store, Stretch
from connector.sandbox.writes.actions.files import content_of

_CONTENTS = re.compile(r"/v1/files/([^/]+)/contents")
_USAGE = re.compile(r"/v1/subscription_items/[^/]+/usage_record_summaries")
_EVENTS = re.compile(r"/v2/core/events(?:/([^/]+))?")
_V2_DEFAULT, _V2_MOST = 20, 100


def undocumented(store: Store, request: Request, key: Key) -> Response | None:
    """Return the answer to a call that the document lacks, or None where Stripe has no such call."""
    file = _CONTENTS.fullmatch(request.path)
    if request.method == "GET" and file is not None:
        _allow(key, "/v1/files/{file}", "rak_file_read")
        return _contents(store, file[1])
    if request.method == "GET" and _USAGE.fullmatch(request.path) and is_former(request.headers.get("stripe-version")):
        _allow(key, "/v1/subscription_items/{item}", "rak_subscription_read")
        return Response(200, pretty(listed(request.path, [])))
    events = _EVENTS.fullmatch(request.path)
    if request.method == "GET" and events is not None:
        _allow(key, "/v1/events", "rak_event_read")
        return Response(200, pretty(_event(store, events[1]) if events[1] else _events(store, request)))
    if request.path.startswith("/v2/"):
        raise refusal("not_served", call=f"{request.method} {request.path}")
    return None


def _allow(key: Key, path: str, permission: str) -> None:
    operation = api.operation("GET", path)
    if operation is None or not key.allows(operation):
        raise refusal("no_permission", key=masked(key.text), account="", permission=permission)


def _contents(store: Store, file: str) -> Response:
    content = content_of(store, file)
    if content is None:
        raise refusal("missing", "file", kind="file", id=file)
    return Response(200, content, {"Content-Type": "application/octet-stream"})


def _events(store: Store, request: Request) -> Record:
    asked = dict(parse_qsl(request.query))
    for name in asked.keys() - {"limit", "page"}:
        raise refusal("not_taken", name)
    limit = asked.get("limit", str(_V2_DEFAULT))
    if not limit.isdecimal() or not 1 <= int(limit) <= _V2_MOST:
        raise refusal("v2_limit", bound=_V2_MOST)
    seen = (event for event in _older_than(store, asked.get("page")) if store.telling.is_seen(event["id"]))
    found = list(islice(seen, int(limit) + 1))
    page = found[: int(limit)]
    follows = urlencode({"limit": limit, "page": page[-1]["id"]}) if len(found) > len(page) else None
    return {
        "data": [_thin(event) for event in page],
        "next_page_url": f"{request.path}?{follows}" if follows else None,
        "previous_page_url": None,
    }


def _event(store: Store, id_: str) -> Record:
    event = store.get("event", id_) if store.telling.is_seen(id_) else None
    if event is None:
        raise refusal("missing", "id", kind="event", id=id_)
    return _thin(event)


def _older_than(store: Store, page: str | None) -> Iterator[Record]:
    if page is None:
        return store.records("event")
    below = store.position("event", page)
    if below is None:
        raise refusal("v2_page", value=page)
    return store.records("event", Stretch(below=below))


def _thin(event: Record) -> Record:
    about = event["data"]["object"]
    moment = datetime.fromtimestamp(event["created"], UTC)
    return {
        "id": event["id"],
        "object": "v2.core.event",
        "context": None,
        "created": moment.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "livemode": event["livemode"],
        "reason": None,
        "related_object": {"id": about.get("id"), "type": about["object"], "url": _url(about)},
        "type": f"v1.{event['type']}",
    }


def _url(about: Record) -> str:
    paths = (each.path for each in api.operations() if each.method == "GET" and each.retrieves == about["object"])
    template = next((path for path in paths if path.count("{") == 1 and path.endswith("}")), "")
    return re.sub(r"\{[^}]*\}", str(about.get("id")), template)
