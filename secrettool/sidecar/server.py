"""The server under the endpoints: waitress, with limits on the size, the time and the number of requests.

Nothing that comes or goes is put into a file: buffers are larger than what they may hold.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING, Final

from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.server import BaseWSGIServer, create_server

from secrettool.errors import ConfigError, Outcome

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

BODY_LIMIT: Final = 1 << 20
"""Most bytes of a body; webhooks of forges are smaller by far."""

HEADER_LIMIT: Final = 16 * 1024
"""Most bytes of all headers."""

REQUEST_SECONDS: Final = 10.0
"""Until a request must be there as a whole."""

IDLE_SECONDS: Final = 15
"""Until a connection is closed on which nothing happens."""

CONNECTIONS: Final = 32
"""Most connections at the same time; each may hold a body."""

THREADS: Final = 4

_ROUND_SECONDS: Final = 1.0
_STOP_SECONDS: Final = 5.0
_IN_MEMORY: Final = 1 << 30


@contextmanager
def listening(application: WSGIApplication, address: str, port: int) -> Iterator[int]:
    """Serve an application in threads of its own.

    Args:
        application: What answers.
        address: IP address or name; `::` stands for all addresses of both kinds.
        port: 0 for any that is free.

    Yields:
        The port.

    Raises:
        ConfigError: The address or the port cannot be had.
    """
    bound = _bound(address, port)
    server = create_server(
        application,
        sockets=[bound],
        threads=THREADS,
        connection_limit=CONNECTIONS,
        channel_timeout=IDLE_SECONDS,
        cleanup_interval=5,
        max_request_body_size=BODY_LIMIT + 1,  # it means fewer than
        max_request_header_size=HEADER_LIMIT,
        inbuf_overflow=_IN_MEMORY,
        outbuf_overflow=_IN_MEMORY,
        ident=None,
        log_socket_errors=False,
    )
    server.channel_class = _Channel
    ending = Event()
    thread = Thread(target=_run, args=(server, ending), name="http", daemon=True)
    thread.start()
    try:
        yield bound.getsockname()[1]
    finally:
        # In this order nobody writes into the pipe that wakes the loop after it was closed: its number may be that of another file then.
        server.task_dispatcher.shutdown(timeout=_STOP_SECONDS)
        ending.set()
        server.pull_trigger()
        thread.join(_STOP_SECONDS)
        if not thread.is_alive():
            wasyncore.close_all(server._map, ignore_all=True)


def _run(server: BaseWSGIServer, ending: Event) -> None:
    while not ending.is_set():
        wasyncore.loop(timeout=_ROUND_SECONDS, use_poll=True, map=server._map, count=1)


class _Channel(HTTPChannel):  # type: ignore[misc]
    """A connection whose requests cannot be drawn out: the server itself only closes those on which nothing happens at all."""

    began = 0.0

    def received(self, data: bytes) -> bool:
        """Take what came, unless the request it belongs to began too long ago."""
        now = time.monotonic()
        if self.request is None:
            self.began = now
        elif now - self.began > REQUEST_SECONDS:
            self.will_close = True
            return False
        try:
            taken: bool = super().received(data)
        except ValueError:  # an address that cannot be taken apart; the server would log the error, which may quote it
            self.will_close = True
            return False
        return taken


def _bound(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        return socket.create_server((address, port), family=family, dualstack_ipv6=address == "::" and socket.has_dualstack_ipv6())
    except (OSError, OverflowError) as error:
        cause = getattr(error, "strerror", None) or "no such address"
        raise ConfigError(f"cannot listen at {address}, port {port}: {cause}", code=Outcome.CONFIGURATION) from None
