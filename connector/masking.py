"""The one masker of all that is printed: keys, and passwords in whatever people take for an address."""

from __future__ import annotations

import re

_KEY = re.compile(r"(?<![A-Za-z0-9])((?:sk|rk|whsec)_(?:(?:org_)?(?:live|test)_)?+)\w+")
# The words that stand for a password in our own advice hide nothing, and neither does ${NAME}.
_VALUE = r"(?!password\b|\$\{|…)[^\s'\"]"
_HEADER = re.compile(r"(\bAuthorization\W+\w+\s+)(?!sk_|rk_)[^\s'\"]+", re.IGNORECASE)
_IN_ADDRESS = re.compile(rf"(?<![\w.:])([\w.+%-]*:)(?!/){_VALUE}+(?=@[\w\[])")
_SETTING = re.compile(rf"(\b(?:password|passwd|pwd)\s*=\s*)(?:'[^']*'|\"[^\"]*\"|{_VALUE}[^\s&;,)]*)", re.IGNORECASE)


def masked(text: str) -> str:
    """Return text as it may be shown: keys keep their kind; passwords of addresses and settings become three dots."""
    text = _HEADER.sub(r"\1…", hide_keys(text))
    return _SETTING.sub(r"\1…", _IN_ADDRESS.sub(r"\1…", text))


def hide_keys(text: str) -> str:
    """Return text with everything that looks like a secret key masked."""
    return _KEY.sub(r"\1…", text)
