"""Which Vault is asked, how its certificate is judged, and what its refusals mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from secrettool.errors import SourceError
from secrettool.sources.model import ProviderSource, VaultProvider
from secrettool.sources.session import Refused, Unreachable
from secrettool.sources.vaultclient import connect, endpoint, refusal
from tests.interop.peers.faults import FaultyServer
from tests.unit.sources.support import DENIED, Told, authority, context, failure, kv2, resolver, text, tls_running, vault_at

HOST = ProviderSource("p", "app", "host")


def refused(provider: VaultProvider, environ: dict[str, str] | None = None, **settings: Any) -> SourceError:
    with pytest.raises(SourceError) as raised:
        endpoint(provider, context(environ=environ, **settings))
    return failure(raised.value, "VL06")


@pytest.mark.parametrize("prefix", ["VAULT", "BAO"])
def test_pt_11_environment_fills_what_is_missing(prefix: str, tmp_path: Path) -> None:
    certified = authority(tmp_path)
    environ = {f"{prefix}_ADDR": "https://a.example:8200/", f"{prefix}_NAMESPACE": "team", f"{prefix}_CACERT": str(certified.file)}
    place = endpoint(VaultProvider(), context(environ=environ))
    assert (place.address, place.namespace, place.timeout) == ("https://a.example:8200", "team", 30)
    assert place.trust.context is not None


def test_pt_11_map_wins_over_vault_and_vault_over_bao() -> None:
    both = {"VAULT_ADDR": "https://v.example", "BAO_ADDR": "https://b.example", "VAULT_NAMESPACE": "v", "BAO_NAMESPACE": "b"}
    assert endpoint(VaultProvider("https://m.example", namespace="m"), context(environ=both))[:2] == ("https://m.example", "m")
    assert endpoint(VaultProvider(), context(environ=both))[:2] == ("https://v.example", "v")


def test_no_address_is_told() -> None:
    assert "VAULT_ADDR" in str(refused(VaultProvider()).hint)


@pytest.mark.parametrize("address", ["http://vault.example.net", "vault.example.net:8200", "unix:///run/v", "ftp://localhost", "https://["])
def test_pt_11_address_without_tls_is_not_asked(address: str) -> None:
    assert "--allow-http" in str(refused(VaultProvider(address)).hint)
    assert refused(VaultProvider(), {"VAULT_ADDR": address}).rule == "VL06"


def test_pt_11_plain_http_is_for_loopback_or_when_allowed() -> None:
    assert endpoint(VaultProvider("http://127.0.0.1:8200"), context()).address == "http://127.0.0.1:8200"
    assert endpoint(VaultProvider("http://vault.example.net"), context(allow_http=True)).address == "http://vault.example.net"


@pytest.mark.parametrize("address", ["https://user:canary@a.example", "https://a.example?canary=1", "https://a.example#canary"])
def test_address_holds_no_login_and_no_query(address: str) -> None:
    refused(VaultProvider(address))


@pytest.mark.parametrize(
    ("value", "warned"), [("true", True), ("1", True), ("whatever", True), ("false", False), ("0", False), ("F", False), ("", False)]
)
@pytest.mark.parametrize("name", ["VAULT_SKIP_VERIFY", "BAO_SKIP_VERIFY"])
def test_pt_11_wish_not_to_verify_is_ignored_with_a_warning(name: str, value: str, warned: bool, told: Told) -> None:
    endpoint(VaultProvider("https://a.example"), context(told, {name: value}))
    assert [warning.partition(";")[0] for warning in told.warnings] == ["VAULT_SKIP_VERIFY is ignored: certificates are always verified"] * warned


def test_pt_11_library_takes_nothing_from_the_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VAULT_TOKEN", "canary")
    monkeypatch.setenv("VAULT_ADDR", "https://elsewhere.example")
    monkeypatch.setenv("VAULT_CLIENT_CERT", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".vault-token").write_text("canary")
    known = context(environ={"VAULT_ADDR": "https://a.example"})
    client = connect(endpoint(VaultProvider(timeout=7), known), known)
    assert (client.adapter.token, client.url, client.adapter.namespace) == ("", "https://a.example", None)
    assert client.adapter._kwargs == {"cert": (), "verify": True, "timeout": 7, "proxies": None}
    client.adapter.close()


# --- certificates ---


def test_pt_11_authority_comes_as_file_text_or_variable(tmp_path: Path) -> None:
    certified = authority(tmp_path, "vault.example.net")
    pem = certified.file.read_text()
    with tls_running(certified.server) as secure:
        secure.endless = kv2({"host": "canary"})
        for fields, more in (
            ({"ca_file": "ca.pem"}, {}),
            ({"ca_pem": pem}, {"VAULT_CACERT": "/absent"}),
            ({"ca_pem": pem, "tls_server_name": "vault.example.net"}, {}),
            ({}, {"VAULT_CACERT": str(certified.file)}),
            ({}, {"BAO_CACERT": "ca.pem"}),
        ):
            provider, environ = vault_at(secure.url, **fields), {"VAULT_TOKEN": "t", **more}
            assert text(resolver({"a": HOST}, {"p": provider}, environ=environ, root=tmp_path).resolve(["a"])["a"]) == "canary"


def test_pt_11_public_authorities_are_meant_when_none_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: Told) -> None:
    certified = authority(tmp_path)
    for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, str(certified.file))
    with tls_running(certified.server) as secure:
        secure.endless = kv2({"host": "canary"})
        environ = {"VAULT_TOKEN": "t", "VAULT_SKIP_VERIFY": "true"}
        found = resolver({"a": HOST}, {"p": vault_at(secure.url)}, told=told, environ=environ).resolve(["a"])["a"]
    error = failure(found, "VL07")
    assert "its certificate is not trusted" in error.message
    assert "caFile" in str(error.hint)
    assert len(told.warnings) == 1


def test_bundle_may_have_comments_in_any_script(tmp_path: Path) -> None:
    certified = authority(tmp_path)
    bundle = f"# Főtanúsítvány\n{certified.file.read_text()}"
    (tmp_path / "bundle.pem").write_text(bundle, encoding="iso8859-2")
    for provider in (VaultProvider("https://a.example", ca_pem=bundle), VaultProvider("https://a.example", ca_file="bundle.pem")):
        trusted = endpoint(provider, context(root=tmp_path)).trust.context
        assert trusted is not None
        assert len(trusted.get_ca_certs()) == 1


@pytest.mark.parametrize("pem", ["", " \n", "# canary\n", "canary", "-----BEGIN CERTIFICATE-----\ncanary\n-----END CERTIFICATE-----\n"])
def test_what_is_no_certificate_is_not_quoted(pem: str, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text(pem)
    assert refused(VaultProvider("https://a.example", ca_pem=pem)).message == "caPem holds no certificates in PEM"
    by_file = refused(VaultProvider("https://a.example", ca_file="ca.pem"), root=tmp_path)
    assert by_file.message == "file ca.pem holds no certificates in PEM"


def test_file_of_certificates_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    assert "file ca.pem cannot be read" in refused(VaultProvider("https://a.example", ca_file="ca.pem"), root=tmp_path).message


# --- refusals ---


@pytest.mark.parametrize(
    ("status", "body", "rule", "part"),
    [
        (403, b"canary", "VL04", "policy does not allow read on kv/app"),
        (403, b"invalid token canary", "VL04", "the token is not valid, or no longer"),
        (401, b"canary", "VL04", "the token is not valid"),
        (400, b"canary", "VL04", "Vault refused to read kv/app (status 400)"),
        (412, b"canary", "VL07", "the replica is behind (status 412)"),
        (429, b"canary", "VL07", "too many requests, or a standby node (status 429)"),
        (472, b"canary", "VL07", "status 472"),
        (473, b"canary", "VL07", "a performance standby (status 473)"),
        (500, b"canary", "VL07", "status 500"),
        (502, b"canary", "VL07", "status 502"),
        (503, b"canary", "VL07", "sealed, or in maintenance (status 503)"),
    ],
)
def test_pt_14_message_by_status(status: int, body: bytes, rule: str, part: str) -> None:
    assert part in failure(refusal(Refused(status, body), "read", "kv/app"), rule).message


def test_no_answer_keeps_its_hint() -> None:
    error = refusal(Unreachable("it is away", "go and look"), "read", "kv/app")
    assert (error.rule, error.message, error.hint) == ("VL07", "Vault gives no answer: it is away", "go and look")


def test_wrong_namespace_is_told_by_what_was_asked(server: FaultyServer) -> None:
    server.endless = DENIED
    provider = vault_at(server.url, namespace="elsewhere")
    error = failure(resolver({"a": HOST}, {"p": provider}, environ={"VAULT_TOKEN": "t"}).resolve(["a"])["a"], "VL04")
    assert "policy does not allow read on kv/app" in error.message
    assert server.asked[0].headers["x-vault-namespace"] == "elsewhere"
