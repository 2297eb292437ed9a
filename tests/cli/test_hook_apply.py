"""`secrettool hook apply` and `hook diff` in this process, against a server on loopback: what is said, written, and not written."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from secrettool.cli.app import run
from secrettool.errors import Outcome
from secrettool.objects import Ref
from tests.interop.gitops import KEY_FILE, sealed, values
from tests.said import Said
from tests.unit.cluster.apiserving import FolderServer, Json, serving

CANARY = "canary-28d1"


class Stage:
    """A tree of manifests and a server."""

    def __init__(self, server: FolderServer, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
        self.server = server
        self.tree = folder / "tree"
        self.tree.mkdir()
        self.kubeconfig = server.kubeconfig(folder / "kubeconfig")
        self._capfd = capfd

    def write(self, *objs: Json) -> None:
        for obj in objs:
            text = yaml.safe_dump(obj)
            name = f"{obj['kind']}-{obj['metadata']['name']}.yaml"
            (self.tree / name).write_text(sealed(text) if obj["kind"] == "Secret" else text, encoding="utf-8")

    def __call__(self, *words: object, command: str = "apply", path: object = None, namespace: str | None = "default") -> Said:
        where = ["--kubeconfig", str(self.kubeconfig), "--key-file", str(KEY_FILE), "--build", "plain", *(["-n", namespace] if namespace else [])]
        self._capfd.readouterr()
        code = run(["hook", command, str(path or self.tree), *where, *map(str, words)])
        said = Said(code, *self._capfd.readouterr())
        assert CANARY not in said.out + said.err
        return said

    def value(self, name: str = "db") -> str | None:
        live = self.server.folder.get(Ref("v1", "Secret", "default", name))
        return None if live is None else values(live)["password"].decode()


@pytest.fixture
def stage(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Iterator[Stage]:
    with serving(tmp_path / "cluster") as server:
        yield Stage(server, tmp_path, capfd)


def secret(name: str = "db", password: str = CANARY, **more: Any) -> Json:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"password": password}, **more}


def settings(colour: str = "green", name: str = "settings", **metadata: Any) -> Json:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}, "data": {"colour": colour}}


# ---- apply ---------------------------------------------------------------------------------------------------------------------------------------


def test_objects_are_created_then_left_alone_then_changed(stage: Stage) -> None:
    stage.write(secret(), settings())
    first = stage()
    assert (first.code, first.lines, first.err) == (0, ["ConfigMap/default/settings created", "Secret/default/db created"], "")
    assert stage.value() == CANARY
    written = len(stage.server.writes())
    assert stage().lines == ["ConfigMap/default/settings unchanged", "Secret/default/db unchanged"]
    assert len(stage.server.writes()) == written
    stage.write(secret(password="new"))
    assert stage().lines == ["ConfigMap/default/settings unchanged", "Secret/default/db configured"]
    assert stage.value() == "new"


@pytest.mark.parametrize("dry_run", ["server", "client"])
def test_dry_run_says_what_it_is_and_writes_nothing(stage: Stage, dry_run: str) -> None:
    stage.write(secret())
    said = stage("--dry-run", dry_run)
    assert (said.code, said.lines) == (0, [f"Secret/default/db created ({dry_run} dry run)"])
    assert (stage.value(), stage.server.writes()) == (None, [])
    assert ("PATCH" in {asked.method for asked in stage.server.asked}) == (dry_run == "server")


def test_json_has_a_row_for_each_object_and_counts(stage: Stage) -> None:
    stage.write(secret(), settings())
    document = stage("--output", "json").json
    assert (document["dryRun"], document["counts"]) == (None, {"created": 2})
    row = {"apiVersion": "v1", "kind": "Secret", "namespace": "default", "name": "db", "action": "created"}
    assert row in document["objects"]


def test_a_conflict_is_told_and_holds_the_rest(stage: Stage) -> None:
    stage.server.folder.apply(settings("red", namespace="default"), manager="helm")
    stage.write(secret(), settings())
    said = stage()
    assert said.code == Outcome.CLUSTER
    assert "ConfigMap/default/settings conflict: helm owns .data.colour" in said.lines
    assert "1 of 2 objects failed, 1 held because of that" in said.err
    assert "--force-conflicts" in said.err
    assert stage.value() is None
    rows = {row["name"]: row for row in stage("--output", "json").json["objects"]}
    assert rows["settings"]["conflicts"] == [{"manager": "helm", "field": ".data.colour"}]
    assert rows["db"]["action"] == "held"
    assert stage("--force-conflicts").code == 0
    assert stage.value() == CANARY


def test_a_refusal_is_told_without_the_servers_text(stage: Stage) -> None:
    stage.write(secret())
    stage.server.refuse = lambda asked: 403 if asked.method == "PATCH" else None
    said = stage()
    assert (said.code, said.lines) == (Outcome.CLUSTER, ["Secret/default/db failed: 403 Forbidden"])
    assert "refused" not in said.err
    (row,) = stage("--output", "json").json["objects"]
    assert (row["action"], row["error"], row["status"]) == ("failed", "403 Forbidden", 403)


def test_what_flux_skips_is_skipped_and_says_why(stage: Stage) -> None:
    stage.write(settings(annotations={"kustomize.toolkit.fluxcd.io/reconcile": "disabled"}))
    said = stage()
    assert said.code == 0
    assert said.lines[0].startswith("ConfigMap/default/settings skipped: ")
    assert stage.server.writes() == []
    (row,) = stage("--output", "json").json["objects"]
    assert row["reason"]


def test_an_object_without_a_namespace_is_refused_before_anything_is_written(stage: Stage) -> None:
    stage.write(secret(), settings(namespace="default"))
    said = stage(namespace=None)
    assert said.code == Outcome.CONFIGURATION
    assert "it names no namespace" in said.err
    assert stage.server.writes() == []


@pytest.mark.parametrize(
    ("obj", "code"),
    [(settings("REPLACE_ME"), Outcome.REFUSED), (settings("ENC[AES256_GCM,data:AAAA,iv:AAAA,tag:AAAA,type:str]"), Outcome.REFUSED)],
    ids=["placeholder", "ciphertext"],
)
def test_what_must_not_reach_a_cluster_is_refused_before_it_is_asked(stage: Stage, obj: Json, code: Outcome) -> None:
    stage.write(secret(), obj)
    assert stage().code == code
    assert stage.server.asked == []


def test_a_secret_that_does_not_open_is_told_before_the_cluster_is_asked(stage: Stage) -> None:
    stage.write(secret())
    file = stage.tree / "Secret-db.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("GCM,data:", "GCM,data:AA", 1), encoding="utf-8")
    said = stage()
    assert (said.code, said.out, stage.server.asked) == (Outcome.DECRYPTION, "", [])


def test_markers_are_never_applied(stage: Stage) -> None:
    stage.write(secret())
    said = stage("--no-keys")
    assert said.code == Outcome.CONFIGURATION
    assert "must not reach a cluster" in said.err


@pytest.mark.parametrize(("name", "place"), [("gone", "no such file"), ("broken", "not a kubeconfig"), ("empty", "it has no current context")])
def test_a_kubeconfig_that_cannot_be_used_is_told(stage: Stage, name: str, place: str) -> None:
    stage.write(secret())
    stage.kubeconfig = stage.kubeconfig.with_name(name)
    if name == "broken":
        stage.kubeconfig.write_text(f"a: [{CANARY}\n", encoding="utf-8")
    elif name == "empty":
        stage.kubeconfig.write_text("apiVersion: v1\nkind: Config\nclusters: []\nusers: []\ncontexts: []\n", encoding="utf-8")
    said = stage()
    assert said.code == Outcome.CONFIGURATION
    assert place in said.err


def test_context_and_server_may_be_named(stage: Stage) -> None:
    stage.write(secret())
    assert "it has no context 'other'" in stage("--context", "other").err
    content = yaml.safe_load(stage.kubeconfig.read_text(encoding="utf-8"))
    content["clusters"][0]["cluster"]["server"] = "http://127.0.0.1:1"
    stage.kubeconfig.write_text(yaml.safe_dump(content), encoding="utf-8")
    assert stage("--context", "x", "--server", f"{stage.server.url}/").code == 0
    assert stage.value() == CANARY
    said = stage("--server", "127.0.0.1:1")
    assert (said.code, "must begin with https://" in said.err) == (Outcome.CONFIGURATION, True)


def test_no_cluster_at_all_is_told(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.write(secret())
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    words = ["hook", "apply", str(stage.tree), "--key-file", str(KEY_FILE), "--build", "plain"]
    assert run(words) == Outcome.CONFIGURATION
    monkeypatch.setenv("KUBECONFIG", "/nowhere/config")
    assert run(words) == Outcome.CONFIGURATION
    monkeypatch.setenv("KUBECONFIG", str(stage.kubeconfig))
    assert run([*words, "-n", "default"]) == Outcome.DONE
    assert stage.value() == CANARY


# ---- from stdin ----------------------------------------------------------------------------------------------------------------------------------


def give(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_manifests_on_stdin_are_applied_as_they_are(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch, json.dumps({"apiVersion": "v1", "kind": "List", "items": [secret(), settings()]}).encode())
    assert stage(path="-").lines == ["ConfigMap/default/settings created", "Secret/default/db created"]
    assert stage.value() == CANARY


def test_encrypted_manifests_on_stdin_are_refused(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch, sealed(yaml.safe_dump(secret())).encode())
    assert stage(path="-").code == Outcome.REFUSED
    assert stage.server.asked == []


def test_stdin_that_is_not_text_is_told(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch, b"a: \xff\n")
    said = stage(path="-")
    assert (said.code, "stdin: not UTF-8 text" in said.err) == (Outcome.CONFIGURATION, True)


# ---- diff ----------------------------------------------------------------------------------------------------------------------------------------


def test_differences_are_shown_without_values_and_nothing_is_written(stage: Stage) -> None:
    stage.write(secret(), settings())
    stage()
    written = len(stage.server.writes())
    same = stage("--exit-code", command="diff")
    assert (same.code, same.out) == (0, "")
    stage.write(secret(password=f"other-{CANARY}"), settings("red"))
    said = stage("--exit-code", command="diff")
    assert said.code == Outcome.CHANGES
    for text in ("-  colour: green", "+  colour: red", "(before)", "(after)"):
        assert text in said.out
    assert stage(command="diff").code == 0
    assert len(stage.server.writes()) == written


def test_differences_as_json(stage: Stage) -> None:
    stage.write(secret(), settings())
    stage()
    stage.write(settings("red"))
    rows = {row["name"]: row for row in stage("--output", "json", command="diff").json["objects"]}
    assert (rows["settings"]["action"], rows["db"]["action"]) == ("configured", "unchanged")


def test_a_conflict_is_a_warning_of_a_diff(stage: Stage) -> None:
    stage.server.folder.apply(settings("red", namespace="default"), manager="helm")
    stage.write(settings())
    said = stage(command="diff")
    assert "an apply needs --force-conflicts" in said.err
    assert "+  colour: green" in said.out


def test_what_cannot_be_compared_is_told(stage: Stage) -> None:
    stage.write(secret(), settings())
    stage.server.refuse = lambda asked: 403 if "secrets/db" in asked.path else None
    said = stage(command="diff")
    assert said.code == Outcome.CLUSTER
    assert "403 Forbidden" in said.err
    assert stage(command="diff", namespace=None).code == Outcome.CONFIGURATION


@pytest.mark.parametrize(("words", "path"), [(("--against", "main"), "-"), (("--no-keys",), None)])
def test_a_diff_of_what_cannot_be_compared_is_refused(stage: Stage, words: tuple[str, ...], path: str | None) -> None:
    assert stage(*words, command="diff", path=path).code == Outcome.CONFIGURATION
    assert stage.server.asked == []
