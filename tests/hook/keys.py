"""Keys for the tests of the hook: those of a case, and those of one identity."""

from __future__ import annotations

import os

from secrettool.flux import FluxKustomization
from secrettool.hook import KeySecret, KeySet, find_key_secrets
from secrettool.library import encrypt
from tests.hook import cases

IDENTITY_A = cases.key("age-a.txt")
IDENTITY_B = cases.key("age-b.txt")
IDENTITY_C = cases.key("age-c.txt")
SUBJECT = "Secret/team/sops-keys"

AGE_SECRET = (cases.CONTROLLER_NAMESPACE, cases.GLOBAL_SECRET)


def recipient_of(identity: bytes) -> str:
    """The recipient that a file of age-keygen names."""
    return identity.decode().partition("public key: ")[2].split()[0]


def key_set(case: cases.Case, *, env_keys: bool = True) -> KeySet:
    """The keys of the pass of a case.

    Raises:
        KeyUnavailable: The pass fails at the stage `keys`.
    """
    named = case.global_secret_name
    age_secret = None if named is None else (cases.CONTROLLER_NAMESPACE, named)
    secret, fallback = find_key_secrets(FluxKustomization.from_object(case.flux), case.read_secret, age_secret=age_secret)
    environ = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **case.environ}
    return KeySet(secret, age_secret=fallback, environ=environ, env_keys=env_keys)


def keys_of(*identities: bytes, env_keys: bool = False) -> KeySet:
    """A key set of age identities, each an entry."""
    return KeySet(KeySecret(SUBJECT, {f"{number}.agekey": identity for number, identity in enumerate(identities)}), env_keys=env_keys)


def sealed(plain: str, store: str = "yaml", *, identity: bytes = IDENTITY_A) -> str:
    """A text, encrypted for one of the identities."""
    return str(encrypt(plain, store, recipients=[recipient_of(identity)]))  # type: ignore[arg-type]
