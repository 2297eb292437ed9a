"""What runs the real programs for the tests: servers in their own process group, and what to say when one is not there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple, NoReturn

import pytest

BUILD = "build it with: make real-programs"


class AgePrograms(NamedTuple):
    """The programs of age; all of them lie in one folder, which is PATH enough for `age` to find its plugin."""

    age: Path
    keygen: Path
    inspect: Path
    batchpass: Path

    @property
    def folder(self) -> Path:
        """The folder to put in front of PATH."""
        return self.batchpass.parent


def missing(what: str, how: str = BUILD) -> NoReturn:
    """Skip the test that asks, or fail it where nothing may be missing: in CI.

    Args:
        what: The program, as a developer knows it.
        how: What to do about it, as the second half of a sentence.
    """
    message = f"{what} is not here; {how}"
    if os.environ.get("CI"):
        pytest.fail(message, pytrace=False)
    pytest.skip(message)
