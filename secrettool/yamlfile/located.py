"""A YAML file as data that remembers where every field is written. Merge keys and aliases are followed.

Data is what JSON can say, by the rules of go-yaml, so `yes` is a text. A point in time is the text as it is written.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from math import isfinite
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from secrettool.errors import ConfigError, FormatError, Outcome
from secrettool.sops.tree import Branch, Comment, Leaf
from secrettool.sops.values import Time

if TYPE_CHECKING:
    from secrettool.sops.tree import Node
    from secrettool.stores.yaml.nodes import YamlDocument, YamlItem, YamlLeaf

Path: TypeAlias = tuple[str | int, ...]
"""Keys and indexes from the root."""

MAX_DEPTH: Final = 64
MAX_NODES: Final = 100_000
"""Nodes, aliases written out."""

_MERGE: Final = "<<"
_PLAIN: Final = re.compile(r"[A-Za-z0-9_-]{1,253}")
_SHOWN: Final = re.compile(r"[-._/~A-Za-z0-9]{1,253}")


class Spot(NamedTuple):
    """Where something is written.

    Attributes:
        line: From 1.
        column: From 1, in characters.
    """

    line: int
    column: int


class Oddity(NamedTuple):
    """Something that YAML can say and this file may not."""

    path: Path
    spot: Spot
    message: str


class LocatedYaml:
    """The first document of a YAML text.

    Args:
        text: The text.
        file: Its name, for errors.

    Attributes:
        data: Mappings, lists, texts, numbers, booleans and null.
        oddities: What had to be left out of it.

    Raises:
        ConfigError: It is not YAML, has several documents, or is too large; `where` names the line, nothing is quoted.
    """

    def __init__(self, text: str, file: str | None = None) -> None:
        self.oddities: list[Oddity] = []
        self._places: dict[Path, int] = {}
        self._leaves: dict[Path, YamlLeaf] = {}
        try:
            self._document = _parsed(text)
            self._breaks = [at for at, character in enumerate(self._document.text) if character == "\n"]
            self.data: Any = self._built()
        except ConfigError as error:
            error.file = file
            raise

    def spot(self, path: Path) -> Spot:
        """Where a field is written, its key first; for what is not there, what holds it."""
        while path and path not in self._places:
            path = path[:-1]
        return self._spot(self._places.get(path, 0))

    def line_in(self, path: Path, line: int) -> int:
        """The line of the file in which a line of a text is written.

        Args:
            path: The text.
            line: Its line, from 1. Only in a block that keeps its lines they can be told apart; the text's first is named otherwise.
        """
        leaf = self._leaves.get(path)
        if leaf is None:
            return self.spot(path).line
        first = self._spot(leaf.start if leaf.alias is None else leaf.alias.start).line
        return first + line if leaf.style == "|" and leaf.alias is None else first

    def _spot(self, offset: int) -> Spot:
        row = bisect_right(self._breaks, offset - 1)
        return Spot(row + 1, offset - (self._breaks[row - 1] if row else -1))

    def _built(self) -> Any:
        part = self._document.parts[0]
        if part.node is not part.root:
            return None
        root: dict[str, Any] = {}
        waiting: list[tuple[Path, Any, Any]] = [((), part.root, root)]
        count = 0
        while waiting:
            path, node, target = waiting.pop()
            if len(path) > MAX_DEPTH:
                raise _error("nested too deeply")
            entries = self._entries(path, node) if isinstance(node, Branch) else _elements(node)
            for key, offset, value in entries:
                count += 1
                if count > MAX_NODES:
                    raise _error("too many fields")
                place = (*path, key)
                self._places[place] = offset
                made: Any
                if isinstance(value, Leaf):
                    made = self._scalar(place, value)
                else:
                    made = {} if isinstance(value, Branch) else []
                    waiting.append((place, value, made))
                if isinstance(target, dict):
                    target[key] = made
                else:
                    target.append(made)
        return root

    def _entries(self, path: Path, branch: Branch) -> Iterator[tuple[str, int, Node]]:
        """The entries of a mapping: its own, then those merged into it that it does not have."""
        found: set[str] = set()
        waiting = [branch]
        while waiting:
            for item in _items(waiting.pop(0)):
                if item.key == _MERGE and not item.style:
                    waiting += _merged(item)
                elif not isinstance(item.key, str):
                    self._odd((*path, "?"), item.start, "a key must be text: put it in quotes")
                elif item.key not in found:
                    found.add(item.key)
                    yield item.key, item.start, item.value

    def _odd(self, path: Path, offset: int, message: str) -> None:
        self.oddities.append(Oddity(path, self._spot(offset), message))

    def _scalar(self, place: Path, leaf: Any) -> Any:
        self._leaves[place] = leaf
        value = leaf.value
        if isinstance(value, Time):
            return self._document.text[leaf.start : leaf.end]
        if isinstance(value, bytes) or (isinstance(value, float) and not isfinite(value)):
            self._odd(place, self._places[place], "must be text, a number, true, false or null")
            return None
        if isinstance(value, str) and not value.isascii() and not _is_unicode(value):
            self._odd(place, self._places[place], "holds characters that are none")
            return ""
        return value


def field_name(path: Path) -> str:
    """A field as messages name it: `targets[0].keys["config.json"]`. A key that is no plain word stays unsaid: it may have been meant as a value."""
    parts: list[str] = []
    for step in path:
        if isinstance(step, int):
            parts.append(f"[{step}]")
        elif _PLAIN.fullmatch(step):
            parts.append(f".{step}" if parts else step)
        else:
            parts.append(f'["{step}"]' if _SHOWN.fullmatch(step) else "[?]")
    return "".join(parts)


def _parsed(text: str) -> YamlDocument:
    from secrettool.stores.yaml import YamlStore

    try:
        document = YamlStore().parse(text.encode("utf-8", "surrogateescape"))
    except FormatError as error:
        raise ConfigError(error.message, where=error.where, hint=error.hint, code=Outcome.CONFIGURATION) from None
    if len(document.parts) != 1:
        raise _error("must be one document")
    return document


def _error(message: str) -> ConfigError:
    return ConfigError(message, code=Outcome.CONFIGURATION)


def _items(branch: Branch) -> Iterator[YamlItem]:
    return (item for item in branch.items if not isinstance(item, Comment))  # type: ignore[misc]


def _elements(sequence: Any) -> Iterator[tuple[int, int, Node]]:
    elements = (entry for entry in sequence.items if not isinstance(entry, Comment))
    return ((number, entry.start if entry.alias is None else entry.alias.start, entry) for number, entry in enumerate(elements))


def _merged(item: YamlItem) -> list[Any]:
    """The mappings behind `<<`; the reader has refused everything but a mapping and a list of them."""
    value: Any = item.value
    return [value] if isinstance(value, Branch) else [each for each in value.items if isinstance(each, Branch)]


def _is_unicode(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
