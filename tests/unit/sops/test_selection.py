"""Selection: which leaves are encrypted under each of the six selectors."""

from __future__ import annotations

import pytest

from secrettool.errors import ExitCode, UsageError
from secrettool.sops.selection import ExpressionError, Selection, Selector, SelectorKind, compile_expression
from secrettool.sops.tree import Branch, Comment, Item, Leaf, Node, Sequence, walk


def selected(selector: Selector, *entries: Item | Comment) -> list[str]:
    """Values and comments that the selector would encrypt."""
    selection = Selection(selector)
    return [
        visit.node.text if isinstance(visit.node, Comment) else str(visit.node.value)
        for visit in walk([Branch(list(entries))])
        if selection.by_visit(visit)
    ]


def item(key: str, value: str | list[Item | Comment]) -> Item:
    node: Node = Leaf(value) if isinstance(value, str) else Branch(value)
    return Item(key, node)


@pytest.mark.parametrize(
    ("kind", "text", "wanted"),
    [
        ("unencrypted_suffix", "_unencrypted", ["x", "note", "z"]),
        ("encrypted_suffix", "_unencrypted", ["y", "inner"]),
        ("encrypted_regex", "^b_", ["y", "inner"]),
        ("unencrypted_regex", "^b_", ["x", "note", "z"]),
        ("encrypted_regex", "nothing", []),
        ("encrypted_regex", "(", []),
        ("unencrypted_regex", "(", ["x", "note", "y", "inner", "z"]),
    ],
)
def test_selector_by_key_counts_every_key_on_the_path(kind: SelectorKind, text: str, wanted: list[str]) -> None:
    tree = (item("a", "x"), Comment("note"), item("b_unencrypted", [item("c", "y"), Comment("inner")]), item("d", "z"))
    assert selected(Selector(kind, text), *tree) == wanted


@pytest.mark.parametrize(
    ("expression", "key", "hit"),
    [
        (r"^\d+$", "٣", False),  # digits are ASCII
        (r"(?i)^straße$", "STRAßE", True),
        (r"^[[:lower:]]+$", "abc", True),
        (r"^a.c$", "abc\n", False),
        (r"a$", "a\n", False),  # the end of the text, not of a line
        (r"\pL", "é", True),
    ],
)
def test_expressions_follow_re2(expression: str, key: str, hit: bool) -> None:
    assert (selected(Selector("encrypted_regex", expression), item(key, "v")) == ["v"]) is hit


@pytest.mark.parametrize("expression", ["(", "(?=x)", r"(a)\1", r"\C", "*"])
def test_check_refuses_what_re2_does_not_take(expression: str) -> None:
    with pytest.raises(ExpressionError):
        compile_expression(expression)
    with pytest.raises(UsageError) as caught:
        Selector("encrypted_regex", expression).check()
    assert caught.value.code == ExitCode.CONFLICTING_PARAMETERS


def test_an_escaped_backslash_before_a_c_is_no_byte_class() -> None:
    assert compile_expression(r"\\C").search(r"\C") is not None


def test_comment_above_a_key_rules_everything_under_it() -> None:
    tree = (item("a", "x"), Comment(" secret"), item("c", [item("d", "y"), Comment(" inner"), item("e", "z")]), item("f", "w"))
    assert selected(Selector("encrypted_comment_regex", "secret"), *tree) == ["y", " inner", "z"]


def test_comment_does_not_select_itself_but_the_next_line() -> None:
    tree = (Comment(" secret"), Comment(" second line"), item("a", "x"))
    assert selected(Selector("encrypted_comment_regex", "secret"), *tree) == [" second line", "x"]


def test_unencrypted_comment_leaves_itself_and_its_item_in_clear() -> None:
    tree = (Comment(" public"), item("a", "x"), item("b", "y"))
    assert selected(Selector("unencrypted_comment_regex", "public"), *tree) == ["y"]


def test_comments_of_a_list_are_emptied_behind_each_element() -> None:
    tree = Item("l", Sequence([Comment(" secret"), Leaf("a"), Leaf("b")]))
    assert selected(Selector("encrypted_comment_regex", "secret"), tree) == ["a"]


def test_a_null_also_ends_the_comments_above_it() -> None:
    tree = (Comment(" secret"), Item("n", Leaf(None)), item("a", "x"))
    assert selected(Selector("encrypted_comment_regex", "secret"), *tree) == []


def test_a_nested_mapping_ends_the_comments_above_it() -> None:
    tree = (Comment(" secret"), item("m", [item("k", "x")]), item("a", "y"), Comment(" secret"), item("e", []), item("b", "z"))
    assert selected(Selector("encrypted_comment_regex", "secret"), *tree) == ["x"]


def test_by_path_is_true_for_selectors_that_look_at_comments() -> None:
    assert Selection(Selector("encrypted_comment_regex", "x")).by_path(("a",))
    assert not Selection(Selector("encrypted_regex", "x")).by_path(("a",))


def test_refuses_only_a_comment_that_would_stop_its_own_decryption() -> None:
    assert Selection(Selector("unencrypted_comment_regex", "ENC")).refuses("ENC[...]")
    assert not Selection(Selector("encrypted_comment_regex", "ENC")).refuses("ENC[...]")
