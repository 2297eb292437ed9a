"""`secrettool hook diff` against a real API server and against Git."""

from __future__ import annotations

import base64
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cluster.conftest import Secrettool
from tests.cluster.test_hook_apply import CANARY, SECRET, SETTINGS, Applying, manifest, writes
from tests.interop.gitops import KEY_FILE, RECIPIENT, command, sealed, write_tree
from tests.interop.peers import missing
from tests.interop.peers.apiserver import ApiServer, Rule
from tests.interop.peers.flux import OWN_PREFIX
from tests.said import Said

SECOND = "other-canary-21"


@pytest.fixture
def applying(secrettool: Secrettool, api_server: ApiServer, tmp_path: Path, namespace: str) -> Applying:
    return Applying(secrettool, api_server, tmp_path, namespace)


def diff(applying: Applying, *words: object) -> Said:
    own = ("--kubeconfig", applying.kubeconfig, "--namespace", applying.namespace, "--key-file", KEY_FILE)
    told = applying.secrettool("hook", "diff", applying.tree, *own, *words)
    check_leaks(told)
    return told


def check_leaks(told: Said) -> None:
    for text in (CANARY, SECOND):
        assert text not in told.out + told.err
        assert base64.b64encode(text.encode()).decode()[:-4] not in told.out + told.err


@pytest.mark.real
def test_what_is_not_there_is_shown_whole_and_masked(applying: Applying) -> None:
    applying.write(db=sealed(SECRET))
    assert diff(applying).done().out == (
        f"""\
--- /dev/null
+++ b/Secret/{applying.namespace}/db
@@ -0,0 +1,9 @@
+apiVersion: v1
+kind: Secret
+metadata:
+  name: db
+  namespace: {applying.namespace}
+data:
+  password: '***'
+  user: '***'
+type: Opaque
"""
    )


@pytest.mark.real
def test_changed_values_are_masked_as_flux_masks_them(applying: Applying) -> None:
    applying.write(db=sealed(SECRET), settings=SETTINGS)
    applying().done()
    changed = manifest("Secret", "db", annotations={"example.org/x": "v"}, stringData={"password": SECOND, "user": "shop", "new": SECOND})
    applying.write(db=sealed(changed))
    assert diff(applying).done().out == (
        f"""\
--- a/Secret/{applying.namespace}/db
+++ b/Secret/{applying.namespace}/db
@@ -1,9 +1,12 @@
 apiVersion: v1
 kind: Secret
 metadata:
+  annotations:
+    example.org/x: v
   name: db
   namespace: {applying.namespace}
 data:
-  password: '*** (before)'
+  new: '***'
+  password: '*** (after)'
   user: '***'
 type: Opaque
"""
    )


@pytest.mark.real
def test_no_difference_prints_nothing_and_stores_nothing(applying: Applying) -> None:
    account = applying.api.account(applying.namespace, [Rule(["get", "patch", "create"], ["secrets"])])
    applying.act_as(account)
    applying.write(db=sealed(SECRET))
    assert diff(applying, "--exit-code").code == 6
    assert writes(applying.api, account) == []
    applying().done()
    told = diff(applying, "--exit-code").done()
    assert told.out == ""
    assert len(writes(applying.api, account)) == 1


@pytest.mark.real
def test_copy_that_kubectl_keeps_in_an_annotation_is_masked(applying: Applying) -> None:
    applying.write(db=sealed(SECRET))
    applying().done()
    note = {"kubectl.kubernetes.io/last-applied-configuration": f'{{"stringData": {{"password": "{SECOND}"}}}}'}
    applying.api.admin.patch("Secret", "db", applying.namespace, {"metadata": {"annotations": note}})
    applying.write(db=sealed(SECRET.replace("name: db", "name: db\n  annotations: {example.org/x: v}")))
    assert " last-applied-configuration: '***'" in diff(applying).done().out.replace("kubectl.kubernetes.io/", " ")


@pytest.mark.real
def test_object_that_was_encrypted_and_is_no_secret_shows_no_value(applying: Applying) -> None:
    text = manifest("ConfigMap", "plain", data={"key": CANARY, "other": SECOND})
    write_tree(applying.tree, {".sops.yaml": f"creation_rules: [{{encrypted_regex: ^data$, age: {RECIPIENT}}}]\n", "plain.yaml": text})
    command(applying.tree, "encrypt", "-i", "plain.yaml")
    told = diff(applying).done()
    assert "+  key: '***'" in told.out


@pytest.mark.real
def test_conflict_is_told_and_the_difference_shown(applying: Applying) -> None:
    head = {"name": "db", "namespace": applying.namespace}
    applying.api.admin.create({"apiVersion": "v1", "kind": "Secret", "metadata": head, "stringData": {"password": SECOND}}, manager="helm")
    applying.write(db=sealed(SECRET))
    told = diff(applying).done()
    assert "-  password: '*** (before)'\n" in told.out
    assert f"Secret/{applying.namespace}/db: helm owns .data.password; an apply needs --force-conflicts" in told.err


@pytest.mark.real
def test_json_names_fields(applying: Applying) -> None:
    applying.write(db=sealed(SECRET), settings=SETTINGS, off=manifest("ConfigMap", "off", annotations={OWN_PREFIX + "reconcile": "disabled"}))
    applying().done()
    applying.write(db=sealed(SECRET.replace(CANARY, SECOND)), new=manifest("ConfigMap", "new", data={"a": "b"}))
    told = diff(applying, "--output", "json").done().json
    assert told["against"] == "cluster"
    assert told["counts"] == {"configured": 1, "created": 1, "skipped": 1, "unchanged": 1}
    changed = next(row for row in told["objects"] if row["action"] == "configured")
    assert changed["fields"] == [{"pointer": "/data/password", "change": "replaced"}]
    assert changed["diff"].startswith("--- a/Secret/")


@pytest.mark.real
def test_what_the_server_refuses_ends_with_8_and_the_rest_is_shown(applying: Applying) -> None:
    applying.write(bad=manifest("Secret", "bad", data={"k": f"!{CANARY}"}), settings=SETTINGS)
    told = diff(applying, "--exit-code")
    assert told.code == 8
    assert "+++ b/ConfigMap/" in told.out
    assert f"Secret/{applying.namespace}/bad: 500 InternalServerError: data is not base64" in told.err


# ---- against Git ---------------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    if shutil.which("git") is None:
        missing("git", "install it")
    for name, value in {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}.items():
        monkeypatch.setenv(name, value)
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "t")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "t@example.org")
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "-q")
    return folder


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", "-C", str(folder), *words], check=True, capture_output=True)


def commit(folder: Path, **files: str) -> None:
    write_tree(folder, {f"app/{name}.yaml": text for name, text in files.items()})
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "x", "--no-gpg-sign")


def against(secrettool: Secrettool, repository: Path, *words: object) -> Said:
    told = secrettool("hook", "diff", repository / "app", "--key-file", KEY_FILE, "--against", *words)
    check_leaks(told)
    return told


def test_against_a_revision_shows_what_came_went_and_changed(secrettool: Secrettool, repository: Path) -> None:
    commit(repository, db=sealed(SECRET), settings=SETTINGS, same=sealed(SECRET.replace("name: db", "name: same")))
    (repository / "app/settings.yaml").unlink()
    commit(repository, db=sealed(SECRET.replace(CANARY, SECOND)), new=manifest("ConfigMap", "new", data={"k": "v"}))
    told = against(secrettool, repository, "HEAD~1").done()
    assert (
        told.out
        == """\
--- /dev/null
+++ b/ConfigMap/new
@@ -0,0 +1,6 @@
+apiVersion: v1
+kind: ConfigMap
+metadata:
+  name: new
+data:
+  k: v
--- a/ConfigMap/settings
+++ /dev/null
@@ -1,6 +0,0 @@
-apiVersion: v1
-kind: ConfigMap
-metadata:
-  name: settings
-data:
-  colour: green
--- a/Secret/db
+++ b/Secret/db
@@ -3,5 +3,5 @@
 metadata:
   name: db
 data:
-  password: '*** (before)'
+  password: '*** (after)'
   user: '***'
"""
    )
    assert "diff: 1 configured, 1 created, 1 removed, 1 unchanged" in told.err


def test_encrypting_again_is_no_difference(secrettool: Secrettool, repository: Path) -> None:
    commit(repository, db=sealed(SECRET))
    commit(repository, db=sealed(SECRET))
    assert against(secrettool, repository, "HEAD~1", "--exit-code").done().out == ""


def test_work_tree_and_index_stay_as_they_are(secrettool: Secrettool, repository: Path) -> None:
    commit(repository, db=sealed(SECRET))
    (repository / "app/db.yaml").write_text(sealed(SECRET.replace(CANARY, SECOND)), encoding="utf-8")
    before = (repository / ".git/index").read_bytes()
    assert against(secrettool, repository, "HEAD", "--exit-code").code == 6
    assert (repository / ".git/index").read_bytes() == before


def test_path_that_was_not_there_is_all_new(secrettool: Secrettool, repository: Path) -> None:
    write_tree(repository, {"README": "x"})
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "-m", "x", "--no-gpg-sign")
    commit(repository, settings=SETTINGS)
    assert "--- /dev/null\n" in against(secrettool, repository, "HEAD~1").done().out


def test_without_keys_plain_fields_are_compared(secrettool: Secrettool, repository: Path) -> None:
    commit(repository, db=sealed(SECRET), settings=SETTINGS)
    commit(repository, settings=SETTINGS.replace("green", "red"))
    told = secrettool("hook", "diff", repository / "app", "--against", "HEAD~1", "--no-keys").done()
    assert "+  colour: red" in told.out


def test_unknown_revision(secrettool: Secrettool, repository: Path) -> None:
    commit(repository, settings=SETTINGS)
    told = against(secrettool, repository, "nowhere")
    assert (told.code, told.out) == (2, "")
    assert "git knows no revision 'nowhere' here" in told.err


def test_stdin_has_no_revisions(secrettool: Secrettool) -> None:
    assert secrettool("hook", "diff", "-", "--against", "HEAD").code == 2


def test_markers_are_not_compared_with_a_cluster(secrettool: Secrettool, tmp_path: Path) -> None:
    assert secrettool("hook", "diff", tmp_path, "--no-keys").code == 2
