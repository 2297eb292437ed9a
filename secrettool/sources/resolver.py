"""All values of a run: each fetched at most once, and only when it is asked for.

Source: PT-07, PT-10, PT-15, PT-32 and section 3 of the patcher's requirements.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, assert_never

from secrettool.errors import ProviderLoginError, SourceError
from secrettool.placeholders import DEFAULT_TOKENS
from secrettool.sources import env, ref
from secrettool.sources.context import Context
from secrettool.sources.forms import Found, as_bytes, part_of, shaped
from secrettool.sources.model import (
    PLAIN,
    EnvSource,
    ExecProvider,
    FileSource,
    GenerateSource,
    Provider,
    ProviderSource,
    RefSource,
    SopsSource,
    Source,
    StorePlace,
    Trim,
    VaultProvider,
    described,
)
from secrettool.sources.value import SecretValue

if TYPE_CHECKING:
    from secrettool.sops.document import Runtime
    from secrettool.sources.session import Retries
    from secrettool.sources.sopsfile import SopsFiles
    from secrettool.sources.vault import Address, Secret, Vault

_UNNAMED = ""  # the Vault that only the environment names
_RACES = 5  # tries to store a new value while others write to the same secret


def _ignore(_: object) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a run treats sources.

    Attributes:
        tokens: Placeholders, which are no values.
        allow_http: Whether providers may be asked without TLS beyond this machine.
        allow_exec_ref: Whether `ref+exec://` may run programs.
        check_login: Whether tokens that were given are looked at first.
        may_write: Whether a generated value may be stored; without it, one that is not stored yet is lost at the end.
        on_secret: Told of every credential and value as soon as it is here, to mask it.
        on_warning: Told of what may be a mistake, in one line.
    """

    tokens: tuple[str, ...] = DEFAULT_TOKENS
    allow_http: bool = False
    allow_exec_ref: bool = False
    check_login: bool = False
    may_write: bool = False
    on_secret: Callable[[SecretValue], None] = _ignore
    on_warning: Callable[[str], None] = _ignore


class Stored(NamedTuple):
    """What is kept at the `store` of a generated value.

    Attributes:
        value: None when there is none.
        version: Number of the secret's newest version; 0 when there is none.
    """

    value: SecretValue | None
    version: int


class Resolver:
    """The values of a map.

    Args:
        providers: By name.
        values: Sources by the name of their value.
        environ: The environment that children inherit; variables that are sources are removed from it at once.
        root: Folder that relative paths begin at.
        options: How the run treats sources.
        runtime: Keys for encrypted files; this machine's when None.
        retries: How often, and when, providers are asked again.
    """

    def __init__(
        self,
        providers: Mapping[str, Provider],
        values: Mapping[str, Source],
        *,
        environ: MutableMapping[str, str],
        root: str,
        options: Options | None = None,
        runtime: Runtime | None = None,
        retries: Retries | None = None,
    ) -> None:
        self._providers = providers
        self._values = values
        self._options = told = options or Options()
        whole = env.take(environ, values.values())
        self._context = Context(
            whole,
            os.path.abspath(root),
            told.allow_http,
            told.allow_exec_ref,
            told.check_login,
            told.may_write,
            told.on_secret,
            told.on_warning,
        )
        # Keys of sops may be wanted as values too; the programs that sops files need are made for them.
        self._key_environ = {**environ, **{name: text for name, text in whole.items() if name.startswith("SOPS_")}}
        self._runtime = runtime
        self._retries = retries
        self._done: dict[str, SecretValue | SourceError] = {}
        self._versions: dict[str, int] = {}
        self._vaults: dict[str, Vault] = {}
        self._printed: dict[tuple[object, ...], Found | SourceError] = {}
        self._sops: SopsFiles | None = None

    def __repr__(self) -> str:
        return f"<Resolver of {len(self._values)} values>"

    def __enter__(self) -> Resolver:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def resolve(self, names: Iterable[str]) -> dict[str, SecretValue | SourceError]:
        """Values, or why there is none; one that fails stops no other.

        Args:
            names: Of the map.
        """
        return {name: self._resolved(name) for name in names}

    def version(self, name: str) -> int | None:
        """Number of the version that a value was read from; None when its source has no versions, or it was not resolved."""
        return self._versions.get(name)

    def close(self) -> None:
        """Give back the tokens of all logins, and end the connections."""
        for vault in self._vaults.values():
            vault.close()

    # ---- generated values and their store --------------------------------------------------------------------------------------------------------

    def stored(self, name: str) -> Stored:
        """What is kept for a generated value now.

        Raises:
            SourceError: It cannot be read, or the value has no store (`VL06`).
        """
        place, vault, address = self._store_of(name)
        try:
            kept = _kept(vault.current(address), place)
        except SourceError as error:
            raise self._about(error, name) from None
        if kept.value is not None:
            self._options.on_secret(kept.value)
        return kept

    def store(self, name: str, value: SecretValue | None, *, over: int) -> int:
        """Keep a value; it is the value of the run from now on.

        Args:
            name: Of a value with a store.
            value: To keep; None takes away what is kept. The secret's other keys stay.
            over: Version of the secret that was read before, from `stored`.

        Returns:
            Number of the new version.

        Raises:
            SourceError: It was not written: refused, without an answer, or another version came first (`VL04`).
        """
        place, vault, address = self._store_of(name)
        try:
            version = _write(vault, address, place, value, over)
        except SourceError as error:
            raise self._about(error, name) from None
        if version is None:
            raise self._about(SourceError("VL04", f"{address} was changed by somebody else meanwhile"), name)
        self._done[name] = value if value is not None else self._about(SourceError("VL01", f"the secret at {address} has no key {place.key}"), name)
        self._versions[name] = version
        return version

    def generate(self, name: str) -> SecretValue:
        """A new random value for a name, kept nowhere.

        Raises:
            SourceError: The map does not generate it (`VL06`).
        """
        from secrettool.sources.generate import generate

        source = self._values.get(name)
        if not isinstance(source, GenerateSource):
            raise SourceError("VL06", "the value is not generated", subject=name)
        value = generate(source)
        self._options.on_secret(value)
        return value

    # ---- one value -------------------------------------------------------------------------------------------------------------------------------

    def _resolved(self, name: str) -> SecretValue | SourceError:
        if name not in self._done:
            source = self._values.get(name)
            try:
                if source is None:
                    raise SourceError("VL06", "the map has no such value")
                self._done[name] = self._value(name, source)
            except SourceError as error:
                self._done[name] = self._about(error, name)
        return self._done[name]

    def _value(self, name: str, source: Source) -> SecretValue:
        if isinstance(source, GenerateSource):
            value = self._kept_or_new(name, source)
        else:
            found, trim = self._found(name, source)
            value = shaped(found, source.form, trim, self._options.tokens)
        self._options.on_secret(value)
        return value

    def _about(self, error: SourceError, name: str) -> SourceError:
        """The same error for one value: several may come from one read."""
        source = self._values.get(name)
        kind = ProviderLoginError if isinstance(error, ProviderLoginError) else SourceError
        return kind(error.rule, error.message, subject=name, where=described(source) if source else None, hint=error.hint, code=error.code)

    def _found(self, name: str, source: EnvSource | FileSource | SopsSource | ProviderSource | RefSource) -> tuple[Found, Trim]:
        match source:
            case EnvSource():
                return env.fetch(source, self._context.environ), "none"
            case FileSource(path):
                return self._file(path), "newline"
            case SopsSource(path, form):
                return self._sops_file(path, form.pointer), "none"
            case ProviderSource():
                return self._provided(name, source)
            case RefSource(url):
                return self._referred(name, url)
        assert_never(source)

    def _file(self, path: str) -> bytes:
        from secrettool.sources import file

        return file.fetch(self._context.path(path))

    def _sops_file(self, path: str, pointer: str | None) -> Found:
        from secrettool.sources.sopsfile import SopsFiles

        self._sops = self._sops or SopsFiles(self._key_environ, self._runtime)
        return self._sops.fetch(self._context.path(path), whole=pointer is None)

    def _provided(self, name: str, source: ProviderSource) -> tuple[Found, Trim]:
        provider = self._providers.get(source.provider)
        match provider:
            case None:
                raise SourceError("VL06", f"the map has no provider {source.provider!r}")
            case ExecProvider():
                return self._output(provider, source.args), "newline" if provider.parse == "text" else "none"
            case VaultProvider():
                if source.path is None:
                    raise SourceError("VL06", "path is missing")
                address = _address(source.mount or provider.mount, source.path, source.version)
                return self._secret(name, source.provider, address, source.key), "none"
        assert_never(provider)

    def _referred(self, name: str, url: str) -> tuple[Found, Trim]:
        target, pointer = ref.read(url)
        found: Found
        trim: Trim = "none"
        match target:
            case ref.VaultRef(mount, path, version, namespace):
                found = self._secret(name, self._only_vault(), _address(mount, path, version, namespace), None)
            case ref.FileRef(path):
                found, trim = self._file(path), "newline"
            case ref.SopsRef(path):
                found = self._sops_file(path, pointer)
            case ref.ExecRef(provider):
                if not self._context.allow_exec_ref:
                    raise SourceError("VL06", "ref+exec:// is not allowed", hint="--allow-exec-ref allows it; better a provider of type exec")
                found, trim = self._output(provider, {}), "newline"
            case _:
                assert_never(target)
        return part_of(found, pointer), trim if pointer is None else "none"

    def _output(self, provider: ExecProvider, args: Mapping[str, str]) -> Found:
        from secrettool.sources import exec as programs

        call = (provider, *sorted(args.items()))
        if call not in self._printed:
            try:
                self._printed[call] = programs.fetch(provider, args, self._context)
            except SourceError as error:
                self._printed[call] = error
        printed = self._printed[call]
        if isinstance(printed, SourceError):
            raise printed
        return printed

    # ---- Vault -----------------------------------------------------------------------------------------------------------------------------------

    def _vault(self, name: str) -> Vault:
        from secrettool.sources.vault import Vault

        if name not in self._vaults:
            provider = VaultProvider() if name == _UNNAMED else self._providers[name]
            assert isinstance(provider, VaultProvider)
            self._vaults[name] = Vault(provider, self._context, retries=self._retries)
        return self._vaults[name]

    def _only_vault(self) -> str:
        """The provider that a URL means, which names none."""
        names = [name for name, provider in self._providers.items() if isinstance(provider, VaultProvider)]
        if len(names) > 1:
            raise SourceError("VL06", "the map has several Vaults, and the URL names none of them", hint="write it with provider, path and key")
        return names[0] if names else _UNNAMED

    def _secret(self, name: str, provider: str, address: Address, key: str | None) -> Found:
        secret = self._vault(provider).read(address)
        if key is not None and key not in secret.values:
            raise SourceError("VL01", f"the secret at {address} has no key {key}")
        if secret.version is not None:
            self._versions[name] = secret.version
        return dict(secret.values) if key is None else secret.values[key]

    def _store_of(self, name: str) -> tuple[StorePlace, Vault, Address]:
        source = self._values.get(name)
        place = source.store if isinstance(source, GenerateSource) else None
        provider = self._providers.get(place.provider) if place else None
        if place is None or not isinstance(provider, VaultProvider):
            raise SourceError("VL06", "the value has no store in a provider of type vault", subject=name)
        return place, self._vault(place.provider), _address(place.mount or provider.mount, place.path)

    def _kept_or_new(self, name: str, source: GenerateSource) -> SecretValue:
        if source.store is None:
            return self.generate(name)
        place, vault, address = self._store_of(name)
        for _ in range(_RACES):
            kept = _kept(vault.current(address), place)
            if kept.value is not None:
                self._versions[name] = kept.version
                return shaped(kept.value.reveal(), PLAIN, "none", self._options.tokens)
            value = self.generate(name)
            if not self._context.may_write:
                return value
            version = _write(vault, address, place, value, kept.version)
            if version is not None:  # else somebody was faster, and theirs is the value
                self._versions[name] = version
                return value
        raise SourceError("VL04", f"{address} is changed by somebody else all the time")


def _address(mount: str, path: str, version: int | None = None, namespace: str | None = None) -> Address:
    from secrettool.sources.vault import Address

    return Address(mount, path, version, namespace)


def _kept(secret: Secret, place: StorePlace) -> Stored:
    held = secret.values.get(place.key)
    return Stored(SecretValue(as_bytes(held)) if held else None, secret.version or 0)


def _write(vault: Vault, address: Address, place: StorePlace, value: SecretValue | None, over: int) -> int | None:
    values = {key: held for key, held in vault.current(address).values.items() if key != place.key}
    return vault.write(address, values if value is None else {**values, place.key: value.text()}, over=over)
