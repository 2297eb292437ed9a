"""Text and places in it: decoding without loss, replacing spans, and naming a place for people."""

from __future__ import annotations

from collections.abc import Iterable
from operator import itemgetter
from typing import TypeAlias

from secrettool.errors import EmitError, FormatError

Edit: TypeAlias = tuple[int, int, str]
"""Start and end of a span (half open), and what takes its place."""


_SPAN = itemgetter(0, 1)


def decode(data: bytes) -> str:
    """Bytes as text; what is not UTF-8 survives as surrogates."""
    return data.decode("utf-8", "surrogateescape")


def encode(text: str) -> bytes:
    """Text as bytes; the inverse of `decode`."""
    return text.encode("utf-8", "surrogateescape")


def splice(text: str, edits: Iterable[Edit]) -> str:
    """The text with every span replaced; an insertion at the start of a replaced span goes in front of it.

    Raises:
        EmitError: Two spans overlap.
    """
    parts: list[str] = []
    position = 0
    for start, end, new in sorted(edits, key=_SPAN):
        if start < position:
            raise EmitError("two changes of the text overlap", where=place(text, start))
        parts += (text[position:start], new)
        position = end
    parts.append(text[position:])
    return "".join(parts)


def place(text: str, offset: int) -> str:
    """A place in the text as people count: line and column from 1, columns in characters."""
    line = text.count("\n", 0, offset) + 1
    return f"line {line}, column {offset - text.rfind(chr(10), 0, offset)}"


def broken(message: str, text: str, offset: int, hint: str | None = None) -> FormatError:
    """The error for text that cannot be parsed; it tells the place and never the content."""
    return FormatError(message, hint=hint, where=place(text, offset))
