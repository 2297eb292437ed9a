"""Kinds, owners and checks of a folder that stands for a cluster: what the contract with the real API server does not reach."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from secrettool import fs
from secrettool.cluster.folder import FolderCluster
from secrettool.cluster.folder.index import Identity
from secrettool.cluster.folder.kinds import is_namespaced
from secrettool.cluster.folder.owners import FILE, Owners
from secrettool.cluster.folder.validation import problem_of
from secrettool.cluster.model import UnknownKind
from secrettool.errors import ClusterError, OutputError
from secrettool.flux.live import FieldManager
from secrettool.manifests import dump
from secrettool.objects import Ref

Json = dict[str, Any]
CANARY = "canary-90aa"


def obj(kind: str = "Secret", version: str = "v1", name: str = "s", namespace: str = "ns", **more: Any) -> Json:
    place = {"namespace": namespace} if namespace else {}
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, **place}, **more}


def definition(scope: str, *versions: str, kind: str = "Thing") -> Json:
    spec = {"group": "example.org", "scope": scope, "names": {"kind": kind}, "versions": [{"name": each} for each in versions]}
    return obj("CustomResourceDefinition", "apiextensions.k8s.io/v1", "things.example.org", "", spec=spec)


# ---- kinds ---------------------------------------------------------------------------------------------------------------------------------------


def test_kind_is_what_its_definition_says() -> None:
    objs = [obj("Thing", "example.org/v1", namespace="ns"), definition("Cluster", "v1beta1"), definition("Namespaced", "v1", "v2", kind="Other")]
    assert not is_namespaced("example.org/v1beta1", "Thing", objs)
    assert is_namespaced("example.org/v2", "Other", objs)


def test_kind_without_definition_is_known_from_its_objects() -> None:
    objs = [obj("Thing", "example.org/v1", namespace=""), obj("Thing", "example.org/v1", namespace="ns"), obj("Lone", "example.org/v1", namespace="")]
    assert is_namespaced("example.org/v1", "Thing", objs)
    assert not is_namespaced("example.org/v1", "Lone", objs)


@pytest.mark.parametrize("spec", [{}, {"versions": "v1"}, {"group": "example.org", "names": {"kind": "Thing"}, "versions": ["v1"]}])
def test_broken_definition_makes_no_kind(spec: Json) -> None:
    broken = definition("Namespaced") | {"spec": spec}
    with pytest.raises(UnknownKind, match=r"the folder knows no Thing of example\.org/v1"):
        is_namespaced("example.org/v1", "Thing", [broken])


# ---- owners --------------------------------------------------------------------------------------------------------------------------------------

WHO = Identity("", "Secret", "ns", "s")
MANAGERS = (FieldManager("a", "Apply", frozenset({("data", "x"), ("data", "y")})), FieldManager("b", "Update", frozenset({("data", "z")}), "status"))


def test_owners_are_written_down_and_forgotten(tmp_path: Path) -> None:
    owners = Owners(str(tmp_path))
    assert owners.of(WHO) == ()
    owners.set(WHO, MANAGERS)
    assert Owners(str(tmp_path)).of(WHO) == MANAGERS
    owners.set(WHO, ())
    assert json.loads((tmp_path / FILE).read_text(encoding="utf-8")) == {}


def test_nothing_is_written_for_nobody(tmp_path: Path) -> None:
    Owners(str(tmp_path)).set(WHO, ())
    assert list(tmp_path.iterdir()) == []


def test_owners_hold_names_and_no_values(tmp_path: Path) -> None:
    cluster = FolderCluster(str(tmp_path))
    cluster.apply(obj("Namespace", name="ns", namespace=""), manager="test")
    cluster.apply(obj(stringData={"key": CANARY}), manager="test")
    text = (tmp_path / FILE).read_text(encoding="utf-8")
    assert "f:key" in text
    assert CANARY not in text


@pytest.mark.parametrize("text", ["", "[]", "{", '{"x": 5', "[" * 100_000, "\xff"])
def test_owners_that_cannot_be_read(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_bytes(text.encode("latin-1"))
    with pytest.raises(ClusterError, match="cannot be read") as raised:
        Owners(str(tmp_path)).of(WHO)
    assert raised.value.hint == "remove it: nobody owns any field then"


def test_owners_of_two_writers_are_both_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owners, other = Owners(str(tmp_path)), WHO._replace(name="t")
    owners.set(WHO, MANAGERS)
    real, left = fs.replace, [True]

    def slow(path: str, data: bytes, *, expected: fs.Stamp | None = None) -> None:
        if left:
            left.pop()
            Owners(str(tmp_path)).set(other, MANAGERS)
        real(path, data, expected=expected)

    monkeypatch.setattr(fs, "replace", slow)
    owners.set(WHO, MANAGERS[:1])
    assert (owners.of(WHO), owners.of(other)) == (MANAGERS[:1], MANAGERS)


def test_owners_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OutputError("cannot be written: no space left on device")

    monkeypatch.setattr(fs, "replace", full)
    with pytest.raises(ClusterError, match="no space left") as raised:
        Owners(str(tmp_path)).set(WHO, MANAGERS)
    assert raised.value.file == str(tmp_path / FILE)


# ---- checks --------------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (obj(data={"k" * 254: "eA=="}), "a field: it is larger than 253"),
        (obj(data={"a\x00b": "eA=="}), "data[***] is invalid"),
        (obj(type="kubernetes.io/basic-auth", data={"other": "eA=="}), "data[username] is required, data[password] is required"),
        (obj(type="kubernetes.io/dockerconfigjson"), "data[.dockerconfigjson] is required"),
        (obj(metadata={"name": "s", "labels": ["x"]}), "a field has the wrong type"),
        (obj(metadata={"name": "s", "labels": {"UPPER_/a": "x"}}), "metadata.labels is invalid"),
        (obj("ConfigMap", data={"a": "x" * 1024 * 1024}, binaryData={"b": "eA=="}), "it is larger than 1048576"),
        (obj("ConfigMap", binaryData={"b": "!"}), "data is not base64"),
        (obj(name="x" * 254), "metadata.name is invalid"),
    ],
)
def test_what_is_refused(wrong: Json, told: str) -> None:
    problem = problem_of(wrong)
    assert problem is not None
    assert problem.text == told


@pytest.mark.parametrize(
    "right",
    [
        obj(type="kubernetes.io/basic-auth", data={"password": "eA=="}),
        obj("ConfigMap", data={"a": "x" * 1024 * 1024}),
        obj("Thing", "example.org/v1", data=5, anything=[None]),
        obj(metadata={"name": "s", "labels": {"example.org/a": ""}, "annotations": {"a": "any text\n"}}),
    ],
)
def test_what_is_taken(right: Json) -> None:
    assert problem_of(right) is None


# ---- the cluster ---------------------------------------------------------------------------------------------------------------------------------


def world(tmp_path: Path, *objs: Json) -> FolderCluster:
    (tmp_path / "all.yaml").write_text(dump(objs), encoding="utf-8")
    return FolderCluster(str(tmp_path))


def test_namespace_that_is_none_takes_no_objects(tmp_path: Path) -> None:
    cluster = world(tmp_path, obj(namespace="../up", name="old"))
    with pytest.raises(ClusterError, match=r"422 Invalid: metadata\.namespace is invalid"):
        cluster.apply(obj(namespace="../up"), manager="test")
    assert [path.name for path in tmp_path.iterdir()] == ["all.yaml"]


def test_object_without_namespace_lies_in_default(tmp_path: Path) -> None:
    cluster = world(tmp_path, obj(namespace="", data={"a": "eA=="}))
    assert cluster.get(Ref("v1", "Secret", "default", "s")) == cluster.get(Ref("v1", "Secret", "", "s"))
    cluster.patch(Ref("v1", "Secret", "default", "s"), {"data": {"a": "eQ=="}}, kind="merge", manager="test")
    assert "namespace" not in (tmp_path / "all.yaml").read_text(encoding="utf-8")


def test_object_under_another_version_of_its_kind_is_the_same(tmp_path: Path) -> None:
    scaler = obj("HorizontalPodAutoscaler", "autoscaling/v2", spec={"maxReplicas": 1})
    found = world(tmp_path, scaler).get(Ref("autoscaling/v1", "HorizontalPodAutoscaler", "ns", "s"))
    assert found is not None
    assert found["spec"] == scaler["spec"]


def test_uid_of_the_manifest_is_kept_and_its_version_is_not(tmp_path: Path) -> None:
    secret = obj()
    secret["metadata"] |= {"uid": "11111111-2222-4333-8444-555555555555", "resourceVersion": "77"}
    found = world(tmp_path, secret).get(Ref("v1", "Secret", "ns", "s"))
    assert found is not None
    assert (found["metadata"]["uid"], found["metadata"]["resourceVersion"]) == ("11111111-2222-4333-8444-555555555555", "1")


def test_scopes_of_kinds(tmp_path: Path) -> None:
    cluster = world(tmp_path, definition("Cluster", "v1"))
    assert cluster.is_namespaced("v1", "Secret")
    assert not cluster.is_namespaced("example.org/v1", "Thing")


def test_object_that_goes_while_it_is_written_is_a_conflict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = world(tmp_path, obj(data={"a": "eA=="}))
    real = fs.replace

    def then_gone(path: str, data: bytes, *, expected: fs.Stamp | None = None) -> None:
        real(path, data, expected=expected)
        if path.endswith("all.yaml"):
            (tmp_path / "all.yaml").unlink()

    monkeypatch.setattr(fs, "replace", then_gone)
    with pytest.raises(ClusterError) as raised:
        cluster.patch(Ref("v1", "Secret", "ns", "s"), {"data": {"a": "eQ=="}}, kind="merge", manager="test")
    assert raised.value.status == 409
