"""The smallest change of a JSON text that makes it hold another tree, in the style of the file."""

from __future__ import annotations

from secrettool.sops.tree import Branch, Comment, Item, Node, Sequence
from secrettool.stores.json.emit import Style, quoted, render
from secrettool.stores.json.layout import entry_span, line_indent, style_of
from secrettool.stores.json.scan import Array, Object, span
from secrettool.stores.splice import Edit

_Entry = tuple[str | None, Node]
"""Key (None in arrays) and value."""


def _entries(node: Branch | Sequence) -> list[_Entry]:
    if isinstance(node, Branch):
        return [(str(item.key), item.value) for item in node.items if isinstance(item, Item)]
    return [(None, entry) for entry in node.items if not isinstance(entry, Comment)]


def _matches(old: list[_Entry], new: list[_Entry]) -> list[int | None]:
    """For every new entry the old one that it continues: the same value, or else the same key or position; in order, None for an inserted one."""
    by_value = {id(value): number for number, (_, value) in enumerate(old)}
    stays = {id(value) for _, value in new} & set(by_value)
    found: list[int | None] = []
    free = 0
    for key, value in new:
        match = by_value.get(id(value))
        if match is None or match < free:
            same_key = (number for number in range(free, len(old)) if old[number][0] == key and id(old[number][1]) not in stays)
            match = next(same_key, None)
            if key is None and match != free:
                match = None
        found.append(match)
        if match is not None:
            free = match + 1
    return found


def changes(text: str, root: Object, wanted: Branch) -> list[Edit]:
    """The edits of the text.

    Args:
        text: The plain text.
        root: Its top-level object, as scanned.
        wanted: The tree that it is to hold; nodes that stay are those of `root`.

    Raises:
        EmitError: JSON cannot express something new.
    """
    edits: list[Edit] = []
    stack: list[tuple[Object | Array, Branch | Sequence, Style]] = [(root, wanted, style_of(text, root, Style()))]
    while stack:
        node, target, outer = stack.pop()
        style = style_of(text, node, outer)
        old, new = _entries(node), _entries(target)
        matches = _matches(old, new)
        if not any(match is not None for match in matches):
            edits.append((node.start, node.end, render(target, style, line_indent(text, node.start))))
            continue
        for (_, value), match in zip(new, matches, strict=True):
            if match is None or value is old[match][1]:
                continue
            place = old[match][1]
            if (isinstance(place, Object) and isinstance(value, Branch)) or (isinstance(place, Array) and isinstance(value, Sequence)):
                stack.append((place, value, style))
            else:
                start, end = span(place)
                edits.append((start, end, render(value, style, line_indent(text, start))))
        edits += _removals(node, {match for match in matches if match is not None})
        edits += _insertions(text, node, new, matches, style)
    return edits


def _removals(node: Object | Array, kept: set[int]) -> list[Edit]:
    first = min(kept)
    edits: list[Edit] = [(entry_span(node, 0)[0], entry_span(node, first)[0], "")] if first else []
    gone = [number for number in range(first, len(node.items)) if number not in kept]
    return edits + [(entry_span(node, number - 1)[1], entry_span(node, number)[1], "") for number in gone]


def _insertions(text: str, node: Object | Array, new: list[_Entry], matches: list[int | None], style: Style) -> list[Edit]:
    edits: list[Edit] = []
    before: int | None = None
    first = min(match for match in matches if match is not None)
    for (key, value), match in zip(new, matches, strict=True):
        if match is not None:
            before = match
            continue
        start, end = entry_span(node, first if before is None else before)
        indent = line_indent(text, start)
        name = "" if key is None else quoted(key) + style.colon
        body = name + render(value, style, indent)
        between = "," + (style.newline + indent if style.newline else style.gap)
        edits.append((start, start, body + between) if before is None else (end, end, between + body))
    return edits
