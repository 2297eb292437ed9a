"""Events about a source, written by a thread of their own: a cluster that does not take them holds nothing up.

What repeats within ten minutes is counted in the series of one Event.

Source: requirement DA-52; Kubernetes API events.k8s.io/v1; k8s.io/client-go tools/events.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from datetime import UTC, datetime
from queue import Empty, Full, Queue
from threading import Thread
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias

from secrettool.errors import ClusterError
from secrettool.objects import Ref, section

if TYPE_CHECKING:
    from secrettool.cluster.apiserver import ApiServer

API_VERSION: Final = "events.k8s.io/v1"
CONTROLLER: Final = "secrettool.dev/sidecar"
FOLD_SECONDS: Final = 600.0
MAX_NOTE: Final = 1024
"""Bytes of text that an Event takes."""
MAX_WAITING: Final = 100

Reason: TypeAlias = Literal[
    "Applied", "ApplyFailed", "DecryptFailed", "GuardTripped", "ApplyConflict", "SourceUnavailable", "KeysReloaded", "DriftCorrected"
]

_NORMAL: Final = frozenset({"Applied", "KeysReloaded", "DriftCorrected"})


class _Happening(NamedTuple):
    regarding: Ref
    reason: Reason
    note: str
    at: float  # seconds since 1970


class _Written(NamedTuple):
    ref: Ref
    times: int
    last: float


class Events:
    """Writes Events.

    Args:
        cluster: Where.
        instance: Who this replica is.
        namespace: For Events about what lies in none.
    """

    def __init__(self, cluster: ApiServer, instance: str, namespace: str) -> None:
        self._cluster = cluster
        self._instance = instance
        self._namespace = namespace
        self._queue: Queue[_Happening | None] = Queue(MAX_WAITING)
        self._written: dict[tuple[Ref, Reason, str], _Written] = {}
        self._thread = Thread(target=self._run, name="events", daemon=True)

    def start(self) -> None:
        """Write what is told from now on."""
        self._thread.start()

    def tell(self, regarding: Ref, reason: Reason, note: str) -> None:
        """Something happened; returns at once, and drops it when too many are waiting.

        Args:
            regarding: The object that it happened to.
            reason: What.
            note: More about it: codes, kinds, names, counts.
        """
        with suppress(Full):
            self._queue.put_nowait(_Happening(regarding, reason, note, time.time()))

    def stop(self, seconds: float) -> None:
        """Write what is waiting, for so long at most."""
        with suppress(Full):
            self._queue.put_nowait(None)
        if self._thread.is_alive():
            self._thread.join(seconds)

    def _run(self) -> None:
        while True:
            try:
                happening = self._queue.get(timeout=FOLD_SECONDS)
            except Empty:
                self._written.clear()
                continue
            if happening is None:
                return
            with suppress(ClusterError):  # an Event that cannot be written is not worth more than the log line that says the same
                self._write(happening)

    def _write(self, happening: _Happening) -> None:
        key = (happening.regarding, happening.reason, happening.note)
        before = self._written.get(key)
        if before is not None and happening.at - before.last < FOLD_SECONDS:
            series = {"count": before.times + 1, "lastObservedTime": _time(happening.at)}
            try:
                self._cluster.patch(before.ref, {"series": series}, kind="merge", manager=CONTROLLER)
            except ClusterError as error:
                if error.status != 404:
                    raise
            else:
                self._written[key] = _Written(before.ref, before.times + 1, happening.at)
                return
        obj = self._event(happening)
        self._cluster.create(obj)
        metadata = section(obj, "metadata")
        self._written = {each: written for each, written in self._written.items() if happening.at - written.last < FOLD_SECONDS}
        self._written[key] = _Written(Ref(API_VERSION, "Event", metadata["namespace"], metadata["name"]), 1, happening.at)

    def _event(self, happening: _Happening) -> dict[str, Any]:
        regarding = happening.regarding
        return {
            "apiVersion": API_VERSION,
            "kind": "Event",
            "metadata": {"name": f"{regarding.name[:200]}.{os.urandom(8).hex()}", "namespace": regarding.namespace or self._namespace},
            "eventTime": _time(happening.at),
            "reportingController": CONTROLLER,
            "reportingInstance": self._instance[:128],
            "action": "Reconcile",
            "reason": happening.reason,
            "type": "Normal" if happening.reason in _NORMAL else "Warning",
            "note": happening.note.encode("utf-8", "replace")[:MAX_NOTE].decode("utf-8", "ignore"),
            "regarding": {"apiVersion": regarding.api_version, "kind": regarding.kind, "namespace": regarding.namespace, "name": regarding.name},
        }


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
