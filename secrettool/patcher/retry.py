"""Pauses between the tries for one object that somebody else changes at the same time.

Requests that get no answer, or one that may pass, are made again by the cluster itself.

Source: section 6 of the requirements (conflicts).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from random import SystemRandom
from typing import Final, NamedTuple

TRIES: Final = 5
FIRST_PAUSE: Final = 0.1
"""Seconds after the first conflict; doubled after each."""
SPREAD: Final = (0.5, 3.5)
"""What a pause is multiplied by, at least and at most. So wide a choice lets 20 writers at one object through in five tries."""


class Clock(NamedTuple):
    """Time and chance.

    Attributes:
        sleep: Waits for some seconds.
        monotonic: Seconds since some moment.
        spread: A number from 0 to 1, so that those who met once do not meet again.
    """

    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic
    spread: Callable[[], float] = SystemRandom().random


CLOCK: Final = Clock()


class Pauses:
    """The pauses of one object.

    Args:
        clock: Time and chance.

    Attributes:
        attempt: The number of the present try, from 1.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.attempt = 1

    def pause(self) -> bool:
        """Wait for the next try; False when there is none."""
        if self.attempt >= TRIES:
            return False
        least, most = SPREAD
        self._clock.sleep(FIRST_PAUSE * 2 ** (self.attempt - 1) * (least + (most - least) * self._clock.spread()))
        self.attempt += 1
        return True
