"""Options that say which keys the commands of the hook use and how strictly they follow Flux, and what these options mean."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

from secrettool.cli.options import F
from secrettool.cli.streams import asker
from secrettool.cli.textfiles import read_bytes, read_text
from secrettool.errors import ConfigError, Outcome

if TYPE_CHECKING:
    from secrettool.flux import FluxKustomization
    from secrettool.hook.keysecret import KeySecret
    from secrettool.hook.keyset import KeySet
    from secrettool.hook.model import HookConfig
    from secrettool.manifests import Manifest

_KEY_LIMIT = 4 << 20  # bytes; a Secret of the cluster has at most one MiB

_OPTIONS = (
    click.option("--flux-kustomization", "flux_file", metavar="FILE", type=click.Path(), help="Flux Kustomization whose spec.decryption counts."),
    click.option("--key-file", "key_files", metavar="FILE", type=click.Path(), multiple=True, help="File of age identities; may be repeated."),
    click.option(
        "--key-secret",
        metavar="FILE",
        type=click.Path(),
        help="Manifest of the Secret that secretRef names: entries that end in .agekey or .asc, and sops.vault-token.",
    ),
    click.option(
        "--age-secret",
        metavar="FILE",
        type=click.Path(),
        help="Manifest of the Secret of Flux's flag --sops-age-secret: only entries in .agekey count, and only without the two options above.",
    ),
    click.option("--env-keys/--no-env-keys", default=True, help="Whether keys of the environment open what no given key is for; on by default."),
)

_STRICTNESS = (
    click.option(
        "--strict-flux", is_flag=True, help="Decrypt exactly what Flux decrypts: no entries of stringData and ConfigMaps, no split dotenv files."
    ),
    click.option(
        "--mac",
        type=click.Choice(["source", "require", "skip"]),
        default="source",
        help="Check the MAC of whole files (source, the default), insist on it for every object (require), or never check it, as Flux (skip).",
    ),
    click.option(
        "--max-file-size", type=click.IntRange(min=1), default=5 * 1024 * 1024, metavar="BYTES", help="Largest encrypted file or entry; 5 MiB."
    ),
)

show = click.option("--show", is_flag=True, help="Print secrets although stdout is a terminal.")


def _decorator(options: tuple[Callable[[F], F], ...]) -> Callable[[F], F]:
    def apply(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return apply


def keys(function: F) -> F:
    """The options that `open_keys` and `flux_kustomization` read."""
    return _decorator(_OPTIONS)(function)


def strictness(function: F) -> F:
    """The options that `config` reads."""
    return _decorator(_STRICTNESS)(function)


def config(given: Mapping[str, Any]) -> HookConfig:
    """What the options say about strictness."""
    from secrettool.hook.model import HookConfig

    return HookConfig(
        parity="flux" if given["strict_flux"] else "extended",
        mac=given["mac"],
        max_bytes=given["max_file_size"],
        env_keys=given["env_keys"],
    )


def flux_kustomization(given: Mapping[str, Any]) -> FluxKustomization | None:
    """The Flux Kustomization of `--flux-kustomization`; None without the option.

    Raises:
        ConfigError: The file has none, or several.
    """
    path = given["flux_file"]
    if path is None:
        return None
    from secrettool.flux import FluxKustomization, is_flux_kustomization

    found = [manifest.obj for manifest in _manifests(path) if is_flux_kustomization(manifest.obj)]
    if len(found) != 1:
        raise _bad(path, f"{len(found) or 'no'} Flux Kustomizations in it, and there should be one")
    try:
        return FluxKustomization.from_object(found[0])
    except ConfigError as error:
        error.file = path
        raise


def open_keys(given: Mapping[str, Any]) -> KeySet:
    """The keys that the options name, and those of the environment where it is allowed. Close it.

    Raises:
        KeyUnavailable: An entry cannot be read.
        ConfigError: A manifest is not that of a Secret.
        InputError: A file cannot be read.
    """
    from secrettool.hook.keyset import KeySet

    return KeySet(
        _secret(given["key_secret"]),
        age_secret=_secret(given["age_secret"]),
        key_files={path: read_bytes(path, limit=_KEY_LIMIT) for path in given["key_files"]},
        environ=os.environ,
        env_keys=given["env_keys"],
        prompt=asker(),
    )


def _secret(path: str | None) -> KeySecret | None:
    if path is None:
        return None
    from secrettool.hook.keysecret import key_secret

    found = _manifests(path)
    if len(found) != 1:
        raise _bad(path, f"{len(found) or 'no'} manifests in it, and there should be one, of a Secret")
    return key_secret(found[0].obj, subject=path)


def _manifests(path: str) -> list[Manifest]:
    from secrettool.manifests import read

    return read(read_text(path, limit=_KEY_LIMIT), file=path)


def _bad(path: str, message: str) -> ConfigError:
    error = ConfigError(message, code=Outcome.CONFIGURATION)
    error.file = path
    return error
