"""Throwaway keys and keyrings for the tests of key backends."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from secrettool.keys import LocalKeyring, Prompt, age_file
from tests.interop.peers import missing

VECTORS = Path(__file__).parents[2] / "vectors"
NOW = "2031-01-02T03:04:05Z"

MakeKeyring = Callable[..., LocalKeyring]
Program = Callable[[str], str]


@pytest.fixture(scope="session")
def index() -> Any:
    """The index of the vectors: their keys and where their files are."""
    return yaml.load((VECTORS / "index.yaml").read_text(), yaml.CSafeLoader)


@pytest.fixture(scope="session")
def public(index: Any) -> Mapping[str, str]:
    """Recipient of each throwaway key of the vectors."""
    return {name: key["recipient"] for name, key in index["keys"].items()}


@pytest.fixture(scope="session")
def private() -> Mapping[str, str]:
    """Private key of each throwaway age key of the vectors."""
    names = ("age1", "age2", "age3", "age4", "pq")
    return {name: (VECTORS / "keys" / f"{name}.txt").read_text().splitlines()[-1] for name in names}


@pytest.fixture
def make_keyring(tmp_path: Path) -> MakeKeyring:
    """A keyring with an empty home and only the variables given."""

    def make(prompt: Prompt | None = None, **environ: str) -> LocalKeyring:
        return LocalKeyring({"PATH": os.environ["PATH"], "HOME": str(tmp_path), **environ}, now=lambda: NOW, prompt=prompt)

    return make


@pytest.fixture
def program() -> Program:
    """The path of a program; skips (in CI: fails) the test, naming it, when it is missing."""

    def find(name: str) -> str:
        return shutil.which(name) or missing(name, "install it")

    return find


@pytest.fixture
def ssh_keygen(program: Program, tmp_path: Path) -> Callable[..., Path]:
    """Makes an SSH key pair and returns the path of its private half."""
    exe = program("ssh-keygen")

    def make(kind: str, *, passphrase: str = "", form: str | None = None) -> Path:
        path = tmp_path / f"ssh_{kind}_{form}_{bool(passphrase)}"
        command = [exe, "-q", "-t", kind, "-N", passphrase, "-C", "me@example", "-f", str(path)]
        subprocess.run(command + (["-m", form] if form else []) + (["-b", "2048"] if kind == "rsa" else []), check=True)
        return path

    return make


@pytest.fixture
def lock() -> Callable[[bytes, str], bytes]:
    """Seals bytes with a passphrase as `age -p` does, with a work factor that makes tests quick."""

    def seal(plain: bytes, passphrase: str) -> bytes:
        salt, work_factor, file_key = bytes(range(16)), 4, bytes(16)
        salted = b"age-encryption.org/v1/scrypt" + salt
        secret = hashlib.scrypt(passphrase.encode(), salt=salted, n=1 << work_factor, r=8, p=1, dklen=32)
        body = ChaCha20Poly1305(secret).encrypt(bytes(12), file_key, None)
        stanza = age_file.Stanza("scrypt", (age_file.encode_base64(salt), str(work_factor)), body)
        return age_file.seal([stanza], file_key, bytes(16), plain)

    return seal
