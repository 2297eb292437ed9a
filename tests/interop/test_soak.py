"""A short soak, and what it would say of a process that grows. `make soak` is the long one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.interop.peers.apiserver import ApiServer
from tests.interop.soak.run import soak
from tests.interop.soak.samples import MEGABYTE, Sample, judged

SECONDS = 75.0
TOLERANCE = 0.05
"""More than in a long run: within half a minute the allocator has not settled."""


@pytest.mark.real
@pytest.mark.xdist_group("soak")
def test_nothing_grows_while_everything_happens(api_server: ApiServer, tmp_path: Path) -> None:
    outcome = soak(api_server, tmp_path, seconds=SECONDS, tolerance=TOLERANCE)

    assert outcome.complaints == (), outcome.text()
    assert {each.name for each in outcome.verdicts} == {"apply", "render"}
    for series in (
        'apply reconcile_total{result="done",source="folder"}',
        'apply reconcile_total{result="failed",source="folder"}',
        'apply reconcile_total{result="done",source="artifact"}',
        "render render_swaps_total",
        "notifications",
    ):
        assert outcome.done[series] > 1, outcome.text()


def steady(count: int = 30) -> list[Sample]:
    return [Sample(50 * MEGABYTE, 12, 8) for _ in range(count)]


def test_steady_process_has_no_complaints() -> None:
    moments = steady()
    moments[25] = Sample(90 * MEGABYTE, 40, 20)  # one busy moment is not growth
    assert judged("x", moments).complaints == ()


@pytest.mark.parametrize(
    ("end", "complaint"),
    [
        (Sample(52 * MEGABYTE, 12, 8), "x: memory grew by 4.0%, more than 3%"),
        (Sample(50 * MEGABYTE, 15, 8), "x: 12 descriptors became 15"),
        (Sample(50 * MEGABYTE, 12, 11), "x: 8 threads became 11"),
    ],
)
def test_growth_is_a_complaint(end: Sample, complaint: str) -> None:
    assert judged("x", [*steady(20), *[end] * 10]).complaints == (complaint,)


def test_what_is_taken_in_the_first_third_is_no_growth() -> None:
    assert judged("x", [Sample(10 * MEGABYTE, 3, 1)] * 10 + steady(20)).complaints == ()
