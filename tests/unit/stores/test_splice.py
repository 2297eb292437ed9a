"""Replacing spans of a text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrettool.errors import EmitError
from secrettool.stores.splice import decode, encode, place, splice


def test_splice_puts_an_insertion_in_front_of_a_replacement_at_the_same_place() -> None:
    assert splice("abc", [(1, 2, "X"), (1, 1, "-")]) == "a-Xc"


def test_splice_refuses_spans_that_overlap() -> None:
    with pytest.raises(EmitError):
        splice("abc", [(0, 2, ""), (1, 3, "")])


@given(st.binary())
def test_decode_loses_no_byte(data: bytes) -> None:
    assert encode(decode(data)) == data


def test_place_counts_lines_and_columns_from_one() -> None:
    assert place("ab\ncd", 0) == "line 1, column 1"
    assert place("ab\ncd", 4) == "line 2, column 2"
