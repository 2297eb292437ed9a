"""The guides as tests: files that a guide shows are written, commands that it shows are run, and what they print is compared.

    <!-- file: apps/mail.yaml -->      the fenced block below is written there
    ```console                         lines that begin with `$ ` are run, the lines below one are what it prints
    <!-- not run: why -->              the fenced block below is left alone
    <!-- real -->                      the fenced block below needs a cluster and a Vault

A line `...` stands for any lines. `export NAME=VALUE` and `cd FOLDER` last until the end of the guide.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
GUIDES = ROOT / "docs" / "guide"
STDIN = "typed-by-hand"
"""What a command finds on stdin."""

_BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>file|not run|real)(?:: (?P<argument>[^\n]*?))? -->\n\n?)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)


class Block(NamedTuple):
    """A fenced block of a guide.

    Attributes:
        mark: `file`, `not run`, `real` or nothing.
        argument: What stands behind the mark.
        language: Of the fence.
        text: What is in it.
        line: Where it begins.
    """

    mark: str
    argument: str
    language: str
    text: str
    line: int


class Command(NamedTuple):
    """A command and what the guide says that it prints."""

    words: str
    printed: str


def blocks(guide: Path) -> Iterator[Block]:
    """The fenced blocks of a guide."""
    text = guide.read_text(encoding="utf-8")
    for found in _BLOCK.finditer(text):
        yield Block(found["mark"] or "", found["argument"] or "", found["language"], found["text"], text[: found.start()].count("\n") + 1)


def commands(block: Block) -> Iterator[Command]:
    """The commands of a block; a line that ends with a backslash goes on."""
    lines = block.text.replace("\\\n", "").splitlines(keepends=True)
    starts = [number for number, line in enumerate(lines) if line.startswith("$ ")]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        yield Command(lines[start][2:].rstrip("\n"), "".join(lines[start + 1 : end]))


class Reader:
    """Somebody who follows a guide in an empty folder.

    Args:
        folder: The folder.
        environ: Variables that the guide cannot change, such as the place of a server.
    """

    def __init__(self, folder: Path, environ: Mapping[str, str] | None = None) -> None:
        programs = folder / "programs"
        programs.mkdir()
        program = programs / "secrettool"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m secrettool "$@"\n')
        program.chmod(0o755)
        (folder / "home").mkdir()
        self.place = folder / "work"
        self.place.mkdir()
        self._fixed = dict(environ or {})
        self._environ = {
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(folder / "home"),
            "PYTHONPATH": str(ROOT),
            "NO_COLOR": "1",
            "LANG": "C.UTF-8",
            "GIT_CONFIG_GLOBAL": os.devnull,
        }

    def write(self, name: str, text: str) -> None:
        """Write a file that the guide shows."""
        path = self.place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def type(self, words: str) -> str:
        """Run a command; returns what it prints."""
        if words.startswith("cd "):
            self.place = (self.place / words[3:]).resolve()
            return ""
        if words.startswith("export "):
            self._environ |= dict(assignment.split("=", 1) for assignment in shlex.split(words)[1:])
            return ""
        environ = self._environ | self._fixed
        shell = ["bash", "-c", words]
        done = subprocess.run(
            shell, cwd=self.place, env=environ, input=STDIN, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        return done.stdout


def fits(printed: str, shown: str) -> bool:
    """Whether what was printed is what the guide shows."""
    pattern = "".join(r"(?:.*\n)*?" if line == "...\n" else re.escape(line) for line in shown.splitlines(keepends=True))
    return re.fullmatch(pattern, printed) is not None


def follow(guide: Path, reader: Reader, *, real: bool) -> Iterator[tuple[Block, Command, str]]:
    """Follow a guide from its beginning.

    Args:
        guide: The file.
        reader: Who follows it.
        real: Whether there are a cluster and a Vault.

    Yields:
        Every command that was run, with its block and what it printed.
    """
    for block in blocks(guide):
        if block.mark == "file":
            reader.write(block.argument, block.text)
        elif block.language == "console" and block.mark != "not run" and (real or block.mark != "real"):
            for command in commands(block):
                yield block, command, reader.type(command.words)
