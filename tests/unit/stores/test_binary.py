"""The binary store."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrettool.errors import EmitError, FormatError
from secrettool.sops.envelope import DataKey
from secrettool.sops.tree import Branch, Item, Leaf, Tree
from secrettool.stores.binary import BinaryStore
from secrettool.stores.json import JsonStore
from tests.unit.stores.sealed_files import branch, open_sealed, opened, seal, vectors

STORE = BinaryStore()


@pytest.mark.parametrize(("encrypted", "key", "printed", "original"), vectors("binary"))
def test_open_gives_the_bytes_that_sops_gives(encrypted: bytes, key: DataKey, printed: bytes, original: bytes | None) -> None:
    assert open_sealed(STORE, encrypted, key) == printed


@given(st.binary())
def test_opening_gives_every_byte_back(data: bytes) -> None:
    assert open_sealed(STORE, seal(STORE, data)) == data


def test_seal_prints_json_as_sops_does() -> None:
    sealed = seal(STORE, b"x")
    assert sealed.startswith(b'{\n\t"data": "ENC[') and sealed.endswith(b"\n\t}\n}\n")


def test_seal_leaves_an_empty_file_open() -> None:
    assert json.loads(seal(STORE, b""))["data"] == ""


@pytest.mark.parametrize("tree", [[Branch()], [Branch(), Branch()], [branch(data=1)], [branch(data=Branch())]])
def test_emit_refuses_what_is_not_one_text(tree: Tree) -> None:
    with pytest.raises(EmitError):
        STORE.emit(tree)


def test_open_refuses_the_json_of_another_store() -> None:
    sealed = seal(JsonStore(), b'{"a": 1}')
    file = opened(STORE, sealed)
    with pytest.raises(EmitError):
        STORE.open(file.document, file)


def test_parse_sealed_wants_json() -> None:
    with pytest.raises(FormatError):
        STORE.parse_sealed(b"data: x\n")


def test_amend_gives_the_new_bytes() -> None:
    assert STORE.amend(STORE.parse(b"old"), [Branch([Item("data", Leaf("new\udcff"))])]) == b"new\xff"


def test_emit_value_is_refused() -> None:
    with pytest.raises(EmitError):
        STORE.emit_value(Leaf("x"))


def test_sops_is_reserved() -> None:
    assert STORE.reserved("sops") and not STORE.reserved("data")
