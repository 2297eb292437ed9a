"""All sources of a configuration in one process: their loops, Leases and watches, made from the configuration and ended together."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Mapping
from threading import Thread
from typing import TYPE_CHECKING, Final, NamedTuple

from secrettool import __version__, fs
from secrettool.objects import Ref
from secrettool.sidecar.applying import Applier
from secrettool.sidecar.config import Config, DirSource, FluxSource, Source
from secrettool.sidecar.events import Events, Reason
from secrettool.sidecar.keys import Keyring
from secrettool.sidecar.lease import API_VERSION, Lease, Seats
from secrettool.sidecar.loop import Loop
from secrettool.sidecar.origin import Origin
from secrettool.sidecar.passes import Report, Worker
from secrettool.sidecar.rendering import Renderer
from secrettool.sidecar.source_dir import DirOrigin
from secrettool.sidecar.source_flux import FluxOrigin
from secrettool.sidecar.source_stdin import StdinOrigin
from secrettool.sidecar.state import Board, Recorder, SourceState

if TYPE_CHECKING:
    from secrettool.cluster.apiserver import ApiServer

ACCOUNT_NAMESPACE: Final = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
GRACE: Final = 20.0
"""Seconds that passes have to end; a pod has 30 by default."""
EVENTS_GRACE: Final = 3.0


class Pod(NamedTuple):
    """Where this process runs.

    Attributes:
        namespace: Its namespace.
        name: Its name; empty when it is not known.
    """

    namespace: str
    name: str

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Pod:
        """By `POD_NAMESPACE` and `POD_NAME`, else what the kubelet gives every pod."""
        return cls(environ.get("POD_NAMESPACE") or _account_namespace() or "default", environ.get("POD_NAME") or environ.get("HOSTNAME", ""))


class Outside(NamedTuple):
    """What the sources take from outside.

    Attributes:
        cluster: The API server; None when no source needs one.
        pod: Where this process runs.
        environ: The environment.
        stdin: Gives at most so many bytes and one more of stdin.
    """

    cluster: ApiServer | None
    pod: Pod
    environ: Mapping[str, str]
    stdin: Callable[[int], bytes]


class Supervisor:
    """The sources of a configuration that this replica works on.

    Args:
        config: What is wanted.
        outside: What they take from outside.
        board: Where their state is shown; made by `first_board`.
        recorder: Takes what only grows.
    """

    def __init__(self, config: Config, outside: Outside, board: Board, recorder: Recorder) -> None:
        self._config = config
        self._outside = outside
        self._board = board
        self._recorder = recorder
        fs.remove_abandoned()  # of the container before this one, which shares the memory of the pod
        cluster, pod = outside.cluster, outside.pod
        self._events = Events(cluster, pod.name or "secrettool", pod.namespace) if config.events and cluster is not None else None
        self._leases: dict[str, Lease] = {}
        self._workers = {source.id: self._worker(source) for source in config.selected}
        self._loops = {id_: Loop(worker, board, recorder, self._tell) for id_, worker in self._workers.items()}
        self._threads: list[Thread] = []

    def refresh(self, source: str) -> bool:
        """Start a pass of a source at once, of all for an empty id; whether there is such a source."""
        chosen = [loop for id_, loop in self._loops.items() if source in ("", id_)]
        for loop in chosen:
            loop.ask()
        return bool(chosen)

    def check_keys(self) -> None:
        """Read the keys of all sources for the first time.

        Raises:
            SecrettoolError: Those of one cannot be used.
        """
        for worker in self._workers.values():
            worker.keyring.refresh()
            if worker.keyring.error is not None:
                raise worker.keyring.error

    def once(self) -> list[Report]:
        """One pass of each source, one after the other; Leases are not asked for."""
        if self._events is not None:
            self._events.start()
        try:
            return [loop.once() for loop in self._loops.values()]
        finally:
            if self._events is not None:
                self._events.stop(EVENTS_GRACE)
            self._close()

    def start(self) -> None:
        """Begin with all sources."""
        if self._events is not None:
            self._events.start()
        self._make_leases()
        for id_, loop in self._loops.items():
            origin = self._workers[id_].origin
            if isinstance(origin, FluxOrigin):
                origin.watch(loop.ask)
            thread = Thread(target=loop.run, name=f"source {id_}", daemon=True)
            self._threads.append(thread)
            thread.start()
        for lease in self._leases.values():
            lease.start()

    def stop(self) -> None:
        """End: no pass begins any more, those that run may end, Leases are given up."""
        self._board.stop()
        for loop in self._loops.values():
            loop.stop()
        end = time.monotonic() + GRACE
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        for lease in self._leases.values():
            lease.stop()
        if self._events is not None:
            self._events.stop(EVENTS_GRACE)
        self._close()

    def is_alive(self) -> bool:
        """Whether every loop is going round, and every Lease looked after."""
        return all(thread.is_alive() for thread in self._threads) and all(lease.is_alive() for lease in self._leases.values())

    # ---- making them ---------------------------------------------------------------------------------------------------------------------------

    def _worker(self, source: Source) -> Worker:
        environ = self._outside.environ
        keyring = Keyring(source.keys, environ, lambda kind, opened: self._recorder.asked_for_key(kind, "done" if opened else "failed"))
        return Worker(
            source, self._origin(source), keyring, self._target(source), self._recorder, environ=environ, allow_disk=self._config.allow_disk
        )

    def _origin(self, source: Source) -> Origin:
        if isinstance(source.origin, DirSource):
            return DirOrigin(source.origin.path)
        if isinstance(source.origin, FluxSource):
            assert self._outside.cluster is not None
            return FluxOrigin(source.origin, self._outside.cluster, allow_disk=self._config.allow_disk)
        return StdinOrigin(self._outside.stdin, allow_disk=self._config.allow_disk)

    def _target(self, source: Source) -> Applier | Renderer:
        if source.render is not None:
            return Renderer(source.render, allow_disk=self._config.allow_disk, swapped=self._recorder.swapped)
        assert self._outside.cluster is not None
        may_write = lambda: source.id not in self._leases or self._leases[source.id].is_held()  # noqa: E731
        return Applier(source, self._outside.cluster, namespace=self._outside.pod.namespace, may_write=may_write)

    def _make_leases(self) -> None:
        settings, cluster, pod = self._config.leases, self._outside.cluster, self._outside.pod
        if not settings.enabled or cluster is None:
            return
        holder = f"{pod.name or 'secrettool'}_{uuid.uuid4()}"
        seats = Seats(settings.most)
        for id_, loop in self._loops.items():
            source = self._workers[id_].source
            if source.mode == "apply":
                ref = Ref(API_VERSION, "Lease", settings.namespace or pod.namespace, source.lease)
                self._leases[id_] = Lease(cluster, ref, holder, loop.wake, seats)
                loop.use(self._leases[id_])

    def _tell(self, regarding: Ref | None, reason: Reason, note: str) -> None:
        pod = self._outside.pod
        about = regarding or (Ref("v1", "Pod", pod.namespace, pod.name) if pod.name else None)
        if self._events is not None and about is not None:
            self._events.tell(about, reason, note)

    def _close(self) -> None:
        for id_, worker in self._workers.items():
            if not any(thread.is_alive() and thread.name == f"source {id_}" for thread in self._threads):
                worker.close()


def first_board(config: Config) -> Board:
    """The board before anything has happened."""
    states = tuple(SourceState(id=each.id, mode=each.mode, kind=each.kind, interval=each.interval) for each in config.selected)
    return Board(__version__, time.time(), states)


def _account_namespace() -> str:
    try:
        with open(ACCOUNT_NAMESPACE, encoding="ascii") as file:
            return file.read().strip()
    except (OSError, ValueError):
        return ""


def stdin_reader(descriptor: int) -> Callable[[int], bytes]:
    """Reads a descriptor to its end, or to one byte more than allowed."""

    def read(limit: int) -> bytes:
        with os.fdopen(os.dup(descriptor), "rb") as file:
            return file.read(limit + 1)

    return read
