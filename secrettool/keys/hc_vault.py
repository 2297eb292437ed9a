"""The HashiCorp Vault backend: the data key is sealed by Vault's transit engine (OpenBao's too).

The address comes from the entry itself; the token from `VAULT_TOKEN` or `~/.vault-token`; TLS and namespace from Vault's own variables. Vault's
answers are never quoted: they can hold what was sent.

Source: sops 3.13 hcvault/keysource.go; Vault api/client.go (environment variables).
"""

from __future__ import annotations

import os
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from secrettool.sops.keygroups import KeyFailure, MasterKey

if TYPE_CHECKING:
    from secrettool.keys import Surroundings

ALLOWLIST = "SOPS_HC_VAULT_ALLOWLIST"
"""Variable with the addresses that may be asked: `all`, `none`, or prefixes with commas between them."""

TIMEOUT = 60  # seconds; Vault's own default

_CAUSES = {
    "Forbidden": ("permission denied", "the token needs the right to update this path"),
    "Unauthorized": ("the token is not accepted", "log in again with `vault login`"),
    "InvalidPath": ("there is no such engine or key", None),
    "InvalidRequest": ("the request was refused: a wrong key version, or no ciphertext of this key", None),
    "RateLimitExceeded": ("too many requests", "try again later"),
    "VaultDown": ("Vault is sealed, or in maintenance", "unseal it, or ask another replica"),
}


class VaultBackend:
    """Wraps and unwraps for master keys of kind `hc_vault`; keeps one client for each address."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._environ = surroundings.environ
        self._now = surroundings.now
        self._clients: dict[str, Any] = {}

    def wrap(self, key: MasterKey, part: bytes) -> MasterKey:
        """See `Keyring.wrap`."""
        sealed = self._ask(key, "encrypt", {"plaintext": b64encode(part).decode("ascii")}, "ciphertext")
        return MasterKey(key.kind, key.fields, sealed, self._now())

    def unwrap(self, key: MasterKey) -> bytes:
        """See `Keyring.unwrap`."""
        plain = self._ask(key, "decrypt", {"ciphertext": key.enc}, "plaintext")
        try:
            return b64decode(plain, validate=True)
        except ValueError:
            raise KeyFailure([f"{_where(key, 'decrypt')}: the answer is not base64"]) from None

    def _ask(self, key: MasterKey, verb: str, body: Mapping[str, str], wanted: str) -> str:
        from hvac.exceptions import VaultError
        from requests.exceptions import RequestException

        what = _where(key, verb)
        client = self._client(_field(key, "vault_address"))
        try:
            answer = client.adapter.post(f"/v1/{_field(key, 'engine_path')}/{verb}/{_field(key, 'key_name')}", json=dict(body))
        except VaultError as error:
            cause, hint = _CAUSES.get(type(error).__name__, ("Vault refused", None))
            raise KeyFailure([f"{what}: {cause}"], hint=hint) from None
        except RequestException as error:
            hint = "look at the address in the file, at the network, and at VAULT_CACERT for a certificate authority of your own"
            raise KeyFailure([f"{what}: Vault cannot be reached ({type(error).__name__})"], hint=hint) from None
        data = answer.get("data") if isinstance(answer, Mapping) else None
        found = data.get(wanted) if isinstance(data, Mapping) else None
        if not isinstance(found, str):
            raise KeyFailure([f"{what}: the answer holds no {wanted}"])
        return found

    def _client(self, address: str) -> Any:
        if address not in self._clients:
            if not _allowed(address, self._environ.get(ALLOWLIST) or "all"):
                raise KeyFailure([f"{ALLOWLIST} does not allow {address}"])
            self._clients[address] = _connect(address, self._environ)
        return self._clients[address]


def open_backend(surroundings: Surroundings) -> VaultBackend:
    """The backend; nothing is asked yet."""
    return VaultBackend(surroundings)


def _connect(address: str, environ: Mapping[str, str]) -> Any:
    import hvac

    certificate = (environ.get("VAULT_CLIENT_CERT", ""), environ.get("VAULT_CLIENT_KEY", ""))
    verify: bool | str = environ.get("VAULT_CACERT") or environ.get("VAULT_CAPATH") or True
    if environ.get("VAULT_SKIP_VERIFY", "").lower() in ("1", "t", "true"):
        verify = False
    return hvac.Client(
        url=address,
        token=_token(environ),
        namespace=environ.get("VAULT_NAMESPACE") or None,
        verify=verify,
        cert=certificate if all(certificate) else None,
        timeout=TIMEOUT,
    )


def _token(environ: Mapping[str, str]) -> str:
    token = environ.get("VAULT_TOKEN", "")
    if token:
        return token
    path = os.path.join(environ.get("HOME", ""), ".vault-token")
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().strip()
    except (OSError, ValueError):
        raise KeyFailure(["there is no Vault token"], hint="set VAULT_TOKEN, or log in with `vault login`, which writes ~/.vault-token") from None


def _allowed(address: str, allowlist: str) -> bool:
    """Whether an address may be asked; both are compared with a slash at their end."""
    if allowlist in ("all", "none"):
        return allowlist == "all"
    prefixes = [entry.strip(" ") for entry in allowlist.split(",")]
    if "" in prefixes:
        raise KeyFailure([f"{ALLOWLIST}'s entry {prefixes.index('') + 1} is empty"])
    return any((address.rstrip("/") + "/").startswith(prefix.rstrip("/") + "/") for prefix in prefixes)


def _field(key: MasterKey, name: str) -> str:
    value = key.fields.get(name, "")
    return value if isinstance(value, str) else ""


def _where(key: MasterKey, verb: str) -> str:
    return f"failed to {verb} sops data key with Vault transit {key.text}"
