"""Whether a webhook comes from a forge that knows our secret, by the rules of Flux's Receiver.

GitHub, Gitea, Forgejo   `X-Hub-Signature-256`, without it `X-Hub-Signature`: a signature, which is `sha256=`, `sha1=` or `sha512=` and the HMAC of
                         the body in hexadecimal digits
anybody                  `X-Signature`: a signature
GitLab                   `X-Gitlab-Token`: the secret itself

Source: fluxcd/notification-controller internal/server/receiver_handlers.go (types github, generic-hmac, gitlab), google/go-github github/messages.go;
go-gitea/gitea services/webhook/deliver.go sends GitHub's headers. Other than there, comparing a token takes equal time, and a request without any of
these headers is never let in.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
from collections.abc import Callable
from typing import Final

HASHES: Final = {"sha1": hashlib.sha1, "sha256": hashlib.sha256, "sha512": hashlib.sha512}

MEDIA_TYPES: Final = frozenset({"application/json", "application/x-www-form-urlencoded"})
"""Of bodies that GitHub signs."""


def is_known(header: Callable[[str], str], body: bytes, secret: bytes) -> bool:
    """Whether a request was made by somebody who knows the secret.

    Args:
        header: Gives a header by its name, empty when it is missing.
        body: All of the body, as it came.
        secret: What the forge was given.
    """
    signature = header("X-Hub-Signature-256") or header("X-Hub-Signature")
    media_type = header("Content-Type").partition(";")[0].strip().lower()
    return (
        (media_type in MEDIA_TYPES and is_signature(signature, body, secret))
        or is_signature(header("X-Signature"), body, secret)
        or hmac.compare_digest(header("X-Gitlab-Token").encode("latin-1", "replace"), secret)
    )


def is_signature(signature: str, body: bytes, secret: bytes) -> bool:
    """Whether a signature such as `sha256=...` is the one of a body."""
    name, _, digits = signature.partition("=")
    if name not in HASHES:
        return False
    try:
        given = binascii.unhexlify(digits)
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(given, hmac.digest(secret, body, HASHES[name]))


def sign(body: bytes, secret: bytes) -> str:
    """The signature of a body, for `X-Signature`."""
    return "sha256=" + hmac.digest(secret, body, "sha256").hex()
