"""The client of the API server against a real one: what it sends, what it owns, and what it says when it is refused."""

from __future__ import annotations

import base64
import importlib
import json
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from secrettool.cluster.apiserver import ApiServer
from secrettool.cluster.connection import Access, connect
from secrettool.cluster.model import ApplyConflict, UnknownKind
from secrettool.errors import ClusterError, ConfigError, Outcome
from secrettool.flux import APPLY_MANAGER
from secrettool.objects import Ref
from tests.interop.gitops import values
from tests.interop.peers import apiserver
from tests.interop.peers.apiserver import Rule

pytestmark = pytest.mark.real

CANARY = "canary-4f1d"
ODD = "two words, \U0001f600 é \x7f\x85\u2028\ufeff\ufffe\uffff \\ \" ' : # - {}"


def secret(namespace: str, name: str = "db", **values: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace}, "stringData": values}


def ref(namespace: str, name: str = "db") -> Ref:
    return Ref("v1", "Secret", namespace, name)


@pytest.fixture
def cluster(kubeconfig: Path) -> Iterator[ApiServer]:
    with connect(Access(str(kubeconfig)), {}) as server:
        yield server


@contextmanager
def connected(api_server: apiserver.ApiServer, folder: Path, token: str) -> Iterator[ApiServer]:
    with connect(Access(str(api_server.kubeconfig(folder / "other", token))), {}) as server:
        yield server


# ---- reading and applying ------------------------------------------------------------------------------------------------------------------------


def test_get_of_a_missing_object_is_none(cluster: ApiServer, namespace: str) -> None:
    assert cluster.get(ref(namespace)) is None


def test_apply_creates_and_get_reads(cluster: ApiServer, namespace: str) -> None:
    answer = cluster.apply(secret(namespace, k=ODD), manager=APPLY_MANAGER)
    found = cluster.get(ref(namespace))
    assert found == answer
    assert values(found) == {"k": ODD.encode()}


def test_apply_of_text_that_yaml_cannot_hold_as_it_is(cluster: ApiServer, namespace: str) -> None:
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "odd", "namespace": namespace}, "data": {"k": ODD}}
    assert cluster.apply(settings, manager=APPLY_MANAGER)["data"] == {"k": ODD}


def test_da_26_string_data_becomes_data_so_that_a_dropped_key_goes(cluster: ApiServer, namespace: str) -> None:
    cluster.apply(secret(namespace, a="1", b="2"), manager=APPLY_MANAGER)
    after = cluster.apply(secret(namespace, a="1"), manager=APPLY_MANAGER)
    assert values(after) == {"a": b"1"}
    assert "f:stringData" not in json.dumps(after["metadata"]["managedFields"])


def test_da_28_the_field_manager_is_secrettool_and_applies(cluster: ApiServer, namespace: str) -> None:
    entries = cluster.apply(secret(namespace, a="1"), manager=APPLY_MANAGER)["metadata"]["managedFields"]
    assert [(entry["manager"], entry["operation"]) for entry in entries] == [("secrettool", "Apply")]


def test_dry_run_answers_and_stores_nothing(cluster: ApiServer, namespace: str) -> None:
    answer = cluster.apply(secret(namespace, a="1"), manager=APPLY_MANAGER, dry_run=True)
    assert values(answer) == {"a": b"1"}
    assert cluster.get(ref(namespace)) is None


def test_conflict_names_managers_and_fields(cluster: ApiServer, api_server: apiserver.ApiServer, namespace: str) -> None:
    api_server.admin.create(secret(namespace, a=CANARY, b="2"), manager="helm")
    with pytest.raises(ApplyConflict) as raised:
        cluster.apply(secret(namespace, a="1", b="2", c="3"), manager=APPLY_MANAGER)
    assert raised.value.conflicts == (("helm", ".data.a"),)
    assert str(raised.value) == f"Secret/{namespace}/db: helm owns .data.a"
    assert CANARY not in str(raised.value)
    assert raised.value.code == Outcome.CLUSTER


def test_force_takes_fields_over(cluster: ApiServer, api_server: apiserver.ApiServer, namespace: str) -> None:
    api_server.admin.create(secret(namespace, a="1"), manager="helm")
    assert values(cluster.apply(secret(namespace, a="2"), manager=APPLY_MANAGER, force=True)) == {"a": b"2"}


def test_kinds_are_asked_for_once_for_a_version(api_server: apiserver.ApiServer, namespace: str, tmp_path: Path) -> None:
    account = api_server.account(namespace, [Rule(["get"], ["secrets", "configmaps"])])
    with connected(api_server, tmp_path, account.token) as cluster:
        for name in ("a", "b"):
            cluster.get(ref(namespace, name))
            cluster.get(Ref("v1", "ConfigMap", namespace, name))
    paths = [request.path for request in api_server.requests(account.user)]
    assert paths.count("/api/v1") == 1
    assert len(paths) == 5


def test_scope_of_kinds(cluster: ApiServer) -> None:
    assert cluster.is_namespaced("v1", "Secret")
    assert not cluster.is_namespaced("v1", "Namespace")
    assert cluster.is_namespaced("kustomize.toolkit.fluxcd.io/v1", "Kustomization")
    assert not cluster.is_namespaced("rbac.authorization.k8s.io/v1", "ClusterRole")


@pytest.mark.parametrize("version", ["v1", "example.org/v1", "apps/v9"])
def test_unknown_kind_is_named(cluster: ApiServer, version: str) -> None:
    with pytest.raises(UnknownKind, match="knows no Gadget of"):
        cluster.get(Ref(version, "Gadget", "default", "x"))


def test_requests_say_who_asks(api_server: apiserver.ApiServer, namespace: str, tmp_path: Path) -> None:
    account = api_server.account(namespace, [Rule(["get"], ["secrets"])])
    with connected(api_server, tmp_path, account.token) as cluster:
        cluster.get(ref(namespace))
    assert all(request.agent.startswith("secrettool/") for request in api_server.requests(account.user))


# ---- refusals ------------------------------------------------------------------------------------------------------------------------------------


def test_forbidden_names_account_verb_and_namespace(api_server: apiserver.ApiServer, namespace: str, tmp_path: Path) -> None:
    account = api_server.account(namespace, [Rule(["get"], ["secrets"])])
    with connected(api_server, tmp_path, account.token) as cluster, pytest.raises(ClusterError) as raised:
        cluster.apply(secret(namespace, a=CANARY), manager=APPLY_MANAGER)
    assert raised.value.status == 403
    assert f"403 Forbidden: {account.user} may not patch secrets in namespace {namespace}" in str(raised.value)


def test_wrong_token_is_unauthorized(api_server: apiserver.ApiServer, namespace: str, tmp_path: Path) -> None:
    with connected(api_server, tmp_path, CANARY) as cluster, pytest.raises(ClusterError) as raised:
        cluster.get(ref(namespace))
    assert (raised.value.status, raised.value.reason) == (401, "Unauthorized")
    assert CANARY not in str(raised.value)


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "not base64": ({"data": {"k": f"{CANARY}!"}}, "data is not base64"),
    "number": ({"data": {"k": 12345678}, "immutable": False}, ".data.k: a field has the wrong type"),
    "unknown field": ({"sops": {"mac": CANARY}}, ".sops: the kind has no such field"),
    "key name": ({"data": {"bad key": base64.b64encode(CANARY.encode()).decode()}}, "data[bad key] is invalid"),
    "too large": ({"data": {"k": base64.b64encode(CANARY.encode() * 100_000).decode()}}, "larger than 1048576"),
    "type": ({"type": CANARY}, "type: the field cannot be changed"),
    "label": ({"metadata": {"name": "db", "labels": {"x": f"{CANARY} !"}}}, "metadata.labels is invalid"),
}


@pytest.mark.parametrize("what", BAD)
def test_refusal_names_the_field_and_never_quotes_the_object(cluster: ApiServer, namespace: str, what: str) -> None:
    cluster.apply(secret(namespace, stored=CANARY), manager=APPLY_MANAGER)
    wrong, told = BAD[what]
    obj = {**secret(namespace), "stringData": {}, **wrong}
    obj["metadata"] = {**obj["metadata"], "namespace": namespace}
    with pytest.raises(ClusterError) as raised:
        cluster.apply(obj, manager=APPLY_MANAGER)
    error = raised.value
    assert told in str(error)
    for text in (str(error), repr(error), repr(error.args), repr(error.__cause__), repr(vars(error))):
        assert CANARY not in text
        assert base64.b64encode(CANARY.encode()).decode()[:12] not in text


def test_change_of_an_immutable_secret_is_named(cluster: ApiServer, namespace: str) -> None:
    cluster.apply({**secret(namespace, a="1"), "immutable": True}, manager=APPLY_MANAGER)
    with pytest.raises(ClusterError, match="422 Invalid: data: the object is immutable"):
        cluster.apply({**secret(namespace, a="2"), "immutable": True}, manager=APPLY_MANAGER)


def test_missing_namespace_is_named(cluster: ApiServer) -> None:
    with pytest.raises(ClusterError, match="404 NotFound: namespace nowhere does not exist"):
        cluster.apply(secret("nowhere", a="1"), manager=APPLY_MANAGER)


# ---- connections ---------------------------------------------------------------------------------------------------------------------------------


class Answers(BaseHTTPRequestHandler):
    """Plays a server: gives the statuses of its list one after the other, then an empty list of kinds."""

    def do_GET(self) -> None:
        told: list[tuple[int, dict[str, str]]] = self.server.answers  # type: ignore[attr-defined]
        self.server.seen.append(self.headers.get("Authorization", ""))  # type: ignore[attr-defined]
        status, headers = told.pop(0) if told else (200, {})
        body = b'{"kind": "APIResourceList", "resources": []}' if status == 200 else CANARY.encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def answering(*answers: tuple[int, dict[str, str]]) -> Iterator[Any]:
    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        server.answers, server.seen = list(answers), []  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def url(server: HTTPServer) -> str:
    return f"http://127.0.0.1:{server.server_port}"


def test_a_redirect_is_not_followed(kubeconfig: Path) -> None:
    with (
        answering() as elsewhere,
        answering((307, {"Location": f"{url(elsewhere)}/api/v1"})) as server,
        connect(Access(str(kubeconfig), server=url(server)), {}) as cluster,
        pytest.raises(ClusterError, match="307"),
    ):
        cluster.is_namespaced("v1", "Secret")
    assert elsewhere.seen == []
    assert len(server.seen) == 1


def test_a_busy_server_is_asked_again_when_it_says(kubeconfig: Path) -> None:
    with (
        answering((429, {"Retry-After": "0"}), (429, {"Retry-After": "0"})) as server,
        connect(Access(str(kubeconfig), server=url(server)), {}) as cluster,
        pytest.raises(UnknownKind),
    ):
        cluster.is_namespaced("v1", "Secret")
    assert len(server.seen) == 3


def test_an_answer_that_is_no_object_is_not_quoted(kubeconfig: Path) -> None:
    with (
        answering(*[(500, {"Retry-After": "0"})] * 5) as server,
        connect(Access(str(kubeconfig), server=url(server)), {}) as cluster,
        pytest.raises(ClusterError) as raised,
    ):
        cluster.is_namespaced("v1", "Secret")
    assert str(raised.value) == "500 InternalServerError"
    assert len(server.seen) == 5


def test_nobody_there(kubeconfig: Path) -> None:
    with answering() as server:
        place = url(server)
    with connect(Access(str(kubeconfig), server=place), {}) as cluster, pytest.raises(ClusterError) as raised:
        cluster.get(ref("default"))
    assert str(raised.value) == "the API server cannot be reached: the connection is refused"
    assert raised.value.code == Outcome.CLUSTER


def test_certificate_of_somebody_else(api_server: apiserver.ApiServer, kubeconfig: Path) -> None:
    config = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
    del config["clusters"][0]["cluster"]["certificate-authority"]
    kubeconfig.write_text(yaml.safe_dump(config), encoding="utf-8")
    with connect(Access(str(kubeconfig)), {}) as cluster, pytest.raises(ClusterError, match="certificate is not trusted"):
        cluster.get(ref("default"))


def edited(kubeconfig: Path, **user: Any) -> Path:
    """The kubeconfig with another account."""
    config = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
    config["users"][0]["user"] = user
    kubeconfig.write_text(yaml.safe_dump(config), encoding="utf-8")
    return kubeconfig


def test_da_46_keys_of_the_kubeconfig_lie_in_memory_and_go(
    api_server: apiserver.ApiServer, kubeconfig: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    for name in ("TMPDIR", "TMP", "TEMP"):
        monkeypatch.setenv(name, str(scratch))
    monkeypatch.setattr("tempfile.tempdir", None)
    key = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    data = {"client-certificate-data": base64.b64encode(b"x").decode(), "client-key-data": base64.b64encode(key).decode()}
    with connect(Access(str(edited(kubeconfig, token=api_server.admin_token, **data))), {}) as cluster:
        client: Any = cluster._client
        place = client.configuration.key_file
        assert place.startswith("/dev/shm/secrettool-")
        assert Path(place).read_bytes() == key
        assert os.stat(place).st_mode & 0o777 == 0o600
    assert not os.path.lexists(os.path.dirname(place))
    assert list(scratch.iterdir()) == []


def test_login_by_a_program(api_server: apiserver.ApiServer, kubeconfig: Path, tmp_path: Path) -> None:
    answer = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": api_server.admin_token}}
    (tmp_path / "answer").write_text(json.dumps(answer), encoding="utf-8")
    program = {"apiVersion": "client.authentication.k8s.io/v1", "command": "cat", "args": [str(tmp_path / "answer")], "interactiveMode": "Never"}
    with connect(Access(str(edited(kubeconfig, exec=program))), {}) as cluster:
        assert cluster.get(Ref("v1", "Namespace", "", "default"))


@pytest.mark.parametrize("script", [f"echo {CANARY}; echo {CANARY} >&2; exit 1", f"echo {CANARY}", "true"])
def test_da_47_a_login_that_fails_is_not_quoted(
    kubeconfig: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, script: str
) -> None:
    caplog.set_level(logging.DEBUG)
    program = {"apiVersion": "client.authentication.k8s.io/v1", "command": "sh", "args": ["-c", script], "interactiveMode": "Never"}
    with (
        pytest.raises(ConfigError, match="gave neither a token nor a certificate") as raised,
        connect(Access(str(edited(kubeconfig, exec=program))), {}),
    ):
        pass
    said = capfd.readouterr()
    for text in (said.out, said.err, caplog.text, str(raised.value), repr(raised.value.__cause__)):
        assert CANARY not in text
    assert raised.value.code == Outcome.CONFIGURATION


def test_da_47_a_login_that_fails_when_its_token_expires_is_not_quoted(
    api_server: apiserver.ApiServer, kubeconfig: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    status = {"token": api_server.admin_token, "expirationTimestamp": "2020-01-01T00:00:00Z"}
    answer = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}
    runs = tmp_path / "runs"
    script = f"echo >> {runs}; test $(wc -l < {runs}) -lt 3 || {{ echo {CANARY}; echo {CANARY} >&2; exit 1; }}; echo '{json.dumps(answer)}'"
    program = {"apiVersion": "client.authentication.k8s.io/v1", "command": "sh", "args": ["-c", script], "interactiveMode": "Never"}
    with connect(Access(str(edited(kubeconfig, exec=program))), {}) as cluster:
        for _ in range(4):
            assert cluster.namespace_exists("default")
    assert len(runs.read_text(encoding="utf-8").splitlines()) == 5
    said = capfd.readouterr()
    for text in (CANARY, api_server.admin_token):
        assert text not in said.out + said.err + caplog.text
    assert logging.root.manager.disable == logging.NOTSET


def test_pt_21_loggers_of_libraries_stay_quiet_whatever_the_root_says(kubeconfig: Path, caplog: pytest.LogCaptureFixture) -> None:
    importlib.import_module("secrettool.sources.session")
    caplog.set_level(logging.DEBUG)
    with connect(Access(str(kubeconfig)), {}) as cluster:
        cluster.get(ref("default"))
    names = ("kubernetes", "kubernetes.client.rest", "client", "urllib3", "urllib3.connectionpool", "urllib3.util.retry", "hvac", "requests")
    assert {name for name in names if logging.getLogger(name).getEffectiveLevel() < logging.WARNING} == set()
    assert [record.name for record in caplog.records if record.name.split(".")[0] in names] == []


def test_da_47_nothing_is_logged(api_server: apiserver.ApiServer, cluster: ApiServer, namespace: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    cluster.apply(secret(namespace, a=CANARY), manager=APPLY_MANAGER)
    with pytest.raises(ClusterError):
        cluster.apply({**secret(namespace), "type": CANARY}, manager=APPLY_MANAGER)
    for text in (CANARY, base64.b64encode(CANARY.encode()).decode(), api_server.admin_token):
        assert text not in caplog.text


BROKEN = {
    "no YAML": f"users: [{CANARY}: {{",
    "a list": f"[{CANARY}]",
    "empty": "",
    "entries without names": f"contexts: [{{context: {CANARY}}}]\nusers: [{{user: {{token: {CANARY}}}}}]\n",
    "cluster missing": "current-context: a\ncontexts: [{name: a, context: {cluster: b, user: c}}]\n"
    f"users: [{{name: c, user: {{token: {CANARY}}}}}]\n",
    "file missing": "current-context: a\ncontexts: [{name: a, context: {cluster: b}}]\n"
    "clusters: [{name: b, cluster: {server: 'https://x', certificate-authority: /nowhere}}]\n",
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_kubeconfig_is_named_and_not_quoted(tmp_path: Path, what: str) -> None:
    file = tmp_path / "config"
    file.write_text(BROKEN[what], encoding="utf-8")
    with pytest.raises(ConfigError) as raised, connect(Access(str(file)), {}):
        pass
    assert str(raised.value).startswith(f"{file}: ")
    assert CANARY not in str(raised.value) + repr(raised.value.__cause__) + str(raised.value.hint)
    assert raised.value.code == Outcome.CONFIGURATION


def test_missing_context_names_those_there_are(kubeconfig: Path) -> None:
    with pytest.raises(ConfigError, match="it has no context 'other'") as raised, connect(Access(str(kubeconfig), "other"), {}):
        pass
    assert raised.value.hint == "it has test"


def test_kubeconfig_of_the_environment(kubeconfig: Path) -> None:
    with connect(Access(), {"KUBECONFIG": f"/nowhere:{kubeconfig}"}) as cluster:
        assert cluster.is_namespaced("v1", "Secret")


def test_account_of_a_pod(api_server: apiserver.ApiServer, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    account = api_server.account(namespace, [Rule(["get"], ["secrets"])])
    (tmp_path / "token").write_text(account.token, encoding="utf-8")
    host, port = api_server.url.removeprefix("https://").split(":")
    for name, value in (("HOST", host), ("PORT", port)):
        monkeypatch.setenv(f"KUBERNETES_SERVICE_{name}", value)
    monkeypatch.setattr("kubernetes.config.incluster_config.SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr("kubernetes.config.incluster_config.SERVICE_CERT_FILENAME", str(api_server.ca))
    with connect(Access(), os.environ) as cluster:
        assert cluster.get(ref(namespace)) is None
    assert len(api_server.requests(account.user)) == 2


def test_account_of_a_pod_without_its_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    with pytest.raises(ConfigError, match="the account of the pod cannot be used"), connect(Access(), os.environ):
        pass


def test_no_cluster_at_all() -> None:
    with pytest.raises(ConfigError, match="no cluster is configured"), connect(Access(), {}):
        pass


def test_old_login_is_refused(kubeconfig: Path) -> None:
    account = {"auth-provider": {"name": "oidc", "config": {"id-token": CANARY}}}
    with pytest.raises(ConfigError, match="auth-provider, which is not supported"), connect(Access(str(edited(kubeconfig, **account))), {}):
        pass
