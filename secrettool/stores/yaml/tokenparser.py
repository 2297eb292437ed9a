"""A parser over libyaml's tokens that hands on comments.

It takes and clears pending comments at the same places as go-yaml's.

Source: go-yaml v3.0.4 parserc.go.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence as Seq
from functools import partial
from typing import Any

from yaml.tokens import (
    AliasToken,
    AnchorToken,
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
    TagToken,
    ValueToken,
)

from secrettool.stores.yaml.comments import FOOT, HEAD, Attached
from secrettool.stores.yaml.nodes import Properties
from secrettool.stores.yaml.parser import DEFAULT_HANDLES, Handler, Line, Notes
from secrettool.stores.yaml.scan import refuse


class TokenParser:
    """Parses tokens with their comments; a stack machine, so that depth is bounded by memory alone.

    Args:
        text: The text.
        tokens: Its tokens.
        attached: Its comments.
        handler: What to drive.
    """

    def __init__(self, text: str, tokens: Seq[Any], attached: Attached, handler: Handler) -> None:
        self.text = text
        self.tokens = tokens
        self.taken = attached.taken
        self.handler = handler
        self.number = 0
        self.looked = -1
        self.head: list[Line] = []
        self.line: list[Line] = []
        self.foot: list[Line] = []
        self.stem: list[Line] = []
        self.states: list[Callable[[], None]] = []
        self.handles = dict(DEFAULT_HANDLES)

    # ---- comments -----------------------------------------------------------------------------------------------------------------------------

    def peek(self) -> type:
        """The class of the next token; takes the comments that it brings when it is looked at for the first time."""
        number = self.number
        if number != self.looked:
            self.looked = number
            if number in self.taken:
                for record in self.taken[number]:
                    pending = self.head if record.kind == HEAD else self.foot if record.kind == FOOT else self.line
                    pending.extend(record.lines)
        return type(self.tokens[number])

    def notes(self) -> Notes | None:
        """Take and clear all pending comments."""
        self.stem = []
        if not (self.head or self.line or self.foot):
            return None
        notes = Notes(self.head, self.line, self.foot)
        self.head, self.line, self.foot = [], [], []
        return notes

    def split_stem(self, stem: int) -> None:
        """Put aside what was pending in front of a dash when a collection starts behind it: it belongs to that collection as a whole."""
        if stem and self.peek() in (BlockSequenceStartToken, BlockMappingStartToken):
            self.stem, self.head = self.head[:stem], self.head[stem:]

    def take_stem(self) -> Notes | None:
        """The comments put aside."""
        stem, self.stem = self.stem, []
        return Notes(stem, [], []) if stem else None

    # ---- documents ----------------------------------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Parse the stream.

        Raises:
            FormatError: The tokens are not YAML.
        """
        self.peek()
        self.number = 1
        first, end = True, 0
        while True:
            kind = self.peek()
            while not first and kind is DocumentEndToken:
                end = self.tokens[self.number].end_mark.index
                self.number += 1
                kind = self.peek()
            if kind is StreamEndToken:
                return
            if first and kind is not DirectiveToken and kind is not DocumentStartToken:
                self.handler.document_start(end, self.document_head())
                self.states = [partial(self.any_node, True, False)]
            else:
                self.explicit_start()
            while self.states:
                self.states.pop()()
            kind = self.peek()
            token = self.tokens[self.number]
            end = token.start_mark.index
            self.handler.document_end(end, self.document_foot())
            if kind is DocumentEndToken:
                end = token.end_mark.index
                self.number += 1
            first = False

    def explicit_start(self) -> None:
        """Directives and `---`."""
        self.handles = dict(DEFAULT_HANDLES)
        while self.peek() is DirectiveToken:
            token = self.tokens[self.number]
            if token.name == "TAG":
                self.handles[token.value[0]] = token.value[1]
            elif token.name == "YAML" and token.value != (1, 1):
                refuse(self.text, token.start_mark.index, "found incompatible YAML document")
            self.number += 1
        token = self.tokens[self.number]
        if token.__class__ is not DocumentStartToken:
            refuse(self.text, token.start_mark.index, "did not find expected <document start>")
        self.handler.document_start(token.end_mark.index, None)
        self.number += 1
        if self.peek() in (DirectiveToken, DocumentStartToken, DocumentEndToken, StreamEndToken):
            self.empty(self.tokens[self.number].start_mark.index)
        else:
            self.states = [partial(self.any_node, True, False)]

    def document_head(self) -> Notes | None:
        """What of the pending comments belongs to a first document without `---`: all above the last empty line."""
        head = self.head
        for number in range(len(head) - 1, 0, -1):
            if head[number] is None:
                self.head = head[number + 1 :]
                return Notes(head[:number], [], [])
        return None

    def document_foot(self) -> Notes | None:
        """The pending comments at the end of a document; a head without a foot becomes the foot."""
        notes = self.notes()
        if notes is not None and not notes.foot:
            return Notes([], [], notes.head)
        return notes

    # ---- nodes --------------------------------------------------------------------------------------------------------------------------------

    def empty(self, index: int) -> None:
        """A missing node."""
        self.handler.scalar("", index, index, "", None, None)

    def properties(self) -> Properties | None:
        """Tag and anchor in front of a node, in either order."""
        start = self.tokens[self.number].start_mark.index
        tag: str | None = None
        anchor: str | None = None
        while True:
            kind = self.peek()
            token = self.tokens[self.number]
            if kind is TagToken and tag is None:
                handle, suffix = token.value
                if handle is not None and handle not in self.handles:
                    refuse(self.text, start, "a tag with a handle that no %TAG directive declares")
                if self.text[token.end_mark.index : token.end_mark.index + 1] == ",":
                    refuse(self.text, start, "a tag right in front of a comma", hint="put a blank between them")
                tag = suffix if handle is None else self.handles[handle] + suffix
            elif kind is AnchorToken and anchor is None:
                anchor = token.value
            else:
                break
            self.number += 1
        return None if tag is None and anchor is None else Properties(start, tag, anchor)

    def any_node(self, block: bool, indentless: bool) -> None:
        """Parse a node as far as it can be done without its children."""
        kind = self.peek()
        properties = None
        if kind is AliasToken:
            token = self.tokens[self.number]
            self.handler.alias(token.value, token.start_mark.index, token.end_mark.index, self.notes())
            self.number += 1
            return
        if kind is TagToken or kind is AnchorToken:
            properties = self.properties()
            kind = self.peek()
        token = self.tokens[self.number]
        mark = token.start_mark
        start = mark.index
        handler = self.handler
        if kind is ScalarToken:
            handler.scalar(token.value, start, token.end_mark.index, token.style, properties, self.notes())
            self.number += 1
        elif indentless and kind is BlockEntryToken:
            handler.open(True, start, False, mark.column, properties, None)
            self.states.append(self.indentless_entry)
        elif kind is FlowSequenceStartToken or kind is FlowMappingStartToken:
            is_list = kind is FlowSequenceStartToken
            handler.open(is_list, start, True, mark.column, properties, self.notes())
            self.number += 1
            self.states.append(partial(self.flow_list if is_list else self.flow_key, True))
        elif block and kind is BlockSequenceStartToken:
            handler.open(True, start, False, mark.column, properties, self.take_stem())
            self.number += 1
            self.states.append(self.list_entry)
        elif block and kind is BlockMappingStartToken:
            handler.open(False, start, False, mark.column, properties, self.take_stem())
            self.number += 1
            self.states.append(self.block_key)
        elif properties is not None:
            end = self.tokens[self.number - 1].end_mark.index
            handler.scalar("", end, end, "", properties, None)
        else:
            refuse(self.text, start, "did not find expected node content")

    def dash(self) -> int:
        """Step over a `-`; the offset behind it."""
        end: int = self.tokens[self.number].end_mark.index
        stem = len(self.head)
        self.number += 1
        self.split_stem(stem)
        return end

    def list_entry(self) -> None:
        """An element of a block list, or its end."""
        kind = self.peek()
        if kind is BlockEntryToken:
            end = self.dash()
            self.states.append(self.list_entry)
            if self.peek() in (BlockEntryToken, BlockEndToken):
                self.empty(end)
            else:
                self.any_node(True, False)
        elif kind is BlockEndToken:
            self.handler.close(-1, None)
            self.number += 1
        else:
            refuse(self.text, self.tokens[self.number].start_mark.index, "did not find expected '-' indicator")

    def indentless_entry(self) -> None:
        """An element of a list at its key's column, or its end."""
        if self.peek() is not BlockEntryToken:
            self.handler.close(-1, None)
            return
        end = self.dash()
        self.states.append(self.indentless_entry)
        if self.peek() in (BlockEntryToken, KeyToken, ValueToken, BlockEndToken):
            self.empty(end)
        else:
            self.any_node(True, False)

    def block_key(self) -> None:
        """A key of a block mapping, or its end."""
        kind = self.peek()
        if kind is KeyToken:
            end = self.tokens[self.number].end_mark.index
            self.number += 1
            self.states.append(self.block_value)
            if self.peek() in (KeyToken, ValueToken, BlockEndToken):
                self.empty(end)
            else:
                self.any_node(True, True)
        elif kind is BlockEndToken:
            self.handler.close(-1, self.notes())
            self.number += 1
        else:
            refuse(self.text, self.tokens[self.number].start_mark.index, "did not find expected key")

    def block_value(self) -> None:
        """The value of a block mapping's key."""
        self.states.append(self.block_key)
        token = self.tokens[self.number]
        if self.peek() is not ValueToken:
            self.empty(token.start_mark.index)
            return
        end = token.end_mark.index
        self.number += 1
        if self.peek() in (KeyToken, ValueToken, BlockEndToken):
            self.empty(end)
        else:
            self.any_node(True, True)

    def comma(self, first: bool, closing: str) -> None:
        """Step over the comma between two entries."""
        if first:
            return
        if self.peek() is not FlowEntryToken:
            refuse(self.text, self.tokens[self.number].start_mark.index, f"did not find expected ',' or '{closing}'")
        self.number += 1
        self.peek()

    def flow_list(self, first: bool) -> None:
        """An element of a flow list, or its end."""
        if self.peek() is not FlowSequenceEndToken:
            self.comma(first, "]")
            kind = self.peek()
            if kind is KeyToken:
                mark = self.tokens[self.number].start_mark
                self.handler.open(False, mark.index, True, mark.column, None, None)
                self.number += 1
                self.states.append(partial(self.flow_list, False))
                self.pair_key()
                return
            if kind is not FlowSequenceEndToken:
                self.states.append(partial(self.flow_list, False))
                self.any_node(False, False)
                return
        self.flow_end()

    def flow_end(self) -> None:
        """The bracket at the end of a flow collection."""
        end = self.tokens[self.number].end_mark.index
        self.handler.close(end, self.notes())
        self.number += 1

    def pair_key(self) -> None:
        """The key of a one-pair mapping in a flow list."""
        self.states.append(self.pair_value)
        if self.peek() in (ValueToken, FlowEntryToken, FlowSequenceEndToken):
            # The reference steps over that token as well, and so refuses what follows.
            self.empty(self.tokens[self.number].end_mark.index)
            self.number += 1
        else:
            self.any_node(False, False)

    def pair_value(self) -> None:
        """Its value."""
        self.states.append(self.pair_end)
        if self.peek() is ValueToken:
            self.number += 1
            if self.peek() not in (FlowEntryToken, FlowSequenceEndToken):
                self.any_node(False, False)
                return
        self.empty(self.tokens[self.number].start_mark.index)

    def pair_end(self) -> None:
        """Its end."""
        self.peek()
        self.handler.close(-1, None)

    def flow_key(self, first: bool) -> None:
        """A key of a flow mapping, or its end."""
        if self.peek() is not FlowMappingEndToken:
            self.comma(first, "}")
            kind = self.peek()
            if kind is KeyToken:
                self.number += 1
                self.states.append(self.flow_value)
                if self.peek() in (ValueToken, FlowEntryToken, FlowMappingEndToken):
                    self.empty(self.tokens[self.number].start_mark.index)
                else:
                    self.any_node(False, False)
                return
            if kind is not FlowMappingEndToken:
                self.states.append(self.flow_empty_value)
                self.any_node(False, False)
                return
        self.flow_end()

    def flow_value(self) -> None:
        """The value of a flow mapping's key."""
        self.states.append(partial(self.flow_key, False))
        if self.peek() is ValueToken:
            self.number += 1
            if self.peek() not in (FlowEntryToken, FlowMappingEndToken):
                self.any_node(False, False)
                return
        self.empty(self.tokens[self.number].start_mark.index)

    def flow_empty_value(self) -> None:
        """The missing value of a key without a colon."""
        self.states.append(partial(self.flow_key, False))
        self.peek()
        self.empty(self.tokens[self.number].start_mark.index)
