"""Texts as sops writes them, in places where it puts things that nobody would."""

from __future__ import annotations

import re

import pytest

from secrettool.errors import FormatError
from secrettool.sops.selection import Selector
from secrettool.sops.tree import Comment, Sequence
from secrettool.stores.yaml import YamlStore
from tests.unit.stores.sealed_files import open_sealed, seal

STORE = YamlStore()


def behind_the_key(text: bytes) -> bytes:
    """The sealed text with the comment above its section put behind the section's key, as sops does."""
    moved, count = re.subn(rb"(?m)^( *)(#\S*)\n\1(sops:)$", rb"\1\3 \2", seal(STORE, text))
    assert count == 1
    return moved


@pytest.mark.parametrize("text", [b"a: x\n# c\n", b"k:\n  - d: x\n# c\n", b"  a: x\n  # c\n", b"a: |\n  x\n# c\n"])
def test_a_comment_behind_the_key_of_the_section_comes_out_above_it(text: bytes) -> None:
    assert open_sealed(STORE, behind_the_key(text)) == text


def test_a_clear_comment_behind_the_key_of_the_section_comes_out_above_it() -> None:
    sealed = seal(STORE, b"a: x\n", Selector("encrypted_regex", "^a$"))
    assert open_sealed(STORE, sealed.replace(b"\nsops:\n", b"\nsops: # c\n")) == b"a: x\n# c\n"


@pytest.mark.parametrize("text", [b"d:\n - 1\n\n #\n  #", b"d:\n - 1\n\n #\n", b"l:\n- k: v\n\n  #\n #\n"])
def test_an_empty_comment_that_the_section_moves_into_a_list_is_no_element_there(text: bytes) -> None:
    sealed = seal(STORE, text)
    assert open_sealed(STORE, sealed) == text
    stack: list[object] = [item.value for item in STORE.parse_sealed(sealed).tree[0].items if not isinstance(item, Comment)]
    while stack:
        node = stack.pop()
        if isinstance(node, Sequence):
            assert not any(isinstance(entry, Comment) and not entry.text for entry in node.items)
            stack += node.items


def test_two_byte_order_marks_are_refused() -> None:
    with pytest.raises(FormatError, match="two byte order marks"):
        STORE.parse(b"\xef\xbb\xbf\xef\xbb\xbfa: x\n")


def test_an_alias_beside_an_empty_comment_that_the_section_moves_is_written_out() -> None:
    text = b"  k:\n   &x #\n  - y\n  l: {z: *x #\n}"
    sealed = seal(STORE, text)
    assert b"&was_inline_alias_x [" in sealed
    assert open_sealed(STORE, sealed) == text
