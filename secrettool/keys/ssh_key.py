"""SSH keys as age uses them: the public blob, its tag, and private keys in every form that `ssh-keygen` writes.

pyrage reads unprotected OpenSSH and PKCS#1 keys only; protected ones and PKCS#8 are turned into that form in memory.

Source: RFC 4253 section 6.6; OpenSSH PROTOCOL.key; age agessh/agessh.go, agessh/encrypted_keys.go.
"""

from __future__ import annotations

import binascii
from typing import TYPE_CHECKING

from secrettool.keys.age_file import encode_base64

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.serialization.ssh import SSHPrivateKeyTypes

KEY_TYPES = ("ssh-ed25519", "ssh-rsa")
"""The SSH key types that age knows; also the names of their stanzas."""

MIN_RSA_BITS = 2048

_ED25519_SIZE = 32
_TAG_SIZE = 4
_OPENSSH_BEGIN = b"-----BEGIN OPENSSH PRIVATE KEY-----"
_OPENSSH_END = b"-----END OPENSSH PRIVATE KEY-----"
_OPENSSH_MAGIC = b"openssh-key-v1\0"


class SshKeyError(ValueError):
    """An SSH key that cannot be used; the text holds nothing of it."""


def _fields(data: bytes, count: int) -> list[bytes]:
    """The first length-prefixed strings of SSH wire data."""
    found: list[bytes] = []
    place = 0
    for _ in range(count):
        size = int.from_bytes(data[place : place + 4], "big")
        field = data[place + 4 : place + 4 + size]
        if len(data) < place + 4 or len(field) < size:
            raise SshKeyError("the key is cut off")
        found.append(field)
        place += 4 + size
    return found


def blob_type(blob: bytes) -> str:
    """The key type that a public key blob names.

    Raises:
        SshKeyError: The blob is cut off.
    """
    return _fields(blob, 1)[0].decode("latin-1")


def parse_public(line: str) -> bytes:
    """The blob of a public key line, `type base64 comment`. The blob names the type; the first word is not compared, as in Go.

    Raises:
        SshKeyError: Malformed, of another type than age knows, or RSA below 2048 bits.
    """
    words = line.split(None, 2)
    if len(words) < 2:
        raise SshKeyError("no key found")
    if len(words[1]) % 4:
        raise SshKeyError("malformed base64")
    try:
        blob = binascii.a2b_base64(words[1], strict_mode=True)
    except (binascii.Error, ValueError):
        raise SshKeyError("malformed base64") from None
    kind = blob_type(blob)
    if kind == "ssh-ed25519":
        if len(_fields(blob, 2)[1]) != _ED25519_SIZE:
            raise SshKeyError("wrong size of the Ed25519 key")
    elif kind == "ssh-rsa":
        if int.from_bytes(_fields(blob, 3)[2], "big").bit_length() <= MIN_RSA_BITS - 8:
            raise SshKeyError("RSA key size is too small")
    else:
        raise SshKeyError("unknown SSH recipient type; age knows ssh-ed25519 and ssh-rsa")
    return blob


def public_line(blob: bytes) -> str:
    """The line `type base64` of a public key blob, without a comment."""
    return f"{blob_type(blob)} {binascii.b2a_base64(blob, newline=False).decode()}"


def tag(blob: bytes) -> str:
    """The first argument of a stanza for this key: the start of the blob's SHA-256, in base64."""
    import hashlib  # another OpenSSL, which only files for SSH keys shall wait for

    return encode_base64(hashlib.sha256(blob).digest()[:_TAG_SIZE])


def public_blob(private: bytes) -> bytes | None:
    """The public blob that an OpenSSH private key carries in the clear, protected or not; None for other forms.

    Raises:
        SshKeyError: The key is cut off or malformed.
    """
    start = private.find(_OPENSSH_BEGIN)
    if start < 0:
        return None
    end = private.find(_OPENSSH_END, start)
    if end < 0:
        raise SshKeyError("the key is cut off")
    try:
        data = binascii.a2b_base64(private[start + len(_OPENSSH_BEGIN) : end])
    except binascii.Error:
        raise SshKeyError("malformed base64") from None
    if not data.startswith(_OPENSSH_MAGIC):
        raise SshKeyError("not an OpenSSH private key of version 1")
    data = data[len(_OPENSSH_MAGIC) :]
    head = _fields(data, 3)
    return _fields(data[sum(len(field) + 4 for field in head) + 4 :], 1)[0]


def is_protected(private: bytes) -> bool:
    """Whether the private key needs a passphrase.

    Raises:
        SshKeyError: It is malformed.
    """
    if public_blob(private) is not None:
        start = private.find(_OPENSSH_BEGIN) + len(_OPENSSH_BEGIN)
        data = binascii.a2b_base64(private[start : private.find(_OPENSSH_END)])
        return _fields(data[len(_OPENSSH_MAGIC) :], 1)[0] != b"none"
    return b"-----BEGIN ENCRYPTED PRIVATE KEY-----" in private or b"Proc-Type: 4,ENCRYPTED" in private


def _load(private: bytes, passphrase: bytes | None) -> SSHPrivateKeyTypes:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_ssh_private_key

    load = load_ssh_private_key if _OPENSSH_BEGIN in private else load_pem_private_key
    try:
        key = load(private, passphrase)
    except UnsupportedAlgorithm as error:
        if "bcrypt" in str(error):
            raise SshKeyError("a protected OpenSSH key needs the Python package bcrypt, which is not installed") from None
        raise SshKeyError("the key is protected by a cipher that is not supported") from None
    except (ValueError, TypeError):
        reason = "malformed SSH identity" if passphrase is None else "incorrect passphrase, or a malformed key"
        raise SshKeyError(reason) from None
    if not isinstance(key, Ed25519PrivateKey | RSAPrivateKey):
        raise SshKeyError("unsupported SSH key type; age knows ssh-ed25519 and ssh-rsa")
    return key


def unprotected(private: bytes, passphrase: bytes | None) -> bytes:
    """The same private key as an OpenSSH file without passphrase, in memory.

    Args:
        private: OpenSSH, PKCS#1 or PKCS#8, PEM.
        passphrase: None when it needs none.

    Raises:
        SshKeyError: Wrong passphrase, malformed, another type than Ed25519 or RSA, or `bcrypt` is missing.
    """
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return _load(private, passphrase).private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
