"""Addresses of databases: read in one way, and what must not show of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast
from urllib.parse import quote, quote_plus

from connector.databases.families import Family
from connector.errors import UsageError

if TYPE_CHECKING:
    from sqlalchemy import URL

SETTINGS = ("table",)
_SECRET_SETTINGS = ("password", "sslpassword", "ssl_key_password", "pwd")
_LONG_PASSWORD = 4  # letters from which on it is no part of other words


def split_url(url: str, family: Family) -> tuple[str, dict[str, str]]:
    """Return a URL without our own settings, and those: {"table": "crm.invoices"} where it said ?table=crm.invoices.

    A UsageError where it cannot be read, or says what nobody knows; the message holds nothing of the URL but its scheme
    and names of settings, for a password in it may be what makes it unreadable.
    """
    if family.suffixes and "?" not in url:  # a path and nothing else
        _refuse_host(url, family)
        return url, {}
    from sqlalchemy import make_url  # which takes as long to import as a small sync takes
    from sqlalchemy.exc import ArgumentError

    scheme = url.partition("://")[0]
    unreadable = UsageError(
        f"This {scheme}:// URL cannot be read: write {scheme}://user:password@host:port/database, with %40 for @, "
        "%3A for :, %2F for /, %3F for ? and %25 for % in a password."
    )
    if family.is_file:
        _refuse_host(url, family)
    elif url.count("@") > 1:  # in a password, what follows the first would be shown as the host
        raise unreadable
    try:
        read = make_url(url)
    except (ArgumentError, ValueError):
        raise unreadable from None
    for name in read.query:
        family.check_setting(scheme, name)
    ours = {name: read.query[name] for name in SETTINGS if name in read.query}
    if twice := next((name for name, value in ours.items() if not isinstance(value, str)), None):
        raise UsageError(f"This {scheme}:// URL says {twice} twice.")
    rest = read.difference_update_query(SETTINGS).render_as_string(hide_password=False)
    return rest, cast("dict[str, str]", ours)


def _refuse_host(url: str, family: Family) -> None:
    rest = url.partition("://")[2].partition("?")[0]
    if (rest and not rest.startswith("/")) or (family.suffixes and rest in ("", "/")):  # sqlite:// is one in memory
        name = family.name.partition(" ")[0]
        raise UsageError(f"A {name} file is written {family.address}; an absolute path has one slash more.")


def without_password(text: str, url: URL) -> str:
    """Return a driver's message without the passwords of a URL; a short one counts where it stands as a word."""
    given = [url.password, *(value for name, value in url.query.items() if name.lower() in _SECRET_SETTINGS)]
    forms = {form for word in given if word for form in (str(word), quote(str(word), safe=""), quote_plus(str(word)))}
    for form in sorted(forms, key=len, reverse=True):
        exact = re.escape(form)
        text = re.sub(exact if len(form) >= _LONG_PASSWORD else rf"(?<!\w){exact}(?!\w)", "***", text)
    return text
