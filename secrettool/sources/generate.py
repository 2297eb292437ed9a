"""New values, from the randomness of the system.

Source: section 3 of the patcher's requirements; age's `age-keygen` for the form of its keys.
"""

from __future__ import annotations

import secrets
import string
from base64 import b64encode, urlsafe_b64encode
from typing import Final, assert_never

from secrettool.sources.model import GenerateSource
from secrettool.sources.value import SecretValue

_ALNUM: Final = string.ascii_letters + string.digits
_AGE_KEY_SIZE: Final = 32  # bytes


def generate(source: GenerateSource) -> SecretValue:
    """A new value, each time another one."""
    return SecretValue(_text(source).encode("ascii"))


def _text(source: GenerateSource) -> str:
    match source.type:
        case "hex":
            return secrets.token_hex(source.size)
        case "base64":
            return b64encode(secrets.token_bytes(source.size)).decode("ascii")
        case "base64url":
            return urlsafe_b64encode(secrets.token_bytes(source.size)).rstrip(b"=").decode("ascii")
        case "alnum":
            return "".join(secrets.choice(_ALNUM) for _ in range(source.size))
        case "uuid":
            from uuid import uuid4

            return str(uuid4())
        case "age":
            return _age_key()
    assert_never(source.type)


def _age_key() -> str:
    from secrettool.keys import bech32, rage

    private = bech32.encode("age-secret-key-", secrets.token_bytes(_AGE_KEY_SIZE)).upper()
    return f"# public key: {rage.x25519_recipient(private)}\n{private}\n"
