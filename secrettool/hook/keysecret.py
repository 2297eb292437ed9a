"""The Secrets that hold the keys: which ones a Flux Kustomization means, and what is in them.

Source: kustomize-controller internal/decryptor/decryptor.go (ImportKeys, DecryptResource).
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from secrettool.errors import ClusterError, ConfigError, KeyUnavailable
from secrettool.objects import Object, is_secret, section

if TYPE_CHECKING:
    from secrettool.flux import FluxKustomization

PROVIDER = "sops"


class KeySecret(NamedTuple):
    """The entries of a Secret that holds keys.

    Attributes:
        subject: How messages name it: `Secret/namespace/name`, or a file.
        entries: The content of each entry.
    """

    subject: str
    entries: Mapping[str, bytes]

    def __repr__(self) -> str:
        return f"<KeySecret {self.subject}: {', '.join(self.entries)}>"


SecretReader: TypeAlias = Callable[[str, str], Mapping[str, bytes] | None]
"""Reads the Secret of a namespace and a name: its decoded entries, None when there is no such Secret; `ClusterError` when it cannot be read."""


def is_decrypting(flux: FluxKustomization) -> bool:
    """Whether Flux decrypts anything for a Kustomization: it has `spec.decryption`, with the one provider that Flux knows."""
    return flux.decryption is not None and flux.decryption.provider == PROVIDER


def find_key_secrets(
    flux: FluxKustomization, read: SecretReader, *, age_secret: tuple[str, str] | None = None
) -> tuple[KeySecret | None, KeySecret | None]:
    """Read the Secrets that the keys of a Kustomization are in.

    Args:
        flux: The Kustomization.
        read: How a Secret is read.
        age_secret: Namespace and name of the Secret of `--sops-age-secret`, which is not consulted when the Kustomization names one of its own.

    Returns:
        The Secret of the Kustomization and the one of the flag, for `KeySet`; at most one of them is there.

    Raises:
        KeyUnavailable: `HK101`: there is no such Secret; `HK102`: it cannot be read.
    """
    if flux.decryption is None or flux.decryption.provider != PROVIDER:
        return None, None
    if flux.decryption.secret is not None:
        return _read(read, flux.namespace, flux.decryption.secret), None
    return None, None if age_secret is None else _read(read, *age_secret)


def key_secret(obj: Object, *, subject: str) -> KeySecret:
    """The entries of the manifest of a Secret; `stringData` wins over `data`, as in the API server.

    Raises:
        ConfigError: It is no Secret, is encrypted itself, or has an entry that cannot be read.
    """
    if "sops" in obj:
        raise _bad(subject, "this Secret is encrypted itself", "decrypt it first, into a pipe: --age-secret <(secrettool decrypt FILE)")
    if not is_secret(obj):
        raise _bad(subject, "not the manifest of a Secret")
    entries: dict[str, bytes] = {}
    for name, value in section(obj, "data").items():
        try:
            entries[name] = b64decode(value or "", validate=True)
        except (TypeError, ValueError):
            raise _bad(subject, f"entry {name} is not base64") from None
    for name, value in section(obj, "stringData").items():
        if not isinstance(value, str):
            raise _bad(subject, f"entry {name} is not a text")
        entries[name] = value.encode("utf-8", "surrogateescape")
    return KeySecret(subject, entries)


def _read(read: SecretReader, namespace: str, name: str) -> KeySecret:
    subject = f"Secret/{namespace}/{name}"
    try:
        entries = read(namespace, name)
    except ClusterError as error:
        raise KeyUnavailable("HK102", f"the Secret with the keys cannot be read: {error.message}", subject=subject, hint=error.hint) from None
    if entries is None:
        raise KeyUnavailable("HK101", "there is no such Secret, and it should hold the keys", subject=subject, hint="create it, or correct its name")
    return KeySecret(subject, entries)


def _bad(subject: str, message: str, hint: str | None = None) -> ConfigError:
    error = ConfigError(message, hint=hint)
    error.file = subject
    return error
