"""Building without any key: markers stand where values would be, so that what is around them can be looked at and validated.

A marker begins with the token of placeholders: the guard refuses it, as do cluster policies against placeholders, so what was built this way is not
applied by mistake.
"""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, NoReturn

from secrettool.errors import KeyUnavailable
from secrettool.sops.envelope import looks_sealed
from secrettool.sops.tree import Branch, Comment, Item, Leaf, substitute, walk
from secrettool.sops.values import Time

if TYPE_CHECKING:
    from secrettool.sops.metadata import Metadata
    from secrettool.sops.store import Document
    from secrettool.sops.tree import Tree, TreePath
    from secrettool.sops.values import Value

MARKER = "REPLACE_ME_NO_KEY"
"""What stands for a text."""

_ENCODED = b64encode(MARKER.encode("ascii")).decode("ascii")
_STAND_INS: dict[str, Value] = {"int": 0, "float": 0.5, "bool": False, "time": Time("1970-01-01T00:00:00Z")}
_BASE64_FIELDS = {"Secret": "data", "ConfigMap": "binaryData"}


class NoKeys:
    """A `KeyRing` without keys: documents are not opened with it, they are marked."""

    def __repr__(self) -> str:
        return "<NoKeys>"

    def data_key(self, metadata: Metadata) -> NoReturn:
        """See `KeyRing`.

        Raises:
            KeyUnavailable: `HK111`, always.
        """
        raise KeyUnavailable("HK111", "no key is used")


class MarkedFile:
    """An encrypted document whose values are markers of the same types. Nothing is checked."""

    def __init__(self, document: Document) -> None:
        self._document = document

    @property
    def tree(self) -> Tree:
        """The tree with markers; encrypted comments are marked too."""
        tree = self._document.tree
        fields = [_base64_field(root) for root in tree]
        marked: list[Leaf | Comment | None] = []
        for number, root in enumerate(tree):
            marked += [_marked(visit.node, visit.path, fields[number]) for visit in walk([root])]
        return substitute(tree, marked)


def _base64_field(root: Branch) -> str | None:
    """The field of an object whose values are base64."""
    kind = root.find("kind")
    return _BASE64_FIELDS.get(str(kind.value.value)) if isinstance(kind, Item) and isinstance(kind.value, Leaf) else None


def _marked(node: Leaf | Comment, path: TreePath, field: str | None) -> Leaf | Comment | None:
    if isinstance(node, Comment):
        return Comment(MARKER, node.inline) if looks_sealed(node.text) else None
    envelope = node.value
    if not isinstance(envelope, str) or not looks_sealed(envelope):
        return None
    kind = envelope[envelope.rindex("type:") + 5 : envelope.rindex("]")]
    if kind == "comment":
        return Comment(MARKER)
    if len(path) == 2 and path[0] == field:
        return Leaf(_ENCODED)
    return Leaf(_STAND_INS.get(kind, MARKER))
