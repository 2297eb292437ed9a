"""Anchors of a stream, and what an alias stands for.

Source: go-yaml v3.0.4 decode.go (parser.alias, decoder.alias, decoder.unmarshal, allowedAliasRatio).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from secrettool.sops.tree import Comment
from secrettool.stores.yaml.nodes import Alias, YamlBranch, YamlLeaf, YamlSequence
from secrettool.stores.yaml.parser import NO_NOTES, Line, Notes

WAS_ALIAS, WAS_ALIAS_ABOVE = "was_alias_", "was_inline_alias_"
"""Prefixes of the anchors that stand for an alias while a file is encrypted; the second: the alias stood at the end of the line above."""

YamlNode: TypeAlias = YamlLeaf | YamlBranch | YamlSequence


class Anchor:
    """An anchored node.

    Attributes:
        node: The node; for an anchored key a leaf made from it.
        size: How many nodes an alias of it expands to; None while the node is being read.
        notes: Comments that stand around the node as an element of a list, and inside its copies.
    """

    __slots__ = ("node", "notes", "size")

    def __init__(self, node: YamlNode, size: int | None) -> None:
        self.node = node
        self.size = size
        self.notes: Notes | None = None

    def copy(self, alias: Alias, flow: bool, column: int, in_list: bool, comments: Callable[[list[Line]], list[Comment]]) -> YamlNode:
        """What stands for an alias: a node of its own that shares its children with the anchored one.

        Args:
            alias: The alias.
            flow: Whether the alias stands in a flow collection.
            column: Column of the entry that holds it.
            in_list: Whether that is an element of a list.
            comments: Makes comments from their lines.
        """
        target = self.node
        if isinstance(target, YamlLeaf):
            return YamlLeaf(target.value, target.start, target.end, target.plain, target.style, flow, column, None, alias, in_list)
        notes = self.notes or NO_NOTES
        before = [*comments(notes.head), *comments(notes.line)]
        if isinstance(target, YamlBranch):
            return YamlBranch([*before, *target.items, *comments(notes.foot)], target.start, target.end, target.flow, column, None, alias)
        return YamlSequence([*before, *target.items, *comments(notes.foot)], target.start, target.end, target.flow, column, None, alias)


class AliasGuard:
    """Counts nodes, to stop at documents that explode: ten aliases of ten aliases, ten times over."""

    __slots__ = ("count", "from_aliases")

    def __init__(self) -> None:
        self.count = 0
        self.from_aliases = 0

    def explodes(self, size: int) -> bool:
        """Count an alias that expands to so many nodes; whether too much of the stream comes from aliases now."""
        self.count += 1 + size
        self.from_aliases += size
        return self.from_aliases > 100 and self.count > 1000 and self.from_aliases / self.count > self._allowed()

    def _allowed(self) -> float:
        low, high = 400_000, 4_000_000  # nodes
        if self.count <= low:
            return 0.99
        return 0.10 if self.count >= high else 0.99 - 0.89 * (self.count - low) / (high - low)
