"""What a process holds, seen from outside and over time, and whether it grows.

The run is cut into three thirds. The first is left out, since caches fill and the allocator settles; the medians of the others are compared, so that
what is held for a moment, such as a connection, does not count.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

TOLERANCE: Final = 0.03
"""Share by which memory may differ between two thirds of a long run."""
PAGE: Final = os.sysconf("SC_PAGE_SIZE")
MEGABYTE: Final = 1 << 20

BUSY = 2
"""Descriptors or threads that one moment may have more than another: a connection that is kept, a request. What leaks does so at each pass."""


class Sample(NamedTuple):
    """One moment.

    Attributes:
        memory: Resident set, bytes.
        descriptors: Open files, sockets and pipes.
        threads: Their number.
    """

    memory: int
    descriptors: int
    threads: int


class Thirds(NamedTuple):
    """A figure in the three thirds of a run, each the median of its samples."""

    first: float
    second: float
    last: float

    @property
    def growth(self) -> float:
        """From the second to the last, as a share."""
        return self.last / self.second - 1


class Verdict(NamedTuple):
    """How a process did.

    Attributes:
        name: Which one.
        memory: Bytes.
        descriptors: Number.
        threads: Number.
        complaints: What grew; empty when nothing did.
    """

    name: str
    memory: Thirds
    descriptors: Thirds
    threads: Thirds
    complaints: tuple[str, ...]


def sample(pid: int) -> Sample:
    """What a process holds now.

    Raises:
        OSError: There is no such process.
    """
    proc = Path(f"/proc/{pid}")
    resident = int((proc / "statm").read_text(encoding="ascii").split()[1]) * PAGE
    return Sample(resident, _descriptors(proc / "fd"), len(list((proc / "task").iterdir())))


def judged(name: str, samples: Sequence[Sample], tolerance: float = TOLERANCE) -> Verdict:
    """Whether it grew.

    Args:
        name: Of the process.
        samples: At least six, at equal distances.
        tolerance: Share by which memory may grow.
    """
    memory, descriptors, threads = (_thirds(column) for column in zip(*samples, strict=True))
    complaints = []
    if memory.growth > tolerance:
        complaints.append(f"{name}: memory grew by {memory.growth:.1%}, more than {tolerance:.0%}")
    for what, figures in (("descriptors", descriptors), ("threads", threads)):
        if figures.last > figures.second + BUSY:
            complaints.append(f"{name}: {figures.second:g} {what} became {figures.last:g}")
    return Verdict(name, memory, descriptors, threads, tuple(complaints))


def table(verdicts: Sequence[Verdict]) -> str:
    """The figures, a line for each process and figure."""
    lines = [f"{'median of each third':<28}{'first':>10}{'second':>10}{'last':>10}{'change':>10}"]
    for each in verdicts:
        rows = (("memory, MB", each.memory, MEGABYTE), ("descriptors", each.descriptors, 1), ("threads", each.threads, 1))
        for what, figures, unit in rows:
            shown = "".join(f"{figure / unit:10.1f}" for figure in figures)
            lines.append(f"{f'{each.name}: {what}':<28}{shown}{figures.growth:+10.1%}")
    return "\n".join(lines)


def _thirds(column: Sequence[int]) -> Thirds:
    third = len(column) // 3
    return Thirds(median(column[:third]), median(column[third : 2 * third]), median(column[2 * third :]))


def _descriptors(folder: Path) -> int:
    """The sidecar lets nobody look into it; its number of descriptors is the size of the folder then (Linux 6.2)."""
    try:
        return len(os.listdir(folder))
    except PermissionError:
        return os.stat(folder).st_size
