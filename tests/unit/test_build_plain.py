"""Folders of manifests: which files are read, in which order, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from secrettool.build.plain import find_files, read_file
from secrettool.errors import HookError
from secrettool.fs.saferoot import SafeRoot


def test_manifests_are_found_sorted_and_hidden_ones_are_not(tmp_path: Path) -> None:
    for name in ("b.yaml", "a/z.yml", "a/b/c.json", "a.yaml", "c.txt", ".sops.yaml", ".github/w.yaml", "B.yaml", "a-b.yaml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "link.yaml").symlink_to("b.yaml")
    with SafeRoot(str(tmp_path)) as root:
        assert list(find_files(root, ".")) == ["B.yaml", "a-b.yaml", "a.yaml", "a/b/c.json", "a/z.yml", "b.yaml"]
        assert list(find_files(root, "a")) == ["a/b/c.json", "a/z.yml"]
        assert list(find_files(root, "c.txt")) == ["c.txt"]


def test_items_of_lists_are_taken_out(tmp_path: Path) -> None:
    item = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
    (tmp_path / "l.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": [item, item]}))
    with SafeRoot(str(tmp_path)) as root:
        assert read_file(root, "l.json").objects == [item, item]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [\n", "not a file of manifests"),
        ("canary\n", "not a file of manifests"),
        ("a: canary\n", "line 1: not a Kubernetes object: it has no kind"),
        ("apiVersion: v1\nkind: X\nmetadata: {name: a}\n---\nkind: X\n", "line 5: not a Kubernetes object: it has no apiVersion"),
        ("apiVersion: v1\nkind: X\n", "line 1: not a Kubernetes object: it has no metadata.name"),
    ],
)
def test_what_is_no_object_is_refused_by_file_and_line(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(text)
    with SafeRoot(str(tmp_path)) as root, pytest.raises(HookError, match=r"^HK145 x\.yaml: ") as raised:
        read_file(root, "x.yaml")
    assert message in str(raised.value)
    assert "canary" not in str(raised.value)
