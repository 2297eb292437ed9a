"""Parsing INI as the library of sops reads it, with the place of everything that was read.

The library keeps less than the text holds: of a repeated key only the last value and comment, of a quoted value not what follows the closing quote,
and no comments behind the last key. These are collected as leftovers, so that nothing that was meant to be secret stays readable.

Source: gopkg.in/ini.v1 v1.67 parser.go, section.go; sops 3.13 stores/ini/store.go (treeItemFromSection, stripCommentChar).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from secrettool.errors import FormatError
from secrettool.stores.ini.nodes import IniComment, IniLeaf, Key, Leftover, Section, Span
from secrettool.stores.splice import broken

DEFAULT = "DEFAULT"
"""Name of the section of the keys that stand before any header."""

SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
"""What Go's `unicode.IsSpace` takes for a blank."""

_space = re.compile(f"[{SPACE}]*").match
_MARKER = re.compile("[#;]")
_DELIMITER = re.compile("[=:]")
_TRIPLE = '"""'


class Parsed(NamedTuple):
    """What a text holds.

    Attributes:
        sections: The sections in order; the first is the one of the keys before any header.
        leftovers: What the tree does not hold.
        pending: Span of the comment lines behind everything else; None without such.
    """

    sections: list[Section]
    leftovers: list[Leftover]
    pending: Span | None


def parse(text: str) -> Parsed:
    """Parse a file.

    Raises:
        FormatError: The text is broken.
    """
    parser = _Parser(text)
    parser.run()
    leftovers = parser.leftovers
    for section in parser.sections:
        for key in section.keys.values():
            if key.leaf.dropped is not None:
                leftovers.append(Leftover(*key.leaf.dropped, (section.name, key.name)))
    return Parsed(parser.sections, leftovers, parser.block)


def reads_as(written: str, value: str) -> bool:
    """Whether a value written like this is read back as it was, all of it and without a comment."""
    parser = _Parser(f"k={written}\n")
    try:
        parser.run()
    except FormatError:
        return False
    key = parser.sections[0].keys.get("k")
    return key is not None and key.leaf.value == value and key.comment is None and key.leaf.tail == key.leaf.end == len(parser.text) - 1


def strip_marker(comment: str) -> str:
    """The text of a comment without marker; `;` and `#` repeat, each with blanks, but do not mix."""
    return comment.lstrip("; " if comment.startswith(";") else "# ")


def _after_mark(text: str) -> int:
    """Where the text starts behind a byte order mark; of UTF-16 the library skips only the mark, too."""
    if text.startswith("\ufeff"):
        return 1
    return 2 if text[:2] in ("\udcfe\udcff", "\udcff\udcfe") else 0


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.pos = _after_mark(text)
        self.sections = [Section(DEFAULT, 0, self.pos, None)]
        self.leftovers: list[Leftover] = []
        self.block: Span | None = None  # comment lines that wait for their key
        self.block_end = 0  # behind the line break of the last of them
        self.behind: Span | None = None  # comment behind the value
        self.count = 1  # number of the next key `-`

    def run(self) -> None:
        text = self.text
        while self.pos < len(text):
            line = self.pos
            end = self._line_end(line)
            start = self._skip(line, end)
            if start == end:
                self.pos = end
            elif text[start] in "#;":
                self.block = (start if self.block is None else self.block[0], self._trim(start, end))
                self.pos = self.block_end = end
            elif text[start] == "[":
                self._header(line, start, end)
            else:
                self._entry(line, start, end)

    # ---- places ----

    def _line_end(self, pos: int) -> int:
        found = self.text.find("\n", pos)
        return len(self.text) if found < 0 else found + 1

    def _skip(self, start: int, end: int) -> int:
        match = _space(self.text, start, end)
        return start if match is None else match.end()

    def _trim(self, start: int, end: int) -> int:
        """The end of a span without the blanks it ends with."""
        return start + len(self.text[start:end].rstrip(SPACE))

    def _trimmed(self, start: int, end: int) -> Span | None:
        """A span without the blanks around it; None when there is nothing else in it."""
        start, end = self._skip(start, end), self._trim(start, end)
        return (start, end) if start < end else None

    # ---- lines ----

    def _header(self, line: int, start: int, end: int) -> None:
        text = self.text
        close = text.rfind("]", start, end)
        if close < 0:
            raise broken("unclosed section", text, start)
        name = text[start + 1 : close]
        if not name:
            raise broken("empty section name", text, start)
        marker = _MARKER.search(text, close + 1, end)
        if marker is not None:
            self.behind = (marker.start(), self._trim(marker.start(), end))
        dropped = self._trimmed(close + 1, marker.start() if marker is not None else end)
        if dropped is not None:
            self.leftovers.append(Leftover(*dropped, (name,), heading=True))
        anchor = dropped[1] if dropped is not None else close + 1
        self.sections.append(Section(name, line, end, self._comment(anchor, line)))
        self.count = 1
        self.pos = end

    def _entry(self, line: int, start: int, end: int) -> None:
        section = self.sections[-1]
        name, offset = self._key(start, end)
        if name == "-":
            name = f"#{self.count}"
            self.count += 1
            section.numbered = True
        elif not name:
            raise broken("error creating new key: empty key name", self.text, start)
        self.pos = end
        leaf = self._value(offset, end)
        before = section.keys.get(name)
        if before is not None:
            self._overwrite(before, section.name)
        section.keys[name] = Key(name, leaf, self._comment(leaf.tail, None), line, self.pos)
        section.end = self.pos

    def _overwrite(self, key: Key, section: str) -> None:
        """A later value takes the place of this one, which the tree no longer holds."""
        end = max(key.leaf.tail, key.comment.behind[1] if key.comment is not None and key.comment.behind is not None else 0)
        span = self._trimmed(key.leaf.start, end)
        if span is not None:
            self.leftovers.append(Leftover(*span, (section, key.name)))
        if key.comment is not None and key.comment.block is not None:
            start, end = key.comment.block
            self.leftovers.append(Leftover(start + 1, end, (section,)))

    def _comment(self, anchor: int, line: int | None) -> IniComment | None:
        block, behind = self.block, self.behind
        self.block = self.behind = None
        raw = self._comment_text(block, behind)
        if not raw:
            return None
        stripped = strip_marker(raw)
        return IniComment(stripped, raw[: len(raw) - len(stripped)], block, behind, anchor, line)

    def _comment_text(self, block: Span | None, behind: Span | None) -> str:
        """A comment as the library joins it: comment lines without the blanks in front and without empty lines between, then the one behind."""
        parts: list[str] = []
        if block is not None:
            lines = self.text[block[0] : block[1] if behind is None else self.block_end].split("\n")
            parts = [line.lstrip(SPACE) for line in lines if line.strip(SPACE)]
        if behind is not None:
            parts.append(self.text[slice(*behind)])
        return "\n".join(parts)

    # ---- keys and values ----

    def _key(self, start: int, end: int) -> tuple[str, int]:
        """Name of a key, and where its value starts."""
        text = self.text
        quote = text[start] if text[start] in '"`' else ""
        if text.startswith(_TRIPLE, start) and len(text[start:end].encode("utf-8", "surrogateescape")) > 2 * len(_TRIPLE):
            quote = _TRIPLE
        first = start + len(quote)
        after = first
        if quote:
            close = text.find(quote, first, end)
            if close < 0:
                raise broken("missing closing key quote", text, start)
            after = close + len(quote)
        delimiter = _DELIMITER.search(text, after, end)
        if delimiter is None:
            raise broken("key-value delimiter not found", text, start, "a line is key = value, [section], or a comment that starts with ; or #")
        if not quote:
            close = delimiter.start()
            if close == start:
                raise broken("empty key name", text, start)
        return text[first:close].strip(SPACE), delimiter.end()

    def _value(self, offset: int, end: int) -> IniLeaf:
        text = self.text
        start = self._skip(offset, end)
        if start == end:
            return IniLeaf("", offset, offset)
        if text[start] == "`" or (text.startswith(_TRIPLE, start) and end - start > len(_TRIPLE)):
            return self._quoted(start, end, _TRIPLE if text[start] == '"' else "`")
        stop = self._trim(start, end)
        if text[stop - 1] == "\\":
            return self._joined(start, stop)
        marker = _MARKER.search(text, start, stop)
        if marker is not None:
            self.behind = (marker.start(), stop)
            if marker.start() == start:
                return IniLeaf("", offset, offset)
            stop = self._trim(start, marker.start())
        value = text[start:stop]
        quote = value[:1]
        if len(value) > 1 and quote in ("'", '"') and value.find(quote, 1) == len(value) - 1:
            return IniLeaf(value[1:-1], start, stop, quote)
        return IniLeaf(value, start, stop)

    def _quoted(self, start: int, end: int, quote: str) -> IniLeaf:
        text = self.text
        body = start + len(quote)
        close = text.rfind(quote, body, end)
        if close >= 0:
            leaf = IniLeaf(text[body:close], start, close + len(quote), quote)
            leaf.dropped = self._trimmed(leaf.end, end)
            return leaf
        line = end
        while True:
            if line == len(text):
                raise broken("missing closing quote of a value", text, start)
            end = self._line_end(line)
            close = text.rfind(quote, line, end)
            if close >= 0 and not text[close + len(quote) : end].strip(SPACE).endswith("\\"):
                break
            line = end
        leaf = IniLeaf(text[body:close], start, close + len(quote), quote, lines=True)
        marker = _MARKER.search(text, leaf.end, end)
        if marker is not None:
            self.behind = (marker.start(), self._trim(marker.start(), end))
        leaf.dropped = self._trimmed(leaf.end, marker.start() if marker is not None else end)
        self.pos = end
        return leaf

    def _joined(self, start: int, stop: int) -> IniLeaf:
        """A value whose line ends with a backslash: the next one goes on, whatever is in it."""
        text = self.text
        parts = [text[start : stop - 1]]
        while self.pos < len(text):
            line, end = self.pos, self._line_end(self.pos)
            self.pos = end
            first = self._skip(line, end)
            if first == end:
                break
            stop = self._trim(first, end)
            if text[stop - 1] != "\\":
                parts.append(text[first:stop])
                break
            parts.append(text[first : stop - 1])
        return IniLeaf("".join(parts), start, stop)
