"""Master key backends, one module each, and where private keys are found.

Nothing is imported, read or asked before a master key calls for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol, cast

from secrettool.sops.keygroups import KEY_TYPES, KeyFailure, Keyring, MasterKey

_MODULES = {"age": "secrettool.keys.age", "pgp": "secrettool.keys.pgp", "hc_vault": "secrettool.keys.hc_vault"}
_SERVICES = {
    "kms": "AWS KMS",
    "gcp_kms": "Google Cloud KMS",
    "hckms": "Huawei Cloud KMS",
    "azure_kv": "Azure Key Vault",
}


class Prompt(Protocol):
    """Asks the user for a secret at the terminal."""

    def __call__(self, question: str) -> str | None:
        """The answer, or None when there is nobody to ask."""


class Surroundings(NamedTuple):
    """What backends may know of the world outside.

    Attributes:
        environ: The environment: names of key files, commands and programs.
        now: The time, RFC 3339 in UTC and whole seconds, for `created_at`.
        prompt: How to ask for a passphrase; None when there is no terminal.
    """

    environ: Mapping[str, str]
    now: Callable[[], str]
    prompt: Prompt | None


class Backend(Protocol):
    """Wraps and unwraps for one kind of master key; the module of the kind makes it by `open_backend(surroundings)`."""

    def wrap(self, key: MasterKey, part: bytes) -> MasterKey:
        """See `Keyring.wrap`."""

    def unwrap(self, key: MasterKey) -> bytes:
        """See `Keyring.unwrap`."""


class LocalKeyring(Keyring):
    """All backends of this process. Each is loaded when a key needs it; identities are read and unlocked once.

    Args:
        environ: The environment, usually `os.environ`.
        now: The time for `created_at`, RFC 3339 in UTC.
        prompt: How to ask for a passphrase; None when there is no terminal.
        backends: Backends to use instead of those that the environment gives, by kind.
    """

    def __init__(
        self, environ: Mapping[str, str], *, now: Callable[[], str], prompt: Prompt | None, backends: Mapping[str, Backend] | None = None
    ) -> None:
        self._surroundings = Surroundings(environ, now, prompt)
        self._backends: dict[str, Backend] = dict(backends or {})

    def __repr__(self) -> str:
        return f"<LocalKeyring with {', '.join(self._backends) or 'nothing loaded'}>"

    def wrap(self, key: MasterKey, part: bytes) -> MasterKey:
        """Seal a part of the data key: the same master key with new `enc` and, where its kind has one, `created_at`.

        Raises:
            KeyFailure: The backend is missing or refused.
        """
        return self._backend(key.kind).wrap(key, part)

    def unwrap(self, key: MasterKey) -> bytes:
        """Open the part that this key sealed.

        Raises:
            KeyFailure: With one reason for everything that was tried.
        """
        if not key.enc:
            raise KeyFailure(["this entry holds no sealed data key"], hint="restore the file from version control")
        return self._backend(key.kind).unwrap(key)

    def _backend(self, kind: str) -> Backend:
        backend = self._backends.get(kind)
        if backend is None:
            backend = self._backends[kind] = self._open(kind)
        return backend

    def _open(self, kind: str) -> Backend:
        if kind not in _MODULES:
            extra = KEY_TYPES[kind].extra
            raise KeyFailure(
                [f"secrettool does not speak with {_SERVICES[kind]} yet: its entries are kept as they are, but not used"],
                hint=f"a later release brings it with the extra secrettool[{extra}]; until then use another key of this file, or sops",
            )
        from importlib import import_module

        return cast(Backend, import_module(_MODULES[kind]).open_backend(self._surroundings))
