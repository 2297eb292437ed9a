"""A Secret that secrettool decrypted and a test applied is the one that the real Flux makes of the same file; and what the API server is for."""

from __future__ import annotations

import base64
import json
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from tests.interop.gitops import give_key, opened, payload, sealed, values, write_tree
from tests.interop.peers.apiclient import ApiError
from tests.interop.peers.apiserver import ApiServer, Rule
from tests.interop.peers.flux import Flux

pytestmark = pytest.mark.real

RANDOM = bytes(range(256))


class Case(NamedTuple):
    """A manifest with one or more Secrets, and the values in them."""

    manifest: str
    values: dict[str, dict[str, bytes]]


CASES = {
    "data": Case(
        """\
apiVersion: v1
kind: Secret
metadata:
  name: database
  labels: {app: shop, tier: "1"}
  annotations:
    example.org/owner: team a  # kept
type: Opaque
data:
  # "s3cret" and "shop"
  password: czNjcmV0
  user: "c2hvcA=="
""",
        {"database": {"password": b"s3cret", "user": b"shop"}},
    ),
    "string-data": Case(
        """\
apiVersion: v1
kind: Secret
metadata: {name: database}
stringData:
    password: "two words: 'one', \\u00e9\\U0001F600"  # rotated
    number: "0123"
    boolean: 'yes'
    nothing: ""
    banner: |
        first

        second
    folded: >-
        one line
        after another
    config.yaml: "a: [1, 2]\\n"
""",
        {
            "database": {
                "password": "two words: 'one', é😀".encode(),
                "number": b"0123",
                "boolean": b"yes",
                "nothing": b"",
                "banner": b"first\n\nsecond\n",
                "folded": b"one line after another",
                "config.yaml": b"a: [1, 2]\n",
            }
        },
    ),
    "both": Case(
        """\
apiVersion: v1
kind: Secret
metadata: {name: database}
data: {old: b2xk, both: b2xk}
stringData: {new: new, both: new}
""",
        {"database": {"old": b"old", "new": b"new", "both": b"new"}},
    ),
    "binary": Case(
        f"""\
apiVersion: v1
kind: Secret
metadata: {{name: keystore}}
immutable: true
data:
  store.p12: {base64.b64encode(RANDOM * 40).decode()}
  empty: ""
""",
        {"keystore": {"store.p12": RANDOM * 40, "empty": b""}},
    ),
    "registry": Case(
        """\
apiVersion: v1
kind: Secret
metadata: {name: registry}
type: kubernetes.io/dockerconfigjson
stringData:
  .dockerconfigjson: '{"auths": {"registry.example": {"auth": "dTpw"}}}'
""",
        {"registry": {".dockerconfigjson": b'{"auths": {"registry.example": {"auth": "dTpw"}}}'}},
    ),
    "basic-auth": Case(
        """\
apiVersion: v1
kind: Secret
metadata: {name: login}
type: kubernetes.io/basic-auth
stringData: {username: admin, password: p}
""",
        {"login": {"username": b"admin", "password": b"p"}},
    ),
    "documents": Case(
        """\
# the first
apiVersion: v1
kind: Secret
metadata: {name: first}
stringData: {k: one}
---
apiVersion: v1
kind: Secret
metadata: {name: second}
data: {k: dHdv}
---
apiVersion: v1
kind: Secret
metadata: {name: third}
stringData: &shared
  k: three
  l: four
""",
        {"first": {"k": b"one"}, "second": {"k": b"two"}, "third": {"k": b"three", "l": b"four"}},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_decrypted_and_applied_secret_equals_what_flux_applied(name: str, flux: Flux, namespace: str, tmp_path: Path) -> None:
    case, api = CASES[name], flux.api
    text = sealed(case.manifest)
    key = give_key(api, namespace)
    result = flux.reconcile(write_tree(tmp_path, {"secrets.yaml": text}), namespace, decryption=key)
    assert result.ready, result.message

    ours = api.namespace()
    for manifest in yaml.safe_load_all(opened(text)):
        manifest["metadata"]["namespace"] = ours
        api.admin.apply(manifest, manager="secrettool")

    for secret, wanted in case.values.items():
        by_flux, by_us = (api.admin.get("Secret", secret, place) for place in (namespace, ours))
        assert payload(by_us) == payload(by_flux)
        assert values(by_us) == wanted
    assert result.inventory == {f"Secret/{namespace}/{secret}" for secret in case.values}


# --- what later tests stand on ---


def test_account_may_do_what_its_rules_say_and_nothing_else(api_server: ApiServer, namespace: str) -> None:
    head = {"name": "mine", "namespace": namespace}
    api_server.admin.create({"apiVersion": "v1", "kind": "Secret", "metadata": head, "stringData": {"k": "old"}})
    account = api_server.account(namespace, [Rule(["get", "patch"], ["secrets"], names=["mine"])])
    client = api_server.client(account.token)

    changed = client.patch("Secret", "mine", namespace, {"data": {"k": base64.b64encode(b"new").decode()}})
    assert values(changed) == {"k": b"new"}
    for refused in (
        lambda: client.get("Secret", "other", namespace),
        lambda: client.items("Secret", namespace),
        lambda: client.get("Secret", "mine", api_server.namespace()),
        lambda: client.delete("Secret", "mine", namespace),
    ):
        with pytest.raises(ApiError) as caught:
            refused()
        assert caught.value.status == HTTPStatus.FORBIDDEN


def test_account_with_cluster_rules_reaches_kinds_without_namespace(api_server: ApiServer, namespace: str) -> None:
    version = "cert-manager.io/v1"
    name = namespace  # as new as the namespace
    spec = {"acme": {"email": "REPLACE_ME", "server": "https://acme.example/directory", "privateKeySecretRef": {"name": "account"}}}
    api_server.admin.apply({"apiVersion": version, "kind": "ClusterIssuer", "metadata": {"name": name}, "spec": spec})
    account = api_server.account(namespace, cluster_rules=[Rule(["patch"], ["clusterissuers"], ["cert-manager.io"], [name])])

    changed = api_server.client(account.token).patch("ClusterIssuer", name, None, {"spec": {"acme": {"email": "a@b.example"}}}, version=version)

    assert changed["spec"]["acme"] == spec["acme"] | {"email": "a@b.example"}


def test_requests_of_an_account_are_recorded_one_by_one(api_server: ApiServer, namespace: str) -> None:
    account = api_server.account(namespace, [Rule(["list"], ["secrets"])])
    client = api_server.client(account.token)
    assert api_server.requests(account.user) == []

    client.items("Secret", namespace)
    client.items("Secret", namespace)

    asked = [(request.verb, request.path) for request in api_server.requests(account.user)]
    assert asked == [("get", "/api/v1"), *[("list", f"/api/v1/namespaces/{namespace}/secrets")] * 2]


def test_account_tokens_open_with_the_published_key(api_server: ApiServer, namespace: str) -> None:
    account = api_server.account(namespace)
    token = api_server.token(namespace, account.name, audience="https://vault.example")
    head, claims, signature = (base64.urlsafe_b64decode(part + "==") for part in token.split("."))
    anyone = api_server.client(None)
    discovery = anyone.ask("GET", "/.well-known/openid-configuration")
    assert discovery["jwks_uri"] == f"{api_server.url}/openid/v1/jwks"
    published = {key["kid"]: key for key in anyone.ask("GET", "/openid/v1/jwks")["keys"]}[json.loads(head)["kid"]]
    key = load_pem_public_key(api_server.issuer_key.encode())

    assert isinstance(key, rsa.RSAPublicKey)
    key.verify(signature, token.rpartition(".")[0].encode(), padding.PKCS1v15(), SHA256())
    assert int.from_bytes(base64.urlsafe_b64decode(published["n"] + "==")) == key.public_numbers().n
    told = json.loads(claims)
    assert (told["iss"], told["aud"], told["sub"]) == (api_server.url, ["https://vault.example"], account.user)
