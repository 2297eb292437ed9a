"""Many requests at the same time, with the answers in order."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from secrettool.cluster.parallel import AHEAD, WORKERS, each_at_once


@pytest.mark.parametrize("number", [0, 1, 2, WORKERS, AHEAD, AHEAD + 1, 3 * AHEAD])
@pytest.mark.parametrize("workers", [1, 2, WORKERS])
def test_the_answers_come_in_order_and_each_once(number: int, workers: int) -> None:
    assert list(each_at_once(lambda each: each * 2, range(number), workers)) == [each * 2 for each in range(number)]


def test_as_many_as_there_are_workers_run_at_the_same_time() -> None:
    together = threading.Barrier(WORKERS, timeout=30)  # a smaller number would wait until this is over, and fail
    assert len({*each_at_once(lambda _: together.wait(), range(WORKERS))}) == WORKERS


def test_one_worker_begins_nothing_that_is_not_asked_for() -> None:
    begun: list[int] = []
    answers = each_at_once(begun.append, range(5), workers=1)
    next(answers)
    assert begun == [0]


def test_whoever_stops_at_the_first_answer_has_begun_no_more_than_is_said() -> None:
    begun: list[int] = []

    def first() -> Iterator[None]:
        for answer in each_at_once(begun.append, range(10 * AHEAD)):
            yield answer
            return

    assert list(first()) == [None]
    assert 0 in begun
    assert len(begun) <= AHEAD


def test_a_failure_comes_in_its_turn_and_ends_the_work() -> None:
    begun: list[int] = []

    def work(number: int) -> int:
        begun.append(number)
        if number == 3:
            raise LookupError(number)
        return number

    answers = each_at_once(work, range(10 * AHEAD))
    assert [next(answers) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(LookupError, match="3"):
        next(answers)
    assert len(begun) <= AHEAD + 3
