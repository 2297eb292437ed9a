"""All sources of a configuration in one process, with Leases, watches and Events against a server on loopback."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from secrettool.cluster.apiserver import ApiServer
from secrettool.errors import SecrettoolError
from secrettool.objects import Ref
from secrettool.sidecar import lease as leasing
from secrettool.sidecar import loop as looping
from secrettool.sidecar import supervisor as supervising
from secrettool.sidecar.config import ApplySettings, Config, DirSource, FluxSource, Keys, Leases, Origin, RenderSettings, Source, StdinSource
from secrettool.sidecar.inventory import OWNER
from secrettool.sidecar.state import NoRecorder, SourceState
from secrettool.sidecar.supervisor import Outside, Pod, Supervisor, first_board, stdin_reader
from tests.interop.gitops import KEY_FILE, values
from tests.interop.sidecars import secret
from tests.unit.cluster.apiserving import FolderServer, Json, serving
from tests.unit.sidecar.artifacts import KIND, V1, repository, serving_artifacts
from tests.waiting import wait_for

CANARY = "canary-9d2f"
SECRET = secret("db", "default", password=CANARY)
KEYS = Keys(files=(str(KEY_FILE),))
POD = Pod("default", "sidecar-0")


class Stage:
    """A server, and a folder that is applied to it."""

    def __init__(self, server: FolderServer, cluster: ApiServer, folder: Path) -> None:
        self.server = server
        self.cluster = cluster
        self.folder = folder
        self.tree = folder / "tree"
        self.tree.mkdir()
        (self.tree / "db.yaml").write_text(SECRET, encoding="utf-8")
        self.states: dict[int, Any] = {}

    def source(self, id_: str = "main", origin: Origin | None = None, **more: Any) -> Source:
        usual = {"keys": KEYS, "interval": 3600.0, "apply": ApplySettings()}
        return Source(id=id_, origin=origin or DirSource(str(self.tree)), **{**usual, **more})

    def render(self, name: str = "target", **more: Any) -> Source:
        return self.source(name, apply=None, render=RenderSettings(target=str(self.folder / name)), **more)

    def supervisor(self, *sources: Source, pod: Pod = POD, cluster: bool = True, stdin: str = "", **more: Any) -> Supervisor:
        config = Config(sources=sources, allow_disk=True, **more)
        outside = Outside(self.cluster if cluster else None, pod, os.environ, lambda limit: stdin.encode())
        board = first_board(config)
        made = Supervisor(config, outside, board, NoRecorder())
        self.states[id(made)] = board
        return made

    def state(self, supervisor: Supervisor, id_: str = "main") -> SourceState:
        found: SourceState = self.states[id(supervisor)].snapshot().sources[id_]
        return found

    @contextmanager
    def running(self, supervisor: Supervisor) -> Iterator[Supervisor]:
        supervisor.start()
        try:
            yield supervisor
        finally:
            supervisor.stop()
            assert not supervisor.is_alive() or not supervisor._threads

    def value(self, name: str = "db") -> str | None:
        live = self.server.folder.get(Ref("v1", "Secret", "default", name))
        return None if live is None else values(live)["password"].decode()

    def lease(self, id_: str = "main") -> Json:
        found: Json = self.server.there(Ref(leasing.API_VERSION, "Lease", "default", f"secrettool-{id_}"))["spec"]
        return found

    def events(self) -> list[tuple[str, str]]:
        found = self.server.folder.list_objects("events.k8s.io/v1", "Event", "default")
        return sorted((event["reason"], f"{event['regarding']['kind']}/{event['regarding']['name']}") for event in found)


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.setattr(looping, "POLL", 0.05)
    monkeypatch.setattr(leasing, "RETRY", 0.02)
    with serving(tmp_path / "cluster") as server, server.client() as cluster:
        yield Stage(server, cluster, tmp_path)


# ---- one pass ------------------------------------------------------------------------------------------------------------------------------------


def test_once_does_a_pass_of_each_source_and_asks_for_no_lease(stage: Stage) -> None:
    made = stage.supervisor(stage.source(), stage.render(), leases=Leases(enabled=True))
    made.check_keys()
    reports = made.once()
    assert [(report.cause, report.wrote) for report in reports] == [("", True), ("", True)]
    assert stage.value() == CANARY
    assert (stage.folder / "target/default/db/password").read_text(encoding="utf-8") == CANARY
    assert not any("leases" in each.path for each in stage.server.asked)
    assert stage.events() == [("Applied", "Pod/sidecar-0"), ("Applied", "Pod/sidecar-0")]


def test_once_from_stdin_without_a_cluster(stage: Stage) -> None:
    made = stage.supervisor(stage.render(origin=StdinSource()), cluster=False, stdin=SECRET)
    (report,) = made.once()
    assert (report.cause, report.wrote, stage.server.asked) == ("", True, [])


def test_nothing_is_told_about_a_pod_without_a_name_or_when_no_events_are_wanted(stage: Stage) -> None:
    stage.supervisor(stage.source(), pod=Pod("default", "")).once()
    stage.supervisor(stage.render(), events=False).once()
    assert (stage.value(), stage.events()) == (CANARY, [])


def test_only_sources_with_the_labels_of_the_selector_are_worked_on(stage: Stage) -> None:
    chosen, other = stage.source("chosen", labels={"shard": "a"}), stage.render(labels={"shard": "b"})
    made = stage.supervisor(chosen, other, selector={"shard": "a"})
    assert len(made.once()) == 1
    assert not (stage.folder / "target").exists()


def test_keys_that_cannot_be_used_are_told_before_the_start(stage: Stage, tmp_path: Path) -> None:
    bad = tmp_path / "bad.txt"
    bad.write_text(CANARY, encoding="utf-8")
    with pytest.raises(SecrettoolError) as caught:
        stage.supervisor(stage.source(keys=Keys(files=(str(bad),)))).check_keys()
    assert CANARY not in str(caught.value)


def test_a_source_of_flux_is_told_of_by_its_own_events(stage: Stage) -> None:
    stage.server.define(V1, KIND)
    with serving_artifacts() as artifacts:
        stage.server.put(repository(artifacts.publish("one", {"db.yaml": SECRET})))
        (report,) = stage.supervisor(stage.source(origin=FluxSource(KIND, "default", "fleet"))).once()
    assert (report.cause, report.revision) == ("", "one")
    assert stage.events() == [("Applied", f"{KIND}/fleet")]


# ---- until it is stopped -------------------------------------------------------------------------------------------------------------------------


def test_it_works_until_it_is_stopped(stage: Stage) -> None:
    made = stage.supervisor(stage.source(), stage.render())
    with stage.running(made):
        wait_for(lambda: all(stage.state(made, id_).passes for id_ in ("main", "target")))
        assert made.is_alive()
        (stage.tree / "db.yaml").write_text(secret("db", "default", password="second"), encoding="utf-8")
        wait_for(lambda: stage.value() == "second")
        wait_for(lambda: (stage.folder / "target/default/db/password").read_text(encoding="utf-8") == "second")
    assert [stage.state(made, id_).phase for id_ in ("main", "target")] == ["stopped", "stopped"]
    assert stage.states[id(made)].snapshot().is_stopping


def test_refresh_starts_a_pass_of_one_of_all_and_of_none(stage: Stage) -> None:
    made = stage.supervisor(stage.source(), stage.render())
    with stage.running(made):
        wait_for(lambda: all(stage.state(made, id_).passes == 1 for id_ in ("main", "target")))
        (file,) = stage.server.path.rglob("secret-db.yaml")
        file.unlink()
        assert not made.refresh("nowhere")
        assert made.refresh("main")
        wait_for(lambda: stage.value() == CANARY)
        wait_for(lambda: stage.state(made).passes == 2)
        file.unlink()
        assert made.refresh("")
        wait_for(lambda: stage.state(made).passes == 3)
        assert stage.state(made, "target").passes == 1  # a look showed that everything is in its place
    assert ("DriftCorrected", "Pod/sidecar-0") in stage.events()


def test_a_new_artifact_starts_a_pass_at_once(stage: Stage) -> None:
    stage.server.define(V1, KIND)
    with serving_artifacts() as artifacts:
        stage.server.put(repository(artifacts.publish("one", {"db.yaml": SECRET})))
        made = stage.supervisor(stage.source(origin=FluxSource(KIND, "default", "fleet")))
        with stage.running(made):
            wait_for(lambda: stage.state(made).revision == "one")
            stage.server.put(repository(artifacts.publish("two", {"db.yaml": secret("db", "default", password="second")})))
            wait_for(lambda: stage.state(made).revision == "two")
    assert stage.value() == "second"


# ---- Leases --------------------------------------------------------------------------------------------------------------------------------------


def test_da_51_of_two_replicas_one_works_and_the_other_takes_over(stage: Stage) -> None:
    leases = Leases(enabled=True)
    first = stage.supervisor(stage.source(), leases=leases)
    second = stage.supervisor(stage.source(), pod=Pod("default", "sidecar-1"), leases=leases)
    with stage.running(second):
        with stage.running(first):
            wait_for(lambda: stage.state(first).passes + stage.state(second).passes == 1)
            leader, other = (first, second) if stage.state(first).is_leader else (second, first)
            wait_for(lambda: stage.state(other).phase == "standby")
            assert (stage.state(leader).is_leader, stage.state(other).is_leader, stage.state(other).passes) == (True, False, 0)
            assert stage.lease()["holderIdentity"].startswith("sidecar-0_" if leader is first else "sidecar-1_")
        wait_for(lambda: stage.state(second).is_leader)
        wait_for(lambda: stage.state(second).passes == 1)
        assert stage.lease()["holderIdentity"].startswith("sidecar-1_")
        assert first.is_alive() is False
    assert stage.lease()["holderIdentity"] == ""
    assert stage.value() == CANARY


def test_da_51_who_lost_the_lease_writes_nothing_more(stage: Stage) -> None:
    made = stage.supervisor(stage.source(), leases=Leases(enabled=True))
    with stage.running(made):
        wait_for(lambda: stage.state(made).passes == 1)
        ref = Ref(leasing.API_VERSION, "Lease", "default", "secrettool-main")
        lease = stage.server.there(ref)
        stage.server.put({**lease, "spec": {**lease["spec"], "holderIdentity": "other"}})
        wait_for(lambda: not stage.state(made).is_leader)
        (stage.tree / "db.yaml").write_text(secret("db", "default", password="second"), encoding="utf-8")
        ticked = stage.state(made).ticked
        wait_for(lambda: stage.state(made).ticked > ticked + 0.2)
        assert (stage.value(), stage.state(made).phase, stage.state(made).passes) == (CANARY, "standby", 1)
    assert stage.lease()["holderIdentity"] == "other"


def test_da_51_files_are_written_without_a_lease_and_leases_lie_where_that_is_set(stage: Stage) -> None:
    stage.server.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "elsewhere"}})
    made = stage.supervisor(stage.source(), stage.render(), leases=Leases(enabled=True, namespace="elsewhere", most=1), pod=Pod("default", ""))
    with stage.running(made):
        wait_for(lambda: all(stage.state(made, id_).passes == 1 for id_ in ("main", "target")))
        assert (stage.state(made).lease, stage.state(made, "target").lease) == ("secrettool-main", "")
    leases = stage.server.folder.list_objects(leasing.API_VERSION, "Lease", "elsewhere")
    assert [lease["metadata"]["name"] for lease in leases] == ["secrettool-main"]


def test_sources_do_not_touch_each_others_objects(stage: Stage) -> None:
    stage.supervisor(stage.source("one")).once()
    (report,) = stage.supervisor(stage.source("two")).once()
    assert (report.cause, report.wrote) == ("conflict", False)
    live = stage.server.there(Ref("v1", "Secret", "default", "db"))
    assert live["metadata"]["labels"] == {OWNER: "one"}
    assert ("ApplyConflict", "Pod/sidecar-0") in stage.events()


# ---- the pod -------------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "account", "pod"),
    [
        ({"POD_NAMESPACE": "shop", "POD_NAME": "a", "HOSTNAME": "h"}, "account\n", Pod("shop", "a")),
        ({"HOSTNAME": "h"}, " account \n", Pod("account", "h")),
        ({}, "", Pod("default", "")),
        ({}, None, Pod("default", "")),
        ({"POD_NAMESPACE": ""}, "ü", Pod("default", "")),
    ],
)
def test_pod_is_known_from_the_environment_else_from_its_account(
    environ: dict[str, str], account: str | None, pod: Pod, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "namespace"
    monkeypatch.setattr(supervising, "ACCOUNT_NAMESPACE", str(file))
    if account is not None:
        file.write_text(account, encoding="utf-8")
    assert Pod.of(environ) == pod


def test_stdin_is_read_to_one_byte_more_than_allowed(tmp_path: Path) -> None:
    file = tmp_path / "stdin"
    file.write_bytes(b"0123456789")
    descriptor = os.open(file, os.O_RDONLY)
    try:
        assert stdin_reader(descriptor)(4) == b"01234"
        os.lseek(descriptor, 0, os.SEEK_SET)
        assert stdin_reader(descriptor)(100) == b"0123456789"
    finally:
        os.close(descriptor)


def test_first_board_shows_the_sources_of_this_replica(stage: Stage) -> None:
    config = Config(sources=(replace(stage.source(), labels={"a": "b"}), stage.render()), selector={"a": "b"})
    (state,) = first_board(config).snapshot().sources.values()
    assert (state.id, state.mode, state.kind, state.phase, state.is_first_done) == ("main", "apply", "dir", "starting", False)
