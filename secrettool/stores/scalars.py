"""Scalars as Go prints them, for formats that know only text and for numbers in JSON.

Source: Go strconv (FormatFloat), encoding/json (floatEncoder), fmt (%v); sops 3.13 stores/stores.go (ValToString).
"""

from __future__ import annotations

from math import copysign, isinf, isnan

from secrettool.errors import EmitError
from secrettool.sops.tree import Branch, Comment, Item, Leaf, Node
from secrettool.sops.values import Time, Value, float_text, whole_seconds

NULL_TEXT = "<nil>"
"""What Go prints for a value that is not there."""

_MANY_DIGITS = 6  # decimal exponent from which Go's shortest `%g` turns to the notation with an exponent


def _shortest(value: float) -> tuple[str, int]:
    """Digits of a finite number that give it back, without leading and trailing zeros, and the decimal exponent of the first one."""
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    first = len(whole) - 1 + int(exponent or 0) - (len(whole + fraction) - len(digits))
    return digits.rstrip("0") or "0", first if digits else 0


def _scientific(value: float, digits: str, exponent: int, letter: str, width: int) -> str:
    sign = "-" if copysign(1.0, value) < 0 else ""
    point = "." if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{point}{digits[1:]}{letter}{'-' if exponent < 0 else '+'}{abs(exponent):0{width}d}"


def general_float(value: float, letter: str = "e") -> str:
    """`FormatFloat(v, 'g', -1, 64)`; with letter `E`, format `G`."""
    if isnan(value) or isinf(value):
        return float_text(value)
    digits, exponent = _shortest(value)
    if -4 <= exponent < _MANY_DIGITS:
        return float_text(value)
    return _scientific(value, digits, exponent, letter, 2)


def json_float(value: float) -> str:
    """A number as `encoding/json` prints it: exponents below 1e-6 and from 1e21 on, without leading zeros.

    Raises:
        EmitError: Infinity or not a number.
    """
    if isnan(value) or isinf(value):
        raise EmitError("json: unsupported value: infinity and NaN cannot be written", hint="write the value as a string")
    if value == 0 or 1e-6 <= abs(value) < 1e21:
        return float_text(value)
    digits, exponent = _shortest(value)
    return _scientific(value, digits, exponent, "e", 1)


def scalar_text(value: Value) -> str:
    """A scalar where the format has no types (dotenv, INI, environment): floats keep a point or an exponent, times lose their fraction."""
    if isinstance(value, str):
        return value
    if value is None:
        return NULL_TEXT
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        text = general_float(value, "E")
        return text if "." in text or "E" in text or isnan(value) or isinf(value) else text + ".0"
    return whole_seconds(value) if isinstance(value, Time) else str(value)


def _go_time(time: Time) -> str:
    """`time.Time.String` of a time with a fixed offset."""
    text = time.text.replace("T", " ")
    if text.endswith("Z"):
        return text[:-1] + " +0000 UTC"
    zone = text[-6:].replace(":", "")
    return f"{text[:-6]} {zone} {zone}"


def go_text(node: Node | Comment) -> str:
    """A node of a tree as Go's `%v` prints it, which is all that the INI format of the reference does with collections."""
    out: list[str] = []
    stack: list[Node | Comment | Item | str] = [node]
    while stack:
        part = stack.pop()
        if isinstance(part, str):
            out.append(part)
        elif isinstance(part, Comment):
            out.append(f"{{{part.text} {'true' if part.inline else 'false'}}}")
        elif isinstance(part, Leaf):
            out.append(_go_scalar(part.value))
        elif isinstance(part, Item):
            key = part.key
            stack += ["}", part.value, f"{{{key} "]
        else:
            stack.append("]")
            for number, entry in enumerate(reversed(part.items)):
                if number:
                    stack.append(" ")
                if isinstance(entry, Comment) and isinstance(part, Branch):
                    stack += [f" {NULL_TEXT}}}", entry, "{"]
                else:
                    stack.append(entry)
            stack.append("[")
    return "".join(out)


def _go_scalar(value: Value) -> str:
    if isinstance(value, Time):
        return _go_time(value)
    if isinstance(value, float):
        return general_float(value)
    return scalar_text(value)
