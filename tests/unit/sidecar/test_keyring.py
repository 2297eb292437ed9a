"""The keys of a source: read again when their files change, and the former ones kept when the new ones are bad."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from secrettool.errors import KeyUnavailable
from secrettool.hook import Decryptor, HookConfig
from secrettool.manifests import read
from secrettool.sidecar.config import Keys
from secrettool.sidecar.keys import Keyring
from tests.hook.keys import IDENTITY_A, IDENTITY_B, sealed

PLAIN = "apiVersion: v1\nkind: Secret\nmetadata_unencrypted:\n  name: x\nstringData:\n  password: correct horse\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return mounted(tmp_path / "keys", "1", a=IDENTITY_A)


def mounted(folder: Path, stamp: str, **entries: bytes) -> Path:
    """A Secret as the kubelet mounts it; another stamp replaces it as a whole."""
    inner = folder / f"..{stamp}"
    inner.mkdir(parents=True)
    for name, data in entries.items():
        (inner / f"{name}.agekey").write_bytes(data)
    (folder / "..data_tmp").symlink_to(inner.name)
    os.replace(folder / "..data_tmp", folder / "..data")
    for name in entries:
        if not (folder / f"{name}.agekey").is_symlink():
            (folder / f"{name}.agekey").symlink_to(f"..data/{name}.agekey")
    return folder


def opens(keyring: Keyring, identity: bytes) -> bool:
    assert keyring.current is not None
    (manifest,) = read(sealed(PLAIN, identity=identity), file=None)
    try:
        Decryptor(HookConfig(), keyring.current).open_object(manifest.obj)
    except KeyUnavailable:
        return False
    return True


def test_keys_are_read_once_and_again_when_they_change(folder: Path) -> None:
    keyring = Keyring(Keys(folder=str(folder)), {})
    assert keyring.current is None
    assert keyring.refresh()
    assert not keyring.refresh()
    assert (opens(keyring, IDENTITY_A), opens(keyring, IDENTITY_B), keyring.generation) == (True, False, 1)
    mounted(folder, "2", b=IDENTITY_B)
    assert keyring.refresh()
    assert (opens(keyring, IDENTITY_A), opens(keyring, IDENTITY_B), keyring.generation) == (False, True, 2)
    assert keyring.current is not None
    assert keyring.current.identities == {"age": 1}


@pytest.mark.parametrize("bad", [b"AGE-SECRET-KEY-1BROKEN\n", b"", b"# nothing\n"])
def test_bad_keys_leave_the_former_ones(folder: Path, bad: bytes) -> None:
    keyring = Keyring(Keys(folder=str(folder)), {})
    keyring.refresh()
    mounted(folder, "2", a=bad)
    assert not keyring.refresh()
    assert opens(keyring, IDENTITY_A)
    assert isinstance(keyring.error, KeyUnavailable)
    assert "BROKEN" not in f"{keyring.error} {keyring.error.hint}"
    assert not keyring.refresh()
    assert keyring.error is not None
    mounted(folder, "3", a=IDENTITY_A, b=IDENTITY_B)
    assert keyring.refresh()
    assert keyring.error is None
    assert opens(keyring, IDENTITY_B)


def test_a_folder_without_keys_or_that_is_gone_leaves_the_former_ones(folder: Path) -> None:
    keyring = Keyring(Keys(folder=str(folder)), {})
    keyring.refresh()
    mounted(folder, "2")
    assert not keyring.refresh()
    assert "there is no key in it" in str(keyring.error)
    folder.rename(folder.with_name("away"))
    assert not keyring.refresh()
    assert "no such file or directory" in str(keyring.error)
    assert opens(keyring, IDENTITY_A)
    folder.with_name("away").rename(folder)
    mounted(folder, "3", a=IDENTITY_A)
    assert keyring.refresh()
    assert keyring.error is None


def test_files_and_folder_count_together(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "b.txt"
    file.write_bytes(IDENTITY_B)
    asked: list[tuple[str, bool]] = []
    keyring = Keyring(Keys(files=(str(file),), folder=str(folder)), {}, lambda kind, opened: asked.append((kind, opened)))
    keyring.refresh()
    assert opens(keyring, IDENTITY_A)
    assert opens(keyring, IDENTITY_B)
    assert asked == [("age", True), ("age", True)]
    file.unlink()
    assert not keyring.refresh()
    assert opens(keyring, IDENTITY_B)


def test_keys_of_the_environment_only_where_they_are_allowed(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes(IDENTITY_A)
    environ = {"SOPS_AGE_KEY_FILE": str(file)}
    for allowed in (True, False):
        keyring = Keyring(Keys(environment=allowed), environ)
        keyring.refresh()
        assert opens(keyring, IDENTITY_A) is allowed


def test_nothing_of_a_key_is_in_the_text_of_a_keyring(folder: Path) -> None:
    keyring = Keyring(Keys(folder=str(folder)), {})
    keyring.refresh()
    assert "SECRET" not in repr(keyring)
    keyring.close()
    assert keyring.current is None
