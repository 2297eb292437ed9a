"""What an administrator of Vault sets up so that a map can be run: a policy that reads the map's secrets and nothing else, and the role of the login.

Source: requirement PT-12; Vault documentation: policies (syntax, namespaces), auth/jwt, auth/kubernetes, auth/approle (roles), secret/kv (paths).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from secrettool.patcher.mapping import PatchMap, Target
from secrettool.sources import ref
from secrettool.sources.model import GenerateSource, ProviderSource, RefSource, VaultProvider

TTL: Final = "10m"
"""How long the token of a login lives: longer than a run, not much longer."""

READ: Final = ("read",)
STORE: Final = ("create", "read", "update")

REPOSITORY: Final = "OWNER/REPOSITORY"
ACCOUNT: Final = "NAMESPACE/NAME"
GITHUB: Final = "https://token.actions.githubusercontent.com"
"""Issuer of the identities of jobs."""


class Admitted(NamedTuple):
    """Who may log in.

    Attributes:
        claims: Claims of a JWT and their values; `*` in a value stands for any text. Empty: examples to be replaced.
        account: ServiceAccount as `NAMESPACE/NAME`.
    """

    claims: Mapping[str, str]
    account: str = ACCOUNT


class Setup(NamedTuple):
    """What is set up for one provider.

    Attributes:
        provider: Its name in the map; empty for the Vault that only the environment names.
        address: Its URL; None when the environment has it.
        namespace: Where policy and role are made; None for the root.
        policy: Name of the policy.
        rules: Its text.
        role_path: What the role is written to; None for logins that have no role.
        role: What is written there.
        notes: What a person should know.
    """

    provider: str
    address: str | None
    namespace: str | None
    policy: str
    rules: str
    role_path: str | None
    role: Mapping[str, Any]
    notes: tuple[str, ...]


def setups(patch_map: PatchMap, targets: Iterable[Target], name: str, admitted: Admitted) -> list[Setup]:
    """One setup for each Vault that the targets need, in the order of the map.

    Args:
        patch_map: The map.
        targets: Those of its targets that will be run.
        name: Of the policies; a second one gets the provider's name behind it.
        admitted: Who may log in.
    """
    paths: dict[str, dict[str, set[str]]] = {}
    for value in patch_map.needed(targets):
        for provider, path, rights in _used(patch_map, value):
            paths.setdefault(provider, {}).setdefault(path, set()).update(rights)
    return [
        _setup(patch_map, provider, paths[provider], f"{name}-{provider}" if number and provider else name, admitted)
        for number, provider in enumerate(sorted(paths, key=[*patch_map.providers, ""].index))
    ]


def script(found: Iterable[Setup]) -> str:
    """The setups as a shell script for the program `vault`."""
    return "\n".join("".join(f"{line}\n" for line in _lines(setup)) for setup in found)


# ---- which secrets -------------------------------------------------------------------------------------------------------------------------------


def _used(patch_map: PatchMap, value: str) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Provider, path and rights of a value, if it comes from a Vault."""
    source = patch_map.values[value]
    if isinstance(source, GenerateSource) and source.store is not None:
        place = source.store
        provider = patch_map.providers[place.provider]
        if isinstance(provider, VaultProvider):
            yield place.provider, _path(provider, place.mount or provider.mount, place.path), STORE
    elif isinstance(source, ProviderSource) and source.path is not None:
        provider = patch_map.providers[source.provider]
        if isinstance(provider, VaultProvider):
            yield source.provider, _path(provider, source.mount or provider.mount, source.path), READ
    elif isinstance(source, RefSource):
        target = ref.read(source.url).target
        if isinstance(target, ref.VaultRef):
            name = next((name for name, each in patch_map.providers.items() if isinstance(each, VaultProvider)), "")
            yield name, _path(_vault(patch_map, name), target.mount, target.path, target.namespace), READ


def _vault(patch_map: PatchMap, name: str) -> VaultProvider:
    provider = patch_map.providers.get(name)
    return provider if isinstance(provider, VaultProvider) else VaultProvider()


def _path(provider: VaultProvider, mount: str, path: str, namespace: str | None = None) -> str:
    """A secret as a policy names it: seen from the namespace of the login."""
    mount, path = mount.strip("/"), path.strip("/")
    whole = f"{mount}/{path}" if provider.kv_version == 1 else f"{mount}/data/{path}"
    home, there = (provider.auth.namespace or provider.namespace or "").strip("/"), (namespace or provider.namespace or "").strip("/")
    below = there.removeprefix(home).strip("/") if not home or there == home or there.startswith(f"{home}/") else ""
    return f"{below}/{whole}" if below else whole


# ---- policy and role -----------------------------------------------------------------------------------------------------------------------------


def _setup(patch_map: PatchMap, name: str, paths: Mapping[str, set[str]], policy: str, admitted: Admitted) -> Setup:
    provider = _vault(patch_map, name)
    role_path, role, notes = _role(provider, policy, admitted)
    if provider.kv_version == "auto":
        notes = ("the engine is taken for KV version 2; with kvVersion: 1 in the map the paths have no data/", *notes)
    return Setup(name, provider.address, provider.auth.namespace or provider.namespace, policy, _rules(paths), role_path, role, notes)


def _rules(paths: Mapping[str, set[str]]) -> str:
    """A policy. JSON's quoting of texts is HCL's."""
    return "".join(f"path {json.dumps(path)} {{\n  capabilities = {json.dumps(sorted(paths[path]))}\n}}\n" for path in sorted(paths))


def _role(provider: VaultProvider, policy: str, admitted: Admitted) -> tuple[str | None, dict[str, Any], tuple[str, ...]]:
    auth = provider.auth
    token = {"token_policies": [policy], "token_ttl": TTL, "token_max_ttl": TTL}
    mount = auth.mount or auth.method
    match auth.method:
        case "jwt":
            role, notes = _jwt_role(auth.github_audience, admitted)
            if auth.github_audience is not None:
                notes = (*notes, *_github_notes(mount))
            return f"auth/{mount}/role/{auth.role or policy}", {**role, **token}, notes
        case "kubernetes":
            namespace, _, account = admitted.account.partition("/")
            role = {"bound_service_account_names": [account], "bound_service_account_namespaces": [namespace]}
            notes = ("put the ServiceAccount of the Job in the place of NAMESPACE and NAME",) if admitted.account == ACCOUNT else ()
            return f"auth/{mount}/role/{auth.role or policy}", {**role, **token}, notes
        case "approle":
            return f"auth/{mount}/role/{policy}", token, ("roleId of the map is what Vault then has under role-id of this role",)
    return None, {}, (f"the login is a token that is given: vault token create -policy={policy} -ttl=1h",)


def _github_notes(mount: str) -> tuple[str, ...]:
    """What is done once for a server, so that it knows the identities of jobs."""
    return (
        "if the server does not know GitHub yet:",
        f"  vault auth enable -path={mount} jwt",
        f"  vault write auth/{mount}/config oidc_discovery_url={GITHUB} bound_issuer={GITHUB}",
    )


def _jwt_role(audience: str | None, admitted: Admitted) -> tuple[dict[str, Any], tuple[str, ...]]:
    examples = {"repository": REPOSITORY, "ref": "refs/heads/main"} if audience is not None else {"sub": "SUBJECT"}
    claims = dict(admitted.claims) or examples
    role: dict[str, Any] = {"role_type": "jwt", "user_claim": "repository" if audience is not None else "sub", "bound_claims": claims}
    if any("*" in value for value in claims.values()):
        role["bound_claims_type"] = "glob"
    if audience is not None:
        role["bound_audiences"] = [audience]
    return role, () if admitted.claims else (f"the claims {', '.join(claims)} are examples: name yours with --claim NAME=VALUE",)


# ---- the script ----------------------------------------------------------------------------------------------------------------------------------


def _lines(setup: Setup) -> Iterator[str]:
    namespace = f"-namespace={setup.namespace} " if setup.namespace else ""
    yield f"# {f'provider {setup.provider}' if setup.provider else 'the Vault of the environment'}: {setup.address or 'VAULT_ADDR'}"
    yield from (f"# {note}" for note in setup.notes)
    yield f"vault policy write {namespace}{setup.policy} - <<'EOF'"
    yield from setup.rules.splitlines()
    yield "EOF"
    if setup.role_path is not None:
        yield f"vault write {namespace}{setup.role_path} - <<'EOF'"
        yield from json.dumps(setup.role, indent=2).splitlines()
        yield "EOF"
