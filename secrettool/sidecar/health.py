"""Whether the sidecar lives, is ready and has started: a function of what it is doing and of what time it is.

A replica that stands by for another one lives, is ready and has started, and so does a source that is read only once and went well. While the program
ends it lives and is not ready any more.

Source: section 13.6 of the sidecar's requirements.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple, TypeAlias

from secrettool.sidecar.state import Snapshot, SourceState

MOST_INTERVALS: Final = 3
"""Intervals that a loop may not go round, and that a success may be old."""

LONGEST_TICK: Final = 600.0
"""Seconds that every loop may take to go round, however short its interval is."""


class Clock(NamedTuple):
    """One moment.

    Attributes:
        wall: Seconds since 1970.
        monotonic: Seconds of `time.monotonic()`.
    """

    wall: float
    monotonic: float

    @classmethod
    def now(cls) -> Clock:
        """This moment."""
        return cls(time.time(), time.monotonic())


Problems: TypeAlias = tuple[str, ...]
"""What is wrong, a line for each source, with its id and no other name; empty when all is well."""

Check: TypeAlias = Callable[[Snapshot, Clock], Problems]


def livez(snapshot: Snapshot, clock: Clock) -> Problems:
    """What speaks against the program being alive: a loop that has not gone round for three intervals or ten minutes, whichever is longer."""
    return _problems(snapshot, lambda source: _stuck(source, snapshot, clock))


def readyz(snapshot: Snapshot, clock: Clock) -> Problems:
    """What speaks against the program being ready: no pass that went well, or only an old one, or no keys."""
    ending = ("the program is ending",) if snapshot.is_stopping else ()
    return ending + _problems(snapshot, lambda source: _unready(source, clock))


def startupz(snapshot: Snapshot, _clock: Clock) -> Problems:
    """What speaks against the program having started: a source without a complete pass."""
    return _problems(snapshot, lambda source: "" if source.is_first_done or not source.is_leader else "no complete pass yet")


CHECKS: Final[Mapping[str, Check]] = MappingProxyType({"/livez": livez, "/readyz": readyz, "/startupz": startupz})


def is_ready(source: SourceState, clock: Clock) -> bool:
    """Whether one source is ready."""
    return not _unready(source, clock)


def _problems(snapshot: Snapshot, problem: Callable[[SourceState], str]) -> Problems:
    return tuple(f"{source.id}: {text}" for source in snapshot.sources.values() if (text := problem(source)))


def _stuck(source: SourceState, snapshot: Snapshot, clock: Clock) -> str:
    if source.phase == "stopped" or snapshot.is_stopping:
        return ""
    # Before its first round a loop has the whole time from the start of the program on.
    age = clock.monotonic - source.ticked if source.ticked else clock.wall - snapshot.started
    return f"the loop has not gone round for {age:.0f} s" if age > max(MOST_INTERVALS * source.interval, LONGEST_TICK) else ""


def _unready(source: SourceState, clock: Clock) -> str:
    if not source.is_leader:
        return ""
    if not source.keys_loaded:
        return "no keys are loaded"
    if source.last_success is None:
        return "no pass has gone well yet"
    if source.phase == "stopped" and source.result != "failed":
        return ""
    age = clock.wall - source.last_success
    return f"the last pass that went well ended {age:.0f} s ago" if age > MOST_INTERVALS * source.interval else ""
