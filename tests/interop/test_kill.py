"""Commands that change a file, killed at any moment: the file is the old or the new one, whole, and nothing that is left holds plain text."""

from __future__ import annotations

import json
import os
import random
import signal
import stat
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

import secrettool
from secrettool import fs
from tests.cli.running import AGE1, KEY1, ROOT, environment

CANARY = f"canary-{os.getpid()}-{time.time_ns()}"
"""In every secret value, and nowhere else on this machine."""

VALUES = "".join(f"    key{number}: {CANARY}-{number}\n" for number in range(50))
PLAIN = f"kind: Secret\ndata:\n{VALUES}    big: |\n" + f"        {CANARY} {'x' * 100}\n" * 500
PLAIN_SET = PLAIN.replace(f"    key7: {CANARY}-7\n", f"    key7: {CANARY}-new\n")

# Moments for each command: 558 in all, of which more than 500 come before the command has ended by itself.
AT_WRITING = 145  # counted from the opening of the temporary file
ANYWHERE = 28
AS_PROGRAM = 13  # a process of its own, Python's start included

RUNTIME = secrettool.local_runtime({"SOPS_AGE_KEY_FILE": KEY1, "HOME": "/nonexistent"})


class Answer(NamedTuple):
    """How a child of the server ended; see `tests.interop.peers.killserver`."""

    code: int
    seconds: float
    writing: float | None
    calls: list[str]
    changed: list[str]


class Server:
    """The process whose children are killed."""

    def __init__(self) -> None:
        # Killed processes write no coverage data, or half of it.
        environ = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
        command = [sys.executable, "-m", "tests.interop.peers.killserver"]
        # What Python compiles in a checkout where nothing ran yet is no doing of the command.
        environ |= {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
        self._process = subprocess.Popen(command, cwd=ROOT, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, request: dict[str, Any]) -> Answer:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        return Answer(**json.loads(self._process.stdout.readline()))

    def stop(self) -> None:
        self._process.communicate()


class Case(NamedTuple):
    """A command that changes `link.yaml`."""

    words: tuple[str, ...]
    plain: str
    """What the changed file decrypts to."""
    stdin: bytes = b""


CASES = {
    "encrypt": Case(("encrypt", "-i", "--age", AGE1, "link.yaml"), PLAIN),
    "set": Case(("set", "--value-stdin", "link.yaml", '["data"]["key7"]'), PLAIN_SET, json.dumps(f"{CANARY}-new").encode()),
    "rotate": Case(("rotate", "-i", "link.yaml"), PLAIN),
}


class Box:
    """A folder with the file and a link to it, and folders for the home and for temporary files."""

    def __init__(self, case: Case, old: bytes, folder: Path, server: Server) -> None:
        self.case = case
        self.old = old
        self.server = server
        self.work, self.streams, temporary, home = (folder / name for name in ("work", "streams", "tmp", "home"))
        for made in (self.work, self.streams, temporary, home):
            made.mkdir()
        self.places = (temporary, home)
        self.environ = {**environment(home), "TMPDIR": str(temporary), "PYTHONPATH": str(ROOT)}
        self.file, self.link = self.work / "file.yaml", self.work / "link.yaml"
        self.link.symlink_to(self.file.name)
        self.left: set[Path] = set()
        self.tally: Counter[str] = Counter()

    def reset(self) -> None:
        """The file as it was. What earlier kills left stays, so that every run has to cope with it."""
        self.file.write_bytes(self.old)
        self.file.chmod(0o640)

    def run(self, **moment: Any) -> Answer:
        """Run the command as a child of the server, from the start or killed at a moment."""
        streams = {name: str(self.streams / name) for name in ("stdin", "stdout", "stderr")}
        for name, path in streams.items():
            Path(path).write_bytes(self.case.stdin if name == "stdin" else b"")
        request = {"words": self.case.words, "cwd": str(self.work), "env": self.environ, **streams, **moment}
        answer = self.server.ask(request)
        assert answer.code in (0, -signal.SIGKILL), (self.streams / "stderr").read_text()
        return answer

    def run_program(self, seconds: float | None) -> float:
        """Run the command as a program, killed after so many seconds; returns how long it ran."""
        started = time.monotonic()
        with subprocess.Popen(
            [sys.executable, "-m", "secrettool", *self.case.words],
            cwd=self.work,
            env=self.environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            assert process.stdin is not None
            process.stdin.write(self.case.stdin)
            process.stdin.close()
            if seconds is not None:
                time.sleep(max(0.0, started + seconds - time.monotonic()))
                process.kill()
        assert process.returncode == 0 or (seconds is not None and process.returncode == -signal.SIGKILL)
        if seconds is not None:
            self.tally["killed" if process.returncode else "ended first"] += 1
        return time.monotonic() - started

    def check(self) -> None:
        """The file is whole, its mode and the link are kept, and nothing that is left holds plain text."""
        self.tally["new" if self.is_changed() else "old"] += 1
        for path in set(self.work.iterdir()) - {self.file, self.link} - self.left:
            assert fs.is_temporary(path.name)
            assert CANARY.encode() not in path.read_bytes()
            assert stat.S_IMODE(path.stat().st_mode) in (0o600, 0o640)
            self.left.add(path)
        assert [path for place in self.places for path in place.rglob("*")] == []

    def is_changed(self) -> bool:
        """Whether the file is the new one; it must be that or the old one."""
        assert self.link.is_symlink() and os.readlink(self.link) == self.file.name
        assert stat.S_IMODE(self.file.stat().st_mode) == 0o640
        data = self.file.read_bytes()
        if data == self.old:
            return False
        assert secrettool.decrypt(data, "yaml", runtime=RUNTIME) == self.case.plain.encode()
        assert sealed_keys(data).isdisjoint(sealed_keys(self.old)) == (self.case is not CASES["set"])
        return True


def sealed_keys(data: bytes) -> set[str]:
    """The data key's seals in a file: `set` keeps them, a rotation replaces them."""
    tree = yaml.load(data, yaml.CSafeLoader)
    return {entry["enc"] for entry in tree.get("sops", {}).get("age", ())}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    started = Server()
    yield started
    started.stop()


@pytest.fixture(scope="module")
def sealed() -> bytes:
    done = secrettool.encrypt(PLAIN.encode(), "yaml", recipients=[AGE1], runtime=RUNTIME)
    assert isinstance(done, bytes)
    return done


@pytest.fixture(params=CASES)
def box(request: pytest.FixtureRequest, server: Server, sealed: bytes, tmp_path: Path) -> Iterator[Box]:
    case = CASES[request.param]
    made = Box(case, PLAIN.encode() if request.param == "encrypt" else sealed, tmp_path, server)
    made.reset()
    before = entries(SHARED)
    yield made
    assert holding_plain_text(entries(SHARED) - before, tmp_path) == []
    print(f"{request.param}: {dict(made.tally)}, temporary files left: {len(made.left)}")


# ---- places that others use too --------------------------------------------------------------------------------------------------------------------

SHARED = ("/tmp", "/var/tmp", "/dev/shm", f"/run/user/{os.getuid()}")
ENOUGH = 2 * len(PLAIN)  # bytes; more of a file is not ours


def entries(folders: Sequence[str]) -> set[Path]:
    """What is in folders for temporary files, those of pytest left out."""
    return {path for folder in folders if os.path.isdir(folder) for path in Path(folder).iterdir() if not path.name.startswith("pytest-")}


def holding_plain_text(paths: set[Path], own: Path) -> list[Path]:
    """The files that hold the canary, below paths that appeared during the run; other programs may remove theirs meanwhile."""
    found = []
    for top in paths:
        for path in [top, *(Path(folder) / name for folder, _, names in os.walk(top) for name in names)]:
            try:
                if stat.S_ISREG(path.lstat().st_mode) and not path.is_relative_to(own):
                    with path.open("rb") as file:
                        if CANARY.encode() in file.read(ENOUGH):
                            found.append(path)
            except OSError:
                continue
    return found


# ---- the tests -------------------------------------------------------------------------------------------------------------------------------------


def test_a_run_writes_nowhere_but_beside_its_file(box: Box) -> None:
    answer = box.run()
    assert answer.code == 0
    assert box.is_changed()
    others = [Path(path) for path in answer.changed if Path(path).parent != box.streams]
    assert [(path.parent, fs.is_temporary(path.name)) for path in others] == [(box.work, True)] * 2  # opened, and renamed


def test_killed_at_each_call_into_the_system(box: Box) -> None:
    calls = box.run().calls
    assert {"open", "write", "fchmod", "fsync", "replace"} <= set(calls)
    renamed = calls.index("replace")
    for number, name in enumerate(calls):
        for side in ("before", "within", "after") if name == "write" else ("before", "after"):
            box.reset()
            assert box.run(call=number, side=side).code == -signal.SIGKILL
            assert box.is_changed() == (number > renamed or (number == renamed and side == "after")), (number, name, side)
            box.check()
    box.reset()
    assert box.run().code == 0 and box.is_changed()


@pytest.mark.real  # for its time: half a minute
@pytest.mark.timeout(300)
def test_killed_at_random_moments(box: Box) -> None:
    random_moment = random.Random(6).uniform
    normal = []
    for _ in range(5):
        box.reset()
        normal.append(box.run())
    whole = statistics.median(answer.seconds for answer in normal)
    writing = statistics.median(answer.writing or 0.0 for answer in normal)
    moments: list[dict[str, Any]] = [{"after": random_moment(0, 1.3 * writing), "writing": True} for _ in range(AT_WRITING)]
    moments += [{"after": random_moment(0, 1.3 * whole)} for _ in range(ANYWHERE)]
    for moment in moments:
        box.reset()
        box.tally["killed" if box.run(**moment).code else "ended first"] += 1
        box.check()
    box.reset()
    whole = box.run_program(None)
    for _ in range(AS_PROGRAM):
        box.reset()
        box.run_program(random_moment(0.5, 1.3) * whole)
        box.check()
    box.reset()
    box.run_program(None)
    assert box.is_changed()
