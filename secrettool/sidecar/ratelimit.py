"""How often something may happen: some times at once, and then once in a while."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock


class RateLimit:
    """A bucket of permits that fills up again; for several threads.

    Args:
        burst: Permits that it holds.
        seconds: Until one permit is back.
        clock: Seconds that only grow.
    """

    def __init__(self, burst: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._burst = burst
        self._seconds = seconds
        self._clock = clock
        self._permits = float(burst)
        self._counted = clock()
        self._lock = Lock()

    def take(self) -> float:
        """Take a permit.

        Returns:
            0 when there was one, else the seconds until there is one; none is taken then.
        """
        with self._lock:
            now = self._clock()
            self._permits = min(self._burst, self._permits + (now - self._counted) / self._seconds)
            self._counted = now
            if self._permits >= 1:
                self._permits -= 1
                return 0.0
            return (1 - self._permits) * self._seconds
