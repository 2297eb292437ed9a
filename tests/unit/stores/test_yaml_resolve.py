"""Scalars have the types that go-yaml gives them; the expected values were taken from go-yaml v3.0.4."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrettool.sops.values import Time, Value, parse_float
from secrettool.stores.yaml.resolve import ScalarError, float_syntax, resolve

TAG = "tag:yaml.org,2002:"

PLAIN: list[tuple[str, Value]] = [
    *[(text, None) for text in ("", "~", "null", "Null", "NULL")],
    *[(text, True) for text in ("true", "True", "TRUE")],
    *[(text, False) for text in ("false", "False", "FALSE")],
    *[(text, math.inf) for text in (".inf", ".Inf", "+.INF")],
    ("-.inf", -math.inf),
    # words of other YAML versions and of other languages
    *[(text, text) for text in ("yes", "no", "on", "off", "y", "n", "nULL", "tRue", "nan", "inf", "<<", "1:30", "0x", "0b", "1,000", "-", "+", "_1")],
    # integers
    ("0", 0), ("-0", 0), ("+1", 1), ("1_000", 1000), ("0755", 0o755), ("-0755", -0o755), ("0o17", 15), ("0O17", 15), ("0x1F", 31), ("0X1f", 31),
    ("0b101", 5), ("0B101", 5), ("-0x1f", -31), ("0b-1", -1), ("0o-7", -7), ("0_7", 7), ("1__0", 10),
    ("9223372036854775807", 2**63 - 1), ("-9223372036854775808", -(2**63)), ("18446744073709551615", 2**64 - 1), ("0xffffffffffffffff", 2**64 - 1),
    # floats, some of which look like integers
    ("1.5", 1.5), ("5.", 5.0), (".5", 0.5), ("-.5", -0.5), ("+.5", 0.5), ("1e3", 1000.0), ("08", 8.0), ("0099", 99.0), ("1_0.2_5", 10.25),
    (".5_0", 0.5), (".5e1_0", 5e9), ("18446744073709551616", 18446744073709551616.0), ("-9223372036854775809", -9223372036854775809.0),
    ("+18446744073709551615", 18446744073709551615.0), ("1e-400", 0.0),
    ("1e400", "1e400"), ("._5", "._5"), (".5_", ".5_"), (".e5", ".e5"), ("1.5.5", "1.5.5"), ("0o8", "0o8"), ("0b2", "0b2"), ("-0b-1", "-0b-1"),
    # times
    ("2031-07-09", Time("2031-07-09T00:00:00Z")),
    ("2031-7-9", Time("2031-07-09T00:00:00Z")),
    ("0000-01-01", Time("0000-01-01T00:00:00Z")),
    ("2000-02-29", Time("2000-02-29T00:00:00Z")),
    ("2001-12-14t21:59:43.10-05:00", Time("2001-12-14T21:59:43.1-05:00")),
    ("2001-12-14   1:2:3", Time("2001-12-14T01:02:03Z")),
    ("2001-12-14 21:59:43,5", Time("2001-12-14T21:59:43.5Z")),
    ("2001-12-14T23:59:59.1234567891Z", Time("2001-12-14T23:59:59.123456789Z")),
    ("2001-12-14T23:59:59+24:60", Time("2001-12-14T23:59:59+25:00")),
    ("2001-12-14T23:59:59-00:00", Time("2001-12-14T23:59:59Z")),
    *[
        (text, text)
        for text in ("2001-02-29", "2001-13-01", "20010-1-1", "2001-12-14T21:59:43", "2001-12-14 21:59:43Z", "2001-12-14T24:00:00Z",
                     "2001-12-14T23:59:60Z", "2001-12-14T23:59:59.Z", "2001-12-14T23:59:59+0530", "2001-12-14T23:59:59+25:00")
    ],
]  # fmt: skip


def identical(one: Value, other: Value) -> bool:
    return type(one) is type(other) and one == other


@pytest.mark.parametrize(("text", "value"), PLAIN)
def test_plain_scalar_has_the_type_of_go_yaml(text: str, value: Value) -> None:
    assert identical(resolve(text, None, True), value)


@pytest.mark.parametrize("text", [".nan", ".NaN", ".NAN"])
def test_plain_nan_is_a_float(text: str) -> None:
    value = resolve(text, None, True)
    assert isinstance(value, float)
    assert math.isnan(value)


@pytest.mark.parametrize("text", ["", "5", "true", "~", "2031-07-09", ".inf"])
def test_quoted_scalar_is_a_string(text: str) -> None:
    assert resolve(text, None, False) == text
    assert resolve(text, "!", False) == text


def test_single_exclamation_mark_leaves_a_plain_scalar_its_type() -> None:
    assert identical(resolve("5", "!", True), 5)


@pytest.mark.parametrize(
    ("tag", "text", "value"),
    [
        ("int", "5", 5),
        ("int", "0x1F", 31),
        ("float", "5", 5.0),
        ("float", "1_0", 10.0),
        ("float", ".inf", math.inf),
        ("bool", "TRUE", True),
        ("null", "", None),
        ("null", "~", None),
        ("timestamp", "2031-07-09", Time("2031-07-09T00:00:00Z")),
        ("str", "5", "5"),
        ("binary", "Zm9v\nYmFy", "foobar"),
        ("binary", "//4=", "\udcff\udcfe"),
        ("binary", "", ""),
        ("set", "5", "5"),
        ("merge", "x", "x"),
    ],
)
@pytest.mark.parametrize("plain", [True, False])
def test_tag_forces_the_type_in_every_style(tag: str, text: str, value: Value, plain: bool) -> None:
    assert identical(resolve(text, TAG + tag, plain), value)


def test_unknown_tag_gives_the_text() -> None:
    assert resolve("5", "!x", True) == "5"


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        ("int", "1.5"), ("int", "canary"), ("int", "2031-07-09"), ("int", ""), ("float", "canary"), ("float", "18446744073709551615"),
        ("bool", "yes"), ("null", "canary"), ("timestamp", "5"), ("timestamp", "canary"), ("binary", "Zg"),
        ("binary", "Zg="), ("binary", "Zg==Zg=="), ("binary", "="),
    ],
)  # fmt: skip
def test_text_that_does_not_fit_its_tag_is_refused_without_quoting_it(tag: str, text: str) -> None:
    with pytest.raises(ScalarError) as caught:
        resolve(text, TAG + tag, True)
    assert "canary" not in str(caught.value)
    assert tag in str(caught.value)


@pytest.mark.parametrize("text", ["1.50", "1e6", ".5", "5.", "+1.5", "-1E-3", "08"])
def test_float_text_may_travel_when_go_reads_it(text: str) -> None:
    assert float_syntax(text)
    assert parse_float(text) == resolve(text, TAG + "float", True)


@pytest.mark.parametrize("text", ["1_0.5", ".inf", ".nan", "1.5x", "", "0x1p4"])
def test_float_text_may_not_travel_when_go_reads_it_otherwise(text: str) -> None:
    assert not float_syntax(text)


@given(st.text())
def test_quoted_scalar_never_changes(text: str) -> None:
    assert resolve(text, None, False) == text


@given(st.text(alphabet="0123456789+-_.:eExXoObBTtZz ,") | st.text())
def test_plain_scalar_always_has_a_value(text: str) -> None:
    value = resolve(text, None, True)
    assert value is None or isinstance(value, str | int | float | Time)
    assert not isinstance(value, str) or value == text


@given(st.integers(-(2**63), 2**64 - 1))
def test_integer_comes_back_from_its_digits(number: int) -> None:
    assert identical(resolve(str(number), None, True), number)
