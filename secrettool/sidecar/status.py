"""What the sidecar is doing, as JSON for scripts. The shape is in the reference of the HTTP endpoints; it holds names, never values."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from secrettool.sidecar.health import CHECKS, Clock, is_ready
from secrettool.sidecar.state import Snapshot, SourceState

SCHEMA: Final = "secrettool.sidecar-status/1"
"""Name of the shape. The number grows when a field goes or changes its meaning; fields may be added under the same number."""


def status(snapshot: Snapshot, clock: Clock) -> Mapping[str, Any]:
    """Everything, as of a moment."""
    return {
        "schema": SCHEMA,
        "version": snapshot.version,
        "time": stamp(clock.wall),
        "started": stamp(snapshot.started),
        "stopping": snapshot.is_stopping,
        "health": {path.removeprefix("/"): list(check(snapshot, clock)) for path, check in CHECKS.items()},
        "sources": [_source(source, clock) for source in snapshot.sources.values()],
    }


def _source(source: SourceState, clock: Clock) -> Mapping[str, Any]:
    return {
        "id": source.id,
        "mode": source.mode,
        "kind": source.kind,
        "interval": source.interval,
        "phase": source.phase,
        "ready": is_ready(source, clock),
        "revision": source.revision,
        "attemptedRevision": source.attempted_revision,
        "result": source.result,
        "cause": source.cause,
        "passes": source.passes,
        "failures": source.failures,
        "lastAttempt": stamp(source.last_attempt),
        "lastSuccess": stamp(source.last_success),
        "nextAttempt": stamp(source.next_attempt),
        "duration": round(source.duration, 3),
        "keys": {"loaded": source.keys_loaded, "error": source.keys_error, "identities": dict(source.identities)},
        "lease": {"name": source.lease, "leader": source.is_leader} if source.lease else None,
        "totals": {"actions": source.tally, "drifted": source.drifted},
        "objects": [{"name": each.name, "action": each.action, "reason": each.reason, "drifted": each.is_drifted} for each in source.objects],
        "findings": [finding._asdict() for finding in source.findings],
    }


def stamp(seconds: float | None) -> str | None:
    """A time in seconds since 1970 as RFC 3339 writes it, in UTC."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
