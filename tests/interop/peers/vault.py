"""Vault in development mode, with the mounts, roles and policies that a GitOps repository would give to its patcher.

What is there: KV version 2 at `secret/`, KV version 1 at `kv/`, transit with the key `sops`, AppRole, and JWT trusting an `OidcIssuer`; with
`trust_cluster` also a mount `kubernetes` for the service accounts of an API server. That mount is of type `jwt`: the plugin `kubernetes` is not in
our build, and its login is the same request. Namespaces need the Enterprise edition; this one ignores the header.

Source: Vault 1.21, HTTP API: sys/mounts, sys/auth, sys/policies/acl, secret/kv, secret/transit, auth/approle, auth/jwt, auth/token, sys/seal.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

from tests.interop.peers.oidc import REF, REPOSITORY, OidcIssuer
from tests.interop.peers.process import LOOPBACK, PAUSE, free_ports, serving
from tests.waiting import wait_for

ROLE = "patch-secrets"
"""The role of every login; it has `READER`."""
READER = "read-orchard"
"""Policy: read what lies under `orchard/` in both KV mounts, and nothing else."""
TRANSIT_USER = "use-sops-key"
"""Policy: encrypt and decrypt with the transit key `sops`."""
POLICIES: Mapping[str, Mapping[str, Iterable[str]]] = {
    READER: {"secret/data/orchard/*": ["read"], "secret/metadata/orchard/*": ["read"], "kv/orchard/*": ["read"]},
    TRANSIT_USER: {"transit/encrypt/sops": ["update"], "transit/decrypt/sops": ["update"]},
}
TOKEN_TTL = "5m"
"""How long tokens of our making and of logins live."""
TIMEOUT = 10
"""Seconds for one request; nothing here is slow."""

_OPENER = build_opener(ProxyHandler({}))


class VaultRefused(Exception):
    """Vault answered with an error.

    Attributes:
        status: Status of HTTP.
    """

    def __init__(self, status: int, reasons: Iterable[str]) -> None:
        super().__init__(f"{status}: {'; '.join(reasons)}")
        self.status = status


class Vault:
    """A running server and what an administrator does with it.

    Attributes:
        url: Its address, also the audience that tokens for its JWT logins must have.
        root_token: May do everything.
    """

    def __init__(self, url: str, root_token: str, log: Path) -> None:
        self.url = url
        self.root_token = root_token
        self._log = log

    def api(self, method: str, path: str, body: Mapping[str, object] | None = None, *, headers: Mapping[str, str] | None = None) -> Any:
        """Ask something with the root token.

        Args:
            method: Of HTTP.
            path: After `/v1/`.
            body: What to send, as JSON.
            headers: More headers, such as `X-Vault-Wrap-TTL`.

        Returns:
            The answer, None when it is empty.

        Raises:
            VaultRefused: The status is not 2xx.
        """
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"{self.url}/v1/{path}", data, {"X-Vault-Token": self.root_token, **(headers or {})}, method=method)
        try:
            with _OPENER.open(request, timeout=TIMEOUT) as response:
                text = response.read()
        except HTTPError as error:
            with error:
                told = json.loads(error.read() or b"{}")
            raise VaultRefused(error.code, told.get("errors") or told.get("warnings") or ()) from None
        return json.loads(text) if text else None

    # --- secrets ---

    def write_v1(self, path: str, values: Mapping[str, object]) -> None:
        """Write a secret to `kv/`, version 1."""
        self.api("POST", f"kv/{path}", values)

    def write_v2(self, path: str, values: Mapping[str, object]) -> int:
        """Write a secret to `secret/`, version 2; returns the number of its new version."""
        return int(self.api("POST", f"secret/data/{path}", {"data": values})["data"]["version"])

    def delete_versions(self, path: str, *versions: int) -> None:
        """Delete versions of a secret in `secret/`; they could be undeleted."""
        self.api("POST", f"secret/delete/{path}", {"versions": versions})

    def destroy_versions(self, path: str, *versions: int) -> None:
        """Destroy versions of a secret in `secret/` for ever."""
        self.api("POST", f"secret/destroy/{path}", {"versions": versions})

    @property
    def transit_uri(self) -> str:
        """The transit key as sops names it."""
        return f"{self.url}/v1/transit/keys/sops"

    # --- who may come in ---

    def token(self, *policies: str, ttl: str = TOKEN_TTL) -> str:
        """A new token with these policies besides `default`."""
        return str(self.api("POST", "auth/token/create", {"policies": policies, "ttl": ttl, "renewable": False})["auth"]["client_token"])

    def revoke(self, token: str) -> None:
        """End a token's life."""
        self.api("POST", "auth/token/revoke", {"token": token})

    def role_id(self) -> str:
        """The public half of the AppRole login."""
        return str(self.api("GET", f"auth/approle/role/{ROLE}/role-id")["data"]["role_id"])

    def secret_id(self) -> str:
        """A new secret half of the AppRole login."""
        return str(self.api("POST", f"auth/approle/role/{ROLE}/secret-id")["data"]["secret_id"])

    def wrapped_secret_id(self, ttl: str = TOKEN_TTL) -> str:
        """A token that can be exchanged once for a new secret half of the AppRole login."""
        return str(self.api("POST", f"auth/approle/role/{ROLE}/secret-id", headers={"X-Vault-Wrap-TTL": ttl})["wrap_info"]["token"])

    def trust_cluster(self, issuer: str, ca_pem: str) -> None:
        """Trust the tokens that an API server gives to service accounts, at the mount `kubernetes`; `admit` then says whose.

        Args:
            issuer: Claim `iss` of these tokens, also the discovery URL.
            ca_pem: Certificates to trust while the issuer's keys are read.
        """
        if "kubernetes/" not in self.api("GET", "sys/auth")["data"]:
            self.api("POST", "sys/auth/kubernetes", {"type": "jwt"})
        self.api("POST", "auth/kubernetes/config", {"oidc_discovery_url": issuer, "oidc_discovery_ca_pem": ca_pem, "bound_issuer": issuer})

    def admit(self, user: str) -> str:
        """Let a service account log in at the mount `kubernetes`, with a token for our `url`, and return the role to name.

        Args:
            user: `system:serviceaccount:NAMESPACE:NAME`.
        """
        role = f"{ROLE}-{secrets.token_hex(4)}"
        self.api("POST", f"auth/kubernetes/role/{role}", self._jwt_role(user_claim="sub") | {"bound_subject": user})
        return role

    # --- its state ---

    @contextmanager
    def sealed(self) -> Iterator[None]:
        """Sealed for the time of the block: it answers 503."""
        self.api("PUT", "sys/seal")
        try:
            yield
        finally:
            self.api("PUT", "sys/unseal", {"key": self._unseal_key()})
            wait_for(self.active, pause=PAUSE)

    def started(self) -> bool:
        """Whether it answers and has said by what it is unsealed, which it does a moment later.

        Raises:
            OSError: It does not listen.
        """
        return self.active() and self._unseal_key() is not None

    def active(self) -> bool:
        """Whether it is initialized and unsealed.

        Raises:
            OSError: It does not listen.
        """
        try:
            self.api("GET", "sys/health")
        except VaultRefused:
            return False
        return True

    def _unseal_key(self) -> str | None:
        found = re.search(r"^Unseal Key: (\S+)$", self._log.read_text(encoding="utf-8"), re.MULTILINE)
        return found[1] if found else None

    def prepare(self, issuer: OidcIssuer) -> None:
        """Mount and allow what this module promises.

        Args:
            issuer: Whom the mount `jwt` trusts; must be running.
        """
        mounts: Mapping[str, Mapping[str, object]] = {"kv": {"type": "kv", "options": {"version": "1"}}, "transit": {"type": "transit"}}
        for path, mount in mounts.items():
            self.api("POST", f"sys/mounts/{path}", mount)
        self.api("POST", "transit/keys/sops")
        for name, rights in POLICIES.items():
            rules = {path: {"capabilities": list(capabilities)} for path, capabilities in rights.items()}
            self.api("PUT", f"sys/policies/acl/{name}", {"policy": json.dumps({"path": rules})})
        for method in ("approle", "jwt"):
            self.api("POST", f"sys/auth/{method}", {"type": method})
        self.api("POST", f"auth/approle/role/{ROLE}", {"token_policies": [READER], "token_ttl": TOKEN_TTL, "secret_id_num_uses": 1})
        self.api("POST", "auth/jwt/config", {"oidc_discovery_url": issuer.url, "bound_issuer": issuer.url})
        bound = {"bound_claims": {"repository": REPOSITORY, "ref": REF}}
        self.api("POST", f"auth/jwt/role/{ROLE}", self._jwt_role(user_claim="repository") | bound)

    def _jwt_role(self, user_claim: str) -> dict[str, object]:
        common = {"role_type": "jwt", "bound_audiences": [self.url], "token_policies": [READER], "token_ttl": TOKEN_TTL}
        return {**common, "user_claim": user_claim}


@contextmanager
def running(program: Path, folder: Path, issuer: OidcIssuer) -> Iterator[Vault]:
    """A prepared server until the block ends; all it holds is in memory.

    Args:
        program: The program `vault`.
        folder: Where its log is written, `vault.log`, with the key that unseals it.
        issuer: Whom the mount `jwt` trusts; must be running.

    Raises:
        ServerFailed: It did not start.
    """
    (port,) = free_ports(1)
    vault = Vault(f"http://{LOOPBACK}:{port}", secrets.token_hex(16), folder / "vault.log")
    environ = {"HOME": str(folder), "VAULT_DEV_ROOT_TOKEN_ID": vault.root_token, "VAULT_DEV_LISTEN_ADDRESS": f"{LOOPBACK}:{port}"}
    command: list[str | Path] = [program, "server", "-dev", "-dev-no-store-token"]
    with serving("Vault", command, log=folder / "vault.log", environ=environ, ready=vault.started):
        vault.prepare(issuer)
        yield vault
