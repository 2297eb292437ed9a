"""Secrets of a KV engine of Vault or OpenBao.

One `Vault` logs in when it is asked first, reads each version of each secret once, and gives its token back when it is closed.

Source: section 3 of the patcher's requirements (PT-11 to PT-15); Vault HTTP API: secret/kv v1 and v2, sys/internal/ui/mounts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote

from secrettool.errors import ProviderLoginError, SourceError
from secrettool.sources.context import Context
from secrettool.sources.model import VaultProvider
from secrettool.sources.session import Refused, Retries, Unreachable
from secrettool.sources.vaultclient import connect, endpoint, refusal
from secrettool.sources.vaultlogin import in_namespace, login, revoke

T = TypeVar("T")

_CONFLICT = 400  # what a write with another version than the present one is answered


class Address(NamedTuple):
    """What names a secret.

    Attributes:
        mount: Of the engine.
        path: Below the mount.
        version: Of an engine KV version 2; the newest when None.
        namespace: When it is another than the provider's.
    """

    mount: str
    path: str
    version: int | None = None
    namespace: str | None = None

    def __str__(self) -> str:
        return f"{self.mount}/{self.path}"


class Secret(NamedTuple):
    """A secret that was read.

    Attributes:
        values: By key; what JSON can say.
        version: KV version 2: its number. None in version 1.
    """

    values: Mapping[str, Any]
    version: int | None

    def __repr__(self) -> str:
        return f"<Secret of version {self.version}>"


class Vault:
    """A provider of kind `vault`.

    Args:
        provider: Its description.
        context: Environment and files, and who is told of tokens.
        retries: How often, and when, a request is tried again.
    """

    def __init__(self, provider: VaultProvider, context: Context, *, retries: Retries | None = None) -> None:
        self._provider = provider
        self._context = context
        self._retries = retries
        self._client: Any = None
        self._failure: SourceError | None = None
        self._is_ours = False
        self._kinds: dict[tuple[str | None, str], int] = {}
        self._secret_ids: dict[str, str] = {}
        self._read: dict[Address, Secret | SourceError] = {}

    def __repr__(self) -> str:
        return "<Vault>"

    def read(self, address: Address) -> Secret:
        """A secret; the second time from memory.

        Raises:
            ProviderLoginError: Nobody is let in.
            SourceError: There is none (`VL01`), it must not be read (`VL04`), is described wrongly (`VL06`), or there is no answer (`VL07`).
        """
        address = _checked(address)
        if address not in self._read:
            try:
                self._read[address] = self._fetch(address)
            except SourceError as error:
                self._read[address] = error
        found = self._read[address]
        if isinstance(found, SourceError):
            raise found
        return found

    def current(self, address: Address) -> Secret:
        """The newest version of a secret in an engine KV version 2, read now; one that is deleted, or was never written, holds nothing.

        Raises:
            SourceError: As `read`, and when the engine has no versions (`VL06`).
        """
        address = _checked(address)._replace(version=None)
        self._read.pop(address, None)
        self._needs_versions(address)
        try:
            return self.read(address)
        except _Gone as gone:
            return Secret({}, gone.version or 0)

    def write(self, address: Address, values: Mapping[str, Any], *, over: int) -> int | None:
        """Write a new version of a secret, unless somebody else did meanwhile.

        Args:
            address: Of an engine KV version 2.
            values: All keys of the secret.
            over: Number of the version that it takes the place of; 0 when there is none.

        Returns:
            Its number; None when `over` is not the newest any more.

        Raises:
            SourceError: As `read`.
        """
        address = _checked(address)._replace(version=None)
        self._needs_versions(address)
        path, mount = address.path, address.mount

        def ask(client: Any) -> int | None:
            try:
                answer = client.secrets.kv.v2.create_or_update_secret(path, dict(values), cas=over, mount_point=mount)
            except Refused as error:
                if error.status != _CONFLICT:
                    raise
                return None
            return _number(_part(answer, "data", address))

        version = self._ask(ask, "write", address)
        if version is None:
            newest = self.current(address)
            if newest.version == over:
                raise SourceError("VL04", f"Vault refused to write {address} (status {_CONFLICT})")
            # The answer to a try of ours may have been lost.
            return newest.version if newest.version == over + 1 and newest.values == values else None
        self._read.pop(address, None)
        return version

    def close(self) -> None:
        """Revoke the token of the login, and end the connections."""
        if self._client is None:
            return
        if self._is_ours and not revoke(self._client, self._provider.auth):
            self._context.on_warning("the token of the login could not be revoked; it lives until its time is over")
        self._client.adapter.close()
        self._client, self._failure = None, SourceError("VL06", "the connection is closed")

    # ---- one request -----------------------------------------------------------------------------------------------------------------------------

    def _fetch(self, address: Address) -> Secret:
        versions = self._kind(address) == 2
        if address.version is not None and not versions:
            raise SourceError("VL06", f"{address.mount} is an engine KV version 1, which has no versions")

        def ask(client: Any) -> Secret:
            if not versions:
                answer = client.secrets.kv.v1.read_secret(address.path, mount_point=address.mount)
                return Secret(_part(answer, "data", address), None)
            answer = client.secrets.kv.v2.read_secret_version(address.path, address.version, mount_point=address.mount, raise_on_deleted_version=True)
            held = _part(answer, "data", address)
            return Secret(_part(held, "data", address), _number(_part(held, "metadata", address)))

        return self._ask(ask, "read", address)

    def _needs_versions(self, address: Address) -> None:
        if self._kind(address) != 2:
            raise SourceError("VL06", f"{address.mount} is an engine KV version 1; storing needs version 2, which knows who was first")

    def _kind(self, address: Address) -> int:
        """Version of the engine."""
        if self._provider.kv_version != "auto":
            return self._provider.kv_version
        mount = (address.namespace, address.mount)
        if mount not in self._kinds:
            self._kinds[mount] = self._told_kind(address)
        return self._kinds[mount]

    def _told_kind(self, address: Address) -> int:
        def ask(client: Any) -> int | None:
            try:
                answer = client.adapter.get(f"/v1/sys/internal/ui/mounts/{quote(str(address))}")
            except Refused as error:
                if error.status != 403 or error.is_invalid_token:
                    raise
                return None
            return 2 if _text(_part(answer, "data", address).get("options"), "version") == "2" else 1

        told = self._ask(ask, "read", address)
        if told is None:
            self._context.on_warning(f"Vault does not tell the version of the engine {address.mount}: assuming KV version 2; kvVersion says it")
        return told or 2

    def _ask(self, ask: Callable[[Any], T], action: str, address: Address) -> T:
        """Ask once; with a new login when the token of the last one has expired."""
        for is_last in (False, True):
            client = self._logged_in()
            try:
                with in_namespace(client, address.namespace):
                    return ask(client)
            except Refused as error:
                lost: Refused | Unreachable = error
            except Unreachable as error:
                lost = error
            except RecursionError:  # of JSON
                raise _no_engine(address) from None
            has_expired = isinstance(lost, Refused) and lost.is_invalid_token and self._provider.auth.method != "token"
            if is_last or not has_expired:
                break
            self._login(client)
        if isinstance(lost, Refused) and lost.status == 404:
            raise _gone(lost, address)
        raise refusal(lost, action, str(address))

    def _logged_in(self) -> Any:
        if self._failure is not None:
            raise self._failure
        if self._client is None:
            try:
                client = connect(endpoint(self._provider, self._context), self._context, self._retries)
            except SourceError as error:
                self._failure = error
                raise
            self._client = client
            self._login(client)
        return self._client

    def _login(self, client: Any) -> None:
        client.adapter.token = ""
        self._is_ours = False
        try:
            self._is_ours = login(client, self._provider, self._context, self._secret_ids)
        except ProviderLoginError as error:
            self._failure = error
            raise


class _Gone(SourceError):
    """There is no such secret or version."""

    def __init__(self, message: str, version: int | None, hint: str | None = None) -> None:
        super().__init__("VL01", message, hint=hint)
        self.version = version


def _gone(error: Refused, address: Address) -> _Gone:
    if error.version is not None:
        how = "destroyed" if error.is_destroyed else "deleted"
        return _Gone(f"version {error.version} of {address} is {how}", error.version)
    what = f"no version {address.version} of a secret" if address.version else "no secret"
    return _Gone(f"there is {what} at {address}", None, "look at mount, path and namespace, and at kvVersion when it is set")


def _checked(address: Address) -> Address:
    mount, path = address.mount.strip("/"), address.path.strip("/")
    if not mount or not path or {".", "..", ""} & {*mount.split("/"), *path.split("/")}:
        raise SourceError("VL06", "mount and path of a secret must be names with single slashes between them")
    return address._replace(mount=mount, path=path)


def _part(answer: Any, name: str, address: Address) -> Mapping[str, Any]:
    """A mapping inside an answer."""
    part = answer.get(name) if isinstance(answer, Mapping) else None
    if not isinstance(part, Mapping):
        raise _no_engine(address)
    return part


def _no_engine(address: Address) -> SourceError:
    return SourceError("VL05", f"what answers for {address} is no KV engine", hint="look at address, mount and kvVersion")


def _number(metadata: Mapping[str, Any]) -> int | None:
    version = metadata.get("version")
    return version if isinstance(version, int) else None


def _text(mapping: Any, name: str) -> str:
    return str(mapping.get(name)) if isinstance(mapping, Mapping) else ""
