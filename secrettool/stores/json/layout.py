"""The style of a JSON file: how its section is written into it, and where it stands.

A section is written so that taking it out again leaves exactly the bytes that were there before, and so that taking out the one that sops wrote
leaves what sops prints.
"""

from __future__ import annotations

import re

from secrettool.sops.store import SECTION_KEY
from secrettool.sops.tree import Branch, Node
from secrettool.stores.json.emit import Style, quoted, render
from secrettool.stores.json.scan import Array, Member, Object, span
from secrettool.stores.splice import Edit

_BLANKS = re.compile(r"[ \t]*")
_COLON = re.compile(r"[ \t]*:[ \t]*\Z")


def line_indent(text: str, offset: int) -> str:
    """The blanks that the line with this place starts with."""
    start = text.rfind("\n", 0, offset) + 1
    match = _BLANKS.match(text, start, offset)
    assert match is not None
    return match.group()


def style_of(text: str, node: Object | Array, outer: Style) -> Style:
    """The style in which a collection is written, by its last entry.

    Args:
        text: The text.
        node: The collection.
        outer: Style of what is around it, for what the collection does not show.
    """
    if not node.items:
        return outer
    entry = node.items[-1]
    start = entry.start if isinstance(entry, Member) else span(entry)[0]
    before = entry_span(node, len(node.items) - 2)[1] if len(node.items) > 1 else node.start + 1
    lead = text[before:start]
    colon = outer.colon
    if isinstance(entry, Member):
        match = _COLON.search(text[start : span(entry.value)[0]])
        colon = match.group() if match is not None else colon
    broken_at = lead.rfind("\n")
    if broken_at < 0:
        gap = lead.partition(",")[2] if len(node.items) > 1 else " " * colon.endswith(" ")
        return Style("", "", colon, gap)
    newline = "\r\n" if lead[broken_at - 1 : broken_at] == "\r" else "\n"
    indent, around = line_indent(text, start), line_indent(text, node.start)
    return Style(newline, indent[len(around) :] if indent.startswith(around) else indent, colon)


def entry_span(node: Object | Array, number: int) -> tuple[int, int]:
    """Start and end of an entry of a collection, key included."""
    entry = node.items[number]
    if isinstance(entry, Member):
        return entry.start, span(entry.value)[1]
    return span(entry)


def inserted(text: str, root: Object, section: Branch) -> Edit:
    """The change that puts the section into a plain file, as the last member of its object."""
    inside = text[root.start + 1 : root.end - 1]
    default = Style("\r\n") if "\r\n" in text else Style()
    if not root.items and inside:
        # Blanks between empty braces: directly behind the opening one, which tells `removed` to keep them.
        style = default if "\n" in inside else Style("", "", ": ", " ")
        return root.start + 1, root.start + 1, f"{quoted(SECTION_KEY)}{style.colon}{render(section, style, line_indent(text, root.start))}"
    style = style_of(text, root, default)
    indent = line_indent(text, root.start) + style.unit
    body = f"{quoted(SECTION_KEY)}{style.colon}{render(section, style, indent)}"
    if not root.items:
        return root.start + 1, root.start + 1, f"{style.newline}{indent}{body}{style.newline}{line_indent(text, root.start)}"
    end = entry_span(root, len(root.items) - 1)[1]
    return end, end, "," + (style.newline + indent if style.newline else style.gap) + body


def replaced(text: str, root: Object, number: int, section: Branch) -> Edit:
    """The change that puts another section in the place of the one that stands there.

    Args:
        text: The encrypted text.
        root: Its top-level object.
        number: Which member of it is the section.
        section: The new section.
    """
    old: Node = root.items[number].value  # type: ignore[union-attr]
    assert isinstance(old, Object)
    style = style_of(text, old, style_of(text, root, Style()))
    return old.start, old.end, render(section, style, line_indent(text, old.start))


def removed(text: str, root: Object, number: int) -> Edit:
    """The change that takes the section out.

    Args:
        text: The encrypted text.
        root: Its top-level object.
        number: Which member of it is the section.
    """
    start, end = entry_span(root, number)
    if number:
        if number + 1 < len(root.items):
            return start, entry_span(root, number + 1)[0], ""
        return entry_span(root, number - 1)[1], end, ""
    if len(root.items) > 1:
        return start, entry_span(root, 1)[0], ""
    return (start, end, "") if start == root.start + 1 else (root.start + 1, root.end - 1, "")
