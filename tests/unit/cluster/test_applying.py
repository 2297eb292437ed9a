"""Order, preparation, planning and applying against a cluster in memory."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrettool.cluster.applying import apply
from secrettool.cluster.discovery import Discovery
from secrettool.cluster.model import Cluster, UnknownKind
from secrettool.cluster.planning import Settings
from secrettool.cluster.preparing import prepared
from secrettool.cluster.stages import stages
from secrettool.errors import Outcome
from secrettool.objects import Ref, ref_of
from tests.unit.cluster.memory import MemoryCluster

Json = dict[str, Any]


def obj(kind: str, name: str = "x", namespace: str | None = "shop", version: str = "v1", **more: Any) -> Json:
    head = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": version, "kind": kind, "metadata": head, **more}


CRD = obj(
    "CustomResourceDefinition",
    "gadgets.example.org",
    None,
    "apiextensions.k8s.io/v1",
    spec={"group": "example.org", "names": {"kind": "Gadget"}, "scope": "Namespaced"},
)
GADGET = obj("Gadget", version="example.org/v1")


# ---- order ---------------------------------------------------------------------------------------------------------------------------------------


def test_stages_are_those_of_flux() -> None:
    given = [
        obj("Secret"),
        obj("ValidatingWebhookConfiguration", namespace=None, version="admissionregistration.k8s.io/v1"),
        obj("StorageClass", namespace=None, version="storage.k8s.io/v1"),
        obj("Deployment", version="apps/v1"),
        GADGET,
        obj("ClusterRole", namespace=None, version="rbac.authorization.k8s.io/v1"),
        obj("ConfigMap", "b"),
        obj("ConfigMap", "a"),
        obj("Namespace", namespace=None),
        CRD,
        obj("RoleBinding", version="rbac.authorization.k8s.io/v1"),
    ]
    assert [[f"{ref_of(each).kind}/{ref_of(each).name}" for each in stage] for stage in stages(given)] == [
        ["CustomResourceDefinition/gadgets.example.org", "Namespace/x", "ClusterRole/x"],
        ["StorageClass/x"],
        ["RoleBinding/x", "ConfigMap/a", "ConfigMap/b", "Secret/x", "Deployment/x", "Gadget/x", "ValidatingWebhookConfiguration/x"],
    ]


@given(st.permutations([obj("Secret", name, space) for name in "abc" for space in ("n", "m")] + [obj("ConfigMap"), obj("Namespace", namespace=None)]))
def test_order_does_not_depend_on_the_input(given: list[Json]) -> None:
    assert stages(given) == stages(sorted(given, key=str))


# ---- preparation ---------------------------------------------------------------------------------------------------------------------------------


def test_da_26_string_data_is_folded_and_what_the_server_owns_is_left_out() -> None:
    given = obj("Secret", stringData={"a": "x"}, status={})
    given["metadata"]["managedFields"] = [{}]
    found = prepared([given], MemoryCluster())
    assert found.errors == []
    assert found.objects == [obj("Secret", data={"a": "eA=="})]


def test_namespaces_are_given_to_what_needs_one() -> None:
    found = prepared([obj("Secret", namespace=None), obj("Secret", "y"), obj("Namespace", "n", "wrong")], MemoryCluster(), namespace="default")
    assert [ref_of(each).namespace for each in found.objects] == ["default", "shop", ""]


def test_da_39_all_objects_that_cannot_be_applied_are_named() -> None:
    bad = [
        obj("Secret", namespace=None),
        obj("ConfigMap"),
        obj("ConfigMap"),
        {"kind": "Secret", "apiVersion": "v1", "metadata": {"generateName": "x-"}},
        {"kind": "Secret", "metadata": {"name": "x"}},
        GADGET,
    ]
    found = prepared(bad, MemoryCluster())
    assert [str(error) for error in found.errors] == [
        "Secret/x: it names no namespace",
        "ConfigMap/shop/x: is there twice",
        "Secret: metadata.name is missing",
        "Secret/x: apiVersion is missing",
        "Gadget/shop/x: the API server knows no Gadget of example.org/v1",
    ]
    assert {error.code for error in found.errors} == {Outcome.CONFIGURATION, Outcome.CLUSTER}


def test_kind_that_is_defined_by_one_of_the_objects_is_known() -> None:
    assert prepared([GADGET, CRD], MemoryCluster()).errors == []


# ---- applying ------------------------------------------------------------------------------------------------------------------------------------


def run(cluster: Cluster, *objs: Json, **settings: Any) -> list[str]:
    return [f"{step.ref.kind}/{step.ref.name} {step.action}" for step in apply(objs, cluster, Settings(**settings))]


def test_objects_are_written_in_order_and_then_left_alone() -> None:
    cluster = MemoryCluster()
    objs = [GADGET, obj("Secret"), CRD, obj("Namespace", "shop", None)]
    names = ["CustomResourceDefinition/gadgets.example.org", "Namespace/shop", "Secret/x", "Gadget/x"]
    assert run(cluster, *objs) == [f"{name} created" for name in names]
    written = list(cluster.log)
    assert run(cluster, *objs) == [f"{name} unchanged" for name in names]
    assert cluster.log == written


def test_a_refused_try_holds_its_stage_and_those_after_it() -> None:
    cluster = MemoryCluster(refuse_tries="b")
    objs = [obj("Namespace", "n", None), obj("ConfigMap", "a"), obj("ConfigMap", "b"), obj("Secret", "c")]
    assert run(cluster, *objs) == ["Namespace/n created", "ConfigMap/a held", "ConfigMap/b failed", "Secret/c held"]
    assert cluster.log == ["Namespace/n"]
    assert run(MemoryCluster(refuse_tries="n"), *objs) == ["Namespace/n failed", "ConfigMap/a held", "ConfigMap/b held", "Secret/c held"]


def test_a_refused_write_holds_what_comes_after_it() -> None:
    cluster = MemoryCluster(refuse_writes="b")
    cluster.stored[ref_of(obj("Secret", "d"))] = obj("Secret", "d")
    objs = [obj("ConfigMap", "a"), obj("ConfigMap", "b"), obj("Secret", "c"), obj("Secret", "d")]
    assert run(cluster, *objs) == ["ConfigMap/a created", "ConfigMap/b failed", "Secret/c held", "Secret/d unchanged"]
    assert cluster.log == ["ConfigMap/shop/a"]


def test_what_a_consumer_does_not_ask_for_is_not_written() -> None:
    cluster = MemoryCluster()
    steps = apply([obj("ConfigMap", "a"), obj("ConfigMap", "b")], cluster, Settings())
    next(steps)
    assert cluster.log == ["ConfigMap/shop/a"]


@pytest.mark.parametrize("how", ["server", "client"])
def test_dry_run_knows_what_the_same_run_would_create(how: str) -> None:
    cluster = MemoryCluster()
    assert run(cluster, GADGET, CRD, obj("Namespace", "shop", None), obj("Secret"), dry_run=how)[1:] == [
        "Namespace/shop created",
        "Secret/x created",
        "Gadget/x created",
    ]
    assert cluster.log == []


def test_steps_print_no_objects() -> None:
    step = next(apply([obj("Secret", data={"a": "c2VjcmV0"})], MemoryCluster(), Settings()))
    assert repr(step) == "<Step Secret/shop/x created>"


# ---- discovery -----------------------------------------------------------------------------------------------------------------------------------


def test_paths() -> None:
    listed = {"resources": [{"name": "secrets", "kind": "Secret", "namespaced": True}, {"name": "secrets/x", "kind": "Other", "namespaced": True}]}
    asked: list[str] = []

    def ask(path: str) -> Json:
        asked.append(path)
        return listed

    discovery = Discovery(ask)
    assert discovery.path(Ref("v1", "Secret", "a", "b/../c")) == "/api/v1/namespaces/a/secrets/b%2F..%2Fc"
    assert discovery.path(Ref("v1", "Secret", "a", "d")) == "/api/v1/namespaces/a/secrets/d"
    assert asked == ["/api/v1"]
    with pytest.raises(UnknownKind):
        discovery.path(Ref("v1", "Other", "a", "b"))


def test_kind_that_comes_later_is_found() -> None:
    answers: list[Json | None] = [None, {"resources": [{"name": "gadgets", "kind": "Gadget", "namespaced": False}]}]
    discovery = Discovery(lambda _: answers.pop(0))
    with pytest.raises(UnknownKind):
        discovery.resource("example.org/v1", "Gadget")
    assert discovery.path(Ref("example.org/v1", "Gadget", "ignored", "g")) == "/apis/example.org/v1/gadgets/g"
