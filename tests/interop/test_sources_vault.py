"""Values from the real Vault: each login, each read, and each way in which it can refuse."""

from __future__ import annotations

import os
import secrets
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from secrettool.errors import Outcome, ProviderLoginError, SourceError
from secrettool.sources.model import GenerateSource, ProviderSource, RefSource, Source, StorePlace, VaultAuth, VaultProvider
from secrettool.sources.resolver import Options, Resolver
from secrettool.sources.session import Retries
from secrettool.sources.value import SecretValue
from tests.interop.fixtures import required
from tests.interop.peers import faults
from tests.interop.peers.apiserver import ApiServer
from tests.interop.peers.faults import Answer, FaultyServer
from tests.interop.peers.oidc import OidcIssuer
from tests.interop.peers.process import LOOPBACK, free_ports, serving
from tests.interop.peers.vault import READER, ROLE, TRANSIT_USER, Vault, VaultRefused
from tests.waiting import wait_for

pytestmark = pytest.mark.real

QUICK = Retries(first=0.01)
WRITER = "write-orchard"


@pytest.fixture
def path(vault: Vault) -> str:
    """Path of a secret with two versions in `secret/`, and of another in `kv/`."""
    path = f"orchard/{os.urandom(4).hex()}"
    vault.write_v2(path, {"host": "first.example", "port": 1})
    vault.write_v2(path, {"host": "second.example", "port": 2})
    vault.write_v1(path, {"host": "old.example"})
    return path


@pytest.fixture
def proxy(vault: Vault) -> Iterator[FaultyServer]:
    """A faulty server in front of Vault."""
    with faults.running(vault.url) as server:
        yield server


class Run:
    """Resolvers of one test, their warnings and what they had masked."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self.warnings: list[str] = []
        self.masked: list[str] = []

    def resolver(
        self,
        provider: VaultProvider,
        values: Mapping[str, Source],
        *,
        environ: Mapping[str, str] | None = None,
        root: str = "/",
        retries: Retries = QUICK,
        **options: Any,
    ) -> Resolver:
        """A resolver with one provider, `kv`."""
        told = Options(on_secret=lambda value: self.masked.append(value.text()), on_warning=self.warnings.append, **options)
        made = Resolver({"kv": provider}, values, environ=dict(environ or {}), root=root, options=told, retries=retries)
        return self._stack.enter_context(made)

    def one(self, provider: VaultProvider, source: Source, **settings: Any) -> SecretValue | SourceError:
        """One value."""
        return self.resolver(provider, {"wanted": source}, **settings).resolve(["wanted"])["wanted"]


@pytest.fixture
def run() -> Iterator[Run]:
    """What resolves; all tokens are given back at the end."""
    with ExitStack() as stack:
        yield Run(stack)


def host(path: str, **fields: Any) -> ProviderSource:
    return ProviderSource("kv", path, "host", **fields)


def text(found: SecretValue | SourceError) -> str:
    assert isinstance(found, SecretValue), found
    return found.text()


def failure(found: SecretValue | SourceError, rule: str) -> SourceError:
    """The error, which must be of this rule and must show nothing of a secret, nor must what it was raised from."""
    assert isinstance(found, SourceError)
    assert found.rule == rule
    shown = "".join(traceback.format_exception(found)) + repr(found) + str(found) + str(found.hint)
    assert ".example" not in shown
    return found


def by_token(vault: Vault, *policies: str) -> tuple[VaultProvider, dict[str, str]]:
    return VaultProvider(vault.url, kv_version=2), {"VAULT_TOKEN": vault.token(*policies or (READER,))}


def tokens_of(vault: Vault) -> set[str]:
    return set(vault.api("LIST", "auth/token/accessors")["data"]["keys"])


# --- logins ---


def test_pt_11_token_comes_from_the_environment(vault: Vault, path: str, run: Run) -> None:
    provider, environ = by_token(vault)
    assert text(run.one(provider, host(path), environ=environ)) == "second.example"


def test_pt_11_whole_provider_comes_from_the_environment(vault: Vault, path: str, run: Run) -> None:
    environ = {"VAULT_ADDR": vault.url, "VAULT_TOKEN": vault.token(READER)}
    assert text(run.one(VaultProvider(), host(path), environ=environ)) == "second.example"
    environ = {"BAO_ADDR": vault.url, "BAO_TOKEN": vault.token(READER)}
    assert text(run.one(VaultProvider(), host(path), environ=environ)) == "second.example"


def test_pt_11_token_of_the_process_is_not_taken(vault: Vault, path: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_TOKEN", vault.token(READER))
    found = failure(run.one(VaultProvider(vault.url), host(path)), "VL09")
    assert (type(found), found.code) == (ProviderLoginError, Outcome.NO_LOGIN)


def test_token_comes_from_a_file_and_is_never_revoked(vault: Vault, path: str, run: Run, tmp_path: Path) -> None:
    token = vault.token(READER)
    (tmp_path / "token").write_text(f"{token}\n", encoding="utf-8")
    provider = VaultProvider(vault.url, auth=VaultAuth(token_file="token"))
    with run.resolver(provider, {"wanted": host(path)}, root=str(tmp_path)) as resolver:
        assert text(resolver.resolve(["wanted"])["wanted"]) == "second.example"
    assert vault.api("POST", "auth/token/lookup", {"token": token})["data"]["policies"] == ["default", READER]


def test_token_is_looked_at_first_when_told_so(vault: Vault, path: str, run: Run) -> None:
    provider, environ = by_token(vault)
    vault.revoke(environ["VAULT_TOKEN"])
    found = run.one(provider, host(path), environ=environ, check_login=True)
    assert isinstance(found, ProviderLoginError)
    assert isinstance(run.one(*by_token(vault)[:1], host(path), environ=by_token(vault)[1], check_login=True), SecretValue)


def test_approle_logs_in_and_gives_its_token_back(vault: Vault, path: str, run: Run) -> None:
    provider = VaultProvider(vault.url, auth=VaultAuth("approle", role_id=vault.role_id(), secret_id_env="SECRET_ID"))
    secret_id = vault.secret_id()
    before = tokens_of(vault)
    with run.resolver(provider, {"wanted": host(path)}, environ={"SECRET_ID": secret_id}) as resolver:
        assert text(resolver.resolve(["wanted"])["wanted"]) == "second.example"
        assert len(tokens_of(vault) - before) == 1
    assert tokens_of(vault) - before == set()
    assert secret_id in run.masked
    assert any(masked.startswith("hvs.") for masked in run.masked)


def test_approle_with_a_used_secret_id_is_no_login(vault: Vault, path: str, run: Run) -> None:
    provider = VaultProvider(vault.url, auth=VaultAuth("approle", role_id=vault.role_id(), secret_id_env="SECRET_ID"))
    environ = {"SECRET_ID": vault.secret_id()}
    assert isinstance(run.one(provider, host(path), environ=environ), SecretValue)
    found = failure(run.one(provider, host(path), environ=environ), "VL09")
    assert "status 400" in str(found)
    assert environ["SECRET_ID"] not in str(found)


def test_wrapped_secret_id_logs_in_once_and_says_so_afterwards(vault: Vault, path: str, run: Run, tmp_path: Path) -> None:
    (tmp_path / "id").write_text(vault.wrapped_secret_id(), encoding="utf-8")
    auth = VaultAuth("approle", role_id=vault.role_id(), secret_id_file="id", wrapped=True)
    provider = VaultProvider(vault.url, auth=auth)
    assert text(run.one(provider, host(path), root=str(tmp_path))) == "second.example"
    found = failure(run.one(provider, host(path), root=str(tmp_path)), "VL09")
    assert "somebody else" in str(found.hint)


def approle(vault: Vault, **fields: object) -> str:
    """The id of a new role with more settings."""
    name = f"{ROLE}-{os.urandom(4).hex()}"
    vault.api("POST", f"auth/approle/role/{name}", {"token_policies": [READER], "token_ttl": "5m", **fields})
    return name


def role_id(vault: Vault, role: str) -> str:
    return str(vault.api("GET", f"auth/approle/role/{role}/role-id")["data"]["role_id"])


def test_approle_bound_by_address_needs_no_secret_id(vault: Vault, path: str, run: Run) -> None:
    role = approle(vault, bind_secret_id=False, token_bound_cidrs=[f"{LOOPBACK}/8"])
    provider = VaultProvider(vault.url, auth=VaultAuth("approle", role_id=role_id(vault, role)))
    assert text(run.one(provider, host(path))) == "second.example"


def test_batch_token_cannot_be_revoked_and_nothing_is_said_about_it(vault: Vault, proxy: FaultyServer, path: str, run: Run) -> None:
    role = approle(vault, bind_secret_id=False, token_bound_cidrs=[f"{LOOPBACK}/8"], token_type="batch")
    provider = VaultProvider(proxy.url, kv_version=2, auth=VaultAuth("approle", role_id=role_id(vault, role)))
    with run.resolver(provider, {"wanted": host(path)}) as resolver:
        assert text(resolver.resolve(["wanted"])["wanted"]) == "second.example"
    assert proxy.paths() == ["POST /v1/auth/approle/login", f"GET /v1/secret/data/{path}"]
    assert run.warnings == []


def test_wrapped_secret_id_serves_a_second_login_too(vault: Vault, path: str, run: Run) -> None:
    role = approle(vault)
    wrapped = vault.api("POST", f"auth/approle/role/{role}/secret-id", headers={"X-Vault-Wrap-TTL": "5m"})["wrap_info"]["token"]
    auth = VaultAuth("approle", role_id=role_id(vault, role), secret_id_env="WRAPPED", wrapped=True)
    values: dict[str, Source] = {"first": host(path), "second": host(path, version=1)}
    resolver = run.resolver(VaultProvider(vault.url, kv_version=2, auth=auth), values, environ={"WRAPPED": wrapped})
    assert text(resolver.resolve(["first"])["first"]) == "second.example"
    vault.revoke([masked for masked in run.masked if masked.startswith("hvs.")][-1])
    assert text(resolver.resolve(["second"])["second"]) == "first.example"


def test_github_job_logs_in_with_its_identity(vault: Vault, oidc_issuer: OidcIssuer, path: str, run: Run) -> None:
    provider = VaultProvider(vault.url, auth=VaultAuth("jwt", role=ROLE, github_audience=vault.url))
    assert text(run.one(provider, host(path), environ=oidc_issuer.environ())) == "second.example"
    assert sum(masked.count(".") == 2 for masked in run.masked) >= 1
    assert oidc_issuer.request_token in run.masked


def test_github_token_for_another_audience_is_no_login(vault: Vault, oidc_issuer: OidcIssuer, path: str, run: Run) -> None:
    provider = VaultProvider(vault.url, auth=VaultAuth("jwt", role=ROLE, github_audience="https://elsewhere.example"))
    assert isinstance(run.one(provider, host(path), environ=oidc_issuer.environ()), ProviderLoginError)


def test_jwt_of_any_issuer_comes_from_a_file_or_a_variable(vault: Vault, oidc_issuer: OidcIssuer, path: str, run: Run, tmp_path: Path) -> None:
    (tmp_path / "jwt").write_text(oidc_issuer.token(vault.url), encoding="utf-8")
    from_file = VaultProvider(vault.url, auth=VaultAuth("jwt", role=ROLE, jwt_file="jwt"))
    from_variable = VaultProvider(vault.url, auth=VaultAuth("jwt", role=ROLE, jwt_env="JWT"))
    assert text(run.one(from_file, host(path), root=str(tmp_path))) == "second.example"
    assert text(run.one(from_variable, host(path), environ={"JWT": oidc_issuer.token(vault.url)})) == "second.example"


def test_service_account_logs_in(cluster_vault: Vault, api_server: ApiServer, path: str, run: Run, tmp_path: Path) -> None:
    namespace = api_server.namespace()
    account = api_server.account(namespace)
    (tmp_path / "token").write_text(api_server.token(namespace, account.name, audience=cluster_vault.url), encoding="utf-8")
    provider = VaultProvider(cluster_vault.url, auth=VaultAuth("kubernetes", role=cluster_vault.admit(account.user), jwt_file="token"))
    assert text(run.one(provider, host(path), root=str(tmp_path))) == "second.example"
    (tmp_path / "token").write_text(account.token, encoding="utf-8")
    assert isinstance(run.one(provider, host(path), root=str(tmp_path)), ProviderLoginError)


def test_login_at_another_mount_is_refused(vault: Vault, oidc_issuer: OidcIssuer, path: str, run: Run) -> None:
    auth = VaultAuth("jwt", role=ROLE, jwt_env="JWT", mount="elsewhere")
    found = run.one(VaultProvider(vault.url, auth=auth), host(path), environ={"JWT": oidc_issuer.token(vault.url)})
    assert isinstance(found, ProviderLoginError)


def test_failed_login_is_tried_once_for_all_values(vault: Vault, proxy: FaultyServer, path: str, run: Run) -> None:
    auth = VaultAuth("approle", role_id=vault.role_id(), secret_id_env="SECRET_ID")
    resolver = run.resolver(VaultProvider(proxy.url, auth=auth), {"a": host(path), "b": host("other")}, environ={"SECRET_ID": "wrong"})
    found = resolver.resolve(["a", "b"])
    assert [type(error) for error in found.values()] == [ProviderLoginError] * 2
    assert [error.file for error in found.values() if isinstance(error, SourceError)] == ["a", "b"]
    assert len(proxy.asked) == 1


def test_expired_login_is_made_again_between_two_reads(vault: Vault, oidc_issuer: OidcIssuer, path: str, run: Run) -> None:
    provider = VaultProvider(vault.url, kv_version=2, auth=VaultAuth("jwt", role=ROLE, github_audience=vault.url))
    resolver = run.resolver(provider, {"first": host(path), "second": host(path, version=1)}, environ=oidc_issuer.environ())
    assert text(resolver.resolve(["first"])["first"]) == "second.example"
    vault.revoke(next(masked for masked in run.masked if masked.startswith("hvs.")))
    assert text(resolver.resolve(["second"])["second"]) == "first.example"


def test_login_whose_time_is_over_is_made_again(vault: Vault, oidc_issuer: OidcIssuer, proxy: FaultyServer, path: str, run: Run) -> None:
    role = f"{ROLE}-short"
    usual = vault.api("GET", f"auth/jwt/role/{ROLE}")["data"]
    kept = ("role_type", "bound_audiences", "bound_claims", "user_claim", "token_policies")
    vault.api("POST", f"auth/jwt/role/{role}", {name: usual[name] for name in kept} | {"token_ttl": "1s"})
    provider = VaultProvider(proxy.url, kv_version=2, auth=VaultAuth("jwt", role=role, github_audience=vault.url))
    values: dict[str, Source] = {"first": host(path), "second": host(path, version=1)}
    with run.resolver(provider, values, environ=oidc_issuer.environ()) as resolver:
        assert text(resolver.resolve(["first"])["first"]) == "second.example"
        token = next(masked for masked in run.masked if masked.startswith("hvs."))
        wait_for(lambda: not lives(vault, token), seconds=30)
        assert text(resolver.resolve(["second"])["second"]) == "first.example"
    assert [asked.split("?")[0] for asked in proxy.paths()] == [
        "POST /v1/auth/jwt/login",
        f"GET /v1/secret/data/{path}",
        f"GET /v1/secret/data/{path}",
        "POST /v1/auth/jwt/login",
        f"GET /v1/secret/data/{path}",
        "POST /v1/auth/token/revoke-self",
    ]


def lives(vault: Vault, token: str) -> bool:
    try:
        vault.api("POST", "auth/token/lookup", {"token": token})
    except VaultRefused:
        return False
    return True


def test_expired_token_between_two_reads_is_told_from_a_missing_right(vault: Vault, path: str, run: Run) -> None:
    provider, environ = by_token(vault)
    resolver = run.resolver(provider, {"first": host(path), "second": host(path, version=1)}, environ=environ)
    assert text(resolver.resolve(["first"])["first"]) == "second.example"
    vault.revoke(environ["VAULT_TOKEN"])
    assert "not valid, or no longer" in str(failure(resolver.resolve(["second"])["second"], "VL04"))


# --- reads ---


@pytest.mark.parametrize(("mount", "kv_version", "expected"), [("kv", 1, "old.example"), ("secret", 2, "second.example")])
@pytest.mark.parametrize("auto", [False, True], ids=["told", "auto"])
def test_engine_of_both_versions_is_read(mount: str, kv_version: Any, expected: str, auto: bool, vault: Vault, path: str, run: Run) -> None:
    provider = VaultProvider(vault.url, mount=mount, kv_version="auto" if auto else kv_version)
    assert text(run.one(provider, host(path), environ=by_token(vault)[1])) == expected
    assert run.warnings == []


def test_number_is_a_text(vault: Vault, path: str, run: Run) -> None:
    provider, environ = by_token(vault)
    assert text(run.one(provider, ProviderSource("kv", path, "port"), environ=environ)) == "2"


def test_version_is_read_and_told(vault: Vault, path: str, run: Run) -> None:
    provider, environ = by_token(vault)
    resolver = run.resolver(provider, {"old": host(path, version=1), "new": host(path)}, environ=environ)
    assert [text(found) for found in resolver.resolve(["old", "new"]).values()] == ["first.example", "second.example"]
    assert (resolver.version("old"), resolver.version("new")) == (1, 2)


def test_engine_without_versions_has_none_to_ask_for(vault: Vault, path: str, run: Run) -> None:
    found = run.one(VaultProvider(vault.url), host(path, mount="kv", version=1), environ=by_token(vault)[1])
    failure(found, "VL06")


def test_engine_that_cannot_be_asked_for_its_version_is_taken_for_version_2(vault: Vault, path: str, run: Run) -> None:
    found = failure(run.one(VaultProvider(vault.url), host(path), environ=by_token(vault, TRANSIT_USER)[1]), "VL04")
    assert f"policy does not allow read on secret/{path}" in str(found)
    assert "assuming KV version 2" in run.warnings[0]


@pytest.mark.parametrize(("gone", "how"), [(Vault.delete_versions, "deleted"), (Vault.destroy_versions, "destroyed")])
def test_pt_14_version_that_is_gone_is_missing(gone: Callable[[Vault, str, int], None], how: str, vault: Vault, path: str, run: Run) -> None:
    gone(vault, path, 2)
    provider, environ = by_token(vault)
    found = failure(run.one(provider, host(path), environ=environ), "VL01")
    assert f"version 2 of secret/{path} is {how}" in str(found)
    assert found.is_missing
    assert text(run.one(provider, host(path, version=1), environ=environ)) == "first.example"


@pytest.mark.parametrize("mount", ["kv", "secret"])
def test_pt_14_absent_secret_is_missing(mount: str, vault: Vault, run: Run) -> None:
    found = failure(run.one(VaultProvider(vault.url, mount=mount), host("orchard/absent"), environ=by_token(vault)[1]), "VL01")
    assert f"there is no secret at {mount}/orchard/absent" in str(found)


def test_absent_version_is_missing(vault: Vault, path: str, run: Run) -> None:
    provider, environ = by_token(vault)
    assert f"no version 9 of a secret at secret/{path}" in str(failure(run.one(provider, host(path, version=9), environ=environ), "VL01"))


def test_absent_key_is_missing(vault: Vault, path: str, run: Run) -> None:
    provider, environ = by_token(vault)
    found = failure(run.one(provider, ProviderSource("kv", path, "absent"), environ=environ), "VL01")
    assert str(found) == f"VL01 wanted: provider kv {path}#absent: the secret at secret/{path} has no key absent"


def test_url_names_the_only_vault(vault: Vault, path: str, run: Run) -> None:
    provider, environ = by_token(vault)
    assert text(run.one(provider, RefSource(f"ref+vault://secret/{path}?version=1#/host"), environ=environ)) == "first.example"
    assert text(run.one(provider, RefSource(f"ref+openbao://secret/{path}#/host"), environ=environ)) == "second.example"


def test_pt_15_paths_are_grouped(proxy: FaultyServer, vault: Vault, path: str, run: Run) -> None:
    values = {"a": host(path), "b": ProviderSource("kv", path, "port"), "c": host(path), "old": host(path, version=1)}
    provider = VaultProvider(proxy.url, kv_version=2)
    resolver = run.resolver(provider, values, environ=by_token(vault)[1])
    found = [text(value) for value in resolver.resolve(values).values()]
    assert found == ["second.example", "2", "second.example", "first.example"]
    resolver.resolve(values)
    assert proxy.paths() == [f"GET /v1/secret/data/{path}", f"GET /v1/secret/data/{path}?version=1"]


def test_pt_15_run_is_a_login_one_read_for_each_secret_and_the_end_of_the_token(
    proxy: FaultyServer, vault: Vault, oidc_issuer: OidcIssuer, path: str, run: Run
) -> None:
    vault.write_v2(f"{path}-b", {"host": "other.example"})
    provider = VaultProvider(proxy.url, kv_version=2, auth=VaultAuth("jwt", role=ROLE, github_audience=vault.url))
    values: dict[str, Source] = {
        "a": host(path),
        "b": ProviderSource("kv", path, "port"),
        "c": host(f"{path}-b"),
        "d": RefSource(f"ref+vault://secret/{path}#/host"),
    }
    with run.resolver(provider, values, environ=oidc_issuer.environ()) as resolver:
        assert all(isinstance(found, SecretValue) for found in resolver.resolve(values).values())
    assert proxy.paths() == [
        "POST /v1/auth/jwt/login",
        f"GET /v1/secret/data/{path}",
        f"GET /v1/secret/data/{path}-b",
        "POST /v1/auth/token/revoke-self",
    ]
    assert run.warnings == []


def test_pt_15_version_of_an_engine_is_asked_for_once(proxy: FaultyServer, vault: Vault, path: str, run: Run) -> None:
    resolver = run.resolver(VaultProvider(proxy.url), {"a": host(path), "b": host("orchard/absent")}, environ=by_token(vault)[1])
    resolver.resolve(["a", "b"])
    assert sum("/ui/mounts/" in asked for asked in proxy.paths()) == 1


def test_pt_13_namespace_travels_as_a_header(proxy: FaultyServer, vault: Vault, oidc_issuer: OidcIssuer, path: str, run: Run) -> None:
    auth = VaultAuth("jwt", role=ROLE, github_audience=vault.url, namespace="logins")
    provider = VaultProvider(proxy.url, namespace="homelab", kv_version=2, auth=auth)
    values: dict[str, Source] = {"a": host(path), "b": RefSource(f"ref+vault://secret/{path}?namespace=other#/host")}
    with run.resolver(provider, values, environ=oidc_issuer.environ()) as resolver:
        resolver.resolve(values)
    told = [(asked.path.split("/")[2], asked.headers.get("x-vault-namespace")) for asked in proxy.asked]
    assert told == [("auth", "logins"), ("secret", "homelab"), ("secret", "other"), ("auth", "logins")]


def test_pt_13_namespace_comes_from_the_environment(proxy: FaultyServer, vault: Vault, path: str, run: Run) -> None:
    environ = by_token(vault)[1] | {"VAULT_NAMESPACE": "homelab"}
    assert isinstance(run.one(VaultProvider(proxy.url, kv_version=2), host(path), environ=environ), SecretValue)
    assert [asked.headers.get("x-vault-namespace") for asked in proxy.asked] == ["homelab"]


@pytest.mark.parametrize(("answer", "rule"), [(Answer(403, {"errors": ["permission denied"]}), "VL04"), (Answer(404, {"errors": []}), "VL01")])
def test_wrong_namespace_names_what_was_asked_for(answer: Answer, rule: str, proxy: FaultyServer, vault: Vault, path: str, run: Run) -> None:
    proxy.endless = answer  # as the Enterprise edition answers; this one ignores the header
    found = failure(run.one(VaultProvider(proxy.url, namespace="wrong", kv_version=2), host(path), environ=by_token(vault)[1]), rule)
    assert f"secret/{path}" in str(found)
    assert proxy.asked[0].headers["x-vault-namespace"] == "wrong"


# --- faults ---


def test_pt_14_retry_after_is_honoured(proxy: FaultyServer, vault: Vault, path: str, run: Run) -> None:
    waits: list[float] = []
    proxy.faults.extend([Answer(429, {"errors": []}, {"Retry-After": "7"}), Answer(503, {"errors": []}, {"Retry-After": "3"})])
    values: dict[str, Source] = {"wanted": host(path)}
    resolver = run.resolver(VaultProvider(proxy.url, kv_version=2), values, environ=by_token(vault)[1], retries=Retries(sleep=waits.append))
    assert text(resolver.resolve(["wanted"])["wanted"]) == "second.example"
    assert waits == [7, 3]


def test_standby_that_redirects_to_the_active_node_is_followed(
    proxy: FaultyServer, vault: Vault, oidc_issuer: OidcIssuer, path: str, run: Run
) -> None:
    redirects = [Answer(307, "", {"Location": f"{vault.url}/v1/{place}"}) for place in ("auth/jwt/login", f"secret/data/{path}")]
    proxy.faults.extend(redirects)
    provider = VaultProvider(proxy.url, kv_version=2, auth=VaultAuth("jwt", role=ROLE, github_audience=vault.url))
    assert text(run.one(provider, host(path), environ=oidc_issuer.environ())) == "second.example"
    assert proxy.paths() == ["POST /v1/auth/jwt/login", f"GET /v1/secret/data/{path}"]


def test_pt_11_redirect_to_a_place_without_tls_is_not_followed(proxy: FaultyServer, vault: Vault, path: str, run: Run) -> None:
    proxy.faults.append(Answer(307, "", {"Location": "http://vault.example.net/v1/x"}))
    found = failure(run.one(VaultProvider(proxy.url, kv_version=2), host(path), environ=by_token(vault)[1]), "VL07")
    assert "it redirects to a place without TLS" in str(found)


def test_sealed_vault_is_waited_for_once(vault: Vault, path: str, run: Run) -> None:
    values: dict[str, Source] = {"a": host(path), "b": host(path, version=1)}
    resolver = run.resolver(VaultProvider(vault.url, kv_version=2), values, environ=by_token(vault)[1])
    with vault.sealed():
        failure(resolver.resolve(["a"])["a"], "VL07")
    assert text(resolver.resolve(["b"])["b"]) == "first.example"


@pytest.mark.parametrize("status", [412, 429, 472, 473, 500, 502, 503])
def test_pt_14_busy_server_is_asked_again(status: int, proxy: FaultyServer, vault: Vault, path: str, run: Run) -> None:
    proxy.faults.extend([Answer(status, {"errors": ["canary.example"]})] * 4)
    provider = VaultProvider(proxy.url, kv_version=2)
    assert text(run.one(provider, host(path), environ=by_token(vault)[1])) == "second.example"
    assert len(proxy.asked) == 5


@pytest.mark.parametrize("status", [412, 429, 472, 473, 500, 502, 503])
def test_pt_14_server_that_stays_busy_is_given_up(status: int, proxy: FaultyServer, vault: Vault, path: str, run: Run) -> None:
    proxy.endless = Answer(status, {"errors": ["canary.example"]})
    found = failure(run.one(VaultProvider(proxy.url, kv_version=2), host(path), environ=by_token(vault)[1]), "VL07")
    assert f"status {status}" in str(found)
    assert len(proxy.asked) == 5


@pytest.mark.parametrize("status", [400, 401, 403, 404, 418])
def test_pt_14_refusal_is_not_asked_again(status: int, proxy: FaultyServer, vault: Vault, path: str, run: Run) -> None:
    proxy.endless = Answer(status, {"errors": ["canary.example"]})
    failure(run.one(VaultProvider(proxy.url, kv_version=2), host(path), environ=by_token(vault)[1]), "VL01" if status == 404 else "VL04")
    assert len(proxy.asked) == 1


def test_answer_that_is_cut_off_is_asked_for_again(proxy: FaultyServer, vault: Vault, path: str, run: Run) -> None:
    proxy.faults.append(Answer(200, {"data": {"data": {"host": "half.example"}, "metadata": {}}}, cut=True))
    assert text(run.one(VaultProvider(proxy.url, kv_version=2), host(path), environ=by_token(vault)[1])) == "second.example"


def test_sealed_vault_gives_no_answer(vault: Vault, path: str, run: Run) -> None:
    provider, environ = by_token(vault)
    with vault.sealed():
        assert "sealed" in str(failure(run.one(provider, host(path), environ=environ), "VL07"))
    assert text(run.one(provider, host(path), environ=environ)) == "second.example"


def test_sealed_vault_is_no_login(vault: Vault, oidc_issuer: OidcIssuer, path: str, run: Run) -> None:
    provider = VaultProvider(vault.url, auth=VaultAuth("jwt", role=ROLE, github_audience=vault.url))
    with vault.sealed():
        found = run.one(provider, host(path), environ=oidc_issuer.environ())
    assert isinstance(found, ProviderLoginError)
    assert "sealed" in str(found)


# --- generated values that are kept ---


@pytest.fixture
def writer(vault: Vault) -> dict[str, str]:
    """An environment with a token that may write below `orchard/`."""
    rules = 'path "secret/data/orchard/*" { capabilities = ["create", "read", "update"] }'
    vault.api("PUT", f"sys/policies/acl/{WRITER}", {"policy": rules})
    return {"VAULT_TOKEN": vault.token(WRITER)}


def cookie(path: str) -> GenerateSource:
    return GenerateSource("base64", 48, StorePlace("kv", path, "cookie"))


def test_generated_value_is_stored_once_beside_other_keys(vault: Vault, writer: dict[str, str], path: str, run: Run) -> None:
    provider = VaultProvider(vault.url)
    first = text(run.one(provider, cookie(path), environ=writer, may_write=True))
    assert text(run.one(provider, cookie(path), environ=writer, may_write=True)) == first
    held = vault.api("GET", f"secret/data/{path}")["data"]
    assert held["data"] == {"host": "second.example", "port": 2, "cookie": first}
    assert held["metadata"]["version"] == 3


def test_generated_value_is_not_stored_by_a_run_that_may_not_write(vault: Vault, writer: dict[str, str], path: str, run: Run) -> None:
    run.one(VaultProvider(vault.url), cookie(path), environ=writer)
    assert vault.api("GET", f"secret/data/{path}")["data"]["metadata"]["version"] == 2


@pytest.mark.parametrize("state", ["absent", "deleted"])
def test_generated_value_is_stored_where_no_secret_is(state: str, vault: Vault, writer: dict[str, str], path: str, run: Run) -> None:
    place = path if state == "deleted" else f"{path}-new"
    if state == "deleted":
        vault.delete_versions(path, 2)
    value = text(run.one(VaultProvider(vault.url), cookie(place), environ=writer, may_write=True))
    assert vault.api("GET", f"secret/data/{place}")["data"]["data"] == {"cookie": value}


def test_pt_37_value_is_replaced_only_over_the_version_that_was_read(vault: Vault, writer: dict[str, str], path: str, run: Run) -> None:
    resolver = run.resolver(VaultProvider(vault.url), {"cookie": cookie(path)}, environ=writer, may_write=True)
    old = text(resolver.resolve(["cookie"])["cookie"])
    kept = resolver.stored("cookie")
    assert (kept.value == SecretValue(old.encode()), kept.version) == (True, 3)
    new = resolver.generate("cookie")
    assert resolver.store("cookie", new, over=3) == 4
    assert resolver.resolve(["cookie"])["cookie"] == new
    assert resolver.store("cookie", new, over=3) == 4  # as after a lost answer
    with pytest.raises(SourceError) as refused:
        resolver.store("cookie", resolver.generate("cookie"), over=3)
    assert refused.value.rule == "VL04"
    assert resolver.store("cookie", SecretValue(old.encode()), over=4) == 5
    assert vault.api("GET", f"secret/data/{path}")["data"]["data"]["cookie"] == old


def test_value_without_the_right_to_write_is_not_made_up(vault: Vault, path: str, run: Run) -> None:
    provider, environ = by_token(vault)
    found = failure(run.one(provider, cookie(path), environ=environ, may_write=True), "VL04")
    assert f"policy does not allow write on secret/{path}" in str(found)


def test_engine_without_versions_stores_nothing(vault: Vault, path: str, run: Run) -> None:
    found = run.one(VaultProvider(vault.url, mount="kv"), cookie(path), environ=by_token(vault)[1], may_write=True)
    failure(found, "VL06")


# --- TLS ---


class TlsVault:
    """A Vault with a certificate of its own authority.

    Attributes:
        url: Its address.
        authority: File with the certificate of its authority.
        environ: With a token that may do everything.
    """

    def __init__(self, url: str, authority: Path, token: str) -> None:
        self.url = url
        self.authority = authority
        self.environ = {"VAULT_TOKEN": token}


@pytest.fixture(scope="module")
def tls_vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsVault]:
    """Vault in development mode with TLS."""
    folder = tmp_path_factory.mktemp("tls-vault")
    port, token = free_ports(1)[0], secrets.token_hex(16)
    environ = {"HOME": str(folder), "VAULT_DEV_ROOT_TOKEN_ID": token, "VAULT_DEV_LISTEN_ADDRESS": f"{LOOPBACK}:{port}"}
    command: list[str | Path] = [required("vault"), "server", "-dev-tls", "-dev-no-store-token", f"-dev-tls-cert-dir={folder}"]
    authority = folder / "vault-ca.pem"
    server = TlsVault(f"https://{LOOPBACK}:{port}", authority, token)

    def ready() -> bool:
        if not authority.exists():
            return False
        resolver = Resolver(
            {"kv": VaultProvider(server.url, kv_version=2, ca_file=str(authority))},
            {"cookie": GenerateSource("hex", store=StorePlace("kv", "orchard", "cookie"))},
            environ=dict(server.environ),
            root="/",
            options=Options(may_write=True),
            retries=Retries(tries=1),
        )
        with resolver:
            return isinstance(resolver.resolve(["cookie"])["cookie"], SecretValue)

    with serving("Vault with TLS", command, log=folder / "vault.log", environ=environ, ready=ready):
        yield server


COOKIE = ProviderSource("kv", "orchard", "cookie")


def test_pt_11_authority_comes_as_file_text_or_variable(tls_vault: TlsVault, run: Run) -> None:
    url, authority = tls_vault.url, tls_vault.authority
    by_variable = tls_vault.environ | {"VAULT_CACERT": str(authority)}
    found = [
        run.one(VaultProvider(url, ca_file=authority.name), COOKIE, environ=tls_vault.environ, root=str(authority.parent)),
        run.one(VaultProvider(url, ca_pem=authority.read_text(encoding="utf-8")), COOKIE, environ=tls_vault.environ),
        run.one(VaultProvider(url), COOKIE, environ=by_variable),
    ]
    assert all(isinstance(value, SecretValue) for value in found)


def test_pt_11_unknown_authority_is_not_trusted_whatever_the_environment_says(tls_vault: TlsVault, run: Run) -> None:
    environ = tls_vault.environ | {"VAULT_SKIP_VERIFY": "true"}
    found = failure(run.one(VaultProvider(tls_vault.url, kv_version=2), COOKIE, environ=environ), "VL07")
    assert "its certificate is not trusted" in str(found)
    assert "VAULT_SKIP_VERIFY is ignored" in run.warnings[0]


def test_pt_11_name_in_the_certificate_is_compared(tls_vault: TlsVault, run: Run) -> None:
    def asked(name: str) -> SecretValue | SourceError:
        provider = VaultProvider(tls_vault.url, ca_file=str(tls_vault.authority), tls_server_name=name)
        return run.one(provider, COOKIE, environ=tls_vault.environ)

    assert isinstance(asked("localhost"), SecretValue)
    assert "its certificate is not trusted" in str(failure(asked("vault.example.net"), "VL07"))
