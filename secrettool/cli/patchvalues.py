"""The sources of values as the command line sets them up: logins, what is allowed, and who is told of values to hide them."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from secrettool.errors import Outcome, UsageError

if TYPE_CHECKING:
    from secrettool.patcher.mapping import PatchMap
    from secrettool.sources.model import Provider
    from secrettool.sources.resolver import Resolver
    from secrettool.sources.value import SecretValue

_VAULT = "the Vault of the environment"  # a name that no map gives


def resolver(patch_map: PatchMap, given: Mapping[str, Any], *, may_write: bool, on_warning: Callable[[str], None]) -> Resolver:
    """The sources of a map. Variables that are sources leave the environment of this process.

    Args:
        patch_map: The map.
        given: The parameters of `patchoptions.values`.
        may_write: Whether values that are generated may be stored.
        on_warning: Told of what may be a mistake.
    """
    from secrettool.sources.resolver import Options, Resolver

    told = Options(
        tokens=patch_map.tokens,
        allow_http=given["allow_http"],
        allow_exec_ref=given["allow_exec_ref"],
        check_login=given["check_login"],
        may_write=may_write,
        on_secret=masker(given),
        on_warning=on_warning,
    )
    providers = _with_login(patch_map.providers, given["vault_role"], given["vault_audience"])
    return Resolver(providers, patch_map.values, environ=os.environ, root=os.curdir, options=told)


def _with_login(providers: Mapping[str, Provider], role: str | None, audience: str | None) -> Mapping[str, Provider]:
    """The providers; those of type vault without a login get that of the command line.

    Raises:
        UsageError: There is an audience without a role, or no audience is known.
    """
    from secrettool.sources.model import VaultAuth, VaultProvider

    if not role:
        if audience:
            raise UsageError("--vault-audience goes with --vault-role", code=Outcome.CONFIGURATION)
        return providers
    address = os.environ.get("VAULT_ADDR") or os.environ.get("BAO_ADDR")
    vaults = {name: each for name, each in providers.items() if isinstance(each, VaultProvider)}
    if not vaults and address:  # sources written as ref+vault:// use it
        vaults = {_VAULT: VaultProvider()}
    changed: dict[str, Provider] = {}
    for name, vault in vaults.items():
        if vault.auth != VaultAuth():
            continue
        known = audience or vault.address or address
        if not known:
            raise UsageError("the audience of --vault-role is not known", hint="name it with --vault-audience", code=Outcome.CONFIGURATION)
        changed[name] = replace(vault, auth=VaultAuth(method="jwt", role=role, github_audience=known))
    return {**providers, **changed}


def masker(given: Mapping[str, Any]) -> Callable[[SecretValue], None]:
    """Who is told of every value: in GitHub Actions the runner, which then hides it; elsewhere nobody.

    The runner reads both streams. Where stdout holds a document, or is a file, the lines go to stderr: a value must not get into either.

    Args:
        given: `mask`, and `form` if it is there.
    """
    from secrettool.patcher.masking import Masker, in_actions

    if given["mask"] == "off" or not in_actions(os.environ):
        return _tell_nobody
    streams = [sys.stdout, sys.stderr] if given.get("form", "text") in ("text", "github") else [sys.stderr]
    stream = next((each for each in streams if not _is_file(each.fileno())), None)
    if stream is None:
        return _tell_nobody

    def write(lines: str) -> None:
        stream.flush()
        stream.buffer.write(lines.encode("utf-8"))
        stream.buffer.flush()

    return Masker(write)


def _tell_nobody(_: SecretValue) -> None:
    """Outside of Actions such a line would be the leak itself."""


def _is_file(descriptor: int) -> bool:
    return stat.S_ISREG(os.fstat(descriptor).st_mode)
