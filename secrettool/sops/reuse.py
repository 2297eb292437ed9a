"""Reuse: which envelopes of an older encrypted file may stay when its plain text is encrypted again.

A value that is unchanged at an unchanged path keeps its envelope, so that a change of one value changes one line. An envelope is handed out once.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from secrettool.sops.store import Document, Sealed
from secrettool.sops.tree import Comment, Leaf, TreePath, walk
from secrettool.sops.values import Value, kind_of, plain_text

if TYPE_CHECKING:
    from secrettool.sops.opening import OpenedFile

_Places = dict[tuple[TreePath, str, str], deque[int]]


class Kept(NamedTuple):
    """An envelope that stays, and the value it holds: its type is the old one (a float whose text is `7` stays a float)."""

    sealed: Sealed
    value: Value


class Reuse:
    """The envelopes of an opened file, by what a person would call unchanged.

    Args:
        old: The file whose envelopes may be kept.
        plain: Its plain text, parsed; it tells how each value is written. None when the text is not to be compared.
        typed: Whether the types of the new leaves are what somebody asked for. Otherwise they were read from a text, where a float may be written
            like an integer, and a leaf that is written as before keeps the type that it had.
    """

    def __init__(self, old: OpenedFile, plain: Document | None, *, typed: bool = False) -> None:
        self.old = old
        self._typed = typed
        self._written: _Places = {}
        self._valued: _Places = {}
        self._taken: set[int] = set()
        visits = list(walk(old.document.tree))
        self._envelopes = [node.text if isinstance(node, Comment) else node.value for node, _, _ in visits]
        self._bare = [isinstance(node, Leaf) and old.document.text[node.start : node.end] == node.value for node, _, _ in visits]
        shown = list(walk(plain.tree)) if plain is not None else []
        aligned = len(shown) == len(visits)
        for number, (visit, opened) in enumerate(zip(visits, old.opened, strict=True)):
            if opened is None:
                continue
            node = old.nodes[number]
            kind = opened.kind
            value = plain_text(node.value) if isinstance(node, Leaf) else opened.text
            self._valued.setdefault((visit.path, kind, value), deque()).append(number)
            if aligned and plain is not None:
                other = shown[number].node
                if isinstance(other, Comment) == isinstance(node, Comment) and shown[number].path == visit.path:
                    word = "comment" if isinstance(other, Comment) else kind if typed else "leaf"
                    self._written.setdefault((visit.path, word, _written(plain, other)), deque()).append(number)

    def leaf(self, document: Document, leaf: Leaf, path: TreePath) -> Kept | None:
        """The envelope of an unchanged leaf: first one that is written the same way, else one that holds the same typed value."""
        number = self._take(self._written, (path, kind_of(leaf.value) if self._typed else "leaf", _written(document, leaf)))
        if number is None:
            number = self._take(self._valued, (path, kind_of(leaf.value), plain_text(leaf.value)))
        if number is None:
            return None
        node = self.old.nodes[number]
        return Kept(self._sealed(number), node.value if isinstance(node, Leaf) else leaf.value)

    def comment(self, document: Document, comment: Comment, path: TreePath) -> Sealed | None:
        """The envelope of an unchanged comment."""
        number = self._take(self._valued, (path, "comment", comment.text))
        return None if number is None else self._sealed(number)

    def extra(self, text: str, path: TreePath) -> str | None:
        """The envelope of something unchanged that the walk does not visit."""
        return self.old.extras.pop((text, path), None)

    def _take(self, places: _Places, key: tuple[TreePath, str, str]) -> int | None:
        numbers = places.get(key)
        while numbers:
            number = numbers.popleft()
            if number not in self._taken:
                self._taken.add(number)
                return number
        return None

    def _sealed(self, number: int) -> Sealed:
        opened, envelope = self.old.opened[number], self._envelopes[number]
        assert opened is not None and isinstance(envelope, str)
        # In a block scalar the envelope is a line with its line break.
        return Sealed(envelope.rstrip("\n"), opened.kind, opened.text, self._bare[number])


def _written(document: Document, node: Leaf | Comment) -> str:
    return node.text if isinstance(node, Comment) else document.text[node.start : node.end]
