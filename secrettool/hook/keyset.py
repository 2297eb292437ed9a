"""The identities and logins of one source, and the data keys that they opened.

One key set serves one tenant: nothing that one of them unlocked is known to another.

Source: kustomize-controller internal/decryptor/decryptor.go (ImportKeys), internal/sops/keyservice/server.go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from os.path import splitext
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn

from secrettool.errors import DataKeyError, KeyUnavailable
from secrettool.findings import Finding
from secrettool.hook.credentials import AWS, AZURE, GCP, BadCredentials, check_credentials
from secrettool.sops.keygroups import KEY_TYPES, KeyFailure, MasterKey, stated_threshold, unwrap_data_key

if TYPE_CHECKING:
    from secrettool.hook.keysecret import KeySecret
    from secrettool.keys import Backend, LocalKeyring, Prompt
    from secrettool.keys.age_identity import Identity
    from secrettool.keys.gpg_home import GpgHome
    from secrettool.keys.identities import Source
    from secrettool.sops.envelope import DataKey
    from secrettool.sops.metadata import Metadata

AGE_SUFFIX = ".agekey"
PGP_SUFFIX = ".asc"
VAULT_TOKEN = "sops.vault-token"  # noqa: S105
VAULT_TOKEN_VARIABLE = "VAULT_TOKEN"  # noqa: S105

_CLOUDS = (AWS, AZURE, GCP)
_BLANKS = " \t\r\v\f"


class KeySet:
    """Implements `KeyRing`. Close it, or use it as a context manager: private PGP keys live in a folder in memory until then.

    Args:
        secret: The Secret that `secretRef` names: age identities, PGP keys, a token, credentials.
        age_secret: The Secret of `--sops-age-secret`; only its age identities count, and only where there is neither `secret` nor a key file.
        key_files: Files of age identities, by the name that messages give them.
        environ: The environment, for programs, addresses and, if they are allowed, identities; an empty one when None.
        env_keys: Whether identities and logins of the environment may be used, for each kind of key of which none was given.
        prompt: How to ask for the passphrase of an identity of the environment; None when nobody can be asked.
        asked: Is told of each request to a key: its type, and whether it opened the data key.

    Raises:
        KeyUnavailable: `HK103`: an entry cannot be read, or an entry for identities holds none.
    """

    def __init__(
        self,
        secret: KeySecret | None = None,
        *,
        age_secret: KeySecret | None = None,
        key_files: Mapping[str, bytes] | None = None,
        environ: Mapping[str, str] | None = None,
        env_keys: bool = True,
        prompt: Prompt | None = None,
        asked: Callable[[str, bool], None] = lambda kind, opened: None,
    ) -> None:
        self._prompt = prompt
        self._asked = asked
        self._environ = dict(environ or {})
        self._env_keys = env_keys
        self._given = secret is not None or bool(key_files)
        self._warnings: list[Finding] = []
        self._parts: dict[tuple[str, str, str], bytes] = {}
        self._gpg: GpgHome | None = None
        self._pgp_keys = 0
        self._token: str | None = None
        self._sources: list[Source] = []
        self._ring = _closed_ring()
        try:
            for name, data in (key_files or {}).items():
                self._add_identities(name, name, data, None)
            if secret is not None:
                for name, data in secret.entries.items():
                    self._add_entry(secret.subject, name, data)
            elif age_secret is not None and not key_files:
                for name, data in age_secret.entries.items():
                    if splitext("_" + name)[1] == AGE_SUFFIX:
                        self._add_identities(age_secret.subject, f"entry {name}", data, name)
            self._ring = self._open_ring()
        except BaseException:
            self.close()
            raise

    def __repr__(self) -> str:
        return f"<KeySet of {len(self._sources)} sources of identities{', a token' if self._token else ''}{', PGP keys' if self._gpg else ''}>"

    def __enter__(self) -> KeySet:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Forget everything and remove what lies in memory; may be called more than once."""
        self._parts.clear()
        self._sources.clear()
        self._token = None
        self._ring = _closed_ring()
        if self._gpg is not None:
            self._gpg.close()
            self._gpg = None

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """What a person should be told about the keys."""
        return tuple(self._warnings)

    @property
    def identities(self) -> dict[str, int]:
        """How many were given, by the type of key that they open."""
        found = {"age": sum(len(source.identities) for source in self._sources), "pgp": self._pgp_keys, "hc_vault": int(self._token is not None)}
        return {kind: count for kind, count in found.items() if count}

    def data_key(self, metadata: Metadata) -> DataKey:
        """See `KeyRing`; each part of a data key is asked for once, by its sealed text."""
        failed: list[tuple[MasterKey, KeyFailure]] = []
        try:
            return unwrap_data_key(metadata.groups, metadata.shamir_threshold, _Remembering(self._ring, self._parts, failed, self._asked))
        except DataKeyError as error:
            if not failed:
                raise KeyUnavailable("HK111", error.message) from None
            raise KeyUnavailable("HK111", self._report(metadata, failed), hint=self._hint(failed)) from None

    # ---- entries ------------------------------------------------------------------------------------------------------------------------------

    def _add_entry(self, subject: str, name: str, data: bytes) -> None:
        suffix = splitext("_" + name)[1]  # a name that is nothing but a suffix counts
        if suffix == AGE_SUFFIX:
            self._add_identities(subject, f"entry {name}", data, name)
        elif suffix == PGP_SUFFIX:
            self._add_pgp(subject, name, data)
        elif name == VAULT_TOKEN:
            self._token = data.decode("utf-8", "replace").strip()
        elif name in _CLOUDS:
            try:
                check_credentials(name, data)
            except BadCredentials as error:
                _refuse(subject, f"entry {name}: {error}")
            text = f"key provider not supported: {name}"
            self._warnings.append(Finding("HK104", "warning", text, subject=subject, hint="files that need it cannot be opened yet"))

    def _add_identities(self, subject: str, label: str, data: bytes, entry: str | None) -> None:
        from secrettool.keys.identities import Source
        from secrettool.keys.identity_text import parse_identity

        found: list[Identity] = []
        prefix = f"{label}, " if entry is not None else ""
        for number, line in enumerate(data.decode("utf-8", "replace").split("\n"), 1):
            word = line.strip(_BLANKS)
            if not word or word.startswith("#"):
                continue
            try:
                found.append(parse_identity(word, label, None))
            except ValueError:
                _refuse(
                    subject, f"{prefix}line {number}: not an age identity", "a line is AGE-SECRET-KEY-1..., AGE-SECRET-KEY-PQ-1... or AGE-PLUGIN-..."
                )
        if not found:
            _refuse(subject, f"{label}: no age identity in it" if entry is not None else "no age identity in it")
        self._sources.append(Source(f"{subject}: {label}", f"{subject}: {label}" if entry is not None else label, found))

    def _add_pgp(self, subject: str, name: str, data: bytes) -> None:
        from secrettool.keys.gpg_home import GpgHome

        try:
            if self._gpg is None:
                self._gpg = GpgHome(self._environ)
            self._gpg.import_key(data)
            self._pgp_keys += 1
        except KeyFailure as failure:
            _refuse(subject, f"entry {name}: {failure}", failure.hint)

    # ---- opening ------------------------------------------------------------------------------------------------------------------------------

    def _open_ring(self) -> LocalKeyring:
        from secrettool.keys import LocalKeyring, Surroundings
        from secrettool.library import now

        environ = dict(self._environ) if self._env_keys else {}
        surroundings = Surroundings(self._environ, now, None)
        backends: dict[str, Backend] = {} if self._env_keys else dict.fromkeys(KEY_TYPES, _NOT_GIVEN)
        if self._sources:
            from secrettool.keys.age import AgeBackend
            from secrettool.keys.identities import GivenIdentities

            backends["age"] = AgeBackend(surroundings, GivenIdentities(self._sources))
        if self._gpg is not None:
            backends["pgp"] = self._gpg.backend(surroundings)
        if self._token is not None:
            given = {**self._environ, VAULT_TOKEN_VARIABLE: self._token}
            # A server needs more than the token: its certificate and namespace are settings of the environment, not keys.
            backends["hc_vault"] = LocalKeyring(given, now=now, prompt=None)
        return LocalKeyring(environ, now=now, prompt=self._prompt, backends=backends)

    def _report(self, metadata: Metadata, failed: list[tuple[MasterKey, KeyFailure]]) -> str:
        tried = "; ".join(f"{key.text}: {failure.reasons[0]}" for key, failure in failed)
        groups = len(metadata.groups)
        if groups == 1:
            return f"no key opens the data key: {tried}"
        return f"not enough of the {groups} key groups open, {stated_threshold(metadata.shamir_threshold, groups)} are needed: {tried}"

    def _hint(self, failed: list[tuple[MasterKey, KeyFailure]]) -> str | None:
        if self._given and all(key.kind == "age" for key, _ in failed):
            return "put an identity that belongs to one of these keys into the Secret or the key file"
        return next((failure.hint for _, failure in failed if failure.hint), None)


class _NoKey:
    """The backend of a kind of which there is no key."""

    def __init__(self, reason: str, hint: str | None) -> None:
        self._reason = reason
        self._hint = hint

    def wrap(self, key: MasterKey, part: bytes) -> NoReturn:
        """See `Backend.wrap`."""
        raise KeyFailure([self._reason], hint=self._hint)

    def unwrap(self, key: MasterKey) -> NoReturn:
        """See `Backend.unwrap`."""
        raise KeyFailure([self._reason], hint=self._hint)


_NOT_GIVEN = _NoKey(
    "no key of this kind was given, and those of the environment are switched off", "name a Secret or a file with keys, or allow the environment"
)
_CLOSED = _NoKey("the keys were closed", None)


def _closed_ring() -> LocalKeyring:
    from secrettool.keys import LocalKeyring
    from secrettool.library import now

    return LocalKeyring({}, now=now, prompt=None, backends=dict.fromkeys(KEY_TYPES, _CLOSED))


class _Remembering:
    """A keyring that asks for each sealed part once, and takes down what failed."""

    def __init__(
        self,
        ring: LocalKeyring,
        parts: dict[tuple[str, str, str], bytes],
        failed: list[tuple[MasterKey, KeyFailure]],
        asked: Callable[[str, bool], None],
    ) -> None:
        self._ring = ring
        self._parts = parts
        self._failed = failed
        self._asked = asked

    def wrap(self, key: MasterKey, part: bytes) -> MasterKey:
        """See `Keyring.wrap`."""
        return self._ring.wrap(key, part)

    def unwrap(self, key: MasterKey) -> bytes:
        """See `Keyring.unwrap`."""
        name = (key.kind, key.text, key.enc)
        part = self._parts.get(name)
        if part is None:
            try:
                part = self._parts[name] = self._ring.unwrap(key)
            except KeyFailure as failure:  # not remembered: what does not answer now may do so in the next pass
                self._asked(key.kind, False)
                self._failed.append((key, failure))
                raise
            self._asked(key.kind, True)
        return part


def _refuse(subject: str, message: str, hint: str | None = None) -> NoReturn:
    raise KeyUnavailable("HK103", message, subject=subject, hint=hint) from None
