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
from typing import TypeAlias

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
    Token,
    ValueToken,
)

from secrettool.stores.yaml.scan import BREAK

Line: TypeAlias = tuple[int, int] | None
"""Offsets of one comment line from its `#` to its end; None for an empty line between comments."""

_PEEK = 512  # characters that the scanner looks ahead for a comment
_COMMENT = re.compile("#[^\n\r\x85\u2028\u2029\0]*")
_BLANKS = re.compile(r"[ \t]*")
_GAP = re.compile("[ \t\n\r\x85\u2028\u2029]*")
_BREAKS = frozenset("\n\r\x85\u2028\u2029")
_HEADER = re.compile(r"[|>][-+0-9]*[ \t]*")
_UNROLL_ALL = (DocumentStartToken, DocumentEndToken, DirectiveToken, StreamEndToken)
_NO_LINE_COMMENT = (BlockEntryToken, StreamStartToken, *_UNROLL_ALL)

HEAD, LINE, FOOT = 0, 1, 2


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
    """Replays what go-yaml's scanner does between tokens."""

    def __init__(self, text: str, tokens: Seq[Token]) -> None:
        self.text = text + "\0\0"
        self.tokens = tokens
        self.records: list[Record] = []
        self.lines: list[tuple[int, int]] = []
        self.starts = [0, *(found.end() for found in BREAK.finditer(text))]
        self.indent = -1
        self.indents: list[int] = []
        self.flow = 0

    def line_of(self, index: int) -> int:
        return bisect_right(self.starts, index) - 1

    def column_of(self, index: int) -> int:
        return index - self.starts[bisect_right(self.starts, index) - 1]

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

    def run(self) -> tuple[list[int], list[int]]:
        """Scan all gaps.

        Returns:
            For each token the offset that counts for it (block ends may move), and how many records there are once it is fetched.
        """
        text, tokens, records = self.text, self.tokens, self.records
        find = text.find
        index = [token.start_mark.index for token in tokens]
        fetched = [0] * len(tokens)
        pos = 0
        last = before_last = 0  # offsets of the last two primary tokens
        last_kind: type[Token] = Token
        last_start = 0  # of whatever was put into the queue last
        ends: list[int] = []
        waiting: list[tuple[int, list[int]]] = []  # flow level of a simple key without its colon yet; numbers of the key and its mapping's start
        pending_starts: list[int] = []
        next_comment = find("#")
        for number, token in enumerate(tokens):
            kind = token.__class__
            if kind is BlockEndToken:
                ends.append(number)
                continue
            if kind is BlockSequenceStartToken or kind is BlockMappingStartToken:
                pending_starts.append(number)
                continue
            start = index[number]
            if kind is KeyToken and token.end_mark.index == start:
                waiting.append((self.flow, [number, *pending_starts]))
                pending_starts = []
                continue
            if -1 < next_comment < start:
                if next_comment < pos:
                    next_comment = find("#", pos)
                if -1 < next_comment < start:
                    origin = before_last if last_kind is FlowEntryToken else last
                    kind_before = self.kind_before if last_kind is FlowEntryToken else last_kind
                    self.gap(pos, start, origin, kind_before is ValueToken)
                    next_comment = find("#", start)
            if ends or kind in _UNROLL_ALL:
                last_start = self.unroll(ends, index, fetched, pos, start, kind in _UNROLL_ALL, last_start)
                ends = []
            if pending_starts:
                self.push(self.column_of(start))
            end = token.end_mark.index
            at = start
            if kind is ValueToken:
                if not self.flow:
                    at = last_start
            elif kind is FlowEntryToken:
                at = last_start
            elif kind is FlowSequenceStartToken or kind is FlowMappingStartToken:
                self.flow += 1
            elif kind is FlowSequenceEndToken or kind is FlowMappingEndToken:
                self.flow -= 1
            pos = end
            if kind is ScalarToken:
                if token.plain:
                    if text[end] in " \t\n\r\x85\u2028\u2029":
                        pos = _GAP.match(text, end).end()  # type: ignore[union-attr]
                elif token.style in ("|", ">") and text[start] in "|>":
                    header = _HEADER.match(text, start)
                    if header is not None and text[header.end()] == "#":
                        self.beside(header.end(), at)
            elif kind is DirectiveToken:
                pos = self.directive(end)
            if -1 < next_comment and kind not in _NO_LINE_COMMENT:
                if next_comment < pos:
                    next_comment = find("#", pos)
                blanks = _BLANKS.match(text, pos)
                assert blanks is not None
                hash_at = blanks.end()
                if text[hash_at] == "#" and hash_at - pos < _PEEK and not self.breaks(pos):
                    pos = self.beside(hash_at, at)
                    next_comment = find("#", pos)
            count = len(records)
            fetched[number] = count
            for waiter in pending_starts:
                fetched[waiter] = count
            pending_starts = []
            if kind is ValueToken and waiting and waiting[-1][0] == self.flow:
                key = waiting.pop()[1]
                for waiter in key:
                    fetched[waiter] = count
                if len(key) > 1:
                    self.push(self.column_of(index[key[0]]))
            if kind is FlowEntryToken:
                self.kind_before = last_kind
            before_last, last, last_start, last_kind = last, start, start, kind
        return index, fetched

    kind_before: type[Token] = Token

    def push(self, column: int) -> None:
        if column > self.indent:
            self.indents.append(self.indent)
            self.indent = column

    def unroll(
        self, ends: list[int], index: list[int], fetched: list[int], pos: int, start: int, everything: bool, last_start: int
    ) -> int:
        """Place the block ends in front of a token; the offset of the last one, or what was last before."""
        column = self.column_of(start)
        mark, second = pos - 1, False
        if everything and self.indent <= column:
            mark, second = start - 1, True
        count = len(self.records)
        for number in ends:
            if everything and not second and self.indent <= column:
                mark, second = start - 1, True
            stop = mark
            for record in reversed(self.records):
                if record.end < stop:
                    break
                if record.column == self.indent + 1:
                    mark = record.start
                stop = record.scan
            index[number] = last_start = mark
            fetched[number] = count
            self.indent = self.indents.pop()
        return last_start

    def beside(self, start: int, at: int) -> int:
        """Record a comment on the line of a token; the offset behind it."""
        end = _COMMENT.match(self.text, start).end()  # type: ignore[union-attr]
        self.lines.append((start, end))
        self.records.append(Record(LINE, [(start, end)], at))
        return end

    def directive(self, end: int) -> int:
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

    def gap(self, scan: int, limit: int, origin: int, behind_value: bool) -> None:
        """Record the comments between two tokens.

        Args:
            scan: Offset of the scanner behind the token before.
            limit: Start of the token behind.
            origin: Start of the token that foot comments belong to.
            behind_value: Whether that token is a colon.
        """
        position = self.text.find("#", scan, limit)
        while position >= 0:
            behind = self.comments(scan, position, origin, behind_value)
            position = self.text.find("#", behind, limit)

    def comments(self, scan: int, mark: int, token_mark: int, behind_value: bool) -> int:
        """Port of `yaml_parser_scan_comments` with the scanner at the `#` at `mark`; the offset behind the last comment it takes."""
        text, records = self.text, self.records
        need = max(self.indent, 0)
        newlines = self.breaks(mark)
        recent_empty, first_empty = False, newlines <= 1
        line, column = self.line_of(mark), self.column_of(mark)
        foot_line = -1
        if self.line_of(scan) > 0:
            foot_line = line - newlines + 1 + (newlines == 0 and column > 1)
        lines: list[Line] = []
        start, start_line, start_column = 0, 0, 0
        peek = 0
        while peek < _PEEK:
            at = mark + peek
            if at >= len(text):
                break
            column += 1
            char = text[at]
            if char in " \t":
                peek += 1
                continue
            close = self.flow > 0 and char in "]}"
            is_break = char in _BREAKS
            if close or is_break or char == "\0":
                if close or not recent_empty:
                    dedented = start_column - 1 < need
                    if close or (first_empty and ((start_line == foot_line and not behind_value) or dedented)):
                        if lines:
                            records.append(Record(FOOT, lines, start if dedented else token_mark, scan, start, start_column, at))
                            scan = token_mark = at
                            lines = []
                    elif lines and char != "\0":
                        lines.append(None)
                if not is_break:
                    break
                first_empty, recent_empty = False, True
                column = 0
                line += 1
                peek += 1
                continue
            if lines and column - 1 < need and column != start_column:
                records.append(Record(FOOT, lines, token_mark, scan, start, start_column, at))
                scan = token_mark = at
                lines = []
            if char != "#":
                break
            if not lines:
                start, start_line, start_column = at, line, column
            recent_empty = False
            mark = _COMMENT.match(text, at).end()  # type: ignore[union-attr]
            lines.append((at, mark))
            self.lines.append((at, mark))
            # The break behind a comment is skipped without a look at it: of CR LF only the CR, which makes the LF an empty line.
            peek, column = 1, 0
            line = self.line_of(mark)
            need = max(self.indent, 0)
        if lines:
            records.append(Record(HEAD, lines, start, scan, start, start_column, mark + peek - 1))
        return mark


def attach(text: str, tokens: Seq[Token]) -> Attached:
    """Say which token takes which comments.

    Args:
        text: The text.
        tokens: All its tokens.
    """
    scanner = _Scanner(text, tokens)
    index, fetched = scanner.run()
    attached = Attached()
    attached.lines = sorted(scanner.lines)
    records, taken = scanner.records, attached.taken
    following = 0
    total = len(records)
    for number, start in enumerate(index):
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
