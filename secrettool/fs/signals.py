"""Signals that end the process, as exceptions."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Iterator
    from types import FrameType

    Handler = Callable[[int, FrameType | None], object] | int | None

ENDING_SIGNALS = ("SIGTERM", "SIGHUP", "SIGINT", "SIGQUIT")


@contextmanager
def ending_signals_raise() -> Iterator[None]:
    """Turn the signals that would end the process at once into exceptions, so that `finally` blocks run.

    A second signal is ignored while the first one is being dealt with. Signals that the program ignores or handles itself stay as they are.
    """
    import signal  # half a millisecond that printing a file need not pay

    replaced: dict[signal.Signals, Handler] = {}

    def end(number: int, _frame: FrameType | None) -> None:
        for other in replaced:
            signal.signal(other, signal.SIG_IGN)
        raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)

    try:
        for number in (signal.Signals[name] for name in ENDING_SIGNALS):
            former = signal.getsignal(number)
            if former in (signal.SIG_DFL, signal.default_int_handler):
                replaced[number] = former
                signal.signal(number, end)
    except ValueError:  # not the main thread, where alone handlers can be set
        replaced.clear()
    try:
        yield
    finally:
        _restore(replaced)


def _restore(handlers: dict[signal.Signals, Handler]) -> None:
    """Set handlers; a signal that comes meanwhile is delivered afterwards. Python would lose one that meets the exchange of its handler."""
    import signal

    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, handlers)
        for number, handler in handlers.items():
            signal.signal(number, handler)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
