"""Paths into a tree, and setting and removing what they lead to, as sops does it."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from secrettool.errors import ExitCode, TreePathError
from secrettool.sops.editing import Steps, alike, find, parse_steps, same, steps_text, with_value, without_value
from secrettool.sops.tree import Branch, Comment, Item, Leaf, Node, Sequence


def node(value: object) -> Node:
    if isinstance(value, Mapping):
        return Branch([Item(key, node(inner)) for key, inner in value.items()])
    if isinstance(value, list):
        return Sequence([inner if isinstance(inner, Comment) else node(inner) for inner in value])
    return Leaf(value)  # type: ignore[arg-type]


def branch(value: Mapping[str, object]) -> Branch:
    made = node(value)
    assert isinstance(made, Branch)
    return made


def python(value: Node | Comment) -> object:
    if isinstance(value, Comment):
        return "#" + value.text
    if isinstance(value, Leaf):
        return value.value
    if isinstance(value, Branch):
        return {item.key: python(item.value) for item in value.items if isinstance(item, Item)}
    return [python(inner) for inner in value.items]


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ('["a"]["b"][0]', ("a", "b", 0)),
        ("['a']", ("a",)),
        ('["a]b"]', ("a]b",)),
        ("[-1]", (-1,)),
        ("[+2]", (2,)),
        ("", ()),
        ('[""]', ("",)),
    ],
)
def test_path_is_read_as_sops_reads_it(text: str, steps: Steps) -> None:
    assert parse_steps(text) == steps


@pytest.mark.parametrize("text", ["[a]", '["a"', "a", '["]', "[]", "[1.5]", '["a[b"]'])
def test_malformed_path_is_refused_with_the_code_of_the_caller(text: str) -> None:
    with pytest.raises(TreePathError) as caught:
        parse_steps(text)
    assert caught.value.code == ExitCode.INVALID_TREE_PATH
    with pytest.raises(TreePathError) as caught:
        parse_steps(text, ExitCode.INVALID_SET_FORMAT)
    assert caught.value.code == ExitCode.INVALID_SET_FORMAT


def test_steps_text_is_what_a_person_types() -> None:
    assert parse_steps(steps_text(("a", 0, "b"))) == ("a", 0, "b")


TREE = {"a": {"b": "x"}, "l": ["p", {"q": 1}], "s": "text", "n": None}


@pytest.mark.parametrize(
    ("steps", "value", "wanted", "changed"),
    [
        (("a", "b"), "y", TREE | {"a": {"b": "y"}}, True),
        (("a", "b"), "x", TREE, False),
        (("a", "c"), 1.0, TREE | {"a": {"b": "x", "c": 1.0}}, True),
        (("new", "deep", 0, "k"), "v", TREE | {"new": {"deep": [{"k": "v"}]}}, True),
        (("l", 0), "r", TREE | {"l": ["r", {"q": 1}]}, True),
        (("l", 9), "r", TREE | {"l": ["p", {"q": 1}, "r"]}, True),
        (("l", 9, "k"), "r", TREE | {"l": ["p", {"q": 1}, {"k": "r"}]}, True),
        (("l", 1, "q"), 1.0, TREE | {"l": ["p", {"q": 1.0}]}, True),
        (("s", "k"), "v", TREE | {"s": {"k": "v"}}, True),
        (("n", 0), "v", TREE | {"n": ["v"]}, True),
        (("a", 0), "v", TREE, True),
    ],
)
def test_with_value_sets_as_sops_does(steps: Steps, value: str | float, wanted: object, changed: bool) -> None:
    tree = branch(TREE)
    new, differs = with_value(tree, steps, Leaf(value))
    assert python(new) == wanted
    assert differs is changed
    assert python(tree) == TREE


def test_with_value_shares_what_stays() -> None:
    tree = branch(TREE)
    new, _ = with_value(tree, ("a", "b"), Leaf("y"))
    assert new.items[1] is tree.items[1]
    assert new.items[0] is not tree.items[0]


def test_with_value_tells_an_int_from_a_float() -> None:
    assert with_value(branch({"a": 2}), ("a",), Leaf(2.0))[1]
    assert not with_value(branch({"a": 2}), ("a",), Leaf(2))[1]


@pytest.mark.parametrize("steps", [("l", "key"), ("l", -1), ()])
def test_with_value_refuses_a_path_that_leads_nowhere(steps: Steps) -> None:
    with pytest.raises(TreePathError):
        with_value(branch(TREE), steps, Leaf("v"))


@pytest.mark.parametrize(
    ("steps", "wanted"),
    [
        (("a",), {key: TREE[key] for key in ("l", "s", "n")}),
        (("a", "b"), TREE | {"a": {}}),
        (("l", 0), TREE | {"l": [{"q": 1}]}),
        (("l", 1, "q"), TREE | {"l": ["p", {}]}),
    ],
)
def test_without_value_removes_one_entry(steps: Steps, wanted: object) -> None:
    assert python(without_value(branch(TREE), steps)) == wanted


@pytest.mark.parametrize("steps", [("zz",), ("l", 2), ("l", -1), ("s", 0), ("s", "k"), ("l", "k"), ()])
def test_without_value_refuses_what_is_not_there(steps: Steps) -> None:
    with pytest.raises(TreePathError):
        without_value(branch(TREE), steps)


def test_find_counts_comments_as_elements() -> None:
    tree = branch({"l": [Comment(" c"), "a"]})
    assert python(find(tree, ("l", 1))) == "a"
    assert python(find(tree, ("l", 0))) == "# c"


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        (("zz",), "not found"),
        (("l", 9), "out of bounds"),
        (("s", 0), "not a slice"),
        (("a", 0), "not a slice"),
        (("s", "k"), "not found"),
        (("l", -1), "negative"),
    ],
)
def test_find_says_why_it_finds_nothing(steps: Steps, reason: str) -> None:
    with pytest.raises(TreePathError, match=reason):
        find(branch(TREE), steps)


def test_same_compares_type_and_alike_compares_text() -> None:
    one, other = branch({"a": 7}), branch({"a": 7.0})
    assert not same(one, other)
    assert alike(one, other)
    assert not alike(branch({"a": "x"}), branch({"a": None}))
    assert not alike(branch({"a": "x"}), branch({"b": "x"}))
    assert not alike(branch({"a": ["x"]}), branch({"a": {"k": "x"}}))
    assert not same(branch({"a": [Comment("x")]}), branch({"a": ["x"]}))
    assert alike(branch({"a": [Comment("x"), "v"]}), branch({"a": ["v", Comment("y")]}))
    assert not alike(branch({"a": ["x"]}), branch({"a": ["x", "y"]}))
    assert not alike(branch({"a": [Comment("x"), "v"]}), branch({"a": ["v", Comment("x")]}), comments=True)
    assert same(branch(TREE), branch(TREE))
