"""Tokens for a real Vault as an entry of a key Secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from secrettool.errors import KeyUnavailable
from secrettool.hook import Decryptor, HookConfig, KeySecret, KeySet
from secrettool.keys.recipients import hc_vault_keys
from secrettool.library import encrypt, local_runtime
from secrettool.manifests import read
from tests.interop.peers.vault import TRANSIT_USER, Vault

pytestmark = pytest.mark.real

PLAIN = "apiVersion: v1\nkind: Secret\nmetadata_unencrypted:\n  name: x\nstringData:\n  password: correct horse\n"
LOCAL = {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}


def test_da_08_the_token_of_the_secret_opens_transit_keys_and_comes_before_the_environment(
    vault: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in LOCAL.items():
        monkeypatch.setenv(name, value)
    token = vault.token(TRANSIT_USER)
    environ = {"HOME": str(tmp_path), "VAULT_TOKEN": token, **LOCAL}
    sealed = encrypt(PLAIN, "yaml", groups=[tuple(hc_vault_keys(vault.transit_uri))], runtime=local_runtime(environ))
    (manifest,) = read(str(sealed), file=None)

    secret = KeySecret("Secret/team/k", {"sops.vault-token": f" {token}\n\n".encode()})
    keys = KeySet(secret, environ={**environ, "VAULT_TOKEN": "wrong"}, env_keys=False)
    assert Decryptor(HookConfig(), keys).open_object(manifest.obj).obj["stringData"] == {"password": "correct horse"}

    wrong = KeySet(KeySecret("Secret/team/k", {"sops.vault-token": b"wrong-canary"}), environ=environ)
    with pytest.raises(KeyUnavailable, match=r"HK111 .*") as caught:
        Decryptor(HookConfig(), wrong).open_object(manifest.obj)
    assert "canary" not in f"{caught.value}{caught.value.hint}"
