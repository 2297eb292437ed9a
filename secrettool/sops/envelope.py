"""Envelopes: `ENC[AES256_GCM,data:...,iv:...,tag:...,type:...]`, the sealed form of one leaf.

Source: sops 3.13 aes/cipher.go; NIST SP 800-38D.
"""

from __future__ import annotations

import re
from binascii import a2b_base64, b2a_base64
from typing import NamedTuple, NewType

from secrettool.sops.values import Kind

DataKey = NewType("DataKey", bytes)
"""32 bytes, one per file."""

DATA_KEY_SIZE = 32  # bytes
NONCE_SIZE = 32  # bytes; the format's own, GCM's usual is 12
TAG_SIZE = 16  # bytes

_BASE64 = r"[A-Za-z0-9+/]+={0,2}\Z"
# What programs write: one way to read it, and twice as fast as the reference's expression below, which is for everything else.
_USUAL = re.compile(r"ENC\[AES256_GCM,data:([A-Za-z0-9+/]+={0,2}),iv:([A-Za-z0-9+/]+={0,2}),tag:([A-Za-z0-9+/]+={0,2}),type:([a-z]+)\]\Z")
_ENVELOPE = re.compile(r"ENC\[AES256_GCM,data:(.+),iv:(.+),tag:(.+),type:(.+)\]")


class EnvelopeError(ValueError):
    """An envelope that cannot be opened; its text never quotes the envelope."""


class NoEnvelopeError(EnvelopeError):
    """A text that is no envelope at all."""


class Opened(NamedTuple):
    """An opened envelope: its type word and the plaintext."""

    kind: Kind
    text: str


_new = tuple.__new__  # what `Opened(...)` comes down to, at half the time


def additional_data(path: tuple[str, ...]) -> bytes:
    """What binds an envelope to its place: the keys of the path, each followed by `:`; a lone `:` for the empty path."""
    return (":".join(path) + ":").encode("utf-8", "surrogateescape")


def looks_sealed(text: str) -> bool:
    """Whether the text starts with an envelope."""
    return text.startswith("ENC[") and _ENVELOPE.match(text) is not None


class Cipher:
    """Seals and opens the leaves of one file under its data key.

    Args:
        key: The data key, 32 bytes.

    Raises:
        ValueError: The key does not have 32 bytes.
    """

    __slots__ = ("_decrypt", "_encrypt", "_invalid_tag")

    def __init__(self, key: DataKey) -> None:
        # Here, since the stores are read where nothing is encrypted, too.
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        if len(key) != DATA_KEY_SIZE:
            raise ValueError("a data key has 32 bytes")
        self._invalid_tag: type[Exception] = InvalidTag
        gcm = AESGCM(key)
        self._encrypt, self._decrypt = gcm.encrypt, gcm.decrypt

    def seal(self, text: str, kind: Kind, *, aad: bytes, nonce: bytes) -> str:
        """Encrypt one plaintext.

        Args:
            text: The plaintext, at least one character; the format leaves empty leaves open.
            kind: Type word for the envelope.
            aad: Additional data: the path's keys joined by `:`, with a final `:`.
            nonce: Fresh bytes for every value, 32 of them.
        """
        sealed = self._encrypt(nonce, text.encode("utf-8", "surrogateescape"), aad)
        data = b2a_base64(sealed[:-TAG_SIZE], newline=False)
        iv = b2a_base64(nonce, newline=False)
        tag = b2a_base64(sealed[-TAG_SIZE:], newline=False)
        return (b"ENC[AES256_GCM,data:%b,iv:%b,tag:%b,type:" % (data, iv, tag)).decode("ascii") + kind + "]"

    def seal_bytes(self, plain: bytes, *, aad: bytes, nonce: bytes) -> bytes:
        """Encrypt something that is not a leaf; returns ciphertext and tag (16 bytes)."""
        return self._encrypt(nonce, plain, aad)

    def open_bytes(self, sealed: bytes, *, aad: bytes, nonce: bytes) -> bytes:
        """Open what `seal_bytes` gave.

        Raises:
            EnvelopeError: Not sealed under this key with this additional data.
        """
        try:
            return self._decrypt(nonce, sealed, aad)
        except (self._invalid_tag, ValueError):
            raise EnvelopeError("the tag does not verify") from None

    def open(self, envelope: str, *, aad: bytes) -> Opened:
        """Decrypt one envelope.

        Args:
            envelope: The text of the leaf; what follows its last `]` is ignored, as the reference does.
            aad: Additional data of the place where the envelope stands.

        Raises:
            EnvelopeError: Not an envelope, not base64, or not sealed under this key for this place.
        """
        data, nonce, kind = _parts(envelope)
        try:
            plain = self._decrypt(nonce, data, aad)
        except self._invalid_tag:
            raise EnvelopeError("the tag does not verify: changed, moved from another key, or not of this file") from None
        except ValueError:
            raise EnvelopeError("iv has a length that cannot be used") from None
        return _new(Opened, (kind, plain.decode("utf-8", "surrogateescape")))


def nonce_of(envelope: str) -> bytes:
    """The nonce that an envelope was sealed under.

    Raises:
        EnvelopeError: Not an envelope.
    """
    return _parts(envelope)[1]


def _parts(envelope: str) -> tuple[bytes, bytes, Kind]:
    """Ciphertext with tag, nonce, and type word."""
    match = _USUAL.match(envelope)
    data, iv, tag, kind = match.groups() if match is not None else _split(envelope)
    if (len(iv) | len(data) | len(tag)) & 3:  # Python takes surplus padding, Go does not
        raise EnvelopeError("a part of the envelope is not base64")
    return a2b_base64(data) + a2b_base64(tag), a2b_base64(iv), kind


def _split(envelope: str) -> tuple[str, str, str, str]:
    """Data, iv, tag and type word of an envelope that is not written as usual."""
    match = _ENVELOPE.match(envelope)
    if match is None:
        raise NoEnvelopeError("the text is not an envelope")
    data, iv, tag, kind = match.groups()
    for part in (data, iv, tag):
        if not re.compile(_BASE64).match(part):
            raise EnvelopeError("a part of the envelope is not base64")
    return data, iv, tag, kind
