"""Where the content of a block scalar stands.

Only the content lines of a block scalar are replaced: its header, the comment on that and the blank lines behind it stay, so that chomping comes
out right by itself.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from secrettool.stores.yaml.nodes import YamlLeaf
from secrettool.stores.yaml.scan import BREAK

_VALUE_BREAKS = "\n\u2028\u2029"
_HEADER = re.compile(r"[|>]([-+0-9]*)")


class Block(NamedTuple):
    """The parts of a block scalar.

    Attributes:
        indicator: Offset behind `|` or `>` and what belongs to it.
        header: Offset of the first line behind the header line.
        end: Offset behind the last content line, in front of its break; `header` when there is no content.
        indent: Blanks in front of its content.
        digit: Whether the header states the indentation.
        keeps: Whether it keeps the breaks at its end (`+`).
        strips: Whether it drops them (`-`).
        empty: Whether it holds nothing but breaks.
    """

    indicator: int
    header: int
    end: int
    indent: int
    digit: bool
    keeps: bool
    strips: bool
    empty: bool


def block_of(text: str, leaf: YamlLeaf, value: str) -> Block:
    """Take a block scalar apart.

    Args:
        text: The text that the leaf stands in.
        leaf: The scalar.
        value: What it holds.
    """
    start, end = leaf.start, leaf.end
    match = _HEADER.match(text, start)
    assert match is not None
    flags = match[1]
    found = BREAK.search(text, match.end(), end)
    header = end if found is None else found.end()
    digit = next((int(flag) for flag in flags if flag.isdigit()), 0)
    lines = _lines(text, header, end)
    rest = value.lstrip(_VALUE_BREAKS)
    before = len(value) - len(rest)  # empty lines in front of the content: each is one line of the text
    empty = not rest
    if empty:
        longest = max((len(line) - len(line.lstrip(" ")) for line, _ in lines), default=0)
        indent, last = max(leaf.column + (digit or 2), longest), header
    else:
        first = lines[before][0]
        indent = _blanks(first) - _blanks(BREAK.split(rest, maxsplit=1)[0])
        last = header
        for line, stop in lines:
            if line.strip(" ") or len(line) > indent:
                last = stop
    return Block(match.end(), header, last, indent, digit > 0, "+" in flags, "-" in flags, empty)


def _blanks(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _lines(text: str, start: int, end: int) -> list[tuple[str, int]]:
    """The lines of a region without their breaks, each with the offset behind it."""
    lines = []
    for found in BREAK.finditer(text, start, end):
        lines.append((text[start : found.start()], found.start()))
        start = found.end()
    if start < end:
        lines.append((text[start:end], end))
    return lines
