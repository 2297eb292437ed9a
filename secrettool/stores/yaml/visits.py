"""The visits of a document's walk, and what lies behind aliases.

The walk numbers what it visits; the same order is taken here without its paths, which cost most of the time and are rarely needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from secrettool.sops.tree import Comment, Item, Leaf, Node, Sequence, Tree


class Copy(NamedTuple):
    """The visits behind one alias.

    Attributes:
        node: The node that carries the alias; aliases inside it are part of it.
        first: Number of its first visit.
        end: Number behind its last one.
    """

    node: Node
    first: int
    end: int


class Visits:
    """All visits of a tree.

    Args:
        tree: The documents.
        wanted: Nodes whose range of visits is asked for, by `id`.

    Attributes:
        nodes: Leaves and comments in the order of the walk.
        copies: What lies behind aliases; their visits stand in the text at the anchors.
        bare: Comments in lists that hold no text.
        ranges: First number and number behind the last one for each wanted node, where it stands itself.
    """

    def __init__(self, tree: Tree, wanted: frozenset[int] = frozenset()) -> None:
        nodes: list[Leaf | Comment] = []
        append = nodes.append
        self.nodes = nodes
        self.copies: list[Copy] = []
        self.bare: set[int] = set()
        self.ranges: dict[int, tuple[int, int]] = {}
        inside = 0  # depth of the stack at which the outermost alias was entered; 0 outside
        for root in tree:
            stack: list[tuple[Iterator[Item | Comment | Node], Node, int]] = [(iter(root.items), root, 0)]
            while stack:
                entries, owner, first = stack[-1]
                for entry in entries:
                    if isinstance(entry, Comment):
                        if not entry.text and isinstance(owner, Sequence):
                            self.bare.add(len(nodes))
                        append(entry)
                        continue
                    node = entry.value if isinstance(entry, Item) else entry
                    if isinstance(node, Leaf):
                        if not inside:
                            number = len(nodes)
                            if node.alias is not None:  # type: ignore[attr-defined]
                                self.copies.append(Copy(node, number, number + (node.value is not None)))
                            elif wanted and id(node) in wanted:
                                self.ranges[id(node)] = (number, number + (node.value is not None))
                        if node.value is not None:
                            append(node)
                    else:
                        stack.append((iter(node.items), node, len(nodes)))
                        if not inside and node.alias is not None:  # type: ignore[union-attr]
                            inside = len(stack)
                        break
                else:
                    stack.pop()
                    if inside:
                        if inside == len(stack) + 1:
                            inside = 0
                            self.copies.append(Copy(owner, first, len(nodes)))
                    elif wanted and id(owner) in wanted:
                        self.ranges[id(owner)] = (first, len(nodes))
