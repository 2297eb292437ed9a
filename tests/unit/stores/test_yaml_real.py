"""The real sops opens every tricky file that we wrote, silently, and prints the values that it should."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

import secrettool
from secrettool.sops.selection import Selector
from secrettool.sops.values import Time, plain_text
from secrettool.stores.yaml import YamlStore
from tests.unit.stores.sealed_files import plain

pytestmark = pytest.mark.real

KEY = Path(__file__).parents[2] / "vectors" / "keys" / "age1.txt"
RECIPIENT = "age1jwuhmyextvr0rkcvvl8m367lm54t6k0m5yknsdf6nsstpwpccc3srskwc2"
CASES = sorted((Path(__file__).parents[2] / "lossless-cases").glob("*.yaml"))
SELECTORS = [Selector(), Selector("encrypted_regex", "^(data|spec|b|list|base|l)$")]


@pytest.fixture
def runtime() -> secrettool.Runtime:
    return secrettool.local_runtime({"SOPS_AGE_KEY_FILE": str(KEY), "HOME": "/nonexistent"})


def decrypted_by_sops(sops: Path, data: bytes, folder: Path) -> bytes:
    """What sops prints; it may say nothing on stderr, not even a warning."""
    file = folder / "file.yaml"
    file.write_bytes(data)
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "SOPS_AGE_KEY_FILE": str(KEY), "SOPS_DISABLE_VERSION_CHECK": "true"}
    done = subprocess.run([sops, "decrypt", str(file)], env=environ, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout


def encrypt(data: bytes, selector: Selector, runtime: secrettool.Runtime) -> bytes:
    """The encrypted form of a plain text."""
    sealed = secrettool.encrypt(data, "yaml", recipients=[RECIPIENT], selector=selector, runtime=runtime)
    assert isinstance(sealed, bytes)
    return sealed


def values(data: bytes) -> Any:
    """The documents without their comments."""

    def without(node: Any) -> Any:
        if isinstance(node, list):
            return [without(entry) for entry in node if not (isinstance(entry, tuple) and entry[0] == "#")]
        if isinstance(node, Time | float):
            return plain_text(node)
        return (node[0], without(node[1])) if isinstance(node, tuple) else str(node)

    return [without(plain(root)) for root in YamlStore().parse(data).tree]


@pytest.mark.parametrize("selector", SELECTORS, ids=["everything", "selected"])
@pytest.mark.parametrize("case", [case for case in CASES if "refused" not in case.name], ids=lambda case: case.stem)
def test_sops_opens_what_we_wrote(case: Path, selector: Selector, runtime: secrettool.Runtime, real_sops: Path, tmp_path: Path) -> None:
    data = case.read_bytes()
    sealed = encrypt(data, selector, runtime)
    assert secrettool.decrypt(sealed, "yaml", runtime=runtime) == data
    printed = decrypted_by_sops(real_sops, sealed, tmp_path)
    if case.stem != "02-notations":  # -0.0 comes back as the int 0
        assert values(printed) == values(data)
    assert printed.count(b"ENC[AES256_GCM") == data.count(b"ENC[AES256_GCM")


@pytest.mark.parametrize("case", [case for case in CASES if "refused" not in case.name], ids=lambda case: case.stem)
def test_sops_opens_what_we_rotated(case: Path, runtime: secrettool.Runtime, real_sops: Path, tmp_path: Path) -> None:
    data = case.read_bytes()
    sealed = encrypt(data, SELECTORS[0], runtime)
    rotated = secrettool.rotate(sealed, "yaml", runtime=runtime)
    assert isinstance(rotated, bytes)
    assert secrettool.decrypt(rotated, "yaml", runtime=runtime) == data
    assert decrypted_by_sops(real_sops, rotated, tmp_path) == decrypted_by_sops(real_sops, sealed, tmp_path)
