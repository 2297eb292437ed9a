"""Which style a scalar is printed in, and its text in that style.

Source: go-yaml v3.0.4 encode.go (stringv, floatv, encodeBase64), emitterc.go (analyze_scalar, select_scalar_style, write_*_scalar).
"""

from __future__ import annotations

import re
from binascii import b2a_base64
from math import copysign

from secrettool.sops.values import Time, Value
from secrettool.stores.scalars import general_float
from secrettool.stores.yaml.resolve import resolve

PLAIN, SINGLE, DOUBLE, LITERAL = "", "'", '"', "|"

BREAKS = "\n\r\x85\u2028\u2029"
"""What the format takes for a line break."""

_BASE64_LINE = 70
_SPECIAL = "[^\n\t -~\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd]"

# Words, names, addresses, envelopes: text of which one look tells that it can stand plain; `_WORDS` are the exceptions.
_SIMPLE = re.compile(r'[A-Za-z_/][!-9;-~]*(?:(?::(?=[!-~])| (?=[ -"$-~]))[!-9;-~]*)*\Z')
_WORDS = frozenset(word for lower in ("null", "true", "false") for word in (lower, lower.title(), lower.upper()))
_OLD_BOOLS = frozenset(word for lower in ("y", "yes", "on", "n", "no", "off") for word in (lower, lower.title(), lower.upper()))
_QUOTED_WORDS = _WORDS | _OLD_BOOLS
# Expressions from here on are compiled when a string needs a closer look: making their sets of characters takes longer than decrypting a small file.
_BASE_60 = r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?\Z"

_NOT_PLAIN = (
    r"\A[#,\[\]{}&*!|>'\"%@`]|\A---|\A\.\.\.|\A[?:-](?:[ \t]|\Z)|:(?:[ \t]|\Z)|[ \t]#|\A |[ \t\r\n\x85\u2028\u2029]\Z|[\t\r\n\x85\u2028\u2029]|"
    + _SPECIAL
)
_NOT_SINGLE = f"\t|{_SPECIAL}|[{BREAKS}] | [{BREAKS}]"
_NOT_LITERAL = rf"\A\t|{_SPECIAL}| [{BREAKS}]| \Z"
_FLOW_INDICATORS = r"[,?:\[\]{}]"
_MULTILINE = f"[{BREAKS}]"
_CONTENT_STARTS = rf"(?:(?<=[{BREAKS}])|\A)(?=[^{BREAKS}])"
_CONTINUATIONS = rf"(?<=[{BREAKS}])(?=[^{BREAKS}])"
_ESCAPED = f'["\\\\\t{BREAKS}]|{_SPECIAL}'
_ESCAPES = {
    "\0": "\\0", "\a": "\\a", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\v": "\\v", "\f": "\\f", "\r": "\\r", "\x1b": "\\e",
    '"': '\\"', "\\": "\\\\", "\x85": "\\N", "\xa0": "\\_", "\u2028": "\\L", "\u2029": "\\P",
}  # fmt: skip


def is_simple(text: str) -> bool:
    """Whether a string can stand plain; False means only that a closer look is needed."""
    return _SIMPLE.match(text) is not None and text not in _QUOTED_WORDS


def fits_single(text: str) -> bool:
    """Whether single quotes can hold a string on one line."""
    return not re.search(_NOT_SINGLE, text) and not re.search(_MULTILINE, text)


def fits_literal(text: str) -> bool:
    """Whether a literal block can hold a string."""
    return text != "" and not re.search(_NOT_LITERAL, text)


def style_of(text: str) -> str:
    """The style that a string of valid characters is printed in: `PLAIN`, `SINGLE`, `DOUBLE` or `LITERAL`."""
    if is_simple(text):
        return PLAIN
    if "\n" in text:
        return LITERAL if fits_literal(text) else DOUBLE
    if text != "<<" and (resolve(text, None, True) != text or text in _OLD_BOOLS or re.match(_BASE_60, text)):
        return DOUBLE
    if not re.search(_NOT_PLAIN, text):
        return PLAIN
    return DOUBLE if re.search(_NOT_SINGLE, text) else SINGLE


def double_quoted(text: str) -> str:
    """The text in double quotes, on one line."""
    if text.startswith("\ufeff"):  # the reference looks for the mark at the start whatever character it is about to write
        return f'"{"".join(map(_escape, text))}"'
    return f'"{re.sub(_ESCAPED, lambda match: _escape(match[0]), text)}"'


def single_quoted(text: str, column: int) -> str:
    """The text in single quotes; what follows a line separator in it continues at a column."""
    text = text.replace("'", "''")
    return f"'{re.sub(_CONTINUATIONS, ' ' * column, text)}'"


def literal(text: str, column: int, digit: int, newline: str = "\n") -> str:
    """The text as a literal block, line break included where the text ends with one.

    Args:
        text: Text that a literal block can hold.
        column: Where its lines start.
        digit: Distance of that column from the parent's.
        newline: Line ending to write for `\\n`.
    """
    header = "|"
    if text[0] == " " or text[0] in BREAKS:
        header += str(digit)
    if text[-1] not in BREAKS:
        header += "-"
    elif len(text) == 1 or text[-2] in BREAKS:
        header += "+"
    block = f"{header}\n{re.sub(_CONTENT_STARTS, ' ' * column, text)}"
    return block if newline == "\n" else block.replace("\n", newline)


def scalar_text(value: Value, column: int, parent: int, step: int = 4) -> str:
    """A scalar with its tag, as go-yaml prints it; it ends with a line break when it is a literal block whose text does.

    Args:
        value: The value.
        column: Where the lines of a literal block start.
        parent: Column of the entry that holds it; 0 at the root of a document.
        step: Blanks per level: what go-yaml writes as the indentation digit. It is written only where it is the distance, or where the block holds
            nothing but line breaks and no reader looks at it.
    """
    if isinstance(value, str):
        if is_simple(value):
            return value
        return _string(value, column, parent, step)
    if value is None:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, float):
        return _float(value)
    return value.text if isinstance(value, Time) else str(value)


def one_line(value: Value) -> str:
    """A scalar on one line, for keys in block mappings."""
    if not isinstance(value, str) or is_simple(value):
        return scalar_text(value, 0, 0)
    tag, text = tagged(value)
    if tag:
        return tag + text.replace("\n", "")
    style = style_of(text)
    if style == SINGLE and not re.search(_MULTILINE, text):
        return single_quoted(text, 0)
    return text if style == PLAIN else double_quoted(text)


def flow_scalar(value: Value) -> str:
    """A scalar on one line, for flow collections: strings plain or double-quoted."""
    if not isinstance(value, str):
        return scalar_text(value, 0, 0)
    tag, text = tagged(value)
    if tag:
        return tag + text.replace("\n", "")
    return text if style_of(text) == PLAIN and not re.search(_FLOW_INDICATORS, text) else double_quoted(text)


def tagged(text: str) -> tuple[str, str]:
    """The tag that a string needs in front of it (with a blank behind) or `""`, and the text to write for it."""
    if text == "<<":
        return "!!merge ", text
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        data = b2a_base64(text.encode("utf-8", "surrogateescape"), newline=False).decode("ascii")
        if len(data) > _BASE64_LINE:
            data = "".join(data[i : i + _BASE64_LINE] + "\n" for i in range(0, len(data), _BASE64_LINE))
        return "!!binary ", data
    return "", text


def _string(value: str, column: int, parent: int, step: int) -> str:
    tag, text = tagged(value)
    style = PLAIN if tag and "\n" not in text else style_of(text)
    if style == LITERAL:
        return tag + literal(text, column, column - parent if text.strip(BREAKS) else step)
    if style == SINGLE:
        return tag + single_quoted(text, column)
    return tag + (double_quoted(text) if style == DOUBLE else text)


def _escape(char: str) -> str:
    code = ord(char)
    return _ESCAPES.get(char) or (f"\\x{code:02X}" if code <= 0xFF else f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}")


def _float(value: float) -> str:
    if value != value or value in (float("inf"), float("-inf")):
        return ".nan" if value != value else ".inf" if value > 0 else "-.inf"
    if value == 0:
        return "-0.0" if copysign(1, value) < 0 else "0"
    return general_float(value)
