"""JSON patches: those of RFC 6902, as an API server understands them."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrettool.cluster.folder.patching import PatchError, json_patch

Json = dict[str, Any]
OBJ: Json = {"a": {"b": [1, {"c": None}], "~/": "odd"}, "t": True}


def op(name: str, path: object, **more: Any) -> Json:
    return {"op": name, "path": path, **more}


@pytest.mark.parametrize(
    ("operations", "wanted"),
    [
        ([], OBJ),
        ([op("test", "/a/b/1/c", value=None), op("test", "", value=OBJ)], OBJ),
        ([op("add", "/a/b/0", value=0)], {**OBJ, "a": {**OBJ["a"], "b": [0, 1, {"c": None}]}}),
        ([op("add", "/a/b/-", value=2)], {**OBJ, "a": {**OBJ["a"], "b": [1, {"c": None}, 2]}}),
        ([op("add", "/a/b/2", value=2)], {**OBJ, "a": {**OBJ["a"], "b": [1, {"c": None}, 2]}}),
        ([op("add", "/t", value=1)], {**OBJ, "t": 1}),
        ([op("add", "", value={"x": 1})], {"x": 1}),
        ([op("replace", "", value={"x": 1})], {"x": 1}),
        ([op("replace", "/a/~0~1", value="even")], {**OBJ, "a": {**OBJ["a"], "~/": "even"}}),
        ([op("replace", "/a/b/0", value=None)], {**OBJ, "a": {**OBJ["a"], "b": [None, {"c": None}]}}),
        ([op("replace", "/new", value=None)], {**OBJ, "new": None}),
        ([op("remove", "/a/b/0")], {**OBJ, "a": {**OBJ["a"], "b": [{"c": None}]}}),
        ([op("remove", "/a")], {"t": True}),
        ([op("move", "/x", **{"from": "/a/b/0"})], {"a": {"b": [{"c": None}], "~/": "odd"}, "t": True, "x": 1}),
        ([op("copy", "/x", **{"from": "/t"})], {**OBJ, "x": True}),
        ([op("add", "/", value=1)], {**OBJ, "": 1}),
    ],
)
def test_what_operations_make(operations: list[Json], wanted: Json) -> None:
    before = copy.deepcopy((OBJ, operations))
    assert json_patch(OBJ, operations) == wanted
    assert (OBJ, operations) == before


@pytest.mark.parametrize(
    "operation",
    [
        {},
        {"op": "remove"},
        op("improve", "/a"),
        op("add", "/a"),
        op("replace", "/a"),
        op("test", "/t"),
        op("test", "/t", value=1),
        op("test", "/x", value=None),
        op("add", "a", value=1),
        op("add", 5, value=1),
        op("add", "/x/y", value=1),
        op("add", "/t/y", value=1),
        op("add", "/a/b/3", value=1),
        op("add", "/a/b/01", value=1),
        op("add", "/a/b/x", value=1),
        op("add", "", value=[1]),
        op("replace", "/a/b/2", value=1),
        op("replace", "/a/b/-", value=1),
        op("remove", "/a/b/-"),
        op("remove", "/x"),
        op("remove", ""),
        op("move", "/x", **{"from": "/y"}),
        op("move", "/x"),
        op("move", "/a/b/x", **{"from": "/a"}),
        op("copy", "/x", **{"from": 5}),
    ],
)
def test_operation_that_does_not_fit_spoils_all(operation: Json) -> None:
    with pytest.raises(PatchError) as raised:
        json_patch(OBJ, [op("add", "/x2", value=1), operation])
    assert str(raised.value) == ""


keys = st.text("ab~/0", max_size=3)
trees = st.recursive(st.integers(0, 2), lambda inner: st.lists(inner, max_size=2) | st.dictionaries(keys, inner, max_size=3), max_leaves=6)


@given(st.dictionaries(keys, trees, max_size=3), keys, trees)
def test_what_is_added_is_found_and_can_be_taken_away(obj: Json, key: str, value: Any) -> None:
    path = "/" + key.replace("~", "~0").replace("/", "~1")
    added = json_patch(obj, [op("add", path, value=value), op("test", path, value=value)])
    assert added == {**obj, key: value}
    assert json_patch(added, [op("remove", path)]) == {name: each for name, each in obj.items() if name != key}
