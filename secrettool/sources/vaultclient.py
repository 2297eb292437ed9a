"""Which Vault is asked, how its certificate is judged, and what its refusals mean.

The library would take what is missing from the process's environment and from files of the user, so it is given everything.

Source: PT-11, PT-13, PT-14, PT-21; hvac 2.4 (Client, adapters); Vault api/client.go (environment variables).
"""

from __future__ import annotations

import ssl
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from secrettool.errors import InputError, SourceError
from secrettool.sources.context import Context
from secrettool.sources.model import VaultProvider
from secrettool.sources.session import Refused, Retries, Session, Trust, Unreachable, is_allowed

_LIMIT: Final = 1 << 20  # bytes of certificates
_FALSE: Final = ("0", "f", "false")  # as Go reads a variable that is true or false
_BUSY: Final = {
    412: "the replica is behind",
    429: "too many requests, or a standby node",
    472: "a replication secondary without the data",
    473: "a performance standby",
    500: "an internal error",
    502: "a bad gateway in front of it",
    503: "sealed, or in maintenance",
}


class Endpoint(NamedTuple):
    """A Vault and how it is asked.

    Attributes:
        address: URL without a slash at its end.
        namespace: Of the secrets; None for the root.
        trust: How its certificate is judged.
        timeout: Seconds for one request.
    """

    address: str
    namespace: str | None
    trust: Trust
    timeout: float


def endpoint(provider: VaultProvider, context: Context) -> Endpoint:
    """What a provider says, completed by the environment.

    Raises:
        SourceError: There is no address, one that must not be asked, or no usable certificate (`VL06`).
    """
    address = (provider.address or context.first("VAULT_ADDR", "BAO_ADDR") or "").rstrip("/")
    if not address:
        raise SourceError("VL06", "no address is known", hint="set `address` of the provider, or VAULT_ADDR")
    if not is_allowed(address, allow_http=context.allow_http):
        hint = "use https; http is for this machine, or with --allow-http"
        raise SourceError("VL06", "its address must not be asked: it is no URL of https", hint=hint)
    parts = urlsplit(address)
    if "@" in parts.netloc:
        raise SourceError("VL06", "its address holds a login", hint="describe the login under `auth`")
    if parts.query or parts.fragment:
        raise SourceError("VL06", "its address goes on behind the path", hint="it is written https://HOST:PORT")
    if (context.first("VAULT_SKIP_VERIFY", "BAO_SKIP_VERIFY") or "false").lower() not in _FALSE:
        context.on_warning("VAULT_SKIP_VERIFY is ignored: certificates are always verified; name the authority by caFile or VAULT_CACERT")
    namespace = provider.namespace or context.first("VAULT_NAMESPACE", "BAO_NAMESPACE")
    return Endpoint(address, namespace, Trust(_certificates(provider, context), provider.tls_server_name), provider.timeout)


def connect(place: Endpoint, context: Context, retries: Retries | None = None) -> Any:
    """A client without a token. Nothing is asked yet."""
    import hvac

    session = Session(place.address, context.environ, trust=place.trust, allow_http=context.allow_http, retries=retries)
    return hvac.Client(
        url=place.address, token="", cert=(), verify=True, timeout=place.timeout, proxies=None, session=session, namespace=place.namespace
    )


def refusal(error: Refused | Unreachable, action: str, path: str) -> SourceError:
    """Why a request brought nothing.

    Args:
        error: What came instead.
        action: What was tried, such as `read`.
        path: Of the secret, with its mount.
    """
    if isinstance(error, Unreachable):
        return SourceError("VL07", f"Vault gives no answer: {error}", hint=error.hint)
    if error.is_invalid_token or error.status == 401:
        return SourceError(
            "VL04", "the token is not valid, or no longer", hint="log in again; a token that was given lives as long as it was made to"
        )
    if error.status == 403:
        return SourceError(
            "VL04", f"policy does not allow {action} on {path}", hint="`secrettool patch vault-setup` prints the policy that is needed"
        )
    if error.status in _BUSY:
        return SourceError("VL07", f"Vault does not serve now: {_BUSY[error.status]} (status {error.status})")
    return SourceError("VL04", f"Vault refused to {action} {path} (status {error.status})")


def _certificates(provider: VaultProvider, context: Context) -> ssl.SSLContext | None:
    pem, place = provider.ca_pem, "caPem"
    if pem is None:
        file = provider.ca_file or context.first("VAULT_CACERT", "BAO_CACERT")
        if file is None:
            return None
        pem, place = _text_of(file, context), f"file {file}"
    try:
        # Bundles have comments in every script. Of nothing at all Python would make the public certificates.
        return ssl.create_default_context(cadata=pem.encode("ascii", "ignore").decode("ascii").strip() or "none")
    except (ssl.SSLError, ValueError):
        raise SourceError("VL06", f"{place} holds no certificates in PEM") from None


def _text_of(file: str, context: Context) -> str:
    from secrettool import fs

    try:
        return fs.read(context.path(file), limit=_LIMIT)[0].decode("ascii", "replace")
    except InputError as error:
        raise SourceError("VL06", f"file {file} {error.message}") from None
