"""Runs a program and looks over its shoulder: all that it prints, the files that it makes, and the arguments and environments of its children.

Needs `/proc` of Linux. A look is taken every few milliseconds: what a process does within that time only is not seen.
"""

from __future__ import annotations

import base64
import hashlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote

PROC: Final = Path("/proc")
IN_MEMORY: Final = Path("/dev/shm")
PAUSE: Final = 0.01
"""Seconds between two looks."""
PATIENCE: Final = 60
"""Seconds that a program may take."""
LARGEST: Final = 1 << 20
SHORTEST: Final = 8
"""Bytes of a line of a value that is looked for."""


class Watched(NamedTuple):
    """What was seen.

    Attributes:
        code: How the program ended; negative for a signal.
        out: Its standard output.
        err: Its standard error.
        seen: Everything, in pieces, each with the place where it was.
    """

    code: int
    out: str
    err: str
    seen: frozenset[tuple[str, bytes]]

    def __repr__(self) -> str:
        return f"<Watched {self.code}>"

    def places_of(self, needles: Iterable[bytes]) -> set[str]:
        """Where any of some texts was seen."""
        wanted = tuple(needles)
        return {place for place, piece in self.seen if any(needle in piece for needle in wanted)}


def needles(*values: str) -> frozenset[bytes]:
    """What must not be seen of values: their lines, encodings of them as they are and as part of something longer, and their digests."""
    found: set[bytes] = set()
    for value in values:
        data = value.encode()
        digest = hashlib.sha256(data)
        found |= {line.strip() for line in data.splitlines() if len(line.strip()) >= SHORTEST}
        found |= {base64.b64encode(bytes(shift) + data)[4:-4] for shift in range(3)}
        found |= {data.hex().encode(), quote(value, safe="").encode(), digest.hexdigest().encode(), base64.b64encode(digest.digest())}
    return frozenset(needle for needle in found if len(needle) >= SHORTEST)


def watched(
    words: Sequence[str | Path],
    folder: Path,
    environ: Mapping[str, str],
    *,
    stdin: str = "",
    temporary: Path,
    after: Sequence[Path] = (),
    terminate_when: Callable[[], bool] | None = None,
) -> Watched:
    """Run a program to its end.

    Args:
        words: Its path and arguments.
        folder: Where it runs.
        environ: Its environment; `TMPDIR` is added.
        stdin: What it reads.
        temporary: The folder for its temporary files, which is looked into all the time.
        after: Files and folders that are looked into at the end.
        terminate_when: Asked often; once it is true the program gets SIGTERM.
    """
    pieces: set[tuple[str, bytes]] = set()
    foreign = set(IN_MEMORY.iterdir())
    process = subprocess.Popen(
        words, cwd=folder, env={**environ, "TMPDIR": str(temporary)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    ended = threading.Event()

    def look() -> None:
        waits = terminate_when is not None
        while not ended.is_set():
            pieces.update(_processes(process.pid))
            for place in (temporary, *(set(IN_MEMORY.iterdir()) - foreign)):
                pieces.update(files(place))
            if waits and terminate_when is not None and terminate_when():
                waits = False
                process.send_signal(signal.SIGTERM)
            time.sleep(PAUSE)

    watcher = threading.Thread(target=look, name="watcher", daemon=True)
    watcher.start()
    try:
        out, err = process.communicate(stdin.encode(), timeout=PATIENCE)
    finally:
        process.kill()
        ended.set()
        watcher.join()
    pieces |= {("standard output", out), ("standard error", err)}
    for place in (temporary, *after):
        pieces.update(files(place))
    return Watched(process.returncode, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"), frozenset(pieces))


def files(place: Path) -> Iterator[tuple[str, bytes]]:
    """The contents of a file, or of all files in a folder, each with its path."""
    paths = [place] if place.is_file() else [Path(folder, name) for folder, _, names in os.walk(place) for name in names]
    for path in paths:
        with suppress(OSError):
            if path.is_file() and path.stat().st_size <= LARGEST:
                yield str(path), path.read_bytes()


def _processes(root: int) -> Iterator[tuple[str, bytes]]:
    """Arguments of a process and those that come from it, and environments of the latter."""
    parents = dict(_parents())
    family = {root}
    while more := {process for process, parent in parents.items() if parent in family} - family:
        family |= more
    own = b""
    for process in sorted(family, key=lambda each: each != root):
        with suppress(OSError):
            arguments = (PROC / str(process) / "cmdline").read_bytes()
            if process == root:
                own = arguments
                yield "cmdline of the program", arguments
            elif arguments != own:  # else it has not become another program yet, and its environment is the parent's
                yield "cmdline of a child", arguments
                yield "environ of a child", (PROC / str(process) / "environ").read_bytes()


def _parents() -> Iterator[tuple[int, int]]:
    for entry in os.scandir(PROC):
        if entry.name.isdecimal():
            with suppress(OSError, IndexError):
                yield int(entry.name), int((PROC / entry.name / "stat").read_bytes().rpartition(b") ")[2].split()[1])
