"""Typed access to a mapping of a YAML file that people write, field by field.

Follows what go-yaml does when it fills a Go struct: unknown names are ignored, null leaves the default, a scalar of any type fits into a string
with the text that stands in the file, a null in a list is dropped, merge keys (`<<`) fill in what is not there, and a name must not stand twice.

Source: go-yaml v3 decode.go (scalar, sequence, mapping, mappingStruct, merge).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NoReturn

from secrettool.errors import ConfigError
from secrettool.sops.tree import NOWHERE, Branch, Comment, Item, Leaf, Node, Sequence
from secrettool.sops.values import INT_MAX, INT_MIN, Time, plain_text

_MERGE = "<<"
_YES = ("y", "Y", "yes", "Yes", "YES", "on", "On", "ON")
_NO = ("n", "N", "no", "No", "NO", "off", "Off", "OFF")
_PROBLEM = "error loading config: Could not unmarshal config file: "


def tag_of(node: Node) -> str:
    """The YAML tag of a node in its short form, for messages."""
    if isinstance(node, Branch):
        return "!!map"
    if isinstance(node, Sequence):
        return "!!seq"
    value = node.value
    if isinstance(value, Time):
        return "!!timestamp"
    return {str: "!!str", bool: "!!bool", int: "!!int", float: "!!float"}.get(type(value), "!!null")


def _is_null(node: Node | None) -> bool:
    return node is None or (isinstance(node, Leaf) and node.value is None)


def _mismatch(node: Node, wanted: str, where: str) -> NoReturn:
    raise ConfigError(f"{_PROBLEM}cannot unmarshal {tag_of(node)} into {wanted}", where=where)


def _place(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _merge_sources(node: Node, where: str) -> list[Branch]:
    """The mappings behind a merge key, the one that wins first."""
    sources = [node] if isinstance(node, Branch) else node.items if isinstance(node, Sequence) else [None]
    found: list[Branch] = []
    for source in sources:
        if isinstance(source, Branch):
            found.append(source)
        elif not isinstance(source, Comment):
            raise ConfigError(f"{_PROBLEM}map merge requires map or sequence of maps as the value", where=_place(where, _MERGE))
    return found


def _own_entries(branch: Branch, where: str) -> dict[str, Node]:
    entries: dict[str, Node] = {}
    for item in branch.items:
        if isinstance(item, Item) and isinstance(item.key, str):
            if item.key in entries:
                raise ConfigError(f"{_PROBLEM}mapping key already defined", where=_place(where, item.key))
            entries[item.key] = item.value
    return entries


def _entries(branch: Branch, where: str) -> dict[str, Node]:
    """The entries of a mapping, merge keys resolved."""
    entries: dict[str, Node] = {}
    stack = [branch]
    while stack:
        own = _own_entries(stack.pop(), where)
        merged = own.pop(_MERGE, None)
        for name, node in own.items():
            entries.setdefault(name, node)
        if merged is not None:
            stack.extend(reversed(_merge_sources(merged, where)))
    return entries


class Fields:
    """A mapping, read by the names and types that the reader expects.

    Args:
        branch: The mapping.
        where: Its place, such as `creation_rules[2]`; empty for the root.
        text: The text that the offsets of the leaves point into: a number in the place of a string keeps the digits that stand there. Without it
            (a tree made by hand) the canonical text is used.

    Attributes:
        where: As given.

    Every reading method raises `ConfigError` naming the place when a value cannot take the type.
    """

    __slots__ = ("_entries", "_text", "where")

    def __init__(self, branch: Branch, where: str = "", text: str = "") -> None:
        self.where = where
        self._text = text
        self._entries = _entries(branch, where)

    def place(self, name: str) -> str:
        """Where a field stands, for messages."""
        return _place(self.where, name)

    def names(self) -> list[str]:
        """The names that are there, known or not."""
        return list(self._entries)

    def node(self, name: str) -> Node | None:
        """A field as it stands, for a type that is checked later; None when it is missing or null."""
        node = self._entries.get(name)
        return None if _is_null(node) else node

    def string_of(self, leaf: Leaf) -> str:
        """The text of a scalar that is not null, whatever its type."""
        if isinstance(leaf.value, str):
            return leaf.value
        written = "" if leaf.start == NOWHERE else self._text[leaf.start : leaf.end].strip("\"'")
        return plain_text(leaf.value) if written[:1] in ("", "*") else written  # an alias stands for the scalar behind it

    def _string(self, node: Node, where: str) -> str:
        if not isinstance(node, Leaf):
            _mismatch(node, "string", where)
        return self.string_of(node)

    def string(self, name: str) -> str:
        """A text; empty when missing."""
        node = self.node(name)
        return "" if node is None else self._string(node, self.place(name))

    def number(self, name: str, default: int = 0) -> int:
        """A whole number; a float is cut."""
        node = self.node(name)
        if node is None:
            return default
        value = node.value if isinstance(node, Leaf) else None
        if isinstance(value, float) and INT_MIN <= value <= INT_MAX:
            return int(value)
        if isinstance(value, int) and not isinstance(value, bool) and INT_MIN <= value <= INT_MAX:
            return value
        _mismatch(node, "int", self.place(name))

    def flag(self, name: str) -> bool:
        """A boolean, also in the words of YAML 1.1 (`yes`, `off`); False when missing."""
        node = self.node(name)
        if node is None:
            return False
        value = node.value if isinstance(node, Leaf) else None
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value in _YES + _NO:
            return value in _YES
        _mismatch(node, "bool", self.place(name))

    def _elements(self, name: str) -> Iterator[tuple[str, Node]]:
        node = self.node(name)
        if node is None:
            return
        if not isinstance(node, Sequence):
            _mismatch(node, "list", self.place(name))
        for number, entry in enumerate(entry for entry in node.items if not isinstance(entry, Comment)):
            if not _is_null(entry):
                yield f"{self.place(name)}[{number}]", entry

    def strings(self, name: str) -> list[tuple[str, str]]:
        """A list of texts, each with its place; empty when missing."""
        return [(where, self._string(entry, where)) for where, entry in self._elements(name)]

    def mapping(self, name: str) -> Fields | None:
        """A mapping; None when missing."""
        node = self.node(name)
        if node is None:
            return None
        if not isinstance(node, Branch):
            _mismatch(node, "mapping", self.place(name))
        return Fields(node, self.place(name), self._text)

    def mappings(self, name: str) -> list[Fields]:
        """A list of mappings; empty when missing."""
        found: list[Fields] = []
        for where, entry in self._elements(name):
            if not isinstance(entry, Branch):
                _mismatch(entry, "mapping", where)
            found.append(Fields(entry, where, self._text))
        return found
