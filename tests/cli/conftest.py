"""Fixtures of the command line tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.running import Result, environment, forked, program

Run = Callable[..., Result]


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """The working directory of the command line."""
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home folder without anything in it."""
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def cli(work: Path, home: Path) -> Run:
    """Runs a command line in `work` with the first test key; keywords change the environment."""

    def run(*words: str, stdin: bytes = b"", cwd: Path | None = None, **env: str) -> Result:
        return forked(words, cwd or work, environment(home, **env), stdin)

    return run


@pytest.fixture
def outside(work: Path, home: Path) -> Run:
    """The same as a program of its own."""

    def run(*words: str, stdin: bytes = b"", cwd: Path | None = None, stdout: int | None = None, **env: str) -> Result:
        return program(words, cwd or work, environment(home, **env), stdin, stdout=stdout)

    return run
