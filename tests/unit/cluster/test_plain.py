"""Which kubeconfigs are read without the package, and that all others are left to it."""

from __future__ import annotations

import base64
import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from secrettool.cluster.plain import Login, PlainClient, read

PEM = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
TOKEN = "eyJhbGciOiJub25lIn0.e30."


def config(cluster: dict[str, Any] | None = None, user: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    data = {"certificate-authority-data": base64.b64encode(PEM.encode()).decode()}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "home",
        "contexts": [{"name": "home", "context": {"cluster": "c", "user": "u", "namespace": "x"}}, {"name": "lost", "context": {"cluster": "no"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://k3s:6443/", **data} if cluster is None else cluster}],
        "users": [{"name": "u", "user": {"token": TOKEN} if user is None else user}],
        **more,
    }


def login(content: Any, context: str | None = None, folder: str = "/", **environ: str) -> Login | None:
    return read(content if isinstance(content, str) else yaml.safe_dump(content), folder, context, environ)


def test_usual_kubeconfig_is_read() -> None:
    assert login(config()) == Login("https://k3s:6443", (None, PEM), TOKEN, None)
    assert login(config(), "home") == login(config())


def test_certificates_of_a_file_are_beside_the_kubeconfig(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text(PEM)
    found = login(config({"server": "https://k3s", "certificate-authority": "ca.crt", "tls-server-name": "other"}), folder=str(tmp_path))

    assert found == Login("https://k3s", (str(tmp_path / "ca.crt"), None), TOKEN, "other")
    assert login(config({"server": "https://k3s", "certificate-authority": "gone.crt"}), folder=str(tmp_path)) is None


@pytest.mark.parametrize(
    "user",
    [
        {},
        {"token": ""},
        {"token": 7},
        {"token": "two\nlines"},
        {"token": "ü"},
        {"tokenFile": "/run/token"},
        {"token": TOKEN, "exec": {"command": "login"}},
        {"token": TOKEN, "client-key-data": "eA=="},
        {"username": "u", "password": "p"},
        {"token": TOKEN, "as": "somebody"},
    ],
)
def test_other_accounts_are_for_the_package(user: dict[str, Any]) -> None:
    assert login(config(user=user)) is None


@pytest.mark.parametrize(
    "cluster",
    [
        {},
        {"server": "http://k3s"},
        {"server": "https://user:word@k3s"},
        {"server": "https://k3s", "insecure-skip-tls-verify": True},
        {"server": "https://k3s", "proxy-url": "http://proxy"},
        {"server": "https://k3s", "certificate-authority-data": "no base64"},
        {"server": "https://k3s", "certificate-authority-data": base64.b64encode(b"\xff").decode()},
    ],
)
def test_other_clusters_are_for_the_package(cluster: dict[str, Any]) -> None:
    assert login(config(cluster)) is None


def test_what_looks_wrong_is_for_the_package() -> None:
    for text in ("", "- a", "a: [", "users: 7", "current-context: home\ncontexts: {}"):
        assert login(text) is None
    assert login(config(), "lost") is None
    assert login(config(), "nothing") is None
    twice = config()
    twice["users"] += copy.deepcopy(twice["users"])
    assert login(twice) is None


@pytest.mark.parametrize("name", ["https_proxy", "HTTPS_PROXY", "ALL_PROXY"])
def test_proxies_are_for_the_package(name: str) -> None:
    assert login(config(), **{name: "http://proxy:3128"}) is None


def test_token_is_in_no_text(tmp_path: Path) -> None:
    found = login(config())
    assert found is not None
    assert TOKEN not in repr(found)

    client = PlainClient(found._replace(authorities=(None, None)))
    method, url, headers, body = client.param_serialize(
        "GET", "/api/v1/namespaces/a b", query_params=[("x", "1&2")], header_params={}, body=None, auth_settings=None, _host=None
    )
    client.close()
    assert (method, url, body) == ("GET", "https://k3s:6443/api/v1/namespaces/a%20b?x=1%262", None)
    assert headers["Authorization"] == f"Bearer {TOKEN}"
    assert TOKEN not in repr(client)
