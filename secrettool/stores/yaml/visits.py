"""The visits of a document's walk, and what lies behind aliases.

The walk numbers what it visits; the same order is taken here without its paths, which cost most of the time and are rarely needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from secrettool.sops.tree import Branch, Comment, Item, Leaf, Node, Sequence, Tree, walk
from secrettool.stores.yaml.nodes import YamlBranch, YamlLeaf

if TYPE_CHECKING:
    from secrettool.sops.store import Sealer


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
        self.nodes: list[YamlLeaf | Comment] = []
        self.copies: list[Copy] = []
        self.bare: set[int] = set()
        self.ranges: dict[int, tuple[int, int]] = {}
        self._wanted = wanted
        self._inside = 0  # size of the stack at which the outermost alias was entered; 0 outside
        for root in tree:
            self._walk(root)

    def _walk(self, root: Branch) -> None:
        nodes, wanted = self.nodes, self._wanted
        append = nodes.append
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
                if not isinstance(node, Leaf):
                    stack.append((iter(node.items), node, len(nodes)))
                    if not self._inside and node.alias is not None:  # type: ignore[union-attr]
                        self._inside = len(stack)
                    break
                if not self._inside and (wanted or node.alias is not None):  # type: ignore[attr-defined]
                    self._end(node, len(nodes), len(nodes) + (node.value is not None))
                if node.value is not None:
                    append(node)  # type: ignore[arg-type]
            else:
                stack.pop()
                if self._inside > len(stack):
                    self._inside = 0
                if not self._inside:
                    self._end(owner, first, len(nodes))

    def _end(self, node: Node, first: int, end: int) -> None:
        """Note the range of a node that stands behind no other alias."""
        if node.alias is not None:  # type: ignore[union-attr]
            self.copies.append(Copy(node, first, end))
        elif id(node) in self._wanted:
            self.ranges[id(node)] = (first, end)


def selected_bare(visits: Visits, tree: Tree, sealer: Sealer) -> frozenset[int]:
    """Numbers of the comments in lists that hold no text and are to be encrypted. Asks the sealer in the order of the walk."""
    if not visits.bare:
        return frozenset()
    return frozenset(number for number, visit in enumerate(walk(tree)) if number in visits.bare and sealer.selects_visit(visit))


def last_leaf(root: YamlBranch) -> YamlLeaf | None:
    """The scalar at the end of a mapping; None when it is in flow style or an alias."""
    node: object = root
    while not isinstance(node, YamlLeaf):
        entries = [entry for entry in node.items if not isinstance(entry, Comment)]  # type: ignore[attr-defined]
        if not entries or node.flow or node.alias is not None:  # type: ignore[attr-defined]
            return None
        node = entries[-1].value if isinstance(entries[-1], Item) else entries[-1]
    return None if node.alias is not None else node
