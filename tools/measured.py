"""What a process costs, as the kernel counted it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

MEGABYTE = 1 << 20
RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes; ru_maxrss


class Cost(NamedTuple):
    """What one process used, its children included."""

    cpu: float  # seconds
    wall: float  # seconds
    memory: float  # megabytes

    def smaller(self, other: Cost) -> Cost:
        """The smaller of each figure."""
        return Cost(*map(min, self, other))


def run(words: Sequence[str], environment: Mapping[str, str], output: int = subprocess.DEVNULL, folder: Path | None = None) -> Cost:
    """Run one process to its end; one that fails ends the benchmark."""
    started = time.perf_counter()
    process = subprocess.Popen(words, cwd=folder, env=dict(environment), stdout=output, stderr=subprocess.PIPE)
    assert process.stderr is not None
    errors = process.stderr.read()
    process.stderr.close()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"bench: {' '.join(words[:4])} ... ended with {process.returncode}: {errors.decode()[-300:]}")
    return Cost(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss * RSS_UNIT / MEGABYTE)
