"""A server on loopback that has artifacts, as source-controller has, and objects of Flux that name them."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from tests.loopback import QuietHandler, listening

Json = dict[str, Any]
V1 = "source.toolkit.fluxcd.io/v1"
KIND: Final = "GitRepository"


class Page(NamedTuple):
    """An answer.

    Attributes:
        status: Of HTTP.
        body: Its bytes.
        headers: Besides the length.
        length: What is said to be the length; None for what it is.
    """

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = {}
    length: int | None = None


@dataclass
class Artifacts:
    """Answers by path; `asked` are the paths of all requests."""

    url: str = ""
    pages: dict[str, Page] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def publish(self, revision: str, files: Mapping[str, str]) -> Json:
        """Have an archive; the artifact of it."""
        data = packed(files)
        self.pages[f"/{revision}.tar.gz"] = Page(200, data)
        return {"url": f"{self.url}/{revision}.tar.gz", "revision": revision, "digest": digest(data)}


@contextmanager
def serving_artifacts() -> Iterator[Artifacts]:
    """The server, until the block ends."""
    artifacts = Artifacts()

    class Handler(QuietHandler):
        def do_GET(self) -> None:
            artifacts.asked.append(self.path)
            page = artifacts.pages.get(self.path, Page(404))
            self.send_response(page.status)
            for name, text in page.headers.items():
                self.send_header(name, text)
            self.send_header("Content-Length", str(len(page.body) if page.length is None else page.length))
            self.end_headers()
            with suppress(ConnectionError):  # who has enough does not wait for the rest
                self.wfile.write(page.body)

    with listening(Handler) as artifacts.url:
        yield artifacts


def packed(files: Mapping[str, str]) -> bytes:
    """A compressed archive."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return out.getvalue()


def digest(data: bytes) -> str:
    """As the status of an object tells it."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def repository(artifact: Json | None, *, api_version: str = V1, **metadata: Any) -> Json:
    """The object of Flux."""
    head = {"name": "fleet", "namespace": "default", **metadata}
    return {"apiVersion": api_version, "kind": KIND, "metadata": head, "status": {"artifact": artifact} if artifact else {}}
