"""What can go wrong with events, in words: "late=0.1,duplicate=0.1,disorder=0.2" gives each a share of all events."""

from __future__ import annotations

import re
from dataclasses import dataclass

from connector.sandbox.options import SandboxError

LATE_SECONDS, DISORDER_SECONDS = 2.0, 0.3
TROUBLES = {"late": LATE_SECONDS, "duplicate": 0.0, "disorder": DISORDER_SECONDS}
"""What can go wrong, and the seconds by which it holds an event up on its way to a webhook."""

_TROUBLE = re.compile(r"(?:(?P<name>late|duplicate|disorder)|late:(?P<seconds>\d+))=(?P<share>\d*\.?\d+)")


@dataclass(frozen=True)
class Trouble:
    """What part of all events suffers it, and by how much it holds them up."""

    share: float
    seconds: float = 0


NO_TROUBLE = Trouble(0)


def troubles(text: str, about: str) -> dict[str, Trouble]:
    """Read "late=0.1,duplicate=0.1"; SandboxError for what is not like that, with what it is `about`."""
    read: dict[str, Trouble] = {}
    for word in filter(None, (word.strip() for word in text.split(","))):
        known = _TROUBLE.fullmatch(word)
        if known is None or float(known["share"]) > 1:
            raise SandboxError(
                f'{about} trouble "{word}": write it like late=0.1 or late:60=0.1; there are {", ".join(TROUBLES)}'
            )
        name = known["name"] or "late"
        seconds = float(known["seconds"]) if known["seconds"] else TROUBLES[name]
        read[name] = Trouble(float(known["share"]), seconds)
    return read
