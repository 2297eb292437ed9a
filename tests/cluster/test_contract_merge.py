"""Merge patches of any shape: what a cluster makes of them is what RFC 7386 says, told of a folder of manifests and of a real API server."""

from __future__ import annotations

import copy
import json
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secrettool.cluster.folder.patching import merge_patch
from secrettool.flux import PATCH_MANAGER
from secrettool.objects import Ref
from tests.cluster.scene import FLUX, Json, Scene
from tests.interop.peers.apiserver import ApiServer

GROUP = "contract.example.org"
KIND: Json = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": f"things.{GROUP}"},
    "spec": {
        "group": GROUP,
        "scope": "Namespaced",
        "names": {"kind": "Thing", "listKind": "ThingList", "plural": "things", "singular": "thing"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {"spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
                    }
                },
            }
        ],
    },
}

# A few keys, so that patch and object meet.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
keys = st.sampled_from(["a", "b", "c", "~", "x/y", "é", ""]) | texts
leaves = st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.sampled_from([0.5, -1.25]) | texts
values = st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4), max_leaves=12)
objects = st.dictionaries(keys, values, max_size=4)


def reference(target: Any, patch: Any) -> Any:
    """RFC 7386, section 2, word for word."""
    if not isinstance(patch, dict):
        return patch
    result = copy.deepcopy(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = reference(result.get(name), value)
    return result


def server(target: Json, patch: Json) -> Json:
    """The same as kube-apiserver does it: in lists of a patch, too, no mapping has an entry that is null, unless the list replaces a mapping."""
    result = dict(target)
    for name, value in patch.items():
        old = result.get(name)
        if value is None:
            result.pop(name, None)
        elif isinstance(value, dict):
            result[name] = server(old if isinstance(old, dict) else {}, value)
        else:
            result[name] = value if isinstance(old, dict) else without_nulls(value)
    return result


def without_nulls_in_lists(value: Any) -> Any:
    """A patch about which the two agree."""
    if isinstance(value, dict):
        return {key: without_nulls_in_lists(each) for key, each in value.items()}
    return without_nulls(value)


def without_nulls(value: Any) -> Any:
    """The same without entries that are null, in mappings at any depth: no stored object has any."""
    if isinstance(value, dict):
        return {key: without_nulls(each) for key, each in value.items() if each is not None}
    return [without_nulls(each) for each in value] if isinstance(value, list) else value


def as_text(value: Any) -> str:
    """Values that are equal only when JSON takes them for the same: Python takes True for 1."""
    return json.dumps(value, sort_keys=True)


@given(objects, objects)
def test_merge_patch_is_that_of_the_rfc(obj: Json, patch: Json) -> None:
    before = copy.deepcopy((obj, patch))
    assert as_text(merge_patch(obj, patch)) == as_text(server(obj, patch))
    if patch == without_nulls_in_lists(patch):
        assert as_text(merge_patch(obj, patch)) == as_text(reference(obj, patch))
    assert (obj, patch) == before


@pytest.mark.parametrize(
    ("obj", "patch", "wanted"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_examples_of_the_rfc(obj: Json, patch: Json, wanted: Json) -> None:
    assert merge_patch(obj, patch) == wanted


numbers = count()


@pytest.fixture
def things(scene: Scene, request: pytest.FixtureRequest) -> Scene:
    """A cluster that knows objects of any shape."""
    if "server" in request.node.callspec.id:
        server: ApiServer = request.getfixturevalue("api_server")
        server.define(KIND)
    else:
        scene.cluster.apply(KIND, manager="test")
    return scene


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=objects, patch=objects)
def test_pt_18_patch_of_any_shape(things: Scene, before: Json, patch: Json) -> None:
    # Always another object: nothing is left of earlier examples.
    ref = Ref(f"{GROUP}/v1", "Thing", things.namespace, f"thing-{next(numbers)}")
    before = without_nulls(before)
    head = {"apiVersion": ref.api_version, "kind": ref.kind, "metadata": {"name": ref.name, "namespace": ref.namespace}}
    made = things.cluster.apply({**head, "spec": before}, manager=FLUX)
    assert made["spec"] == before

    answer = things.cluster.patch(ref, {"spec": patch}, kind="merge", manager=PATCH_MANAGER)

    live = things.cluster.get(ref)
    assert live is not None
    assert as_text(live["spec"]) == as_text(server(before, patch))
    is_same = answer["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    assert is_same == (as_text(server(before, patch)) == as_text(before))
