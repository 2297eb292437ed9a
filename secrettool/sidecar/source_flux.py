"""An object of Flux as a source: its artifact is downloaded, checked, and unpacked in memory.

Source: source-controller api/v1 (Artifact); Flux RFC 0012 (ExternalArtifact).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from secrettool import fs
from secrettool.cluster.model import UnknownKind
from secrettool.errors import ClusterError, SecrettoolError
from secrettool.fs import archive
from secrettool.fs.newtree import Limits
from secrettool.objects import Ref, section
from secrettool.sidecar.origin import Checkout, SourceUnavailable

if TYPE_CHECKING:
    from secrettool.cluster.apiserver import ApiServer
    from secrettool.sidecar.config import FluxSource

GROUP: Final = "source.toolkit.fluxcd.io"
VERSIONS: Final = ("v1", "v1beta2")
LIMITS: Final = Limits(entries=20_000, bytes=64 * 1024 * 1024)
"""How large an unpacked artifact may be."""
MAX_DOWNLOAD: Final = 64 * 1024 * 1024
TIMEOUT: Final = (10.0, 60.0)
"""Seconds until the server of the artifact is connected, and until it answers."""
WATCH_SECONDS: Final = 240
WATCH_PAUSE: Final = 10.0
"""Seconds between two watches when one failed."""
WATCH_GAP: Final = 1.0
"""Seconds between two watches otherwise, and once more when one failed."""


class Artifact(NamedTuple):
    """What the status of the object says.

    Attributes:
        url: Where it is.
        revision: What it is a state of.
        digest: Of the archive, `sha256:` and 64 hexadecimal digits.
    """

    url: str
    revision: str
    digest: str


class FluxOrigin:
    """Implements `Origin`.

    Args:
        source: Which object.
        cluster: Where it is.
        allow_disk: Accept a folder on a disk when there is no memory file system.
    """

    def __init__(self, source: FluxSource, cluster: ApiServer, *, allow_disk: bool = False) -> None:
        self._source = source
        self._cluster = cluster
        self._allow_disk = allow_disk
        self._unpacked = ExitStack()
        self._folder: str | None = None
        self._present: Artifact | None = None
        self._ref: Ref | None = None
        self._stop = Event()

    @property
    def subject(self) -> Ref | None:
        """The object, with the first version of its API until the cluster was asked; see `Origin`."""
        return self._ref or Ref(f"{GROUP}/{VERSIONS[0]}", self._source.kind, self._source.namespace, self._source.name)

    @property
    def looks(self) -> bool:
        """Asking costs a request, and there is `watch`; see `Origin`."""
        return False

    def look(self) -> str:
        """Revision and digest of the artifact; see `Origin`."""
        return _mark(self._artifact())

    @contextmanager
    def checkout(self) -> Iterator[Checkout]:
        """The artifact, unpacked; downloaded again only when it is another one, or somebody has tidied the folder away; see `Origin`."""
        artifact = self._artifact()
        if self._folder is None or artifact != self._present or not os.path.isdir(self._folder):
            self._unpack(artifact)
        assert self._folder is not None
        yield Checkout(self._folder, artifact.revision, _mark(artifact))

    def close(self) -> None:
        """End the watch, and remove the folder."""
        self._stop.set()
        self._forget()

    def watch(self, wake: Callable[[], None]) -> None:
        """Call somebody, from a thread, whenever another artifact is there; until `close`."""
        Thread(target=self._watch, args=(wake,), name=f"watch {self._source.name}", daemon=True).start()

    def _watch(self, wake: Callable[[], None]) -> None:
        known: Artifact | None = None
        while not self._stop.is_set():
            try:
                for obj in self._cluster.watch(self._found(), seconds=WATCH_SECONDS):
                    if self._stop.is_set():
                        return
                    artifact = _artifact_of(obj)
                    if artifact is not None and artifact != known:
                        known = artifact
                        wake()
            except SecrettoolError:  # the next pass tells what is wrong
                self._stop.wait(WATCH_PAUSE)
            self._stop.wait(WATCH_GAP)

    def _found(self) -> Ref:
        """The object in the version that the cluster serves."""
        if self._ref is None:
            for version in VERSIONS:
                ref = Ref(f"{GROUP}/{version}", self._source.kind, self._source.namespace, self._source.name)
                try:
                    self._cluster.is_namespaced(ref.api_version, ref.kind)
                except UnknownKind:
                    continue
                self._ref = ref
                return ref
            raise UnknownKind(f"the API server knows no {self._source.kind}", status=404, reason="NotFound", hint="install Flux's source-controller")
        return self._ref

    def _artifact(self) -> Artifact:
        subject = str(self.subject)
        try:
            obj = self._cluster.get(self._found())
        except ClusterError as error:
            raise SourceUnavailable.of(error) from None
        if obj is None:
            raise _unavailable(subject, "does not exist")
        artifact = _artifact_of(obj)
        if artifact is None:
            raise _unavailable(subject, "has no artifact yet", "its status says why")
        return artifact

    def _unpack(self, artifact: Artifact) -> None:
        subject = str(self.subject)
        with ExitStack() as stack:
            try:
                data = _downloaded(artifact.url, subject)
                folder = stack.enter_context(fs.memory_directory(allow_disk=self._allow_disk))
                archive.unpack(data, folder, digest=artifact.digest, limits=LIMITS)
            except SourceUnavailable:
                raise
            except SecrettoolError as error:
                error.file = error.file or subject
                raise SourceUnavailable.of(error) from None
            self._forget()
            self._unpacked = stack.pop_all()
        self._folder, self._present = folder, artifact

    def _forget(self) -> None:
        self._folder = self._present = None
        self._unpacked.close()


def _artifact_of(obj: dict[str, Any]) -> Artifact | None:
    found = section(obj, "status", "artifact")
    parts = [found.get(name) for name in ("url", "revision", "digest")]
    return Artifact(*map(str, parts)) if all(isinstance(part, str) and part for part in parts) else None


def _mark(artifact: Artifact) -> str:
    return f"{artifact.revision}@{artifact.digest}"


def _downloaded(url: str, subject: str) -> bytes:
    """The archive.

    Raises:
        SourceUnavailable: It cannot be had; the text quotes neither the URL nor the answer.
    """
    from urllib3 import PoolManager, Timeout
    from urllib3.exceptions import HTTPError

    if not url.startswith(("http://", "https://")):
        raise _unavailable(subject, "the URL of its artifact is not one of HTTP")
    try:
        with PoolManager(retries=False) as pool:
            timeout = Timeout(connect=TIMEOUT[0], read=TIMEOUT[1])
            answer = pool.request("GET", url, preload_content=False, redirect=False, timeout=timeout, headers={"Accept-Encoding": "identity"})
            try:
                if answer.status != 200:
                    raise _unavailable(subject, f"its artifact cannot be downloaded: HTTP {answer.status}", "source-controller serves it")
                data = answer.read(MAX_DOWNLOAD + 1, decode_content=False)
            finally:
                answer.close()
    except (HTTPError, OSError, ValueError):
        raise _unavailable(subject, "its artifact cannot be downloaded: no connection, or it broke", "source-controller serves it") from None
    if len(data) > MAX_DOWNLOAD:
        raise _unavailable(subject, f"its artifact has more than {MAX_DOWNLOAD} bytes")
    return bytes(data)


def _unavailable(subject: str, message: str, hint: str | None = None) -> SourceUnavailable:
    error = SourceUnavailable(message, hint=hint)
    error.file = subject
    return error
