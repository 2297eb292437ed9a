"""A real API server on a real etcd: accounts with exactly the rights that a test gives, and a record of who asked for what."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Final, NamedTuple

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.interop.peers.apiclient import ApiError, Client, Json
from tests.interop.peers.process import LOOPBACK, answers, free_ports, serving
from tests.waiting import wait_for

CLUSTER_ISSUER: Final = Path(__file__).with_name("cluster-issuer.yaml")
RBAC: Final = "rbac.authorization.k8s.io"
PATIENCE: Final = 30
"""Seconds until something that the server does by itself, such as to serve a new kind, counts as failed."""
AUDIT: Final = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    # Written before the request is worked on: when an answer is here, so is its record.
    "omitStages": ["ResponseStarted", "ResponseComplete", "Panic"],
    "rules": [{"level": "Metadata"}],
}


class Programs(NamedTuple):
    """What an API server needs."""

    etcd: Path
    apiserver: Path


class Rule(NamedTuple):
    """A right, as a Role has it."""

    verbs: Sequence[str]
    resources: Sequence[str]
    groups: Sequence[str] = ("",)
    names: Sequence[str] = ()

    def manifest(self) -> Json:
        """The rule in the words of the API."""
        told: Json = {"verbs": list(self.verbs), "apiGroups": list(self.groups), "resources": list(self.resources)}
        return told | ({"resourceNames": list(self.names)} if self.names else {})


class Account(NamedTuple):
    """A ServiceAccount and its token."""

    namespace: str
    name: str
    token: str

    @property
    def user(self) -> str:
        """What the API server calls it."""
        return f"system:serviceaccount:{self.namespace}:{self.name}"


class Request(NamedTuple):
    """One request as the API server recorded it."""

    user: str
    verb: str
    path: str
    agent: str


class ApiServer:
    """A running API server.

    Attributes:
        url: Of the server; also the issuer of its ServiceAccounts' tokens, with discovery and keys readable by everybody.
        ca: PEM file with its certificate and the one that signed it.
        admin_token: Token of a user who may do everything.
        issuer_key: PEM text of the public key that opens tokens of ServiceAccounts.
    """

    def __init__(self, url: str, ca: Path, admin_token: str, issuer_key: str, audit: Path) -> None:
        self.url = url
        self.ca = ca
        self.admin_token = admin_token
        self.issuer_key = issuer_key
        self._audit = audit
        self._clients: list[Client] = []

    @cached_property
    def admin(self) -> Client:
        """A client that may do everything."""
        return self.client(self.admin_token)

    def client(self, token: str | None) -> Client:
        """A client for a token, or without a name; closed when the server is stopped."""
        made = Client(self.url, str(self.ca), token)
        self._clients.append(made)
        return made

    def close(self) -> None:
        """Close the connections of all clients."""
        for client in self._clients:
            client.close()

    def kubeconfig(self, path: Path, token: str, *, namespace: str = "default") -> Path:
        """Write a kubeconfig for a token, readable by its owner only, and return its path."""
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [{"name": "test", "cluster": {"server": self.url, "certificate-authority": str(self.ca)}}],
            "users": [{"name": "test", "user": {"token": token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test", "namespace": namespace}}],
        }
        path.touch(mode=0o600)
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        return path

    def namespace(self) -> str:
        """Make a namespace with a name that is new, and return the name. Nothing removes it: that is a controller's work, and none runs."""
        name = f"test-{secrets.token_hex(4)}"
        self.admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        return name

    def account(self, namespace: str, rules: Sequence[Rule] = (), *, cluster_rules: Sequence[Rule] = ()) -> Account:
        """Make a ServiceAccount that may do what the rules say, in its namespace and in the whole cluster, and nothing else.

        Beyond that it has what every authenticated user has: discovery.
        """
        name = f"account-{secrets.token_hex(4)}"
        self.admin.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}})
        if rules:
            self._bind("Role", rules, namespace, name)
        if cluster_rules:
            self._bind("ClusterRole", cluster_rules, namespace, name)
        account = Account(namespace, name, self.token(namespace, name))
        wanted = [rule.manifest() for rule in (*rules, *cluster_rules)]
        wait_for(lambda: all(rule in self._rules_of(account) for rule in wanted), seconds=PATIENCE)
        return account

    def token(self, namespace: str, name: str, *, audience: str | None = None, seconds: int = 3600) -> str:
        """A signed token (JWT) of a ServiceAccount, for the API server or for another audience."""
        spec: Json = {"expirationSeconds": seconds} | ({"audiences": [audience]} if audience else {})
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        path = self.admin.path("ServiceAccount", name, namespace) + "/token"
        token: str = self.admin.ask("POST", path, request)["status"]["token"]
        return token

    def requests(self, user: str) -> list[Request]:
        """Every request that a user (see `Account.user`) has made, from the first, in order."""
        events = map(json.loads, self._audit.read_text(encoding="utf-8").splitlines())
        return [
            Request(user, event["verb"], event["requestURI"], event.get("userAgent", "")) for event in events if event["user"]["username"] == user
        ]

    def define(self, *definitions: Json) -> None:
        """Make kinds known, and wait until they are served."""
        for definition in definitions:
            self.admin.apply(definition)
        for definition in definitions:
            wait_for(lambda spec=definition["spec"]: self._serves(spec), seconds=PATIENCE)  # type: ignore[misc]

    def _serves(self, spec: Json) -> bool:
        for version in spec["versions"]:
            try:
                path = self.admin.path(spec["names"]["kind"], version=f"{spec['group']}/{version['name']}")
                self.admin.ask("GET", path)
            except (ApiError, LookupError):
                return False
        return True

    def _bind(self, kind: str, rules: Sequence[Rule], namespace: str, account: str) -> None:
        place = {"namespace": namespace} if kind == "Role" else {}
        head = {"name": account, **place}
        subject = {"kind": "ServiceAccount", "name": account, "namespace": namespace}
        version = f"{RBAC}/v1"
        self.admin.create({"apiVersion": version, "kind": kind, "metadata": head, "rules": [rule.manifest() for rule in rules]})
        reference = {"apiGroup": RBAC, "kind": kind, "name": account}
        self.admin.create({"apiVersion": version, "kind": f"{kind}Binding", "metadata": head, "roleRef": reference, "subjects": [subject]})

    def _rules_of(self, account: Account) -> list[Json]:
        # In the account's place, not by its token, so that the account's requests are those of the test.
        body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": account.namespace}}
        answer = self.admin.request("POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", body, headers={"Impersonate-User": account.user})
        rules: list[Json] = json.loads(answer)["status"]["resourceRules"]
        return rules


@contextmanager
def running_api_server(programs: Programs, folder: Path, definitions: Sequence[Json], environ: Mapping[str, str]) -> Iterator[ApiServer]:
    """Run etcd and an API server in a folder, with kinds of its own and ClusterIssuer.

    Args:
        programs: What to run.
        folder: For data and logs.
        definitions: CustomResourceDefinitions.
        environ: The servers' whole environment.
    """
    client_port, peer_port, port = free_ports(3)
    url, etcd_url = f"https://{LOOPBACK}:{port}", f"http://{LOOPBACK}:{client_port}"
    token, files = secrets.token_hex(16), _Files(folder)
    files.write(token)
    with ExitStack() as stack:
        etcd = _etcd_command(programs.etcd, folder / "etcd", etcd_url, f"http://{LOOPBACK}:{peer_port}")
        stack.enter_context(serving("etcd", etcd, log=folder / "etcd.log", environ=environ, ready=lambda: answers(client_port, "/health")))
        server = ApiServer(url, files.certificates / "apiserver.crt", token, files.issuer_public.read_text(encoding="utf-8"), files.audit)
        stack.callback(server.close)
        command = _server_command(programs.apiserver, files, url, etcd_url)
        log = folder / "kube-apiserver.log"
        stack.enter_context(serving("kube-apiserver", command, log=log, environ=environ, ready=lambda: _is_ready(server)))
        _open_discovery(server)
        server.define(*definitions, yaml.safe_load(CLUSTER_ISSUER.read_text(encoding="utf-8")))
        yield server


class _Files:
    """Where an API server finds and leaves its files."""

    def __init__(self, folder: Path) -> None:
        self.certificates = folder / "certs"
        self.tokens = folder / "tokens.csv"
        self.issuer_private = folder / "issuer.key"
        self.issuer_public = folder / "issuer.pub"
        self.audit_policy = folder / "audit-policy.json"
        self.audit = folder / "audit.log"

    def write(self, admin_token: str) -> None:
        """Write what the server reads."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        plain = serialization.NoEncryption()
        self.issuer_private.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, plain))
        self.issuer_public.write_bytes(key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))
        self.tokens.write_text(f'{admin_token},admin,1,"system:masters"\n', encoding="utf-8")
        self.audit_policy.write_text(json.dumps(AUDIT), encoding="utf-8")


def _etcd_command(program: Path, data: Path, url: str, peer_url: str) -> list[str | Path]:
    return [
        program,
        f"--data-dir={data}",
        f"--listen-client-urls={url}",
        f"--advertise-client-urls={url}",
        f"--listen-peer-urls={peer_url}",
        f"--initial-advertise-peer-urls={peer_url}",
        f"--initial-cluster=default={peer_url}",
    ]


def _server_command(program: Path, files: _Files, url: str, etcd_url: str) -> list[str | Path]:
    return [
        program,
        f"--etcd-servers={etcd_url}",
        f"--bind-address={LOOPBACK}",
        f"--secure-port={url.rpartition(':')[2]}",
        f"--cert-dir={files.certificates}",
        f"--token-auth-file={files.tokens}",
        "--authorization-mode=RBAC",
        f"--service-account-issuer={url}",
        f"--service-account-jwks-uri={url}/openid/v1/jwks",
        f"--service-account-key-file={files.issuer_public}",
        f"--service-account-signing-key-file={files.issuer_private}",
        "--service-cluster-ip-range=10.0.0.0/24",
        "--disable-admission-plugins=ServiceAccount",
        f"--audit-policy-file={files.audit_policy}",
        f"--audit-log-path={files.audit}",
        "--audit-log-mode=blocking",
    ]


def _is_ready(server: ApiServer) -> bool:
    with suppress(ApiError):
        server.admin.request("GET", "/readyz")
        return True
    return False


def _open_discovery(server: ApiServer) -> None:
    """Let whoever must check tokens of ServiceAccounts, such as Vault, read the issuer's keys without a name."""
    role = "system:service-account-issuer-discovery"
    server.admin.create(
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "issuer-discovery-for-everybody"},
            "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
            "subjects": [{"apiGroup": RBAC, "kind": "Group", "name": "system:unauthenticated"}],
        }
    )
