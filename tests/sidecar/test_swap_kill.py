"""Whoever swaps is killed at random moments, and a reader never sees a set that is mixed or not whole."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from secrettool.sidecar.swap import SwappedFolder
from tests.sidecar.swapping import MODE, generation, whole

ROOT = Path(__file__).parent.parent.parent
KILLS = 200


class Reader(threading.Thread):
    """Reads as fast as it can until it is stopped."""

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self._folder = folder
        self.is_stopped = False
        self.seen: set[int] = set()
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            while not self.is_stopped:
                number = whole(str(self._folder))
                if number is not None:
                    self.seen.add(number)
        except BaseException as error:
            self.failure = error


def test_kill_at_random_moments_leaves_a_whole_set_for_readers(memory: Path) -> None:
    target = memory / "target"
    SwappedFolder(str(target), MODE).write(generation(1))
    reader = Reader(target)
    reader.start()
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.sidecar.swapping", str(target)]
    left: dict[str, int] = {}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ, cwd=ROOT) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        for _ in range(KILLS):
            print(file=server.stdin, flush=True)
            pid = int(server.stdout.readline())
            time.sleep(random.uniform(0.0005, 0.02))
            os.kill(pid, signal.SIGKILL)
            left["whole"] = left.get("whole", 0) + (whole(str(target)) is not None)
            stamped = [name for name in os.listdir(target) if name.startswith("..2")]
            left["folders"] = left.get("folders", 0) + (len(stamped) > 1)
        server.stdin.close()
        server.wait()
    reader.is_stopped = True
    reader.join()
    assert reader.failure is None
    assert len(reader.seen) > KILLS / 4  # it did see many sets
    assert left["whole"] > KILLS / 2
    assert left["folders"] > 5  # some were killed in the middle

    SwappedFolder(str(target), MODE).write(generation(2))
    assert whole(str(target)) == 2
    assert len([name for name in os.listdir(target) if name.startswith("..")]) == 2
    assert {name for name in os.listdir(target) if not name.startswith("..")} == {"a", "b", "team", "even", "manifest"}
    assert (target / "team" / "db" / "user").read_bytes() == generation(2)["team/db/user"]


def test_reader_of_a_set_that_is_not_whole_is_told(memory: Path) -> None:
    target = memory / "target"
    SwappedFolder(str(target), MODE).write(generation(1))
    assert whole(str(target)) == 1
    (target / "a").resolve().unlink()
    with pytest.raises(AssertionError, match="mixed"):
        whole(str(target))
