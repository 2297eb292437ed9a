from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from secrettool.keys import LocalKeyring
from secrettool.sops.keygroups import KEY_TYPES, KeyFailure, MasterKey

MakeKeyring = Callable[..., LocalKeyring]
HEAVY = {
    "subprocess",
    "pathlib",
    "tempfile",
    "shlex",
    "logging",
    "urllib.parse",
    "cryptography.hazmat.primitives.hpke",
    "cryptography.hazmat.primitives.serialization",
}
FOREIGN = [name for name, kind in KEY_TYPES.items() if kind.extra]


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_kind_without_backend_names_its_extra(make_keyring: MakeKeyring, kind: str) -> None:
    with pytest.raises(KeyFailure, match="its entries are kept as they are") as caught:
        make_keyring().unwrap(MasterKey(kind, {}, "sealed"))
    assert f"secrettool[{KEY_TYPES[kind].extra}]" in str(caught.value.hint)
    with pytest.raises(KeyFailure):
        make_keyring().wrap(MasterKey(kind, {}), b"part")


@pytest.mark.parametrize("kind", list(KEY_TYPES))
def test_an_entry_without_sealed_key_says_so(make_keyring: MakeKeyring, kind: str) -> None:
    with pytest.raises(KeyFailure, match="holds no sealed data key"):
        make_keyring().unwrap(MasterKey(kind, {}))


def test_printing_a_keyring_shows_nothing_of_the_environment(make_keyring: MakeKeyring) -> None:
    assert repr(make_keyring(SOPS_AGE_KEY="AGE-SECRET-KEY-1X")) == "<LocalKeyring with nothing loaded>"


def loaded_by(script: str) -> set[str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    command = [sys.executable, "-c", f"{script}\nimport sys; print(*sys.modules)"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("module", ["secrettool.keys", "secrettool.keys.recipients"])
def test_importing_loads_no_backend(module: str) -> None:
    assert not loaded_by(f"import {module}") & (HEAVY | {"pyrage"})


def test_unwrapping_with_an_x25519_key_loads_nothing_heavy() -> None:
    script = (
        "import pyrage; from secrettool.keys import LocalKeyring; from secrettool.sops.keygroups import MasterKey\n"
        "identity = pyrage.x25519.Identity.generate(); recipient = str(identity.to_public())\n"
        "ring = LocalKeyring({'SOPS_AGE_KEY': str(identity)}, now=lambda: '', prompt=None)\n"
        "enc = pyrage.encrypt(b'part', [identity.to_public()], armored=True).decode()\n"
        "assert ring.unwrap(MasterKey('age', {'recipient': recipient}, enc)) == b'part'"
    )
    assert not loaded_by(script) & (HEAVY | {"secrettool.keys.pgp", "secrettool.keys.age_plugin"})
