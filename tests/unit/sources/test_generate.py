"""New values."""

from __future__ import annotations

import base64
import re
import uuid
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secrettool.errors import SourceError
from secrettool.keys import rage
from secrettool.sources.generate import generate
from secrettool.sources.model import EnvSource, GenerateSource
from tests.unit.sources.support import Told, failure, resolver, text

SIZES = st.integers(16, 1024)


@given(SIZES)
def test_hex_writes_so_many_bytes(size: int) -> None:
    assert len(bytes.fromhex(generate(GenerateSource("hex", size)).text())) == size


@given(SIZES)
def test_base64_writes_so_many_bytes(size: int) -> None:
    assert len(base64.b64decode(generate(GenerateSource("base64", size)).text(), validate=True)) == size


@given(SIZES)
def test_base64url_writes_so_many_bytes_without_padding(size: int) -> None:
    made = generate(GenerateSource("base64url", size)).text()
    assert re.fullmatch(r"[A-Za-z0-9_-]+", made)
    assert len(base64.urlsafe_b64decode(made + "=" * (-len(made) % 4))) == size


@given(SIZES)
def test_alnum_has_so_many_letters_and_digits(size: int) -> None:
    assert re.fullmatch(rf"[A-Za-z0-9]{{{size}}}", generate(GenerateSource("alnum", size)).text())


def test_alnum_uses_every_letter_and_digit() -> None:
    assert len(set("".join(generate(GenerateSource("alnum", 1024)).text() for _ in range(8)))) == 62


def test_uuid_is_a_random_one() -> None:
    assert uuid.UUID(generate(GenerateSource("uuid")).text()).version == 4


def test_age_is_a_pair_whose_halves_belong_together() -> None:
    comment, private = generate(GenerateSource("age")).text().splitlines()
    assert re.fullmatch(r"AGE-SECRET-KEY-1[0-9A-Z]{58}", private)
    assert comment == f"# public key: {rage.x25519_recipient(private)}"


@pytest.mark.parametrize("kind", ["hex", "base64", "base64url", "alnum", "uuid", "age"])
@settings(max_examples=5)
@given(data=st.data())
def test_two_values_are_never_the_same(kind: Any, data: st.DataObject) -> None:
    source = GenerateSource(kind, data.draw(SIZES))
    assert generate(source) != generate(source)


def test_pt_32_new_value_is_masked_at_once_and_stays_the_same_in_a_run(told: Told) -> None:
    made = resolver({"a": GenerateSource("hex")}, told=told)
    value = text(made.resolve(["a"])["a"])
    assert told.masked[0] == value
    assert text(made.resolve(["a"])["a"]) == value


def test_only_generated_values_are_generated() -> None:
    made = resolver({"a": EnvSource("A"), "b": GenerateSource("hex")})
    for name in ("a", "absent"):
        with pytest.raises(SourceError) as refused:
            made.generate(name)
        failure(refused.value, "VL06")
    assert made.generate("b") != made.generate("b")
