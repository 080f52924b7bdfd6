"""One deadline over a whole request: a timeout of the HTTP library covers one wait, and there may be any number.

A server that sends its head a byte at a time, or a body without end, keeps every single timeout and never comes to
an end. So the stream below the HTTP library shortens each wait to what is left, and looks up now and then where the
work can be stopped.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import httpcore
import httpx

from connector.api.stopping import NOTICE_SECONDS, can_be_stopped

SecondsLeft = Callable[[], float]

_seconds_left: ContextVar[SecondsLeft | None] = ContextVar("seconds_left", default=None)


@contextmanager
def deadline(seconds_left: SecondsLeft) -> Iterator[None]:
    """Let no wait of the network in this block outlast what is left."""
    token = _seconds_left.set(seconds_left)
    try:
        yield
    finally:
        _seconds_left.reset(token)


def keep_deadlines(client: httpx.Client) -> None:
    """Make a client heed `deadline`, whichever way its requests go."""
    # Neither library has an option for this.
    for transport in [client._transport, *client._mounts.values()]:  # noqa: SLF001
        pool = getattr(transport, "_pool", None)
        if pool is not None:
            pool._network_backend = _Backend(pool._network_backend)  # noqa: SLF001


def _shortened(timeout: float | None) -> float | None:
    """Return a timeout cut to what is left; httpcore.ReadTimeout where nothing is."""
    seconds_left = _seconds_left.get()
    if seconds_left is None:
        return timeout
    left = seconds_left()
    if left <= 0:
        raise httpcore.ReadTimeout("the whole request has taken as long as it may")
    return left if timeout is None else min(timeout, left)


class _Stream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        wait_seconds = _shortened(timeout)
        while can_be_stopped() and (wait_seconds is None or wait_seconds > NOTICE_SECONDS):
            with contextlib.suppress(httpcore.ReadTimeout):
                return self._stream.read(max_bytes, NOTICE_SECONDS)
            wait_seconds = None if wait_seconds is None else wait_seconds - NOTICE_SECONDS
        return self._stream.read(max_bytes, wait_seconds)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _shortened(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, _shortened(timeout)))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _Backend(httpcore.NetworkBackend):
    def __init__(self, backend: httpcore.NetworkBackend) -> None:
        self._backend = backend

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        stream = self._backend.connect_tcp(host, port, _shortened(timeout), local_address, socket_options)
        return _Stream(stream)
