"""A runtime whose keyring seals nothing: the verbs are tested apart from the backends."""

from __future__ import annotations

import os

import pytest

from secrettool.sops.document import EncryptionPlan, Runtime
from secrettool.sops.keygroups import KeyFailure, MasterKey


class OpenKeyring:
    """Writes the part of the data key in hexadecimal; `locked` recipients cannot open it again."""

    def __init__(self) -> None:
        self.locked: set[str] = set()

    def wrap(self, key: MasterKey, part: bytes) -> MasterKey:
        """See `Keyring`."""
        return MasterKey(key.kind, key.fields, part.hex(), key.created_at)

    def unwrap(self, key: MasterKey) -> bytes:
        """See `Keyring`."""
        if key.text in self.locked:
            raise KeyFailure(["locked"])
        return bytes.fromhex(key.enc)


@pytest.fixture
def runtime() -> Runtime:
    times = iter(f"2031-07-09T08:{minute:02d}:00Z" for minute in range(60))
    return Runtime(OpenKeyring(), os.urandom, lambda: next(times))


@pytest.fixture
def plan() -> EncryptionPlan:
    return EncryptionPlan(((MasterKey("age", {"recipient": "age1one"}),),))
