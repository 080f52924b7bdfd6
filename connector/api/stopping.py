"""Work in threads that can be stopped: whatever it waits for, it notices within half a second."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Event

NOTICE_SECONDS = 0.5

_stop: ContextVar[Event | None] = ContextVar("stop", default=None)


class StoppedError(Exception):
    """The work was stopped by who had asked for it; nobody is to be told."""


@contextmanager
def stoppable(stop: Event) -> Iterator[None]:
    """Let what this block does end with a StoppedError once `stop` is set."""
    token = _stop.set(stop)
    try:
        yield
    finally:
        _stop.reset(token)


def sleep(seconds: float) -> None:
    """Wait, no longer than until the work is stopped."""
    stop = _stop.get()
    if stop is None:
        time.sleep(seconds)
    elif stop.wait(seconds):
        raise StoppedError


def can_be_stopped() -> bool:
    """Whether this work must not wait for long; a StoppedError where it has been stopped."""
    stop = _stop.get()
    if stop is not None and stop.is_set():
        raise StoppedError
    return stop is not None
