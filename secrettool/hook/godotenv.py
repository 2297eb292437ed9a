"""Dotenv files as KSOPS reads them once they are open: quotes, escapes, `export`, comments and references to earlier keys.

This is the syntax of programs that load such a file into their environment; what sops itself takes for a dotenv file is `stores.dotenv`.

Source: github.com/joho/godotenv 1.5.1 parser.go, which is what KSOPS calls. A name without a value is an error here; there it becomes the value of an
empty key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple
from unicodedata import category

from secrettool.errors import FormatError

_BLANKS = "\t\v\f\r \x85\xa0"
_SPACES = _BLANKS + "\n\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
_EXPORT = "export"
_QUOTES = ("'", '"')


class Pair(NamedTuple):
    """A key and its value.

    Attributes:
        key: The key.
        value: The value, unquoted and expanded.
        line: Where the key stands, from 1.
    """

    key: str
    value: str
    line: int

    def __repr__(self) -> str:
        return f"<Pair of line {self.line}>"


def pairs(text: str) -> Iterator[Pair]:
    """The pairs of a file in order; a key may come twice, and its last value counts.

    Raises:
        FormatError: A line that is no pair, or a quote that is not closed; `where` is the line, nothing is quoted.
    """
    reader = _Reader(text.replace("\r\n", "\n"))
    values: dict[str, str] = {}
    line, counted = 1, 0
    while reader.find_statement():
        line, counted = line + reader.text.count("\n", counted, reader.place), reader.place
        try:
            key = reader.key()
            values[key] = reader.value(values)
        except _Broken as broken:
            raise FormatError(str(broken), where=f"line {line}") from None
        yield Pair(key, values[key], line)


class _Broken(Exception):
    """A statement that cannot be read; its text says what is wrong with it."""


class _Reader:
    """A place in a text that moves on with what is read."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.place = 0

    def find_statement(self) -> bool:
        """Go to the next statement, past blank lines and comments; False at the end."""
        while True:
            self._skip(_SPACES)
            if self.place == len(self.text):
                return False
            if self.text[self.place] != "#":
                return True
            end = self.text.find("\n", self.place)
            self.place = len(self.text) if end < 0 else end

    def key(self) -> str:
        """Read a key, and go to where its value begins."""
        if self.text.startswith(_EXPORT, self.place) and _is_blank(self._at(self.place + len(_EXPORT))):
            self.place += len(_EXPORT)
            self._skip(_BLANKS)
        for end in range(self.place, len(self.text)):
            char = self.text[end]
            if char in "=:":
                key = self.text[self.place : end].rstrip(_SPACES)
                self.place = end + 1
                self._skip(_BLANKS)
                return key
            if not _may_name(char):
                raise _Broken("a character that no key can have")
        raise _Broken("a key without a value")

    def value(self, earlier: Mapping[str, str]) -> str:
        """Read a value.

        Args:
            earlier: The values so far, which it may refer to.
        """
        quote = self._at(self.place)
        return self._quoted(quote, earlier) if quote in _QUOTES else self._plain(earlier)

    def _plain(self, earlier: Mapping[str, str]) -> str:
        end = self.text.find("\n", self.place)
        line = self.text[self.place : None if end < 0 else end].partition("\r")[0]
        self.place += len(line)
        comment = line.rfind("#")
        while comment > 0 and not _is_blank(line[comment - 1]):
            comment = line.rfind("#", 0, comment)
        return _expanded((line[:comment] if comment > 0 else line).strip(_BLANKS), earlier)

    def _quoted(self, quote: str, earlier: Mapping[str, str]) -> str:
        end = self.text.find(quote, self.place + 1)
        while end > 0 and self.text[end - 1] == "\\":
            end = self.text.find(quote, end + 1)
        if end < 0:
            raise _Broken("a quote that is not closed")
        value = self.text[self.place : end].strip(quote)
        self.place = end + 1
        return _expanded(_unescaped(value), earlier) if quote == '"' else value

    def _skip(self, chars: str) -> None:
        while self.place < len(self.text) and self.text[self.place] in chars:
            self.place += 1

    def _at(self, place: int) -> str:
        return self.text[place : place + 1]


def _may_name(char: str) -> bool:
    """Whether a key may hold a character; blanks inside one are let through. Go looks at each byte as if it were a character of Latin-1."""
    if char in "_." or _is_blank(char):
        return True
    return all(byte in b"\x85\xa0" or category(chr(byte))[0] in "LN" for byte in char.encode("utf-8", "surrogatepass"))


def _is_blank(char: str) -> bool:
    return char != "" and char in _BLANKS


def _unescaped(value: str) -> str:
    """A value in double quotes with its escapes; a dollar sign keeps its backslash for `_expanded`."""
    known = {"\\n": "\n", "\\r": "\r"}
    return re.sub(r"\\([^$])", r"\1", re.sub(r"\\.", lambda match: known.get(match[0], match[0]), value))


@lru_cache(maxsize=1)
def _reference() -> re.Pattern[str]:
    return re.compile(r"(\\)?\$(\()?\{?([A-Z0-9_]+)?\}?")


def _expanded(value: str, earlier: Mapping[str, str]) -> str:
    """A value with `$NAME` and `${NAME}` replaced by earlier keys of the file; what is not there is empty."""

    def replaced(match: re.Match[str]) -> str:
        if match[1]:
            return match[0][1:]
        return earlier.get(match[3], "") if match[3] else match[0]

    return _reference().sub(replaced, value) if "$" in value else value
