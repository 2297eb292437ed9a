"""Somebody is told when a source begins to fail, is well again, gets other keys, or is stopped by the guard.

Each channel has a thread: the loops put news down and go on, and a channel that hangs holds up nobody. A channel sends at most one message in
`PAUSE` seconds; what happens meanwhile waits and comes as one message, of each kind of change of a source the last one only. So a source that
flutters makes a line or two, and not a flood.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Condition, Thread
from typing import Final

from secrettool.errors import SecrettoolError
from secrettool.sidecar import channels
from secrettool.sidecar.changes import News, news
from secrettool.sidecar.channels import NotSent
from secrettool.sidecar.config import Notification
from secrettool.sidecar.state import Board, SourceState

PAUSE: Final = 30.0
"""Seconds between two messages of a channel."""

TRIES: Final = 4
"""Times that a message is sent at most."""

FIRST_WAIT: Final = 2.0
"""Seconds until the second try; doubled for each one after it."""

LONGEST_WAIT: Final = 60.0
"""Seconds that we wait at most, whatever the other side says."""

LAST_SECONDS: Final = 3.0
"""Seconds that are left for the last news when the program ends."""

log = logging.getLogger(__name__)


@contextmanager
def notifying(settings: Sequence[Notification], board: Board, *, pause: float = PAUSE, first_wait: float = FIRST_WAIT) -> Iterator[None]:
    """Tell of changes, in threads of their own.

    Args:
        settings: Whom.
        board: Where changes are seen.
        pause: See `PAUSE`.
        first_wait: See `FIRST_WAIT`.

    Raises:
        InputError: A secret of a channel cannot be read.
        ConfigError: A URL is none.
    """
    for setting in settings:
        channels.check(setting)
    workers = [_Channel(number, setting, pause, first_wait) for number, setting in enumerate(settings, 1)]

    def listen(before: SourceState, after: SourceState) -> None:
        found = news(before, after, time.time())
        if found is not None:
            for worker in workers:
                worker.put(found)

    if workers:
        board.subscribe(listen)
    try:
        yield
    finally:
        end = time.monotonic() + LAST_SECONDS
        for worker in workers:
            worker.stop()
        for worker in workers:
            worker.join(max(0.0, end - time.monotonic()))


class _Channel:
    """One channel and its thread.

    Args:
        number: Which entry of the configuration it is, from 1, for the log.
        setting: Its entry.
        pause: Seconds between two messages.
        first_wait: Seconds until the second try.
    """

    def __init__(self, number: int, setting: Notification, pause: float, first_wait: float) -> None:
        self._name = f"notification {number} ({setting.type})"
        self._setting = setting
        self._pause = pause
        self._first_wait = first_wait
        self._waiting: dict[tuple[str, tuple[str, ...]], News] = {}
        self._changed = Condition()
        self._is_stopping = False
        self._thread = Thread(target=self._run, name=f"notify-{number}", daemon=True)
        self._thread.start()

    def put(self, found: News) -> None:
        """Have something told; returns at once."""
        setting = self._setting
        if (setting.sources and found.source not in setting.sources) or not set(found.changes) & set(setting.events):
            return
        with self._changed:
            # The last one of its kind counts, and stands where it happened.
            self._waiting.pop((found.source, found.changes), None)
            self._waiting[found.source, found.changes] = found
            self._changed.notify()

    def stop(self) -> None:
        """Send what is waiting, once, and end."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify()

    def join(self, seconds: float) -> None:
        """Wait for the end."""
        self._thread.join(seconds)

    def _run(self) -> None:
        while events := self._next():
            try:
                self._send(events)
            except NotSent as error:
                log.error("%s: a message was not sent: %s", self._name, error)
            except SecrettoolError as error:  # names a file
                log.error("%s: a message was not sent: %s", self._name, error)
            except Exception as error:  # its text may hold a URL
                log.error("%s: a message was not sent: %s", self._name, type(error).__name__)
            self._sleep(self._pause)

    def _next(self) -> list[News]:
        """All news that wait, as soon as there are any; none when it is time to end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_stopping)
            events = list(self._waiting.values())
            self._waiting.clear()
            return events

    def _send(self, events: list[News]) -> None:
        parcel = channels.message(self._setting, events, time.time())
        wait = self._first_wait
        for number in range(1, TRIES + 1):
            try:
                channels.send(parcel)
                return
            except NotSent as error:
                if number == TRIES or not error.may_pass or self._is_stopping:
                    raise
                log.warning("%s: try %d: %s", self._name, number, error)
                self._sleep(min(LONGEST_WAIT, max(wait, error.wait)))
                wait *= 2

    def _sleep(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._is_stopping, seconds)
