"""Secrets of the HTTP side.

They are read from their files each time they are needed, so that a file that is replaced counts at once, and compared in equal time.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from hmac import compare_digest
from typing import Final

from secrettool import fs
from secrettool.errors import InputError

LIMIT: Final = 64 * 1024
"""Most bytes of such a file."""

SHORTEST: Final = 16
"""Fewest characters of a secret that lets somebody in: what is shorter can be guessed."""


def read_secret(what: str, file: str, *, shortest: int = 1) -> bytes:
    """A secret without white space around it.

    Args:
        what: What it is, for errors.
        file: Where it is.
        shortest: Fewest bytes.

    Raises:
        InputError: It is not there, too short, or holds more than one line.
    """
    secret = fs.read(file, limit=LIMIT)[0].strip()
    if len(secret) < shortest:
        problem = f"holds a {what} of less than {shortest} characters" if secret else f"holds no {what}"
    elif any(byte < 0x20 for byte in secret):
        problem = f"holds more than a {what}"
    else:
        return secret
    error = InputError(problem)
    error.file = file
    raise error


def read_text(what: str, file: str) -> str:
    """A secret that goes into a URL or a header.

    Raises:
        InputError: As of `read_secret`, or it has characters that fit into neither.
    """
    secret = read_secret(what, file)
    if not secret.isascii() or b" " in secret or b"\x7f" in secret:
        error = InputError(f"holds what cannot be a {what}")
        error.file = file
        raise error
    return secret.decode("ascii")


def is_bearer(header: str, token: bytes) -> bool:
    """Whether a header `Authorization` holds a bearer token."""
    scheme, _, given = header.partition(" ")
    return scheme.lower() == "bearer" and compare_digest(given.strip().encode("latin-1", "replace"), token)


def is_password(header: str, token: bytes) -> bool:
    """Whether a header `Authorization` holds the token as the password of a user of any name: the way in for browsers."""
    scheme, _, given = header.partition(" ")
    if scheme.lower() != "basic":
        return False
    try:
        _, _, password = b64decode(given.strip(), validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return False
    return compare_digest(password, token)
