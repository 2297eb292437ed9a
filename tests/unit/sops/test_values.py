"""Typed leaves: what the format writes for a value and reads back."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrettool.sops.values import Time, Value, float_text, kind_of, make_time, parse_plain, parse_time, plain_text, whole_seconds


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1.0, "1"),
        (1e21, "1000000000000000000000"),
        (1e-7, "0.0000001"),
        (-0.0, "-0"),
        (math.inf, "+Inf"),
        (-math.inf, "-Inf"),
        (math.nan, "NaN"),
        (123456789.123, "123456789.123"),
        (5e-324, "0." + "0" * 323 + "5"),
    ],
)
def test_float_text_never_has_an_exponent(number: float, text: str) -> None:
    assert float_text(number) == text


@given(st.floats(allow_nan=False))
def test_float_comes_back_from_its_plaintext(number: float) -> None:
    back = parse_plain("float", plain_text(number))
    assert back == number
    assert math.copysign(1, float(back)) == math.copysign(1, number)


@given(st.one_of(st.text(), st.booleans(), st.integers(-(2**63), 2**63 - 1)))
def test_value_comes_back_from_its_plaintext(value: Value) -> None:
    back = parse_plain(kind_of(value), plain_text(value))
    assert back == value
    assert type(back) is type(value)


@pytest.mark.parametrize("word", ["1", "t", "T", "TRUE", "true", "True"])
def test_bool_reads_all_of_go_s_true_words(word: str) -> None:
    assert parse_plain("bool", word) is True


@pytest.mark.parametrize(
    ("text", "number"), [("0x1p-2", 0.25), ("1e3", 1000.0), (".5", 0.5), ("5.", 5.0), ("+inf", math.inf), ("Infinity", math.inf), ("-0", -0.0)]
)
def test_float_reads_what_go_reads(text: str, number: float) -> None:
    assert parse_plain("float", text) == number


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("int", "1.0"),
        ("int", ""),
        ("int", "1_000"),
        ("int", "9223372036854775808"),
        ("int", "1\n"),
        ("float", "1e400"),
        ("float", "0x"),
        ("float", "one"),
        ("float", "1_0"),
        ("bool", "yes"),
        ("time", "2031-07-09"),
        ("time", "2031-02-30T00:00:00Z"),
        ("time", "2031-07-09T24:00:00Z"),
        ("time", "2031-07-09T00:00:00+24:00"),
        ("map", "x"),
    ],
)
def test_plaintext_that_does_not_fit_its_type_is_refused_without_quoting_it(kind: str, text: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_plain(kind, text)
    assert text == "" or len(text) < 3 or text not in str(caught.value)


def test_type_bytes_reads_as_a_string() -> None:
    assert parse_plain("bytes", "abc") == "abc"


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("2031-07-09T08:07:06.500+02:00", "2031-07-09T08:07:06.5+02:00"),
        ("2031-07-09T08:07:06+00:00", "2031-07-09T08:07:06Z"),
        ("0000-02-29T00:00:00Z", "0000-02-29T00:00:00Z"),
        ("2031-07-09T08:07:06.1234567899-11:30", "2031-07-09T08:07:06.123456789-11:30"),
    ],
)
def test_time_has_one_canonical_text(text: str, canonical: str) -> None:
    assert parse_time(text).text == canonical


def test_whole_seconds_drops_only_the_fraction() -> None:
    assert whole_seconds(Time("2031-07-09T08:07:06.5+02:00")) == "2031-07-09T08:07:06+02:00"


def test_make_time_refuses_a_second_of_60() -> None:
    with pytest.raises(ValueError, match="time of day"):
        make_time(2016, 12, 31, (23, 59, 60), "", 0)


def test_null_has_no_plaintext() -> None:
    with pytest.raises(ValueError, match="null"):
        plain_text(None)
    with pytest.raises(ValueError, match="null"):
        kind_of(None)


def test_bytes_that_are_not_utf_8_survive_as_text() -> None:
    raw = bytes(range(256))
    assert plain_text(raw.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape") == raw
