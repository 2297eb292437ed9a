"""The tree and its walk: what is visited, in which order, and what stops it."""

from __future__ import annotations

import pytest

from secrettool.errors import TreeEncryptError
from secrettool.sops.tree import Branch, Comment, Item, Leaf, Sequence, substitute, walk
from secrettool.sops.values import Value


def sample() -> Branch:
    return Branch(
        [
            Comment("head"),
            Item("a", Leaf("1")),
            Item("n", Leaf(None)),
            Item("m", Branch([Item("k", Leaf(2)), Comment("tail of m")])),
            Item("empty", Branch()),
            Item("l", Sequence([Leaf("x"), Comment("between"), Branch([Item("y", Leaf(True))]), Sequence([Leaf(1.5)]), Sequence()])),
            Item("z", Leaf("")),
        ]
    )


def test_walk_visits_leaves_and_comments_in_document_order() -> None:
    seen = [(visit.node.text if isinstance(visit.node, Comment) else visit.node.value, visit.path) for visit in walk([sample()])]
    assert seen == [
        ("head", ()),
        ("1", ("a",)),
        (2, ("m", "k")),
        ("tail of m", ("m",)),
        ("x", ("l",)),
        ("between", ("l",)),
        (True, ("l", "y")),
        (1.5, ("l",)),
        ("", ("z",)),
    ]


def test_walk_goes_through_all_documents() -> None:
    assert [visit.node.value for visit in walk([Branch([Item("a", Leaf(1))]), Branch([Item("a", Leaf(2))])]) if isinstance(visit.node, Leaf)] == [
        1,
        2,
    ]


def test_walk_needs_no_recursion() -> None:
    root = node = Branch()
    for _ in range(100_000):
        inner = Branch()
        node.items.append(Item("k", inner))
        node = inner
    node.items.append(Item("end", Leaf("x")))
    assert [len(visit.path) for visit in walk([root])] == [100_001]


@pytest.mark.parametrize("key", [1, True, 1.5, None])
def test_walk_refuses_a_key_that_is_no_string(key: Value) -> None:
    with pytest.raises(TreeEncryptError, match="non-string key") as caught:
        list(walk([Branch([Item("m", Branch([Item(key, Leaf("x"))]))])]))
    assert caught.value.where == "m"


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 2**64 - 1])
def test_walk_refuses_an_integer_beyond_64_bits(number: int) -> None:
    with pytest.raises(TreeEncryptError, match="uint64") as caught:
        list(walk([Branch([Item("big", Leaf(number))])]))
    assert caught.value.where == "big"
    assert str(number) not in str(caught.value)


def test_substitute_replaces_by_visit_and_shares_nothing_that_changed() -> None:
    tree = [sample()]
    nodes: list[Leaf | Comment | None] = [
        Leaf(f"v{number}") if isinstance(visit.node, Leaf) else Comment(f"c{number}") for number, visit in enumerate(walk(tree))
    ]
    nodes[1] = None
    copy = substitute(tree, nodes)
    assert [visit.node.text if isinstance(visit.node, Comment) else visit.node.value for visit in walk(copy)] == [
        "c0",
        "1",
        "v2",
        "c3",
        "v4",
        "c5",
        "v6",
        "v7",
        "v8",
    ]
    assert [visit.path for visit in walk(copy)] == [visit.path for visit in walk(tree)]
    assert isinstance(copy[0].find("empty").value, Branch)  # type: ignore[union-attr]
    assert copy[0].find("n").value.value is None  # type: ignore[union-attr]


def test_substitute_turns_a_list_element_into_a_comment() -> None:
    copy = substitute([Branch([Item("l", Sequence([Leaf("ENC"), Leaf("a")]))])], [Comment(" note"), None])
    elements = copy[0].items[0].value.items  # type: ignore[union-attr]
    assert isinstance(elements[0], Comment)
    assert isinstance(elements[1], Leaf)


def test_find_gives_the_first_of_duplicate_keys() -> None:
    branch = Branch([Comment("a"), Item("a", Leaf(1)), Item("a", Leaf(2))])
    found = branch.find("a")
    assert found is not None
    assert found is branch.items[1]
    assert branch.find("b") is None
