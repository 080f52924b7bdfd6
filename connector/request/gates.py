"""What has to be asked for by name before a call is sent that may change something.

A GET changes nothing and is sent at once. Anything else is shown first and sent with --apply; with a key that is not
a test key also --allow-live; what may delete needs --allow delete, what may move money --allow money. What a POST
does is told by its path: it counts as money unless HARMLESS names it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from urllib.parse import unquote_plus

from connector.api.calls import Prepared
from connector.config import Connection
from connector.errors import UsageError, did_you_mean
from connector.words import count_of

ALLOWED = ("money", "delete")
_SHOWN_CHARACTERS = 2_000


@dataclass(frozen=True)
class Harmless:
    """Paths whose POST moves no money and destroys nothing, and why; `but` are parameters for which that fails."""

    path: str
    why: str
    but: tuple[str, ...] = ()


# ID stands for one id. Everything else counts as money: a path too many here costs more than one too few.
HARMLESS = (
    Harmless("/v1/customers", "who the customer is", but=("balance", "cash_balance", "source")),
    Harmless("/v1/customers/ID", "who the customer is", but=("balance", "cash_balance", "source")),
    Harmless("/v1/customers/ID/tax_ids", "a number that invoices show"),
    Harmless("/v1/products", "what is sold; nothing is sold by it"),
    Harmless("/v1/products/ID", "what is sold; nothing is sold by it"),
    Harmless("/v1/prices", "what may be charged; subscriptions keep the price that they have"),
    Harmless("/v1/prices/ID", "what may be charged; subscriptions keep the price that they have"),
    Harmless("/v1/charges/ID", "descriptions and metadata of a charge that has been made"),
    Harmless("/v1/refunds/ID", "metadata alone"),
    Harmless("/v1/payouts/ID", "metadata alone"),
    Harmless("/v1/transfers/ID", "description and metadata alone"),
    Harmless("/v1/topups/ID", "description and metadata alone"),
    Harmless("/v1/files", "a file is stored"),
    Harmless("/v1/file_links", "a link to a file"),
    Harmless("/v1/file_links/ID", "a link to a file, or when it ends"),
    Harmless("/v1/reporting/report_runs", "a report is made"),
    Harmless("/v1/invoices/create_preview", "it computes and keeps nothing"),
    Harmless("/v1/tax/calculations", "it computes and moves nothing"),
)


@dataclass(frozen=True)
class Permission:
    """What a user has asked for by name."""

    apply: bool = False
    allow: frozenset[str] = frozenset()
    live: bool = False


def permission(*, apply: bool, allow: Iterable[str], live: bool) -> Permission:
    """Return what was asked for; each of `allow` may hold several words between commas."""
    words = [word.strip().lower() for text in allow for word in text.split(",")]
    for word in words:
        if word not in ALLOWED:
            raise UsageError(f'--allow takes {" and ".join(ALLOWED)}, not "{word}".{did_you_mean(word, ALLOWED)}')
    return Permission(apply, frozenset(words), live)


def needed(call: Prepared, connection: Connection) -> list[str]:
    """Return what has to be asked for before this call is sent, as flags of the command line; nothing for a GET."""
    if not call.writes:
        return []
    flags = ["--apply"]
    if call.method == "DELETE":
        flags.append("--allow delete")
    elif moves_money(call, connection):
        flags.append("--allow money")
    if call.to_stripe and connection.livemode is not False:
        flags.append("--allow-live")
    return flags


def missing(flags: Collection[str], granted: Permission) -> list[str]:
    """Return those of the needed flags that were not granted."""
    has = {"--apply": granted.apply, "--allow-live": granted.live}
    has |= {f"--allow {word}": word in granted.allow for word in ALLOWED}
    return [flag for flag in flags if not has[flag]]


def moves_money(call: Prepared, connection: Connection) -> bool:
    """Whether this write may move money or destroy something, as far as anybody knows: yes, unless it is listed."""
    path = call.url.raw_path.decode("ascii").partition("?")[0]
    rule = next((rule for rule in HARMLESS if re.fullmatch(rule.path.replace("ID", r"\w+"), path, re.ASCII)), None)
    if rule is None or not call.is_for(connection):
        return True
    # Looked for anywhere in what is sent, in whichever form: too much caution costs a flag.
    content = unquote_plus(call.url.query.decode("ascii")) + unquote_plus((call.body or b"").decode("utf-8", "replace"))
    return any(re.search(rf"\b{parameter}\b", content) for parameter in rule.but)


def explained(flags: Collection[str]) -> str:
    """Return why these flags are needed, where that is not plain."""
    reasons = {
        "--allow money": "as far as is known it may move money",
        "--allow delete": "it deletes",
        "--allow-live": "the key is no test key",
    }
    lines = [f"{flag}: {reasons[flag]}" for flag in flags if flag in reasons]
    return f" ({'; '.join(lines)})" if lines else ""


def plan(call: Prepared, body: str | None, connection: Connection, lacking: Collection[str]) -> str:
    """Return a call as a person checks it, the key masked, and which flags send it.

    `body` is how the user wrote it, where the bytes themselves are not to be read.
    """
    key = connection.key
    lines = [f"{call.method} {call.url}"]
    lines += [f"{name.title()}: {_shown(name, value, connection)}" for name, value in call.headers.items()]
    if call.body:
        text = body if body is not None else _readable(call.body)
        lines += ["", f"{count_of(len(call.body), 'byte')}:", *([text] if len(text) <= _SHOWN_CHARACTERS else [])]
    if _is_json_for_v1(call, connection):
        lines += ["", "Stripe's v1 takes no JSON but forms: --form key=value, or pairs such as a=1&b[c]=2."]
    lines += ["", f"Not sent. What sends it: {' '.join(lacking)}{explained(lacking)}"]
    return key.hide_in("\n".join(lines))


def _is_json_for_v1(call: Prepared, connection: Connection) -> bool:
    is_json = call.headers.get("Content-Type", "").startswith("application/json")
    return is_json and call.is_for(connection) and call.url.path.startswith("/v1/")


def _shown(name: str, value: str, connection: Connection) -> str:
    """Return a header's value as it may be shown; a secret of the user's own, which no mask knows, is not."""
    if name.lower() == "authorization" and value != f"Bearer {connection.key.reveal()}":
        return "…"
    return value


def _readable(body: bytes) -> str:
    text = unquote_plus(body.decode("utf-8", "replace"))
    return "".join(character if character.isprintable() or character == "\n" else "�" for character in text)
