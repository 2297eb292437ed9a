"""The MAC: a sealed digest over the leaves of a file.

Source: sops 3.13 sops.go (Tree.Encrypt, Tree.Decrypt, MACOnlyEncryptedInitialization).
"""

from __future__ import annotations

import hashlib

from secrettool.sops.values import Value, plain_text

_ONLY_ENCRYPTED = hashlib.sha256(b"sops").digest()


class Mac:
    """Collects leaves in the order of the walk.

    Args:
        only_encrypted: `mac_only_encrypted`: only leaves that are selected for encryption count.
    """

    __slots__ = ("_hash", "_update", "only_encrypted")

    def __init__(self, only_encrypted: bool) -> None:
        self._hash = hashlib.sha512()
        self.only_encrypted = only_encrypted
        if only_encrypted:
            self._hash.update(_ONLY_ENCRYPTED)
        self._update = self._hash.update

    def add(self, value: Value, selected: bool) -> None:
        """Add a leaf that is not null; comments never count.

        Args:
            value: The plain value; its canonical bytes are hashed, whatever the text looks like.
            selected: Whether the leaf is encrypted.
        """
        if selected or not self.only_encrypted:
            text = value if value.__class__ is str else plain_text(value)
            self._update(text.encode("utf-8", "surrogateescape"))

    def text(self) -> str:
        """The digest, 128 upper-case hexadecimal digits. It is an unkeyed hash of secrets: only ever to be sealed."""
        return self._hash.hexdigest().upper()
