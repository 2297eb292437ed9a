"""From bytes to text, and from text to the tokens and events of libyaml.

libyaml's marks count code points, so they index a Python string. Where libyaml and go-yaml do not agree about what is YAML, this module and
`compose.py` refuse what sops would refuse.

Source: PyYAML's binding of libyaml 0.2.5 (`yaml._yaml.CParser`); go-yaml v3.0.4 scannerc.go, readerc.go.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NoReturn

from yaml._yaml import CParser
from yaml.error import MarkedYAMLError, YAMLError
from yaml.tokens import FlowMappingEndToken, FlowMappingStartToken, FlowSequenceEndToken, FlowSequenceStartToken

from secrettool.errors import ExitCode, FormatError

_UTF16 = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
_UTF8_MARK = b"\xef\xbb\xbf"

BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
# Expressions that are plain text here are compiled when they are used first; most files need none of them.
_OTHER_BREAK = "[\x85\u2028\u2029]"
_NOT_PRINTABLE = "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
# A comment starts behind a blank, a break or an indicator; behind other characters a # belongs to a plain scalar.
_MAYBE_COMMENT = r"(?<![0-9A-Za-z_/=.+&;-])#"
_SECTION_NOTE = r"(?m)(?:^|(?<=\r))[ ]*# (?:notation|layout) of the original: [^\r\n]*$"
_COMMENT_LINE = r"[ \t]*#"
_GAP = r"[ \t\r\n]*#"
_BLANKS = " \t\r\n"
MAX_DEPTH = 10_000
"""Levels of nesting; go-yaml's own limit. libyaml's time grows with the square of the flow levels."""

_TAB_RETRIES = 40  # comments that libyaml stops at, each of which costs a scan from the start


def decode(data: bytes) -> tuple[str, str, bool]:
    """The text of a file without its byte order mark, the codec, and whether there was a mark.

    Raises:
        FormatError: The file is empty (with sops' own exit code), or the bytes are not UTF-8, or not UTF-16 behind its mark, or there are two marks.
    """
    if not data:
        raise FormatError("File cannot be completely empty, it must contain at least one document", code=ExitCode.NEED_A_DOCUMENT)
    encoding, mark = _UTF16.get(data[:2], "utf-8"), 2
    if encoding == "utf-8":
        mark = 3 if data.startswith(_UTF8_MARK) else 0
    try:
        text = data[mark:].decode(encoding)
        if text[:1] == "\ufeff":
            raise FormatError("there are two byte order marks in front of the text", where="line 1", hint="remove them")
        return text, encoding, mark > 0
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, mark + error.start) + 1
        raise FormatError(f"the bytes are not valid {encoding.upper()}", where=f"line {line}") from None


def encode(text: str, encoding: str, bom: bool) -> bytes:
    """The bytes of a text, the other way round."""
    return (("\ufeff" + text) if bom else text).encode(encoding)


def place(text: str, index: int) -> str:
    """Line and column of an offset, as messages name it."""
    line, start = 1, 0
    for found in BREAK.finditer(text, 0, index):
        line, start = line + 1, found.end()
    return f"line {line}, column {index - start + 1}"


def column_of(text: str, index: int) -> int:
    """Column of an offset, from 0."""
    start = max(text.rfind("\n", 0, index), text.rfind("\r", 0, index)) + 1
    for found in re.compile(_OTHER_BREAK).finditer(text, start, index):
        start = found.end()
    return index - start


def may_have_comments(text: str) -> bool:
    """Whether comments may stand in the text outside the notes that the section holds; true more often than they do."""
    if "#" not in text:
        return False
    notes = {match.start() + match[0].index("#") for match in re.compile(_SECTION_NOTE).finditer(text)}
    return any(match.start() not in notes for match in re.compile(_MAYBE_COMMENT).finditer(text))


def refuse(text: str, index: int, cause: str, *, hint: str | None = None) -> NoReturn:
    """Refuse the text at an offset.

    Raises:
        FormatError: Always.
    """
    raise FormatError(cause, where=place(text, index), hint=hint)


def refuse_slash_escapes(text: str, start: int, end: int) -> None:
    r"""Refuse `\/` in a scalar in double quotes, which libyaml takes for a slash and go-yaml does not know.

    Raises:
        FormatError: There is one.
    """
    position = start + 1
    while (position := text.find("\\", position, end)) >= 0:
        if text[position + 1] == "/":
            refuse(text, position, "found unknown escape character", hint="write the slash without a backslash")
        position += 2


def events(text: str) -> Iterator[Any]:
    """The events of libyaml; enough when the text has no comments.

    Raises:
        FormatError: libyaml refuses the text.
    """
    try:
        get_event = CParser(text).get_event
        while (event := get_event()) is not None:
            yield event
    except YAMLError as error:
        _refuse_like_libyaml(text, error)


def tokens(text: str) -> list[Any]:
    """All tokens of libyaml.

    libyaml stops at a tab between two comments, and in front of one behind the `?` or `:` of a key over several lines; go-yaml does not: there it
    is scanned again with blanks for these tabs.

    Raises:
        FormatError: libyaml refuses the text.
    """
    scanned = text
    for _ in range(_TAB_RETRIES):
        found: list[Any] = []
        try:
            if text.count("[") + text.count("{") > MAX_DEPTH:
                return _shallow_tokens(scanned)
            get_token, append = CParser(scanned).get_token, found.append
            while (token := get_token()) is not None:
                append(token)
            return found
        except YAMLError as error:
            again = _without_tabs(scanned, error)
            if again is None:
                _refuse_like_libyaml(text, error)
            scanned = again
    raise FormatError("too many comments are indented with tabs", hint="indent comments with blanks")


def _shallow_tokens(text: str) -> list[Any]:
    """The tokens of a text that could be nested too deep."""
    found: list[Any] = []
    depth = 0
    get_token = CParser(text).get_token
    while (token := get_token()) is not None:
        found.append(token)
        kind = token.__class__
        if kind is FlowSequenceStartToken or kind is FlowMappingStartToken:
            depth += 1
            if depth > MAX_DEPTH:
                refuse(text, token.start_mark.index, f"nested deeper than {MAX_DEPTH} levels")
        elif kind is FlowSequenceEndToken or kind is FlowMappingEndToken:
            depth -= 1
    return found


def _without_tabs(text: str, error: YAMLError) -> str | None:
    """The text with blanks for the tabs in front of the comments at which the scanner stopped; None when that is not the cause."""
    mark = getattr(error, "problem_mark", None)
    if mark is None or text[mark.index : mark.index + 1] != "\t":
        return None
    tab: int = mark.index
    line = tab - mark.column
    beside = text[line:tab].rstrip(" ")[-1:] in ("?", ":")
    start = tab if beside else len(text[:line].rstrip(_BLANKS))
    if not beside and not re.compile(_COMMENT_LINE).match(text, text.rfind("\n", 0, start) + 1, start):
        return None
    pieces = [text[:start]]
    while (gap := re.compile(_COMMENT_LINE if beside else _GAP).match(text, start)) is not None:
        start = text.find("\n", gap.end())
        start = len(text) if start < 0 else start
        pieces += gap[0].replace("\t", " "), text[gap.end() : start]
        if beside:
            break
    return None if len(pieces) == 1 else "".join([*pieces, text[start:]])


def _refuse_like_libyaml(text: str, error: YAMLError) -> NoReturn:
    """Turn an error of libyaml into ours. Its own texts are constants that never quote the input."""
    if isinstance(error, MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        cause = error.problem or "the text is not YAML"
        raise FormatError(str(cause), where=None if mark is None else f"line {mark.line + 1}, column {mark.column + 1}") from None
    bad = re.search(_NOT_PRINTABLE, text)
    raise FormatError("control characters are not allowed", where=None if bad is None else place(text, bad.start())) from None
