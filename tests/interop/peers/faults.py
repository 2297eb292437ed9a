"""An HTTP server on loopback that fails on demand, notes what it is asked, and passes the rest on to a real one."""

from __future__ import annotations

import json
import ssl
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPSConnection
from typing import NamedTuple
from urllib.parse import urlsplit

from tests.loopback import QuietHandler, listening

HOP_BY_HOP = frozenset({"connection", "transfer-encoding", "content-length", "content-encoding", "host"})


class Answer(NamedTuple):
    """What is answered instead of the real server.

    Attributes:
        status: Of HTTP.
        body: JSON, text as it is, or what makes it of the request.
        headers: Besides the usual ones.
        cut: Whether the connection ends in the middle of the body.
        heard: Whether the real server carries the request out all the same; without a body of its own the answer has that server's.
        late: Seconds until it is sent.
    """

    status: int
    body: object = None
    headers: Mapping[str, str] = {}
    cut: bool = False
    heard: bool = False
    late: float = 0

    def data(self) -> bytes:
        """The body's bytes."""
        return self.body.encode() if isinstance(self.body, str) else json.dumps(self.body or {}).encode()


class Asked(NamedTuple):
    """A request that came in.

    Attributes:
        method: Of HTTP.
        path: With its query.
        headers: Names in small letters.
        body: As sent.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class FaultyServer:
    """The server.

    Attributes:
        url: Its address.
        faults: Answers to the next requests, one each.
        endless: Answer to all others; None passes them on, or is 404 without a real server.
        meant_for: Says which requests `faults` and `endless` answer.
        asked: Every request so far.
    """

    def __init__(self, url: str, upstream: str | None, ca: str | None = None) -> None:
        self.url = url
        self.faults: deque[Answer] = deque()
        self.endless: Answer | None = None
        self.meant_for: Callable[[Asked], bool] = lambda _: True
        self.asked: list[Asked] = []
        self._upstream = upstream
        self._context = ssl.create_default_context(cafile=ca) if ca is not None else None

    def paths(self) -> list[str]:
        """Method and path of every request so far."""
        return [f"{asked.method} {asked.path}" for asked in self.asked]

    def answer(self, asked: Asked) -> Answer:
        """What to say to a request."""
        self.asked.append(asked)
        if self.meant_for(asked):
            fault = self.faults.popleft() if self.faults else self.endless
            if fault is not None:
                return self._heard(fault, asked)
        return self._passed_on(asked) if self._upstream else Answer(404, {"errors": []})

    def _heard(self, fault: Answer, asked: Asked) -> Answer:
        told = self._passed_on(asked) if fault.heard else fault
        time.sleep(fault.late)
        if fault.body is None:
            return fault._replace(body=told.body)
        return fault._replace(body=fault.body(asked)) if callable(fault.body) else fault

    def _passed_on(self, asked: Asked) -> Answer:
        assert self._upstream is not None
        place = urlsplit(self._upstream).netloc
        connection = HTTPSConnection(place, timeout=10, context=self._context) if self._context else HTTPConnection(place, timeout=10)
        try:
            headers = {name: text for name, text in asked.headers.items() if name not in HOP_BY_HOP}
            connection.request(asked.method, asked.path, asked.body or None, headers)
            told = connection.getresponse()
            body = told.read().decode()
            return Answer(told.status, body, {name: text for name, text in told.getheaders() if name.lower() not in HOP_BY_HOP})
        finally:
            connection.close()


@contextmanager
def running(upstream: str | None = None, *, ca: str | None = None) -> Iterator[FaultyServer]:
    """A server that answers in threads of this process until the block ends.

    Args:
        upstream: URL of the real server behind it.
        ca: PEM file with the certificates to trust when that speaks TLS.
    """

    class Handler(QuietHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # head and body are two packets, and the second would wait for an acknowledgment

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            told = server.answer(Asked(self.command, self.path, {name.lower(): text for name, text in self.headers.items()}, body))
            with suppress(ConnectionError):  # whoever waited for a late answer may be gone
                self._say(told)
            self.close_connection = told.cut

        def _say(self, told: Answer) -> None:
            data = told.data()
            self.send_response(told.status)
            for name, text in {"Content-Type": "application/json", **told.headers}.items():
                self.send_header(name, text)
            if told.status != 204:
                self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if told.status != 204:
                self.wfile.write(data[: len(data) // 2] if told.cut else data)

        do_GET = do_POST = do_PUT = do_LIST = do_PATCH = do_DELETE = _serve

    with listening(Handler) as url:
        server = FaultyServer(url, upstream, ca)
        yield server
