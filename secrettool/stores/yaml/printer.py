"""The block printer: go-yaml's state machine and its pending comments.

Where a comment appears, and which blank line follows it, is decided by when that machine happens to look at its pending comments. Some move or
get lost by that, in sops as here.

Source: go-yaml v3.0.4 emitterc.go, encode.go (node); sops 3.13 stores/yaml/store.go (appendTreeBranch, appendSequence).
"""

from __future__ import annotations

import re

from secrettool.sops.tree import Branch, Comment, Item, Leaf, Node
from secrettool.sops.values import Value
from secrettool.stores.yaml.styles import BREAKS, is_simple, one_line, scalar_text, tagged

SIMPLE_KEY_LIMIT = 128
"""Bytes of a key, tag included, beyond which it is written behind a `?`."""

_BREAK = re.compile(f"([{BREAKS}])")


def inner_column(column: int, step: int, item: bool) -> int:
    """Column of what stands below an entry (`item`: a list item, else a pair) at a column."""
    return column + 2 if item else step * ((column + step) // step)


class _Entry:
    """A pair or a list item with the comments that sops hands to go-yaml with it: `#` lines joined by line feeds."""

    __slots__ = ("foot", "head", "key", "line", "node")

    def __init__(self, key: Value, node: Node, head: list[str], line: list[str]) -> None:
        self.key = key
        self.node = node
        self.head = _joined(head)
        self.line = _joined(line)
        self.foot = ""


def _joined(texts: list[str]) -> str:
    return "#" + "\n#".join(texts) if texts else ""


def comment_fields(comment: Comment) -> Branch:
    """What sops prints for a comment that stands where a value belongs, which an envelope that lies about its type can bring about."""
    return Branch([Item("value", Leaf(comment.text)), Item("inline", Leaf(comment.inline))])


def _entries(node: Node) -> tuple[str, list[_Entry]]:
    """The head comment of a collection and its entries, comments assigned as sops does it; a scalar has neither."""
    own = ""
    entries: list[_Entry] = []
    if isinstance(node, Leaf):
        return own, entries
    head: list[str] = []
    line: list[str] = []
    for item in node.items:
        if isinstance(item, Comment):
            (line if item.inline else head).append(item.text)
            continue
        if not entries and head:
            own, head = _joined(head), []
        if isinstance(item, Item):
            entries.append(_Entry(item.key, comment_fields(item.value) if isinstance(item.value, Comment) else item.value, head, line))
        else:
            entries.append(_Entry(None, item, head, line))
        if head or line:
            head, line = [], []
    if head or line:
        rest = _joined(head + line)
        if entries:
            entries[-1].foot = rest
        else:
            own = rest
    return own, entries


class _Frame:
    """A collection whose entries are being printed, at the column `indent`; `line` and `foot` wait for its end."""

    __slots__ = ("entries", "foot", "indent", "line", "mapping", "tail")

    def __init__(self, mapping: bool, entries: list[_Entry], indent: int, line: str, foot: str) -> None:
        self.mapping = mapping
        self.entries = iter(entries)
        self.indent = indent
        self.line = line
        self.foot = foot
        # The foot of a key waits for the next key; sops gives one to the last key only.
        self.tail = entries[-1].foot if mapping else ""


class Printer:
    """Output and state of go-yaml's emitter; `head`, `line`, `foot` and `key_line` are comments that wait for their turn.

    `whitespace` and `indention` say whether the last character was a blank, and whether only indentation stands on the line so far.
    """

    def __init__(self, step: int) -> None:
        self.step = step
        self.out: list[str] = []
        self.column = 0
        self.whitespace = self.indention = True
        self.foot_indent = -1
        self.head = self.line = self.foot = self.key_line = ""

    def document(self, root: Node, *, separator: bool) -> None:
        """Print one document."""
        if separator:
            self._indent(0)
            self._indicator("---", False, False)
            self._indent(0)
        if self.head:
            self._heads(0)
            self._break()
        own, entries = _entries(root)
        self.head = own or self.head
        self._heads(0)
        stack: list[_Frame] = []
        entry = _Entry(None, root, [], [])
        self._node(entry, entries, stack, 0, None)
        while stack:
            self._next(stack)
        self.foot_indent = 0
        self._feet(0)
        self.foot_indent = -1
        self._indent(0)

    def _next(self, stack: list[_Frame]) -> None:
        frame = stack[-1]
        indent = frame.indent
        entry = next(frame.entries, None)
        if entry is None:
            self.line = frame.line or self.line
            self.foot = frame.foot or self.foot
            if frame.mapping:
                self._tail(frame.tail, indent)
                self._heads(indent)
            stack.pop()
            return
        own, entries = _entries(entry.node)
        if frame.mapping:
            self._pair(entry, own, entries, stack)
            return
        self.head = (f"{entry.head}\n{own}" if entry.head and own else entry.head or own) or self.head
        if isinstance(entry.node, Leaf):
            self.line = entry.line or self.line
            self.foot = entry.foot or self.foot
        self._heads(indent)
        self._indent(indent)
        self._indicator("-", False, True)
        self._node(entry, entries, stack, indent, True)

    def _pair(self, entry: _Entry, own: str, entries: list[_Entry], stack: list[_Frame]) -> None:
        indent = stack[-1].indent
        self.head = entry.head or self.head
        if self.head:
            self._heads(indent)
        self._indent(indent)
        if self.line:
            self.key_line, self.line = self.line, ""
        text = one_line(entry.key)
        simple = _is_simple_key(entry.key, text)
        if simple:
            self.out.append(text + ":")
            self.whitespace = self.indention = False
        else:
            self._indicator("?", False, True)
            self._scalar(entry.key, inner_column(indent, self.step, False), indent)
            self._indent(indent)
            self._indicator(":", False, True)
        leaf = isinstance(entry.node, Leaf)
        if leaf:
            self.line = entry.line or self.line
        else:
            self.head = own or self.head
        if self.key_line:
            self._key_line(leaf, indent)
        self._node(entry, entries, stack, indent, False)

    def _key_line(self, leaf: bool, indent: int) -> None:
        """A comment that was left over when the key was printed goes beside the value, or beside the key of a collection."""
        if not leaf:
            self.line, self.key_line = self.key_line, self.line
            self._beside(indent)
            self.line, self.key_line = self.key_line, self.line
        elif not self.line:
            self.line, self.key_line = self.key_line, ""

    def _node(self, entry: _Entry, entries: list[_Entry], stack: list[_Frame], indent: int, item: bool | None) -> None:
        """Print a scalar or an empty collection, or enter a collection; `item` is None at the root."""
        node = entry.node
        inner = 0 if item is None else inner_column(indent, self.step, item)
        if isinstance(node, Leaf):
            self._scalar(node.value, self.step if item is None else inner, indent)
        elif entries:
            stack.append(_Frame(isinstance(node, Branch), entries, inner, entry.line, entry.foot if item else ""))
        if self.line:
            self._beside(indent)
        if self.foot:
            self._feet(indent)
        if entries or isinstance(node, Leaf):
            return
        mapping = isinstance(node, Branch)
        self._indicator("{" if mapping else "[", True, False)
        self.line = entry.line or self.line
        self.foot = (entry.foot if item else "") or self.foot
        if mapping:
            self._heads(self.step if item is None else inner)
        self.out.append("}" if mapping else "]")
        self.whitespace = self.indention = False
        self._beside(indent)
        self._feet(indent)

    def _scalar(self, value: Value, column: int, parent: int) -> None:
        text = scalar_text(value, column, parent, self.step)
        if not self.whitespace:
            self.out.append(" ")
        header, block, body = text.partition("\n")
        self.out.append(header)
        self.column += len(header) + 1
        self.whitespace = self.indention = False
        if not block:
            return
        if self.line:
            self._beside(column)
        else:
            self._break()
        self.out.append(body)
        self.whitespace = True
        self.indention = body[-1] in BREAKS
        self.column = 0 if self.indention else len(body)

    def _tail(self, comment: str, indent: int) -> None:
        if comment:
            self._indent(indent)
            self._comment(comment, indent)
            self.foot_indent = indent

    def _heads(self, indent: int) -> None:
        if self.head:
            self._indent(indent)
            self._comment(self.head, indent)
            self.head = ""

    def _beside(self, indent: int) -> None:
        if self.line:
            if not self.whitespace:
                self.out.append(" ")
            self._comment(self.line, indent)
            self.line = ""

    def _feet(self, indent: int) -> None:
        if self.foot:
            self._tail(self.foot, indent)
            self.foot = ""

    def _indent(self, indent: int) -> None:
        if not self.indention or self.column > indent or (self.column == indent and not self.whitespace):
            self._break()
        if self.foot_indent == indent:
            self._break()
        if self.column < indent:
            self.out.append(" " * (indent - self.column))
            self.column = indent
        self.whitespace = True
        self.foot_indent = -1

    def _indicator(self, text: str, whitespace: bool, indention: bool) -> None:
        if not self.whitespace:
            self.out.append(" ")
            self.column += 1
        self.out.append(text)
        self.column += len(text)
        self.whitespace = whitespace
        self.indention = self.indention and indention

    def _break(self) -> None:
        self.out.append("\n")
        self.column = 0
        self.indention = True

    def _comment(self, text: str, indent: int) -> None:
        after_break = False
        for part in _BREAK.split(text):
            if part == "\n":
                self._break()
            elif part and part in BREAKS:
                self.out.append(part)
                self.column, self.indention = 0, True
            elif part:
                if after_break:
                    self._indent(indent)
                self.out.append(part if part[0] == "#" else "# " + part)
                self.column += len(part)
                self.indention = False
            else:
                continue
            after_break = part in BREAKS
        if not after_break:
            self._break()
        self.whitespace = True


def _is_simple_key(key: Value, text: str) -> bool:
    if isinstance(key, str) and not (len(text) <= 32 and is_simple(key)):
        tag, text = tagged(key)
        return not _BREAK.search(text) and len(tag.rstrip()) + len(text.encode()) <= SIMPLE_KEY_LIMIT
    return True
