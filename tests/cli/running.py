"""Runs command lines: in a forked child that has the modules already (fast), or as a program of its own (as users do)."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
import traceback
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

from secrettool.__main__ import main

ROOT = Path(__file__).parent.parent.parent
VECTORS = ROOT / "tests" / "vectors"
AGE1 = "age1jwuhmyextvr0rkcvvl8m367lm54t6k0m5yknsdf6nsstpwpccc3srskwc2"
AGE2 = "age149t8ysk339dztvj6ccmgad7k8uer7satyyprak935e6nd3txgsdskskut7"
KEY1 = str(VECTORS / "keys" / "age1.txt")
KEY2 = str(VECTORS / "keys" / "age2.txt")
LOST = 99  # exit code of a child whose main raised: no command line may do that


class Result(NamedTuple):
    """How a run ended."""

    code: int
    out: bytes
    err: str


def environment(home: str | os.PathLike[str], **more: str) -> dict[str, str]:
    """A small environment: PATH, an empty home, the first test key, no colours."""
    return {"PATH": os.environ["PATH"], "HOME": str(home), "NO_COLOR": "1", "LANG": "C.UTF-8", "SOPS_AGE_KEY_FILE": KEY1, **more}


def forked(words: Sequence[str], cwd: str | os.PathLike[str], env: Mapping[str, str], stdin: bytes = b"") -> Result:
    """Run a command line in a forked child, with real standard streams."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write(stdin)
        given.seek(0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside the threads of pytest-xdist, which the child does not use
            child = os.fork()
        if child == 0:
            _child(words, cwd, env, (given.fileno(), out.fileno(), err.fileno()))
        _, status = os.waitpid(child, 0)
        out.seek(0)
        err.seek(0)
        return Result(os.waitstatus_to_exitcode(status), out.read(), err.read().decode("utf-8", "replace"))


def _child(words: Sequence[str], cwd: str | os.PathLike[str], env: Mapping[str, str], streams: Sequence[int]) -> NoReturn:
    code = LOST
    try:
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        sys.stdin, sys.stdout, sys.stderr = (io.TextIOWrapper(io.FileIO(number, mode), "utf-8") for number, mode in enumerate("rww"))
        os.chdir(cwd)
        os.environ.clear()
        os.environ.update(env)
        code = main(words)
        sys.stdout.flush()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


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
