"""Post-quantum age keys: recipients `age1pq1...`, identities `AGE-SECRET-KEY-PQ-1...`, stanza `mlkem768x25519`.

pyrage does not know them yet. HPKE (RFC 9180, base mode) with the hybrid of ML-KEM-768 and X25519 comes from `cryptography`.

Source: age pq.go; filippo.io/hpke.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from secrettool.keys import age_file, bech32
from secrettool.keys.age_file import AgeFile, AgeFileError, Stanza

if TYPE_CHECKING:
    from cryptography.hazmat.primitives import hpke

STANZA_TYPE = "mlkem768x25519"
RECIPIENT_PREFIX = "age1pq"
IDENTITY_PREFIX = "age-secret-key-pq-"
PUBLIC_SIZE = 1216
"""Bytes of a recipient: ML-KEM-768 key, 1184, then X25519 key, 32."""

_LABEL = b"age-encryption.org/mlkem768x25519"
_MLKEM_PUBLIC_SIZE = 1184
_SEED_SIZE = 32
_MLKEM_SEED_SIZE = 64
_X25519_SIZE = 32
_ENCAPSULATED_SIZE = 1120
_FILE_KEY_SIZE = 16
_BODY_SIZE = _FILE_KEY_SIZE + 16
_NONCE_SIZE = 16


def _suite() -> hpke.Suite:
    from cryptography.hazmat.primitives import hpke

    return hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.CHACHA20_POLY1305)


def parse_identity(text: str) -> hpke.MLKEM768X25519PrivateKey:
    """The private key of an identity.

    Args:
        text: `AGE-SECRET-KEY-PQ-1...`, upper case.

    Raises:
        ValueError: It is malformed; the text says how and quotes nothing.
        cryptography.exceptions.UnsupportedAlgorithm: The OpenSSL underneath has no ML-KEM.
    """
    from cryptography.hazmat.primitives import hashes, hpke
    from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    prefix, seed = bech32.decode(text)
    if prefix != IDENTITY_PREFIX or len(seed) != _SEED_SIZE:
        raise ValueError("invalid MLKEM768-X25519 secret key")
    shake = hashes.Hash(hashes.SHAKE256(_MLKEM_SEED_SIZE + _X25519_SIZE))
    shake.update(seed)
    both = shake.finalize()
    return hpke.MLKEM768X25519PrivateKey(
        MLKEM768PrivateKey.from_seed_bytes(both[:_MLKEM_SEED_SIZE]),
        X25519PrivateKey.from_private_bytes(both[_MLKEM_SEED_SIZE:]),
    )


def parse_recipient(text: str) -> hpke.MLKEM768X25519PublicKey:
    """The public key of a recipient `age1pq1...`.

    Raises:
        ValueError: It is malformed.
        cryptography.exceptions.UnsupportedAlgorithm: The OpenSSL underneath has no ML-KEM.
    """
    from cryptography.hazmat.primitives import hpke
    from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PublicKey
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

    prefix, public = bech32.decode(text)
    if prefix != RECIPIENT_PREFIX or len(public) != PUBLIC_SIZE:
        raise ValueError("invalid MLKEM768-X25519 public key")
    return hpke.MLKEM768X25519PublicKey(
        MLKEM768PublicKey.from_public_bytes(public[:_MLKEM_PUBLIC_SIZE]),
        X25519PublicKey.from_public_bytes(public[_MLKEM_PUBLIC_SIZE:]),
    )


def encrypt(plain: bytes, recipient: str) -> bytes:
    """Seal bytes for one post-quantum recipient: an age file without armour.

    Raises:
        ValueError: The recipient is malformed.
        cryptography.exceptions.UnsupportedAlgorithm: The OpenSSL underneath has no ML-KEM.
    """
    public = parse_recipient(recipient)
    file_key = os.urandom(_FILE_KEY_SIZE)
    sealed = _suite().encrypt(file_key, public, _LABEL)
    encapsulated = age_file.encode_base64(sealed[:_ENCAPSULATED_SIZE])
    stanza = Stanza(STANZA_TYPE, (encapsulated,), sealed[_ENCAPSULATED_SIZE:])
    return age_file.seal([stanza], file_key, os.urandom(_NONCE_SIZE), plain)


def decrypt(file: AgeFile, identity: hpke.MLKEM768X25519PrivateKey) -> bytes | None:
    """Open an age file with a post-quantum identity.

    Returns:
        The plain bytes, or None when no stanza is for this identity.

    Raises:
        AgeFileError: A stanza of this type is malformed, or the file was changed.
    """
    from cryptography.exceptions import InvalidTag

    suite = _suite()
    for stanza in file.stanzas:
        if stanza.type != STANZA_TYPE:
            continue
        if len(stanza.args) != 1 or len(stanza.body) != _BODY_SIZE:
            raise AgeFileError(f"malformed {STANZA_TYPE} stanza")
        encapsulated = age_file.decode_base64(stanza.args[0])
        if len(encapsulated) != _ENCAPSULATED_SIZE:
            raise AgeFileError(f"malformed {STANZA_TYPE} stanza")
        try:
            file_key = suite.decrypt(encapsulated + stanza.body, identity, _LABEL)
        except InvalidTag:
            continue
        return age_file.unseal(file, file_key)
    return None
