"""What an INI text is made of, with places: values, comments, keys and sections.

Source: gopkg.in/ini.v1 v1.67 section.go, key.go; sops 3.13 stores/ini/store.go (treeItemFromSection).
"""

from __future__ import annotations

from typing import NamedTuple

from secrettool.sops.tree import Branch, Comment, Item, Leaf, TreePath

Span = tuple[int, int]


class IniLeaf(Leaf):
    """A value.

    Attributes:
        quote: The quote around it, or empty.
        lines: Whether a quoted value goes over several lines.
        dropped: Span of the text behind a closing quote that the library drops; None without such.
    """

    __slots__ = ("dropped", "lines", "quote")

    def __init__(self, value: str, start: int, end: int, quote: str = "", lines: bool = False) -> None:
        super().__init__(value, start, end)
        self.quote = quote
        self.lines = lines
        self.dropped: Span | None = None

    @property
    def tail(self) -> int:
        """Where the value ends, together with what is dropped behind it."""
        return self.end if self.dropped is None else self.dropped[1]


class IniComment(Comment):
    """The comment of a key or section: comment lines above it and a comment behind it, as one.

    Attributes:
        lead: Marker and blanks in front of the text.
        block: Span of the lines above, from the first marker on; None without such lines.
        behind: Span of the comment behind the value; None without one.
        anchor: Where the value or header ends that it belongs to.
        line: Where the line of its section's header starts; None for the comment of a key.
    """

    __slots__ = ("anchor", "behind", "block", "lead", "line")

    def __init__(self, text: str, lead: str, block: Span | None, behind: Span | None, anchor: int, line: int | None) -> None:
        spans = [span for span in (block, behind) if span is not None]
        super().__init__(text, block is None, spans[0][0], spans[-1][1])
        self.lead = lead
        self.block = block
        self.behind = behind
        self.anchor = anchor
        self.line = line


class Leftover(NamedTuple):
    """Text that the tree does not hold: its span, the path under which it is sealed, and whether it stands on the line of a header."""

    start: int
    end: int
    path: TreePath
    heading: bool = False


class Key(NamedTuple):
    """An entry of a section: name, value, comment, and the lines that it takes, comment lines above not included."""

    name: str
    leaf: IniLeaf
    comment: IniComment | None
    start: int
    end: int


class Section:
    """A section.

    Attributes:
        name: Its name.
        start: Offset of the line of its header; 0 for the keys before any header.
        body: Offset of its first line behind the header.
        end: Offset behind its last key line, or `body`.
        comment: Comment of the header.
        keys: The entries in the order of the tree.
        numbered: Whether it has a key `-`, which the library names `#1`, `#2` and so on.
    """

    __slots__ = ("body", "comment", "end", "keys", "name", "numbered", "start")

    def __init__(self, name: str, start: int, body: int, comment: IniComment | None) -> None:
        self.name = name
        self.start = start
        self.body = body
        self.end = body
        self.comment = comment
        self.keys: dict[str, Key] = {}
        self.numbered = False

    @property
    def top(self) -> int:
        """Where its header starts, comment lines above included."""
        return self.comment.block[0] if self.comment is not None and self.comment.block is not None else self.start

    def branch(self) -> Branch:
        """Its part of the tree: every comment stands behind its key."""
        items: list[Item | Comment] = [] if self.comment is None else [self.comment]
        for key in self.keys.values():
            items.append(Item(key.name, key.leaf))
            if key.comment is not None:
                items.append(key.comment)
        return Branch(items)
