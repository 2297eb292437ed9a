"""Printing JSON as Go and sops print it, or in the style of a file.

Source: Go encoding/json (appendString, floatEncoder, appendIndent); sops 3.13 stores/json/store.go (encodeTree, reindentJSON).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from secrettool.errors import EmitError
from secrettool.sops.tree import Branch, Comment, Item, Leaf, Node, Sequence
from secrettool.sops.values import Time, Value
from secrettool.stores.scalars import json_float

MAX_DEPTH = 10_000
"""How deep the reference can print; its JSON library stops there."""

_UNSAFE = re.compile('[\x00-\x1f"\\\\<>&\u2028\u2029\ud800-\udfff]')
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


class Style(NamedTuple):
    """How objects and arrays are laid out.

    Attributes:
        newline: Line ending; empty for everything on one line.
        unit: One step of indentation.
        colon: What stands between key and value.
        gap: What follows a comma on the same line.
    """

    newline: str = "\n"
    unit: str = "\t"
    colon: str = ": "
    gap: str = ""


def indented(indent: int | None) -> Style:
    """The style of sops for `--indent`.

    Args:
        indent: Number of blanks; None and -1 mean one tab, 0 line breaks without indentation.

    Raises:
        EmitError: Less than -1.
    """
    if indent is None or indent == -1:
        return Style()
    if indent < -1:
        raise EmitError("JSON Indentation parameter smaller than -1 is not accepted")
    return Style(unit=" " * indent)


def _escape(match: re.Match[str]) -> str:
    char = match.group()
    if "\ud800" <= char <= "\udfff":
        return "\\ufffd"
    return _ESCAPES.get(char) or f"\\u{ord(char):04x}"


def quoted(text: str) -> str:
    """A string in double quotes, escaped as Go does it."""
    if _UNSAFE.search(text) is not None:
        text = _UNSAFE.sub(_escape, text)
    return f'"{text}"'


def scalar(value: Value) -> str:
    """A scalar as JSON.

    Raises:
        EmitError: Infinity or not a number.
    """
    if isinstance(value, str):
        return quoted(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return json_float(value)
    return quoted(value.text) if isinstance(value, Time) else str(value)


def _clear(value: Value) -> str:
    """A scalar of an encrypted file. As the reference writes it, -0.0 would read back as the integer 0."""
    text = scalar(value)
    return "-0.0" if isinstance(value, float) and text == "-0" else text


def _comment_object(comment: Comment) -> Branch:
    """What the reference prints for a comment that stands where JSON needs a value: the fields of its own structure."""
    return Branch([Item("Value", Leaf(comment.text)), Item("Inline", Leaf(comment.inline))])


def _entries(node: Branch | Sequence) -> list[tuple[str, Node | Comment]]:
    """What is printed of a collection: keys ready for print, empty in arrays; comments have no place in JSON."""
    if isinstance(node, Sequence):
        return [("", entry) for entry in node.items if not isinstance(entry, Comment)]
    found: list[tuple[str, Node | Comment]] = []
    for item in node.items:
        if isinstance(item, Item):
            if not isinstance(item.key, str):
                raise EmitError("keys of JSON objects are strings", hint="put the key in quotes")
            found.append((quoted(item.key), item.value))
    return found


class _Open(NamedTuple):
    """A collection of which not everything is printed yet.

    Attributes:
        entries: What is to come.
        between: What stands between two entries.
        closing: The bracket, with the line break in front of it.
        indent: Indentation of the entries.
    """

    entries: Iterator[tuple[str, Node | Comment]]
    between: str
    closing: str
    indent: str


def _opened(brackets: str, entries: list[tuple[str, Node | Comment]], style: Style, outer: str) -> tuple[str, _Open]:
    """How a collection that has entries starts, and what is left of it."""
    indent = outer + style.unit
    if not style.newline:
        return brackets[0], _Open(iter(entries), "," + style.gap, brackets[1], indent)
    line = style.newline + indent
    return brackets[0] + line, _Open(iter(entries), "," + line, style.newline + outer + brackets[1], indent)


def render(node: Node | Comment, style: Style, prefix: str = "", *, clear_zero: bool = False) -> str:
    """A node as JSON text, without a final line break.

    Args:
        node: What to print; comments in it are left out.
        style: The layout.
        prefix: Indentation of the line on which the node starts.
        clear_zero: Write the float -0.0 with its point.

    Raises:
        EmitError: Infinity, not a number, a key that is not a string, or too deep.
    """
    out: list[str] = []
    stack: list[_Open] = []
    while True:
        if isinstance(node, Comment):
            node = _comment_object(node)
        entry: tuple[str, Node | Comment] | None = None
        if isinstance(node, Leaf):
            out.append(_clear(node.value) if clear_zero else scalar(node.value))
        else:
            brackets = "{}" if isinstance(node, Branch) else "[]"
            entries = _entries(node)
            if not entries:
                out.append(brackets)
            elif len(stack) == MAX_DEPTH:
                raise EmitError("exceeded max depth: the reference prints JSON of 10000 levels at most")
            else:
                start, place = _opened(brackets, entries, style, stack[-1].indent if stack else prefix)
                out.append(start)
                stack.append(place)
                entry = next(place.entries)
        while entry is None:
            if not stack:
                return "".join(out)
            entry = next(stack[-1].entries, None)
            out.append(stack.pop().closing if entry is None else stack[-1].between)
        key, node = entry
        if key:
            out.append(key + style.colon)
