"""The dialect of `${variable}` that Flux substitutes after a build.

A text is parsed as a whole: an expression ends where its own rule says, even if that is lines below. `$$` is a dollar sign. Lengths and positions
count bytes of UTF-8. What bash would do with `${x:?text}` and `${x:+text}` this dialect does not: both are defaults, as `:=` and `:-` are.

Source: github.com/fluxcd/pkg/envsubst 1.5 (parse/scan.go, parse/parse.go, template.go, funcs.go, path/match.go).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

MAX_DEPTH = 100
"""Expressions inside expressions; the original has no limit but its stack."""


class SubstitutionError(Exception):
    """An expression is malformed, or a variable is not set. The text names at most the variable."""


class Expression(NamedTuple):
    """One `${...}`.

    Attributes:
        variable: Its name.
        function: What is done with its value, such as `:=`; empty for nothing.
        arguments: Each a text or an expression.
    """

    variable: str
    function: str = ""
    arguments: tuple[str | Expression, ...] = ()


def substitute(text: str, variables: Mapping[str, str], *, strict: bool) -> str:
    """The text with every expression replaced by its value.

    Args:
        text: Any text.
        variables: Values by name.
        strict: Whether a variable that is not set, in an expression without a function, is an error; else it is empty.

    Raises:
        SubstitutionError: A malformed expression, or a variable that is not set.
    """
    return "".join(part if isinstance(part, str) else _value(part, variables, strict) for part in _Parser(text).parse())


# ---- parsing -------------------------------------------------------------------------------------------------------------------------------------

_NAME = re.compile(r"\w+")
_REMOVE = {"#": re.compile("##?"), "%": re.compile("%%?")}
_CASE = re.compile("[,^]{1,2}")
_REPLACE = re.compile("/[/#%]?")
_DEFAULT = re.compile(":[=?+-]|=")
_PLAIN = re.compile(r"(?:[^$]|\$(?![{$]))+")
_UNTIL_BRACE = re.compile(r"(?:[^}$]|\$(?!\{))+")
_UNTIL_COLON = re.compile(r"(?:[^:}$]|\$(?!\{))+")
# With escapes: `$$`, `\/` and `\\` stand for their second character.
_ESCAPED_UNTIL_SLASH = re.compile(r"(?:\$\$|\\[/\\]|[^/$\\]|\\|\$(?!\{))+")
_ESCAPED_UNTIL_BRACE = re.compile(r"(?:\$\$|\\[/\\]|[^}$\\]|\\|\$(?!\{))+")
_ESCAPE = re.compile(r"\$(\$)|\\([/\\])")


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.place = 0
        self.depth = 0

    def parse(self) -> list[str | Expression]:
        parts: list[str | Expression] = []
        while self.place < len(self.text):
            if self.text.startswith("${", self.place):
                self.place += 2
                parts.append(self.expression())
            elif self.text.startswith("$$", self.place):
                self.place += 2
                parts.append("$")
            else:
                parts.append(self.take(_PLAIN))
        return parts

    def peek(self) -> str:
        return self.text[self.place : self.place + 1]

    def take(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.place)
        if found is None:
            raise SubstitutionError("an expression is malformed")
        self.place = found.end()
        return found[0]

    def name(self) -> str:
        """Letters, digits of any script and underscores; what else Python takes for a part of a word ends it."""
        start = self.place
        word = self.take(_NAME)
        length = next((index for index, char in enumerate(word) if not (char.isalpha() or char.isdecimal() or char == "_")), len(word))
        self.place = start + length
        if not length:
            raise SubstitutionError("an expression is malformed")
        return word[:length]

    def close(self) -> None:
        if self.peek() != "}":
            raise SubstitutionError("an expression is not closed")
        self.place += 1

    def expression(self) -> Expression:
        """What follows `${`, with the brace that closes it."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise SubstitutionError("expressions are nested too deeply")
        found = self.length() if self.peek() == "#" else self.function(self.name())
        self.close()
        self.depth -= 1
        return found

    def length(self) -> Expression:
        self.place += 1
        return Expression(self.name(), "#")

    def function(self, name: str) -> Expression:
        sign = self.peek()
        if sign == "=" or (sign == ":" and self.text[self.place + 1 : self.place + 2] in ("=", "-", "?", "+")):
            return self.default(name)
        if sign == ":":
            return self.part(name)
        if sign in (",", "^"):
            return Expression(name, self.take(_CASE))
        if sign == "/":
            return self.replacement(name)
        if sign in _REMOVE:
            return Expression(name, self.take(_REMOVE[sign]), (self.argument(_UNTIL_BRACE),))
        return Expression(name)

    def default(self, name: str) -> Expression:
        function = self.take(_DEFAULT)
        arguments = []
        while self.peek() != "}":
            arguments.append(self.argument(_UNTIL_BRACE))
        return Expression(name, function, tuple(arguments))

    def part(self, name: str) -> Expression:
        self.place += 1
        if not self.peek().isascii():
            # The original steps back by the width of this character instead of that of the colon, and fails.
            raise SubstitutionError("an expression is malformed")
        position = self.argument(_UNTIL_COLON)
        if self.peek() == "}":
            return Expression(name, ":", (position,))
        self.skip(":")
        return Expression(name, ":", (position, self.argument(_UNTIL_BRACE)))

    def replacement(self, name: str) -> Expression:
        function = self.take(_REPLACE)
        pattern = self.argument(_ESCAPED_UNTIL_SLASH)
        self.skip("/")
        if self.peek() == "}":
            return Expression(name, function, (pattern,))
        return Expression(name, function, (pattern, self.argument(_ESCAPED_UNTIL_BRACE)))

    def skip(self, sign: str) -> None:
        """Pass over one delimiter or several in a row."""
        if self.peek() != sign:
            raise SubstitutionError("an expression is malformed")
        while self.peek() == sign:
            self.place += 1

    def argument(self, pattern: re.Pattern[str]) -> str | Expression:
        if self.text.startswith("${", self.place):
            self.place += 2
            return self.expression()
        text = self.take(pattern)
        if pattern in (_ESCAPED_UNTIL_SLASH, _ESCAPED_UNTIL_BRACE):
            return _ESCAPE.sub(lambda found: found[1] or found[2], text)
        return text


# ---- values --------------------------------------------------------------------------------------------------------------------------------------


def _value(found: Expression, variables: Mapping[str, str], strict: bool) -> str:
    if not found.function and strict and found.variable not in variables:
        raise SubstitutionError(f"the variable {found.variable} is not set and has no default")
    arguments = [argument if isinstance(argument, str) else _value(argument, variables, strict) for argument in found.arguments]
    value = variables.get(found.variable, "")
    if found.function == "#" and not arguments:
        return str(len(_bytes(value)))
    return _FUNCTIONS.get(found.function, _or_default)(value, arguments)


def _or_default(value: str, arguments: list[str]) -> str:
    return value or "".join(arguments)


def _each(change: Callable[[str], str], text: str) -> str:
    """Change the case of every character; one that has no single counterpart stays, but for the dotted capital I."""
    changed = [(char, change(char)) for char in text]
    return "".join(new if len(new) == 1 else new[0] if char == "\u0130" else char for char, new in changed)


def _lower(value: str, _: list[str]) -> str:
    return _each(str.lower, value)


def _upper(value: str, _: list[str]) -> str:
    return _each(str.upper, value)


def _lower_first(value: str, _: list[str]) -> str:
    return _each(str.lower, value[:1]) + value[1:]


def _upper_first(value: str, _: list[str]) -> str:
    return _each(str.upper, value[:1]) + value[1:]


def _part(value: str, arguments: list[str]) -> str:
    whole = _bytes(value)
    position = _number(arguments[0])
    if position is None:
        return value
    if position < 0:
        position = max(0, len(whole) + position)
    length = len(whole) if len(arguments) == 1 else _number(arguments[1])
    if length is None:
        return value
    if position + length >= len(whole):
        return _text(whole[position:])
    if length < 0:
        raise SubstitutionError("a length is negative")
    return _text(whole[position : position + length])


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[+-]?[0-9]{1,18}", text) else None


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _replace_all(value: str, arguments: list[str]) -> str:
    return value.replace(arguments[0], "".join(arguments[1:]))


def _replace_first(value: str, arguments: list[str]) -> str:
    return value.replace(arguments[0], "".join(arguments[1:]), 1)


def _replace_prefix(value: str, arguments: list[str]) -> str:
    if len(arguments) == 2 and value.startswith(arguments[0]):
        return arguments[1] + value[len(arguments[0]) :]
    return value


def _replace_suffix(value: str, arguments: list[str]) -> str:
    if len(arguments) == 2 and value.endswith(arguments[0]):
        return value[: len(value) - len(arguments[0])] + arguments[1]
    return value


def _trim(value: str, pattern: str, *, longest: bool) -> str:
    """Without the beginning that a shell pattern matches; the empty one does not count. A malformed pattern matches nothing."""
    compiled = _compiled(pattern)
    if compiled is None:
        return value
    lengths = range(len(value), 0, -1) if longest else range(1, len(value) + 1)
    matched = next((length for length in lengths if compiled.fullmatch(value, 0, length)), 0)
    return value[matched:]


def _short_prefix(value: str, arguments: list[str]) -> str:
    return _trim(value, arguments[0], longest=False)


def _long_prefix(value: str, arguments: list[str]) -> str:
    return _trim(value, arguments[0], longest=True)


def _short_suffix(value: str, arguments: list[str]) -> str:
    # The original reverses value and pattern, escapes and classes of the pattern too.
    return _trim(value[::-1], arguments[0][::-1], longest=False)[::-1]


def _long_suffix(value: str, arguments: list[str]) -> str:
    return _trim(value[::-1], arguments[0][::-1], longest=True)[::-1]


_TERM = re.compile(
    r"(?P<star>\*+)|(?P<any>\?)|\[(?P<not>\^?)(?P<ranges>(?:(?:\\.|[^\\\]-])(?:-(?:\\.|[^\\\]-]))?)+)\]|\\(?P<escaped>.)|(?P<plain>[^\[\\])",
    re.DOTALL,
)
_RANGE = re.compile(r"(\\.|[^\\])(?:-(\\.|[^\\]))?", re.DOTALL)


def _compiled(pattern: str) -> re.Pattern[str] | None:
    """A shell pattern as an expression; None when it is malformed."""
    parts = []
    place = 0
    while place < len(pattern):
        found = _TERM.match(pattern, place)
        if found is None:
            return None
        place = found.end()
        if found["star"]:
            parts.append(".*")
        elif found["any"]:
            parts.append(".")
        elif found["ranges"]:
            parts.append(_class(found["not"], found["ranges"]))
        else:
            parts.append(re.escape(found["escaped"] or found["plain"]))
    return re.compile("".join(parts), re.DOTALL)


def _class(negated: str, ranges: str) -> str:
    parts = []
    for low, high in _RANGE.findall(ranges):
        first, last = low[-1], high[-1:] or low[-1]
        if first <= last:
            parts.append(f"{re.escape(first)}-{re.escape(last)}")
    if not parts:
        return "." if negated else "(?!)"
    return f"[{negated}{''.join(parts)}]"


_FUNCTIONS: Mapping[str, Callable[[str, list[str]], str]] = {
    ",": _lower_first,
    ",,": _lower,
    "^": _upper_first,
    "^^": _upper,
    "#": _short_prefix,
    "##": _long_prefix,
    "%": _short_suffix,
    "%%": _long_suffix,
    ":": _part,
    "/#": _replace_prefix,
    "/%": _replace_suffix,
    "/": _replace_first,
    "//": _replace_all,
}
