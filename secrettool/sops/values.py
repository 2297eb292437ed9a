"""Typed leaves and their plaintext bytes.

Text is `str` with bytes that are not UTF-8 kept as surrogates (`surrogateescape`), so that any byte string survives.

Source: sops 3.13 aes/cipher.go (Encrypt, Decrypt), sops.go (ToBytes); Go strconv and time.
"""

from __future__ import annotations

import re
from math import isinf, isnan
from typing import NamedTuple

INT_MIN, INT_MAX = -(2**63), 2**63 - 1


class Time(NamedTuple):
    """A point in time as the format writes it: RFC 3339 with nanoseconds, trailing zeros dropped, `Z` for offset 0."""

    text: str


Value = str | int | float | bool | Time | None
"""What a leaf can hold. `bool` is a subclass of `int`: test for it first."""

Kind = str
"""The type word of an envelope: `str int float bool time comment`."""


def kind_of(value: Value) -> Kind:
    """The type word that an envelope of this value carries.

    Raises:
        ValueError: For None, which the format never encrypts.
    """
    if isinstance(value, str):
        return "str"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int"
    if isinstance(value, float):
        return "float"
    if isinstance(value, Time):
        return "time"
    raise ValueError("null has no plaintext")


def float_text(value: float) -> str:
    """The shortest digits that give the number back, never with an exponent; Go's `FormatFloat(v, 'f', -1, 64)`."""
    if isnan(value):
        return "NaN"
    if isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    text = repr(value)
    if "e" in text:
        from decimal import Decimal

        text = format(Decimal(text), "f")
    return text[:-2] if text.endswith(".0") else text


def plain_text(value: Value) -> str:
    """The canonical plaintext of a value, as text; the MAC hashes it and envelopes seal it.

    Raises:
        ValueError: For None.
    """
    if isinstance(value, str):
        return value
    if value is True:
        return "True"
    if value is False:
        return "False"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return float_text(value)
    if isinstance(value, Time):
        return value.text
    raise ValueError("null has no plaintext")


# Compiled by `re` when they are used first; most files need none of them.
_INT = r"[+-]?[0-9]+\Z"
_FLOAT = r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?\Z"
_HEX_FLOAT = r"[+-]?0[xX](?=[0-9a-fA-F]*\.?[0-9a-fA-F])[0-9a-fA-F]*(\.[0-9a-fA-F]*)?[pP][+-]?[0-9]+\Z"
_SPECIAL_FLOAT = r"(?i)([+-]?inf(inity)?|nan)\Z"
_TIME = r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})([.,][0-9]+)?(Z|[+-]([0-9]{2}):([0-9]{2}))\Z"
_BOOLS = dict.fromkeys(("1", "t", "T", "TRUE", "true", "True"), True) | dict.fromkeys(("0", "f", "F", "FALSE", "false", "False"), False)
_MONTH_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def parse_int(text: str) -> int:
    """Read a plaintext of type `int`; Go's `Atoi`.

    Raises:
        ValueError: Not a decimal number of 64 bits.
    """
    if not re.match(_INT, text) or len(text) > 4000:
        raise ValueError("not a decimal integer")
    number = int(text)
    if not INT_MIN <= number <= INT_MAX:
        raise ValueError("integer out of range")
    return number


def parse_float(text: str) -> float:
    """Read a plaintext of type `float`; Go's `ParseFloat`, which also takes exponents, hexadecimal floats, inf and nan.

    Raises:
        ValueError: Not a number, or out of range.
    """
    if re.match(_FLOAT, text):
        number = float(text)
        if isinf(number):
            raise ValueError("float out of range")
        return number
    if re.match(_SPECIAL_FLOAT, text):
        return float(text)
    if re.match(_HEX_FLOAT, text):
        try:
            return float.fromhex(text)
        except OverflowError:
            raise ValueError("float out of range") from None
    raise ValueError("not a float")


def parse_bool(text: str) -> bool:
    """Read a plaintext of type `bool`; Go's `ParseBool`.

    Raises:
        ValueError: None of its twelve words.
    """
    try:
        return _BOOLS[text]
    except KeyError:
        raise ValueError("not a boolean") from None


def days_in_month(year: int, month: int) -> int:
    """Days of a month in the proleptic Gregorian calendar; year 0 is a leap year."""
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return 29 if month == 2 and leap else _MONTH_DAYS[month - 1]


def make_time(year: int, month: int, day: int, clock: tuple[int, int, int], fraction: str, offset_minutes: int) -> Time:
    """A time in its canonical text.

    Args:
        year: 0 to 9999.
        month: 1 to 12.
        day: 1 to the days of that month.
        clock: Hour, minute, second.
        fraction: Digits behind the point; only nine count, trailing zeros are dropped.
        offset_minutes: Offset from UTC in minutes.

    Raises:
        ValueError: No such day or clock time, or an offset of 24 hours and more.
    """
    hour, minute, second = clock
    if not (1 <= month <= 12 and 1 <= day <= days_in_month(year, month)):
        raise ValueError("no such day")
    if hour > 23 or minute > 59 or second > 59:
        raise ValueError("no such time of day")
    text = f"{year:04d}-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}:{second:02d}"
    fraction = fraction[:9].rstrip("0")
    if fraction:
        text += "." + fraction
    if offset_minutes == 0:
        return Time(text + "Z")
    hours, minutes = divmod(abs(offset_minutes), 60)
    return Time(f"{text}{'-' if offset_minutes < 0 else '+'}{hours:02d}:{minutes:02d}")


def parse_time(text: str) -> Time:
    """Read RFC 3339 strictly.

    Raises:
        ValueError: Another notation, or no such day or time.
    """
    match = re.match(_TIME, text)
    if match is None:
        raise ValueError("not a time in RFC 3339")
    year, month, day, hour, minute, second = (int(match[i]) for i in range(1, 7))
    offset = 0
    if match[9]:
        hours, minutes = int(match[9]), int(match[10])
        if hours > 23 or minutes > 59:
            raise ValueError("zone offset out of range")
        offset = (hours * 60 + minutes) * (-1 if match[8][0] == "-" else 1)
    return make_time(year, month, day, (hour, minute, second), (match[7] or ".")[1:], offset)


def whole_seconds(time: Time) -> str:
    """The time without its fraction: the form that authenticates the MAC (`time.Format(time.RFC3339)`)."""
    return re.sub(r"\.[0-9]+", "", time.text)


def parse_plain(kind: Kind, text: str) -> Value:
    """The value that a plaintext stands for.

    Args:
        kind: Type word of the envelope; `bytes` reads as a string, `comment` gives the comment's text.
        text: The opened plaintext.

    Raises:
        ValueError: An unknown type word, or text that the type cannot take. Never quotes the text.
    """
    if kind in ("str", "comment", "bytes"):
        return text
    if kind == "int":
        return parse_int(text)
    if kind == "float":
        return parse_float(text)
    if kind == "bool":
        return parse_bool(text)
    if kind == "time":
        return parse_time(text)
    raise ValueError("unknown type word")
