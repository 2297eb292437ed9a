"""Find the comments between tokens, and say which token takes them.

go-yaml hangs comments on tokens while it scans: a comment record names the place from which a token may take it, and block ends move in front of
trailing comments of their column. What is computed here is what go-yaml's scanner does, from libyaml's tokens and the text between them.

Source: go-yaml v3.0.4 scannerc.go (yaml_parser_scan_comments, _scan_line_comment, _unroll_indent, _fetch_next_token), parserc.go
(yaml_parser_unfold_comments).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence as Seq
from typing import Any

from yaml.tokens import (
    BlockEndToken,
    BlockEntryToken,
    BlockMappingStartToken,
    BlockSequenceStartToken,
    DirectiveToken,
    DocumentEndToken,
    DocumentStartToken,
    FlowEntryToken,
    FlowMappingEndToken,
    FlowMappingStartToken,
    FlowSequenceEndToken,
    FlowSequenceStartToken,
    KeyToken,
    ScalarToken,
    StreamEndToken,
    StreamStartToken,
    ValueToken,
)

from secrettool.stores.yaml.parser import Line
from secrettool.stores.yaml.scan import BREAK

_PEEK = 512  # characters that the scanner looks ahead for a comment
_COMMENT = re.compile("#[^\n\r\x85\u2028\u2029\0]*")
_BLANKS = re.compile(r"[ \t]*")
_GAP = re.compile("[ \t\n\r\x85\u2028\u2029]*")
_BREAKS = frozenset("\n\r\x85\u2028\u2029")
_HEADER = re.compile(r"[|>][-+0-9]*[ \t]*")
_UNROLL_ALL = (DocumentStartToken, DocumentEndToken, DirectiveToken, StreamEndToken)
_NO_LINE_COMMENT = (BlockEntryToken, StreamStartToken, *_UNROLL_ALL)

_FLOW_LEVELS: dict[type, int] = {FlowSequenceStartToken: 1, FlowMappingStartToken: 1, FlowSequenceEndToken: -1, FlowMappingEndToken: -1}

HEAD, LINE, FOOT = 0, 1, 2
"""Kinds of records."""


class Record:
    """Comment lines that one token takes.

    Attributes:
        kind: `HEAD`, `LINE` or `FOOT`.
        lines: The lines.
        at: Offset from which on a token may take it.
        scan: Offset at which the scanner began to look for it.
        start: Offset of the first line.
        column: Column of the first line, from 1.
        end: Offset behind it; -1 for line comments.
    """

    __slots__ = ("at", "column", "end", "kind", "lines", "scan", "start")

    def __init__(self, kind: int, lines: list[Line], at: int, scan: int = 0, start: int = 0, column: int = 0, end: int = -1) -> None:
        self.kind = kind
        self.lines = lines
        self.at = at
        self.scan = scan
        self.start = start
        self.column = column
        self.end = end


class Attached:
    """The comments of a token stream.

    Attributes:
        taken: The records that a token takes when the parser looks at it, by the token's number.
        lines: All comment lines of the text, in order.
    """

    __slots__ = ("lines", "taken")

    def __init__(self) -> None:
        self.taken: dict[int, list[Record]] = {}
        self.lines: list[tuple[int, int]] = []


class _Scanner:
    """Replays what go-yaml's scanner does between tokens.

    Attributes:
        index: For each token the offset that counts for it; block ends may move.
        fetched: For each token how many records there are once it is fetched.
        records: The records, in the order in which they are found.
        lines: All comment lines.
    """

    def __init__(self, text: str, tokens: Seq[Any]) -> None:
        self.text = text + "\0\0"
        self.tokens = tokens
        self.index = [token.start_mark.index for token in tokens]
        self.fetched = [0] * len(tokens)
        self.records: list[Record] = []
        self.lines: list[tuple[int, int]] = []
        self._starts = [0, *(found.end() for found in BREAK.finditer(text))]
        self._indent = -1
        self._indents: list[int] = []
        self._flow = 0
        self._pos = 0  # where the scanner is
        self._comment = text.find("#")  # the next place where a comment may be; -1 behind the last one
        self._kind: type = object  # class and offset of the last primary token, and of the one before it
        self._last = 0
        self._kind_before: type = object
        self._before = 0
        self._queued = 0  # offset of what was put into the queue last
        self._ends: list[int] = []  # block ends in front of the next primary token
        self._opened: list[int] = []  # block starts in front of it
        self._waiting: list[tuple[int, list[int]]] = []  # simple keys without their colon yet: flow level, numbers of key and mapping start

    def line_of(self, index: int) -> int:
        """Number of the line of an offset, from 0."""
        return bisect_right(self._starts, index) - 1

    def column_of(self, index: int) -> int:
        """Column of an offset."""
        return index - self._starts[bisect_right(self._starts, index) - 1]

    def breaks(self, index: int) -> int:
        """Line breaks between an offset and the last character before it that is neither blank nor break."""
        text, count, i = self.text, 0, index - 1
        while i >= 0:
            char = text[i]
            if char in _BREAKS:
                count += 1
                if char == "\n" and i and text[i - 1] == "\r":
                    i -= 1
            elif char not in " \t":
                break
            i -= 1
        return count

    def run(self) -> None:
        """Scan the text. Primary tokens are all but block starts and ends and the keys that libyaml puts in front of a simple key."""
        for number, token in enumerate(self.tokens):
            kind = token.__class__
            if kind is BlockEndToken:
                self._ends.append(number)
            elif kind is BlockSequenceStartToken or kind is BlockMappingStartToken:
                self._opened.append(number)
            elif kind is KeyToken and token.end_mark.index == self.index[number]:
                self._waiting.append((self._flow, [number, *self._opened]))
                self._opened = []
            else:
                self._fetch(number, token, kind)

    def _fetch(self, number: int, token: Any, kind: type) -> None:
        """Scan one primary token and what is around it."""
        start = self.index[number]
        if -1 < self._comment < start:
            self._gap(start)
        if self._ends or kind in _UNROLL_ALL:
            self._unroll(start, kind in _UNROLL_ALL)
        if self._opened:
            self._push(self.column_of(start))
        # What stands behind a colon, or behind a comma in flow context, belongs to the token before.
        at = self._queued if kind is (FlowEntryToken if self._flow else ValueToken) else start
        self._flow += _FLOW_LEVELS.get(kind, 0)
        self._pos = self._behind(token, kind, start, at)
        if self._comment >= 0 and kind not in _NO_LINE_COMMENT:
            self._line_comment(at)
        count = self.fetched[number] = len(self.records)
        for opened in self._opened:
            self.fetched[opened] = count
        self._opened = []
        if kind is ValueToken and self._waiting and self._waiting[-1][0] == self._flow:
            key = self._waiting.pop()[1]
            for waiting in key:
                self.fetched[waiting] = count
            if len(key) > 1:
                self._push(self.column_of(self.index[key[0]]))
        self._before, self._kind_before = self._last, self._kind
        self._last = self._queued = start
        self._kind = kind

    def _behind(self, token: Any, kind: type, start: int, at: int) -> int:
        """Where the scanner is behind a token: behind all blanks and breaks after a plain scalar, behind the line of a directive."""
        end: int = token.end_mark.index
        if kind is DirectiveToken:
            return self._directive(end)
        if kind is ScalarToken:
            if token.plain:
                return _GAP.match(self.text, end).end()  # type: ignore[union-attr]
            if token.style in ("|", ">"):
                header = _HEADER.match(self.text, start)
                if header is not None and self.text[header.end()] == "#":
                    self._beside(header.end(), at)
        return end

    def _next_comment(self, pos: int) -> int:
        """The first `#` from an offset on."""
        if -1 < self._comment < pos:
            self._comment = self.text.find("#", pos)
        return self._comment

    def _line_comment(self, at: int) -> None:
        """Record a comment that follows on the line of a token."""
        pos = self._pos
        if self._next_comment(pos) >= 0:
            blanks = _BLANKS.match(self.text, pos)
            assert blanks is not None
            found = blanks.end()
            if self.text[found] == "#" and found - pos < _PEEK and not self.breaks(pos):
                self._pos = self._beside(found, at)

    def _push(self, column: int) -> None:
        if column > self._indent:
            self._indents.append(self._indent)
            self._indent = column

    def _unroll(self, start: int, everything: bool) -> None:
        """Place the block ends in front of a token: in front of trailing comments of their column.

        Args:
            start: Offset of the token.
            everything: Whether it ends all blocks whatever its column: a document marker, a directive, the end.
        """
        column = self.column_of(start)
        mark, second = self._pos - 1, False
        for number in self._ends:
            if everything and not second and self._indent <= column:
                mark, second = start - 1, True
            stop = mark
            for record in reversed(self.records):
                if record.end < stop:
                    break
                if record.column == self._indent + 1:
                    mark = record.start
                stop = record.scan
            self.index[number] = self._queued = mark
            self.fetched[number] = len(self.records)
            self._indent = self._indents.pop()
        self._ends = []

    def _beside(self, start: int, at: int) -> int:
        """Record a comment on the line of a token; the offset behind it."""
        end = _COMMENT.match(self.text, start).end()  # type: ignore[union-attr]
        self.lines.append((start, end))
        self.records.append(Record(LINE, [(start, end)], at))
        return end

    def _directive(self, end: int) -> int:
        """Offset behind the line of a directive; its comment is dropped by go-yaml."""
        blanks = _BLANKS.match(self.text, end)
        assert blanks is not None
        pos = blanks.end()
        if self.text[pos] == "#":
            comment = _COMMENT.match(self.text, pos)
            assert comment is not None
            self.lines.append(comment.span())
            pos = comment.end()
        found = BREAK.match(self.text, pos)
        return pos if found is None else found.end()

    def _gap(self, limit: int) -> None:
        """Record the comments between the last token and the next one, which starts at `limit`."""
        position = self._next_comment(self._pos)
        while -1 < position < limit:
            gap = _Gap(self, position)
            position = self._comment = self.text.find("#", gap.run())


class _Gap:
    """Port of `yaml_parser_scan_comments`, with the scanner at the first `#` behind a token.

    Attributes:
        scan: Offset from which on was looked for the comment that is being read.
        at: Offset from which on a token may take it when it becomes a foot.
        lines: Its lines so far.
        start, start_line, start_column: Where it starts; the column counts from 1.
        need: Indentation of the innermost block.
    """

    __slots__ = ("at", "behind_value", "first_empty", "foot_line", "lines", "mark", "need", "scan", "scanner", "start", "start_column", "start_line")

    def __init__(self, scanner: _Scanner, mark: int) -> None:
        self.scanner = scanner
        self.mark = mark
        comma = scanner._kind is FlowEntryToken
        self.at = scanner._before if comma else scanner._last
        self.behind_value = (scanner._kind_before if comma else scanner._kind) is ValueToken
        self.scan = scanner._pos
        self.need = max(scanner._indent, 0)
        newlines = scanner.breaks(mark)
        self.first_empty = newlines <= 1
        self.foot_line = -1
        if scanner.line_of(self.scan) > 0:
            self.foot_line = scanner.line_of(mark) - newlines + 1 + (newlines == 0 and scanner.column_of(mark) > 1)
        self.lines: list[Line] = []
        self.start, self.start_line, self.start_column = 0, 0, 0

    def run(self) -> int:
        """Record the comments up to the next token, or as far as the scanner looks; the offset behind the last one."""
        scanner, text = self.scanner, self.scanner.text
        line, column = scanner.line_of(self.mark), scanner.column_of(self.mark)
        empty, peek = False, 0
        while peek < _PEEK:
            at = self.mark + peek
            column += 1
            char = text[at]
            if char in " \t":
                peek += 1
                continue
            close = scanner._flow > 0 and char in "]}"
            if close or char in _BREAKS or char == "\0":
                if close or not empty:
                    self._line_end(at, close, char)
                if char not in _BREAKS:
                    break
                self.first_empty, empty = False, True
                column = 0
                line += 1
                peek += 1
                continue
            if self.lines and column - 1 < self.need and column != self.start_column:
                self._foot(self.at, at)
            if char != "#":
                break
            self._comment_line(at, line, column)
            # The break behind a comment is skipped without a look at it: of CR LF only the CR, which makes the LF an empty line.
            empty, peek, column = False, 1, 0
            line = scanner.line_of(self.mark)
        if self.lines:
            end = self.mark + peek - 1
            scanner.records.append(Record(HEAD, self.lines, self.start, self.scan, self.start, self.start_column, end))
        return self.mark

    def _line_end(self, at: int, close: bool, char: str) -> None:
        """An empty line, the end of the text, or a bracket: what came before may be a foot."""
        dedented = self.start_column - 1 < self.need
        below = self.start_line == self.foot_line and not self.behind_value
        if close or (self.first_empty and (below or dedented)):
            if self.lines:
                self._foot(self.start if dedented else self.at, at)
        elif self.lines and char != "\0":
            self.lines.append(None)

    def _foot(self, token: int, end: int) -> None:
        """What was read is a foot of the content before."""
        self.scanner.records.append(Record(FOOT, self.lines, token, self.scan, self.start, self.start_column, end))
        self.scan = self.at = end
        self.lines = []

    def _comment_line(self, at: int, line: int, column: int) -> None:
        if not self.lines:
            self.start, self.start_line, self.start_column = at, line, column
        self.mark = _COMMENT.match(self.scanner.text, at).end()  # type: ignore[union-attr]
        self.lines.append((at, self.mark))
        self.scanner.lines.append((at, self.mark))


def attach(text: str, tokens: Seq[Any]) -> Attached:
    """Say which token takes which comments.

    Args:
        text: The text.
        tokens: All its tokens.
    """
    scanner = _Scanner(text, tokens)
    scanner.run()
    attached = Attached()
    attached.lines = sorted(scanner.lines)
    records, taken, fetched = scanner.records, attached.taken, scanner.fetched
    following = 0
    total = len(records)
    for number, start in enumerate(scanner.index):
        if following >= total:
            break
        record = records[following]
        # The parser looks at a token when it and the two behind it are fetched, a simple key up to its colon.
        while start >= record.at and following < max(fetched[number : number + 3]):
            if record.kind == HEAD and tokens[number].__class__ is BlockEndToken:
                break
            taken.setdefault(number, []).append(record)
            following += 1
            if following >= total:
                break
            record = records[following]
    return attached
