"""What a generic request may say, and the call that it becomes.

Headers, query and body are taken as people write them: `Name: value`, `key=value`, text or @file. Placeholders such
as {customer} take their values from a row, escaped for where they stand.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

from connector.api.calls import Call
from connector.api.encoding import form_encode
from connector.config import CHECKS
from connector.errors import UsageError
from connector.masking import masked
from connector.request.filling import (
    PLACEHOLDER,
    Row,
    escaped_part,
    filled,
    filled_body,
    filled_json,
    filled_url,
    strings_in,
)
from connector.request.multipart import ANY_BYTES, form_data, is_json, parse_headers, raw_body
from connector.words import list_of

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_FULL = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#]*", re.IGNORECASE)
_VERSIONED = re.compile(r"/v\d+(?=[/?]|$)")
_FORM = "application/x-www-form-urlencoded"

Texts = str | Sequence[str]  # one text is a list of one
Pairs = Texts | Mapping[str, object]


@dataclass(frozen=True)
class Request:
    """One generic request, as people write it; what is left out is decided by the rest.

    `query` and `form` are key=value pairs or a mapping, `headers` 'Name: value' texts or a mapping. `body` is text or
    "@file", `json` what becomes JSON. `filter` is the JSONPath of the rows, `source` the rows whose values fill
    {placeholders}. `apply`, `allow` and `allow_live` are what a write needs before it is sent. `save` is the name
    under which the request becomes a table, `key` its columns that tell rows apart, `replace` lets another one go.
    """

    method: str
    url: str
    query: Pairs = ()
    headers: Pairs = ()
    body: str | bytes | None = None
    form: Pairs = ()
    json: object = None
    multipart: bool = False
    filter: str | None = None
    explode: str | None = None
    paginate: bool = False
    limit: int | None = None
    source: object = None
    authenticate: bool = True
    idempotency_key: str | None = None
    stripe_version: str | None = None
    stripe_account: str | None = None
    apply: bool = False
    allow: str | Iterable[str] = ()
    allow_live: bool = False
    save: str | None = None
    key: Texts = ()
    replace: bool = False

    def __post_init__(self) -> None:
        for name in ("query", "headers", "form", "allow", "key"):
            value = getattr(self, name)
            object.__setattr__(self, name, value if isinstance(value, Mapping) else list_of(value))

    @property
    def verb(self) -> str:
        """The method in capitals."""
        return self.method.upper()

    @property
    def name(self) -> str:
        """What the request is called in reports: its method and path, a key that was typed into it masked."""
        return masked(f"{self.verb} {address(self.url).partition('?')[0]}")

    def check(self) -> None:
        """Raise a UsageError for what cannot be meant, before anything is sent."""
        if self.verb not in METHODS:
            raise UsageError(f'There is no method "{self.method}": take {", ".join(METHODS)}.')
        if not self.url.strip():
            raise UsageError("The URL is empty: give a path such as /v1/events, or a full URL.")
        has_body = self.body is not None or self.json is not None or self.form
        if self.verb == "GET" and (has_body or self.multipart):
            raise UsageError("A GET carries no body: --query adds parameters to its address.")
        if self.multipart and not has_body:
            raise UsageError("--multipart needs what to send: --form key=value, --form file=@path, or --body @path.")
        if self.verb != "GET" and self.paginate:
            raise UsageError(f"--paginate follows the pages of a GET; a {self.verb} has none.")
        if self.verb != "GET" and self.source is not None and self.save is not None:
            raise UsageError(f"--save keeps a request that reads; a {self.verb} writes.")
        if self.source is not None and self.idempotency_key and not PLACEHOLDER.search(self.idempotency_key):
            raise UsageError("One idempotency key for all rows would be one request: put a column in it, in braces.")
        if self.limit is not None and self.limit < 0:
            raise UsageError(f"A limit of {self.limit} rows cannot be met; it must be 0 or more.")


def placeholders(request: Request) -> list[str]:
    """Return the names in braces in URL, query, headers and form, in their order; none without a source."""
    if request.source is None:
        return []
    texts = [request.url, *(value for _, value in pairs(request.query)), *_headers(request.headers).values()]
    texts += [value for _, value in pairs(request.form)] + [request.idempotency_key or ""]
    return list(dict.fromkeys(name for text in texts for name in PLACEHOLDER.findall(text)))


def body_texts(request: Request) -> list[str]:
    """Return the texts of the body in which a column may stand in braces, beside braces of its own."""
    written = raw_body(request.body)[0].decode("utf-8", "replace") if isinstance(request.body, str) else ""
    return [written, *strings_in(request.json)]


def address(url: str) -> str:
    """Return a full URL as it is, and a path with its slash and version: customers is /v1/customers."""
    url = url.strip()
    if _FULL.match(url):
        return url
    path = "/" + url.lstrip("/")
    return path if _VERSIONED.match(path) else f"/v1{path}"


def call_of(request: Request, row: Row | None = None) -> Call:
    """Return the call that a request means, its placeholders filled from `row` if there is one."""
    url = filled_url(address(request.url), row)
    query = _encoded([(key, filled(value, row)) for key, value in pairs(request.query)])
    if query:
        url += ("&" if "?" in url else "?") + query
    is_v2 = _FULL.sub("", url).startswith("/v2/")
    headers = {name: filled(value, row) for name, value in _headers(request.headers).items()}
    typed = next((name for name in headers if name.lower() == "content-type"), None)
    with_body = with_body_of(request, row)
    content_type = headers.get(typed or "") or (None if row is None else _same_boundary(with_body))
    body, content_type = _body(with_body, content_type, is_v2=is_v2)
    if content_type and (typed is None or content_type.startswith("multipart/")):
        headers = {**{name: value for name, value in headers.items() if name != typed}, "Content-Type": content_type}
    headers = {**_stripe_headers(request), **headers}
    key = request.idempotency_key and filled(request.idempotency_key, row)
    return Call(request.verb, url, **body, headers=headers, idempotency_key=key, authenticate=request.authenticate)


def body_as_written(request: Request) -> str | None:
    """Return the body as the user wrote it, where the bytes that are sent are not what people read."""
    if not request.multipart:
        return None
    return "\n".join([*_pair_texts(request.form), *([request.body] if isinstance(request.body, str) else [])])


def pairs(written: Pairs) -> list[tuple[str, str]]:
    """Return key=value texts, or a mapping in Stripe's form encoding, as pairs."""
    if isinstance(written, Mapping):
        return parse_qsl(form_encode(written), keep_blank_values=True)
    split = [text.partition("=") for text in written]
    for key, sign, _ in split:
        if not sign or not key.strip():
            raise UsageError(f'"{key}" is no pair: write key=value, as in type=invoice.paid.')
    return [(key.strip(), value) for key, _, value in split]


def _pair_texts(form: Pairs) -> Sequence[str]:
    return [f"{key}={value}" for key, value in pairs(form)] if isinstance(form, Mapping) else form


def _encoded(split: Sequence[tuple[str, str]]) -> str:
    """Return pairs in form encoding; unlike those of a mapping, a name may stand there more than once."""
    try:
        return urlencode(split).replace("%5B", "[").replace("%5D", "]")
    except UnicodeEncodeError:
        raise UsageError("A parameter holds half of a surrogate pair, which is no text that can be sent.") from None


def with_body_of(request: Request, row: Row | None) -> Request:
    """Return a request whose body holds the values of a row, escaped for where they stand."""
    if row is None:
        return request
    form = [(key, (escaped_part if request.multipart else filled)(value, row)) for key, value in pairs(request.form)]
    body: str | bytes | None = request.body
    if isinstance(body, str):
        content, kind = raw_body(body)
        text = filled_body(content.decode("utf-8", "surrogateescape"), kind or "", row)
        body = text if not body.startswith("@") else text.encode("utf-8", "surrogateescape")
    texts = [f"{key}={value}" for key, value in form]
    return replace(request, form=texts, body=body, json=filled_json(request.json, row))


def _same_boundary(request: Request) -> str | None:
    """Return a type of form data whose boundary follows from the form, so that the same row sends the same bytes."""
    if not request.multipart:
        return None
    digest = hashlib.blake2b("\n".join(_pair_texts(request.form)).encode("utf-8", "surrogatepass"), digest_size=16)
    return f"multipart/form-data; boundary={digest.hexdigest()}"


# Headers


def _headers(written: Pairs) -> dict[str, str]:
    if isinstance(written, Mapping):
        return {name: str(value) for name, value in written.items()}
    return parse_headers(written)


def _stripe_headers(request: Request) -> dict[str, str]:
    """Return the headers that have options of their own."""
    options = {"version": request.stripe_version, "account": request.stripe_account}
    return {f"Stripe-{name.title()}": str(CHECKS[name](value, name)) for name, value in options.items() if value}


# Bodies


def _body(request: Request, content_type: str | None, *, is_v2: bool) -> tuple[dict[str, Any], str | None]:
    """Return the one argument of a Call that holds the body, and its type; `content_type` is what the headers say."""
    bodies = [name for name in ("body", "form", "json") if getattr(request, name) not in (None, [], {})]
    if len(bodies) > 1 and not (request.multipart and bodies == ["body", "form"]):
        raise UsageError(f"A request has one body, not two: {' or '.join(bodies)}.")
    if request.multipart:
        return _multipart(request, content_type)
    if request.form:
        return _form(request.form, is_v2=is_v2)
    if request.body is None:
        return {"json": request.json}, None
    if isinstance(request.body, bytes):
        return {"content": request.body}, "application/octet-stream"
    return _text(request.body, is_v2=is_v2)


def _text(body: str, *, is_v2: bool) -> tuple[dict[str, Any], str | None]:
    """Return a text or what is in @file; v2 knows JSON alone, so it gets pairs as that, too."""
    content, content_type = raw_body(body)
    if is_v2 and content_type == _FORM:
        return {"json": nested(parse_qsl(content.decode("utf-8"), keep_blank_values=True))}, None
    if is_v2 and content_type == ANY_BYTES and is_json(content):
        content_type = "application/json"
    return {"content": content}, content_type


def _multipart(request: Request, content_type: str | None) -> tuple[dict[str, Any], str | None]:
    if request.json is not None or isinstance(request.body, bytes):
        raise UsageError("--multipart takes --form key=value and --form file=@path, or --body with such pairs.")
    if request.body is not None and request.body.startswith("@") and not request.form:
        content, kind = raw_body(request.body)
        return {"content": content}, content_type or kind
    is_multipart = content_type is not None and content_type.lower().startswith("multipart/")
    content, kind = form_data(_pair_texts(request.form), request.body, content_type if is_multipart else None)
    return {"content": content}, kind


def _form(form: Pairs, *, is_v2: bool) -> tuple[dict[str, Any], str | None]:
    if isinstance(form, Mapping):
        return {"json" if is_v2 else "form": form}, None
    split = pairs(form)
    for key, value in split:
        if value.startswith("@") and Path(value[1:]).expanduser().is_file():
            raise UsageError(f"{key} names a file: add --multipart to send what is in it.")
    if is_v2:
        return {"json": nested(split)}, None
    return {"content": _encoded(split).encode("ascii")}, _FORM


def nested(split: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Return pairs as the object that they spell: a[b]=1 is {"a": {"b": "1"}}, a[]=1 and a[0]=1 are {"a": ["1"]}."""
    root: dict[str, Any] = {}
    for name, value in split:
        here = root
        *above, last = [key.removesuffix("]") for key in name.split("[")]
        for key in above:
            below = here.setdefault(key or str(len(here)), {})
            if not isinstance(below, dict):
                raise UsageError(f"{name}: {key} has a value already, so nothing can stand in it.")
            here = below
        here[last or str(len(here))] = value
    return {key: _listed(value) for key, value in root.items()}


def _listed(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    within = {key: _listed(item) for key, item in value.items()}
    return list(within.values()) if list(within) == [str(place) for place in range(len(within))] else within
