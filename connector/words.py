"""Words for people and from them: a count with its noun, a text where several may stand."""

from __future__ import annotations

import re
from collections.abc import Iterable

_OPTION = re.compile(r"--([a-z]+(?:-[a-z]+)*)")
# Options that Python calls otherwise, or that say yes by being there.
_IN_PYTHON = {
    "allow-empty": "allow_empty=True",
    "allow-live": "allow_live=True",
    "apply": "apply=True",
    "from": "source",
    "header": "headers",
    "lock-wait": "lock_wait_seconds",
    "map": "mapping",
    "multipart": "multipart=True",
    "no-auth": "authenticate=False",
    "paginate": "paginate=True",
    "replace": "replace=True",
    "strict": "strict=True",
    "swap": "swap=True",
}


def count_of(number: int, noun: str) -> str:
    """Return a number with its noun: "1 row", "1,234 rows"."""
    return f"{number:,} {noun if number == 1 else _plural(noun)}"


def list_of(given: str | Iterable[str]) -> list[str]:
    """Return texts as a list; one text is a list of one, not of its letters."""
    return [given] if isinstance(given, str) else list(given)


def in_python(text: str) -> str:
    """Return a sentence about options as one about parameters: --paginate is paginate=True."""
    return _OPTION.sub(lambda option: _IN_PYTHON.get(option[1], option[1].replace("-", "_")), text)


def _plural(noun: str) -> str:
    return f"{noun[:-1]}ies" if noun.endswith("y") and noun[-2] not in "aeiou" else f"{noun}s"
