"""Many requests at the same time, with the answers in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

WORKERS = 8
"""Objects that are worked on at the same time: nearly all of the time is spent waiting for the server."""

AHEAD = 4 * WORKERS
"""Objects that may be begun before the first answer that is still wanted: whoever stops there has asked for no more than these."""

Given = TypeVar("Given")
Done = TypeVar("Done")


def each_at_once(work: Callable[[Given], Done], given: Sequence[Given], workers: int = WORKERS) -> Iterator[Done]:
    """The results of work in order, as soon as they are there; work that has not begun when no more are wanted never does."""
    from concurrent.futures import Future, ThreadPoolExecutor

    if workers == 1 or len(given) < 2:
        yield from map(work, given)
        return
    rest = iter(given)
    pool = ThreadPoolExecutor(min(workers, len(given)))
    try:
        begun: deque[Future[Done]] = deque(pool.submit(work, each) for each in islice(rest, AHEAD))
        while begun:
            yield begun.popleft().result()
            begun.extend(pool.submit(work, each) for each in islice(rest, 1))
    finally:
        pool.shutdown(cancel_futures=True)
