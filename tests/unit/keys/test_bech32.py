from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrettool.keys import bech32


@given(st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=20), st.binary(max_size=1300))
def test_decode_gives_back_what_encode_wrote(prefix: str, data: bytes) -> None:
    assert bech32.decode(bech32.encode(prefix, data)) == (prefix, data)


@given(st.binary(max_size=40), st.data())
def test_decode_refuses_any_single_changed_letter(data: bytes, draw: st.DataObject) -> None:
    text = bech32.encode("age", data)
    place = draw.draw(st.integers(4, len(text) - 1))
    letter = draw.draw(st.sampled_from("qpzry9x8gf2tvdw0s3jn54khce6mua7l").filter(lambda other: other != text[place]))
    with pytest.raises(ValueError, match="invalid checksum"):
        bech32.decode(text[:place] + letter + text[place + 1 :])


@pytest.mark.parametrize("name", ["age1", "pq"])
def test_decode_reads_keys_of_age_keygen(public: Mapping[str, str], name: str) -> None:
    prefix, data = bech32.decode(public[name])
    assert bech32.encode(prefix, data) == public[name]


def test_decode_reads_upper_case(private: Mapping[str, str]) -> None:
    prefix, data = bech32.decode(private["age1"])
    assert (prefix, len(data)) == ("age-secret-key-", 32)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("Age1qqqqqqqq", "mixed case"),
        ("age", "separator"),
        ("1qqqqqq", "separator"),
        ("age1qqq", "separator"),
        ("age1bbbbbbbb", "invalid character in the data part"),
        ("a\x7f1qqqqqq", "human-readable part"),
    ],
)
def test_decode_names_the_fault_without_the_text(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as caught:
        bech32.decode(text)
    assert text not in str(caught.value)


@pytest.mark.parametrize(("values", "problem"), [([0, 1], "non-zero padding"), ([0], "illegal zero padding"), ([0, 0, 0], "illegal zero padding")])
def test_decode_refuses_a_length_or_padding_that_no_bytes_have(values: list[int], problem: str) -> None:
    check = bech32._checksum("age", [*values, *([0] * 6)]) ^ 1
    letters = [bech32._LETTERS[value] for value in [*values, *(check >> shift & 31 for shift in range(25, -1, -5))]]
    with pytest.raises(ValueError, match=problem):
        bech32.decode("age1" + "".join(letters))
