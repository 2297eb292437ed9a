"""The tree of a document: branches, items, lists, leaves and comments, in document order.

A store makes a tree from text; the leaves remember where they stand in it. The walk visits every leaf that the format knows about, in the order
that the MAC hashes them and that the notation entry numbers them.

Source: sops 3.13 sops.go (TreeBranch, walkBranch, walkSlice).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

from secrettool.errors import TreeEncryptError
from secrettool.sops.values import INT_MAX, INT_MIN, Value

TreePath: TypeAlias = tuple[str, ...]
"""Mapping keys from the root of a document; list items share the path of their list."""

NOWHERE = -1
"""Offset of a node that was made from a value and stands in no text."""


class Leaf:
    """A scalar.

    Attributes:
        value: What it holds.
        start: Offset of its first character in the document's text, quotes included; `NOWHERE` without a text.
        end: Offset behind its last character.
        plain: Plaintext to seal instead of the canonical one, where the notation may travel inside the envelope (floats and bools whose text
            Go's parsers read to the same value); None for the canonical plaintext.
    """

    __slots__ = ("end", "plain", "start", "value")

    def __init__(self, value: Value, start: int = NOWHERE, end: int = NOWHERE, plain: str | None = None) -> None:
        self.value = value
        self.start = start
        self.end = end
        self.plain = plain


class Comment:
    """A comment: its text without the leading `#` or `;`, and whether it stands behind a value on the same line."""

    __slots__ = ("end", "inline", "start", "text")

    def __init__(self, text: str, inline: bool = False, start: int = NOWHERE, end: int = NOWHERE) -> None:
        self.text = text
        self.inline = inline
        self.start = start
        self.end = end


class Sequence:
    """A list; comments are elements of it."""

    __slots__ = ("items",)

    def __init__(self, items: list[Node | Comment] | None = None) -> None:
        self.items: list[Node | Comment] = [] if items is None else items


class Item:
    """An entry of a mapping. A key that is not a string is kept, so that the walk can refuse it by its type."""

    __slots__ = ("key", "value")

    def __init__(self, key: str | int | float | bool | Value, value: Node) -> None:
        self.key = key
        self.value = value


class Branch:
    """A mapping, or a whole document: items and comments in order; duplicate keys are possible."""

    __slots__ = ("items",)

    def __init__(self, items: list[Item | Comment] | None = None) -> None:
        self.items: list[Item | Comment] = [] if items is None else items

    def find(self, key: str) -> Item | None:
        """The first item with this key."""
        for item in self.items:
            if isinstance(item, Item) and item.key == key:
                return item
        return None


Node: TypeAlias = Leaf | Branch | Sequence
Tree: TypeAlias = list[Branch]
"""The documents of a file; only YAML has more than one."""


class Visit(NamedTuple):
    """One stop of the walk.

    Attributes:
        node: A leaf that is not null, or a comment.
        path: Keys to the leaf; for a comment, to the mapping or list that holds it.
        comments: The active comments, one list per open mapping or list, the innermost last; valid only until the walk goes on.
    """

    node: Leaf | Comment
    path: TreePath
    comments: list[list[str]]


_new = tuple.__new__  # what `Visit(...)` comes down to, at half the time


def dotted(path: TreePath) -> str:
    """A path as people read it in messages."""
    return ".".join(path)


def _check(value: Value, path: TreePath) -> None:
    if isinstance(value, int) and not isinstance(value, bool) and not INT_MIN <= value <= INT_MAX:
        raise TreeEncryptError(
            "Cannot walk value, unknown type: uint64",
            where=dotted(path),
            hint="the format knows integers of 64 bits with a sign: write the number as a string",
        )


def walk(tree: Tree) -> Iterator[Visit]:  # noqa: C901 -- one loop: it runs for each of tens of thousands of values
    """Visit leaves and comments depth first in document order, all documents one after the other.

    Null, empty mappings and empty lists are not visited: the format never encrypts and never hashes them. Uses a stack of its own, so depth is
    bounded by memory alone.

    Raises:
        TreeEncryptError: A key that is not a string, or an integer outside 64 bits.
    """
    for root in tree:
        active: list[list[str]] = [[]]
        stack: list[Iterator[Item | Comment | Node]] = [iter(root.items)]
        keys: list[str] = []  # of the open mappings and lists; a path is made at a leaf only, so that deep nesting costs no memory
        named: list[bool] = [False]  # whether the open collection added a key
        while stack:
            level = active[-1]
            for entry in stack[-1]:
                if isinstance(entry, Comment):
                    level.append(entry.text)
                    yield _new(Visit, (entry, tuple(keys), active))
                    continue
                if isinstance(entry, Item):
                    key, node = entry.key, entry.value
                    if not isinstance(key, str):
                        raise TreeEncryptError(
                            f"Tree contains a non-string key (type {type(key).__name__})",
                            where=dotted(tuple(keys)),
                            hint="the format knows only strings as keys: put the key in quotes",
                        )
                    keys.append(key)
                    is_item = True
                else:
                    node, is_item = entry, False
                if isinstance(node, Leaf):
                    if node.value is not None:
                        path = tuple(keys)
                        if node.value.__class__ is int:
                            _check(node.value, path)
                        yield _new(Visit, (node, path, active))
                elif node.items:
                    stack.append(iter(node.items))
                    active.append([])
                    named.append(is_item)
                    break
                if is_item:
                    keys.pop()
                if level:
                    level.clear()
            else:
                stack.pop()
                active.pop()
                if named.pop():
                    keys.pop()
                if active and active[-1]:
                    active[-1].clear()


def substitute(tree: Tree, nodes: list[Leaf | Comment | None]) -> Tree:
    """A copy of the tree with other leaves and comments.

    Args:
        tree: The tree to copy.
        nodes: One entry for each visit of the walk, in its order: the node that takes the place, or None to keep the one that is there. A leaf in
            a list may become a comment and the other way round.
    """
    replacements = iter(nodes)

    def leaf(node: Leaf) -> Leaf | Comment:
        if node.value is None:
            return node
        return next(replacements) or node

    copies: Tree = []
    for root in tree:
        copy = Branch()
        copies.append(copy)
        stack: list[tuple[Iterator[Item | Comment | Node], Branch | Sequence]] = [(iter(root.items), copy)]
        while stack:
            entries, target = stack[-1]
            for entry in entries:
                if isinstance(entry, Comment):
                    target.items.append(next(replacements) or entry)  # type: ignore[arg-type]
                    continue
                node = entry.value if isinstance(entry, Item) else entry
                new: Node | Comment
                new = leaf(node) if isinstance(node, Leaf) else Branch() if isinstance(node, Branch) else Sequence()
                if isinstance(entry, Item):
                    target.items.append(Item(entry.key, new))  # type: ignore[arg-type]
                else:
                    target.items.append(new)  # type: ignore[arg-type]
                if not isinstance(node, Leaf) and node.items:
                    stack.append((iter(node.items), new))  # type: ignore[arg-type]
                    break
            else:
                stack.pop()
    return copies
