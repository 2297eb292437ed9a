"""The dotenv store."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrettool.errors import EmitError, FormatError, MetadataNotFound, SecrettoolError
from secrettool.sops.document import Runtime
from secrettool.sops.editing import Steps, with_value, without_value
from secrettool.sops.envelope import DataKey
from secrettool.sops.rekeying import change_groups
from secrettool.sops.selection import Selector
from secrettool.sops.tree import Branch, Comment, Item, Leaf, Node, Sequence
from secrettool.stores.dotenv import DotenvStore
from tests.unit.stores.sealed_files import branch, open_sealed, opened, plain, seal, sealed_file, tree_of, vectors

STORE = DotenvStore()
LINES = st.lists(st.sampled_from(["A=1", "#c", "", "b= x # y", "export K='v'", "=", "A=2\r", "m=x\\ny", "\r=\r", "#", "é=\\\\n"])).map("\n".join)
TEXTS = st.tuples(LINES, st.sampled_from(["", "\n", "\n\n"])).map("".join).map(str.encode)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        (b"", []),
        (b"\n\n", []),
        (b"A=1\n#c\n", [("A", "1"), ("#", "c")]),
        (b' export K = "v" # x\r', [(" export K ", ' "v" # x\r')]),
        (b"A=x\\ny\\\\n", [("A", "x\ny\\\n")]),
        (b"=\nA=\nA=b=c", [("", ""), ("A", ""), ("A", "b=c")]),
        (b" #c=1", [(" #c", "1")]),
        (b"A=\xff", [("A", "\udcff")]),
    ],
)
def test_parse_trims_nothing(text: bytes, tree: Any) -> None:
    assert tree_of(STORE, text) == tree


def test_parse_names_the_line_and_not_its_content() -> None:
    with pytest.raises(FormatError) as caught:
        STORE.parse(b"A=1\nhunter2\n")
    assert caught.value.where == "line 2, column 1"
    assert "hunter2" not in f"{caught.value}{caught.value.hint}"


@given(st.binary())
def test_parse_raises_nothing_foreign(data: bytes) -> None:
    try:
        STORE.parse(data)
    except SecrettoolError as error:
        assert error.where


@pytest.mark.parametrize(("encrypted", "key", "printed", "original"), vectors("dotenv"))
def test_open_prints_what_sops_prints(encrypted: bytes, key: DataKey, printed: bytes, original: bytes | None) -> None:
    assert open_sealed(STORE, encrypted, key) == printed
    if original is not None:
        assert open_sealed(STORE, seal(STORE, original)) == original


@given(TEXTS, st.sampled_from([None, Selector("encrypted_regex", "^A")]))
def test_opening_gives_every_byte_back(text: bytes, selector: Selector | None) -> None:
    sealed = seal(STORE, text, selector)
    assert open_sealed(STORE, sealed) == text
    assert plain(opened(STORE, sealed).tree[0]) == tree_of(STORE, text)


def test_seal_puts_the_section_at_the_end() -> None:
    lines = seal(STORE, b"A=1\n").decode().splitlines()
    assert lines[0].startswith("A=ENC[")
    assert [line.partition("=")[0] for line in lines[1:]] == [
        "sops_age__list_0__map_enc",
        "sops_age__list_0__map_recipient",
        "sops_lastmodified",
        "sops_mac",
        "sops_unencrypted_suffix",
        "sops_version",
    ]


def test_seal_leaves_a_missing_line_break_out_behind_the_section() -> None:
    assert not seal(STORE, b"A=1").endswith(b"\n")


def test_open_takes_metadata_out_wherever_it_stands() -> None:
    first, *metadata = seal(STORE, b"A=1\n").splitlines(keepends=True)
    assert open_sealed(STORE, b"".join([*metadata[:2], first, *metadata[2:]])) == b"A=1\n"


@given(TEXTS)
def test_reseal_changes_only_the_section(text: bytes) -> None:
    sealed = seal(STORE, text)
    file = sealed_file(STORE, sealed)
    runtime = Runtime(None, lambda size: b"\0" * size, lambda: "2031-07-09T08:07:06Z")  # type: ignore[arg-type]
    assert change_groups(file, DataKey(bytes(range(32))), file.metadata.groups, 0, runtime) == sealed


def test_parse_sealed_wants_metadata() -> None:
    with pytest.raises(MetadataNotFound):
        STORE.parse_sealed(b"A=1\nsops=2\n")


def test_emit_prints_scalars_as_sops_does() -> None:
    tree = Branch([Comment("c"), *branch(A="x\ny", b=True, i=7, f=3.0, n=None).items])
    assert STORE.emit([tree]) == b"#c\nA=x\\ny\nb=true\ni=7\nf=3.0\nn=<nil>\n"


@pytest.mark.parametrize("value", [Branch(), Sequence()])
def test_emit_refuses_collections(value: Node) -> None:
    with pytest.raises(EmitError, match="complex value"):
        STORE.emit([branch(k=value)])


@pytest.mark.parametrize(
    "tree",
    [branch(a=None), branch(sops_a=1), Branch([Item("a=b", Leaf(1))]), Branch([Item("#a", Leaf(1))]), Branch([Comment("a\nb")])],
    ids=["null", "reserved", "equals sign", "comment", "comment of two lines"],
)
def test_emit_sealed_refuses_what_would_not_be_read_back(tree: Branch) -> None:
    with pytest.raises(EmitError):
        STORE.emit_sealed([tree], branch(mac="m"))


def test_emit_sealed_flattens_the_section() -> None:
    section = branch(age=Sequence([branch(enc="a\nb")]), shamir_threshold=2)
    assert STORE.emit_sealed([branch(A="x")], section) == b"A=x\nsops_age__list_0__map_enc=a\\nb\nsops_shamir_threshold=2\n"


def test_emit_value_prints_text_and_mappings_only() -> None:
    assert STORE.emit_value(Leaf("x")) == b"x"
    assert STORE.emit_value(branch(a=1)) == b"a=1\n"
    with pytest.raises(EmitError):
        STORE.emit_value(Leaf(1))


@pytest.mark.parametrize(
    ("before", "steps", "value", "after"),
    [
        ("A=1\r\n#c\nB=2", ("A",), "x", "A=x\n#c\nB=2"),
        ("A=1\n\nB=2", ("B",), None, "A=1\n"),
        ("A=1\nB=2", ("B",), None, "A=1"),
        ("A=1\nB=2", ("A",), None, "B=2"),
        ("A=1\nB=2\n", ("C",), "x\ny", "A=1\nB=2\nC=x\\ny\n"),
        ("A=1", ("C",), "3", "A=1\nC=3"),
        ("", ("C",), "3", "C=3\n"),
        ("#c\n", ("C",), "3", "#c\nC=3\n"),
    ],
)
def test_amend_changes_only_the_lines_asked_for(before: str, steps: Steps, value: str | None, after: str) -> None:
    document = STORE.parse(before.encode())
    root = document.tree[0]
    tree = without_value(root, steps) if value is None else with_value(root, steps, Leaf(value))[0]
    assert STORE.amend(document, [tree]).decode() == after


def test_open_writes_values_of_other_types_and_stray_comments() -> None:
    file = opened(STORE, seal(STORE, b"A=1\nB=2\n#c\n"))
    file.nodes = [Leaf(3.0), Comment("x"), Leaf("d")]
    assert STORE.open(file.document, file) == b"A=3.0\nB=x\n#d\n"


def test_the_prefix_is_reserved_and_the_word_is_not() -> None:
    assert STORE.reserved("sops_mac") and not STORE.reserved("sops")
