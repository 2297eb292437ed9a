"""Pieces of YAML that is written for people."""

from __future__ import annotations

import json
import re
from typing import Final

_PLAIN: Final = re.compile(r"[A-Za-z/][A-Za-z0-9_./-]*")
_WORDS: Final = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})
_UNPRINTABLE: Final = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def quoted(text: str) -> str:
    """A text as a scalar for block and flow style, in quotes where it needs them."""
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    # A string of JSON is one of YAML, but for characters that YAML does not print.
    clean = text.encode("utf-8", "replace").decode("utf-8")
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(clean, ensure_ascii=False))


def block(start: str, text: str) -> str:
    """An entry of a mapping with a text of several lines, as a block if that keeps every character.

    Args:
        start: Indentation, key, colon and blank.
        text: The text.
    """
    lines = text.removesuffix("\n").split("\n")
    is_printable = all(line.isprintable() and line == line.rstrip() for line in lines)
    if len(lines) == 1 or not is_printable or not lines[0].strip() or lines[0].startswith(" ") or not lines[-1].strip():
        return f"{start}{quoted(text)}\n"
    indent = " " * (len(start) - len(start.lstrip()) + 2)
    style = "|" if text.endswith("\n") else "|-"
    return "".join([f"{start}{style}\n", *(f"{indent}{line}\n" if line else "\n" for line in lines)])


def comment(text: str) -> str:
    """A comment of one line."""
    return "# " + "".join(character if character.isprintable() else "?" for character in text)
