"""Shamir shares; the fixed ones come from a file that the real sops 3.13.2 wrote."""

from __future__ import annotations

import itertools
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrettool.sops.shamir import combine, split

SHARES = [
    bytes.fromhex("842687e95d8a66ce2f536e85ef924cfab181714aba4d4ae5dbb523d7fb9ca0c801"),
    bytes.fromhex("e57ed4140529ab92dbed848b27ff6025d1045aa749da9c7de1143ca2008ccf6202"),
    bytes.fromhex("33bfe5b6c44819a67e872b78962d8d99f18e43fc185e27fcf782c078a075ea0403"),
]
SECRET = bytes.fromhex("52e7b64b9cebd4fa8a39c1765e40a146910b6811ebc9f164cd23df0d5b6585ae")


@pytest.mark.parametrize("chosen", [(0, 1), (1, 2), (0, 2), (2, 0), (0, 1, 2)])
def test_combine_gives_the_data_key_of_a_file_of_sops(chosen: tuple[int, ...]) -> None:
    assert combine([SHARES[number] for number in chosen]) == SECRET


@given(st.binary(min_size=1, max_size=40), st.integers(2, 6), st.data())
def test_any_threshold_of_shares_gives_the_secret(secret: bytes, parts: int, data: st.DataObject) -> None:
    threshold = data.draw(st.integers(2, parts))
    shares = split(secret, parts, threshold, os.urandom)
    for chosen in itertools.combinations(shares, threshold):
        assert combine(chosen) == secret


def test_too_few_shares_give_something_else() -> None:
    secret = os.urandom(32)
    assert combine(split(secret, 3, 3, os.urandom)[:2]) != secret


def test_a_share_carries_its_number_as_last_byte() -> None:
    assert [share[-1] for share in split(b"secret", 3, 2, os.urandom)] == [1, 2, 3]


@pytest.mark.parametrize(
    ("secret", "parts", "threshold", "reason"),
    [(b"", 3, 2, "empty"), (b"s", 2, 3, "less than threshold"), (b"s", 256, 2, "255"), (b"s", 3, 1, "at least 2")],
)
def test_split_refuses_numbers_out_of_range(secret: bytes, parts: int, threshold: int, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        split(secret, parts, threshold, os.urandom)


@pytest.mark.parametrize(
    ("shares", "reason"), [([SHARES[0]], "less than two"), ([SHARES[0], SHARES[1][1:]], "length"), ([SHARES[0], SHARES[0]], "duplicate")]
)
def test_combine_refuses_shares_that_do_not_fit(shares: list[bytes], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        combine(shares)
