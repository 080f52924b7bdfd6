"""Work in several threads that is stopped together: by the first error, or by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from threading import Event, Lock
from typing import ParamSpec, TypeVar

from connector.api.stopping import StoppedError, can_be_stopped, stoppable

_LOOK_UP_SECONDS = 0.5  # Windows hands Ctrl-C only to a thread that does not wait for ever
Item = TypeVar("Item")
Outcome = TypeVar("Outcome")
Parameters = ParamSpec("Parameters")


def side_by_side(work: Callable[[Item], Outcome], items: Sequence[Item], at_once: int) -> list[Outcome]:
    """Do the work for each item, some at once, and return the outcomes in the order of the items.

    The first error stops all of it, and is raised once all has stopped.
    """
    stop = Event()

    def stoppably(item: Item) -> Outcome:
        with stoppable(stop):
            can_be_stopped()
            try:
                return work(item)
            except BaseException:
                stop.set()
                raise

    with ThreadPoolExecutor(at_once, thread_name_prefix="family") as pool:
        try:
            futures = [pool.submit(stoppably, item) for item in items]
            while wait(futures, _LOOK_UP_SECONDS).not_done:
                pass
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)
    errors = [future.exception() for future in futures]
    for error in errors:
        if error is not None and not isinstance(error, StoppedError):
            raise error
    return [future.result() for future in futures]


def one_at_a_time(work: Callable[Parameters, None]) -> Callable[Parameters, None]:
    """Return the same work, done by one thread at a time."""
    doing = Lock()

    def alone(*arguments: Parameters.args, **named: Parameters.kwargs) -> None:
        with doing:
            work(*arguments, **named)

    return alone
