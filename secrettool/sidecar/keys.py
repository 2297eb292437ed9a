"""The keys of a source. When their files change they are read again; what cannot be used is told, and the former keys stay.

The kubelet replaces the files of a mounted Secret as a whole, some time after the Secret changed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from secrettool import fs
from secrettool.errors import InputError, KeyUnavailable, SecrettoolError
from secrettool.hook.keysecret import KeySecret
from secrettool.hook.keyset import AGE_SUFFIX, PGP_SUFFIX, VAULT_TOKEN, KeySet

if TYPE_CHECKING:
    from secrettool.sidecar.config import Keys

_LIMIT: Final = 4 << 20  # bytes; a Secret of the cluster has at most one MiB


class Keyring:
    """The keys of one source, used by one thread.

    Args:
        keys: Where they are.
        environ: For programs and addresses, and for keys where they are allowed.
        asked: As for `KeySet`.
    """

    def __init__(self, keys: Keys, environ: Mapping[str, str], asked: Callable[[str, bool], None] = lambda kind, opened: None) -> None:
        self._keys = keys
        self._environ = environ
        self._asked = asked
        self._seen: dict[str, bytes] | None = None
        self._set: KeySet | None = None
        self._error: SecrettoolError | None = None
        self.generation = 0

    def __repr__(self) -> str:
        return f"<Keyring {self._set!r}>"

    @property
    def error(self) -> SecrettoolError | None:
        """Why what lies there now was not taken; None when it was."""
        return self._error

    @property
    def current(self) -> KeySet | None:
        """The last good keys; None before the first."""
        return self._set

    def refresh(self) -> bool:
        """Read the files again, if they changed.

        Returns:
            Whether there are other keys now.
        """
        try:
            found = self._read()
        except SecrettoolError as error:
            self._seen = None  # whatever comes next is looked at
            self._error = error
            return False
        if found == self._seen:
            return False
        self._seen = found
        try:
            made = self._made(found)
        except SecrettoolError as error:
            self._error = error
            return False
        self._error = None
        if self._set is not None:
            self._set.close()
        self._set = made
        self.generation += 1
        return True

    def close(self) -> None:
        """Forget everything."""
        self._seen = None
        if self._set is not None:
            self._set.close()
            self._set = None

    def _read(self) -> dict[str, bytes]:
        """The files of the configuration by path, and the entries of the folder as `folder/name`."""
        found = {path: fs.read(path, limit=_LIMIT)[0] for path in self._keys.files}
        if self._keys.folder is not None:
            folder = os.path.realpath(os.path.join(self._keys.folder, "..data"))
            if not os.path.isdir(folder):
                folder = self._keys.folder
            for name in _names(folder):
                found[os.path.join(self._keys.folder, name)] = fs.read(os.path.join(folder, name), limit=_LIMIT)[0]
        return found

    def _made(self, found: Mapping[str, bytes]) -> KeySet:
        files = {path: found[path] for path in self._keys.files}
        folder = self._keys.folder
        secret = None
        if folder is not None:
            entries = {os.path.basename(path): data for path, data in found.items() if path not in files}
            if not any(name.endswith((AGE_SUFFIX, PGP_SUFFIX)) or name == VAULT_TOKEN for name in entries):
                hint = f"a key ends in {AGE_SUFFIX} or {PGP_SUFFIX}, or is {VAULT_TOKEN}"
                raise KeyUnavailable("HK103", "there is no key in it", subject=folder, hint=hint)
            secret = KeySecret(folder, entries)
        return KeySet(secret, key_files=files, environ=self._environ, env_keys=self._keys.environment, asked=self._asked)


def _names(folder: str) -> list[str]:
    """The files of a mounted Secret."""
    try:
        return sorted(name for name in os.listdir(folder) if not name.startswith("..") and os.path.isfile(os.path.join(folder, name)))
    except OSError as error:
        failure = InputError(f"cannot be read: {(error.strerror or 'unknown error').lower()}")
        failure.file = folder
        raise failure from None
