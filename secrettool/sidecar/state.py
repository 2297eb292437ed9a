"""What the sidecar is doing, for everybody who looks: health, metrics, the status page, notifications.

The loops write; others read immutable snapshots, and nobody waits for anybody. No value, no key and no digest of one gets in here: names, codes,
counts, times and the texts of findings, which hold none either.

Gauges are read from the snapshot (`last_success`, `revision`, `tally`, `drifted`, `identities`, `is_leader`); what only grows is told to a `Recorder`
as it happens. The metrics library is not known here.

Source: sections 13.2 and 13.6 of the sidecar's requirements.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from types import MappingProxyType
from typing import Literal, NamedTuple, Protocol, TypeAlias

from secrettool.findings import Finding

Mode: TypeAlias = Literal["apply", "render"]

SourceKind: TypeAlias = Literal["dir", "flux", "stdin"]

Phase: TypeAlias = Literal["starting", "standby", "running", "waiting", "stopped"]
"""`starting`: no pass yet; `standby`: another replica has the Lease; `running`: in a pass; `waiting`: for the next one."""

Result: TypeAlias = Literal["done", "unchanged", "failed"]
"""How a pass ended; `unchanged`: it went well, and nothing had to be written."""

Cause: TypeAlias = Literal["", "source", "keys", "build", "decrypt", "guard", "conflict", "apply", "render", "unexpected"]
"""What a failed pass failed at; empty when it did not."""

ObjectAction: TypeAlias = Literal["created", "configured", "unchanged", "skipped", "conflict", "failed", "held", "pruned", "written", "removed"]
"""What became of an object, or in render mode of a file (`written`, `unchanged`, `removed`)."""


class ObjectState(NamedTuple):
    """One object, or in render mode one file, after the last pass.

    Attributes:
        name: `Secret/namespace/name`, or the path of the file below the target.
        action: What became of it.
        reason: Why, where there is something to say; without a value.
        is_drifted: Whether it had been changed in the cluster by somebody else, and was put right.
    """

    name: str
    action: ObjectAction
    reason: str = ""
    is_drifted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceState:
    """One source, as it is now.

    Attributes:
        id: Its name in the configuration.
        mode: What is done with it.
        kind: Where it comes from.
        interval: Seconds between two passes that nothing else starts.
        phase: What its loop is doing.
        revision: Revision of the last pass that went well; empty before it. Never made of plain text.
        attempted_revision: Revision of the last pass.
        result: How the last pass ended; None before the first has ended.
        cause: What it failed at.
        passes: Passes so far.
        failures: Failed passes since the last one that went well.
        last_attempt: When the last pass began, seconds since 1970; None before the first.
        last_success: When the last pass that went well ended, seconds since 1970; None before it.
        next_attempt: When the next pass begins at the latest, seconds since 1970; None when none is planned.
        duration: Seconds that the last pass took.
        objects: What became of the objects in the last pass that got that far; without those that went missing since.
        findings: Errors (severity `error`) and warnings of the last pass.
        keys_loaded: Whether there is a good set of keys.
        keys_taken: How often a set of keys was taken: 1 after the start, one more for each that took the place of another.
        keys_error: Why the keys that lie there now were not taken; empty when they were. The former ones are still used.
        identities: Number of identities by their type, such as `age`.
        lease: Name of its Lease; empty when none is used.
        is_leader: Whether this replica works on it; always so without a Lease.
        ticked: When its loop last went round, seconds of `time.monotonic()`.
    """

    id: str
    mode: Mode
    kind: SourceKind
    interval: float = 300.0
    phase: Phase = "starting"
    revision: str = ""
    attempted_revision: str = ""
    result: Result | None = None
    cause: Cause = ""
    passes: int = 0
    failures: int = 0
    last_attempt: float | None = None
    last_success: float | None = None
    next_attempt: float | None = None
    duration: float = 0.0
    objects: tuple[ObjectState, ...] = ()
    findings: tuple[Finding, ...] = ()
    keys_loaded: bool = False
    keys_taken: int = 0
    keys_error: str = ""
    identities: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    lease: str = ""
    is_leader: bool = True
    ticked: float = 0.0

    @property
    def tally(self) -> dict[str, int]:
        """Number of objects by action."""
        return dict(Counter(each.action for each in self.objects))

    @property
    def drifted(self) -> int:
        """Objects that somebody else had changed, in the last pass."""
        return sum(each.is_drifted for each in self.objects)

    @property
    def is_first_done(self) -> bool:
        """Whether a pass has gone well since the start."""
        return self.last_success is not None


class Snapshot(NamedTuple):
    """Everything at one moment.

    Attributes:
        version: Of this program.
        started: When it began, seconds since 1970.
        sources: The sources by id, in the order of the configuration.
        is_stopping: Whether it was told to end.
    """

    version: str
    started: float
    sources: Mapping[str, SourceState]
    is_stopping: bool = False


Listener: TypeAlias = Callable[[SourceState, SourceState], None]
"""Gets the state of a source before and after a change, in the thread that made it: it must return at once, and raise nothing."""


class Board:
    """Where the loops write and others look.

    Args:
        version: Of this program.
        started: Seconds since 1970.
        sources: The first state of each source.
    """

    def __init__(self, version: str, started: float, sources: tuple[SourceState, ...]) -> None:
        self._lock = Lock()
        self._snapshot = Snapshot(version, started, MappingProxyType({source.id: source for source in sources}))
        self._listeners: tuple[Listener, ...] = ()

    def snapshot(self) -> Snapshot:
        """Everything as it is now."""
        return self._snapshot

    def publish(self, source: SourceState) -> None:
        """Put a new state of a source in the place of the old one, and tell the listeners."""
        with self._lock:
            before = self._snapshot.sources[source.id]
            self._snapshot = self._snapshot._replace(sources=MappingProxyType({**self._snapshot.sources, source.id: source}))
        for listener in self._listeners:
            listener(before, source)

    def stop(self) -> None:
        """From now on the snapshot says that the program is ending."""
        with self._lock:
            self._snapshot = self._snapshot._replace(is_stopping=True)

    def subscribe(self, listener: Listener) -> None:
        """Tell somebody of each change from now on."""
        with self._lock:
            self._listeners = (*self._listeners, listener)


class Recorder(Protocol):
    """Takes what only grows. Called from several threads; must return at once, and raise nothing."""

    def reconciled(self, source: str, result: Result, seconds: float) -> None:
        """`reconcile_total{source,result}` and `reconcile_duration_seconds{source}`."""

    def decrypted(self, form: str, result: Literal["done", "failed"], count: int) -> None:
        """`decrypt_total{format,result}`; `form` is `object` or the format of an entry, such as `yaml`."""

    def refused(self, reason: str, count: int) -> None:
        """`guard_refusals_total{reason}`; the reason is a rule, such as `HK152`."""

    def conflicted(self, count: int) -> None:
        """`apply_conflicts_total`."""

    def asked_for_key(self, provider: str, result: Literal["done", "failed"]) -> None:
        """`keysource_requests_total{provider,result}`; the provider is a type of key, such as `age` or `hc_vault`."""

    def swapped(self) -> None:
        """`render_swaps_total`."""


class NoRecorder:
    """Implements `Recorder`; keeps nothing."""

    def reconciled(self, source: str, result: Result, seconds: float) -> None:
        """See `Recorder`."""

    def decrypted(self, form: str, result: Literal["done", "failed"], count: int) -> None:
        """See `Recorder`."""

    def refused(self, reason: str, count: int) -> None:
        """See `Recorder`."""

    def conflicted(self, count: int) -> None:
        """See `Recorder`."""

    def asked_for_key(self, provider: str, result: Literal["done", "failed"]) -> None:
        """See `Recorder`."""

    def swapped(self) -> None:
        """See `Recorder`."""
