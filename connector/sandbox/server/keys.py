"""Who asks, and what they may: secret keys, and restricted keys with permissions given by name or by a file.

sk_test_sandbox, sk_live_sandbox             everything, in test and in live mode
rk_test_none                                 nothing
rk_test_read_customers_invoices              reads customers and invoices
rk_live_read_all_write_products              reads everything, writes products
"""

from __future__ import annotations

import base64
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from connector.sandbox.document import api
from connector.sandbox.document.api import Operation
from connector.sandbox.document.refusals import refusal
from connector.sandbox.options import LIVE_KEY, SECRET_KEY, SandboxError

_GROUPS = {
    "account": "accounts_kyc_basic",
    "accounts": "accounts_kyc_basic",
    "balance_transactions": "balance_transaction_source",
    "invoiceitems": "invoice",
    "plans": "plan",
    "prices": "plan",
    "refunds": "charge",
    "subscription_items": "subscription",
}
"""Collections whose permission is not called after them [known]; the rest take their own name in the singular."""

Grants = frozenset[str]
"""What a key may: "read charge", "write invoice", or "read *" and "write *" for everything."""

_EVERYTHING: Grants = frozenset({"read *", "write *"})


@dataclass(frozen=True)
class Key:
    """An API key that the sandbox knows."""

    text: str
    livemode: bool
    grants: Grants

    def allows(self, operation: Operation) -> bool:
        """Whether the key may make this call; who may write may also read."""
        verb, resource = _needs(operation)
        verbs = ("read", "write") if verb == "read" else ("write",)
        return any(f"{each} {name}" in self.grants for each in verbs for name in (resource, "*"))


class KeyRing:
    """The keys that a sandbox accepts: its own, those named by `more`, and all that say what they may."""

    def __init__(self, more: Mapping[str, Sequence[str]] | Path | str | None = None) -> None:
        named = _load(more) if isinstance(more, Path | str) else (more or {})
        self._keys = {text: Key(text, _is_live(text), _EVERYTHING) for text in (SECRET_KEY, LIVE_KEY)}
        self._keys |= {text: _named_key(text, words) for text, words in named.items()}

    def find(self, authorization: str | None) -> Key:
        """Return the key in an Authorization header; Refusal when there is none or it is not known."""
        text = _key_in(authorization or "")
        if not text:
            raise refusal("no_key")
        key = self._keys.get(text) or _restricted(text)
        if key is None:
            raise refusal("wrong_key", key=masked(text))
        return key


def permission(operation: Operation) -> str:
    """Return Stripe's name for what a key needs for this call, e.g. "rak_charge_read"."""
    verb, resource = _needs(operation)
    return f"rak_{resource}_{verb}"


def masked(text: str) -> str:
    """Return a key as an error may show it: its prefix and its last four characters."""
    prefix = "_".join(text.split("_")[:2]) + "_" if text[:3] in {"sk_", "rk_"} else ""
    hidden = len(text) - len(prefix) - 4
    return prefix + "*" * max(4, hidden) + (text[-4:] if hidden > 0 else "")


def _needs(operation: Operation) -> tuple[str, str]:
    verb = "read" if operation.method == "GET" else "write"
    return verb, _resource(_collection(operation.path))


def _collection(path: str) -> str:
    """Return the words of a path before its first parameter: "/v1/checkout/sessions" → checkout_sessions."""
    words = path.split("/{", maxsplit=1)[0].removeprefix("/v1/").removesuffix("/search")
    return words.replace("/", "_")


def _resource(collection: str) -> str:
    return _GROUPS.get(collection) or collection.removesuffix("s")


@cache
def _collections() -> frozenset[str]:
    return frozenset(_collection(operation.path) for operation in api.operations())


def _key_in(authorization: str) -> str:
    scheme, _, rest = authorization.strip().partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(rest, validate=True).decode().partition(":")[0]
    except ValueError:
        return ""


def _restricted(text: str) -> Key | None:
    for prefix in ("rk_test_", "rk_live_"):
        if text.startswith(prefix):
            grants = _grants(text.removeprefix(prefix))
            return None if grants is None else Key(text, _is_live(text), grants)
    return None


def _grants(name: str) -> Grants | None:
    """Return what a name like "read_customers_invoices_write_products" grants, or None if it makes no sense."""
    if name == "none":
        return frozenset()
    grants: set[str] = set()
    words, verb = name.split("_"), ""
    while words:
        if words[0] in {"read", "write"}:
            verb = words.pop(0)
            continue
        taken = _longest(words)
        if not taken or not verb:
            return None
        collection = "_".join(words[:taken])
        grants.add(f"{verb} {'*' if collection == 'all' else _resource(collection)}")
        del words[:taken]
    return frozenset(grants) or None


def _longest(words: list[str]) -> int:
    """Return how many of the first words make a collection's name: "checkout", "sessions" → 2."""
    known = (n for n in range(len(words), 0, -1) if "_".join(words[:n]) in _collections() | {"all"})
    return next(known, 0)


def _named_key(text: str, words: Sequence[str]) -> Key:
    """Return the key of a keys file; `words` are like ["read customers", "write products"]."""
    grants: Grants = frozenset()
    for word in words:
        found = _grants(word.replace(" ", "_"))
        if found is None:
            raise SandboxError(f'keys: {masked(text)}: "{word}" is not like "read customers" or "write all"')
        grants |= found
    return Key(text, _is_live(text), grants)


def _load(source: Path | str) -> Mapping[str, Sequence[str]]:
    path = Path(source)
    try:
        text = path.read_text(encoding="utf-8")
        keys = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except (OSError, ValueError) as error:
        raise SandboxError(f"keys: {path} cannot be read: {error}") from error
    if not isinstance(keys, dict) or not all(isinstance(words, list) for words in keys.values()):
        raise SandboxError(f'keys: {path} must map each key to a list such as ["read customers"]')
    return keys


def _is_live(text: str) -> bool:
    return "_live_" in text
