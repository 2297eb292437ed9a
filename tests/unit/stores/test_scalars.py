"""Scalars as Go prints them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrettool.errors import EmitError
from secrettool.sops.tree import Branch, Comment, Item, Leaf, Sequence
from secrettool.sops.values import Time, Value
from secrettool.stores.scalars import general_float, go_text, json_float, scalar_text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "-0"),
        (100000.0, "100000"),
        (1e6, "1e+06"),
        (123456789.123, "1.23456789123e+08"),
        (1e-4, "0.0001"),
        (1e-5, "1e-05"),
        (5e-324, "5e-324"),
    ],
)
def test_general_float_has_an_exponent_from_six_digits_on(value: float, text: str) -> None:
    assert general_float(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(3.0, "3"), (1e-6, "0.000001"), (1e-7, "1e-7"), (1e20, "100000000000000000000"), (1e21, "1e+21"), (-1.5e300, "-1.5e+300"), (-0.0, "-0")],
)
def test_json_float_has_an_exponent_outside_of_the_range_of_es6(value: float, text: str) -> None:
    assert json_float(value) == text


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_json_float_refuses_what_json_has_no_word_for(value: float) -> None:
    with pytest.raises(EmitError):
        json_float(value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_are_read_back_as_they_were(value: float) -> None:
    assert float(general_float(value)) == float(json_float(value)) == float(scalar_text(value)) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("x", "x"),
        (True, "true"),
        (False, "false"),
        (7, "7"),
        (3.0, "3.0"),
        (1e6, "1E+06"),
        (math.inf, "+Inf"),
        (None, "<nil>"),
        (Time("2031-07-09T08:07:06.5+02:00"), "2031-07-09T08:07:06+02:00"),
    ],
)
def test_scalar_text_is_that_of_formats_without_types(value: Value, text: str) -> None:
    assert scalar_text(value) == text


def test_go_text_prints_collections_like_go() -> None:
    node = Branch([Item("q", Leaf(1)), Comment("c"), Item("l", Sequence([Leaf(None), Leaf(2.5), Comment("d", True), Branch()]))])
    assert go_text(node) == "[{q 1} {{c false} <nil>} {l [<nil> 2.5 {d true} []]}]"


def test_go_text_prints_times_with_their_zone() -> None:
    assert go_text(Sequence([Leaf(Time("2031-07-09T08:07:06Z"))])) == "[2031-07-09 08:07:06 +0000 UTC]"
    assert go_text(Leaf(Time("2031-07-09T08:07:06.5+02:00"))) == "2031-07-09 08:07:06.5 +0200 +0200"
