"""A keyring of gpg that lives in memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from secrettool.fs import memory_directory
from secrettool.keys import Surroundings, gpg_home
from secrettool.keys.gpg_home import GpgHome
from secrettool.sops.keygroups import KeyFailure, MasterKey
from tests.hook import cases
from tests.waiting import wait_for

ENVIRON = {"PATH": os.environ["PATH"]}


@pytest.fixture
def folders(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The folders in memory that were made for homes."""
    made: list[str] = []

    @contextmanager
    def recorded() -> Iterator[str]:
        with memory_directory() as folder:
            made.append(folder)
            yield folder

    monkeypatch.setattr(gpg_home, "memory_directory", recorded)
    return made


def agents(folder: str) -> list[str]:
    """Processes whose command line names a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = process.read_bytes()
        except OSError:
            continue
        if folder.encode() in command:
            found.append(command.decode("utf-8", "replace"))
    return found


@pytest.mark.real
def test_a_home_opens_what_is_sealed_for_its_keys_and_leaves_nothing(real_gpg: Path, folders: list[str]) -> None:
    home = GpgHome(ENVIRON)
    try:
        home.import_key(cases.key("pgp-a.asc"))
        (folder,) = folders
        assert os.stat(folder).st_mode & 0o777 == 0o700
        section = cases.all_cases()["keys-pgp"].objects[0]["sops"]["pgp"][0]
        key = MasterKey("pgp", {"fp": section["fp"]}, section["enc"], section["created_at"])
        assert len(home.backend(Surroundings(ENVIRON, lambda: "", None)).unwrap(key)) == 32
        assert agents(folder)
    finally:
        home.close()
    assert not os.path.exists(folder)
    wait_for(lambda: not agents(folder))  # it was told to end, and does so in its own time


@pytest.mark.real
def test_a_home_without_the_key_does_not_ask_the_user_s_keyring(real_gpg: Path) -> None:
    home = GpgHome(ENVIRON)
    try:
        section = cases.all_cases()["keys-pgp"].objects[0]["sops"]["pgp"][0]
        with pytest.raises(KeyFailure, match="no secret key for"):
            home.backend(Surroundings(ENVIRON, lambda: "", None)).unwrap(MasterKey("pgp", {"fp": section["fp"]}, section["enc"]))
    finally:
        home.close()


@pytest.mark.real
def test_what_is_no_key_is_refused_without_being_quoted(real_gpg: Path) -> None:
    home = GpgHome(ENVIRON)
    try:
        with pytest.raises(KeyFailure, match="not an armoured OpenPGP key") as caught:
            home.import_key(b"canary-10b4")
    finally:
        home.close()
    assert "canary" not in str(caught.value)


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    home = GpgHome({"PATH": str(tmp_path), "SOPS_GPG_EXEC": "no-such-gpg"})
    try:
        with pytest.raises(KeyFailure, match="the program no-such-gpg cannot be started"):
            home.import_key(b"")
    finally:
        home.close()
