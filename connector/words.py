"""Words for people and from them: a count with its noun, a text where several may stand."""

from __future__ import annotations

from collections.abc import Iterable


def count_of(number: int, noun: str) -> str:
    """Return a number with its noun: "1 row", "1,234 rows"."""
    return f"{number:,} {noun if number == 1 else _plural(noun)}"


def list_of(given: str | Iterable[str]) -> list[str]:
    """Return texts as a list; one text is a list of one, not of its letters."""
    return [given] if isinstance(given, str) else list(given)


def _plural(noun: str) -> str:
    return f"{noun[:-1]}ies" if noun.endswith("y") and noun[-2] not in "aeiou" else f"{noun}s"
