"""Reading YAML: comments where sops' reader puts them, and what it refuses."""

from __future__ import annotations

import pytest

from secrettool.errors import ExitCode, FormatError
from secrettool.stores.yaml import YamlStore
from tests.unit.stores.sealed_files import plain

STORE = YamlStore()


def tree(text: str) -> list[list[object]]:
    """The documents as Python values."""
    return [plain(root) for root in STORE.parse(text.encode()).tree]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# h\na: 1 # i\n# t\n", [[("#", " h"), ("#", " i"), ("a", 1), ("#", " t")]]),
        ("a: # k\n  b: 1\n", [[("#", " k"), ("a", [("b", 1)])]]),
        ("a: [x] # c\n", [[("a", [("#", " c"), "x"])]]),
        ("a: {} # c\n", [[("a", [("#", " c")])]]),
        ("a:\n  - x # c\n  # d\nb: 1\n", [[("a", [("#", " c"), "x", ("#", " d")]), ("b", 1)]]),
        ("a:\n- x\n# tail\n", [[("a", ["x", ("#", " tail")])]]),
        ("a: | # c\n  x\n", [[("#", " c"), ("a", "x\n")]]),
        ("- x\n".join(("a:\n  # h\n  ", "")), [[("a", [("#", " h"), "x"])]]),
        ("---\n# only\n", [[("#", " only")]]),
        ("a: 1\n---\n# c\nb: 2\n", [[("a", 1)], [("#", " c"), ("b", 2)]]),
        ("a: &x 1 # c\nb: *x # d\n", [[("#", " c"), ("a", 1), ("#", " d"), ("b", 1)]]),
        ("a: x#y\nb: 'x # y'\n", [[("a", "x#y"), ("b", "x # y")]]),
        ("a: 1 # c\r\n# d\r\n", [[("#", " c"), ("a", 1), ("#", " d")]]),
        ("# one\n\t# two\na: 1\n", [[("#", " one"), ("#", " two"), ("a", 1)]]),
        ("# one\n\t\n \t# two\n\n\t# three\na: 1\n", [[("#", " one"), ("#", " two"), ("#", " three"), ("a", 1)]]),
        ("? k\n: \t# c\n  x\n", [[("#", " c"), ("k", "x")]]),
        ("?\t# c\n  k\n: x\n", [[("#", " c"), ("k", "x")]]),
        ("a: { # lost\n  b: 1 }\n", [[("a", [("b", 1)])]]),
    ],
)
def test_comments_are_where_sops_puts_them(text: str, expected: object) -> None:
    assert tree(text) == expected


def _without(node: object) -> object:
    """A tree without the comment that was added."""
    if isinstance(node, list):
        return [_without(entry) for entry in node if entry != ("#", " c")]
    return (node[0], _without(node[1])) if isinstance(node, tuple) else node


@pytest.mark.parametrize("note", ["", "# c\n"])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 0755\nb: 08\nc: 1_000\nd: yes\n", [[("a", 493), ("b", 8.0), ("c", 1000), ("d", "yes")]]),
        ("? a\n: b\n? c\n", [[("a", "b"), ("c", None)]]),
        ("a: [b: c, {d}, [e: ]]\n", [[("a", [[("b", "c")], [("d", None)], [[("e", None)]]])]]),
        ("a:\n- - x\n  - y\n- b: 1\n  c: 2\n", [[("a", [["x", "y"], [("b", 1), ("c", 2)]])]]),
        ("a: !!str 5\nb: !x 5\nc: ! 5\nd: !!float 5\n", [[("a", "5"), ("b", "5"), ("c", 5), ("d", 5.0)]]),
        ("a: &x {b: 1}\nc:\n  <<: *x\n", [[("a", [("b", 1)]), ("c", [("<<", [("b", 1)])])]]),
        ("a: &x !!set {b}\nc: !!map\n  d: &y\n", [[("a", [("b", None)]), ("c", [("d", None)])]]),
        ("%TAG !e! tag:e,1:\n---\na: !e!x 1\n", [[("a", "1")]]),
        ("---\n---\nnull\n---\n{}\n", [[], [], []]),
        ("a: 1\n...\n---\nb: 2\n...\n", [[("a", 1)], [("b", 2)]]),
    ],
)
def test_both_ways_of_parsing_give_the_same_tree(text: str, note: str, expected: object) -> None:
    # A comment behind the text makes the token parser read it.
    documents = tree(text + note)
    assert [_without(document) for document in documents] == expected


@pytest.mark.parametrize("note", ["", " # c\n"])
@pytest.mark.parametrize(
    ("text", "where", "cause"),
    [
        ("a: [b?c]\n", "line 1, column 5", "question mark"),
        ("a: [?, x]\n", None, "did not find expected"),
        ('a: "\\/"\n', "line 1, column 5", "escape"),
        ("a: !x!y b\n", "line 1, column 4", "handle"),
        ("a: [!x, b]\n", "line 1, column 5", "tag"),
        ("a: &x:y z\n", "line 1, column 6", "anchor"),
        ("a: 1\nb: 2\na: 3\n", "line 3, column 1", "already defined"),
        ("a: {1: 2, '1': 3}\n", "line 1, column 11", "already defined"),
        ("a: 1\n<<: 2\n", "line 2, column 5", "map merge"),
        ("- a\n", "line 1, column 1", "sequences"),
        ("a\n", "line 1, column 1", "values"),
        ("a: 1\n--- b\n", None, "values"),
        ("? {a: 1}\n: b\n", "line 1, column 3", "key that is a mapping"),
        ("a: !!int x\n", "line 1, column 10", "tag"),
        ("a: [b\n", None, "did not find expected"),
        ("a:\n\tb: 1\n", "line 2, column 1", "cannot start any token"),
        ("%YAML 1.2\n---\na: 1\n", None, "incompatible"),
    ],
)
def test_text_that_sops_refuses(text: str, note: str, where: str | None, cause: str) -> None:
    with pytest.raises(FormatError, match=cause) as error:
        STORE.parse((text + note).encode())
    if where is not None:
        assert error.value.where == where


def test_duplicate_keys_pass_in_later_documents() -> None:
    assert tree("a: 1\n---\nb: 1\nb: 2\n") == [[("a", 1)], [("b", 1), ("b", 2)]]


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (b"a: \xff\n", "UTF-8"),
        (b"\xff\xfea\x00:\x00 ", "UTF-16"),
        (b"a: \x00\n", "control characters"),
        (b"a: x\x1b[0m # c\n", "control characters"),
        (b"\n \n", "no document"),
        (b"# c\n", "no document"),
    ],
)
def test_bytes_that_are_no_yaml(data: bytes, cause: str) -> None:
    with pytest.raises(FormatError, match=cause):
        STORE.parse(data)


def test_empty_file_has_its_own_code() -> None:
    with pytest.raises(FormatError) as error:
        STORE.parse(b"")
    assert error.value.code == ExitCode.NEED_A_DOCUMENT


def test_messages_never_quote_the_text() -> None:
    for text in (
        "a: [hush?]\n",
        "hush: 1\nhush: 2\n",
        "a: *hush\n",
        'a: "hush\\/"\n',
        "a: !!int hush\n",
        "a: hush: hush\n",
        "- hush\n",
        "a: 'hush\n",
    ):
        with pytest.raises(FormatError) as error:
            STORE.parse(text.encode())
        assert "hush" not in f"{error.value}{error.value.hint}"


@pytest.mark.parametrize("note", ["", "# c\n"])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ("{a: ", "}")])
def test_deep_nesting_neither_crashes_nor_takes_long(opening: str, closing: str, note: str) -> None:
    depth = 9_000
    document = STORE.parse((note + "a: " + opening * depth + "x" + closing * depth + "\n").encode())
    assert len(document.tree) == 1
    with pytest.raises(FormatError, match="nested deeper"):
        STORE.parse((note + "a: " + opening * 200_000).encode())
