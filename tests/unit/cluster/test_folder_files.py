"""The files of a folder that stands for a cluster: what is looked at, what stays byte for byte, and what is refused."""

from __future__ import annotations

import json
import os
import stat
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from secrettool import fs
from secrettool.cluster.folder import FolderCluster
from secrettool.cluster.folder.files import Files
from secrettool.errors import ClusterError, ConfigError, Outcome, OutputError
from secrettool.objects import Ref

REF = Ref("v1", "Secret", "ns", "s")
CANARY = "canary-51c0"

SECRET = """\
apiVersion: v1
kind: Secret
metadata: {name: s, namespace: ns}
stringData:
  a: "old"   # rotated by hand
  b: 'kept'
"""
OTHER = """\
# all settings
apiVersion: v1
kind: ConfigMap
metadata:
    name:   settings   # odd, and kept
    namespace: ns
data:
    k: |-
       text
"""


def b64(text: str) -> str:
    return b64encode(text.encode()).decode()


def folder_with(tmp_path: Path, **files: str) -> FolderCluster:
    for name, text in files.items():
        path = tmp_path / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    return FolderCluster(str(tmp_path))


def change(cluster: FolderCluster, key: str = "a", value: str | None = "new", ref: Ref = REF) -> None:
    body = {"data": {key: None if value is None else b64(value)}}
    cluster.patch(ref, body, kind="merge", manager="test")


def refusal(cluster: FolderCluster, ref: Ref = REF) -> ClusterError:
    with pytest.raises(ClusterError) as raised:
        cluster.get(ref)
    assert CANARY not in f"{raised.value}{raised.value!r}{raised.value.__cause__}"
    return raised.value


# ---- bytes ---------------------------------------------------------------------------------------------------------------------------------------


def test_only_the_changed_value_is_another_one(tmp_path: Path) -> None:
    cluster = folder_with(tmp_path, all_yaml=OTHER + "---\n" + SECRET + "--- # the end\n" + OTHER.replace("settings", "more"))
    before = (tmp_path / "all.yaml").read_text(encoding="utf-8")
    change(cluster)
    assert (tmp_path / "all.yaml").read_text(encoding="utf-8") == before.replace('"old"', '"new"')


def test_line_ends_of_windows_stay(tmp_path: Path) -> None:
    cluster = folder_with(tmp_path, all_yaml=(OTHER + "---\n" + SECRET).replace("\n", "\r\n"))
    before = (tmp_path / "all.yaml").read_bytes()
    change(cluster)
    assert (tmp_path / "all.yaml").read_bytes() == before.replace(b'"old"', b'"new"')


def test_key_is_taken_away_and_nothing_else_not_even_its_comment(tmp_path: Path) -> None:
    cluster = folder_with(tmp_path, s_yaml=SECRET)
    change(cluster, "a", None)
    assert (tmp_path / "s.yaml").read_text(encoding="utf-8") == SECRET.replace('  a: "old"   # rotated', "  # rotated")


def test_new_key_stands_under_data(tmp_path: Path) -> None:
    cluster = folder_with(tmp_path, s_yaml=SECRET)
    change(cluster, "c")
    text = (tmp_path / "s.yaml").read_text(encoding="utf-8")
    assert text.startswith(SECRET)
    assert text[len(SECRET) :].split() == ["data:", "c:", b64("new")]


def test_bytes_that_are_no_text_move_to_data(tmp_path: Path) -> None:
    cluster = folder_with(tmp_path, s_yaml=SECRET)
    cluster.patch(REF, {"data": {"a": "/w==", "b": b64("\x00")}}, kind="merge", manager="test")
    text = (tmp_path / "s.yaml").read_text(encoding="utf-8")
    assert "stringData" not in text
    assert (cluster.get(REF) or {})["data"] == {"a": "/w==", "b": b64("\x00")}


def test_text_on_several_lines_is_read_back(tmp_path: Path) -> None:
    cluster = folder_with(tmp_path, s_yaml=SECRET)
    for text in ("one\ntwo\n", "\ttab", " blanks ", "yes", "012", "", "é\U0001f600", "---", "# no comment", "a: b"):
        change(cluster, "a", text)
        assert (cluster.get(REF) or {})["data"]["a"] == b64(text)
        assert "'kept'" in (tmp_path / "s.yaml").read_text(encoding="utf-8")


def test_json_keeps_its_layout(tmp_path: Path) -> None:
    obj = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "ns"}, "data": {"a": b64("old"), "b": b64("kept")}}
    cluster = folder_with(tmp_path, s_json=json.dumps(obj, indent=3) + "\n")
    before = (tmp_path / "s.json").read_text(encoding="utf-8")
    change(cluster)
    assert (tmp_path / "s.json").read_text(encoding="utf-8") == before.replace(b64("old"), b64("new"))


def test_several_json_objects_in_a_file(tmp_path: Path) -> None:
    first = '{"apiVersion": "v1",   "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "ns"}}'
    second = '{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "ns"}, "data": {}}'
    cluster = folder_with(tmp_path, s_json=f"{first}\n{second}\n")
    change(cluster)
    text = (tmp_path / "s.json").read_text(encoding="utf-8")
    assert text.startswith(first + "\n")
    assert json.loads(text[len(first) :])["data"] == {"a": b64("new")}


@pytest.mark.parametrize(
    "text",
    [
        "apiVersion: v1\nkind: Secret\nmetadata: {name: &n s, namespace: ns}\nstringData: {a: old, b: *n}\n",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: ns}\nstringData: {<<: {a: old}, b: kept}\n",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: ns}\nstringData:\n  1: number\n  a: old\n  b: kept\n",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: ns}\ndata: {a: b2xk}\nstringData:\n  yes: &a old\n  b: kept\n  other: *a\n",
    ],
)
def test_what_cannot_be_changed_in_place_is_printed_anew_with_the_right_values(tmp_path: Path, text: str) -> None:
    cluster = folder_with(tmp_path, s_yaml=OTHER + "---\n" + text)
    before = (cluster.get(REF) or {})["data"]
    change(cluster)
    assert (FolderCluster(str(tmp_path)).get(REF) or {})["data"] == before | {"a": b64("new")}
    assert (tmp_path / "s.yaml").read_text(encoding="utf-8").startswith(OTHER)


def test_nothing_is_written_when_nothing_changes(tmp_path: Path) -> None:
    cluster = folder_with(tmp_path, s_yaml=SECRET)
    before = os.stat(tmp_path / "s.yaml")
    change(cluster, "a", "old")
    after = os.stat(tmp_path / "s.yaml")
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_dry_run_writes_nothing(tmp_path: Path) -> None:
    cluster = folder_with(tmp_path, s_yaml=SECRET)
    answer = cluster.patch(REF, {"metadata": {"labels": {"x": "y"}}, "data": {"a": b64("new")}}, kind="merge", manager="test", dry_run=True)
    cluster.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "n", "namespace": "ns"}}, manager="test", dry_run=True)
    assert answer["metadata"]["labels"] == {"x": "y"}
    assert [path.name for path in tmp_path.iterdir()] == ["s.yaml"]
    assert (tmp_path / "s.yaml").read_text(encoding="utf-8") == SECRET


def test_mode_of_a_file_stays(tmp_path: Path) -> None:
    cluster = folder_with(tmp_path, s_yaml=SECRET)
    os.chmod(tmp_path / "s.yaml", 0o640)
    change(cluster)
    assert stat.S_IMODE(os.stat(tmp_path / "s.yaml").st_mode) == 0o640
    assert not list(tmp_path.glob(".secrettool-*"))


# ---- new and old files ---------------------------------------------------------------------------------------------------------------------------


def made(cluster: FolderCluster, name: str, *, version: str = "v1", kind: str = "Secret", namespace: str = "ns") -> Any:
    place = {"namespace": namespace} if namespace else {}
    return cluster.apply({"apiVersion": version, "kind": kind, "metadata": {"name": name, **place}}, manager="test")


def test_new_object_gets_a_private_file_of_its_own(tmp_path: Path) -> None:
    cluster = folder_with(tmp_path, s_yaml=SECRET)
    made(cluster, "n")
    made(cluster, "system:x", version="rbac.authorization.k8s.io/v1", kind="ClusterRole", namespace="")
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.yaml")} == {"s.yaml", "ns/secret-n.yaml", "clusterrole-system%3Ax.yaml"}
    assert stat.S_IMODE(os.stat(tmp_path / "ns" / "secret-n.yaml").st_mode) == 0o600


def test_file_of_another_object_is_not_overwritten(tmp_path: Path) -> None:
    cluster = folder_with(tmp_path, s_yaml=SECRET, ns__secret_n_yaml=OTHER)
    (tmp_path / "ns" / "secret.n.yaml").rename(tmp_path / "ns" / "secret-n.yaml")
    made(cluster, "n")
    assert (tmp_path / "ns" / "secret-n.yaml").read_text(encoding="utf-8") == OTHER
    assert (tmp_path / "ns" / "secret-n.core.yaml").exists()
    (tmp_path / "ns" / "secret-n.core.yaml").write_text(OTHER.replace("settings", "more"), encoding="utf-8")
    with pytest.raises(ClusterError, match="is there already, with other objects"):
        made(cluster, "n")


def test_last_object_takes_its_file_along(tmp_path: Path) -> None:
    cluster = folder_with(tmp_path, s_yaml=SECRET, both_yaml=OTHER + "---\n" + SECRET.replace("name: s", "name: t"))
    for name in ("s", "t"):
        head = (cluster.get(REF._replace(name=name)) or {})["metadata"]
        cluster.delete(REF._replace(name=name), uid=head["uid"], resource_version=head["resourceVersion"])
    assert not (tmp_path / "s.yaml").exists()
    assert (tmp_path / "both.yaml").read_text(encoding="utf-8") == OTHER


# ---- what is looked at ---------------------------------------------------------------------------------------------------------------------------


def test_what_is_no_manifest_is_left_alone(tmp_path: Path) -> None:
    tools = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nmetadata: {name: k}\n"
    cluster = folder_with(
        tmp_path, _hidden__s_yaml=SECRET, _s_yaml=SECRET, s_txt=SECRET, k_yaml=tools, values_yaml="replicas: 1\n", empty_yaml="# nothing\n"
    )
    assert cluster.get(REF) is None
    assert not cluster.namespace_exists("ns")


def test_what_others_write_is_seen_and_is_another_version(tmp_path: Path) -> None:
    cluster = folder_with(tmp_path, s_yaml=SECRET)
    before = (cluster.get(REF) or {})["metadata"]
    (tmp_path / "s.yaml").write_text(SECRET.replace("kept", "other"), encoding="utf-8")
    after = (cluster.get(REF) or {})["metadata"]
    assert (before["uid"], True) == (after["uid"], before["resourceVersion"] != after["resourceVersion"])
    os.unlink(tmp_path / "s.yaml")
    assert cluster.get(REF) is None


def test_object_at_two_places(tmp_path: Path) -> None:
    error = refusal(folder_with(tmp_path, a_yaml=SECRET, b_yaml=SECRET))
    assert error.message == f"it is there more than once: {tmp_path}/a.yaml, {tmp_path}/b.yaml"


def test_encrypted_object_is_refused(tmp_path: Path) -> None:
    error = refusal(folder_with(tmp_path, s_yaml=SECRET + f"sops: {{mac: {CANARY}}}\n"))
    assert error.message == f"it is encrypted in {tmp_path}/s.yaml"


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (f"a: [{CANARY}".encode(), "(line 2, column 1)"),
        (f"- {CANARY}\n".encode(), "sequences are not supported"),
        (CANARY.encode() + b"\xff", "is not UTF-8 text"),
    ],
)
def test_file_that_cannot_be_read_could_hold_the_object(tmp_path: Path, data: bytes, told: str) -> None:
    (tmp_path / "x.yaml").write_bytes(data)
    error = refusal(FolderCluster(str(tmp_path)))
    assert error.file == f"{tmp_path}/x.yaml"
    assert told in error.message


def test_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = folder_with(tmp_path, s_yaml=SECRET)

    def refuse(path: str, flags: int, mode: int = 0o777) -> int:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "open", refuse)
    assert refusal(cluster).message == "cannot be read: permission denied"


def test_folder_that_goes(tmp_path: Path) -> None:
    cluster = folder_with(tmp_path / "in", s_yaml=SECRET)
    (tmp_path / "in" / "s.yaml").unlink()
    (tmp_path / "in").rmdir()
    assert refusal(cluster).message == "cannot be read: No such file or directory"


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such folder") as raised:
        FolderCluster(str(tmp_path / "none"))
    assert raised.value.code == Outcome.CONFIGURATION


def test_nothing_of_an_object_is_printed(tmp_path: Path) -> None:
    cluster = folder_with(tmp_path, s_yaml=SECRET.replace("old", CANARY))
    (entry,) = Files(str(tmp_path)).entries()
    assert repr(cluster) == f"<FolderCluster {tmp_path}>"
    assert repr(entry) == f"<Entry Secret/ns/s in {tmp_path}/s.yaml>"


# ---- links ---------------------------------------------------------------------------------------------------------------------------------------


def test_link_to_a_file_in_the_folder_stays_one(tmp_path: Path) -> None:
    cluster = folder_with(tmp_path, _data__s_yaml=SECRET)
    (tmp_path / "s.yaml").symlink_to(Path(".data") / "s.yaml")
    change(cluster)
    assert (tmp_path / "s.yaml").is_symlink()
    assert (tmp_path / ".data" / "s.yaml").read_text(encoding="utf-8") == SECRET.replace('"old"', '"new"')


def test_link_out_of_the_folder_is_read_and_not_written(tmp_path: Path) -> None:
    cluster = folder_with(tmp_path / "in", other_yaml=OTHER)
    (tmp_path / "out.yaml").write_text(SECRET, encoding="utf-8")
    (tmp_path / "in" / "s.yaml").symlink_to(tmp_path / "out.yaml")
    live = cluster.get(REF)
    assert live is not None
    head = live["metadata"]
    with pytest.raises(ClusterError, match="is a link that leads out of the folder"):
        change(cluster)
    with pytest.raises(ClusterError, match="is a link that leads out of the folder"):
        cluster.delete(REF, uid=head["uid"], resource_version=head["resourceVersion"])
    assert (tmp_path / "out.yaml").read_text(encoding="utf-8") == SECRET


def test_links_to_folders_and_to_nothing_are_passed_over(tmp_path: Path) -> None:
    cluster = folder_with(tmp_path / "in", other_yaml=OTHER)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "s.yaml").write_text(SECRET, encoding="utf-8")
    (tmp_path / "in" / "linked").symlink_to(tmp_path / "out")
    (tmp_path / "in" / "nowhere.yaml").symlink_to(tmp_path / "nowhere")
    assert cluster.get(REF) is None


# ---- others write, too ---------------------------------------------------------------------------------------------------------------------------


def meddle(monkeypatch: pytest.MonkeyPatch, name: str, once: Any) -> None:
    """Let something happen right before a function of `fs` is called for the first time."""
    real = getattr(fs, name)
    left = [once]

    def first(*args: Any, **options: Any) -> Any:
        if left:
            left.pop()(*args)
        return real(*args, **options)

    monkeypatch.setattr(fs, name, first)


def test_file_that_was_written_since_the_look_is_a_conflict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = folder_with(tmp_path, s_yaml=SECRET)
    cluster.get(REF)
    meddle(monkeypatch, "read", lambda *_: (tmp_path / "s.yaml").write_text(SECRET + "# more\n", encoding="utf-8"))
    with pytest.raises(ClusterError) as raised:
        change(cluster)
    assert (raised.value.status, (tmp_path / "s.yaml").read_text(encoding="utf-8")) == (409, SECRET + "# more\n")


def test_file_that_is_written_at_the_last_moment_is_a_conflict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = folder_with(tmp_path, s_yaml=SECRET)
    meddle(monkeypatch, "replace", lambda *_: (tmp_path / "s.yaml").write_text(SECRET + "# more\n", encoding="utf-8"))
    with pytest.raises(ClusterError) as raised:
        change(cluster)
    assert (raised.value.status, (tmp_path / "s.yaml").read_text(encoding="utf-8")) == (409, SECRET + "# more\n")


def test_file_that_went_since_the_look_is_a_conflict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = folder_with(tmp_path, s_yaml=SECRET)
    cluster.get(REF)
    meddle(monkeypatch, "read", lambda *_: (tmp_path / "s.yaml").unlink())
    with pytest.raises(ClusterError) as raised:
        change(cluster)
    assert raised.value.status == 409


def full(*_: object, **__: object) -> None:
    raise OutputError("cannot be written: no space left on device")


def test_file_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = folder_with(tmp_path, s_yaml=SECRET)
    monkeypatch.setattr(fs, "replace", full)
    with pytest.raises(ClusterError, match="no space left") as raised:
        change(cluster)
    assert (raised.value.file, raised.value.status) == (f"{tmp_path}/s.yaml", None)
    assert (tmp_path / "s.yaml").read_text(encoding="utf-8") == SECRET


def test_new_file_that_cannot_be_written_leaves_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = folder_with(tmp_path, s_yaml=SECRET)
    monkeypatch.setattr(fs, "replace", full)
    with pytest.raises(ClusterError, match="no space left"):
        made(cluster, "n")
    assert list((tmp_path / "ns").iterdir()) == []


def test_place_that_is_no_folder(tmp_path: Path) -> None:
    cluster = folder_with(tmp_path, s_yaml=SECRET, ns="a file")
    with pytest.raises(ClusterError, match="cannot be written to: File exists"):
        made(cluster, "n")


def test_file_that_cannot_be_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = folder_with(tmp_path, s_yaml=SECRET)
    head = (cluster.get(REF) or {})["metadata"]

    def refuse(path: str) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "unlink", refuse)
    with pytest.raises(ClusterError, match="cannot be removed: Permission denied"):
        cluster.delete(REF, uid=head["uid"], resource_version=head["resourceVersion"])


def test_key_that_yaml_takes_for_a_merge_is_refused(tmp_path: Path) -> None:
    thing = Ref("example.org/v1", "Thing", "ns", "t")
    text = "apiVersion: example.org/v1\nkind: Thing\nmetadata: {name: t, namespace: ns}\n"
    cluster = folder_with(tmp_path, t_yaml=text)
    with pytest.raises(ClusterError, match="<<"):
        cluster.patch(thing, {"spec": {"<<": "x"}}, kind="merge", manager="test")
    with pytest.raises(ClusterError, match="<<"):
        cluster.apply({"apiVersion": "example.org/v1", "kind": "Thing", "metadata": {"name": "n", "namespace": "ns"}, "<<": 1}, manager="test")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["t.yaml"]
    assert (tmp_path / "t.yaml").read_text(encoding="utf-8") == text
