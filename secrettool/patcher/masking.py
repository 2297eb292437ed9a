"""Asking GitHub Actions to hide values in its logs: `::add-mask::` lines, each before anything else could show the value.

Only inside Actions: in any other log such a line would be the leak that it is meant to prevent.

Source: requirement PT-32; GitHub's documentation of workflow commands (`add-mask`, one line each).
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from secrettool.findings.github import escape_data
from secrettool.sources.value import SecretValue

SHORTEST: Final = 4
"""Characters of the shortest line that is hidden: a shorter one is part of every other word."""


def in_actions(environ: Mapping[str, str]) -> bool:
    """Whether this process is a step of GitHub Actions."""
    return environ.get("GITHUB_ACTIONS") == "true"


class Masker:
    """Tells of values as they come, each line once.

    Args:
        write: Gets lines with their ends; must not keep them.
    """

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._told: set[str] = set()

    def __repr__(self) -> str:
        return f"<Masker of {len(self._told)} lines>"

    def __call__(self, value: SecretValue) -> None:
        """Hide a value, each of its lines, and its base64."""
        new = [text for text in dict.fromkeys(_forms(value.reveal())) if text not in self._told]
        self._told.update(new)
        if new:
            self._write("".join(f"::add-mask::{escape_data(text)}\n" for text in new))


def _forms(data: bytes) -> Iterator[str]:
    """What a log could show of a value."""
    for line in data.decode("utf-8", "replace").splitlines():
        yield from (text for text in (line, line.strip()) if len(text.strip()) >= SHORTEST)
    if data:
        yield b64encode(data).decode("ascii")
