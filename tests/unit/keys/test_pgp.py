from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from secrettool.keys import LocalKeyring, pgp
from secrettool.keys.recipients import pgp_keys
from secrettool.sops.keygroups import KeyFailure, MasterKey

PART = bytes(range(32))
NOW = "2031-01-02T03:04:05Z"
MakeKeyring = Callable[..., LocalKeyring]


@pytest.fixture(scope="module")
def gnupg(real_gpg: Path) -> Iterator[tuple[str, str]]:
    """A GnuPG home with one throwaway key, and the key's fingerprint."""
    # Sockets of gpg-agent must have short paths.
    home = tempfile.mkdtemp(prefix="gpg", dir="/tmp")
    environ = {**os.environ, "GNUPGHOME": home}
    quick = ["--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""]
    subprocess.run([real_gpg, *quick, "--quick-generate-key", "test@example.com", "future-default", "default", "never"], env=environ, check=True)
    listing = subprocess.run([real_gpg, "--with-colons", "--list-keys"], env=environ, check=True, capture_output=True, text=True).stdout
    yield home, next(line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr"))
    subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=False)
    shutil.rmtree(home, ignore_errors=True)


def subkey_of(home: str) -> str:
    done = subprocess.run(["gpg", "--homedir", home, "--with-colons", "--list-keys"], check=True, capture_output=True, text=True)
    return [line.split(":")[9] for line in done.stdout.splitlines() if line.startswith("fpr")][-1]


@pytest.mark.real
def test_unwrap_opens_what_wrap_sealed(make_keyring: MakeKeyring, gnupg: tuple[str, str]) -> None:
    home, fingerprint = gnupg
    keyring = make_keyring(GNUPGHOME=home)
    sealed = keyring.wrap(MasterKey("pgp", {"fp": fingerprint}), PART)
    assert sealed.created_at == NOW
    assert sealed.enc.startswith("-----BEGIN PGP MESSAGE-----")
    assert sealed.enc == sealed.enc.strip()
    assert keyring.unwrap(sealed) == PART


@pytest.mark.real
def test_wrap_accepts_a_subkey_with_its_mark(make_keyring: MakeKeyring, gnupg: tuple[str, str]) -> None:
    home, _ = gnupg
    keyring = make_keyring(GNUPGHOME=home)
    (key,) = pgp_keys(f"{subkey_of(home)}!")
    assert keyring.unwrap(keyring.wrap(key, PART)) == PART


def failure(action: Callable[[], object]) -> KeyFailure:
    with pytest.raises(KeyFailure) as caught:
        action()
    return caught.value


@pytest.mark.real
def test_wrap_for_an_unknown_key_says_so(make_keyring: MakeKeyring, gnupg: tuple[str, str]) -> None:
    found = failure(lambda: make_keyring(GNUPGHOME=gnupg[0]).wrap(MasterKey("pgp", {"fp": "AB" * 20}), PART))
    assert found.reasons == ("failed to encrypt sops data key with pgp: it is not in the keyring",)


def test_wrap_refuses_an_empty_fingerprint(make_keyring: MakeKeyring) -> None:
    assert "the fingerprint is empty" in failure(lambda: make_keyring().wrap(MasterKey("pgp", {"fp": ""}), PART)).reasons[0]


@pytest.mark.real
def test_unwrap_without_the_secret_key_names_its_id(make_keyring: MakeKeyring, gnupg: tuple[str, str]) -> None:
    sealed = make_keyring(GNUPGHOME=gnupg[0]).wrap(MasterKey("pgp", {"fp": gnupg[1]}), PART)
    with tempfile.TemporaryDirectory(prefix="gpg", dir="/tmp") as empty:
        found = failure(lambda: make_keyring(GNUPGHOME=empty).unwrap(sealed))
        subprocess.run(["gpgconf", "--homedir", empty, "--kill", "all"], check=False)
    assert found.reasons == (f"failed to decrypt sops data key with pgp: no secret key for {subkey_of(gnupg[0])[-16:]}",)


@pytest.mark.real
@pytest.mark.parametrize("enc", ["hello", "-----BEGIN PGP MESSAGE-----\n\nAAAA\n-----END PGP MESSAGE-----"])
def test_unwrap_of_a_damaged_entry_says_so(make_keyring: MakeKeyring, gnupg: tuple[str, str], enc: str) -> None:
    found = failure(lambda: make_keyring(GNUPGHOME=gnupg[0]).unwrap(MasterKey("pgp", {"fp": gnupg[1]}, enc)))
    assert found.reasons[0].startswith("failed to decrypt sops data key with pgp: ")


def test_a_missing_program_is_named(make_keyring: MakeKeyring) -> None:
    found = failure(lambda: make_keyring(SOPS_GPG_EXEC="/nowhere/gpg").unwrap(MasterKey("pgp", {"fp": "AB"}, "enc")))
    assert found.reasons == ("failed to decrypt sops data key with pgp: the program /nowhere/gpg is not there",)
    assert "SOPS_GPG_EXEC" in str(found.hint)


def test_a_program_that_cannot_be_started_is_named(make_keyring: MakeKeyring, tmp_path: Path) -> None:
    found = failure(lambda: make_keyring(SOPS_GPG_EXEC=str(tmp_path)).unwrap(MasterKey("pgp", {"fp": "AB"}, "enc")))
    assert "cannot be started: Permission denied" in found.reasons[0]


def test_an_empty_answer_is_a_failure(make_keyring: MakeKeyring, program: Callable[[str], str]) -> None:
    found = failure(lambda: make_keyring(SOPS_GPG_EXEC=program("true")).unwrap(MasterKey("pgp", {"fp": "AB"}, "enc")))
    assert found.reasons == ("failed to decrypt sops data key with pgp: zero bytes returned",)


@pytest.mark.parametrize(
    ("stderr", "reason"),
    [
        ("[GNUPG:] INV_RECP 5 AB\n[GNUPG:] FAILURE encrypt 1", "what: it is expired"),
        ("[GNUPG:] INV_RECP 77 AB", "what: gpg refused the key (reason 77)"),
        ("[GNUPG:] NODATA 1", "what: the PGP message of this entry is damaged"),
        ("[GNUPG:] NO_SECKEY 11\n[GNUPG:] NO_SECKEY 22", "what: no secret key for 11, 22"),
        ("gpg: bad\n[GNUPG:] FAILURE decrypt 2\ngpg: worse\n", "what: gpg exited with status 2: gpg: bad; gpg: worse"),
        ("", "what: gpg exited with status 2"),
    ],
)
def test_the_reason_comes_from_the_status_lines(stderr: str, reason: str) -> None:
    assert pgp._failure("what", 2, stderr).reasons == (reason,)


@pytest.mark.parametrize(
    ("fingerprint", "expected"),
    [("A" * 24 + "B" * 16, "B" * 16), ("A" * 24 + "B" * 16 + "!", "B" * 16 + "!"), ("ABCD", "ABCD")],
)
def test_long_id(fingerprint: str, expected: str) -> None:
    assert pgp._long_id(fingerprint) == expected


@pytest.mark.real
def test_sops_and_we_open_each_other(make_keyring: MakeKeyring, gnupg: tuple[str, str], real_sops: Path, tmp_path: Path) -> None:
    import json

    home, fingerprint = gnupg
    keyring = make_keyring(GNUPGHOME=home)
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GNUPGHOME": home}
    path = tmp_path / "file.json"
    path.write_text('{"a": "b"}')
    subprocess.run([real_sops, "encrypt", "-i", "--pgp", fingerprint, str(path)], env=environ, cwd=tmp_path, check=True)
    document = json.loads(path.read_text())
    (entry,) = document["sops"]["pgp"]
    data_key = keyring.unwrap(MasterKey("pgp", {"fp": entry["fp"]}, entry["enc"]))
    assert len(data_key) == 32
    entry["enc"] = keyring.wrap(MasterKey("pgp", {"fp": fingerprint}), data_key).enc
    path.write_text(json.dumps(document))
    done = subprocess.run([real_sops, "decrypt", str(path)], env=environ, cwd=tmp_path, check=True, capture_output=True)
    assert json.loads(done.stdout) == {"a": "b"}
