"""Waiting for something that happens in another thread or process: as long as it takes, and not for ever."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE = 30.0
"""Seconds: what takes milliseconds may take this long on a machine that does something else."""


class NotInTime(Exception):
    """What was waited for did not happen."""


def wait_for(happened: Callable[[], object], *, seconds: float = PATIENCE, pause: float = 0.01) -> None:
    """Look until something has happened.

    Args:
        happened: Looks.
        seconds: How long to look.
        pause: Seconds between two looks.

    Raises:
        NotInTime: It has not.
    """
    end = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > end:
            raise NotInTime(f"nothing after {seconds:g} s")
        time.sleep(pause)
