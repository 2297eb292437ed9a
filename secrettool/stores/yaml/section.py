"""The metadata block in the text: where it stands, the notes in it, and how it is written.

Two kinds of comment lines inside the block are ours; sops skips comments there:

    # notation of the original: <base64>      what the styles of the envelopes cannot carry
    # layout of the original: <words>         what taking the block out again has to know
"""

from __future__ import annotations

import re
from typing import NamedTuple

from secrettool.sops.store import SECTION_KEY
from secrettool.sops.tree import Branch, Item
from secrettool.stores.splice import Edit, splice
from secrettool.stores.yaml.nodes import Part, YamlBranch, YamlItem, node_end
from secrettool.stores.yaml.scan import column_of

_NOTATION = "# notation of the original: "
_LAYOUT = "# layout of the original: "
_NOTE = r"(?<=[\r\n])[ ]*# (notation|layout) of the original: ([^\r\n]*)"
_LINE = re.compile("[^\n\r\x85\u2028\u2029]*(?:\r\n|[\n\r\x85\u2028\u2029]|\\Z)")
_BEHIND_KEY = ":[ \t]+(#[^\n\r\x85\u2028\u2029]*)"
_BLANKS = " \t\r\n"

NO_BLANK_LINE = "no blank line above"
EMPTY = "empty"
CLIP, KEEP = "clip", "keep"
ROOT = "root"


class Notes(NamedTuple):
    """The comment lines of ours in a block.

    Attributes:
        notation: The sealed notation; None without one.
        layout: What has to be known about the text around the block; empty for nothing.
    """

    notation: str | None = None
    layout: str = ""


class Place(NamedTuple):
    """Where a block stands.

    Attributes:
        start: Offset of its first character: the start of its line, or the key in a root in flow style.
        end: Offset behind it: behind the break of its last line, or behind its value in flow style.
        flow: Whether the root is in flow style.
        notes: The notes in it.
    """

    start: int
    end: int
    flow: bool
    notes: Notes


def place_of(text: str, root: YamlBranch, item: YamlItem) -> Place:
    """Find a block.

    Args:
        text: The encrypted text.
        root: The mapping that the block is an entry of.
        item: The entry.
    """
    start = item.start if item.properties is None else item.properties.start
    end = node_end(item.value)
    notes = notes_in(text, item)
    if root.flow:
        return Place(start, end, True, notes)
    while end > item.end and text[end - 1] in _BLANKS:
        end -= 1
    found = _LINE.match(text, end)
    assert found is not None
    return Place(start - column_of(text, start), found.end(), False, notes)


def comments_above(text: str, parts: list[Part], newline: str) -> str:
    """The text with every comment behind the key of a block on a line of its own above it, where it means the same.

    sops writes one there, `sops: #ENC[...]`, when a comment belongs behind the last value and that value has no line for it (a copy of an alias).
    """
    edits: list[Edit] = []
    for part in parts:
        for item in () if part.root.flow else part.section:
            found = re.compile(_BEHIND_KEY).match(text, item.end)
            if found is not None:
                column = column_of(text, item.start)
                line = item.start - column
                edits.append((line, line, f"{' ' * column}{found[1]}{newline}"))
                edits.append((item.end + 1, found.end(), ""))
    return splice(text, edits) if edits else text


def notes_in(text: str, item: YamlItem) -> Notes:
    """Our comment lines in a block: they stand between its key and its first entry."""
    value = item.value
    stop = node_end(value)
    if isinstance(value, Branch):
        first = next((entry for entry in value.items if isinstance(entry, Item)), None)
        if isinstance(first, YamlItem):
            stop = first.start
    if text.find("#", item.end, stop) < 0:
        return Notes()
    notation, layout = None, ""
    for found in re.compile(_NOTE).finditer(text, item.end, stop):
        if found[1] == "notation":
            notation = found[2]
        else:
            layout = found[2]
    return Notes(notation, layout)


def block(section: Branch, column: int, newline: str, notes: Notes) -> str:
    """The lines of a block at a column, notes included; ends with a line ending."""
    from secrettool.stores.yaml import emit

    text = emit.emit_section(section, column=column, newline=newline)
    lines = _note_lines(notes)
    if not lines:
        return text
    first = text.index(newline) + len(newline)
    inner = len(text) - first - len(text[first:].lstrip(" "))
    return text[:first] + "".join(" " * inner + line + newline for line in lines) + text[first:]


def flow_block(section: Branch, column: int, newline: str, notes: Notes) -> str:
    """The same as an entry of a flow mapping, on one line but for the notes."""
    from secrettool.stores.yaml import emit

    text = f"{SECTION_KEY}: {emit.flow(section)}"
    lines = _note_lines(notes)
    if not lines:
        return text
    brace = text.index("{") + 1
    blanks = newline + " " * (column + 4)
    return text[:brace] + "".join(blanks + line for line in lines) + blanks + text[brace:]


def _note_lines(notes: Notes) -> list[str]:
    lines = [_LAYOUT + notes.layout] if notes.layout else []
    return lines + ([_NOTATION + notes.notation] if notes.notation is not None else [])
