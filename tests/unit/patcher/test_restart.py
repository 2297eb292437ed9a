"""Restarts after a change, and waiting for them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from secrettool.errors import ClusterError, Outcome
from secrettool.objects import Ref
from secrettool.patcher.restart import is_reloaded, is_rolled_out, restarted_at, uses
from secrettool.patcher.result import outcome
from tests.unit.patcher.support import NOW, REF, World, codes, one_target, patch_map, secret

STAMP = {"secrettool.dev/restartedAt": "2026-05-06T07:08:09Z"}
APP = "restart: [{kind: Deployment, name: app}]"


def workload(name: str = "app", pod: dict[str, Any] | None = None, kind: str = "Deployment", notes: dict[str, str] | None = None) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": "ns", **({"annotations": notes} if notes else {})},
        "spec": {"template": {"metadata": {"labels": {"app": name}}, "spec": pod or {"containers": []}}},
    }


def template_notes(world: World, name: str = "app", kind: str = "Deployment") -> dict[str, str]:
    notes: dict[str, str] = world.get(Ref("apps/v1", kind, "ns", name))["spec"]["template"]["metadata"].get("annotations", {})
    return notes


def names(refs: tuple[Ref, ...]) -> list[str]:
    return [str(ref) for ref in refs]


def test_pt_36_restart_follows_a_change(tmp_path: Path) -> None:
    world = World(tmp_path / "c", [secret({"a": "REPLACE_ME"}), workload()])

    result = world.one(one_target("{a: x}", "x", more=APP), {"x": "v"})

    assert names(result.restarted) == ["Deployment/ns/app"]
    assert template_notes(world) == STAMP
    managers = [entry["manager"] for entry in world.get(Ref("apps/v1", "Deployment", "ns", "app"))["metadata"]["managedFields"]]
    assert managers == ["secrettool-restart"]


def test_pt_36_no_restart_without_a_changed_key(tmp_path: Path) -> None:
    owned = secret({"a": "v"}, labels={"kustomize.toolkit.fluxcd.io/name": "apps"})
    world = World(tmp_path / "c", [owned, workload()])

    result = world.one(one_target("{a: x}", "x", more=APP), {"x": "v"})

    assert (result.word, result.annotation, result.restarted, template_notes(world)) == ("changed", "added", (), {})


def test_pt_36_workload_of_two_targets_is_restarted_once(tmp_path: Path) -> None:
    world = World(tmp_path / "c", [secret(name="one"), secret(name="two"), workload()])
    text = "".join(f"  - {{id: {name}, ref: {{kind: Secret, namespace: ns, name: {name}}}, keys: {{a: x}}, {APP}}}\n" for name in ("one", "two"))

    results = world.run(patch_map(text, "x"), {"x": "v"})

    assert [names(row.restarted) for row in results] == [["Deployment/ns/app"]] * 2
    assert world.cluster.writes.count("merge Deployment/ns/app") == 1


def test_pt_36_failed_restart_is_a_failure_of_a_changed_object(tmp_path: Path) -> None:
    world = World(tmp_path / "c", [secret()])

    result = world.one(one_target("{a: x}", "x", more=APP), {"x": "v"})

    assert (result.word, codes(result), world.data()) == ("changed", ["RS01 error"], {"a": b"v"})
    assert outcome([result]) == Outcome.SOME_FAILED


def test_pt_36_plan_restarts_nothing(tmp_path: Path) -> None:
    world = World(tmp_path / "c", [secret(), workload()])

    assert world.one(one_target("{a: x}", "x", more=APP), {"x": "v"}, mode="plan").restarted == ()
    assert world.cluster.writes == []


SECRET_VOLUME = {"volumes": [{"name": "v", "secret": {"secretName": "s"}}]}
PROJECTED = {"volumes": [{"name": "v", "projected": {"sources": [{"secret": {"name": "s"}}]}}]}
ENV_FROM = {"containers": [{"name": "c", "envFrom": [{"secretRef": {"name": "s"}}]}]}
ENV = {"initContainers": [{"name": "c", "env": [{"name": "E", "valueFrom": {"secretKeyRef": {"name": "s", "key": "a"}}}]}]}
OTHER = {
    "containers": [{"name": "c", "envFrom": [{"configMapRef": {"name": "s"}}], "env": [{"name": "s", "value": "s"}]}],
    "volumes": [{"name": "s", "secret": {"secretName": "other"}}],
}


@pytest.mark.parametrize(("pod", "expected"), [(SECRET_VOLUME, True), (PROJECTED, True), (ENV_FROM, True), (ENV, True), (OTHER, False), ({}, False)])
def test_pt_36_auto_knows_what_uses_a_secret(pod: dict[str, Any], expected: bool) -> None:
    assert uses(workload(pod=pod), REF) is expected


def test_pt_36_auto_restarts_what_uses_the_secret(tmp_path: Path) -> None:
    objects = [workload("one", ENV), workload("two", OTHER), workload("three", SECRET_VOLUME, "StatefulSet"), workload("four", ENV_FROM, "DaemonSet")]
    world = World(tmp_path / "c", [secret(), *objects])

    result = world.one(one_target("{a: x}", "x", more="restart: auto"), {"x": "v"})

    assert names(result.restarted) == ["Deployment/ns/one", "StatefulSet/ns/three", "DaemonSet/ns/four"]


def test_pt_36_auto_that_may_not_list(tmp_path: Path) -> None:
    world = World(tmp_path / "c", [secret()])

    def forbid(request: str) -> None:
        if request.startswith("list"):
            raise ClusterError("403 Forbidden", status=403)

    world.cluster.before = forbid

    assert codes(world.one(one_target("{a: x}", "x", more="restart: auto"), {"x": "v"})) == ["RS01 error"]


@pytest.mark.parametrize(
    ("notes", "expected"),
    [
        ({"reloader.stakater.com/auto": "true"}, True),
        ({"secret.reloader.stakater.com/auto": "true"}, True),
        ({"secret.reloader.stakater.com/reload": "other, s"}, True),
        ({"secret.reloader.stakater.com/reload": "other"}, False),
        ({"reloader.stakater.com/auto": "false"}, False),
        (None, False),
    ],
)
def test_pt_36_workloads_of_reloader_are_left_to_it(tmp_path: Path, notes: dict[str, str] | None, expected: bool) -> None:
    world = World(tmp_path / "c", [secret(), workload(notes=notes)])

    result = world.one(one_target("{a: x}", "x", more=APP), {"x": "v"})

    assert is_reloaded(workload(notes=notes), "s") is expected
    assert (result.restarted == ()) is expected
    assert result.is_good


def rolled(kind: str = "Deployment", generation: int = 3, **status: int) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"generation": generation}, "spec": {"replicas": 2}, "status": status}


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        (rolled(observedGeneration=3, replicas=2, updatedReplicas=2, availableReplicas=2), True),
        (rolled(observedGeneration=2, replicas=2, updatedReplicas=2, availableReplicas=2), False),
        (rolled(observedGeneration=3, replicas=3, updatedReplicas=2, availableReplicas=2), False),
        (rolled(observedGeneration=3, replicas=2, updatedReplicas=1, availableReplicas=2), False),
        (rolled(observedGeneration=3, replicas=2, updatedReplicas=2, availableReplicas=1), False),
        (rolled("DaemonSet", observedGeneration=3, desiredNumberScheduled=4, updatedNumberScheduled=4, numberAvailable=4), True),
        (rolled("DaemonSet", observedGeneration=3, desiredNumberScheduled=4, updatedNumberScheduled=3, numberAvailable=4), False),
    ],
)
def test_pt_36_rollout_is_over(obj: dict[str, Any], expected: bool) -> None:
    assert is_rolled_out(obj, 3) is expected


def test_pt_36_wait_gives_up(tmp_path: Path) -> None:
    world = World(tmp_path / "c", [secret(), workload()])

    result = world.one(one_target("{a: x}", "x", more=APP), {"x": "v"}, wait=5.0)

    assert (codes(result), result.word, world.pauses) == (["RS02 error"], "changed", [2.0, 2.0, 1.0])


def test_pt_36_wait_ends_when_the_pods_are_there(tmp_path: Path) -> None:
    ready = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}
    world = World(tmp_path / "c", [secret(), workload() | {"status": ready}])

    result = world.one(one_target("{a: x}", "x", more=APP), {"x": "v"}, wait=5.0)

    assert (names(result.restarted), result.is_good, world.pauses) == (["Deployment/ns/app"], True, [])


def test_last_restart_is_the_latest_of_all_signs() -> None:
    obj = workload()
    obj["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
    assert restarted_at(obj) == datetime(2026, 1, 1, tzinfo=UTC)
    obj["spec"]["template"]["metadata"]["annotations"] = {"kubectl.kubernetes.io/restartedAt": "2026-05-06T09:08:10+02:00", **STAMP}
    assert restarted_at(obj) == NOW.replace(second=10)


def test_pt_36_second_restart_in_one_second_is_one(tmp_path: Path) -> None:
    world = World(tmp_path / "c", [secret(), workload()])
    wanted = one_target("{a: x}", "x", more=APP)
    for value in ("1", "2"):
        world.run(wanted, {"x": value})

    assert template_notes(world) == {"secrettool.dev/restartedAt": "2026-05-06T07:08:10Z"}


def test_pt_36_paused_deployment_is_not_said_to_be_restarted(tmp_path: Path) -> None:
    paused = workload()
    paused["spec"]["paused"] = True
    world = World(tmp_path / "c", [secret(), paused])

    result = world.one(one_target("{a: x}", "x", more=APP), {"x": "v"})

    assert (codes(result), result.restarted, template_notes(world)) == (["RS01 error"], (), {})


def test_pt_36_reloader_for_one_secret_leaves_the_other_to_us(tmp_path: Path) -> None:
    notes = {"secret.reloader.stakater.com/reload": "one"}
    world = World(tmp_path / "c", [secret(name="one"), secret(name="two"), workload(notes=notes)])
    text = "".join(f"  - {{id: {name}, ref: {{kind: Secret, namespace: ns, name: {name}}}, keys: {{a: x}}, {APP}}}\n" for name in ("one", "two"))

    results = world.run(patch_map(text, "x"), {"x": "v"})

    assert world.cluster.writes.count("merge Deployment/ns/app") == 1
    assert names(results[1].restarted) == ["Deployment/ns/app"]


def test_pt_36_all_workloads_are_restarted_before_one_is_waited_for(tmp_path: Path) -> None:
    world = World(tmp_path / "c", [secret(), workload("one"), workload("two")])
    more = "restart: [{kind: Deployment, name: one}, {kind: Deployment, name: two}]"

    result = world.one(one_target("{a: x}", "x", more=more), {"x": "v"}, wait=5.0)

    assert names(result.restarted) == ["Deployment/ns/one", "Deployment/ns/two"]
    assert (codes(result), sum(world.pauses)) == (["RS02 error", "RS02 error"], 5.0)


def stuck(**spec: Any) -> dict[str, Any]:
    return workload(kind="StatefulSet") | {"spec": workload()["spec"] | {"replicas": 2} | spec}


@pytest.mark.parametrize(
    ("obj", "cause"),
    [
        (stuck(updateStrategy={"type": "OnDelete"}), "OnDelete"),
        (stuck() | {"status": {"observedGeneration": 9, "conditions": [{"type": "Progressing", "reason": "ProgressDeadlineExceeded"}]}}, "Deadline"),
    ],
)
def test_pt_36_rollout_that_cannot_end_is_not_waited_for(tmp_path: Path, obj: dict[str, Any], cause: str) -> None:
    world = World(tmp_path / "c", [secret(), obj])

    result = world.one(one_target("{a: x}", "x", more="restart: [{kind: StatefulSet, name: app}]"), {"x": "v"}, wait=5.0)

    assert (codes(result), world.pauses) == (["RS02 error"], [])
    assert cause in result.findings[0].text


def test_pt_36_partition_of_a_stateful_set_stays_old() -> None:
    obj = rolled(observedGeneration=3, replicas=2, updatedReplicas=1, availableReplicas=2)
    assert not is_rolled_out(obj)
    assert is_rolled_out(obj | {"spec": {"replicas": 2, "updateStrategy": {"rollingUpdate": {"partition": 1}}}})
