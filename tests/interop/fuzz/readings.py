"""What a printed text holds: values and comments, apart from their layout."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from secrettool.errors import SecrettoolError
from secrettool.library import StoreName
from secrettool.sops.selection import Selection, Selector
from secrettool.sops.store import Document
from secrettool.sops.tree import Branch, Comment, Item, Leaf, Node, Sequence, Tree, walk
from secrettool.sops.values import Value, plain_text
from secrettool.stores import by_name
from secrettool.stores.yaml.nodes import YamlDocument


class Reading:
    """A printed text.

    Args:
        store: Its format.
        text: What was printed.
    """

    def __init__(self, store: StoreName, text: bytes) -> None:
        self.store = store
        self.text = text

    @cached_property
    def document(self) -> Document | None:
        """The text as it is read; None when it cannot be."""
        try:
            return by_name(self.store).parse(self.text)
        except SecrettoolError:
            return None

    @property
    def tree(self) -> Tree:
        """The documents, none when the text cannot be read."""
        return [] if self.document is None else self.document.tree

    @cached_property
    def values(self) -> list[Any] | None:
        """The values of all documents, with their types, without comments; None when the text cannot be read.

        The section of an INI file that is always there is left out when it is empty: sops drops its header.
        """
        return self._plain(comments=False)

    @cached_property
    def everything(self) -> list[Any] | None:
        """The same with the comments at their places."""
        return self._plain(comments=True)

    def _plain(self, *, comments: bool) -> list[Any] | None:
        found = None if self.document is None else [plain(branch, comments=comments) for branch in self.tree]
        return [[item for item in found[0] if item != ("DEFAULT", [])]] if found and self.store == "ini" else found

    @cached_property
    def printed(self) -> bytes | None:
        """The text as secrettool would print it anew, in the way of sops; None when it cannot be."""
        try:
            return by_name(self.store).emit(self.tree)
        except SecrettoolError:
            return None

    @cached_property
    def survives(self) -> bool:
        """Whether the values are the same after sops' printing."""
        return self.printed is not None and Reading(self.store, self.printed).values == self.values

    @property
    def sections(self) -> list[str]:
        """The top-level keys of the first document, in lower case."""
        return [str(item.key).lower() for item in self.tree[0].items if isinstance(item, Item)] if self.tree else []

    @cached_property
    def has_comment_key(self) -> bool:
        """Whether a section of an INI file has a key that starts as a comment does."""
        sections = (item.value for branch in self.tree for item in branch.items if isinstance(item, Item))
        keys = (item.key for section in sections if isinstance(section, Branch) for item in section.items if isinstance(item, Item))
        return any(str(key)[:1] in ("#", ";") for key in keys)

    @cached_property
    def comments(self) -> list[str]:
        """The comments, sorted."""
        return sorted(_text(entry) for entry, _ in self._entries() if isinstance(entry, Comment))

    def comments_where(self, selector: Selector, *, encrypted: bool) -> Counter[str]:
        """The comments that are to be encrypted where they stand, or those that are not."""
        selects = Selection(selector).by_visit
        visits = (visit for visit in walk(self.tree) if isinstance(visit.node, Comment) and selects(visit) is encrypted)
        return Counter(_text(visit.node) for visit in visits if isinstance(visit.node, Comment))

    @property
    def dropped(self) -> int:
        """How many comments of a YAML text are in no tree."""
        return len(self.document.dropped) if isinstance(self.document, YamlDocument) else 0

    @cached_property
    def has_inline_comment(self) -> bool:
        """Whether a comment stands behind a value on its line."""
        return any(isinstance(entry, Comment) and entry.inline for entry, _ in self._entries())

    @cached_property
    def has_list_comment(self) -> bool:
        """Whether a list holds a comment."""
        return any(in_list and isinstance(entry, Comment) for entry, in_list in self._entries())

    @cached_property
    def has_negative_zero(self) -> bool:
        """Whether a value is the float -0.0."""
        return any(isinstance(value, float) and str(value) == "-0.0" for value in self._scalars())

    @cached_property
    def has_tab_first(self) -> bool:
        """Whether a value is a text of several lines that starts with a tab."""
        return any(isinstance(value, str) and value.startswith("\t") and "\n" in value for value in self._scalars())

    @cached_property
    def has_indented_text(self) -> bool:
        """Whether a value is a text of several lines that starts with a blank or a break: its block needs an indentation digit."""
        return any(isinstance(value, str) and value[:1] in tuple(" \n\r\x85\u2028\u2029") and "\n" in value for value in self._scalars())

    @cached_property
    def bare(self) -> list[str]:
        """The lines of the text without comments, without those that hold nothing else."""
        text = "" if self.document is None else self.document.text
        spans = sorted((entry.start, entry.end) for entry, _ in self._entries() if isinstance(entry, Comment) and entry.start >= 0)
        for start, end in reversed(spans):
            text = text[:start] + text[end:]
        return [line.rstrip() for line in text.split("\n") if line.strip()]

    def _scalars(self) -> Iterator[Value]:
        return (entry.value for entry, _ in self._entries() if isinstance(entry, Leaf))

    def _entries(self) -> Iterator[tuple[Node | Comment, bool]]:
        """Every node and comment, and whether it is an element of a list."""
        stack: list[tuple[Node | Comment, bool]] = [(branch, False) for branch in self.tree]
        while stack:
            node, in_list = stack.pop()
            yield node, in_list
            if isinstance(node, Sequence):
                stack.extend((entry, True) for entry in node.items)
            elif isinstance(node, Branch):
                stack.extend((entry.value if isinstance(entry, Item) else entry, False) for entry in node.items)


def _text(comment: Comment) -> str:
    """The text of a comment; blanks count as nothing: an empty comment cannot be encrypted in a list, so secrettool encrypts a blank."""
    return comment.text.strip(" ") and comment.text


def plain(node: Node | Comment, *, comments: bool) -> Any:
    """A node as Python values: mappings as pairs, since keys may repeat; numbers, dates and the like as the format writes them, with their type."""
    if isinstance(node, Comment):
        return ("comment", _text(node))
    if isinstance(node, Leaf):
        value = node.value
        if value is None or isinstance(value, str):
            return value
        # sops prints floats without a fraction as integers.
        return ("number" if type(value) in (int, float) else type(value).__name__, plain_text(value))
    kept = [entry for entry in node.items if comments or not isinstance(entry, Comment)]
    return [(entry.key, plain(entry.value, comments=comments)) if isinstance(entry, Item) else plain(entry, comments=comments) for entry in kept]
