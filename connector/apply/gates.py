"""What has to be asked for by name before something is sent that may change something.

Nothing is sent without --apply; with a key that is not a test key also --allow-live; what may delete needs
--allow delete, what may move money --allow money, what lets somebody in --allow access. What a call needs stands in
endpoints/actions; a call that no file there knows counts as moving money, a DELETE as deleting.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from urllib.parse import unquote_plus

from connector.api.calls import Prepared
from connector.config import Connection
from connector.definitions.actions import NEEDS, Action, Actions
from connector.errors import UsageError, did_you_mean


@dataclass(frozen=True)
class Permission:
    """What a user has asked for by name."""

    apply: bool = False
    allow: frozenset[str] = frozenset()
    live: bool = False


def permission(*, apply: bool, allow: Iterable[str], live: bool) -> Permission:
    """Return what was asked for; each of `allow` may hold several words between commas."""
    texts = [allow] if isinstance(allow, str) else allow
    words = [word.strip().lower() for text in texts for word in text.split(",")]
    for word in words:
        if word not in NEEDS:
            raise UsageError(f'--allow takes {", ".join(NEEDS)}, not "{word}".{did_you_mean(word, NEEDS)}')
    return Permission(apply, frozenset(words), live)


def action_of(call: Prepared, connection: Connection, actions: Actions) -> Action | None:
    """Return the action that a call is; None where no file knows it, or its path could mean another one."""
    path = call.url.raw_path.decode("ascii").partition("?")[0]
    is_plain = re.fullmatch(r"[\w/-]+", path, re.ASCII) is not None
    return actions.of_call(call.method, path) if is_plain and call.is_for(connection) else None


def needs_of(call: Prepared, action: Action | None) -> list[str]:
    """Return what --allow must name before a call that writes is sent."""
    if action is None:
        return ["delete" if call.method == "DELETE" else "money"]
    # Looked for anywhere in what is sent, in whichever form: too much caution costs a flag.
    query, body = call.url.query.decode("ascii"), (call.body or b"").decode("utf-8", "replace")
    text = unquote_plus(query) + unquote_plus(body)
    return action.needs_of(path for path in action.parameters if re.search(rf"\b{re.escape(path)}\b", text))


def needed(call: Prepared, connection: Connection, actions: Actions) -> list[str]:
    """Return what has to be asked for before a call is sent, as flags of the command line; nothing for a GET."""
    if not call.writes:
        return []
    needs = needs_of(call, action_of(call, connection, actions))
    return flags(needs, connection.livemode if call.to_stripe else False)


def flags(needs: Iterable[str], livemode: bool | None) -> list[str]:
    """Return what has to be asked for before a write is sent, as flags of the command line."""
    wanted = set(needs)
    live = [] if livemode is False else ["--allow-live"]
    return ["--apply", *(f"--allow {word}" for word in NEEDS if word in wanted), *live]


def missing(wanted: Collection[str], granted: Permission) -> list[str]:
    """Return those of the needed flags that were not granted."""
    has = {"--apply": granted.apply, "--allow-live": granted.live}
    has |= {f"--allow {word}": word in granted.allow for word in NEEDS}
    return [flag for flag in wanted if not has[flag]]


def explained(wanted: Collection[str]) -> str:
    """Return why these flags are needed, where that is not plain."""
    reasons = {
        "--allow money": "as far as is known it may move money",
        "--allow delete": "it deletes",
        "--allow access": "it lets somebody in, or sees to what they get",
        "--allow-live": "the key is no test key",
    }
    parts = [f"{flag}: {reasons[flag]}" for flag in wanted if flag in reasons]
    return f" ({'; '.join(parts)})" if parts else ""
