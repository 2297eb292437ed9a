"""Typed access to a mapping, by the rules of go-yaml."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from secrettool.errors import ConfigError
from secrettool.sops.fields import Fields, tag_of
from secrettool.sops.tree import Branch, Comment, Item, Leaf, Node, Sequence
from secrettool.sops.values import Time


def node_of(value: object) -> Node:
    """A tree from plain Python values; comments stay comments."""
    if isinstance(value, dict):
        return branch_of(value)
    if isinstance(value, list):
        return Sequence([entry if isinstance(entry, Comment) else node_of(entry) for entry in value])
    return Leaf(value)  # type: ignore[arg-type]


def branch_of(value: Mapping[Any, object]) -> Branch:
    """A mapping from a Python one."""
    return Branch([Item(key, node_of(entry)) for key, entry in value.items()])


def fields_of(**values: object) -> Fields:
    """The fields `values`."""
    return Fields(branch_of(dict(values)), "here")


@pytest.mark.parametrize(
    ("value", "text"),
    [("a", "a"), (5, "5"), (1.5, "1.5"), (True, "True"), (Time("2020-01-01T00:00:00Z"), "2020-01-01T00:00:00Z"), (None, "")],
)
def test_string_takes_any_scalar(value: object, text: str) -> None:
    assert fields_of(name=value).string("name") == text


def test_string_missing_is_empty() -> None:
    assert fields_of().string("name") == ""


def test_string_of_a_number_keeps_its_digits() -> None:
    text = "name: 0x1F\n"
    fields = Fields(Branch([Item("name", Leaf(31, 6, 10))]), "", text)
    assert fields.string("name") == "0x1F"


def test_string_of_an_aliased_number_is_its_value() -> None:
    text = "name: *n\n"
    fields = Fields(Branch([Item("name", Leaf(31, 6, 8))]), "", text)
    assert fields.string("name") == "31"


@pytest.mark.parametrize(("value", "number"), [(7, 7), (2.7, 2), (-2.7, -2), (None, -1)])
def test_number_is_read(value: object, number: int) -> None:
    assert fields_of(name=value).number("name", -1) == number


@pytest.mark.parametrize("value", ["2", True, 2**64, float("nan"), float("inf"), [2], {"a": 2}])
def test_number_of_another_type_is_refused(value: object) -> None:
    with pytest.raises(ConfigError, match="into int") as caught:
        fields_of(name=value).number("name")
    assert caught.value.where == "here.name"


@pytest.mark.parametrize(("value", "flag"), [(True, True), (False, False), (None, False), ("yes", True), ("ON", True), ("n", False), ("Off", False)])
def test_flag_is_read(value: object, flag: bool) -> None:
    assert fields_of(name=value).flag("name") is flag


@pytest.mark.parametrize("value", ["true", "", 1, 0.0, []])
def test_flag_of_another_type_is_refused(value: object) -> None:
    with pytest.raises(ConfigError, match="into bool"):
        fields_of(name=value).flag("name")


def test_strings_drop_null_and_comments() -> None:
    fields = fields_of(name=[Comment(" x"), "a", None, 5])
    assert fields.strings("name") == [("here.name[0]", "a"), ("here.name[2]", "5")]


@pytest.mark.parametrize("value", ["a", {}, 5])
def test_strings_of_another_type_are_refused(value: object) -> None:
    with pytest.raises(ConfigError, match="into list"):
        fields_of(name=value).strings("name")


def test_strings_with_a_mapping_name_the_element() -> None:
    with pytest.raises(ConfigError) as caught:
        fields_of(name=["a", {}]).strings("name")
    assert caught.value.where == "here.name[1]"


def test_mappings_of_texts_are_refused() -> None:
    with pytest.raises(ConfigError, match="cannot unmarshal !!str into mapping"):
        fields_of(name=["a"]).mappings("name")


def test_mapping_missing_is_none() -> None:
    assert fields_of(other=None).mapping("other") is None


def test_name_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match="already defined") as caught:
        Fields(Branch([Item("a", Leaf(1)), Item("a", Leaf(2))]))
    assert caught.value.where == "a"


def test_merge_fills_in_what_is_missing() -> None:
    base = {"a": "base", "b": "base"}
    fields = Fields(branch_of({"<<": base, "a": "own"}))
    assert (fields.string("a"), fields.string("b")) == ("own", "base")


def test_merge_list_prefers_the_first() -> None:
    fields = Fields(branch_of({"<<": [{"a": "1", "<<": {"b": "1"}}, {"a": "2", "b": "2", "c": "2"}]}))
    assert [fields.string(name) for name in "abc"] == ["1", "1", "2"]


def test_merge_does_not_replace_an_own_null() -> None:
    assert Fields(branch_of({"a": None, "<<": {"a": "base"}})).string("a") == ""


@pytest.mark.parametrize("value", ["x", None, [1], [[]]])
def test_merge_of_a_scalar_is_refused(value: object) -> None:
    with pytest.raises(ConfigError, match="map merge requires"):
        Fields(branch_of({"<<": value}))


def test_merge_of_great_depth_is_read() -> None:
    branch = Branch([Item("a", Leaf("deep"))])
    for _ in range(5000):
        branch = Branch([Item("<<", branch)])
    assert Fields(branch).string("a") == "deep"


@pytest.mark.parametrize(("value", "tag"), [([], "!!seq"), ({}, "!!map"), (True, "!!bool"), (1, "!!int"), (1.0, "!!float"), (None, "!!null")])
def test_tag_is_named(value: object, tag: str) -> None:
    assert tag_of(node_of(value)) == tag
