"""The binary store: any bytes, encrypted as the one value `data` of a JSON file.

Source: sops 3.13 stores/json/store.go (BinaryStore).
"""

from __future__ import annotations

from typing import NoReturn

from secrettool.errors import EmitError
from secrettool.sops.store import SECTION_KEY, Document, Opener, Resealer, Sealer
from secrettool.sops.tree import Branch, Comment, Item, Leaf, Node, Tree, substitute
from secrettool.stores.json import JsonStore, read_sealed
from secrettool.stores.splice import decode, encode

DATA_KEY = "data"
"""The key that holds the bytes."""

_NOT_BINARY = "This is likely not an encrypted binary file?"


def _data(tree: Tree) -> str:
    """The bytes that a tree holds, as text."""
    if len(tree) != 1:
        raise EmitError(f"error emitting binary store: there must be exactly one tree branch. {_NOT_BINARY}")
    item = tree[0].find(DATA_KEY)
    if item is None:
        raise EmitError(f"error emitting binary store: no binary data found in tree. {_NOT_BINARY}", hint="give the format with --input-type")
    if not isinstance(item.value, Leaf) or not isinstance(item.value.value, str):
        raise EmitError(f"error emitting binary store: 'data' key in tree does not have a string value. {_NOT_BINARY}")
    return item.value.value


class BinaryStore:
    """Plain: the bytes as they are. Encrypted: JSON as sops prints it."""

    name = "binary"
    suffixes: tuple[str, ...] = ()

    def __init__(self) -> None:
        self._json = JsonStore()

    def parse(self, data: bytes) -> Document:
        """See `Store`; every input is accepted."""
        text = decode(data)
        return Document(text, [Branch([Item(DATA_KEY, Leaf(text, 0, len(text)))])])

    def parse_sealed(self, data: bytes) -> Document:
        """See `Store`; the text is the JSON around the envelope."""
        return read_sealed(data)

    def seal(self, document: Document, sealer: Sealer, *, indent: int | None = None) -> bytes:
        """See `Store`.

        Args:
            document: The plain bytes.
            sealer: See `Store`.
            indent: Indentation of the JSON, as for `emit`.
        """
        nodes: list[Leaf | Comment | None] = [None if sealed is None else Leaf(sealed.envelope) for sealed in sealer.seals]
        return self.emit_sealed(substitute(document.tree, nodes), sealer.section, indent=indent)

    def open(self, document: Document, opener: Opener) -> bytes:
        """See `Store`.

        Raises:
            EmitError: The file holds something else than the one text of a binary file.
        """
        return encode(_data(substitute(document.tree, list(opener.nodes))))

    def reseal(self, document: Document, resealer: Resealer) -> bytes:
        """See `Store`."""
        return self._json.reseal(document, resealer)

    def emit(self, tree: Tree, *, indent: int | None = None) -> bytes:
        """See `Store`; there is nothing to indent."""
        return encode(_data(tree))

    def emit_sealed(self, tree: Tree, section: Branch, *, indent: int | None = None) -> bytes:
        """See `Store`."""
        return self._json.emit_sealed(tree, section, indent=indent)

    def emit_value(self, node: Node | Comment) -> NoReturn:
        """See `Store`; always refused."""
        raise EmitError("Binary files are not structured and extracting a single value is not possible")

    def amend(self, document: Document, tree: Tree) -> bytes:
        """See `Store`."""
        return self.emit(tree)

    def reserved(self, key: str) -> bool:
        """See `Store`."""
        return key == SECTION_KEY
