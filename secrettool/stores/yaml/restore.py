"""What opening prints for a value: decided by the style in which its envelope stands.

Sealing asks the same functions, so that it knows what has to be kept as notation.
"""

from __future__ import annotations

import re

from secrettool.sops.values import Value, float_text
from secrettool.stores.yaml.nodes import YamlLeaf
from secrettool.stores.yaml.resolve import resolve
from secrettool.stores.yaml.styles import flow_scalar, is_simple

DROPPED_TAGS = frozenset("tag:yaml.org,2002:" + name for name in ("int", "float", "bool", "timestamp", "binary"))
"""Tags that leave the text together with the value: an envelope under one of them would not be read as a string."""

_BOOLS = {"True": "true", "False": "false", "true": "True", "false": "False", "TRUE": "TRUE", "FALSE": "FALSE"}

_BREAK = "\n\r\x85\u2028\u2029"
_UNPRINTABLE = "\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff"
_ESCAPED = f'["\\\\\t\n{_UNPRINTABLE}]'
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_SURROGATE = "[\ud800-\udfff]"
_NOT_SINGLE = f"[\t{_BREAK}{_UNPRINTABLE}]"
_NOT_BLOCK = f"[\r\x85{_UNPRINTABLE}]"
# Most strings: no indicator of flow context, no colon in front of a blank, no comment, no blank at either end.
_FLOW_PLAIN = (
    f"(?:[^-\\s?:,\\[\\]{{}}#&*!|>'\"%@`{_UNPRINTABLE}]|-(?=[^\\s,\\[\\]{{}}]))"
    f"(?:[^\\s?:,\\[\\]{{}}#{_UNPRINTABLE}]|(?<=\\S)#|:(?=[^\\s,\\[\\]{{}}])| (?=[^\\s#]))*\\Z"
)


def double_quoted(text: str) -> str:
    """Text in double quotes on one line; only what has to be is escaped."""
    return f'"{re.sub(_ESCAPED, _escape, text)}"'


def _escape(match: re.Match[str]) -> str:
    char = match[0]
    code = ord(char)
    return _ESCAPES.get(char) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}")


def flow_plain(text: str) -> bool:
    """Whether a plain scalar in flow context reads back as this string, for go-yaml and libyaml."""
    return re.match(_FLOW_PLAIN, text) is not None and not text.startswith(("---", "...")) and resolve(text, None, True) == text


def typed_text(value: Value, plain: str | None) -> str:
    """A value that is not a string.

    Args:
        value: The value.
        plain: The plaintext of its envelope, which may carry the notation of a float or a bool.
    """
    if value.__class__ is float and plain is not None and plain != float_text(value):
        read = resolve(plain, None, True)
        if read.__class__ is float and read == value:
            return plain
    elif value.__class__ is bool and plain in _BOOLS:
        return _BOOLS[plain]
    elif plain == "-0":
        return plain  # what sops prints for its own plaintext, although it reads as an int
    return flow_scalar(value)


def scalar_text(leaf: YamlLeaf, value: Value, plain: str | None, newline: str, *, one_line: bool = False) -> str:
    """What takes the place of an envelope that is not a block scalar.

    Args:
        leaf: The scalar that holds the envelope: its style, context and column count.
        value: The value.
        plain: The plaintext of the envelope.
        newline: Line ending of the text.
        one_line: The value may not become a block, since something follows on the line.
    """
    if not isinstance(value, str):
        return typed_text(value, plain)
    style = leaf.style
    if style == "":
        if is_simple(value) and not leaf.flow:
            return value
        if leaf.flow:
            return flow_scalar(value)
        from secrettool.stores.yaml import emit  # only values that need a closer look wait for the printer

        text = emit.scalar(value, column=leaf.column, item=leaf.item)
        if "\n" not in text:
            return text
        return flow_scalar(value) if one_line else text.replace("\n", newline) if newline != "\n" else text
    if re.compile(_SURROGATE).search(value):
        return flow_scalar(value)
    if style == "'":
        if leaf.flow and flow_plain(value):
            return value
        if not re.search(_NOT_SINGLE, value):
            return "'" + value.replace("'", "''") + "'"
    return double_quoted(value)


def block_text(style: str, indent: int, value: Value, newline: str, *, digit: bool) -> str | None:
    """The content lines of a block scalar, without the last break.

    Args:
        style: `|` or `>`.
        indent: Blanks in front of each line.
        value: The value; its breaks at the end are left out.
        newline: Line ending to write.
        digit: Whether the header states the indentation.

    Returns:
        The lines; None when a block of this style cannot hold the value.
    """
    if not isinstance(value, str):
        return None
    body = value.rstrip("\n")
    if not body or re.search(_NOT_BLOCK, body):
        return None
    if style == ">" and ("\n" in body or body[0] in " \t"):
        return None
    first = body.lstrip("\n")[0]
    if not digit and first in " \t":
        return None
    blanks = " " * indent
    return newline.join([blanks + line if line else "" for line in body.split("\n")])
