"""The MAC: a sealed digest over the leaves of a file.

Source: sops 3.13 sops.go (Tree.Encrypt, Tree.Decrypt, MACOnlyEncryptedInitialization).
"""

from __future__ import annotations

from cryptography.hazmat.primitives.hashes import SHA256, SHA512, Hash, HashAlgorithm

from secrettool.sops.values import Value, plain_text


def _digest(algorithm: HashAlgorithm, *parts: bytes) -> bytes:
    # The library that seals the values is loaded anyway; `hashlib` would load a second OpenSSL.
    state = Hash(algorithm)
    for part in parts:
        state.update(part)
    return state.finalize()


class Mac:
    """Collects leaves in the order of the walk.

    Args:
        only_encrypted: `mac_only_encrypted`: only leaves that are selected for encryption count.
    """

    __slots__ = ("_add", "_parts", "only_encrypted")

    def __init__(self, only_encrypted: bool) -> None:
        self._parts: list[str] = []
        self._add = self._parts.append
        self.only_encrypted = only_encrypted

    def add(self, value: Value, selected: bool) -> None:
        """Add a leaf that is not null; comments never count.

        Args:
            value: The plain value; its canonical bytes are hashed, whatever the text looks like.
            selected: Whether the leaf is encrypted.
        """
        if selected or not self.only_encrypted:
            self._add(value if value.__class__ is str else plain_text(value))

    def text(self) -> str:
        """The digest, 128 upper-case hexadecimal digits. It is an unkeyed hash of secrets: only ever to be sealed."""
        start = _digest(SHA256(), b"sops") if self.only_encrypted else b""
        return _digest(SHA512(), start, "".join(self._parts).encode("utf-8", "surrogateescape")).hex().upper()
