"""Where in a file a leaf of an object is written."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from secrettool.errors import SecrettoolError
from secrettool.objects import Object, pointer, section
from secrettool.sops.tree import Branch, Comment, Node, Sequence


def entry_pointer(secret: Object, key: str) -> str:
    """Where a Secret sets an entry; `stringData` wins, as in the cluster."""
    name = "stringData" if key in section(secret, "stringData") else "data"
    return pointer(((None, name), key))


class Lines:
    """The lines of the leaves of a tree's files; a file is read again when it is first asked for.

    Args:
        files: Text by path.
    """

    def __init__(self, files: Mapping[str, str]) -> None:
        self._files = files
        self._known: dict[str, _File] = {}

    def of(self, file: str, line: int, place: str) -> int:
        """The line of a leaf, or of what is there of the way to it.

        Args:
            file: The file.
            line: Where the document begins, from 1.
            place: JSON pointer into its object.
        """
        if file not in self._known:
            self._known[file] = _File(self._files.get(file, ""))
        return self._known[file].line(line, place)


class _File:
    """The nodes of one file; what each holds is looked up once, since a Secret may have many keys. `_roots` keeps the nodes alive."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._known: dict[int, dict[str, tuple[int, Node]]] = {}

    def line(self, line: int, place: str) -> int:
        node: Node | None = self._roots.get(line)
        for step in place.split("/")[1:]:
            if id(node) not in self._known:
                self._known[id(node)] = _children(node)
            child = self._known[id(node)].get(step.replace("~1", "/").replace("~0", "~"))
            if child is None:
                break
            offset, node = child
            line = max(line, bisect_right(self._breaks, offset - 1) + 1)
        return line

    @cached_property
    def _breaks(self) -> list[int]:
        return [at for at, character in enumerate(self._text.removeprefix("\ufeff")) if character == "\n"]

    @cached_property
    def _roots(self) -> dict[int, Node]:
        """The mappings of the documents by the line at which they begin."""
        from secrettool.stores.yaml import YamlStore

        try:
            document = YamlStore().parse(self._text.encode("utf-8", "surrogateescape"))
        except SecrettoolError:
            return {}
        return {bisect_right(self._breaks, part.root.start - 1) + 1: part.root for part in document.parts if part.node is part.root}


def _children(node: Any) -> dict[str, tuple[int, Node]]:
    """What a mapping or a list holds, by key or index, with the offset at which it begins. Of a key that stands twice the first counts."""
    found: dict[str, tuple[int, Node]] = {}
    if isinstance(node, Branch):
        items: list[Any] = [item for item in node.items if not isinstance(item, Comment)]
        for item in items:
            found.setdefault(str(item.key), (item.start, item.value))
    elif isinstance(node, Sequence):
        elements: list[Any] = [entry for entry in node.items if not isinstance(entry, Comment)]
        for number, entry in enumerate(elements):
            found[str(number)] = (entry.start if entry.alias is None else entry.alias.start, entry)
    return found
