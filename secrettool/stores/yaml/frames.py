"""What the composer remembers while a collection is being read."""

from __future__ import annotations

from secrettool.sops.tree import Comment
from secrettool.sops.values import Value
from secrettool.stores.yaml.nodes import Alias, Properties, YamlBranch, YamlSequence
from secrettool.stores.yaml.parser import Line, Notes


class Key:
    """A key that waits for its value."""

    __slots__ = ("alias", "end", "notes", "properties", "start", "style", "text", "value")

    def __init__(self, value: Value, text: str, start: int, end: int, style: str, properties: Properties | None) -> None:
        self.value = value
        self.text = text
        self.start = start
        self.end = end
        self.style = style
        self.properties = properties
        self.alias: Alias | None = None
        self.notes: Notes | None = None


class Frame:
    """A collection that is being read.

    Attributes:
        node: The collection.
        is_list: Whether it is a list.
        key: The key that waits for its value, in mappings.
        notes: Comments of the collection itself, at its start.
        around: Per entry: comments before it, and the feet of its value and its key. Empty without comments.
        anchor: Name of its anchor.
        count: Nodes that had been decoded when it began.
        merge: Whether the key is a merge key.
    """

    __slots__ = ("anchor", "around", "column", "count", "flow", "is_list", "items", "key", "merge", "node", "notes", "seen")

    def __init__(self, node: YamlBranch | YamlSequence, is_list: bool, notes: Notes | None, count: int) -> None:
        self.node = node
        self.items: list[object] = node.items  # type: ignore[assignment]
        self.flow = node.flow
        self.column = node.column
        self.is_list = is_list
        self.notes = notes
        self.key: Key | None = None
        self.around: dict[int, Around] = {}
        self.anchor: str | None = None
        self.count = count
        self.merge = False
        self.seen: set[str] | None = None


class Around:
    """Comments around one entry."""

    __slots__ = ("before", "foot", "key_foot")

    def __init__(self) -> None:
        self.before: list[Comment] = []
        self.foot: list[Line] = []
        self.key_foot: list[Line] = []
