"""What a store is: text of one format to a document and back, byte for byte.

The verbs (`document.py`) decide what is encrypted and how; a store knows where the values stand in the text and how they are written there. It
never sees a key: whatever it needs sealed or opened beyond the visits of the walk it asks for through `Sealer`, `Opener` and `Resealer`.

Rules: decisions/0002 (lossless documents).
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence as Seq
from typing import NamedTuple, Protocol

from secrettool.sops.tree import Branch, Comment, Leaf, Node, Tree, TreePath, Visit
from secrettool.sops.values import Kind

SECTION_KEY = "sops"
"""The reserved top-level key; dotenv reserves the prefix `sops_` instead."""

NotationEntry = tuple[int, str | None]
"""Number of a visit of the walk, and the original text of its span (None: a content line that was inserted and is to be removed)."""


class Document:
    """A parsed file: its text and the tree in it. Stores subclass it for what else they need to know.

    Attributes:
        text: The decoded text that the offsets of the tree point into.
        tree: The documents, without the `sops` section.
        section: The metadata as it stands in the first document, names and types as written; None when plain text was parsed.
        notation: The sealed notation entry of the section, base64; None without one.
        warnings: What a person should be told about the text, for instance that something behind its end is dropped. Never holds a value.
        fragile: The text holds something that readers of the format do not agree about; what is sealed from it is opened once before it is handed
            out.
    """

    __slots__ = ("fragile", "notation", "section", "text", "tree", "warnings")

    def __init__(self, text: str, tree: Tree, section: Branch | None = None, notation: str | None = None) -> None:
        self.text = text
        self.tree = tree
        self.section = section
        self.notation = notation
        self.warnings: list[str] = []
        self.fragile = False


class Sealed(NamedTuple):
    """What takes the place of one visit in the encrypted text.

    Attributes:
        envelope: The envelope.
        kind: Its type word.
        plain: The plaintext inside it: together with the style of the envelope it decides what opening prints.
        bare: The envelope is kept from an encrypted file where it stood as a plain scalar although the value needs quotes or a block, as sops
            writes them. Where opening it there would print exactly what stands in the text now, it goes back bare.
    """

    envelope: str
    kind: Kind
    plain: str
    bare: bool = False


class Sealer(Protocol):
    """What `Store.seal` is given."""

    @property
    def seals(self) -> Seq[Sealed | None]:
        """One entry per visit of the walk: what takes its place, or None where the text stays."""

    @property
    def section(self) -> Branch:
        """The metadata to write, in the order to write it."""

    def selects(self, path: TreePath) -> bool:
        """Whether a leaf under this path would be encrypted; with a selector that looks at comments, True."""

    def selects_visit(self, visit: Visit) -> bool:
        """Whether the leaf or comment of a visit is encrypted, by its path or by the comments around it."""

    def extra(self, text: str, kind: Kind, path: TreePath) -> str:
        """Seal something that the text holds and the walk does not visit under this path: the envelope."""

    def notation(self, entries: list[NotationEntry]) -> str | None:
        """Seal the notation entries: base64, or None when there are none."""


class Opener(Protocol):
    """What `Store.open` is given."""

    @property
    def nodes(self) -> Seq[Leaf | Comment | None]:
        """One entry per visit of the walk: the opened leaf (`plain` is the plaintext that was inside) or comment; None where the text stays."""

    @property
    def notation(self) -> Mapping[int, str | None]:
        """The opened notation entries, by number of the visit."""

    def extra(self, envelope: str, path: TreePath) -> str | None:
        """Open an envelope that the walk does not visit: its plaintext, or None when it does not open under this path."""


class Resealer(Protocol):
    """What `Store.reseal` is given."""

    @property
    def envelopes(self) -> Seq[str | None]:
        """One entry per visit of the walk: the new envelope, or None where the text stays."""

    @property
    def section(self) -> Branch:
        """The metadata to write."""

    @property
    def notation(self) -> str | None:
        """The sealed notation entry to write, base64; None for none."""

    def extra(self, envelope: str, path: TreePath) -> str | None:
        """The new envelope for one that the walk does not visit, or None to leave it."""


class Store(Protocol):
    """One file format.

    `FormatError` names line and column of broken text, never its content.
    """

    @property
    def name(self) -> str:
        """`yaml`, `json`, `dotenv`, `ini` or `binary`."""

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Ends of the file names that belong to it."""

    def parse(self, data: bytes) -> Document:
        """Parse plain text. A reserved top-level key stays in the tree; the verbs refuse it."""

    def parse_sealed(self, data: bytes) -> Document:
        """Parse encrypted text and split the section off.

        Raises:
            FormatError: The text is broken.
            MetadataNotFound: There is no section.
            MetadataError: The section is not a mapping, or there are two.
        """

    def seal(self, document: Document, sealer: Sealer) -> bytes:
        """The encrypted text of a plain document: spans replaced, section added, all else as it was."""

    def open(self, document: Document, opener: Opener) -> bytes:
        """The plain text of an encrypted document: spans replaced, section removed, all else as it was."""

    def reseal(self, document: Document, resealer: Resealer) -> bytes:
        """The encrypted text with other envelopes in the same places and another section in the place of the old one."""

    def emit(self, tree: Tree, *, indent: int | None = None) -> bytes:
        """Print a tree that has no text, as sops prints it.

        Raises:
            EmitError: The format cannot express the tree.
        """

    def emit_sealed(self, tree: Tree, section: Branch, *, indent: int | None = None) -> bytes:
        """Print a tree whose leaves are envelopes already, with its section.

        Raises:
            EmitError: The format cannot express the tree, or it holds the reserved key.
        """

    def emit_value(self, node: Node | Comment) -> bytes:
        """Print one part of a tree, for `--extract`; text alone is printed raw by the caller.

        Raises:
            EmitError: The format cannot express it.
        """

    def amend(self, document: Document, tree: Tree) -> bytes:
        """The smallest change of a plain document's text that makes it hold another tree.

        Args:
            document: Parsed plain text.
            tree: The wanted tree: it shares the nodes of `document.tree` that stay as they are (same objects) and has new nodes, at `NOWHERE`,
                where something was set; nodes that are missing were removed. Branches and lists that changed are copies.

        Returns:
            The text; the caller parses it again and falls back on `emit` where it does not give the wanted tree.
        """

    def reserved(self, key: str) -> bool:
        """Whether a top-level key is reserved for the section in this format."""
