"""Plain text together with its metadata, for editing both at once: the section stands beside values in clear.

Source: sops 3.13 cmd/sops/edit.go (ShowMasterKeys).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from secrettool.errors import EmitError
from secrettool.sops.document import SealedFile
from secrettool.sops.metadata import Metadata, read_metadata, section_of
from secrettool.sops.tree import Branch, Tree, TreePath, Visit, walk

if TYPE_CHECKING:
    from secrettool.sops.opening import OpenedFile
    from secrettool.sops.store import NotationEntry, Store
    from secrettool.sops.values import Kind


class _NothingToSeal:
    """The `Sealer` that leaves every value in clear and only adds a section."""

    def __init__(self, tree: Tree, section: Branch) -> None:
        self.seals: list[None] = [None for _ in walk(tree)]
        self.section = section

    def selects(self, path: TreePath) -> bool:
        return False

    def selects_visit(self, visit: Visit) -> bool:
        return False

    def extra(self, text: str, kind: Kind, path: TreePath) -> str:
        return text

    def notation(self, entries: list[NotationEntry]) -> None:
        return None


class _NothingToOpen:
    """The `Opener` that leaves every value as it is, so that only the section goes."""

    def __init__(self, tree: Tree) -> None:
        self.nodes: list[None] = [None for _ in walk(tree)]
        self.notation: Mapping[int, str | None] = {}

    def extra(self, envelope: str, path: TreePath) -> None:
        return None


def with_section(file: SealedFile, opened: OpenedFile) -> bytes:
    """The plain text of an opened file with its section.

    Raises:
        EmitError: The plain text does not survive beside a section, such as bytes that are no text in a binary file.
    """
    plain = file.store.open(file.document, opened)
    document = file.store.parse(plain)
    shown = file.store.seal(document, _NothingToSeal(document.tree, section_of(file.metadata)))
    if without_section(file.store, shown)[0] != plain:
        raise EmitError("the file cannot be shown together with its metadata", hint="edit it without --show-master-keys")
    return shown


def without_section(store: Store, data: bytes) -> tuple[bytes, Metadata]:
    """Split what `with_section` gave, and somebody edited, into plain text and metadata.

    Raises:
        FormatError: The text is broken.
        MetadataError: The section is gone or damaged.
    """
    document = store.parse_sealed(data)
    assert document.section is not None
    return store.open(document, _NothingToOpen(document.tree)), read_metadata(document.section)
