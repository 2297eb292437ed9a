"""Passes of the sidecar over encrypted Secrets, against the real API server: time, requests and memory of the first pass and of those after it.

The worker runs in a process of its own, with an account that has the least rights, and does one pass for each line on its stdin. Requests are those
that the API server recorded. Needs the programs that `python -m tests.interop.programs` builds.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from secrettool.cluster.connection import Access, connect
from secrettool.sidecar.applying import Applier
from secrettool.sidecar.config import ApplySettings, DirSource, Keys, Source
from secrettool.sidecar.keys import Keyring
from secrettool.sidecar.passes import Worker
from secrettool.sidecar.source_dir import DirOrigin
from secrettool.sidecar.state import NoRecorder
from tests.interop import programs
from tests.interop.gitops import KEY_FILE, ROOT, sealed
from tests.interop.peers import apiserver
from tests.interop.sidecars import ENVIRON, Place

NEEDED = ("etcd", "kube-apiserver")
KEYS = 8
"""Entries of each Secret."""
LOOK = "look"
"""The line for a look at versions alone; any other is for a whole pass."""
NAMES = ("first pass", "1 file changed", "nothing changed", "look for drift")


class Spent(NamedTuple):
    """What one pass took.

    Attributes:
        wall: Seconds.
        cpu: Seconds, of all threads.
        requests: That the API server got.
        writes: Those of them that store something.
        memory: Largest resident set, megabytes.
    """

    wall: float
    cpu: float
    requests: int
    writes: int
    memory: float


def report(count: int, folder: Path, tell: Callable[[str], None]) -> None:
    """Measure and print, or say what is missing.

    Args:
        count: Number of Secrets.
        folder: A folder for servers and files, which is made.
        tell: Prints a line.
    """
    lacking = [name for name in NEEDED if programs.find(name) is None]
    if lacking:
        tell(f"the sidecar is left out: {', '.join(lacking)} not built (python -m tests.interop.programs)")
        return
    title = f"sidecar, {count} Secrets, API server"
    tell(f"\n{title:<35}{'wall':>10}{'CPU':>10}{'requests':>10}{'writes':>8}{'MB':>8}")
    for name, spent in zip(NAMES, measure(count, folder), strict=True):
        tell(f"{name:<35}{spent.wall:10.3f}{spent.cpu:10.3f}{spent.requests:10}{spent.writes:8}{spent.memory:8.0f}")


def measure(count: int, folder: Path) -> list[Spent]:
    """The figures of each row of `NAMES`."""
    folder.mkdir()
    servers = folder / "servers"
    servers.mkdir()
    needed = apiserver.Programs(*(found for name in NEEDED if (found := programs.find(name)) is not None))
    with apiserver.running_api_server(needed, servers, [], {"PATH": os.environ["PATH"]}) as api:
        place = Place(api, folder, api.namespace())
        place.write(**{f"s{number:04}": _manifest(number, "first") for number in range(count)})
        with _working(place) as work:
            first = work("")
            place.write(s0000=_manifest(0, "second"))
            return [first, work(""), work(""), work(LOOK)]


@contextmanager
def _working(place: Place) -> Iterator[Callable[[str], Spent]]:
    words = [sys.executable, "-m", "tools.bench_sidecar", str(place.tree), place.namespace, str(place.kubeconfig)]
    with subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        stdin, stdout = process.stdin, process.stdout

        def work(line: str) -> Spent:
            asked, wrote = len(place.requests()), len(place.writes())
            print(line, file=stdin, flush=True)
            told = stdout.readline().split()
            if not told:
                sys.exit("bench: a pass of the sidecar failed")
            wall, cpu, memory = map(float, told)
            return Spent(wall, cpu, len(place.requests()) - asked, len(place.writes()) - wrote, memory)

        yield work
        stdin.close()


def _manifest(number: int, value: str) -> str:
    lines = ["apiVersion: v1", "kind: Secret", "metadata:", f"    name: s{number:04}", "stringData:"]
    lines += [f"    key-{index}: {value} value {index} of Secret {number}, as long as a password" for index in range(KEYS)]
    return sealed("\n".join(lines) + "\n")


# ---- in the process that works ---------------------------------------------------------------------------------------------------------------------


def work(tree: str, namespace: str, kubeconfig: str) -> None:
    """Do what each line on stdin says, and print what it took: wall and CPU in seconds, memory in megabytes."""
    source = Source(id="bench", origin=DirSource(tree), keys=Keys(files=(str(KEY_FILE),)), apply=ApplySettings(namespace=namespace))
    with connect(Access(kubeconfig), {}) as cluster:
        applier = Applier(source, cluster, namespace=namespace)
        worker = Worker(source, DirOrigin(tree), Keyring(source.keys, ENVIRON), applier, NoRecorder(), environ=ENVIRON)
        for line in sys.stdin:
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the largest resident set counts anew
            wall, cpu = time.perf_counter(), time.process_time()
            if line.strip() == LOOK:
                assert not worker.has_drifted()
            elif errors := worker.run().errors:
                sys.exit(f"bench: {errors[0]}")
            print(time.perf_counter() - wall, time.process_time() - cpu, _peak(), flush=True)
        worker.close()


def _peak() -> float:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))


if __name__ == "__main__":
    work(*sys.argv[1:])
