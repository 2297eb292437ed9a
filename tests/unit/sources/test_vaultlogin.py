"""Logins: what is shown to Vault, what comes back, and what becomes of the token."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from secrettool.errors import Outcome, ProviderLoginError, SourceError
from secrettool.sources import vaultlogin
from secrettool.sources.model import ProviderSource, VaultAuth
from secrettool.sources.value import SecretValue
from tests.interop.peers.faults import Answer, Asked, FaultyServer
from tests.unit.sources.support import DENIED, INVALID_TOKEN, Told, failure, kv2, logged_in, resolver, text, vault_at

HOST = ProviderSource("p", "app", "host")
READ = kv2({"host": "canary-host"})
GONE = Answer(204)


def one(
    server: FaultyServer,
    auth: VaultAuth,
    told: Told | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    root: str | Path = "/",
    **settings: Any,
) -> SecretValue | SourceError:
    """One value, after which all is closed."""
    with resolver({"a": HOST}, {"p": vault_at(server.url, auth=auth)}, told=told, environ=environ, root=root, **settings) as made:
        return made.resolve(["a"])["a"]


def no_login(found: SecretValue | SourceError, part: str) -> SourceError:
    error = failure(found, "VL09")
    assert (type(error), error.code) == (ProviderLoginError, Outcome.NO_LOGIN)
    assert part in error.message
    return error


def token(asked: Asked) -> str | None:
    return asked.headers.get("x-vault-token")


# --- token ---


@pytest.mark.parametrize(
    ("auth", "environ"),
    [
        (VaultAuth(), {"VAULT_TOKEN": "canary", "BAO_TOKEN": "other"}),
        (VaultAuth(), {"VAULT_TOKEN": "", "BAO_TOKEN": "canary"}),
        (VaultAuth(token_env="MINE"), {"VAULT_TOKEN": "other", "MINE": " canary\n"}),
        (VaultAuth(token_file="token"), {"VAULT_TOKEN": "other"}),
    ],
)
def test_token_is_shown_as_it_is_and_never_revoked(
    auth: VaultAuth, environ: dict[str, str], server: FaultyServer, told: Told, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("canary\n")
    server.faults.append(READ)
    assert text(one(server, auth, told, environ=environ, root=tmp_path)) == "canary-host"
    assert server.paths() == ["GET /v1/kv/data/app"]
    assert token(server.asked[0]) == "canary"
    assert told.masked == ["canary", "canary-host"]


def test_token_is_looked_at_first_only_when_told_so(server: FaultyServer) -> None:
    server.faults.extend([Answer(200, {"data": {}}), READ])
    assert isinstance(one(server, VaultAuth(), environ={"VAULT_TOKEN": "t"}, check_login=True), SecretValue)
    assert server.paths() == ["GET /v1/auth/token/lookup-self", "GET /v1/kv/data/app"]
    server.faults.append(INVALID_TOKEN)
    no_login(one(server, VaultAuth(), environ={"VAULT_TOKEN": "canary"}, check_login=True), "look at the token (status 403)")


def test_no_token_is_no_login_and_nothing_is_asked(server: FaultyServer) -> None:
    no_login(one(server, VaultAuth()), "login by token failed: there is no token in variable VAULT_TOKEN")
    assert server.asked == []


# --- AppRole ---


def test_approle_shows_both_ids_reads_and_gives_its_token_back(server: FaultyServer, told: Told) -> None:
    server.faults.extend([logged_in("canary-token"), READ, GONE])
    auth = VaultAuth("approle", role_id="the-role", secret_id_env="ID")
    assert text(one(server, auth, told, environ={"ID": "canary-id"})) == "canary-host"
    assert server.paths() == ["POST /v1/auth/approle/login", "GET /v1/kv/data/app", "POST /v1/auth/token/revoke-self"]
    assert json.loads(server.asked[0].body) == {"role_id": "the-role", "secret_id": "canary-id"}
    assert [token(asked) for asked in server.asked] == [None, "canary-token", "canary-token"]
    assert told.masked == ["canary-id", "canary-token", "canary-host"]
    assert told.warnings == []


def test_approle_bound_by_address_shows_no_secret_id(server: FaultyServer) -> None:
    server.faults.extend([logged_in(), READ, GONE])
    one(server, VaultAuth("approle", mount="machines", role_id="the-role"))
    assert server.paths()[0] == "POST /v1/auth/machines/login"
    assert json.loads(server.asked[0].body) == {"role_id": "the-role", "secret_id": None}


def test_wrapped_secret_id_is_unwrapped_with_its_own_token(server: FaultyServer, told: Told) -> None:
    server.faults.extend([Answer(200, {"data": {"secret_id": "canary-id"}}), logged_in(), READ, GONE])
    auth = VaultAuth("approle", role_id="r", secret_id_env="WRAP", wrapped=True)
    assert text(one(server, auth, told, environ={"WRAP": "canary-wrap"})) == "canary-host"
    assert [path.split("/v1/")[1] for path in server.paths()] == [
        "sys/wrapping/unwrap",
        "auth/approle/login",
        "kv/data/app",
        "auth/token/revoke-self",
    ]
    assert [token(asked) for asked in server.asked] == ["canary-wrap", None, "hvs.canary", "hvs.canary"]
    assert json.loads(server.asked[1].body)["secret_id"] == "canary-id"
    assert told.masked == ["canary-wrap", "canary-id", "hvs.canary", "canary-host"]


def test_wrapped_secret_id_is_unwrapped_once_even_for_a_second_login(server: FaultyServer) -> None:
    unwrapped = Answer(200, {"data": {"secret_id": "canary-id"}})
    server.faults.extend([unwrapped, logged_in("canary-1"), INVALID_TOKEN, logged_in("canary-2"), READ, GONE])
    auth = VaultAuth("approle", role_id="r", secret_id_env="WRAP", wrapped=True)
    assert text(one(server, auth, environ={"WRAP": "canary-wrap"})) == "canary-host"
    assert sum("unwrap" in path for path in server.paths()) == 1
    assert token(server.asked[-1]) == "canary-2"


@pytest.mark.parametrize("answer", [Answer(400, {"errors": ["canary"]}), INVALID_TOKEN, Answer(404)])
def test_wrapping_token_that_does_not_open_is_an_alarm(answer: Answer, server: FaultyServer) -> None:
    server.faults.append(answer)
    error = no_login(one(server, VaultAuth("approle", role_id="r", secret_id_env="W", wrapped=True), environ={"W": "canary"}), "does not open")
    assert "revoke it" in str(error.hint)
    assert len(server.asked) == 1


def test_wrapping_token_is_no_alarm_while_vault_is_down(server: FaultyServer) -> None:
    server.endless = Answer(503)
    error = no_login(one(server, VaultAuth("approle", role_id="r", secret_id_env="W", wrapped=True), environ={"W": "canary"}), "sealed")
    assert "revoke" not in str(error.hint)


@pytest.mark.parametrize("answer", [Answer(200, {"data": {}}), Answer(200, {}), Answer(200, "canary"), Answer(204), Answer(200, "[" * 200_000)])
def test_wrapping_token_may_hold_something_else(answer: Answer, server: FaultyServer) -> None:
    server.faults.append(answer)
    auth = VaultAuth("approle", role_id="r", secret_id_env="W", wrapped=True)
    no_login(one(server, auth, environ={"W": "canary"}), "the wrapping token holds no secret id")


@pytest.mark.parametrize(
    ("auth", "part"),
    [
        (VaultAuth("approle"), "roleId is missing"),
        (VaultAuth("approle", role_id="r", wrapped=True), "secretIdEnv or secretIdFile is missing"),
        (VaultAuth("approle", role_id="r", secret_id_env="ABSENT"), "no secret id in variable ABSENT"),
        (VaultAuth("kubernetes"), "role is missing"),
        (VaultAuth("kubernetes", role="r", jwt_file="/absent"), "the file /absent"),
        (VaultAuth("jwt"), "role is missing"),
        (VaultAuth("jwt", role="r"), "github, jwtFile or jwtEnv is missing"),
        (VaultAuth("jwt", role="r", github_audience="a"), "no identity to ask GitHub for"),
    ],
)
def test_login_without_what_it_needs_asks_nothing(auth: VaultAuth, part: str, server: FaultyServer) -> None:
    no_login(one(server, auth), part)
    assert server.asked == []


# --- Kubernetes and JWT ---


def test_pod_shows_the_token_of_its_file_which_is_read_at_each_login(server: FaultyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "token"
    monkeypatch.setattr(vaultlogin, "POD_TOKEN", str(file))
    made = resolver({"a": HOST, "b": ProviderSource("p", "other", "host")}, {"p": vault_at(server.url, auth=VaultAuth("kubernetes", role="r"))})
    file.write_text("canary-1\n")
    server.faults.extend([logged_in(), READ])
    made.resolve(["a"])
    file.write_text("canary-2\n")
    server.faults.extend([INVALID_TOKEN, logged_in(), READ])
    made.resolve(["b"])
    logins = [asked for asked in server.asked if asked.method == "POST"]
    assert [asked.path for asked in logins] == ["/v1/auth/kubernetes/login"] * 2
    assert [json.loads(asked.body) for asked in logins] == [{"role": "r", "jwt": "canary-1"}, {"role": "r", "jwt": "canary-2"}]


@pytest.mark.parametrize(
    ("auth", "path"),
    [
        (VaultAuth("kubernetes", role="r", jwt_env="JWT"), "/v1/auth/kubernetes/login"),
        (VaultAuth("kubernetes", role="r", jwt_file="jwt", mount="prod/k3s"), "/v1/auth/prod/k3s/login"),
        (VaultAuth("jwt", role="r", jwt_env="JWT"), "/v1/auth/jwt/login"),
        (VaultAuth("jwt", role="r", jwt_file="jwt", mount="gitlab"), "/v1/auth/gitlab/login"),
    ],
)
def test_jwt_is_shown_to_its_mount(auth: VaultAuth, path: str, server: FaultyServer, told: Told, tmp_path: Path) -> None:
    (tmp_path / "jwt").write_text("canary.j.wt\n")
    server.faults.extend([logged_in(), READ, GONE])
    assert text(one(server, auth, told, environ={"JWT": "canary.j.wt"}, root=tmp_path)) == "canary-host"
    assert server.asked[0].path == path
    assert json.loads(server.asked[0].body) == {"role": "r", "jwt": "canary.j.wt"}
    assert token(server.asked[0]) is None
    assert told.masked == ["canary.j.wt", "hvs.canary", "canary-host"]


def test_github_token_is_fetched_right_before_the_login(server: FaultyServer) -> None:
    environ = {"ACTIONS_ID_TOKEN_REQUEST_URL": f"{server.url}/idtoken?v=2", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "canary"}
    server.faults.extend([Answer(200, {"value": "canary.j.wt"}), logged_in(), READ, GONE])
    assert text(one(server, VaultAuth("jwt", role="r", github_audience="aud"), environ=environ)) == "canary-host"
    assert server.paths()[:2] == ["GET /idtoken?v=2&audience=aud", "POST /v1/auth/jwt/login"]


# --- answers to a login ---


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_refused_login_is_told_by_its_status_and_not_tried_again(status: int, server: FaultyServer) -> None:
    server.endless = Answer(status, {"errors": ["canary"]})
    auth = VaultAuth("jwt", role="r", jwt_env="JWT")
    no_login(one(server, auth, environ={"JWT": "canary"}), f"login by jwt failed: Vault refused to log in (status {status})")
    assert len(server.asked) == 1


@pytest.mark.parametrize("status", [412, 429, 500, 503])
def test_pt_14_login_is_tried_again_while_vault_is_busy(status: int, server: FaultyServer) -> None:
    server.faults.extend([*[Answer(status)] * 4, logged_in(), READ, GONE])
    auth = VaultAuth("approle", role_id="r")
    assert isinstance(one(server, auth), SecretValue)
    server.endless = Answer(status)
    no_login(one(server, auth), f"status {status}")


def test_login_without_an_answer_says_why(server: FaultyServer) -> None:
    server.endless = Answer(200, {"auth": {"client_token": "canary"}}, cut=True)
    no_login(one(server, VaultAuth("approle", role_id="r")), "login by approle failed: Vault gives no answer: the connection broke")


@pytest.mark.parametrize(
    "body", [{}, {"auth": None}, {"auth": {"client_token": ""}}, {"auth": {"mfa_requirement": {"canary": 1}}}, ["canary"], "canary", "[" * 200_000]
)
def test_answer_without_a_token_is_no_login(body: Any, server: FaultyServer) -> None:
    server.faults.append(Answer(200, body))
    no_login(one(server, VaultAuth("approle", role_id="r")), "the answer holds no token")


def test_login_goes_to_its_own_namespace_and_so_does_the_end_of_its_token(server: FaultyServer) -> None:
    server.faults.extend([logged_in(), READ, GONE])
    provider = vault_at(server.url, namespace="data", auth=VaultAuth("approle", role_id="r", namespace="logins"))
    with resolver({"a": HOST}, {"p": provider}) as made:
        made.resolve(["a"])
    assert [asked.headers.get("x-vault-namespace") for asked in server.asked] == ["logins", "data", "logins"]


def test_pt_13_login_goes_to_the_namespace_of_the_secrets_when_it_has_none(server: FaultyServer) -> None:
    server.faults.extend([logged_in(), READ, GONE])
    with resolver({"a": HOST}, {"p": vault_at(server.url, namespace="data", auth=VaultAuth("approle", role_id="r"))}) as made:
        made.resolve(["a"])
    assert {asked.headers.get("x-vault-namespace") for asked in server.asked} == {"data"}


def test_failed_login_is_tried_once_for_all_values(server: FaultyServer) -> None:
    server.endless = DENIED
    values = {"a": HOST, "b": ProviderSource("p", "other", "host")}
    with resolver(values, {"p": vault_at(server.url, auth=VaultAuth("approle", role_id="r"))}) as made:
        found = made.resolve(values)
    assert [type(error) for error in found.values()] == [ProviderLoginError] * 2
    assert [str(error).split()[1] for error in found.values()] == ["a:", "b:"]
    assert len(server.asked) == 1


# --- the end of a token ---


def test_batch_token_is_not_revoked(server: FaultyServer, told: Told) -> None:
    server.faults.extend([logged_in(kind="batch"), READ])
    assert isinstance(one(server, VaultAuth("approle", role_id="r"), told), SecretValue)
    assert len(server.asked) == 2
    assert told.warnings == []


@pytest.mark.parametrize("answer", [DENIED, Answer(503), Answer(200, "canary", cut=True)])
def test_token_that_cannot_be_revoked_is_a_warning_after_one_try(answer: Answer, server: FaultyServer, told: Told) -> None:
    server.faults.extend([logged_in(), READ])
    server.endless = answer
    assert isinstance(one(server, VaultAuth("approle", role_id="r"), told), SecretValue)
    assert [warning.partition(";")[0] for warning in told.warnings] == ["the token of the login could not be revoked"]
    assert len(server.asked) == 3


def test_token_of_a_login_is_revoked_after_a_failed_read_too(server: FaultyServer) -> None:
    server.faults.extend([logged_in(), DENIED, GONE])
    failure(one(server, VaultAuth("approle", role_id="r")), "VL04")
    assert server.paths()[-1] == "POST /v1/auth/token/revoke-self"


def test_expired_token_of_a_login_is_replaced_once(server: FaultyServer) -> None:
    server.faults.extend([logged_in("canary-1"), INVALID_TOKEN, logged_in("canary-2"), READ, GONE])
    assert text(one(server, VaultAuth("approle", role_id="r"))) == "canary-host"
    assert [token(asked) for asked in server.asked] == [None, "canary-1", None, "canary-2", "canary-2"]


def test_second_login_is_the_last_one_for_a_read(server: FaultyServer) -> None:
    server.faults.extend([logged_in("canary-1"), INVALID_TOKEN, logged_in("canary-2"), INVALID_TOKEN, GONE])
    error = failure(one(server, VaultAuth("approle", role_id="r")), "VL04")
    assert "the token is not valid, or no longer" in error.message
    assert sum("login" in path for path in server.paths()) == 2


def test_second_login_that_fails_is_the_failure_of_all_that_follow(server: FaultyServer, told: Told) -> None:
    server.faults.extend([logged_in(), READ, INVALID_TOKEN, Answer(400)])
    values = {"a": HOST, "b": ProviderSource("p", "b", "host"), "c": ProviderSource("p", "c", "host")}
    with resolver(values, {"p": vault_at(server.url, auth=VaultAuth("approle", role_id="r"))}, told=told) as made:
        found = made.resolve(values)
    assert isinstance(found["a"], SecretValue)
    for name in ("b", "c"):
        no_login(found[name], "status 400")
    assert len(server.asked) == 4
    assert told.warnings == []


def test_given_token_that_expired_is_not_replaced(server: FaultyServer) -> None:
    server.endless = INVALID_TOKEN
    failure(one(server, VaultAuth(), environ={"VAULT_TOKEN": "canary"}), "VL04")
    assert len(server.asked) == 1
