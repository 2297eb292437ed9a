from __future__ import annotations

from collections.abc import Mapping

import pytest

from secrettool.keys import age_file, age_hybrid, bech32
from secrettool.keys.age_file import AgeFile, AgeFileError, Stanza

PLAIN = b"thirty-two bytes of a data key.."


@pytest.fixture
def sealed(public: Mapping[str, str]) -> AgeFile:
    return age_file.parse(age_hybrid.encrypt(PLAIN, public["pq"]))


def test_decrypt_opens_what_encrypt_sealed(sealed: AgeFile, private: Mapping[str, str]) -> None:
    assert age_hybrid.decrypt(sealed, age_hybrid.parse_identity(private["pq"])) == PLAIN


def test_decrypt_finds_its_stanza_among_others(public: Mapping[str, str], private: Mapping[str, str], sealed: AgeFile) -> None:
    other = age_hybrid.encrypt(PLAIN, public["pq"])
    foreign = age_file.parse(other).stanzas[0]._replace(body=bytes(32))
    file = sealed._replace(stanzas=(Stanza("X25519", ("a",), b""), foreign, *sealed.stanzas))
    assert age_hybrid.decrypt(file, age_hybrid.parse_identity(private["pq"])) == PLAIN


def test_decrypt_finds_nothing_for_another_identity(sealed: AgeFile) -> None:
    other = bech32.encode(age_hybrid.IDENTITY_PREFIX, bytes(32)).upper()
    assert age_hybrid.decrypt(sealed, age_hybrid.parse_identity(other)) is None


@pytest.mark.parametrize(
    "stanza",
    [
        Stanza(age_hybrid.STANZA_TYPE, (), bytes(32)),
        Stanza(age_hybrid.STANZA_TYPE, ("AA",), bytes(32)),
        Stanza(age_hybrid.STANZA_TYPE, ("AA", "AA"), bytes(32)),
        Stanza(age_hybrid.STANZA_TYPE, (age_file.encode_base64(bytes(1120)),), bytes(31)),
    ],
)
def test_decrypt_refuses_a_malformed_stanza(sealed: AgeFile, private: Mapping[str, str], stanza: Stanza) -> None:
    with pytest.raises(AgeFileError, match="malformed"):
        age_hybrid.decrypt(sealed._replace(stanzas=(stanza,)), age_hybrid.parse_identity(private["pq"]))


def test_decrypt_refuses_a_changed_payload(sealed: AgeFile, private: Mapping[str, str]) -> None:
    with pytest.raises(AgeFileError, match="payload"):
        age_hybrid.decrypt(sealed._replace(payload=sealed.payload[:-1]), age_hybrid.parse_identity(private["pq"]))


def test_recipient_of_age_keygen_is_derived_from_its_seed(public: Mapping[str, str], private: Mapping[str, str]) -> None:
    identity = age_hybrid.parse_identity(private["pq"])
    message = age_hybrid._suite().encrypt(b"x", identity.public_key(), b"i")
    assert age_hybrid._suite().decrypt(message, identity, b"i") == b"x"
    assert age_hybrid._suite().decrypt(age_hybrid._suite().encrypt(b"y", age_hybrid.parse_recipient(public["pq"]), b"i"), identity, b"i") == b"y"


@pytest.mark.parametrize("text", [bech32.encode("age1pq", bytes(8)), bech32.encode("age", bytes(1216))])
def test_parse_recipient_refuses_a_wrong_size_or_prefix(text: str) -> None:
    with pytest.raises(ValueError, match="invalid MLKEM768-X25519 public key"):
        age_hybrid.parse_recipient(text)


def test_parse_identity_refuses_a_wrong_size() -> None:
    with pytest.raises(ValueError, match="invalid MLKEM768-X25519 secret key"):
        age_hybrid.parse_identity(bech32.encode(age_hybrid.IDENTITY_PREFIX, bytes(31)).upper())
