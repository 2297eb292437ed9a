"""A counter on the terminal for work that waits for a server."""

from __future__ import annotations

import os
import sys

_FROM = 20  # fewer are done before anybody looks
_CLEAR = "\r\x1b[K"


class Counter:
    """Counts on stderr, when that is a terminal and there is much to do.

    Args:
        total: How many there are.
        what: What is counted, in the plural.
    """

    def __init__(self, total: int, what: str) -> None:
        self._total = total
        self._what = what
        self._done = 0
        self._is_shown = total >= _FROM and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"

    def step(self) -> None:
        """One more is done."""
        self._done += 1
        if self._is_shown:
            sys.stderr.write(f"{_CLEAR}{self._done} of {self._total} {self._what}")
            sys.stderr.flush()

    def clear(self) -> None:
        """Make room for a line."""
        if self._is_shown:
            sys.stderr.write(_CLEAR)
            sys.stderr.flush()
