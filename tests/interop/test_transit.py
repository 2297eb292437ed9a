"""Master keys in the transit engine of a real Vault: files go both ways between sops and secrettool, and what goes wrong is said without a key."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from secrettool.errors import DataKeyError
from secrettool.keys.recipients import hc_vault_keys
from secrettool.library import change_recipients, decrypt, encrypt, local_runtime, rotate
from tests.interop.peers.vault import READER, TRANSIT_USER, Vault

pytestmark = pytest.mark.real

PLAIN = b"data:\n    password: correct horse # kept\n"
LOCAL = {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}


@pytest.fixture
def environ(vault: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, str]:
    """The environment of somebody who may use the transit key, and nothing else."""
    for name, value in LOCAL.items():
        monkeypatch.setenv(name, value)
    return {"HOME": str(tmp_path), "VAULT_TOKEN": vault.token(TRANSIT_USER), **LOCAL}


def sealed_by_us(vault: Vault, environ: Mapping[str, str]) -> bytes:
    group = tuple(hc_vault_keys(vault.transit_uri))
    data = encrypt(PLAIN, "yaml", groups=[group], runtime=local_runtime(environ))
    assert isinstance(data, bytes)
    return data


def sops(program: Path, environ: Mapping[str, str], *words: str, text: bytes = b"") -> bytes:
    done = subprocess.run([program, *words], input=text, env=dict(environ), capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def test_sops_opens_what_we_sealed(vault: Vault, real_sops: Path, environ: Mapping[str, str], tmp_path: Path) -> None:
    file = tmp_path / "sealed.yaml"
    file.write_bytes(sealed_by_us(vault, environ))
    assert b"correct horse" in sops(real_sops, environ, "decrypt", str(file))


def test_we_open_what_sops_sealed(vault: Vault, real_sops: Path, environ: Mapping[str, str]) -> None:
    words = [
        "encrypt",
        "--hc-vault-transit",
        vault.transit_uri,
        "--filename-override",
        "a.yaml",
        "--input-type",
        "yaml",
        "--output-type",
        "yaml",
        "/dev/stdin",
    ]
    sealed = sops(real_sops, environ, *words, text=PLAIN)
    opened = decrypt(sealed, "yaml", runtime=local_runtime(environ))
    assert isinstance(opened, bytes)
    assert b"correct horse" in opened


def test_rotated_file_opens_again(vault: Vault, environ: Mapping[str, str]) -> None:
    runtime = local_runtime(environ)
    rotated = rotate(sealed_by_us(vault, environ), "yaml", runtime=runtime)
    assert decrypt(rotated, "yaml", runtime=runtime) == PLAIN


def test_token_comes_from_the_file_of_the_vault_program(vault: Vault, environ: Mapping[str, str], tmp_path: Path) -> None:
    sealed = sealed_by_us(vault, environ)
    (tmp_path / ".vault-token").write_text(environ["VAULT_TOKEN"] + "\n")
    assert decrypt(sealed, "yaml", runtime=local_runtime({"HOME": str(tmp_path), **LOCAL})) == PLAIN


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"VAULT_TOKEN": ""}, "there is no Vault token"),
        ({"VAULT_TOKEN": "hvs.invalid"}, "permission denied"),
        ({"SOPS_HC_VAULT_ALLOWLIST": "none"}, "SOPS_HC_VAULT_ALLOWLIST does not allow"),
        ({"SOPS_HC_VAULT_ALLOWLIST": "https://vault.example.com"}, "SOPS_HC_VAULT_ALLOWLIST does not allow"),
        ({"SOPS_HC_VAULT_ALLOWLIST": "https://vault.example.com, "}, "entry 2 is empty"),
    ],
)
def test_refusal_names_its_cause_and_no_token(change: dict[str, str], cause: str, vault: Vault, environ: Mapping[str, str]) -> None:
    sealed = sealed_by_us(vault, environ)
    with pytest.raises(DataKeyError) as refused:
        decrypt(sealed, "yaml", runtime=local_runtime({**environ, **change}))
    said = f"{refused.value} {refused.value.hint}"
    assert cause in said
    assert "hvs." not in said


def test_allowlist_lets_its_prefixes_through(vault: Vault, environ: Mapping[str, str]) -> None:
    sealed = sealed_by_us(vault, environ)
    allowed = {**environ, "SOPS_HC_VAULT_ALLOWLIST": f"https://vault.example.com, {vault.url}"}
    assert decrypt(sealed, "yaml", runtime=local_runtime(allowed)) == PLAIN


def test_token_without_the_right_is_refused(vault: Vault, environ: Mapping[str, str]) -> None:
    sealed = sealed_by_us(vault, environ)
    with pytest.raises(DataKeyError, match="permission denied"):
        decrypt(sealed, "yaml", runtime=local_runtime({**environ, "VAULT_TOKEN": vault.token(READER)}))


def test_unreachable_vault_is_named(vault: Vault, environ: Mapping[str, str]) -> None:
    sealed = sealed_by_us(vault, environ).replace(vault.url.encode(), b"http://127.0.0.1:9")
    with pytest.raises(DataKeyError, match="cannot be reached"):
        decrypt(sealed, "yaml", runtime=local_runtime(environ))


def test_sealed_vault_is_named(vault: Vault, environ: Mapping[str, str]) -> None:
    sealed = sealed_by_us(vault, environ)
    with vault.sealed(), pytest.raises(DataKeyError, match="sealed"):
        decrypt(sealed, "yaml", runtime=local_runtime(environ))


def test_moving_to_age_needs_the_transit_key_once(vault: Vault, environ: Mapping[str, str]) -> None:
    key = (Path(__file__).parent.parent / "vectors" / "keys" / "age1.txt").read_text()
    recipient = key.partition("public key: ")[2].split()[0]
    moved = change_recipients(sealed_by_us(vault, environ), "yaml", [recipient], runtime=local_runtime(environ))
    identity = key.splitlines()[-1]
    assert decrypt(moved, "yaml", runtime=local_runtime({"SOPS_AGE_KEY": identity})) == PLAIN
