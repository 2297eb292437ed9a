"""The Vault backend against a server on loopback: what it sends, whom it asks, and what it says without quoting an answer."""

from __future__ import annotations

import json
import socket
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from secrettool.keys import Surroundings
from secrettool.keys.hc_vault import VaultBackend, open_backend
from secrettool.keys.recipients import hc_vault_keys
from secrettool.sops.keygroups import KeyFailure, MasterKey
from tests.interop.peers import faults
from tests.interop.peers.faults import Answer, FaultyServer

NOW = "2031-01-02T03:04:05Z"
PART = b"part of a data key"
CANARY = "canary-61aa"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture(scope="module")
def server() -> Iterator[FaultyServer]:
    with faults.running() as running:
        yield running


@pytest.fixture
def vault(server: FaultyServer) -> FaultyServer:
    server.endless = None
    server.asked.clear()
    return server


def backend(**environ: str) -> VaultBackend:
    return open_backend(Surroundings({"VAULT_TOKEN": "token-of-nobody", **environ}, lambda: NOW, None))


def key(vault: FaultyServer, *, enc: str = "vault:v1:sealed") -> MasterKey:
    (made,) = hc_vault_keys(f"{vault.url}/v1/team/transit/keys/shop")
    return MasterKey(made.kind, made.fields, enc, made.created_at)


def failure(made: VaultBackend, sealed: MasterKey) -> KeyFailure:
    with pytest.raises(KeyFailure) as caught:
        made.unwrap(sealed)
    assert CANARY not in f"{caught.value}{caught.value.hint}{caught.value.__cause__}"
    assert caught.value.__cause__ is None
    return caught.value


# ---- what is sent --------------------------------------------------------------------------------------------------------------------------------


def test_part_is_sealed_by_the_engine_of_the_key(vault: FaultyServer) -> None:
    vault.endless = Answer(200, {"data": {"ciphertext": "vault:v3:new"}})
    made = backend(VAULT_NAMESPACE="team-a").wrap(key(vault), PART)
    assert (made.enc, made.created_at, made.fields["key_name"]) == ("vault:v3:new", NOW, "shop")
    (asked,) = vault.asked
    assert (asked.method, asked.path) == ("POST", "/v1/team/transit/encrypt/shop")
    assert json.loads(asked.body) == {"plaintext": b64encode(PART).decode()}
    assert (asked.headers["x-vault-token"], asked.headers["x-vault-namespace"]) == ("token-of-nobody", "team-a")


def test_part_is_opened_by_the_engine_of_the_key(vault: FaultyServer) -> None:
    vault.endless = Answer(200, {"data": {"plaintext": b64encode(PART).decode()}})
    made = backend()
    assert made.unwrap(key(vault)) == made.unwrap(key(vault)) == PART
    assert [asked.path for asked in vault.asked] == ["/v1/team/transit/decrypt/shop"] * 2
    assert json.loads(vault.asked[0].body) == {"ciphertext": "vault:v1:sealed"}
    assert "x-vault-namespace" not in vault.asked[0].headers


def test_token_is_that_of_the_login_when_the_environment_has_none(vault: FaultyServer, tmp_path: Path) -> None:
    vault.endless = Answer(200, {"data": {"ciphertext": "x"}})
    (tmp_path / ".vault-token").write_text("token-of-the-login\n", encoding="utf-8")
    backend(VAULT_TOKEN="", HOME=str(tmp_path)).wrap(key(vault), PART)
    assert vault.asked[0].headers["x-vault-token"] == "token-of-the-login"


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_without_a_token_nobody_is_asked(vault: FaultyServer, tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / ".vault-token").write_bytes(content)
    error = failure(backend(VAULT_TOKEN="", HOME=str(tmp_path)), key(vault))
    assert (error.reasons, vault.asked) == (("there is no Vault token",), [])
    assert "vault login" in str(error.hint)


# ---- which addresses are asked -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("allowlist", ["", "all", "{url}", "{url}/", " https://other , {url} "])
def test_address_of_the_list_is_asked(vault: FaultyServer, allowlist: str) -> None:
    vault.endless = Answer(200, {"data": {"ciphertext": "x"}})
    assert backend(SOPS_HC_VAULT_ALLOWLIST=allowlist.replace("{url}", vault.url)).wrap(key(vault), PART).enc == "x"


@pytest.mark.parametrize("allowlist", ["none", "https://other", "http://127.0.0.1", "{url}0", "{url}/v1"])
def test_address_that_the_list_does_not_have_is_not_asked(vault: FaultyServer, allowlist: str) -> None:
    error = failure(backend(SOPS_HC_VAULT_ALLOWLIST=allowlist.replace("{url}", vault.url)), key(vault))
    assert error.reasons == (f"SOPS_HC_VAULT_ALLOWLIST does not allow {vault.url}",)
    assert vault.asked == []


def test_empty_entry_of_the_list_is_an_error(vault: FaultyServer) -> None:
    error = failure(backend(SOPS_HC_VAULT_ALLOWLIST=f"{vault.url},,x"), key(vault))
    assert (error.reasons, vault.asked) == (("SOPS_HC_VAULT_ALLOWLIST's entry 2 is empty",), [])


# ---- what is answered ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        (400, "the request was refused"),
        (401, "the token is not accepted"),
        (403, "permission denied"),
        (404, "there is no such engine or key"),
        (405, "Vault refused"),
        (429, "too many requests"),
        (500, "Vault refused"),
        (503, "Vault is sealed, or in maintenance"),
    ],
)
def test_refusal_is_told_in_our_own_words(vault: FaultyServer, status: int, cause: str) -> None:
    vault.endless = Answer(status, {"errors": [CANARY]})
    (reason,) = failure(backend(), key(vault)).reasons
    assert reason.startswith(f"failed to decrypt sops data key with Vault transit {vault.url}/v1/team/transit/keys/shop: {cause}")


@pytest.mark.parametrize("body", [{}, {"data": {}}, {"data": None}, {"data": CANARY}, {"data": {"plaintext": 7}}, {"data": {"ciphertext": CANARY}}])
def test_answer_without_what_was_asked_for_is_told(vault: FaultyServer, body: Any) -> None:
    vault.endless = Answer(200, body)
    assert failure(backend(), key(vault)).reasons[0].endswith("the answer holds no plaintext")


def test_no_answer_at_all_is_told(vault: FaultyServer) -> None:
    vault.endless = Answer(204)
    assert failure(backend(), key(vault)).reasons[0].endswith("the answer holds no plaintext")


@pytest.mark.parametrize("text", [CANARY, f"{CANARY}=", "x"])
def test_answer_that_is_not_base64_is_told(vault: FaultyServer, text: str) -> None:
    vault.endless = Answer(200, {"data": {"plaintext": text}})
    assert failure(backend(), key(vault)).reasons[0].endswith("the answer is not base64")


def test_server_that_is_not_there_is_told(vault: FaultyServer) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        (sealed,) = hc_vault_keys(f"http://127.0.0.1:{nobody.getsockname()[1]}/v1/transit/keys/shop")
        error = failure(backend(), sealed)
    assert error.reasons[0].endswith("Vault cannot be reached (ConnectionError)")
    assert "VAULT_CACERT" in str(error.hint)


@pytest.mark.parametrize("environ", [{"VAULT_SKIP_VERIFY": "True"}, {"VAULT_CACERT": "/ca.crt"}, {"VAULT_CLIENT_CERT": "/c.crt"}])
def test_settings_of_tls_change_nothing_without_tls(vault: FaultyServer, environ: dict[str, str]) -> None:
    vault.endless = Answer(200, {"data": {"ciphertext": "x"}})
    assert backend(**environ).wrap(key(vault), PART).enc == "x"
