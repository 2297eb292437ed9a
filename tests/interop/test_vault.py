"""The real Vault: each login, each read and the transit key, by the library that the sources of values stand on.

These are tests of assumptions: when one fails after an update, Vault or its library has changed.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import ProxyHandler, Request, build_opener

import pytest

import secrettool
from tests.interop.peers.apiserver import ApiServer
from tests.interop.peers.oidc import OidcIssuer
from tests.interop.peers.vault import READER, ROLE, TRANSIT_USER, Vault

hvac = pytest.importorskip("hvac", reason="the library hvac is not installed")

pytestmark = pytest.mark.real

KEYS = Path(__file__).parent.parent / "vectors" / "keys"

Connect = Callable[..., Any]


@pytest.fixture
def connect(vault: Vault) -> Iterator[Connect]:
    """Makes clients without anybody's token, proxy and namespace, and closes them."""
    made = []

    def new(token: str = "") -> Any:
        client = hvac.Client(url=vault.url, token=token, timeout=10)
        client.adapter.session.trust_env = False
        made.append(client)
        return client

    yield new
    for client in made:
        client.adapter.close()


@pytest.fixture
def secret(vault: Vault) -> str:
    """Path of a secret with two versions in `secret/`, and of another in `kv/`."""
    path = f"orchard/{os.urandom(4).hex()}"
    vault.write_v2(path, {"host": "first.example", "port": 1})
    vault.write_v2(path, {"host": "second.example", "port": 2})
    vault.write_v1(path, {"host": "old.example"})
    return path


def read_v1(client: Any, path: str) -> Any:
    return client.secrets.kv.v1.read_secret(path, mount_point="kv")["data"]


def read_v2(client: Any, path: str, version: int | None = None) -> Any:
    return client.secrets.kv.v2.read_secret_version(path, version, mount_point="secret", raise_on_deleted_version=True)["data"]


def ask_for_token(environ: dict[str, str], audience: str) -> str:
    """What a job of GitHub Actions does, as GitHub's own client does it."""
    url = f"{environ['ACTIONS_ID_TOKEN_REQUEST_URL']}&audience={quote(audience, safe='')}"
    request = Request(url, headers={"Authorization": f"Bearer {environ['ACTIONS_ID_TOKEN_REQUEST_TOKEN']}"})
    with build_opener(ProxyHandler({})).open(request, timeout=10) as response:
        return str(json.load(response)["value"])


# --- logins ---


def test_token_reads_what_its_policy_allows_until_it_is_revoked(vault: Vault, connect: Connect, secret: str) -> None:
    token = vault.token(READER)
    client = connect(token)
    assert client.lookup_token()["data"]["policies"] == ["default", READER]
    assert read_v2(client, secret)["data"]["host"] == "second.example"
    vault.write_v2("elsewhere", {"host": "hidden.example"})
    with pytest.raises(hvac.exceptions.Forbidden):
        read_v2(client, "elsewhere")
    vault.revoke(token)
    with pytest.raises(hvac.exceptions.Forbidden):
        read_v2(client, secret)


def test_approle_logs_in_once_per_secret_id(vault: Vault, connect: Connect, secret: str) -> None:
    client, secret_id = connect(), vault.secret_id()
    client.auth.approle.login(vault.role_id(), secret_id)
    assert read_v2(client, secret)["data"]["port"] == 2
    with pytest.raises(hvac.exceptions.InvalidRequest):
        connect().auth.approle.login(vault.role_id(), secret_id)


def test_wrapped_secret_id_opens_once(vault: Vault, connect: Connect, secret: str) -> None:
    wrapped, client = vault.wrapped_secret_id(), connect()
    # Who has no token yet shows the wrapping token as its own; as an argument it is refused.
    with pytest.raises(hvac.exceptions.Forbidden):
        client.sys.unwrap(wrapped)
    secret_id = connect(wrapped).sys.unwrap()["data"]["secret_id"]
    client.auth.approle.login(vault.role_id(), secret_id)
    assert read_v2(client, secret)["data"]["port"] == 2
    with pytest.raises(hvac.exceptions.InvalidRequest):
        connect().sys.unwrap(wrapped)


def test_github_job_logs_in_with_the_token_of_its_request_url(vault: Vault, oidc_issuer: OidcIssuer, connect: Connect, secret: str) -> None:
    client = connect()
    answer = client.auth.jwt.jwt_login(ROLE, ask_for_token(oidc_issuer.environ(), vault.url))
    assert answer["auth"]["token_policies"] == ["default", READER]
    assert answer["auth"]["metadata"]["role"] == ROLE
    assert read_v2(client, secret)["data"]["host"] == "second.example"
    client.logout(revoke_token=True)


@pytest.mark.parametrize(
    "claims",
    [{"repository": "orchard/other"}, {"ref": "refs/pull/7/merge"}, {"iss": "http://127.0.0.1:1"}, {"iat": 1, "nbf": 1, "exp": 2}],
    ids=["other repository", "other branch", "other issuer", "expired"],
)
def test_other_github_tokens_do_not_log_in(claims: dict[str, object], vault: Vault, oidc_issuer: OidcIssuer, connect: Connect) -> None:
    with pytest.raises(hvac.exceptions.InvalidRequest):
        connect().auth.jwt.jwt_login(ROLE, oidc_issuer.token(vault.url, **claims))


def test_github_token_for_another_audience_does_not_log_in(oidc_issuer: OidcIssuer, connect: Connect) -> None:
    token = ask_for_token(oidc_issuer.environ(), "https://elsewhere.example")
    with pytest.raises(hvac.exceptions.InvalidRequest):
        connect().auth.jwt.jwt_login(ROLE, token)


def test_token_of_another_signer_does_not_log_in(vault: Vault, oidc_issuer: OidcIssuer, connect: Connect) -> None:
    token = OidcIssuer(oidc_issuer.url).token(vault.url)
    with pytest.raises(hvac.exceptions.InvalidRequest):
        connect().auth.jwt.jwt_login(ROLE, token)


def test_request_url_wants_the_token_of_the_job(oidc_issuer: OidcIssuer) -> None:
    environ = oidc_issuer.environ() | {"ACTIONS_ID_TOKEN_REQUEST_TOKEN": "guessed"}
    with pytest.raises(HTTPError) as refused:
        ask_for_token(environ, "anybody")
    refused.value.close()
    assert refused.value.code == 401


def test_service_account_logs_in_with_a_token_for_vault(cluster_vault: Vault, api_server: ApiServer, connect: Connect, secret: str) -> None:
    namespace = api_server.namespace()
    account, other = api_server.account(namespace), api_server.account(namespace)
    role = cluster_vault.admit(account.user)
    client = connect()
    client.auth.jwt.jwt_login(role, api_server.token(namespace, account.name, audience=cluster_vault.url), path="kubernetes")
    assert read_v2(client, secret)["data"]["host"] == "second.example"
    for token in (account.token, api_server.token(namespace, other.name, audience=cluster_vault.url)):
        with pytest.raises(hvac.exceptions.InvalidRequest):
            connect().auth.jwt.jwt_login(role, token, path="kubernetes")


# --- reads ---


def test_kv_1_has_the_values_directly_under_data(vault: Vault, connect: Connect, secret: str) -> None:
    assert read_v1(connect(vault.token(READER)), secret) == {"host": "old.example"}


def test_kv_2_has_values_and_metadata_of_the_version_asked_for(vault: Vault, connect: Connect, secret: str) -> None:
    client = connect(vault.token(READER))
    newest, first = read_v2(client, secret), read_v2(client, secret, version=1)
    assert (newest["data"], newest["metadata"]["version"]) == ({"host": "second.example", "port": 2}, 2)
    assert (first["data"], first["metadata"]["version"]) == ({"host": "first.example", "port": 1}, 1)
    assert (newest["metadata"]["deletion_time"], newest["metadata"]["destroyed"]) == ("", False)


def test_kv_2_lists_its_versions_in_metadata(vault: Vault, connect: Connect, secret: str) -> None:
    vault.destroy_versions(secret, 1)
    told = connect(vault.token(READER)).secrets.kv.v2.read_secret_metadata(secret, mount_point="secret")["data"]
    assert told["current_version"] == 2
    assert {number: version["destroyed"] for number, version in told["versions"].items()} == {"1": True, "2": False}


@pytest.mark.parametrize("gone", [Vault.delete_versions, Vault.destroy_versions])
def test_kv_2_version_that_is_gone_is_not_found_but_has_metadata(
    gone: Callable[[Vault, str, int], None], vault: Vault, connect: Connect, secret: str
) -> None:
    gone(vault, secret, 2)
    client = connect(vault.token(READER))
    with pytest.raises(hvac.exceptions.InvalidPath) as refused:
        read_v2(client, secret)
    metadata = refused.value.json["data"]["metadata"]
    assert bool(metadata["deletion_time"]) is not metadata["destroyed"]
    assert read_v2(client, secret, version=1)["data"]["port"] == 1


@pytest.mark.parametrize("read", [read_v1, read_v2])
def test_absent_secret_is_not_found(read: Callable[[Any, str], Any], vault: Vault, connect: Connect) -> None:
    with pytest.raises(hvac.exceptions.InvalidPath) as refused:
        read(connect(vault.token(READER)), "orchard/absent")
    assert refused.value.errors == []


@pytest.mark.parametrize(("mount", "version"), [("kv", "1"), ("secret", "2")])
def test_mount_tells_its_version_to_whoever_may_read_below_it(mount: str, version: str, vault: Vault, connect: Connect, secret: str) -> None:
    told = connect(vault.token(READER)).read(f"sys/internal/ui/mounts/{mount}/{secret}")["data"]
    assert (told["options"]["version"], told["path"], told["type"]) == (version, f"{mount}/", "kv")
    with pytest.raises(hvac.exceptions.Forbidden):
        connect(vault.token(TRANSIT_USER)).read(f"sys/internal/ui/mounts/{mount}/{secret}")


def test_community_edition_ignores_the_namespace(vault: Vault, connect: Connect, secret: str) -> None:
    client = connect(vault.token(READER))
    client.adapter.namespace = "orchard"
    assert read_v2(client, secret)["data"]["port"] == 2


def test_sealed_vault_is_down_and_comes_back_with_its_secrets(vault: Vault, connect: Connect, secret: str) -> None:
    client = connect(vault.token(READER))
    with vault.sealed(), pytest.raises(hvac.exceptions.VaultDown):
        read_v2(client, secret)
    assert read_v2(client, secret)["data"]["port"] == 2


# --- transit ---


def test_transit_opens_what_it_sealed_and_nothing_changed(vault: Vault, connect: Connect) -> None:
    transit = connect(vault.token(TRANSIT_USER)).secrets.transit
    plain = base64.b64encode(os.urandom(32)).decode()
    sealed = transit.encrypt_data("sops", plain)["data"]["ciphertext"]
    assert sealed.startswith("vault:v1:")
    assert transit.decrypt_data("sops", sealed)["data"]["plaintext"] == plain
    changed = sealed[:-8] + ("A" if sealed[-8] != "A" else "B") + sealed[-7:]
    with pytest.raises(hvac.exceptions.InvalidRequest):
        transit.decrypt_data("sops", changed)


def test_sops_opens_by_vault_alone_what_we_changed_by_age(vault: Vault, real_sops: Path, tmp_path: Path) -> None:
    identity = (KEYS / "age1.txt").read_text(encoding="utf-8")
    recipient = identity.partition("public key: ")[2].split()[0]
    environ = {"HOME": str(tmp_path), "VAULT_TOKEN": vault.token(TRANSIT_USER), "NO_PROXY": "127.0.0.1"}

    def sops(*arguments: str) -> bytes:
        done = subprocess.run([real_sops, *arguments], cwd=tmp_path, env=environ, capture_output=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    plain, file = tmp_path / "plain.yaml", tmp_path / "file.yaml"
    plain.write_text("password: first # of the tree house\n", encoding="utf-8")
    sealed = sops("encrypt", "--hc-vault-transit", vault.transit_uri, "--age", recipient, plain.name)
    ours = secrettool.local_runtime({"HOME": str(tmp_path), "SOPS_AGE_KEY": identity})
    changed = secrettool.set_value(sealed, "yaml", ("password",), "second", runtime=ours)
    assert isinstance(changed, bytes)
    file.write_bytes(changed)
    assert sops("decrypt", "--extract", '["password"]', file.name) == b"second"
