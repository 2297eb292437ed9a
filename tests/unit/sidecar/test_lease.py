"""Leases by a clock that the tests set: taken, renewed, lost, given up, and left to who has it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from secrettool.cluster.apiserver import ApiServer
from secrettool.objects import Ref
from secrettool.sidecar import lease as leasing
from secrettool.sidecar.lease import API_VERSION, DURATION, RENEW_DEADLINE, Lease, Seats
from tests.unit.cluster.apiserving import Asked, FolderServer, Json, serving
from tests.waiting import wait_for

REF = Ref(API_VERSION, "Lease", "default", "secrettool-main")


class Stage:
    """A server, a clock, and replicas that want the same Lease."""

    def __init__(self, server: FolderServer, cluster: ApiServer) -> None:
        self.server = server
        self.cluster = cluster
        self.now = 1000.0
        self.changes: list[str] = []
        self.replicas: list[Lease] = []

    def replica(self, holder: str = "a", *, seats: Seats | None = None, ref: Ref = REF, is_started: bool = True) -> Lease:
        made = Lease(self.cluster, ref, holder, lambda: self.changes.append(holder), seats or Seats())
        if is_started:
            made.start()
            self.replicas.append(made)
        return made

    def spec(self, ref: Ref = REF) -> Json:
        found: Json = self.server.there(ref)["spec"]
        return found

    def put(self, holder: str | None, **more: Any) -> None:
        """Let somebody else have the Lease, or have renewed it."""
        self.server.put(
            {
                "apiVersion": API_VERSION,
                "kind": "Lease",
                "metadata": {"name": REF.name, "namespace": REF.namespace},
                "spec": {"holderIdentity": holder, **more},
            }
        )

    def rounds(self, number: int = 3) -> None:
        """Wait until so many more requests have come in."""
        before = len(self.server.asked)
        wait_for(lambda: len(self.server.asked) >= before + number)


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    with serving(tmp_path / "cluster") as server, server.client() as cluster:
        made = Stage(server, cluster)
        monkeypatch.setattr(leasing, "RETRY", 0.01)
        monkeypatch.setattr(leasing, "time", SimpleNamespace(monotonic=lambda: made.now))
        yield made
        server.refuse = lambda _: None
        server.hold.set()
        for replica in made.replicas:
            replica.stop()
            assert not replica.is_alive()


def test_da_51_a_lease_that_is_not_there_is_made(stage: Stage) -> None:
    replica = stage.replica()
    wait_for(replica.is_held)
    spec = stage.spec()
    assert (spec["holderIdentity"], spec["leaseDurationSeconds"], spec["leaseTransitions"]) == ("a", DURATION, 0)
    assert spec["acquireTime"].endswith("Z")
    wait_for(lambda: stage.changes == ["a"])
    assert (replica.is_alive(), replica.error, repr(replica)) == (True, None, "<Lease secrettool-main held>")


def test_da_51_it_is_renewed_while_its_holder_lives(stage: Stage) -> None:
    replica = stage.replica()
    wait_for(replica.is_held)
    first = stage.spec()
    for _ in range(5):
        stage.now += RENEW_DEADLINE - 1
        stage.rounds()
        assert replica.is_held()
    last = stage.spec()
    assert last["renewTime"] > first["renewTime"]
    assert {**last, "renewTime": ""} == {**first, "renewTime": ""}
    assert stage.changes == ["a"]


@pytest.mark.parametrize("holder", ["", None, "a"])
def test_da_51_one_that_nobody_has_is_taken_at_once(stage: Stage, holder: str | None) -> None:
    stage.put(holder, leaseTransitions=4)
    wait_for(stage.replica("a").is_held)
    assert (stage.spec()["holderIdentity"], stage.spec()["leaseTransitions"]) == ("a", 5)


@pytest.mark.parametrize(("given", "duration"), [({"leaseDurationSeconds": 40}, 40), ({}, DURATION), ({"leaseDurationSeconds": "soon"}, DURATION)])
def test_da_51_another_ones_is_taken_when_it_stayed_the_same_for_its_duration(stage: Stage, given: Json, duration: int) -> None:
    stage.put("other", renewTime="2001-01-01T00:00:00.000000Z", leaseTransitions="?", **given)  # what their clock says does not count
    replica = stage.replica()
    stage.rounds()
    stage.now += duration
    stage.rounds()
    assert (replica.is_held(), stage.server.writes(), repr(replica)) == (False, [], "<Lease secrettool-main not held>")
    stage.now += 1
    wait_for(replica.is_held)
    assert (stage.spec()["holderIdentity"], stage.spec()["leaseTransitions"]) == ("a", 1)


def test_da_51_one_that_is_renewed_is_never_taken(stage: Stage) -> None:
    stage.put("other", leaseDurationSeconds=15, renewTime="0")
    replica = stage.replica()
    for number in range(1, 5):
        stage.rounds()
        stage.now += 14
        stage.put("other", leaseDurationSeconds=15, renewTime=str(number))
        stage.rounds()
    assert (replica.is_held(), stage.server.writes(), stage.changes) == (False, [], [])


def test_da_51_who_was_replaced_stops_at_once(stage: Stage) -> None:
    seats = Seats(1)
    replica = stage.replica(seats=seats)
    wait_for(replica.is_held)
    assert not seats.take()
    stage.put("other")
    wait_for(lambda: not replica.is_held())
    wait_for(lambda: stage.changes == ["a", "a"])
    stage.rounds()
    assert stage.spec()["holderIdentity"] == "other"
    assert seats.take()


def test_da_51_who_cannot_renew_counts_itself_out_before_others_may(stage: Stage) -> None:
    replica = stage.replica()
    wait_for(replica.is_held)
    stage.server.refuse = lambda asked: 403 if asked.method == "PUT" else None
    wait_for(lambda: replica.error is not None)
    stage.now += RENEW_DEADLINE - 1
    stage.rounds()
    assert replica.is_held()
    stage.now += 1.5
    assert not replica.is_held()
    assert RENEW_DEADLINE < DURATION
    wait_for(lambda: len(stage.changes) >= 2)
    assert stage.spec()["holderIdentity"] == "a"
    assert "canary" not in f"{replica.error!r}{replica.error}"
    stage.server.refuse = lambda _: None
    wait_for(replica.is_held)
    assert replica.error is None


def test_da_51_a_request_that_hangs_does_not_keep_it(stage: Stage) -> None:
    replica = stage.replica()
    wait_for(replica.is_held)
    stage.server.hold.clear()
    stage.now += RENEW_DEADLINE + 1
    assert not replica.is_held()
    stage.server.hold.set()


def test_da_51_stopping_gives_it_up_so_that_another_has_it_at_once(stage: Stage) -> None:
    first, second = stage.replica("a"), None
    wait_for(first.is_held)
    second = stage.replica("b")
    stage.rounds()
    assert not second.is_held()
    first.stop()
    assert (first.is_held(), first.is_alive()) == (False, False)
    wait_for(second.is_held)
    assert (stage.spec()["holderIdentity"], stage.spec()["leaseTransitions"]) == ("b", 1)


def test_da_51_what_is_given_up_has_no_holder_and_expires(stage: Stage) -> None:
    replica = stage.replica()
    wait_for(replica.is_held)
    replica.stop()
    assert (stage.spec()["holderIdentity"], stage.spec()["leaseDurationSeconds"]) == ("", 1)


def test_da_51_one_that_cannot_be_given_up_expires_by_itself(stage: Stage) -> None:
    replica = stage.replica()
    wait_for(replica.is_held)
    stage.server.refuse = lambda _: 403
    replica.stop()
    assert replica.error is not None
    assert (replica.is_held(), stage.spec()["holderIdentity"]) == (False, "a")


def test_da_51_who_has_nothing_gives_nothing_up(stage: Stage) -> None:
    stage.put("other")
    replica = stage.replica()
    stage.rounds()
    replica.stop()
    assert (stage.server.writes(), stage.spec()["holderIdentity"]) == ([], "other")


def test_da_51_of_many_replicas_one_has_it(stage: Stage) -> None:
    replicas = [stage.replica(str(number)) for number in range(5)]

    def held() -> int:
        number = sum(replica.is_held() for replica in replicas)
        assert number <= 1
        return number

    for _ in range(5):
        wait_for(lambda: held() == 1)
        for _ in range(20):
            stage.rounds(1)
            held()
        stage.now += DURATION - 1
    wait_for(lambda: held() == 1)


def test_da_51_a_replica_holds_no_more_leases_than_it_may(stage: Stage) -> None:
    seats = Seats(1)
    first = stage.replica(seats=seats)
    wait_for(first.is_held)
    second = stage.replica(seats=seats, ref=REF._replace(name="secrettool-other"))
    stage.rounds(6)
    assert not second.is_held()
    first.stop()
    wait_for(second.is_held)


@pytest.mark.parametrize("status", [403, 409, 422])
def test_da_51_a_seat_is_given_back_when_the_lease_could_not_be_had(stage: Stage, status: int) -> None:
    def refuse(asked: Asked) -> int | None:
        return status if asked.method == "POST" else None

    stage.server.refuse = refuse
    seats = Seats(1)
    replica = stage.replica(seats=seats)
    wait_for(lambda: replica.error is not None)
    stage.rounds(4)
    assert not replica.is_held()
    stage.server.refuse = lambda _: None
    wait_for(replica.is_held)
    assert not seats.take()


def test_seats_are_counted_by_many_threads() -> None:
    seats, taken = Seats(3), []
    threads = [threading.Thread(target=lambda: taken.append(seats.take())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == [False] * 5 + [True] * 3
    seats.give_back()
    assert (seats.take(), seats.take()) == (True, False)
    endless = Seats()
    assert all(endless.take() for _ in range(100))
    endless.give_back()
