"""From the text of a YAML scalar to its typed value.

The rules are those of go-yaml, which are neither YAML 1.1 nor 1.2: `0755` is octal, `08` a float, `yes` a string, `1_000` an int, a date is a time.

Source: go-yaml v3.0.4 resolve.go (resolve, parseTimestamp), decode.go (scalar); Go strconv (ParseInt, ParseFloat) and time (Parse).
"""

from __future__ import annotations

import re
from binascii import a2b_base64
from math import inf, isinf, nan

from secrettool.sops.values import INT_MAX, INT_MIN, Time, Value, make_time

TAG_PREFIX = "tag:yaml.org,2002:"
UINT_MAX = 2**64 - 1

_WORDS: dict[str, Value] = {"": None, "~": None, "null": None, "Null": None, "NULL": None}
_WORDS |= dict.fromkeys(("true", "True", "TRUE"), True) | dict.fromkeys(("false", "False", "FALSE"), False)
_WORDS |= {".nan": nan, ".NaN": nan, ".NAN": nan}
_WORDS |= {sign + word: -inf if sign == "-" else inf for sign in ("", "+", "-") for word in (".inf", ".Inf", ".INF")}

_NUMERIC_STARTS = frozenset("0123456789+-")
_TYPED_STARTS = frozenset("~nNtTfF.") | _NUMERIC_STARTS

# Text that no number and no time can be is told apart by one look: most of it are versions, addresses and the like.
# Compiled by `re` when they are used first; a file of words needs none of them.
_NUMBER_LIKE = r"[-+0-9a-fA-FxXoObB_.:,TtZ ]*\Z"
_DECIMAL = r"[-+]?(?:0|[1-9][0-9]{0,17})\Z"
_PREFIXED = r"([-+]?)0(?:[xX]([0-9a-fA-F]+)|[oO]?([0-7]+)|[bB]([01]+))\Z"
_SIGN_BEHIND_PREFIX = r"0(?:b([-+][01]+)|o([-+][0-7]+))\Z"
_LONG_DECIMAL = r"([-+]?)[1-9][0-9]{0,30}\Z"
_FLOAT = r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z"
_POINT_FLOAT = r"\.[0-9]+(?:_[0-9]+)*(?:[eE][-+]?[0-9]+(?:_[0-9]+)*)?\Z"
_TIMESTAMP = (
    r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})"
    r"(?:(?:[Tt]|( +))([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?:[.,]([0-9]+))?(Z|[-+][0-9]{2}:[0-9]{2})?)?\Z"
)
_BASE64 = r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?\Z"


class ScalarError(ValueError):
    """A scalar that does not fit its tag; the text names the tag and never quotes the scalar."""


def resolve(text: str, tag: str | None, plain: bool) -> Value:
    """The typed value of a scalar.

    Args:
        text: The scalar after unquoting, unfolding and unescaping.
        tag: Its full tag, such as `tag:yaml.org,2002:int` or `!x`; `!` and None leave the type to the text.
        plain: Whether it stands without quotes and not as a block.

    Returns:
        The value; integers may reach up to 2**64 - 1; `!!binary` gives the decoded bytes as text with surrogates for what is not UTF-8.

    Raises:
        ScalarError: The text does not fit the tag.
    """
    if tag is None or tag == "!":
        if not plain or (text and text[0] not in _TYPED_STARTS):
            return text
        return _untagged(text)
    return _tagged(text, tag)


def float_syntax(text: str) -> bool:
    """Whether a float's text may be the plaintext of its envelope: decimal digits that Go's `ParseFloat` reads, without `_`."""
    return re.match(_FLOAT, text) is not None


def _untagged(text: str) -> Value:
    if text in _WORDS:
        return _WORDS[text]
    first = text[0]
    if first in _NUMERIC_STARTS:
        if text.isdecimal() and re.match(_DECIMAL, text):
            return int(text)
        if text.count(".") > 1 or not re.match(_NUMBER_LIKE, text):
            return text
        time = _timestamp(text)
        return _number(text) if time is None else time
    if first == "." and re.match(_POINT_FLOAT, text):
        return _finite(text.replace("_", ""), text)
    return text


def _tagged(text: str, tag: str) -> Value:
    kind = tag.removeprefix(TAG_PREFIX) if tag.startswith(TAG_PREFIX) else tag
    if kind.startswith("!!"):
        kind = kind[2:]
    if kind == "binary":
        return _binary(text)
    if kind not in _TAG_CHECKS:
        return text
    value: Value = _untagged_number_or_word(text) if kind != "timestamp" else _untagged(text)
    if kind == "float" and value.__class__ is int and INT_MIN <= value <= INT_MAX:
        return float(value)
    if value.__class__ is not _TAG_CHECKS[kind]:
        raise ScalarError(f"the value does not fit its tag !!{kind}")
    return value


_TAG_CHECKS: dict[str, type] = {"null": type(None), "bool": bool, "int": int, "float": float, "timestamp": Time}


def _untagged_number_or_word(text: str) -> Value:
    """Like `_untagged`, for tags that keep the text from being a time."""
    if text[:1] in _NUMERIC_STARTS and text not in _WORDS:
        return _number(text)
    return _untagged(text)


def _number(text: str) -> Value:
    """An int, else a float, else the text itself."""
    digits = text.replace("_", "")
    match = re.match(_PREFIXED, digits)
    number: int | None = None
    sign = ""
    if match:
        sign = match[1]
        number = int(match[2], 16) if match[2] else int(match[3], 8) if match[3] else int(match[4], 2)
        number = -number if sign == "-" else number
    elif digits in ("0", "+0", "-0"):
        return 0
    elif long := re.match(_LONG_DECIMAL, digits):
        sign = long[1]
        number = int(digits)
    elif signed := re.match(_SIGN_BEHIND_PREFIX, digits):
        number = int(signed[1], 2) if signed[1] else int(signed[2], 8)
        return number if INT_MIN <= number <= INT_MAX else text
    if number is not None and (INT_MIN <= number <= INT_MAX or (not sign and number <= UINT_MAX)):
        return number
    return _finite(digits, text) if re.match(_FLOAT, digits) else text


def _finite(digits: str, text: str) -> float | str:
    number = float(digits)
    return text if isinf(number) else number


def _timestamp(text: str) -> Time | None:
    match = re.match(_TIMESTAMP, text)
    if match is None:
        return None
    year, month, day = int(match[1]), int(match[2]), int(match[3])
    clock, offset = (0, 0, 0), 0
    if match[5]:
        zone = match[9]
        # The form with blanks has no zone, the one with a T must have one.
        if (zone is None) is (match[4] is None):
            return None
        clock = (int(match[5]), int(match[6]), int(match[7]))
        if zone and zone != "Z":
            hours, minutes = int(zone[1:3]), int(zone[4:6])
            if hours > 24 or minutes > 60:  # Go takes the limits themselves
                return None
            offset = (hours * 60 + minutes) * (-1 if zone[0] == "-" else 1)
    try:
        return make_time(year, month, day, clock, match[8] or "", offset)
    except ValueError:
        return None


def _binary(text: str) -> str:
    data = text.replace("\n", "").replace("\r", "")
    if not re.match(_BASE64, data):
        raise ScalarError("the value of a !!binary is not base64")
    return a2b_base64(data).decode("utf-8", "surrogateescape")
