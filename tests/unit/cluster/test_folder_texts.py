"""From a manifest to what an API server would keep of it, and back: whatever changes, nothing else does."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrettool.cluster.apiserver import _yaml_and_json
from secrettool.cluster.folder.rewriting import rewritten
from secrettool.cluster.folder.stored import stored, written
from secrettool.manifests import dump, read

Json = dict[str, Any]

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(
    ["yes", "012", "", "~", "a: b", "- x", "#", "one\ntwo\n", "<<x"]
)
names = st.sampled_from(["a", "b", "c", "tls.crt"])
leaves = st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.sampled_from([0.5, -1.25]) | words
keys = names | words.filter(lambda key: key != "<<")
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)
specs = st.dictionaries(names, values, max_size=3)
encoded = st.binary(max_size=8).map(lambda data: b64encode(data).decode())
secrets = st.fixed_dictionaries(
    {},
    optional={
        "data": st.dictionaries(names, encoded, max_size=3),
        "stringData": st.dictionaries(names, words, max_size=3),
        "type": st.sampled_from(["Opaque", "example.org/x"]),
        "immutable": st.booleans(),
    },
)
kept_data = st.dictionaries(names, encoded, min_size=1, max_size=3)


def thing(spec: Json, name: str = "thing") -> Json:
    return {"apiVersion": "example.org/v1", "kind": "Thing", "metadata": {"name": name}, "spec": spec}


def secret(parts: Json) -> Json:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "ns"}, **parts}


def as_text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


# ---- the text ------------------------------------------------------------------------------------------------------------------------------------


@given(specs, specs, st.sampled_from(["yaml", "flow", "json"]))
def test_object_is_the_new_one_and_its_neighbours_are_as_they_were(before: Json, after: Json, form: str) -> None:
    one, two = thing(before), thing(before, "other")
    if form == "yaml":
        texts = [dump([one]), "# a comment\n" + dump([two])]
        data = "---\n".join([texts[1], texts[0], texts[1]]).encode()
    else:
        texts = [_yaml_and_json(one) + "\n", _yaml_and_json(two) + "\n"]
        data = ("" if form == "json" else "---\n").join([texts[1], texts[0], texts[1]]).encode()
    wanted = thing(after)
    old = read(data.decode(), file=None)[1].obj

    changed = rewritten(data, 1, wanted, is_json=form == "json")

    found = read(changed.decode(), file=None)
    assert [as_text(each.obj) for each in found] == [as_text(each) for each in (two, wanted, two)]
    assert changed.startswith(texts[1].rstrip("\n").encode())
    if as_text(old) == as_text(wanted) and form != "json":
        assert [each.text for each in found] == [each.text for each in read(data.decode(), file=None)]


def test_lists_are_changed_element_by_element() -> None:
    text = "apiVersion: v1\nkind: Thing\nmetadata: {name: x}\nspec:\n  list:\n    # the first\n    - {a: 1, b: [x]} # kept\n    - two\n    - 0x10\n"
    spec: Json = {"list": [{"a": 1, "b": ["x", "y"]}, "zwei", 16, {"new": [{}]}]}
    obj = {"apiVersion": "v1", "kind": "Thing", "metadata": {"name": "x"}, "spec": spec}
    changed = rewritten(text.encode(), 0, obj, is_json=False).decode()
    assert [each.obj for each in read(changed, file=None)] == [obj]
    for part in ("# the first\n", "# kept\n", "    - 0x10\n"):
        assert part in changed
    obj["spec"] = {"list": [spec["list"][0]]}
    assert read(rewritten(changed.encode(), 0, obj, is_json=False).decode(), file=None)[0].obj == obj


def test_true_is_another_value_than_one() -> None:
    text = "apiVersion: v1\nkind: Thing\nmetadata: {name: x}\nspec: {a: 1}\n"
    obj = {"apiVersion": "v1", "kind": "Thing", "metadata": {"name": "x"}, "spec": {"a": True}}
    assert rewritten(text.encode(), 0, obj, is_json=False).decode() == text.replace("a: 1", "a: true")


def test_yaml_in_a_file_for_json_stays_what_it_is_and_is_right() -> None:
    text = "apiVersion: v1\nkind: Thing\nmetadata: {name: x}\n---\napiVersion: v1\nkind: Thing\nmetadata: {name: z}\n"
    obj = {"apiVersion": "v1", "kind": "Thing", "metadata": {"name": "x"}, "spec": {}}
    changed = rewritten(text.encode(), 0, obj, is_json=True).decode()
    assert [each.obj for each in read(changed, file=None)] == [obj, {"apiVersion": "v1", "kind": "Thing", "metadata": {"name": "z"}}]


# ---- the object ----------------------------------------------------------------------------------------------------------------------------------


@given(secrets, kept_data, st.dictionaries(names, words, max_size=2))
def test_what_is_written_is_kept_as_it_was_meant(parts: Json, data: Json, notes: Json) -> None:
    obj = secret(parts)
    before = stored(obj, "ns")
    after = {**before, "data": data, "metadata": {**before["metadata"], "annotations": notes}} if notes else {**before, "data": data}
    assert as_text(stored(written(obj, before, after), "ns")) == as_text(after)


@given(secrets)
def test_what_is_kept_is_kept_as_it_is(parts: Json) -> None:
    once = stored(secret(parts), "ns")
    assert as_text(stored(once, "ns")) == as_text(once)
    assert as_text(written(secret(parts), once, once)) == as_text(secret(parts))


@given(specs, specs)
def test_any_kind_is_written_as_it_was_meant(before: Json, after: Json) -> None:
    changed = written(thing(before), stored(thing(before), ""), stored(thing(after), ""))
    assert as_text(changed) == as_text(thing(after))


def test_the_server_fills_in_and_leaves_out() -> None:
    obj = secret({"data": {"a": "eA=\n=", "b": None}, "stringData": {}, "type": ""})
    obj["metadata"] = {"name": "s", "uid": "u", "resourceVersion": "7", "labels": {}, "annotations": None, "generation": 3}
    assert stored(obj, "ns") == {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s", "namespace": "ns"},
        "type": "Opaque",
        "data": {"a": "eA==", "b": ""},
    }


def test_what_is_invalid_is_left_for_the_check() -> None:
    assert stored(secret({"data": ["x"]}), "ns")["data"] == ["x"]
    assert stored(secret({"data": {"a": "!", "b": 5}}), "ns")["data"] == {"a": "!", "b": 5}


@pytest.mark.parametrize("text", ["\x00", "\x7f", "a\rb", "\u2028", "\u200b"])
def test_text_that_yaml_may_not_give_back_is_written_as_data(text: str) -> None:
    obj = secret({"stringData": {"a": "old", "b": "kept"}})
    before = stored(obj, "ns")
    data = {**before["data"], "a": b64encode(text.encode()).decode()}
    changed = written(obj, before, {**before, "data": data})
    assert (changed["stringData"], changed["data"]) == ({"b": "kept"}, {"a": data["a"]})


def test_last_key_takes_its_section_along() -> None:
    obj = secret({"stringData": {"a": "old"}, "data": {"a": "b2xk", "b": "eA=="}})
    before = stored(obj, "ns")
    changed = written(obj, before, {name: value for name, value in before.items() if name != "data"})
    assert not {"data", "stringData"} & changed.keys()
