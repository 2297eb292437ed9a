"""A real server on loopback with the endpoints, a real client, and a real receiver of notifications."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from secrettool.findings import Finding
from secrettool.sidecar.config import Config, DirSource, Http, Notification, Refresh, Source
from secrettool.sidecar.endpoints import application
from secrettool.sidecar.health import Clock
from secrettool.sidecar.metrics import Metrics
from secrettool.sidecar.server import listening
from secrettool.sidecar.state import Board, ObjectState, SourceState

NOW = 1_800_000_000.0
TOKEN = "token-CANARY-0123456789abcdef"
HMAC = "webhook-CANARY-0123456789abcdef"


def source(name: str = "prod", **changes: Any) -> SourceState:
    """A source that is well."""
    usual: dict[str, Any] = {
        "mode": "apply",
        "kind": "dir",
        "phase": "waiting",
        "revision": "main@sha1:1234",
        "attempted_revision": "main@sha1:1234",
        "result": "done",
        "passes": 3,
        "last_attempt": NOW - 61,
        "last_success": NOW - 60,
        "next_attempt": NOW + 240,
        "duration": 1.25,
        "keys_loaded": True,
        "keys_taken": 1,
        "identities": MappingProxyType({"age": 2}),
        "ticked": 1000.0,
    }
    return SourceState(id=name, **(usual | changes))


TROUBLED = source(
    "edge",
    result="failed",
    cause="guard",
    failures=2,
    attempted_revision="main@sha1:5678",
    objects=(ObjectState("Secret/web/app", "held", "another field manager owns it"), ObjectState("Secret/web/db", "unchanged")),
    findings=(Finding("HK152", "error", "is a placeholder", subject="Secret/web/app", key="password", hint="fill it in"),),
)


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: str

    @property
    def json(self) -> Any:
        """The body as data."""
        return json.loads(self.body)


@dataclass
class Client:
    """Asks the server.

    `started` are the ids of the sources whose passes were asked for; `clock` is what the endpoints take the time from.
    """

    port: int
    board: Board
    metrics: Metrics
    started: list[str]
    clock: list[Clock]

    def ask(self, path: str, method: str = "GET", body: bytes = b"", /, **headers: str) -> Answer:
        """Ask; underscores in names of headers stand for hyphens."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body or None, {name.replace("_", "-"): value for name, value in headers.items()})
            answer = connection.getresponse()
            return Answer(answer.status, {name.title(): value for name, value in answer.getheaders()}, answer.read().decode())
        finally:
            connection.close()

    def raw(self) -> socket.socket:
        """A connection on which nothing was said yet."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)


@contextmanager
def served(*sources: SourceState, http: Http | None = None, refresh: Refresh | None = None) -> Iterator[Client]:
    """Endpoints that show some states."""
    board = Board("1.2.3", NOW - 3700, sources)
    config = Config(
        sources=tuple(Source(id=each.id, origin=DirSource("/source")) for each in sources),
        http=http or Http(status="open"),
        refresh=refresh or Refresh(),
    )
    metrics = Metrics(board)
    started: list[str] = []
    clock = [Clock(NOW, 1010.0)]

    def start(name: str) -> bool:
        started.append(name)
        return True

    with listening(application(config, board, metrics, start, lambda: clock[0]), "127.0.0.1", 0) as port:
        yield Client(port, board, metrics, started, clock)


def secret(folder: Path, name: str, text: str) -> str:
    """A file with a secret."""
    path = folder / name
    path.write_text(text + "\n")
    return str(path)


def both_secrets(folder: Path) -> Refresh:
    """Files with `TOKEN` and `HMAC`."""
    return Refresh(token_file=secret(folder, "token", TOKEN), hmac_file=secret(folder, "hmac", HMAC))


# ---- the other side of notifications -------------------------------------------------------------------------------------------------------------


class Got(NamedTuple):
    """A request that arrived."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as data."""
        return json.loads(self.body)


@dataclass
class Receiver:
    """Takes notifications. `statuses` are given in turn, then 200; `hold` keeps answers back while it is not set."""

    url: str = ""
    got: list[Got] = field(default_factory=list)
    statuses: list[tuple[int, Mapping[str, str]]] = field(default_factory=list)
    hold: threading.Event = field(default_factory=threading.Event)
    arrived: threading.Condition = field(default_factory=threading.Condition)

    def wait(self, number: int) -> list[Got]:
        """The requests, as soon as there are so many."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.got) >= number, 20), f"{len(self.got)} of {number} requests came"
            return list(self.got)


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver on loopback."""
    receiver = Receiver()
    receiver.hold.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            with receiver.arrived:
                receiver.got.append(Got(self.path, {name.title(): value for name, value in self.headers.items()}, body))
                status, headers = receiver.statuses.pop(0) if receiver.statuses else (200, {})
                receiver.arrived.notify_all()
            receiver.hold.wait(20)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            pass

    server = Quiet(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield receiver
    finally:
        receiver.hold.set()
        server.shutdown()
        server.server_close()
        thread.join()


def webhook(folder: Path, url: str, **settings: Any) -> Notification:
    """A channel with our own form."""
    return Notification(type="webhook", url_file=secret(folder, "url", f"{url}/hook"), **settings)
