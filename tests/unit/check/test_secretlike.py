"""What looks like a secret."""

from __future__ import annotations

from base64 import b64encode
from random import Random
from string import ascii_letters, digits

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrettool.check.secretlike import looks_secret

TOKENS = ("REPLACE_ME",)
RANDOM = Random(1)


def word(length: int, alphabet: str = ascii_letters + digits) -> str:
    return "".join(RANDOM.choices(alphabet, k=length))


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN OPENSSH PRIVATE KEY-----",
        "AGE-SECRET-KEY-1" + "Q" * 58,
        "token: ghp_" + "a" * 36,
        "hvs." + "a" * 24,
        "AKIA" + "A" * 16,
        "re_" + "a" * 8 + "_" + "b" * 24,
        "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
        word(24) + "aB3",
        b64encode(Random(2).randbytes(48)).decode(),
        word(40, "0123456789abcdef"),
    ],
)
def test_keys_and_random_words_look_secret(text: str) -> None:
    assert looks_secret(f"x={text} y", TOKENS)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "https://authentik.example.org/application/o/authorize/",
        "REPLACE_ME_run_openssl_rand_-base64_60_and_paste_here",
        "REPLACE_ME_" + "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7",
        "ssh-ed25519 " + b64encode(bytes(range(51))).decode(),
        "-----BEGIN CERTIFICATE-----\n" + b64encode(bytes(range(90))).decode() + "\n-----END CERTIFICATE-----",
        "ENC[AES256_GCM,data:" + b64encode(bytes(range(90))).decode() + ",type:str]",
        "registry.example.org/app@sha256:" + word(64, "0123456789abcdef"),
        "11111111-2222-4333-8444-555555555555",
        "00000000000000000000000000000000",
        b64encode(b"somebody:REPLACE_ME_password").decode(),
        "a.b.c/some-name_of-a-thing/With/Words/And/Slashes",
    ],
)
def test_words_of_people_and_public_things_do_not(text: str) -> None:
    assert not looks_secret(text, TOKENS)


@given(st.lists(st.sampled_from(["the", "database", "Password", "of", "production", "is", "in", "Vault", "42", "\n"]), max_size=30))
def test_sentences_do_not_look_secret(words: list[str]) -> None:
    assert not looks_secret(" ".join(words), TOKENS)


@pytest.mark.parametrize(
    ("piece", "is_secret"),
    [
        ("-----BEGIN CERTIFICATE-----", False),
        ("-----BEGIN ", False),
        ("ssh-", False),
        ("ENC[", False),
        ("sha256:", False),
        ("eyJaaaaaaaaaaaa-", False),
        ("re_aaaaaaaa", False),
        ("tskey-a-", True),
    ],
)
def test_repeated_beginnings_end_in_time(piece: str, is_secret: bool) -> None:
    """If each of them ran through the rest, this would take minutes."""
    assert looks_secret(piece * 50_000 + "!", TOKENS) is is_secret
