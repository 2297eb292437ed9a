"""What the sidecar does to objects of a cluster: ours, others', and those that are gone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from secrettool.cluster.folder import FolderCluster
from secrettool.cluster.model import Unavailable
from secrettool.cluster.parallel import AHEAD
from secrettool.errors import ClusterError, Outcome
from secrettool.flux import APPLY_MANAGER, LiveObject
from secrettool.objects import Object, Ref, ref_of
from secrettool.sidecar.applying import Applied, Applier, Fenced, ForeignObject, LeaseLost
from secrettool.sidecar.config import ApplySettings, DirSource, Source
from secrettool.sidecar.inventory import OWNER, Inventory
from tests.unit.cluster.memory import MemoryCluster

Json = dict[str, Any]
INVENTORY = Ref("v1", "ConfigMap", "default", "secrettool-inventory-main")


class Watched(FolderCluster):
    """A folder with the rules of an API server that notes what is written, and fails on demand.

    Attributes:
        log: What was written, such as `apply db`.
        failing: What fails, as it would be noted; reads are `get db`.
    """

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.log: list[str] = []
        self.failing: dict[str, ClusterError] = {}

    def _note(self, verb: str, name: str) -> None:
        self.log.append(f"{verb} {name}")
        if f"{verb} {name}" in self.failing:
            raise self.failing[f"{verb} {name}"]

    def get(self, ref: Ref) -> Json | None:
        self._note("get", ref.name)
        return super().get(ref)

    def apply(self, obj: Object, *, manager: str, force: bool = False, dry_run: bool = False) -> Json:
        self._note("try" if dry_run else "apply", ref_of(obj).name)
        return super().apply(obj, manager=manager, force=force, dry_run=dry_run)

    def delete(self, ref: Ref, *, uid: str, resource_version: str, dry_run: bool = False) -> None:
        self._note("delete", ref.name)
        super().delete(ref, uid=uid, resource_version=resource_version, dry_run=dry_run)


def forbidden() -> ClusterError:
    return ClusterError("403 Forbidden", status=403, reason="Forbidden")


def secret(name: str = "db", *, owner: str | None = None, namespace: str | None = "default", **more: Any) -> Json:
    head: Json = {"name": name} | ({"namespace": namespace} if namespace else {}) | ({"labels": {OWNER: owner}} if owner else {})
    return {"apiVersion": "v1", "kind": "Secret", "metadata": head, "stringData": {"password": "x"}, **more}


class Stage:
    """A cluster and a source that is applied to it."""

    def __init__(self, folder: Path) -> None:
        self.cluster = Watched(str(folder))
        self.may_write = True

    def applier(self, **settings: Any) -> Applier:
        source = Source(id="main", origin=DirSource("/source"), apply=ApplySettings(**settings))
        return Applier(source, self.cluster, namespace="default", may_write=lambda: self.may_write)

    def run(self, *objs: Json, **settings: Any) -> Applied:
        return self.applier(**settings).run(objs)

    def live(self, name: str = "db", kind: str = "Secret") -> Json | None:
        return FolderCluster.get(self.cluster, Ref("v1", kind, "default", name))

    def put(self, obj: Json, manager: str = "helm", *, force: bool = True) -> None:
        """Let somebody else apply an object."""
        FolderCluster.apply(self.cluster, obj, manager=manager, force=force)

    def writes(self) -> list[str]:
        return [each for each in self.cluster.log if each.startswith(("apply", "delete"))]

    def inventory(self) -> list[str]:
        found = self.live(INVENTORY.name, "ConfigMap")
        return [] if found is None else found.get("data", {}).get("objects", "").splitlines()


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    (tmp_path / "cluster").mkdir()
    return Stage(tmp_path / "cluster")


def actions(applied: Applied) -> dict[str, str]:
    return {each.name.rpartition("/")[2]: each.action for each in applied.objects}


# ---- ours ----------------------------------------------------------------------------------------------------------------------------------------


def test_da_40_what_is_not_there_is_created_with_our_label_and_then_left_alone(stage: Stage) -> None:
    applier = stage.applier()
    first = applier.run([secret("a"), secret("b")])
    assert (actions(first), first.wrote, first.errors) == ({"a": "created", "b": "created"}, True, ())
    live = stage.live("a")
    assert live is not None
    assert live["metadata"]["labels"] == {OWNER: "main"}
    assert {each.name for each in LiveObject.from_object(live).managers} == {APPLY_MANAGER}
    stage.cluster.log.clear()
    second = applier.run([secret("a"), secret("b")])
    assert (actions(second), second.wrote) == ({"a": "unchanged", "b": "unchanged"}, False)
    assert sorted(stage.cluster.log) == ["get a", "get b"]


def test_da_40_labels_of_the_object_stay_and_ours_cannot_be_claimed(stage: Stage) -> None:
    obj = secret(owner="somebody")
    obj["metadata"]["labels"]["app"] = "shop"
    stage.run(obj)
    live = stage.live()
    assert live is not None
    assert live["metadata"]["labels"] == {OWNER: "main", "app": "shop"}


def test_what_the_source_changes_is_configured_and_is_no_drift(stage: Stage) -> None:
    applier = stage.applier()
    applier.run([secret()])
    assert not applier.has_drifted()
    done = applier.run([secret(stringData={"user": "u"})])
    assert [(each.action, each.is_drifted) for each in done.objects] == [("configured", False)]
    live = stage.live()
    assert live is not None
    assert list(live["data"]) == ["user"]


@pytest.mark.parametrize("change", ["edit", "delete"])
def test_drift_is_seen_by_versions_alone_and_corrected(stage: Stage, change: str) -> None:
    applier = stage.applier(force=True)
    applier.run([secret()])
    if change == "edit":
        stage.put(secret(owner="main", stringData={"password": "other"}))
    else:
        (file,) = Path(stage.cluster._path).rglob("*.yaml")
        file.unlink()
    assert applier.has_drifted()
    done = applier.run([secret()])
    assert [(each.action, each.is_drifted) for each in done.objects] == [("configured" if change == "edit" else "created", True)]
    assert not applier.has_drifted()
    assert actions(applier.run([secret()])) == {"db": "unchanged"}


def test_what_another_replica_applied_meanwhile_is_no_drift(stage: Stage) -> None:
    applier = stage.applier(force=True)
    applier.run([secret()])
    stage.run(secret(stringData={"password": "new"}))
    applier.forget()
    done = applier.run([secret()])
    assert [(each.action, each.is_drifted) for each in done.objects] == [("configured", False)]


def test_a_look_for_drift_fails_when_the_cluster_does(stage: Stage) -> None:
    applier = stage.applier()
    applier.run([secret()])
    stage.cluster.failing["get db"] = forbidden()
    with pytest.raises(ClusterError, match="403"):
        applier.has_drifted()


# ---- which objects -------------------------------------------------------------------------------------------------------------------------------


def test_da_39_only_kinds_that_are_named_are_applied(stage: Stage) -> None:
    settings = {**secret("settings"), "kind": "ConfigMap", "data": {"colour": "green"}}
    del settings["stringData"]
    foreign = {**secret("foreign"), "apiVersion": "example.org/v1"}
    assert actions(stage.run(secret(), settings, foreign)) == {"db": "created"}
    assert actions(stage.run(secret(), settings, foreign, kinds=("Secret", "ConfigMap"))) == {"db": "unchanged", "settings": "created"}


def test_da_39_objects_without_a_namespace_get_the_one_that_is_set(stage: Stage) -> None:
    done = stage.run(secret(namespace=None), secret("other"))
    assert [error.code for error in done.errors] == [Outcome.CONFIGURATION]
    assert (done.objects, stage.writes()) == ((), [])
    assert actions(stage.run(secret(namespace=None), namespace="default")) == {"db": "created"}


def test_nothing_in_the_source_is_nothing_to_do(stage: Stage) -> None:
    assert stage.run() == Applied((), ())
    assert not stage.applier().has_drifted()


# ---- others' objects -----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("owner", "text"), [(None, "was made by somebody else"), ("edge", "belongs to source edge")])
def test_da_41_an_object_of_others_is_a_conflict_and_holds_all(stage: Stage, owner: str | None, text: str) -> None:
    stage.put(secret(owner=owner, stringData={"password": "theirs"}))
    before = stage.live()
    done = stage.run(secret(), secret("new"))
    assert (actions(done), done.conflicts, done.wrote) == ({"db": "conflict", "new": "held"}, 1, False)
    (error,) = done.errors
    assert isinstance(error, ForeignObject)
    assert text in error.message
    assert "adopt: true" in str(error.hint)
    assert (stage.live(), stage.live("new"), stage.writes()) == (before, None, [])


@pytest.mark.parametrize(("owner", "manager", "entry"), [("edge", APPLY_MANAGER, "password"), (None, "helm", "user")])
def test_da_41_who_adopts_takes_over_what_no_other_manager_wants_otherwise(stage: Stage, owner: str | None, manager: str, entry: str) -> None:
    stage.put(secret(owner=owner, stringData={entry: "theirs"}), manager)
    assert actions(stage.run(secret(), adopt=True)) == {"db": "configured"}
    live = stage.live()
    assert live is not None
    assert live["metadata"]["labels"] == {OWNER: "main"}


def test_da_41_fields_of_other_managers_are_taken_only_by_force(stage: Stage) -> None:
    stage.put(secret(stringData={"password": "theirs"}))
    before = stage.live()
    done = stage.run(secret(), secret("new"), adopt=True)
    assert (actions(done)["db"], done.conflicts) == ("conflict", 1)
    assert "helm owns .data.password" in done.errors[0].message
    assert (stage.live(), stage.live("new")) == (before, None)
    assert actions(stage.run(secret(), adopt=True, force=True)) == {"db": "configured"}


def test_da_38_what_cannot_be_read_holds_the_others(stage: Stage) -> None:
    stage.cluster.failing["get b"] = forbidden()
    done = stage.run(secret("a"), secret("b"))
    assert (actions(done), done.conflicts) == ({"a": "held", "b": "failed"}, 0)
    assert str(done.errors[0]) == "Secret/default/b: 403 Forbidden"
    assert stage.writes() == []


def test_a_cluster_that_is_not_there_is_asked_for_little(stage: Stage) -> None:
    objs = [secret(f"s{number:03}") for number in range(200)]
    for obj in objs:
        stage.cluster.failing[f"get {ref_of(obj).name}"] = Unavailable("the API server cannot be reached")
    done = stage.run(*objs)
    assert len(done.errors) == 1
    assert len(stage.cluster.log) <= AHEAD


def test_da_38_what_is_refused_when_it_is_tried_holds_the_others(stage: Stage) -> None:
    done = stage.run(secret("a"), secret("b", type="kubernetes.io/tls"))
    assert (actions(done), done.wrote) == ({"a": "held", "b": "failed"}, False)
    assert stage.live("a") is None


# ---- what is gone --------------------------------------------------------------------------------------------------------------------------------


def test_da_42_what_is_gone_from_the_source_is_deleted_if_that_is_wanted(stage: Stage) -> None:
    stage.run(secret("a"), secret("b"), prune=True)
    assert stage.inventory() == ["v1/Secret/default/a", "v1/Secret/default/b"]
    assert actions(stage.run(secret("a"))) == {"a": "unchanged"}
    assert stage.live("b") is not None
    done = stage.run(secret("a"), prune=True)
    assert (actions(done), done.wrote) == ({"a": "unchanged", "b": "pruned"}, True)
    assert (stage.live("b"), stage.inventory()) == (None, ["v1/Secret/default/a"])


def test_da_42_the_inventory_is_written_before_the_first_object(stage: Stage) -> None:
    stage.run(secret("a"), secret("b"), prune=True)
    writes = stage.writes()
    assert writes[0] == f"apply {INVENTORY.name}"
    assert sorted(writes[1:]) == ["apply a", "apply b"]


def test_da_42_an_inventory_that_cannot_be_written_holds_everything(stage: Stage) -> None:
    stage.cluster.failing[f"apply {INVENTORY.name}"] = forbidden()
    with pytest.raises(ClusterError, match="403"):
        stage.run(secret(), prune=True)
    assert stage.live() is None


@pytest.mark.parametrize("owner", [None, "edge"])
def test_da_42_what_is_no_longer_ours_is_only_forgotten(stage: Stage, owner: str | None) -> None:
    stage.run(secret("a"), secret("b"), prune=True)
    stage.put(secret("b", owner=owner or "nobody"), manager="secrettool")
    done = stage.run(secret("a"), prune=True)
    assert (actions(done), done.errors) == ({"a": "unchanged"}, ())
    assert stage.live("b") is not None
    assert stage.inventory() == ["v1/Secret/default/a"]


def test_da_42_what_is_gone_already_is_only_forgotten(stage: Stage) -> None:
    stage.run(secret("a"), secret("b"), prune=True)
    live = stage.live("b")
    assert live is not None
    FolderCluster.delete(
        stage.cluster, Ref("v1", "Secret", "default", "b"), uid=live["metadata"]["uid"], resource_version=live["metadata"]["resourceVersion"]
    )
    assert actions(stage.run(secret("a"), prune=True)) == {"a": "unchanged"}
    assert stage.inventory() == ["v1/Secret/default/a"]


def test_da_42_what_cannot_be_deleted_is_tried_again_in_the_next_pass(stage: Stage) -> None:
    applier = stage.applier(prune=True)
    applier.run([secret("a"), secret("b"), secret("c")])
    stage.cluster.failing["delete b"] = forbidden()
    done = applier.run([secret("a")])
    assert actions(done) == {"a": "unchanged", "b": "failed", "c": "pruned"}
    assert [str(error) for error in done.errors] == ["Secret/default/b: 403 Forbidden"]
    assert stage.inventory() == ["v1/Secret/default/a", "v1/Secret/default/b"]
    stage.cluster.failing.clear()
    assert actions(applier.run([secret("a")])) == {"a": "unchanged", "b": "pruned"}
    assert stage.inventory() == ["v1/Secret/default/a"]


def test_da_42_nothing_is_deleted_after_a_failure(stage: Stage) -> None:
    stage.run(secret("a"), secret("b"), prune=True)
    done = stage.run(secret("a", type="kubernetes.io/tls"), prune=True)
    assert (actions(done), len(done.errors)) == ({"a": "failed"}, 1)
    assert stage.live("b") is not None
    assert stage.inventory() == ["v1/Secret/default/a", "v1/Secret/default/b"]


def test_da_42_a_source_without_any_object_deletes_nothing(stage: Stage) -> None:
    stage.run(secret("a"), prune=True)
    assert stage.run(prune=True).objects == ()
    assert stage.live("a") is not None
    assert stage.inventory() == ["v1/Secret/default/a"]


def test_da_42_an_inventory_that_cannot_be_written_afterwards_is_told(stage: Stage) -> None:
    applier = stage.applier(prune=True)
    applier.run([secret("a"), secret("b")])
    stage.cluster.failing[f"apply {INVENTORY.name}"] = forbidden()
    done = applier.run([secret("a")])
    assert (actions(done), [error.message for error in done.errors]) == ({"a": "unchanged", "b": "pruned"}, ["403 Forbidden"])
    stage.cluster.failing.clear()
    applier.run([secret("a")])
    assert stage.inventory() == ["v1/Secret/default/a"]


# ---- the inventory -------------------------------------------------------------------------------------------------------------------------------


def test_inventory_is_asked_for_once_and_again_when_another_may_have_written_it(stage: Stage) -> None:
    inventory, ref = Inventory(stage.cluster, INVENTORY, "main"), Ref("v1", "Secret", "default", "a")
    assert inventory.read() == frozenset()
    inventory.write({ref})
    inventory.write({ref})
    assert stage.cluster.log == [f"get {INVENTORY.name}", f"apply {INVENTORY.name}"]
    Inventory(stage.cluster, INVENTORY, "main").write({ref._replace(name="b")})
    assert inventory.read() == {ref}
    inventory.forget()
    assert inventory.read() == {ref._replace(name="b")}


@pytest.mark.parametrize("text", ["", "\n\n", "db\nSecret/default/db\n/Secret/default/db\nv1/Secret//db\n"])
def test_lines_of_an_inventory_that_name_no_object_are_not_looked_at(stage: Stage, text: str) -> None:
    good = "example.org/v1/Gadget/default/x"
    stage.put(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": INVENTORY.name, "namespace": "default"}, "data": {"objects": text + good}}
    )
    assert Inventory(stage.cluster, INVENTORY, "main").read() == {Ref("example.org/v1", "Gadget", "default", "x")}


# ---- while another replica may write -------------------------------------------------------------------------------------------------------------


def test_da_51_without_the_lease_nothing_is_written(stage: Stage) -> None:
    stage.may_write = False
    done = stage.run(secret())
    assert [type(error) for error in done.errors] == [LeaseLost]
    assert (stage.live(), stage.writes()) == (None, [])


REF = Ref("v1", "Secret", "default", "db")


@pytest.mark.parametrize(
    "write",
    [
        lambda cluster, dry_run: cluster.apply(secret(), manager="m", dry_run=dry_run),
        lambda cluster, dry_run: cluster.patch(REF, {"data": {}}, kind="merge", manager="m", dry_run=dry_run),
        lambda cluster, dry_run: cluster.delete(REF, uid="1", resource_version="1", dry_run=dry_run),
    ],
    ids=["apply", "patch", "delete"],
)
def test_da_51_the_fence_lets_reads_and_tries_through_only(write: Callable[[Fenced, bool], object]) -> None:
    behind = MemoryCluster()
    behind.apply(secret(), manager="m")
    allowed = [False]
    fenced = Fenced(behind, lambda: allowed[0])
    before = dict(behind.stored)
    with pytest.raises(LeaseLost, match="the Lease was lost"):
        write(fenced, False)
    write(fenced, True)
    assert behind.stored == before
    assert fenced.get(REF) == secret()
    assert fenced.list_objects("v1", "Secret", "default") == [secret()]
    assert (fenced.is_namespaced("v1", "Secret"), fenced.namespace_exists("default"), fenced.namespace_exists("x")) == (True, True, False)
    allowed[0] = True
    write(fenced, False)
    assert len(behind.log) + (behind.stored != before) > 1
