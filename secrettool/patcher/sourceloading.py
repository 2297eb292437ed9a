"""From the fields of a patch map, as the schema lets them through, to sources and providers; and whether they fit together."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from secrettool.errors import SourceError
from secrettool.sources import ref
from secrettool.sources.model import (
    EnvSource,
    ExecProvider,
    FileSource,
    Form,
    GenerateSource,
    Provider,
    ProviderSource,
    RefSource,
    SopsSource,
    Source,
    StorePlace,
    VaultAuth,
    VaultProvider,
)
from secrettool.yamlfile.located import Path
from secrettool.yamlfile.validation import choices

_ARGUMENT: Final = re.compile(r"\{([A-Za-z_][A-Za-z0-9_-]*)\}")
_OF_VAULT: Final = ("path", "key", "version", "mount")

Fields = Mapping[str, Any]


class Misfit(NamedTuple):
    """Something that does not fit.

    Attributes:
        path: The field, from the source or provider on.
        message: What is wrong.
        hint: What to try.
    """

    path: Path
    message: str
    hint: str | None = None


# ---- providers -----------------------------------------------------------------------------------------------------------------------------------


def provider_of(fields: Fields) -> Provider:
    """A provider."""
    if fields["type"] == "exec":
        given = _renamed(fields, {"cwd": "cwd", "parse": "parse", "pointer": "pointer", "timeoutSeconds": "timeout"})
        return ExecProvider(tuple(fields["command"]), tuple(fields.get("env", ())), **given)
    names = {"kvVersion": "kv_version", "caFile": "ca_file", "caPem": "ca_pem", "tlsServerName": "tls_server_name", "timeoutSeconds": "timeout"}
    given = _renamed(fields, {"address": "address", "namespace": "namespace", "mount": "mount", **names})
    return VaultProvider(**given, auth=_auth_of(fields["auth"]) if "auth" in fields else VaultAuth())


def provider_misfits(provider: Provider) -> Iterator[Misfit]:
    """What does not fit together in a provider."""
    if isinstance(provider, ExecProvider) and provider.pointer is not None and provider.parse == "text":
        yield Misfit(("pointer",), "needs parse: json or yaml")


def _auth_of(fields: Fields) -> VaultAuth:
    names = {
        "roleId": "role_id",
        "tokenEnv": "token_env",
        "tokenFile": "token_file",
        "secretIdEnv": "secret_id_env",
        "secretIdFile": "secret_id_file",
    }
    plain = {name: name for name in ("method", "mount", "role", "namespace", "wrapped")}
    given = _renamed(fields, {**plain, **names, "jwtFile": "jwt_file", "jwtEnv": "jwt_env"})
    return VaultAuth(**given, github_audience=fields.get("github", {}).get("audience"))


# ---- sources -------------------------------------------------------------------------------------------------------------------------------------


def source_of(fields: Fields) -> Source:
    """A source. Its form lets text be empty only when it says so itself."""
    form = Form(**_renamed(fields, {"pointer": "pointer", "trim": "trim", "encoding": "encoding", "allowEmpty": "allow_empty"}))
    if "env" in fields:
        return EnvSource(fields["env"], form)
    if "file" in fields:
        return FileSource(fields["file"], form)
    if "sops" in fields:
        return SopsSource(fields["sops"], form)
    if "ref" in fields:
        return RefSource(fields["ref"], form)
    if "generate" in fields:
        wanted = fields["generate"]
        store = StorePlace(**fields["store"]) if "store" in fields else None
        return GenerateSource(wanted["type"], store=store, **_renamed(wanted, {"bytes": "size"}))
    given = {name: fields[name] for name in (*_OF_VAULT, "args") if name in fields}
    return ProviderSource(fields["provider"], **given, form=form)


def source_misfits(source: Source, providers: Mapping[str, Provider], known: Mapping[str, Any]) -> Iterator[Misfit]:
    """What does not fit together in a source, and between it and its provider.

    Args:
        source: The source.
        providers: Those that can be used.
        known: All that the map names, also those that cannot be used.
    """
    if isinstance(source, RefSource):
        yield from _ref_misfits(source)
    elif isinstance(source, GenerateSource) and source.store is not None:
        name = source.store.provider
        if name not in known:
            yield Misfit(("store", "provider"), "is not in providers", choices(name, known, "providers"))
        elif isinstance(providers.get(name), ExecProvider):
            yield Misfit(("store", "provider"), "is a program, which keeps nothing", "name a provider of type vault")
    elif isinstance(source, ProviderSource):
        provider = providers.get(source.provider)
        if source.provider not in known:
            yield Misfit(("provider",), "is not in providers", choices(source.provider, known, "providers"))
        elif isinstance(provider, VaultProvider):
            yield from _vault_misfits(source, provider)
        elif isinstance(provider, ExecProvider):
            yield from _exec_misfits(source, provider)


def _vault_misfits(source: ProviderSource, provider: VaultProvider) -> Iterator[Misfit]:
    if source.path is None:
        yield Misfit((), "lacks path", "name the secret in Vault")
    if source.args:
        yield Misfit(("args",), "is for programs")
    if source.version is not None and provider.kv_version == 1:
        yield Misfit(("version",), "is for KV version 2")


def _exec_misfits(source: ProviderSource, provider: ExecProvider) -> Iterator[Misfit]:
    for name in _OF_VAULT:
        if getattr(source, name) is not None:
            yield Misfit((name,), "is for Vault", "give programs their arguments by args")
    wanted = {name for part in provider.command for name in _ARGUMENT.findall(part)}
    if missing := sorted(wanted - source.args.keys()):
        yield Misfit(("args",), f"lacks {', '.join(missing)}")
    for name in sorted(source.args.keys() - wanted):
        yield Misfit(("args", name), "has no place in the command", f"write {{{name}}} into it")


def _ref_misfits(source: RefSource) -> Iterator[Misfit]:
    try:
        ref.read(source.url)
    except SourceError as error:
        yield Misfit(("ref",), error.message, error.hint)


def _renamed(fields: Fields, names: Mapping[str, str]) -> dict[str, Any]:
    """The fields that are there, with our names."""
    return {ours: fields[theirs] for theirs, ours in names.items() if theirs in fields}
