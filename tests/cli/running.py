"""Runs command lines: in a child of the fork server, which has the modules already (fast), or as a program of its own (as users do)."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent.parent
VECTORS = ROOT / "tests" / "vectors"
AGE1 = "age1jwuhmyextvr0rkcvvl8m367lm54t6k0m5yknsdf6nsstpwpccc3srskwc2"
AGE2 = "age149t8ysk339dztvj6ccmgad7k8uer7satyyprak935e6nd3txgsdskskut7"
KEY1 = str(VECTORS / "keys" / "age1.txt")
KEY2 = str(VECTORS / "keys" / "age2.txt")


class Result(NamedTuple):
    """How a run ended."""

    code: int
    out: bytes
    err: str


def environment(home: str | os.PathLike[str], **more: str) -> dict[str, str]:
    """A small environment: PATH, an empty home, the first test key, no colours."""
    return {"PATH": os.environ["PATH"], "HOME": str(home), "NO_COLOR": "1", "LANG": "C.UTF-8", "SOPS_AGE_KEY_FILE": KEY1, **more}


class _Server:
    """A fork server of this process, started when it is first needed.

    Args:
        is_measured: Whether coverage counts what it runs, when it is on; to begin that in a child takes longer than most commands do.
    """

    def __init__(self, *, is_measured: bool) -> None:
        self._is_measured = is_measured
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, request: Mapping[str, object]) -> int:
        if self._process is None:
            command = [sys.executable, "-m", "tests.cli.forkserver"]
            environ = {name: value for name, value in os.environ.items() if self._is_measured or not name.startswith("COVERAGE_")}
            environ["PYTHONPATH"] = str(ROOT)
            self._process = subprocess.Popen(command, cwd=ROOT, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            atexit.register(self.stop)
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
            return int(process.stdout.readline())
        except BaseException:  # such as the time limit of a test
            process.kill()
            self.stop()
            raise

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.communicate()


MEASURED = _Server(is_measured=True)
UNMEASURED = _Server(is_measured=False)


def forked(words: Sequence[str], cwd: str | os.PathLike[str], env: Mapping[str, str], stdin: bytes = b"", *, server: _Server = MEASURED) -> Result:
    """Run a command line in a forked child, with real standard streams."""
    with tempfile.TemporaryDirectory() as folder:
        streams = {name: os.path.join(folder, name) for name in ("stdin", "stdout", "stderr")}
        for name, path in streams.items():
            Path(path).write_bytes(stdin if name == "stdin" else b"")
        code = server.ask({"words": list(words), "cwd": os.fspath(cwd), "env": dict(env), **streams})
        return Result(code, Path(streams["stdout"]).read_bytes(), Path(streams["stderr"]).read_text("utf-8", "replace"))


def program(
    words: Sequence[str],
    cwd: str | os.PathLike[str],
    env: Mapping[str, str],
    stdin: bytes = b"",
    *,
    stdout: int | None = None,
) -> Result:
    """Run a command line as a program of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "secrettool", *words],
        cwd=cwd,
        env={"PYTHONPATH": str(ROOT), **env},
        input=stdin,
        stdout=subprocess.PIPE if stdout is None else stdout,
        stderr=subprocess.PIPE,
        check=False,
        timeout=100,
    )
    return Result(done.returncode, done.stdout or b"", done.stderr.decode("utf-8", "replace"))
