"""Sealing and opening with a fixed data key, for tests of the stores: everything real but the master keys."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml

from secrettool.sops.document import SealedFile
from secrettool.sops.envelope import Cipher, DataKey
from secrettool.sops.keygroups import MasterKey
from secrettool.sops.metadata import Metadata, read_metadata
from secrettool.sops.opening import OpenedFile
from secrettool.sops.sealing import TreeSealer
from secrettool.sops.selection import Selector
from secrettool.sops.store import Store
from secrettool.sops.tree import Branch, Comment, Item, Leaf, Node, Sequence

KEY = DataKey(bytes(range(32)))
VECTORS = Path(__file__).parents[2] / "vectors"
ARMOUR = "-----BEGIN AGE ENCRYPTED FILE-----\nYWdl\n-----END AGE ENCRYPTED FILE-----\n"


def seal(store: Store, data: bytes, selector: Selector | None = None) -> bytes:
    """The encrypted form of a plain text."""
    document = store.parse(data)
    key = MasterKey("age", {"recipient": "age1one"}, ARMOUR)
    metadata = Metadata(((key,),), "2031-07-09T08:07:06Z", "", selector or Selector())
    return store.seal(document, TreeSealer(document, metadata, Cipher(KEY), os.urandom))


def opened(store: Store, data: bytes, key: DataKey = KEY) -> OpenedFile:
    """An encrypted text with its values."""
    document = store.parse_sealed(data)
    assert document.section is not None
    return OpenedFile(document, read_metadata(document.section), key)


def open_sealed(store: Store, data: bytes, key: DataKey = KEY) -> bytes:
    """The plain form of an encrypted text."""
    file = opened(store, data, key)
    return store.open(file.document, file)


def sealed_file(store: Store, data: bytes) -> SealedFile:
    """An encrypted text as the verbs take it."""
    document = store.parse_sealed(data)
    assert document.section is not None
    return SealedFile(data, store, document, read_metadata(document.section))


def plain(node: Node | Comment) -> Any:
    """A node as Python values: mappings are lists of pairs, comments strings with a leading `#` in a tuple."""
    if isinstance(node, Comment):
        return ("#", node.text)
    if isinstance(node, Leaf):
        return node.value
    if isinstance(node, Sequence):
        return [plain(entry) for entry in node.items]
    return [(item.key, plain(item.value)) if isinstance(item, Item) else plain(item) for item in node.items]


def tree_of(store: Store, data: bytes) -> Any:
    """What a plain text holds."""
    return plain(store.parse(data).tree[0])


def branch(**values: Node | str | int | float | bool | None) -> Branch:
    """A mapping from keyword arguments."""
    return Branch([Item(key, value if isinstance(value, Leaf | Branch | Sequence) else Leaf(value)) for key, value in values.items()])


def vectors(store: str) -> list[Any]:
    """The vectors of one store that say the data key, as parameters: encrypted text, data key, what sops prints, plain text or None."""
    import pytest

    index = yaml.load((VECTORS / "index.yaml").read_text(), yaml.CSafeLoader)["vectors"]
    keys = {vector["name"]: vector["data_key"] for vector in index if "data_key" in vector}
    found = []
    for vector in index:
        key = keys.get(vector.get("base", vector["name"]))
        argv = " ".join(vector["decrypt"][0]["argv"]) if "decrypt" in vector else ""
        if vector.get("store") != store or vector["kind"] not in ("roundtrip", "decrypt") or key is None or "--ignore-mac" in argv:
            continue
        read = [
            (VECTORS / name).read_bytes() if name else None for name in (vector["encrypted"], vector["decrypt"][0]["stdout"], vector.get("plain"))
        ]
        found.append(pytest.param(read[0], DataKey(bytes.fromhex(str(key).zfill(64))), read[1], read[2], id=vector["name"]))
    return found
