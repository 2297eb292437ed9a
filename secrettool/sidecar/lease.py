"""Which replica works on a source: a Lease that is renewed while its holder lives.

A holder that could not renew for `RENEW_DEADLINE` seconds counts itself out, before anybody else may count it out. Nobody's clock is compared with
another's: a Lease has expired when it stayed the same for its duration, by the clock of whoever looks.

Source: requirement DA-51; k8s.io/client-go tools/leaderelection (the rules), Kubernetes API coordination.k8s.io/v1.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any, Final

from secrettool.errors import ClusterError
from secrettool.objects import Ref, section

if TYPE_CHECKING:
    from secrettool.cluster.apiserver import ApiServer

API_VERSION: Final = "coordination.k8s.io/v1"
DURATION: Final = 15
"""Seconds after which a Lease that nobody renews may be taken."""
RENEW_DEADLINE: Final = 10.0
RETRY: Final = 2.0


class Seats:
    """How many Leases a replica may hold at a time.

    Args:
        most: The number; None for any.
    """

    def __init__(self, most: int | None = None) -> None:
        self._left = most
        self._lock = Lock()

    def take(self) -> bool:
        """Take a seat, if there is one."""
        with self._lock:
            if self._left is None:
                return True
            if self._left == 0:
                return False
            self._left -= 1
            return True

    def give_back(self) -> None:
        """Another one may have it."""
        with self._lock:
            if self._left is not None:
                self._left += 1


class Lease:
    """The Lease of one source, tried for and renewed by a thread of its own.

    Args:
        cluster: Where it is.
        ref: The Lease.
        holder: Who this replica is.
        changed: Called, from the thread, when it was won or lost.
        seats: How many this replica may hold.
    """

    def __init__(self, cluster: ApiServer, ref: Ref, holder: str, changed: Callable[[], None], seats: Seats) -> None:
        self._cluster = cluster
        self._ref = ref
        self._holder = holder
        self._changed = changed
        self._seats = seats
        self._stop = Event()
        self._thread = Thread(target=self._run, name=f"lease {ref.name}", daemon=True)
        self._good_until = 0.0  # of time.monotonic()
        self._held: dict[str, Any] | None = None
        self._seen: tuple[str, float] = ("", 0.0)  # version of somebody else's Lease, and since when it is that
        self.error: ClusterError | None = None

    def __repr__(self) -> str:
        return f"<Lease {self._ref.name} {'held' if self.is_held() else 'not held'}>"

    def is_held(self) -> bool:
        """Whether this replica may work. Changes by time alone, too: a request that hangs does not keep it."""
        return time.monotonic() < self._good_until

    def is_alive(self) -> bool:
        """Whether it is looked after."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Try for it from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Stop trying, and give it up so that another replica may have it at once."""
        self._stop.set()
        self._thread.join(RENEW_DEADLINE)
        if self._held is not None and not self._thread.is_alive():
            self._release(self._held)
        self._lose()

    def _run(self) -> None:
        while not self._stop.is_set():
            was_held = self.is_held()
            if self._held is not None and not was_held:
                self._lose()  # the deadline passed
                self._changed()
            self._try()
            if self.is_held() != was_held:
                self._changed()
            self._stop.wait(RETRY)

    def _try(self) -> None:
        begun = time.monotonic()
        try:
            won = self._renewed() if self._held is not None else self._taken()
            self.error = None
        except ClusterError as error:
            self.error = error
            if error.status == 409:
                self._lose()
            return
        if won is not None:
            self._held = won
            self._good_until = begun + RENEW_DEADLINE

    def _renewed(self) -> dict[str, Any]:
        assert self._held is not None
        spec = {**section(self._held, "spec"), "renewTime": _now()}
        return self._cluster.replace({**self._held, "spec": spec})

    def _taken(self) -> dict[str, Any] | None:
        """The Lease, when it can be had."""
        there = self._cluster.get(self._ref)
        if there is not None and not self._is_free(there):
            return None
        if not self._seats.take():
            return None
        try:
            return self._cluster.create(self._new()) if there is None else self._cluster.replace(self._mine(there))
        except BaseException:
            self._seats.give_back()
            raise

    def _is_free(self, there: dict[str, Any]) -> bool:
        spec = section(there, "spec")
        if spec.get("holderIdentity") in (None, "", self._holder):
            return True
        version = str(section(there, "metadata").get("resourceVersion"))
        if self._seen[0] != version:
            self._seen = (version, time.monotonic())
        duration = spec.get("leaseDurationSeconds")
        return time.monotonic() - self._seen[1] > (duration if isinstance(duration, int) else DURATION)

    def _new(self) -> dict[str, Any]:
        now = _now()
        metadata = {"name": self._ref.name, "namespace": self._ref.namespace}
        spec = {"holderIdentity": self._holder, "leaseDurationSeconds": DURATION, "acquireTime": now, "renewTime": now, "leaseTransitions": 0}
        return {"apiVersion": API_VERSION, "kind": "Lease", "metadata": metadata, "spec": spec}

    def _mine(self, there: dict[str, Any]) -> dict[str, Any]:
        spec = section(there, "spec")
        transitions = spec.get("leaseTransitions")
        made = {**section(self._new(), "spec"), "leaseTransitions": (transitions if isinstance(transitions, int) else 0) + 1}
        return {**there, "spec": made}

    def _release(self, held: dict[str, Any]) -> None:
        spec = {**section(held, "spec"), "holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": _now()}
        try:
            self._cluster.replace({**held, "spec": spec})
        except ClusterError as error:
            self.error = error  # it expires by itself

    def _lose(self) -> None:
        if self._held is not None:
            self._seats.give_back()
        self._held = None
        self._good_until = 0.0


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
