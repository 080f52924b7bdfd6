"""Column and table names, made and shortened the same way for every target."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Container, Mapping

from connector.errors import DefinitionError

# Postgres has the shortest names and cuts longer ones without a word; SQL Server takes 128 characters.
LIMIT_BYTES = 63

_HASH_DIGITS = 8


def column_name(path: str) -> str:
    """Return the column of a path in Stripe's JSON: address.city is address_city."""
    return path.replace(".", "_")


def nearest_currency(path: str, paths: Container[str]) -> str | None:
    """Return the path of the currency that stands nearest to an amount: beside it, or beside an object around it."""
    *above, _ = path.split(".")
    for length in range(len(above), -1, -1):
        currency = ".".join([*above[:length], "currency"])
        if currency in paths:
            return currency
    return None


def shorten(name: str, limit_bytes: int = LIMIT_BYTES) -> str:
    """Return a name that fits in `limit_bytes` of UTF-8: itself, or its beginning and a hash of the whole."""
    encoded = name.encode()
    if len(encoded) <= limit_bytes:
        return name
    suffix = "_" + hashlib.sha256(encoded).hexdigest()[:_HASH_DIGITS]
    return encoded[: limit_bytes - len(suffix)].decode(errors="ignore") + suffix


def unique(columns: Mapping[str, str]) -> list[str]:
    """Return the names of a mapping path → column; a DefinitionError names two paths that share one.

    Names that differ only in case are the same: DuckDB and SQL Server compare them so.
    """
    seen: dict[str, str] = {}
    for path, name in columns.items():
        other = seen.setdefault(name.casefold(), path)
        if other != path:
            raise DefinitionError(
                f'columns "{other}" and "{path}" would both be called "{name}"; give one of them another name.'
            )
    return list(columns.values())


def valid_table_name(name: str) -> bool:
    """Say whether a name can be a table in every target without quotes: a-z, 0-9 and _, a letter first."""
    return len(name) <= LIMIT_BYTES and re.fullmatch("[a-z][a-z0-9_]*", name) is not None
