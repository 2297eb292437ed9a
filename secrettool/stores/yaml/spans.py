"""Where the entries of a parsed YAML text begin and end, counted in lines as well as in characters."""

from __future__ import annotations

import re
from typing import TypeAlias

from secrettool.errors import EmitError
from secrettool.sops.tree import Comment, Item, Node
from secrettool.stores.yaml.nodes import YamlBranch, YamlDocument, YamlItem, YamlLeaf, YamlSequence
from secrettool.stores.yaml.scan import BREAK

YamlNode: TypeAlias = YamlLeaf | YamlBranch | YamlSequence

_BREAKS = "\n\r\x85\u2028\u2029"
_COLON = re.compile(r"[ \t]*:")
_HEADER = re.compile(r"[|>]([-+0-9]*)")


class Spans:
    """Answers about one text."""

    def __init__(self, text: str) -> None:
        self.text = text

    def unfinished(self) -> bool:
        """Whether the last line has no line ending."""
        return self.text != "" and self.text[-1] not in _BREAKS

    def line_start(self, offset: int) -> int:
        """Offset of the first character of the line that holds an offset."""
        return max(self.text.rfind(char, 0, offset) for char in _BREAKS) + 1

    def next_line(self, offset: int) -> int:
        """Offset of the line behind the one that holds an offset, or of the end of the text."""
        found = BREAK.search(self.text, offset)
        return found.end() if found else len(self.text)

    def with_properties(self, node: YamlNode) -> tuple[int, int]:
        """Span of a value with its tag and anchor; of the alias, for a copy."""
        if node.alias is not None:
            return node.alias.start, node.alias.end
        return node.start if node.properties is None else node.properties.start, node.end

    def colon(self, item: YamlItem) -> int:
        """Offset behind the colon of a pair.

        Raises:
            EmitError: The pair is written with a `?`.
        """
        end = item.end if item.alias is None else item.alias.end
        found = _COLON.match(self.text, end)
        line = self.line_start(item.start)
        if found is None or self.text[line : item.start].rstrip(" \t").endswith("?"):
            raise EmitError("the pair is written with a question mark")
        return found.end()

    def dash(self, column: int, node: YamlNode) -> int:
        """Offset of the dash in front of a list item."""
        start = self.with_properties(node)[0]
        line = self.line_start(start)
        while True:
            at = line + column
            if self.text[at : at + 1] == "-" and at < start and not self.text[line:at].lstrip(" ").startswith("#"):
                return at
            if line == 0:
                raise EmitError("the dash of a list item was not found")
            line = self.line_start(line - 1)

    def key_start(self, item: YamlItem) -> int:
        """Offset of a key with its tag and anchor."""
        if item.properties is not None:
            return item.properties.start
        return item.start if item.alias is None else item.alias.start

    def entry_start(self, collection: YamlBranch | YamlSequence, number: int) -> int:
        """Offset of the first character of an entry: of the dash, in block lists."""
        entry = collection.items[number]
        if isinstance(entry, Comment):
            return entry.start
        if isinstance(entry, YamlItem):
            if not collection.flow:
                self.colon(entry)
            return self.key_start(entry)
        assert isinstance(entry, YamlLeaf | YamlBranch | YamlSequence)
        return self.with_properties(entry)[0] if collection.flow else self.dash(collection.column, entry)

    def empty_value_at(self, entry: YamlItem | YamlNode | None) -> int:
        """Where to write the value of an entry that has none."""
        if isinstance(entry, YamlItem):
            properties = entry.value.properties  # type: ignore[union-attr]
            return self.colon(entry) if properties is None else entry.value.end  # type: ignore[union-attr]
        assert entry is not None
        return entry.end

    def flow_end(self, entry: Item | Node | Comment) -> int:
        """Offset behind an entry of a flow collection."""
        if isinstance(entry, YamlItem):
            value = entry.value
            if isinstance(value, YamlLeaf) and value.start == value.end and value.properties is None and value.alias is None:
                found = _COLON.match(self.text, entry.end)
                end = found.end() if found else entry.end
                # A colon right in front of a comma would be part of a plain scalar.
                return end + (self.text[end : end + 1] == " ")
            entry = value
        assert isinstance(entry, YamlLeaf | YamlBranch | YamlSequence)
        return self.with_properties(entry)[1]

    def after(self, entry: Item | Node | Comment) -> int:
        """Offset of the line behind the last line of an entry, of the comments at its end too, but not of blank lines."""
        while True:
            if isinstance(entry, Comment):
                return self.next_line(entry.end)
            if isinstance(entry, YamlItem):
                if isinstance(entry.value, YamlLeaf) and entry.value.start == entry.value.end:
                    return self.next_line(self.flow_end(entry))
                entry = entry.value
            assert isinstance(entry, YamlLeaf | YamlBranch | YamlSequence)
            if entry.alias is not None:
                return self.next_line(entry.alias.end)
            if isinstance(entry, YamlLeaf):
                return self.after_block(entry) if entry.style in ("|", ">") else self.next_line(entry.end)
            if entry.flow or not entry.items:
                return self.next_line(entry.end)
            entry = entry.items[-1]

    def after_block(self, leaf: YamlLeaf) -> int:
        """Offset of the line behind a block scalar; blank lines at its end are part of it only when it keeps them."""
        header = _HEADER.match(self.text, leaf.start)
        if header is None or "+" in header[1]:
            return leaf.end
        content = self.text[leaf.start : leaf.end].rstrip(" \t" + _BREAKS)
        return min(self.next_line(leaf.start + len(content)), leaf.end)

    def block_column(self, leaf: YamlLeaf) -> int | None:
        """Column of a block scalar's lines; None when it has only blank ones."""
        for line in BREAK.split(self.text[leaf.start : leaf.end])[1:]:
            if line.strip(" "):
                header = _HEADER.match(self.text, leaf.start)
                digit = "".join(char for char in header[1] if char.isdigit()) if header else ""
                return leaf.column + int(digit) if digit else len(line) - len(line.lstrip(" "))
        return None

    def clipped_block_header(self, document: YamlDocument) -> tuple[int, int, str] | None:
        """The edit that keeps the value of a block scalar at the very end of a text without a final line ending when lines follow it."""
        entry: Item | Node | Comment = document.parts[-1].root
        while not isinstance(entry, Comment | YamlLeaf):
            if isinstance(entry, YamlItem):
                entry = entry.value
            else:
                assert isinstance(entry, YamlBranch | YamlSequence)
                if entry.flow or entry.alias is not None or not entry.items:
                    return None
                entry = entry.items[-1]
        if isinstance(entry, Comment) or entry.style not in ("|", ">") or entry.alias is not None:
            return None
        header = _HEADER.match(self.text, entry.start)
        if header is None or "-" in header[1]:
            return None
        return entry.start + 1, header.end(), header[1].replace("+", "") + "-"
