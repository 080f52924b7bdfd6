"""Who serves a call: handlers and special readers by the name of the call, and the kinds that only they make.

@handles("POST /v1/customers")
def create(write: Write) -> Record: ...
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from connector.sandbox.document.rules import Record

if TYPE_CHECKING:
    from connector.sandbox.document.api import Operation
    from connector.sandbox.world.store import Store
    from connector.sandbox.writes.engine.write import Write

Handler = Callable[["Write"], Record]
Reader = Callable[["Store", "Operation", str, Mapping[str, Any]], Record]

HANDLERS: dict[str, Handler] = {}
"""What serves a call that writes, by its name: "POST /v1/customers/{customer}"."""

READERS: dict[str, Reader] = {}
"""What serves a call that reads where the general rules of `reads` do not fit, by its name."""

KINDS: set[str] = set()
"""Kinds that the generated business does not have, and the sandbox holds all the same."""


def handles(name: str) -> Callable[[Handler], Handler]:
    """Register the function below as what serves the writing call `name`; it may carry several names."""

    def register(handler: Handler) -> Handler:
        assert name not in HANDLERS, f"{name} has two handlers"
        HANDLERS[name] = handler
        return handler

    return register


def reads(name: str) -> Callable[[Reader], Reader]:
    """Register the function below as what serves the reading call `name`."""

    def register(reader: Reader) -> Reader:
        assert name not in READERS, f"{name} has two readers"
        READERS[name] = reader
        return reader

    return register


def holds(*kinds: str) -> None:
    """Let the sandbox hold objects of these kinds too: they can be put, listed and retrieved."""
    KINDS.update(kinds)
