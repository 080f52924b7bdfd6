"""URLs of databases: what is ours in them, and what is the database's."""

from __future__ import annotations

from typing import cast

from connector.errors import UsageError

SETTINGS = ("table",)


def split_url(url: str) -> tuple[str, dict[str, str]]:
    """Return a URL without our own settings, and those: {"table": "crm.invoices"} where it said ?table=crm.invoices.

    A UsageError where it cannot be read; the message holds nothing of the URL but its scheme, for a password in it may
    be what makes it unreadable.
    """
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    scheme = url.partition("://")[0]
    unreadable = UsageError(
        f"This {scheme}:// URL cannot be read: write {scheme}://user:password@host:port/database, with %40 for @, "
        "%3A for :, %2F for /, %3F for ? and %25 for % in a password."
    )
    if url.count("@") > 1:  # in a password, what follows the first would be shown as the host
        raise unreadable
    try:
        read = make_url(url)
    except (ArgumentError, ValueError):
        raise unreadable from None
    ours = {name: read.query[name] for name in SETTINGS if name in read.query}
    if twice := next((name for name, value in ours.items() if not isinstance(value, str)), None):
        raise UsageError(f"This {scheme}:// URL says {twice} twice.")
    rest = read.difference_update_query(SETTINGS).render_as_string(hide_password=False)
    return rest, cast("dict[str, str]", ours)
