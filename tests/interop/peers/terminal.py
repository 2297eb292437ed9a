"""A program on a terminal of its own that is asked for passphrases, as a person would be."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

# Opening a terminal as the leader of a session makes it the one that /dev/tty stands for.
LEADER = "import os, sys; os.open(sys.argv[1], os.O_RDWR); os.execvp(sys.argv[2], sys.argv[2:])"
CHUNK = 4096  # bytes; one read


class Finished(NamedTuple):
    """How a program ended.

    Attributes:
        code: Its exit status.
        out: What it wrote to stdout.
        shown: What stood on the terminal: stderr and questions.
    """

    code: int
    out: bytes
    shown: str


class Answer(NamedTuple):
    """What is typed when a question appears."""

    question: str
    text: str


def run(command: Sequence[str | Path], answers: Sequence[Answer], *, cwd: Path, environ: Mapping[str, str], limit: float = 60.0) -> Finished:
    """Run a program with a terminal as its stdin and stderr, and answer its questions in their order.

    Args:
        command: The program and its arguments. It may print no more than a pipe holds (64 KiB) to stdout.
        answers: The questions to wait for, each with its answer.
        cwd: Working directory.
        environ: Environment.
        limit: Seconds until it is killed.

    Raises:
        AssertionError: It did not ask all the questions, or did not end in time.
    """
    ours, theirs = os.openpty()
    try:
        with subprocess.Popen(
            [sys.executable, "-c", LEADER, os.ttyname(theirs), *command],
            cwd=cwd,
            env=environ,
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=theirs,
            start_new_session=True,
        ) as process:
            os.close(theirs)
            try:
                shown = _converse(ours, list(answers), time.monotonic() + limit)
                assert process.stdout is not None
                out = process.stdout.read()
            finally:
                process.kill()
    finally:
        os.close(ours)
    return Finished(process.returncode, out, shown)


def _converse(terminal: int, answers: list[Answer], deadline: float) -> str:
    """Type the answers; returns what stood on the terminal once the program has left it."""
    shown = fresh = ""
    while part := _read(terminal, deadline, shown):
        shown, fresh = shown + part, fresh + part
        if answers and answers[0].question in fresh:
            os.write(terminal, answers.pop(0).text.encode() + b"\n")
            fresh = ""
    assert not answers, f"it never asked {answers[0].question!r}; the terminal shows:\n{shown}"
    return shown


def _read(terminal: int, deadline: float, shown: str) -> str:
    ready, _, _ = select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))
    assert ready, f"it did not end in time; the terminal shows:\n{shown}"
    try:
        return os.read(terminal, CHUNK).decode("utf-8", "replace")
    except OSError:  # Linux says so when nobody has the other end open
        return ""
