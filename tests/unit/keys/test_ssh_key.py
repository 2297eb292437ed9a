from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path

import pytest

from secrettool.keys import age_file, rage, ssh_key
from secrettool.keys.ssh_key import SshKeyError

VECTORS = Path(__file__).parents[2] / "vectors"
needs_bcrypt = pytest.mark.skipif(find_spec("bcrypt") is None, reason="the Python package bcrypt is not installed")
SshKeygen = Callable[..., Path]


@pytest.mark.parametrize("name", ["ssh_ed25519", "ssh_rsa"])
def test_public_blob_equals_the_public_key(public: Mapping[str, str], name: str) -> None:
    private = (VECTORS / "keys" / name).read_bytes()
    assert ssh_key.public_blob(private) == ssh_key.parse_public(public[name])
    assert not ssh_key.is_protected(private)


@pytest.mark.parametrize("name", ["ssh_ed25519", "ssh_rsa"])
def test_tag_is_the_one_in_the_stanza(public: Mapping[str, str], name: str) -> None:
    file = age_file.parse(age_file.dearmor(rage.encrypt(b"part", ssh_key.public_line(ssh_key.parse_public(public[name])), None)))
    assert file.stanzas[0].args[0] == ssh_key.tag(ssh_key.parse_public(public[name]))


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
@needs_bcrypt
def test_unprotected_opens_an_openssh_key_with_its_passphrase(ssh_keygen: SshKeygen, kind: str) -> None:
    private = ssh_keygen(kind, passphrase="correct horse").read_bytes()
    assert ssh_key.is_protected(private)
    clear = ssh_key.unprotected(private, b"correct horse")
    assert ssh_key.public_blob(clear) == ssh_key.public_blob(private)
    assert not ssh_key.is_protected(clear)


@needs_bcrypt
def test_unprotected_refuses_a_wrong_passphrase(ssh_keygen: SshKeygen) -> None:
    private = ssh_keygen("ed25519", passphrase="correct horse").read_bytes()
    with pytest.raises(SshKeyError, match="incorrect passphrase"):
        ssh_key.unprotected(private, b"wrong")


@pytest.mark.skipif(find_spec("bcrypt") is not None, reason="the Python package bcrypt is installed")
def test_unprotected_names_the_missing_package(ssh_keygen: SshKeygen) -> None:
    with pytest.raises(SshKeyError, match="bcrypt"):
        ssh_key.unprotected(ssh_keygen("ed25519", passphrase="correct horse").read_bytes(), b"correct horse")


@pytest.mark.parametrize("form", ["PEM", "PKCS8"])
@pytest.mark.parametrize("passphrase", ["", "correct horse"])
def test_unprotected_reads_the_older_forms(ssh_keygen: SshKeygen, form: str, passphrase: str) -> None:
    path = ssh_keygen("rsa", passphrase=passphrase, form=form)
    private = path.read_bytes()
    assert ssh_key.public_blob(private) is None
    assert ssh_key.is_protected(private) is bool(passphrase)
    clear = ssh_key.unprotected(private, passphrase.encode() or None)
    assert ssh_key.public_blob(clear) == ssh_key.parse_public(Path(f"{path}.pub").read_text())


def test_unprotected_refuses_other_kinds(ssh_keygen: SshKeygen) -> None:
    with pytest.raises(SshKeyError, match="unsupported SSH key type"):
        ssh_key.unprotected(ssh_keygen("ecdsa").read_bytes(), None)


def wrapped(data: bytes) -> bytes:
    return ssh_key._OPENSSH_BEGIN + b"\n" + base64.b64encode(data) + b"\n" + ssh_key._OPENSSH_END


@pytest.mark.parametrize(
    "private",
    [ssh_key._OPENSSH_BEGIN, wrapped(b"other"), wrapped(ssh_key._OPENSSH_MAGIC + b"\0\0\0\x09none"), wrapped(b"").replace(b"\n\n", b"\nA\n")],
)
def test_public_blob_refuses_a_damaged_key(private: bytes) -> None:
    with pytest.raises(SshKeyError):
        ssh_key.public_blob(private)


def test_parse_public_takes_the_type_from_the_blob(public: Mapping[str, str]) -> None:
    kind, text, _ = public["ssh_ed25519"].split()
    assert ssh_key.public_line(ssh_key.parse_public(f"ssh-rsa {text} comment")) == f"{kind} {text}"


@pytest.mark.parametrize("change", ["=", "*"])
def test_parse_public_is_strict_about_base64(public: Mapping[str, str], change: str) -> None:
    kind, text, _ = public["ssh_ed25519"].split()
    with pytest.raises(SshKeyError, match="malformed base64"):
        ssh_key.parse_public(f"{kind} {text}{change}")
