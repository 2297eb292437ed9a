"""Envelopes: sealing and opening one leaf; the fixed ones were made by the real sops 3.13.2."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrettool.sops.envelope import Cipher, DataKey, EnvelopeError, additional_data, looks_sealed, nonce_of

KEY = DataKey(bytes.fromhex("c06c805cf0026aa60bc5ddee66b75d286d7de35096491132e67541eea3548dfb"))
SEALED = [
    (
        (),
        " remark",
        "comment",
        "ENC[AES256_GCM,data:3ds4cuRDzg==,iv:Lz1N5aU3rJrUrrZ1wb+2lSBXhdWi/dUwIfySvHx83v8=,tag:JOfnaG1ERIkaJM3QTrUhQA==,type:comment]",
    ),
    (
        ("name",),
        "orchard",
        "str",
        "ENC[AES256_GCM,data:BVCI6XUXkg==,iv:XwTmSQhRiAJYBskReCsnH2xY8ZAPwhRob3izgE1zZII=,tag:ebJPJ8HJIZR7FxSa3dNadw==,type:str]",
    ),
    (("n",), "7", "int", "ENC[AES256_GCM,data:yQ==,iv:tXWcp5roDmMKzKS8w6a3VbGc33xu1g75dg33EhoSdX4=,tag:1nluRiGRWzeh2Tymg0+zRw==,type:int]"),
    (
        ("r",),
        "1000000000000000000000",
        "float",
        "ENC[AES256_GCM,data:ZbuSRylW4ZPS8mvWWZBMoZlkbN4wwg==,iv:52LDiwkVdjhm7mtE0TdyuhyYLgAbRVJMeVl5qyxiVJQ=,tag:P3fD5qdO1sqC+wAjgHZHPA==,type:float]",
    ),
    (
        ("list", "k"),
        "b",
        "str",
        "ENC[AES256_GCM,data:JQ==,iv:sS9aZEFun21f030SCKu/+bhkESujE+wCngWEZawrXI8=,tag:Tci5BvqcZ8ubPrmfCPgEqw==,type:str]",
    ),
]


@pytest.mark.parametrize(("path", "text", "kind", "envelope"), SEALED)
def test_open_gives_what_sops_sealed(path: tuple[str, ...], text: str, kind: str, envelope: str) -> None:
    opened = Cipher(KEY).open(envelope, aad=additional_data(path))
    assert (opened.text, opened.kind, len(nonce_of(envelope))) == (text, kind, 32)


@pytest.mark.parametrize(("path", "text", "kind", "envelope"), SEALED)
def test_seal_gives_the_same_bytes_under_the_same_nonce(path: tuple[str, ...], text: str, kind: str, envelope: str) -> None:
    cipher = Cipher(KEY)
    nonce = nonce_of(envelope)
    assert cipher.seal(text, kind, aad=additional_data(path), nonce=nonce) == envelope


@given(st.binary(min_size=1), st.lists(st.text()), st.binary(min_size=32, max_size=32))
def test_what_is_sealed_opens_again(plain: bytes, path: list[str], nonce: bytes) -> None:
    cipher = Cipher(KEY)
    text = plain.decode("utf-8", "surrogateescape")
    aad = additional_data(tuple(path))
    assert cipher.open(cipher.seal(text, "str", aad=aad, nonce=nonce), aad=aad).text == text


ENVELOPE = SEALED[1][3]


@pytest.mark.parametrize(
    "broken",
    [
        "",
        "orchard",
        " " + ENVELOPE,
        ENVELOPE[:-1],
        ENVELOPE.replace("data:BVCI6XUXkg==", "data:"),
        ENVELOPE.replace("data:B", "data:C"),
        ENVELOPE.replace("tag:e", "tag:f"),
        ENVELOPE.replace("iv:X", "iv:Y"),
        ENVELOPE.replace("data:BVCI6XUXkg==", "data:BVCI6XUXkg"),
        ENVELOPE.replace("data:BVCI6XUXkg==", "data:BVC I6XUXkg=="),
        ENVELOPE.replace("iv:XwTm", "iv:-_Tm"),
        ENVELOPE.replace("data:BVCI6XUXkg==", "data:BVCI6XUXkg==="),
        ENVELOPE.replace("data:BVCI6XUXkg==", "data:BVCI===="),
        ENVELOPE.replace("AES256_GCM", "AES128_GCM"),
        "ENC[AES256_GCM,data:BVCI6XUXkg==,iv:Xw==,tag:ebJPJ8HJIZR7FxSa3dNadw==,type:str]",
    ],
)
def test_open_refuses_what_is_broken_without_quoting_it(broken: str) -> None:
    with pytest.raises(EnvelopeError) as caught:
        Cipher(KEY).open(broken, aad=b"name:")
    assert "BVCI" not in str(caught.value) and "orchard" not in str(caught.value)


def test_open_refuses_another_place() -> None:
    with pytest.raises(EnvelopeError, match="tag does not verify"):
        Cipher(KEY).open(ENVELOPE, aad=b"other:")


def test_open_ignores_what_follows_the_envelope() -> None:
    assert Cipher(KEY).open(ENVELOPE + " trailing", aad=b"name:").text == "orchard"


@pytest.mark.parametrize("size", [12, 16, 64])
def test_open_takes_other_nonce_lengths(size: int) -> None:
    cipher = Cipher(KEY)
    assert cipher.open(cipher.seal("x", "str", aad=b":", nonce=os.urandom(size)), aad=b":").text == "x"


def test_cipher_refuses_a_short_key() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Cipher(DataKey(b"short"))


def test_additional_data_of_a_path_ends_with_a_colon() -> None:
    assert additional_data(()) == b":"
    assert additional_data(("a", "b")) == b"a:b:"


def test_looks_sealed_wants_a_whole_envelope() -> None:
    assert looks_sealed(ENVELOPE)
    assert not looks_sealed("ENC[AES256_GCM,data:x]")
    assert not looks_sealed("x" + ENVELOPE)


def test_bytes_sealed_beside_the_tree_open_only_with_their_additional_data() -> None:
    cipher = Cipher(KEY)
    sealed = cipher.seal_bytes(b"blob", aad=b"a", nonce=bytes(12))
    assert cipher.open_bytes(sealed, aad=b"a", nonce=bytes(12)) == b"blob"
    with pytest.raises(EnvelopeError):
        cipher.open_bytes(sealed, aad=b"b", nonce=bytes(12))
