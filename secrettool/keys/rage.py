"""The one door to pyrage for keys that need no plugin: typed, and with our own errors.

Source: pyrage 1.4 (bindings of the Rust library `age`).
"""

from __future__ import annotations

from typing import NewType

import pyrage  # type: ignore[import-untyped]

RageIdentity = NewType("RageIdentity", object)
"""A private key inside the library; its `repr` shows nothing."""

NO_MATCH = "No matching keys found"
"""What the library says when no stanza is for the identity, which is no failure here."""


class RageError(Exception):
    """The library refused; the text is ours and quotes nothing."""


def x25519_identity(text: str) -> RageIdentity:
    """The identity `AGE-SECRET-KEY-1...`.

    Raises:
        RageError: It is malformed.
    """
    try:
        return RageIdentity(pyrage.x25519.Identity.from_str(text))
    except pyrage.IdentityError:
        raise RageError("malformed secret key") from None


def x25519_recipient(text: str) -> str:
    """The recipient `age1...` of the identity `AGE-SECRET-KEY-1...`.

    Raises:
        RageError: It is malformed.
    """
    try:
        return str(pyrage.x25519.Identity.from_str(text).to_public())
    except pyrage.IdentityError:
        raise RageError("malformed secret key") from None


def ssh_identity(private: bytes) -> RageIdentity:
    """The identity of an SSH private key in OpenSSH form without passphrase.

    Raises:
        RageError: It is malformed.
    """
    try:
        return RageIdentity(pyrage.ssh.Identity.from_buffer(private))
    except pyrage.IdentityError:
        raise RageError("malformed SSH identity") from None


def decrypt(raw: bytes, identity: RageIdentity) -> bytes | None:
    """Open an age file, or return None when no stanza is for the identity.

    Raises:
        RageError: The file was changed or cut off.
    """
    try:
        plain: bytes = pyrage.decrypt(raw, [identity])
    except pyrage.DecryptError as error:
        if str(error) == NO_MATCH:
            return None
        raise RageError("it fits, but the age file of this entry was changed or cut off") from None
    return plain


def decrypt_with_passphrase(raw: bytes, passphrase: str) -> bytes:
    """Open an age file that is sealed with a passphrase.

    Raises:
        RageError: The passphrase is wrong or the file damaged, which the library cannot tell apart.
    """
    try:
        plain: bytes = pyrage.passphrase.decrypt(raw, passphrase)
    except pyrage.DecryptError:
        raise RageError("incorrect passphrase, or a damaged file") from None
    return plain


def encrypt(plain: bytes, recipient: str, tag: str | None) -> str:
    """Seal bytes for one recipient: an armoured age file.

    Args:
        plain: What to seal.
        recipient: `age1...`, `ssh-ed25519 <base64>` or `ssh-rsa <base64>`.
        tag: `tag` or `tagpq` for the recipients of that name, which need no plugin here; else None.

    Raises:
        RageError: The public key is not valid.
    """
    try:
        if tag is not None:
            parsed = (pyrage.tagpq if tag == "tagpq" else pyrage.tag).Recipient.from_str(recipient)
        elif recipient.startswith("ssh-"):
            parsed = pyrage.ssh.Recipient.from_str(recipient)
        else:
            parsed = pyrage.x25519.Recipient.from_str(recipient)
        sealed: bytes = pyrage.encrypt(plain, [parsed], armored=True)
    except (pyrage.RecipientError, pyrage.EncryptError):
        raise RageError("the public key of this recipient is not valid") from None
    return sealed.decode("ascii")
