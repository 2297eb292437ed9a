"""What hears of the nodes of a text, and the short way to drive it: libyaml's events, enough for a text without comments.

Source: go-yaml v3.0.4 parserc.go, for the tags that it refuses and libyaml takes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from secrettool.stores.yaml.nodes import Properties
from secrettool.stores.yaml.scan import MAX_DEPTH, column_of, events, refuse

if TYPE_CHECKING:
    from secrettool.stores.yaml.runs import Run

# Expressions that are plain text here are compiled when they are used first; most files need none of them.
_PROPERTY = "(?:&[0-9A-Za-z_-]+|![^ \t\n\r\x85\u2028\u2029]*)[ \t\n\r\x85\u2028\u2029]*"
DEFAULT_HANDLES = {"!": "!", "!!": "tag:yaml.org,2002:"}
"""Tag handles that need no directive."""


Line: TypeAlias = tuple[int, int] | None
"""Offsets of one comment line from its `#` to its end; None for an empty line between comments."""


class Notes(NamedTuple):
    """Comment lines that an event carries."""

    head: list[Line]
    line: list[Line]
    foot: list[Line]


NO_NOTES = Notes([], [], [])


class MisreadRunError(Exception):
    """A run does not stand where its lines are pairs of a block mapping."""


class Handler(Protocol):
    """What hears of the nodes of a text, in its order. Offsets exclude tag and anchor."""

    def document_start(self, start: int, notes: Notes | None) -> None:
        """A document begins; `start` is behind its `---`, if it has one."""

    def document_end(self, end: int, notes: Notes | None) -> None:
        """It ends in front of `end`."""

    def scalar(self, text: str, start: int, end: int, style: str, properties: Properties | None, notes: Notes | None) -> None:
        """A scalar, also an empty one."""

    def awaits_key(self) -> bool:
        """Whether the next scalar is a key for which `pair` may be called."""

    def pair(self, key: Any, value: Any, shift: int) -> None:
        """The events of a key and its scalar in a block mapping, both without tag, anchor and comments: what most of a file is.

        `shift` is to be added to their offsets.
        """

    def pairs(self, run: Run) -> None:
        """Further pairs of the innermost block mapping."""

    def alias(self, name: str, start: int, end: int, notes: Notes | None) -> None:
        """An alias."""

    def open(self, is_list: bool, start: int, flow: bool, column: int, properties: Properties | None, notes: Notes | None) -> None:
        """A collection begins; `column` is that of its first key or dash, or of its bracket."""

    def close(self, end: int, notes: Notes | None) -> None:
        """The innermost collection ends; in flow style `end` is behind its bracket, otherwise it means nothing (-1)."""


def parse_events(text: str, handler: Handler, runs: list[Run]) -> None:  # noqa: C901 -- one loop over all events, of which large files have many
    """Drive a handler over a text without comments.

    Args:
        text: The whole text.
        handler: What hears of its nodes.
        runs: Lines that libyaml need not see.

    Raises:
        FormatError: The text is not YAML. With runs, the place may be wrong.
        MisreadRunError: Lines of a run are something else than pairs of a block mapping.
    """
    scalar, open_, close, awaits_key, pair = handler.scalar, handler.open, handler.close, handler.awaits_key, handler.pair
    flow: list[bool] = []
    previous_end = 0
    shift = 0  # length of the runs so far
    ahead = iter(runs)
    run = next(ahead, None)
    seen = text
    if runs:
        from secrettool.stores.yaml.runs import without_runs

        seen = without_runs(text, runs)
    stream = events(seen)
    for event in stream:
        kind = event.__class__
        while kind is ScalarEvent and event.anchor is None and event.tag is None and awaits_key():
            following = next(stream)
            next_kind = following.__class__
            if next_kind is ScalarEvent and following.anchor is None and following.tag is None:
                pair(event, following, shift)
                if run is not None and event.start_mark.index + shift == run.key and following.end_mark.index + shift + 1 == run.start:
                    handler.pairs(run)
                    shift += run.end - run.start
                    run = next(ahead, None)
                event = next(stream)
            else:
                scalar(event.value, event.start_mark.index + shift, event.end_mark.index + shift, event.style, None, None)
                event = following
            kind = event.__class__
        start, end = event.start_mark.index + shift, event.end_mark.index + shift
        if kind is ScalarEvent:
            if event.anchor is None and event.tag is None:
                scalar(event.value, start, end, event.style, None, None)
            else:
                token, properties = _split(text, start, event)
                scalar(event.value, min(token, end), end, event.style, properties, None)
        elif kind is MappingStartEvent or kind is SequenceStartEvent:
            column, properties = event.start_mark.column, None
            if event.anchor is not None or event.tag is not None:
                start, properties = _split(text, start, event)
                column = column_of(text, start)
            if len(flow) == MAX_DEPTH:
                refuse(text, start, f"nested deeper than {MAX_DEPTH} levels")
            open_(kind is SequenceStartEvent, start, bool(event.flow_style), column, properties, None)
            flow.append(bool(event.flow_style))
        elif kind is MappingEndEvent or kind is SequenceEndEvent:
            # The one pair of `[a: b]` has no braces: it ends where the next token starts.
            close(end if flow.pop() and start != end else -1, None)
        elif kind is AliasEvent:
            handler.alias(event.anchor, start, end, None)
        elif kind is DocumentStartEvent:
            if event.version not in (None, (1, 1)):
                refuse(text, start, "found incompatible YAML document")
            handler.document_start(end if event.explicit else previous_end, None)
        elif kind is DocumentEndEvent:
            handler.document_end(start, None)
            previous_end = end
    if run is not None:
        raise MisreadRunError


def _split(text: str, start: int, event: Any) -> tuple[int, Properties]:
    """Where the node itself starts behind its properties, which start at an offset, and these."""
    end = start
    for _ in range((event.anchor is not None) + (event.tag is not None)):
        found = re.compile(_PROPERTY).match(text, end)
        if found is None:
            break
        if found[0][0] == "!":
            _check_tag(text, end, found[0].split(None, 1)[0])
        end = found.end()
    return end, Properties(start, event.tag, event.anchor)


_HANDLE = r"!(?!<)[0-9A-Za-z_-]*!"


def _check_tag(text: str, start: int, written: str) -> None:
    """Refuse the tags that libyaml reads and go-yaml does not, or not alike."""
    if "," in written and written[1:2] != "<":
        refuse(text, start, "a tag right in front of a comma", hint="put a blank between them")
    handle = re.compile(_HANDLE).match(written)
    if handle is not None and handle[0] not in DEFAULT_HANDLES and not re.search(rf"(?m)^%TAG[ \t]+{re.escape(handle[0])}[ \t]", text):
        refuse(text, start, "a tag with a handle that no %TAG directive declares")
