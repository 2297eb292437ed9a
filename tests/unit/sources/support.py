"""Surroundings of a run, servers on loopback that play Vault and GitHub, and the proof that an error shows nothing."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from secrettool.errors import SourceError
from secrettool.sources.context import Context
from secrettool.sources.model import Provider, Source, VaultProvider
from secrettool.sources.resolver import Options, Resolver
from secrettool.sources.session import Retries
from secrettool.sources.value import SecretValue
from tests.interop.peers.faults import Answer, Asked, FaultyServer

QUICK = Retries(first=0.001)
CANARY = "canary"
"""Part of everything secret in these tests."""


class Told:
    """What was masked, and what was warned of."""

    def __init__(self) -> None:
        self.masked: list[str] = []
        self.warnings: list[str] = []

    def secret(self, value: SecretValue) -> None:
        self.masked.append(value.reveal().decode("utf-8", "replace"))


def context(told: Told | None = None, environ: Mapping[str, str] | None = None, root: str | Path = "/", **settings: Any) -> Context:
    told = told or Told()
    usual: dict[str, Any] = {"allow_http": False, "allow_exec_ref": False, "check_login": False, "may_write": False}
    return Context(environ or {}, str(root), **(usual | settings), on_secret=told.secret, on_warning=told.warnings.append)


def resolver(
    values: Mapping[str, Source],
    providers: Mapping[str, Provider] | None = None,
    *,
    told: Told | None = None,
    environ: Mapping[str, str] | None = None,
    root: str | Path = "/",
    **options: Any,
) -> Resolver:
    told = told or Told()
    chosen = Options(on_secret=told.secret, on_warning=told.warnings.append, **options)
    return Resolver(providers or {}, values, environ=dict(environ or {}), root=str(root), options=chosen, retries=QUICK)


def shows_nothing(error: BaseException) -> None:
    """No exception that led to this one holds anything secret."""
    waiting: list[BaseException | None] = [error]
    while waiting:
        found = waiting.pop()
        if found is not None:
            assert CANARY not in f"{found!r} {found} {found.args} {vars(found)}"
            waiting += [found.__context__, found.__cause__]


def failure(found: SecretValue | SourceError, rule: str) -> SourceError:
    """The error, which must be of this rule and show nothing."""
    assert isinstance(found, SourceError), found
    assert found.rule == rule, found
    shows_nothing(found)
    return found


def text(found: SecretValue | SourceError) -> str:
    assert isinstance(found, SecretValue), found
    return found.text()


# --- what Vault answers ---


def kv2(values: Mapping[str, object], version: int = 1) -> Answer:
    return Answer(200, {"data": {"data": values, "metadata": {"version": version, "deletion_time": "", "destroyed": False}}})


def kv1(values: Mapping[str, object]) -> Answer:
    return Answer(200, {"data": values})


def gone(version: int, *, destroyed: bool = False) -> Answer:
    metadata = {"version": version, "deletion_time": "" if destroyed else "2026-05-06T07:08:09Z", "destroyed": destroyed}
    return Answer(404, {"data": {"data": None, "metadata": metadata}})


def engine(version: str | None) -> Answer:
    return Answer(200, {"data": {"path": "kv/", "type": "kv", "options": version and {"version": version}}})


def logged_in(token: str = "hvs.canary", kind: str = "service") -> Answer:
    return Answer(200, {"auth": {"client_token": token, "token_type": kind}})


INVALID_TOKEN = Answer(403, {"errors": ["2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"]})
DENIED = Answer(403, {"errors": ["1 error occurred:\n\t* permission denied: canary\n\n"]})


def vault_at(url: str, **fields: Any) -> VaultProvider:
    """A provider whose engine has version 2."""
    usual: dict[str, Any] = {"mount": "kv", "kv_version": 2}
    return VaultProvider(url, **(usual | fields))


# --- TLS ---


class Authority(NamedTuple):
    """An authority with a certificate for one server.

    Attributes:
        file: Its certificate in PEM.
        server: For the server: key and certificates.
    """

    file: Path
    server: Path


def authority(folder: Path, *names: str) -> Authority:
    """A new authority, and a server on loopback, which also has these names."""
    key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Orchard CA")])
    now = datetime.now(UTC)

    def builder(subject: x509.Name, public: ec.EllipticCurvePublicKey, *, is_authority: bool) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(root)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        )

    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    signed = builder(root, key.public_key(), is_authority=True).add_extension(usage, critical=True).sign(key, hashes.SHA256())
    alternatives: list[x509.GeneralName] = [x509.IPAddress(ip_address("127.0.0.1")), *map(x509.DNSName, names)]
    leaf = builder(x509.Name([]), server_key.public_key(), is_authority=False)
    leaf_signed = leaf.add_extension(x509.SubjectAlternativeName(alternatives), critical=True).sign(key, hashes.SHA256())
    file, server = folder / "ca.pem", folder / "server.pem"
    file.write_bytes(signed.public_bytes(Encoding.PEM))
    private = server_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    server.write_bytes(private + leaf_signed.public_bytes(Encoding.PEM))
    return Authority(file, server)


@contextmanager
def tls_running(server_file: Path) -> Iterator[FaultyServer]:
    """A server with TLS that answers what its queue holds."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told = server.answer(Asked(self.command, self.path, {name.lower(): text for name, text in self.headers.items()}, b""))
            data = told.data()
            self.send_response(told.status)
            for name, value in {"Content-Type": "application/json", "Content-Length": str(len(data)), **told.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    class Listener(ThreadingHTTPServer):
        daemon_threads = True

        def get_request(self) -> tuple[Any, Any]:
            plain, address = super().get_request()
            return tls.wrap_socket(plain, server_side=True, do_handshake_on_connect=False), address

        def handle_error(self, request: object, client_address: object) -> None:
            """A handshake that fails is what some tests want."""

    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(server_file)
    with Listener(("127.0.0.1", 0), Handler) as listener:
        server = FaultyServer(f"https://127.0.0.1:{listener.server_port}", None)
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.05}, name="tls", daemon=True)
        thread.start()
        try:
            yield server
        finally:
            listener.shutdown()
            thread.join()
