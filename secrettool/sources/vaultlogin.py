"""Logging in to Vault.

    token        nothing is asked: the token is there
    approle      role id and secret id, which may come wrapped
    kubernetes   the token of a service account, read each time because it is renewed
    jwt          a token of any issuer; that of a GitHub job is fetched right before

Source: section 3 of the patcher's requirements; Vault HTTP API: auth/approle, auth/kubernetes, auth/jwt, auth/token, sys/wrapping/unwrap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any, Final, TypeAlias

from secrettool.errors import ProviderLoginError, SourceError
from secrettool.sources import github
from secrettool.sources.context import Context
from secrettool.sources.model import POD_TOKEN, VaultAuth, VaultProvider
from secrettool.sources.session import Refused, Retries, Unreachable
from secrettool.sources.value import SecretValue
from secrettool.sources.vaultclient import refusal

SecretIds: TypeAlias = MutableMapping[str, str]

_TOKENS: Final = ("VAULT_TOKEN", "BAO_TOKEN")


def login(client: Any, provider: VaultProvider, context: Context, secret_ids: SecretIds) -> bool:
    """Give a client its token.

    Args:
        client: A client of hvac; its namespace is that of the secrets, before and after.
        provider: Says how.
        context: Environment, files, and who is told of tokens.
        secret_ids: By the wrapping token that held it, for a second login: such a token opens once. Is added to.

    Returns:
        Whether the token is ours to revoke.

    Raises:
        ProviderLoginError: There is nothing to show, or it was refused; `str` says by which method.
    """
    auth = provider.auth
    try:
        with in_namespace(client, auth.namespace):
            if auth.method == "approle":
                return _approle(client, provider, context, secret_ids)
            return _METHODS[auth.method](client, provider, context)
    except SourceError as error:
        raise ProviderLoginError("VL09", f"login by {auth.method} failed: {error.message}", hint=error.hint) from None


@contextmanager
def in_namespace(client: Any, namespace: str | None) -> Iterator[None]:
    """Ask in another namespace for the time of a block; None changes nothing."""
    before = client.adapter.namespace
    client.adapter.namespace = namespace or before
    try:
        yield
    finally:
        client.adapter.namespace = before


def revoke(client: Any, auth: VaultAuth) -> bool:
    """End the life of a login's token; the client has none afterwards.

    Returns:
        Whether it is gone.
    """
    client.session.retries = Retries(tries=1)
    try:
        with in_namespace(client, auth.namespace):
            client.auth.token.revoke_self()
    except (Refused, Unreachable):
        return False
    finally:
        client.adapter.token = ""
    return True


# ---- the methods ---------------------------------------------------------------------------------------------------------------------------------


def _token(client: Any, provider: VaultProvider, context: Context) -> bool:
    auth = provider.auth
    variable = auth.token_env
    if variable is None and auth.token_file is None:
        variable = next((name for name in _TOKENS if context.environ.get(name)), _TOKENS[0])
    client.adapter.token = context.credential("token", variable=variable, file=auth.token_file)
    if context.check_login:
        _asked(client.auth.token.lookup_self, "look at the token")
    return False


def _approle(client: Any, provider: VaultProvider, context: Context, secret_ids: SecretIds) -> bool:
    auth = provider.auth
    role_id = _needed(auth.role_id, "roleId")
    secret_id = context.credential("secret id", variable=auth.secret_id_env, file=auth.secret_id_file)
    if auth.wrapped:
        wrapping = _needed(secret_id, "secretIdEnv or secretIdFile")
        if wrapping not in secret_ids:
            secret_ids[wrapping] = _unwrapped(client, wrapping, context)
        secret_id = secret_ids[wrapping]
    return _accept(client, context, lambda: client.auth.approle.login(role_id, secret_id, use_token=False, mount_point=auth.mount or "approle"))


def _kubernetes(client: Any, provider: VaultProvider, context: Context) -> bool:
    auth = provider.auth
    role = _needed(auth.role, "role")
    file = auth.jwt_file if auth.jwt_file or auth.jwt_env else POD_TOKEN
    jwt = _needed(context.credential("token of a service account", variable=auth.jwt_env, file=file), "jwtFile")
    return _accept(client, context, lambda: client.auth.kubernetes.login(role, jwt, use_token=False, mount_point=auth.mount or "kubernetes"))


def _jwt(client: Any, provider: VaultProvider, context: Context) -> bool:
    auth = provider.auth
    role = _needed(auth.role, "role")
    if auth.github_audience is not None:
        jwt = github.id_token(auth.github_audience, context, timeout=provider.timeout, retries=client.session.retries)
    else:
        jwt = _needed(context.credential("token", variable=auth.jwt_env, file=auth.jwt_file), "github, jwtFile or jwtEnv")
    return _accept(client, context, lambda: client.auth.jwt.jwt_login(role, jwt, use_token=False, path=auth.mount or "jwt"))


_METHODS: Final[Mapping[str, Callable[[Any, VaultProvider, Context], bool]]] = {
    "token": _token,
    "kubernetes": _kubernetes,
    "jwt": _jwt,
}


def _unwrapped(client: Any, wrapping: str, context: Context) -> str:
    """The secret id that a wrapping token holds."""
    client.adapter.token = wrapping
    try:
        answer = _asked(client.sys.unwrap, "unwrap")
    except SourceError as error:
        if error.rule == "VL07":
            raise
        hint = "it was used before or is too old; when nobody of yours used it, somebody else has the secret id: revoke it"
        raise SourceError("VL09", "the wrapping token does not open", hint=hint) from None
    finally:
        client.adapter.token = ""
    secret_id = _field(answer, "data", "secret_id")
    if not secret_id:
        raise SourceError("VL09", "the wrapping token holds no secret id")
    context.on_secret(SecretValue(secret_id.encode()))
    return secret_id


def _accept(client: Any, context: Context, ask: Callable[[], Any]) -> bool:
    """Log in, and take the token over; returns whether it can be revoked."""
    answer = _asked(ask, "log in")
    token = _field(answer, "auth", "client_token")
    if not token:
        raise SourceError("VL09", "the answer holds no token", hint="a second factor is not supported")
    context.on_secret(SecretValue(token.encode()))
    client.adapter.token = token
    return _field(answer, "auth", "token_type") != "batch"


def _asked(ask: Callable[[], Any], what: str) -> Any:
    try:
        return ask()
    except RecursionError:  # of JSON
        return None
    except Unreachable as error:
        lost: Refused | Unreachable = error
    except Refused as error:
        lost = error
    if isinstance(lost, Refused) and lost.status in (400, 401, 403, 404):
        hint = "look at mount, role, and what the role is bound to: audience, claims, service account, address"
        raise SourceError("VL09", f"Vault refused to {what} (status {lost.status})", hint=hint)
    raise refusal(lost, what, "auth")


def _field(answer: Any, part: str, name: str) -> str:
    held = answer.get(part) if isinstance(answer, Mapping) else None
    value = held.get(name) if isinstance(held, Mapping) else None
    return value if isinstance(value, str) else ""


def _needed(value: str | None, field: str) -> str:
    if value is None:
        raise SourceError("VL09", f"{field} is missing in auth")
    return value
