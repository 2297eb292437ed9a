"""Events: what stands in them, what is folded into one, and that nobody waits for them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from secrettool.cluster.apiserver import ApiServer
from secrettool.objects import Ref
from secrettool.sidecar import events as eventing
from secrettool.sidecar.events import API_VERSION, CONTROLLER, FOLD_SECONDS, MAX_NOTE, MAX_WAITING, Events, Reason
from tests.unit.cluster.apiserving import FolderServer, Json, serving
from tests.waiting import PATIENCE, wait_for

POD = Ref("v1", "Pod", "default", "sidecar-0")


class Stage:
    """A server, a clock, and Events that are written at `end`."""

    def __init__(self, server: FolderServer, cluster: ApiServer) -> None:
        self.server = server
        self.now = 1_800_000_000.0
        self.events = Events(cluster, "sidecar-0", "default")

    def tell(self, note: str = "source main: 1 created", *, reason: Reason = "Applied", regarding: Ref = POD, after: float = 0.0) -> None:
        self.now += after
        self.events.tell(regarding, reason, note)

    def end(self) -> list[Json]:
        """Write what was told, and give all that is there, the oldest first."""
        self.events.start()
        self.events.stop(PATIENCE)
        return sorted(self.server.folder.list_objects(API_VERSION, "Event", "default"), key=lambda each: str(each["eventTime"]))


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    with serving(tmp_path / "cluster") as server, server.client() as cluster:
        made = Stage(server, cluster)
        monkeypatch.setattr(eventing, "time", SimpleNamespace(time=lambda: made.now))
        yield made


def test_da_52_an_event_says_who_what_and_about_what(stage: Stage) -> None:
    stage.tell()
    (event,) = stage.end()
    assert event["metadata"]["name"].startswith("sidecar-0.")
    expected = {
        "eventTime": "2027-01-15T08:00:00.000000Z",
        "reportingController": CONTROLLER,
        "reportingInstance": "sidecar-0",
        "action": "Reconcile",
        "reason": "Applied",
        "type": "Normal",
        "note": "source main: 1 created",
        "regarding": {"apiVersion": "v1", "kind": "Pod", "namespace": "default", "name": "sidecar-0"},
    }
    assert {name: event[name] for name in expected} == expected
    assert "series" not in event


@pytest.mark.parametrize(
    ("reason", "type_"),
    [
        ("Applied", "Normal"),
        ("KeysReloaded", "Normal"),
        ("DriftCorrected", "Normal"),
        ("ApplyFailed", "Warning"),
        ("DecryptFailed", "Warning"),
        ("GuardTripped", "Warning"),
        ("ApplyConflict", "Warning"),
        ("SourceUnavailable", "Warning"),
    ],
)
def test_da_52_failures_are_warnings(stage: Stage, reason: Reason, type_: str) -> None:
    stage.tell(reason=reason)
    assert [(event["reason"], event["type"]) for event in stage.end()] == [(reason, type_)]


def test_da_52_what_repeats_is_counted_in_one_event(stage: Stage) -> None:
    for _ in range(4):
        stage.tell(after=FOLD_SECONDS - 1)  # from one to the next, however long it lasts in all
    (event,) = stage.end()
    assert event["series"] == {"count": 4, "lastObservedTime": "2027-01-15T08:39:56.000000Z"}
    assert [each.split()[0] for each in stage.server.writes()] == ["POST", "PATCH", "PATCH", "PATCH"]


def test_da_52_what_comes_again_after_ten_minutes_is_another_event(stage: Stage) -> None:
    stage.tell()
    stage.tell(after=FOLD_SECONDS)
    stage.tell(after=1)
    assert [event.get("series", {}).get("count") for event in stage.end()] == [None, 2]


def test_da_52_only_the_same_is_folded(stage: Stage) -> None:
    stage.tell()
    stage.tell("source main: 2 created", after=1)
    stage.tell(reason="DriftCorrected", after=1)
    stage.tell(regarding=POD._replace(name="sidecar-1"), after=1)
    assert len(stage.end()) == 4


def test_da_52_an_event_that_was_deleted_is_made_again(stage: Stage) -> None:
    stage.events.start()
    stage.tell()
    wait_for(lambda: stage.server.folder.list_objects(API_VERSION, "Event", "default"))
    (found,) = stage.server.folder.list_objects(API_VERSION, "Event", "default")
    head = found["metadata"]
    ref = Ref(API_VERSION, "Event", "default", head["name"])
    stage.server.folder.delete(ref, uid=head["uid"], resource_version=head["resourceVersion"])
    stage.tell(after=1)
    stage.events.stop(PATIENCE)
    (event,) = stage.server.folder.list_objects(API_VERSION, "Event", "default")
    assert event["metadata"]["name"] != head["name"]
    assert "series" not in event


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_da_52_one_that_is_refused_is_dropped_and_the_next_is_written(stage: Stage, method: str) -> None:
    refused: list[str] = []

    def refuse(asked: object) -> int | None:
        if str(asked).startswith(method) and not refused:
            refused.append(str(asked))
            return 403
        return None

    stage.server.refuse = refuse
    for _ in range(2):
        stage.tell(after=1)
    stage.tell("another", after=1)
    assert [(event["note"], "series" in event) for event in stage.end()] == [("source main: 1 created", False), ("another", False)]
    assert len(refused) == 1


def test_da_52_nobody_waits_for_a_cluster_that_takes_none(stage: Stage) -> None:
    stage.server.hold.clear()
    stage.events.start()
    for number in range(3 * MAX_WAITING):
        stage.tell(f"note {number}")
    stage.events.stop(0.01)  # the queue is full, so that not even the end can be told
    assert len(stage.server.asked) <= 1
    stage.server.refuse = lambda _: 403
    stage.server.hold.set()


def test_da_52_a_long_note_is_cut_between_two_characters(stage: Stage) -> None:
    stage.tell("x" + "é" * MAX_NOTE)
    (event,) = stage.end()
    assert event["note"] == "x" + "é" * ((MAX_NOTE - 1) // 2)


def test_da_52_about_what_lies_in_no_namespace_it_is_told_in_our_own(stage: Stage) -> None:
    stage.tell(regarding=Ref("v1", "Node", "", "n" * 250))
    (event,) = stage.end()
    assert event["metadata"]["namespace"] == "default"
    assert len(event["metadata"]["name"]) <= 253


def test_stopping_what_was_never_started_returns(stage: Stage) -> None:
    stage.tell()
    stage.events.stop(PATIENCE)
    assert stage.server.asked == []


def test_when_nothing_happens_for_long_what_was_written_is_forgotten(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eventing, "FOLD_SECONDS", 0.05)
    stage.events.start()
    end = time.monotonic() + PATIENCE
    while len(stage.server.folder.list_objects(API_VERSION, "Event", "default")) < 2:  # the clock stands still: else they would be one
        assert time.monotonic() < end
        stage.tell()
        time.sleep(0.2)
    stage.events.stop(PATIENCE)
