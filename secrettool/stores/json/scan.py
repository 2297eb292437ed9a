"""Scanning JSON: one pass, no recursion, with the place of every node.

What is accepted is what Go's decoder accepts: duplicate keys stay, half a surrogate pair and bytes that are not UTF-8 become U+FFFD, and nothing that
the standard does not know (comments, trailing commas, a byte order mark) is taken.

Source: Go encoding/json (Decoder.Token, scanner.go, unquoteBytes); sops 3.13 stores/json/store.go (treeBranchFromJSON, normalizeJSONNumber).
"""

from __future__ import annotations

import re
from json.decoder import JSONDecodeError, scanstring  # type: ignore[attr-defined]
from math import isinf
from typing import NamedTuple

from secrettool.errors import FormatError
from secrettool.sops.tree import NOWHERE, Branch, Item, Leaf, Node, Sequence
from secrettool.sops.values import INT_MAX, INT_MIN
from secrettool.stores.splice import broken

SPACE = " \t\r\n"
"""What may stand between tokens."""

_space = re.compile(r"[ \t\r\n]*").match
_number = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?").match
_SURROGATE = re.compile("[\ud800-\udfff]")
_WORDS = (("true", True), ("false", False), ("null", None))
_INT_DIGITS = 20  # characters of the longest 64-bit integer, sign included


class Member(Item):
    """A member of an object; `start` is the offset of its key's quote."""

    __slots__ = ("start",)

    def __init__(self, key: str, value: Node, start: int) -> None:
        self.key = key
        self.value = value
        self.start = start


class Object(Branch):
    """An object, from its opening to behind its closing brace."""

    __slots__ = ("end", "start")
    closing = "}"

    def __init__(self, start: int) -> None:
        self.items = []
        self.start = start
        self.end = NOWHERE


class Array(Sequence):
    """An array, from its opening to behind its closing bracket."""

    __slots__ = ("end", "start")
    closing = "]"

    def __init__(self, start: int) -> None:
        self.items = []
        self.start = start
        self.end = NOWHERE


class Scanned(NamedTuple):
    """What a text holds: the top-level object, and every leaf that is not null, in the order of the text."""

    root: Object
    leaves: list[Leaf]


def span(node: object) -> tuple[int, int]:
    """Start and end of a scanned value."""
    assert isinstance(node, Leaf | Object | Array)
    return node.start, node.end


def scan(text: str) -> Scanned:
    """Scan one top-level object; whatever follows it is not looked at.

    Raises:
        FormatError: The text is broken, ends early, or has something else than an object at the top.
    """
    leaves: list[Leaf] = []
    start = _space(text, 0).end()  # type: ignore[union-attr]
    if text[start : start + 1] != "{":
        raise _no_object(text, start)
    try:
        return Scanned(_scan_object(text, start, leaves), leaves)
    except JSONDecodeError as error:
        raise broken(f"broken string: {error.msg}", text, min(error.pos, len(text))) from None
    except IndexError:
        raise broken("unexpected end of JSON input", text, len(text)) from None


def _no_object(text: str, start: int) -> FormatError:
    if start == len(text):
        return broken("there is no JSON in it", text, start)
    hint = "a byte order mark is not allowed in JSON" if text[start] == "\ufeff" else 'wrap it in an object, for instance {"data": [...]}'
    return broken("SOPS only supports JSON files with a top-level object", text, start, hint)


def _may_hold_surrogates(text: str) -> bool:
    return "\\ud" in text or "\\uD" in text or (not text.isascii() and _SURROGATE.search(text) is not None)


def _skip(text: str, pos: int) -> int:
    """Where the next token starts.

    Raises:
        IndexError: There is none.
    """
    if text[pos] in SPACE:
        pos = _space(text, pos).end()  # type: ignore[union-attr]
        text[pos]
    return pos


def _scan_object(text: str, pos: int, leaves: list[Leaf]) -> Object:
    clean = not _may_hold_surrogates(text)
    root = Object(pos)
    node: Object | Array = root
    stack: list[Object | Array] = []
    opened = True
    while True:
        # Here pos is at the bracket that opened `node`, or at a comma in it.
        pos = _skip(text, pos + 1)
        if not (opened and text[pos] == node.closing):
            if node.__class__ is Object:
                start = pos
                key, pos = _key(text, pos, clean)
                value = _value(text, pos, clean)
                node.items.append(Member(key, value, start))
            else:
                value = _value(text, pos, clean)
                node.items.append(value)  # type: ignore[arg-type]
            if not isinstance(value, Leaf):
                stack.append(node)
                node = value
                opened = True
                continue
            if value.value is not None:
                leaves.append(value)
            pos = _skip(text, value.end)
        opened = False
        while text[pos] != ",":
            if text[pos] != node.closing:
                raise broken(f"expected a comma or {node.closing}", text, pos)
            pos += 1
            node.end = pos
            if not stack:
                return root
            node = stack.pop()
            pos = _skip(text, pos)


def _key(text: str, pos: int, clean: bool) -> tuple[str, int]:
    """A key, and where its value starts."""
    if text[pos] != '"':
        raise broken("expected a key in double quotes", text, pos)
    key, pos = scanstring(text, pos + 1, True)
    pos = _skip(text, pos)
    if text[pos] != ":":
        raise broken("expected a colon behind the key", text, pos)
    return key if clean else _SURROGATE.sub("\ufffd", key), _skip(text, pos + 1)


def _value(text: str, pos: int, clean: bool) -> Leaf | Object | Array:
    """A scalar, or a collection of which only the start is read."""
    char = text[pos]
    if char == '"':
        string, end = scanstring(text, pos + 1, True)
        return Leaf(string if clean else _SURROGATE.sub("\ufffd", string), pos, end)
    if char == "{":
        return Object(pos)
    return Array(pos) if char == "[" else _literal(text, pos)


def _literal(text: str, pos: int) -> Leaf:
    match = _number(text, pos)
    if match is not None:
        digits = match.group()
        number = int(digits) if match.lastindex is None and len(digits) <= _INT_DIGITS else INT_MAX + 1
        value = number if INT_MIN <= number <= INT_MAX else float(digits)
        if value.__class__ is float and isinf(value):
            raise broken("number: value out of range", text, pos)
        return Leaf(value, pos, match.end())
    for word, constant in _WORDS:
        if text.startswith(word, pos):
            return Leaf(constant, pos, pos + len(word))
    raise broken("expected a value", text, pos)
