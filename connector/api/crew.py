"""Threads that read the parts of something side by side; one consumer takes their pages.

The threads only read. Their pages wait in a queue that is bounded in bytes, so that a slow consumer slows them down.
The first error ends the reading, after what had arrived before it; a consumer that stops leaves no thread behind.
"""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from threading import Condition, Event, Thread
from time import monotonic

from connector.api.client import Client
from connector.api.division import Division, Lists, Part, Portion
from connector.api.limits import list_rps
from connector.api.records import Page
from connector.api.spans import Spans
from connector.api.stopping import StoppedError, can_be_stopped, stoppable
from connector.errors import DataError

Walk = Callable[[Part], Iterator[Page]]

MOST_READERS = 40
MOST_BYTES = 32 * 1024 * 1024  # of all that wait, whoever reads them
_SLOWEST_ANSWER_SECONDS = 0.4  # as many readers as keep the pace with answers that take so long
_SHORT_WAIT_SECONDS = 0.005  # pages that come as fast as that come faster than any limit lets them
_LOOK_UP_SECONDS = 0.5  # Windows hands Ctrl-C only to a thread that does not wait for ever
_STOPPING_SECONDS = 2.0

_at_work: set[object] = set()  # crews, which share the room for pages that wait


def readers_for(client: Client, path: str) -> int:
    """Return how many readers it takes to read a list as fast as its limit allows."""
    rps = list_rps(client.connection, path)
    return min(MOST_READERS, max(2, math.ceil(rps * _SLOWEST_ANSWER_SECONDS)))


def read_lists(lists: Sequence[Callable[[], Iterator[Page]]], readers: int) -> Generator[tuple[int, Page]]:
    """Yield the pages of several lists in their order, each with the number of its list; they are read side by side."""
    count = len(lists)
    division = Lists((0, count), page_rows=0)
    reading = read_in_parallel(
        lambda part: lists[count - part.position](), division, min(readers, count), NewestFirst(count)
    )
    with closing(reading) as portions:
        for portion in portions:
            if portion.page is not None:
                yield count - portion.span[1], portion.page


def read_in_parallel(
    walk: Walk, division: Division, readers: int, queue: AsTheyArrive | None = None
) -> Generator[Portion]:
    """Yield the pages of a span of time, and of which time all is read with each.

    `walk` yields the pages of a part, newest first. At the end the whole span has been read, or an error is raised.
    """
    crew = _Crew(walk, division, readers, queue or AsTheyArrive())
    whole = Spans()
    _at_work.add(crew)
    try:
        crew.start()
        for portion in crew.portions():
            whole = whole.with_span(*portion.span)
            yield portion
    finally:
        _at_work.discard(crew)
        crew.stop()
    if whole.missing(*division.span).parts:
        raise DataError("Some of the list was not read, though no request failed. Please report it, and run it again.")


class AsTheyArrive:
    """Pages that wait for the consumer, bounded in bytes; not locked by itself."""

    def __init__(self) -> None:
        self._portions: deque[Portion] = deque()
        self._waiting_bytes = 0

    def has_room(self, _part: Part) -> bool:
        """Whether another page of a part may wait."""
        return self._waiting_bytes < MOST_BYTES / max(1, len(_at_work))

    def put(self, portion: Portion) -> None:
        """Let a portion wait."""
        self._waiting_bytes += _bytes_of(portion)
        self._portions.append(portion)

    def get(self) -> Portion | None:
        """Return the next portion; None where it has not arrived."""
        if not self._portions:
            return None
        portion = self._portions.popleft()
        self._waiting_bytes -= _bytes_of(portion)
        return portion


class NewestFirst(AsTheyArrive):
    """Pages that wait until all newer ones have been handed on; for the newest there always is room."""

    def __init__(self, end: int) -> None:
        super().__init__()
        self._reached = end
        self._later: defaultdict[int, deque[Portion]] = defaultdict(deque)  # by where their spans end

    def has_room(self, part: Part) -> bool:
        """Whether another page of a part may wait: always where all others wait for it."""
        return part.position == self._reached or super().has_room(part)

    def put(self, portion: Portion) -> None:
        """Let a portion wait, behind all that are newer."""
        self._waiting_bytes += _bytes_of(portion)
        self._later[portion.span[1]].append(portion)

    def get(self) -> Portion | None:
        """Return the next portion; None where it has not arrived."""
        waiting = self._later.get(self._reached)
        if not waiting:
            return None
        portion = waiting.popleft()
        self._waiting_bytes -= _bytes_of(portion)
        self._reached = portion.span[0]
        return portion


class _Crew:
    """The readers of one list, who put its pages into a queue."""

    def __init__(self, walk: Walk, division: Division, readers: int, queue: AsTheyArrive) -> None:
        self._walk = walk
        self._division = division
        self._queue = queue
        self._error: BaseException | None = None
        self._has_arrived = False
        self._waiting_since: float | None = None  # for a page, the consumer
        self._changed = Condition()
        self._stop = Event()
        names = [f"reader-{number}" for number in range(readers)]
        self._threads = [Thread(target=self._work, name=name, daemon=True) for name in names]

    def start(self) -> None:
        """Send a reader for each part; others follow once a page shows that there are more."""
        with self._changed:
            for thread in self._threads[: len(self._division.parts)]:
                thread.start()

    def stop(self) -> None:
        """Stop the readers, whatever they wait for."""
        self._end(None)
        until = monotonic() + _STOPPING_SECONDS
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, until - monotonic()))

    def portions(self) -> Iterator[Portion]:
        """Yield what arrives until everything has, or raise the first error."""
        while (portion := self._next()) is not None:
            yield portion
        if self._error is not None:
            raise self._error

    def _next(self) -> Portion | None:
        with self._changed:
            while (portion := self._queue.get()) is None and not (self._division.is_done or self._stop.is_set()):
                self._waiting_since = self._waiting_since or monotonic()
                if not self._changed.wait(_LOOK_UP_SECONDS) and self._has_arrived:
                    self._send_another()  # whoever reads may be held up
                can_be_stopped()
            self._waiting_since = None
            self._changed.notify_all()
            return portion

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
        for page in self._walk(part):
            with self._room(part):
                self._put(self._division.arrived(part, page))
                self._has_arrived = True
                self._send_another()
                if part not in self._division.parts:
                    return
        with self._room(part):
            self._put(self._division.ended(part))

    def _put(self, portion: Portion) -> None:
        self._queue.put(portion)
        self._changed.notify_all()

    def _send_another(self) -> None:
        """Send another reader while pages are waited for: more than keep the consumer busy only cost."""
        another = next((thread for thread in self._threads if thread.ident is None), None)
        waited_seconds = monotonic() - (self._waiting_since or monotonic())
        if another and waited_seconds > _SHORT_WAIT_SECONDS and not self._division.is_done:
            another.start()

    @contextmanager
    def _room(self, part: Part) -> Iterator[None]:
        """Wait for room in the queue, and let nobody else take it meanwhile."""
        with self._changed:
            while not (self._queue.has_room(part) or self._stop.is_set()):
                self._changed.wait()
            if self._stop.is_set():
                raise StoppedError
            yield


def _bytes_of(portion: Portion) -> int:
    return 0 if portion.page is None else len(portion.page.records)
