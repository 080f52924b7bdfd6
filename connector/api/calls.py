"""A call made ready to send: where it goes, whether the key may go along, what it carries.

The key goes to Stripe's hosts (api_base and files_base of the connection) and to those that the user trusts.
"""

from __future__ import annotations

import functools
import importlib.metadata
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx
import msgspec

from connector.api.encoding import form_encode
from connector.config import LOOPBACK, Connection
from connector.errors import UsageError

_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_SAME_WHEN_REPEATED = _READS | {"PUT", "DELETE"}
_FORM = "application/x-www-form-urlencoded"
_FULL_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_LONGEST_IDEMPOTENCY_KEY = 255
_FRAMING = {"content-length", "transfer-encoding", "connection", "host", "upgrade", "expect", "te", "trailer"}
_DEFAULT_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True)
class Call:
    """One request: to a path of the API or a full URL, with at most one of `form`, `json` and `content` as body.

    `endpoint` is the path's template ("/v1/customers/{id}"), which names the call in limits, logs and errors; left
    out, it is guessed from the path. `authenticate=False` sends neither key nor account and may go to any host.
    """

    method: str
    url: str
    params: Mapping[str, object] | None = field(default=None, repr=False)
    form: Mapping[str, object] | None = field(default=None, repr=False)
    json: object = field(default=None, repr=False)
    content: bytes | None = field(default=None, repr=False)
    headers: Mapping[str, str] | None = field(default=None, repr=False)
    idempotency_key: str | None = field(default=None, repr=False)
    endpoint: str | None = None
    authenticate: bool = True


@dataclass(frozen=True)
class Prepared:
    """A call made ready: what goes over the wire, the same in every attempt."""

    label: str
    method: str
    url: httpx.URL
    headers: httpx.Headers = field(repr=False)
    body: bytes | None = field(repr=False)
    to_stripe: bool

    @property
    def idempotency_key(self) -> str | None:
        """The key under which Stripe does this once, however often it is sent; None where Stripe heeds none."""
        key: str | None = self.headers.get("Idempotency-Key")
        return key if self.to_stripe and _heeds_idempotency_key(self.method, self.url) else None

    def is_for(self, connection: Connection) -> bool:
        """Whether it goes to the API's own hosts, not to another that the user trusts."""
        return _origin(self.url) in _own(connection)

    @property
    def writes(self) -> bool:
        """Whether it may change something."""
        return self.method not in _READS

    @property
    def is_repeatable(self) -> bool:
        """Whether sending it twice has the effect of sending it once."""
        return self.method in _SAME_WHEN_REPEATED or self.idempotency_key is not None


def prepare(call: Call, connection: Connection) -> Prepared:
    """Return the call ready to send; a UsageError when it is none, or would take the key to a stranger."""
    method = call.method.upper()
    url = _address(method, call, connection)
    body, content_type = _body(call)
    headers = httpx.Headers({"User-Agent": _user_agent(), "Accept-Encoding": "gzip"})
    headers.update(content_type)
    if call.authenticate:
        _refuse_untrusted(url, connection)
        headers.update(_checked(_stripe_headers(method, url, call, connection)))
    headers.update(_checked(_refuse_framing(call.headers or {})))
    label = f"{method} {call.endpoint or _endpoint_of(url, call)}"
    return Prepared(label, method, url, headers, body, call.authenticate)


def _address(method: str, call: Call, connection: Connection) -> httpx.URL:
    is_full = _FULL_URL.match(call.url)
    text = call.url if is_full else f"{_base(method, call.url, connection)}/{call.url.lstrip('/')}"
    if call.params and (query := form_encode(call.params)):
        text += ("&" if "?" in text else "?") + query
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, UnicodeError) as error:
        is_text = isinstance(error, httpx.InvalidURL)
        problem = connection.key.hide_in(str(error)) if is_text else "half of a surrogate pair is no text"
        raise UsageError(f"The address of a {method} request cannot be read: {problem}.") from None
    if url.scheme not in _DEFAULT_PORTS or not url.host or url.userinfo or url.fragment:
        raise UsageError("A full URL must be https://HOST/PATH, without user name, password and #fragment.")
    return url


def _base(method: str, path: str, connection: Connection) -> str:
    """Return the host for a path: contents of files live on another one than everything else."""
    plain = "/" + path.lstrip("/").partition("?")[0]
    is_content = re.fullmatch(r"/v1/files/[^/]+/contents", plain) or (method == "POST" and plain == "/v1/files")
    return connection.files_base if is_content else connection.api_base


def _refuse_untrusted(url: httpx.URL, connection: Connection) -> None:
    own = _own(connection)
    if _origin(url) in own or _is_trusted(url, connection.trusted_hosts):
        return
    known = ", ".join(sorted({host for _, host, _ in own} | set(connection.trusted_hosts)))
    raise UsageError(
        f"The key is not sent to {url.scheme}://{url.netloc.decode('ascii')}: it goes to {known} only. Name the "
        "host in trusted_hosts of the connection (https only), or send the request without the key (--no-auth)."
    )


def _own(connection: Connection) -> set[tuple[str, str, int]]:
    return {_origin(httpx.URL(base)) for base in (connection.api_base, connection.files_base)}


def _stripe_headers(method: str, url: httpx.URL, call: Call, connection: Connection) -> dict[str, str]:
    headers = {
        "Authorization": f"Bearer {connection.key.reveal()}",
        "Stripe-Version": connection.version,
    }
    if connection.account:
        headers["Stripe-Account"] = connection.account
    if call.idempotency_key or _heeds_idempotency_key(method, url):
        headers["Idempotency-Key"] = call.idempotency_key or str(uuid.uuid4())
    return headers


def same_origin(one: str, other: str) -> bool:
    """Return whether two addresses are of one scheme, host and port."""
    return _origin(httpx.URL(one)) == _origin(httpx.URL(other))


def _origin(url: httpx.URL) -> tuple[str, str, int]:
    return url.scheme, url.raw_host.decode("ascii"), url.port or _DEFAULT_PORTS.get(url.scheme, 0)


def _is_trusted(url: httpx.URL, hosts: tuple[str, ...]) -> bool:
    is_private = url.scheme == "https" or url.host in LOOPBACK
    return is_private and (url.netloc.decode("ascii") in hosts)


def _endpoint_of(url: httpx.URL, call: Call) -> str:
    """Guess the template of a path: what has a digit or a capital letter is an id."""
    path = "/".join(part if re.fullmatch(r"v\d|[a-z_.-]*", part) else "{id}" for part in url.path.split("/"))
    return path if call.authenticate else f"{url.host}{path}"


def _body(call: Call) -> tuple[bytes | None, dict[str, str]]:
    """Return the body and the header that says what it is."""
    if sum(body is not None for body in (call.form, call.json, call.content)) > 1:
        raise UsageError("A request has one body: form, json or content.")
    if call.form is not None:
        return form_encode(call.form).encode("ascii"), {"Content-Type": _FORM}
    if call.json is not None:
        try:
            return msgspec.json.encode(call.json), {"Content-Type": "application/json"}
        except (TypeError, ValueError, RecursionError) as error:
            raise UsageError(f"The body cannot be written as JSON: {error}.") from None
    return call.content, {}


def _refuse_framing(headers: Mapping[str, str]) -> Mapping[str, str]:
    """Refuse headers that say where a request goes or ends: they follow from the request itself."""
    for name in headers:
        if name.strip().lower() in _FRAMING:
            raise UsageError(f"The header {name} follows from what is sent; leave it out.")
    return headers


def _heeds_idempotency_key(method: str, url: httpx.URL) -> bool:
    return method == "POST" or (method == "DELETE" and url.path.startswith("/v2/"))


def _checked(headers: Mapping[str, str]) -> Mapping[str, str]:
    """Return headers as they can be sent: spaces around a value mean nothing, and HTTP has no room for them."""
    headers = {name: value.strip(" ") for name, value in headers.items()}
    for name, value in headers.items():
        if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
            raise UsageError("A header's name may hold letters, digits and hyphens only.")
        if not value.isascii() or not value.isprintable():
            raise UsageError(f"The header {name} holds a line break or a character that headers cannot carry.")
        if name.lower() == "idempotency-key" and len(value) > _LONGEST_IDEMPOTENCY_KEY:
            raise UsageError(f"An idempotency key has at most {_LONGEST_IDEMPOTENCY_KEY} characters.")
    return headers


@functools.cache
def _user_agent() -> str:
    return f"stripe-connector/{importlib.metadata.version('stripe-connector')}"
