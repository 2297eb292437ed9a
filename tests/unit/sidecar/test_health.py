"""`/livez`, `/readyz`, `/startupz`: the rules as a function of state and time, and the endpoints over a real connection."""

from __future__ import annotations

from typing import Any

import pytest

from secrettool.sidecar.health import Clock, Problems, livez, readyz, startupz
from secrettool.sidecar.state import Snapshot, SourceState
from tests.unit.sidecar.serving import NOW, TROUBLED, served, source

CLOCK = Clock(NOW, 1010.0)


def snapshot(*sources: SourceState, **changes: Any) -> Snapshot:
    return Snapshot("1", NOW - 3700, {each.id: each for each in sources}, **changes)


def test_all_is_well_after_a_pass_that_went_well() -> None:
    state = snapshot(source())

    assert (livez(state, CLOCK), readyz(state, CLOCK), startupz(state, CLOCK)) == ((), (), ())


def test_all_is_well_where_no_source_is_for_this_replica() -> None:
    assert (livez(snapshot(), CLOCK), readyz(snapshot(), CLOCK), startupz(snapshot(), CLOCK)) == ((), (), ())


@pytest.mark.parametrize(
    ("interval", "silence", "is_live"),
    [(10.0, 599.0, True), (10.0, 601.0, False), (300.0, 899.0, True), (300.0, 901.0, False)],
    ids=["short interval, below ten minutes", "short interval, above", "long interval, below three", "long interval, above"],
)
def test_a_loop_may_be_silent_for_three_intervals_or_ten_minutes(interval: float, silence: float, is_live: bool) -> None:
    state = snapshot(source(interval=interval, ticked=1000.0))

    assert (livez(state, Clock(NOW, 1000.0 + silence)) == ()) is is_live


def test_a_loop_that_never_went_round_has_the_time_from_the_start() -> None:
    assert livez(snapshot(source(ticked=0.0)), Clock(NOW - 3700 + 899, 1e6)) == ()
    assert livez(snapshot(source(ticked=0.0)), Clock(NOW - 3700 + 901, 1e6)) == ("prod: the loop has not gone round for 901 s",)


def test_one_silent_loop_among_others_is_named() -> None:
    state = snapshot(source("a"), source("b", ticked=50.0), source("c"))

    assert [line.partition(":")[0] for line in livez(state, CLOCK)] == ["b"]


def test_a_failing_source_is_live_and_stays_ready_while_the_last_success_is_young() -> None:
    state = snapshot(source(result="failed", cause="source", last_success=NOW - 899))

    assert (livez(state, CLOCK), readyz(state, CLOCK)) == ((), ())


def test_an_old_success_is_not_ready() -> None:
    assert readyz(snapshot(source(last_success=NOW - 901)), CLOCK) == ("prod: the last pass that went well ended 901 s ago",)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"last_success": None, "result": None}, "prod: no pass has gone well yet"),
        ({"last_success": None, "result": "failed"}, "prod: no pass has gone well yet"),
        ({"keys_loaded": False}, "prod: no keys are loaded"),
    ],
)
def test_without_keys_or_a_first_pass_it_is_not_ready(changes: dict[str, Any], problem: str) -> None:
    assert readyz(snapshot(source(**changes)), CLOCK) == (problem,)


def test_bad_new_keys_leave_it_ready_while_the_former_ones_are_used() -> None:
    assert readyz(snapshot(source(keys_error="the file is empty")), CLOCK) == ()


def test_a_standby_replica_is_live_ready_and_started() -> None:
    state = snapshot(source(phase="standby", is_leader=False, last_success=None, result=None, keys_loaded=False))

    assert (livez(state, CLOCK), readyz(state, CLOCK), startupz(state, CLOCK)) == ((), (), ())


def test_a_source_that_is_read_once_stays_well_for_ever() -> None:
    state = snapshot(source(kind="stdin", phase="stopped", last_success=NOW - 1e6))

    assert (livez(state, Clock(NOW, 1e9)), readyz(state, CLOCK)) == ((), ())


def test_a_source_that_stopped_after_a_failure_is_not_ready() -> None:
    assert readyz(snapshot(source(kind="stdin", phase="stopped", result="failed", last_success=NOW - 1e6)), CLOCK) != ()


def test_da_50_startup_is_over_with_the_first_complete_pass_and_stays_over() -> None:
    assert startupz(snapshot(source(last_success=None)), CLOCK) == ("prod: no complete pass yet",)
    assert startupz(snapshot(source(last_success=1.0, result="failed")), CLOCK) == ()


def test_while_it_ends_it_lives_and_is_not_ready() -> None:
    state = snapshot(source(ticked=1.0), is_stopping=True)

    assert livez(state, Clock(NOW, 1e6)) == ()
    assert readyz(state, CLOCK) == ("the program is ending",)


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/startupz"])
def test_an_endpoint_says_ok(path: str) -> None:
    with served(source()) as client:
        answer = client.ask(path)

    assert (answer.status, answer.body, answer.headers["Content-Type"]) == (200, "ok\n", "text/plain; charset=utf-8")


def test_an_endpoint_says_503_and_names_sources_only() -> None:
    with served(source(last_success=None, ticked=1.0), TROUBLED) as client:
        client.clock[0] = Clock(NOW, 5000.0)
        answers = [client.ask(path) for path in ("/livez", "/readyz", "/startupz")]

    assert [answer.status for answer in answers] == [503, 503, 503]
    assert answers[2].body == "prod: no complete pass yet\n"
    assert not any("web" in answer.body or "HK152" in answer.body for answer in answers)


def test_an_endpoint_follows_the_state() -> None:
    with served(source(last_success=None)) as client:
        before = client.ask("/readyz").status
        client.board.publish(source())
        after = client.ask("/readyz").status
        client.board.stop()
        ending = client.ask("/readyz").status

    assert (before, after, ending) == (503, 200, 503)


def test_probes_by_head_get_the_status_without_a_body() -> None:
    problems: Problems = startupz(snapshot(source(last_success=None)), CLOCK)
    with served(source(last_success=None)) as client:
        answer = client.ask("/startupz", "HEAD")

    assert (answer.status, answer.body, answer.headers["Content-Length"]) == (503, "", str(len(problems[0]) + 1))
