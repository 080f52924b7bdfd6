"""A list read by several threads at once; one consumer takes their pages.

The threads only read. Their pages wait in a queue that is bounded in bytes, so that a slow consumer slows them down.
The first error ends the reading, after what had arrived before it; a consumer that stops leaves no thread behind.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from threading import Condition, Event, Thread
from time import monotonic

from connector.api.client import Client
from connector.api.division import Division, Part, Portion, Span
from connector.api.limits import list_rps
from connector.api.pages import PAGE_ROWS, PageReader, Selection
from connector.api.records import Page
from connector.api.spans import Spans
from connector.api.stopping import StoppedError, stoppable
from connector.definitions.endpoint import Endpoint
from connector.errors import DataError

Walk = Callable[[Span], Iterator[Page]]

MOST_READERS = 40
_MOST_BYTES = 32 * 1024 * 1024
_SLOWEST_ANSWER_SECONDS = 0.4  # as many readers as keep the pace with answers that take so long
_LOOK_UP_SECONDS = 0.5  # Windows hands Ctrl-C only to a thread that does not wait for ever
_STOPPING_SECONDS = 2.0


def can_be_divided(endpoint: Endpoint) -> bool:
    """Whether Stripe lists an endpoint by the time of creation, once: others are read from one end to the other."""
    order = endpoint.filter_for(endpoint.order) if endpoint.order else None
    column = endpoint.column(endpoint.order) if endpoint.order else None
    by_time = order is not None and order.kind == "range" and column is not None and column.path == ("created",)
    is_one_list = not (endpoint.each or endpoint.parents or endpoint.rows or endpoint.rows_at or endpoint.window)
    return by_time and is_one_list and endpoint.paging == "cursor"


def readers_for(client: Client, endpoint: Endpoint) -> int:
    """Return how many readers it takes to read a list as fast as its limit allows."""
    rps = list_rps(client.connection, endpoint.path)
    return min(MOST_READERS, max(2, math.ceil(rps * _SLOWEST_ANSWER_SECONDS)))


def read_list(
    reader: PageReader, endpoint: Endpoint, selection: Callable[[Span], Selection], span: Span
) -> Generator[Portion]:
    """Yield the pages of an endpoint between two times, read by several threads where Stripe lists it by time."""

    def walk(span: Span) -> Iterator[Page]:
        return reader.read(endpoint, selection(span))

    if can_be_divided(endpoint):
        return read_in_parallel(walk, span, readers_for(reader.client, endpoint))
    return _read_serially(walk, span)


def _read_serially(walk: Walk, span: Span) -> Generator[Portion]:
    """Yield the pages of what cannot be divided; that its span is whole is known at the end."""
    for page in walk(span):
        yield Portion(page, (span[1], span[1]))
    yield Portion(None, span)


def read_in_parallel(walk: Walk, span: Span, readers: int, page_rows: int = PAGE_ROWS) -> Generator[Portion]:
    """Yield the pages of a span of time as they arrive, and of which time all is read with each.

    `walk` yields the pages of a span, newest first. At the end the whole span has been read, or an error is raised.
    """
    crew = _Crew(walk, Division(span, page_rows), readers)
    whole = Spans()
    try:
        crew.start()
        for portion in crew.portions():
            whole = whole.with_span(*portion.span)
            yield portion
    finally:
        crew.stop()
    if whole.missing(*span).parts:
        raise DataError("Some of the list was not read, though no request failed. Please report it, and run it again.")


class _Crew:
    """The readers of one list and the queue of their pages."""

    def __init__(self, walk: Walk, division: Division, readers: int) -> None:
        self._walk = walk
        self._division = division
        self._portions: deque[Portion] = deque()
        self._waiting_bytes = 0
        self._error: BaseException | None = None
        self._changed = Condition()
        self._stop = Event()
        names = [f"reader-{number}" for number in range(readers)]
        self._threads = [Thread(target=self._work, name=name, daemon=True) for name in names]

    def start(self) -> None:
        """Send one reader ahead: most lists have one page."""
        self._threads[0].start()

    def stop(self) -> None:
        """Stop the readers, whatever they wait for."""
        self._end(None)
        until = monotonic() + _STOPPING_SECONDS
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, until - monotonic()))

    def portions(self) -> Iterator[Portion]:
        """Yield what arrives until everything has, or raise the first error."""
        while True:
            with self._changed:
                while not (self._portions or self._division.is_done or self._stop.is_set()):
                    self._changed.wait(_LOOK_UP_SECONDS)
                if not self._portions:
                    break
                portion = self._portions.popleft()
                self._waiting_bytes -= _bytes_of(portion)
                self._changed.notify_all()
            yield portion
        if self._error is not None:
            raise self._error

    # In the threads

    def _work(self) -> None:
        try:
            with stoppable(self._stop):
                while (part := self._take()) is not None:
                    self._read(part)
        except StoppedError:
            return
        except BaseException as error:  # whatever it is, the consumer raises it
            self._end(error)

    def _end(self, error: BaseException | None) -> None:
        with self._changed:
            self._error = self._error or error
            self._stop.set()
            self._changed.notify_all()

    def _take(self) -> Part | None:
        """Wait for a part to read; None when all is read or the reading has been stopped."""
        with self._changed:
            while not (self._stop.is_set() or self._division.is_done):
                part = self._division.take()
                if part is not None:
                    self._changed.notify_all()
                    return part
                self._changed.wait()
        return None

    def _read(self, part: Part) -> None:
        for page in self._walk((part.start, part.position)):
            with self._room():
                self._put(self._division.arrived(part, page))
                self._send_others()
                if part not in self._division.parts:
                    return  # the rest is another's
        with self._room():
            self._put(self._division.ended(part))

    def _send_others(self) -> None:
        if not self._division.is_done:
            for thread in self._threads:
                if thread.ident is None:
                    thread.start()

    @contextmanager
    def _room(self) -> Iterator[None]:
        """Wait for room in the queue, and let nobody else take it meanwhile."""
        with self._changed:
            while self._waiting_bytes >= _MOST_BYTES and not self._stop.is_set():
                self._changed.wait()
            if self._stop.is_set():
                raise StoppedError
            yield

    def _put(self, portion: Portion) -> None:
        self._portions.append(portion)
        self._waiting_bytes += _bytes_of(portion)
        self._changed.notify_all()


def _bytes_of(portion: Portion) -> int:
    return 0 if portion.page is None else len(portion.page.records)
