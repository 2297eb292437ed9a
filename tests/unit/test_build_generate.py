"""The kustomization file that Flux writes before a build. Every expected file was compared with what github.com/fluxcd/pkg/kustomize 1.24 writes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from secrettool import manifests
from secrettool.build.fields import WrongField, read_fields
from secrettool.build.generate import Generated, generate
from secrettool.errors import HookError
from secrettool.flux import FluxKustomization
from secrettool.fs.saferoot import SafeRoot

HEAD = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
FILE = "app/kustomization.yaml"


def made(folder: Path, files: Mapping[str, str], **spec: Any) -> tuple[Generated, dict[str, Any]]:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    obj = {"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization", "metadata": {"name": "k"}, "spec": {"path": "./app", **spec}}
    with SafeRoot(str(folder)) as root:
        generated = generate(root, FluxKustomization.from_object(obj))
    return generated, manifests.read(generated.text, file=None)[0].obj


def test_a_file_is_made_that_lists_manifests_and_folders_with_a_file_of_their_own(tmp_path: Path) -> None:
    names = [
        "a.yaml",
        "b/c.yml",
        "b/d.txt",
        "b.yaml",
        ".h.yaml",
        "b/.x/y.yaml",
        "B.yaml",
        "j.json",
        "z/kustomization.yml",
        "z/q.yaml",
        ".git/config.yaml",
        ".sops.yaml",
    ]
    generated, obj = made(tmp_path, {f"app/{name}": "" for name in names})
    assert obj == {**HEAD, "resources": ["./.h.yaml", "./B.yaml", "./a.yaml", "./b/.x/y.yaml", "./b/c.yml", "./b.yaml", "./z"]}
    assert (generated.path, generated.is_new, generated.is_needed) == (FILE, True, True)


def test_a_folder_without_manifests_gets_a_namespace_that_nothing_has(tmp_path: Path) -> None:
    assert made(tmp_path, {"app/a.txt": ""})[1] == {**HEAD, "namespace": "_placeholder"}


def test_a_file_without_resources_gets_origin_annotations_instead_of_its_own(tmp_path: Path) -> None:
    text = "configMapGenerator: [{name: a, literals: [a=b]}]\nbuildMetadata: [managedByLabel]\n"
    assert made(tmp_path, {FILE: text})[1]["buildMetadata"] == ["originAnnotations"]


def test_a_file_that_says_it_all_already_is_not_needed(tmp_path: Path) -> None:
    text = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [a.yaml]\n"
    generated, obj = made(tmp_path, {FILE: text})
    assert obj == {**HEAD, "resources": ["a.yaml"]}
    assert not generated.is_needed


def test_the_fields_of_the_kustomization_are_merged_in(tmp_path: Path) -> None:
    text = "resources: [a]\nnamePrefix: old-\npatches: [{path: p}]\ncomponents: [c]\nimages: [{name: x, newTag: a}, {name: w}]\n"
    patch = {"patch": "x: y", "target": {"kind": "K", "labelSelector": "a=b"}}
    images = [{"name": "x", "newTag": "2"}, {"name": "z", "newName": "q", "digest": "sha256:1"}]
    _, obj = made(tmp_path, {FILE: text}, targetNamespace="ns", namePrefix="p-", nameSuffix="-s", patches=[patch], components=["../x"], images=images)
    assert obj == {
        **HEAD,
        "resources": ["a"],
        "namespace": "ns",
        "namePrefix": "p-",
        "nameSuffix": "-s",
        "patches": [{"path": "p"}, patch],
        "components": ["c", "../x"],
        "images": [images[0], {"name": "w"}, images[1]],
    }


def test_a_component_that_is_missing_may_be_passed_over(tmp_path: Path) -> None:
    _, obj = made(tmp_path, {FILE: "resources: [a]\n", "app/yes/q": ""}, components=["yes", "no"], ignoreMissingComponents=True)
    assert obj["components"] == ["yes"]


@pytest.mark.parametrize("path", ["https://x.invalid/y", "/abs", "git@x.invalid:y", "GitHub.com/a/b", "file:///x"])
def test_a_component_that_is_not_local_and_relative_is_refused(path: str, tmp_path: Path) -> None:
    with pytest.raises(HookError, match="HK141"):
        made(tmp_path, {FILE: "resources: [a]\n"}, components=[path])


@pytest.mark.parametrize("name", ["kustomization.yaml", "kustomization.yml", "Kustomization"])
def test_every_name_of_the_file_is_found(name: str, tmp_path: Path) -> None:
    generated, obj = made(tmp_path, {f"app/{name}": "resources: [a]\n"}, namePrefix="x")
    assert (generated.path, generated.is_new, obj["namePrefix"]) == (f"app/{name}", False, "x")


def test_of_several_files_the_first_is_taken(tmp_path: Path) -> None:
    assert made(tmp_path, {"app/Kustomization": "resources: [a]\n", "app/kustomization.yml": "resources: [b]\n"})[1]["resources"] == ["b"]


@pytest.mark.parametrize(
    "text", ["resources: a\n", "patches: [a.yaml]\n", "kind: 5\n", "a: [\n", "- a\n", "text", "replicas: [{name: a, count: '3'}]\n"]
)
def test_a_file_that_flux_cannot_decode_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(HookError, match=f"HK124 {FILE}"):
        made(tmp_path, {FILE: text})


def test_a_folder_in_the_place_of_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HookError, match="HK124"):
        made(tmp_path, {f"{FILE}/x": ""})


def test_a_path_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HookError, match="HK140"):
        made(tmp_path, {"other/a.yaml": ""})


def test_a_path_above_the_root_stays_in_it(tmp_path: Path) -> None:
    generated, _ = made(tmp_path, {"app/a.yaml": ""}, path="../../app")
    assert generated.path == FILE


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ({"foo": 1, "Resources": ["a"], "NAMEPREFIX": 1}, {"resources": ["a"], "namePrefix": "1"}),
        ({"Resources": ["a"], "resources": ["b"]}, {"resources": ["b"]}),
        ({"images": [{"name": "x", "newTag": 1.1}], "crds": [True, None]}, {"images": [{"name": "x", "newTag": "1.1"}], "crds": ["true", ""]}),
        ({"resources": [], "commonLabels": {"a": 1}, "namespace": None}, {"commonLabels": {"a": "1"}}),
        ({"replicas": [{"name": "a", "count": 0}]}, {"replicas": [{"name": "a", "count": 0}]}),
        ({"metadata": {}, "sortOptions": {}}, {"metadata": {}, "sortOptions": {}}),
        (
            {"secretGenerator": [{"name": "a", "type": 5, "options": {"immutable": True}}]},
            {"secretGenerator": [{"name": "a", "options": {"immutable": True}, "type": "5"}]},
        ),
        ({"helmCharts": [{"valuesInline": {"a": {"b": [1, None]}}}]}, {"helmCharts": [{"valuesInline": {"a": {"b": [1, None]}}}]}),
    ],
)
def test_fields_are_read_as_kustomizes_types_hold_them(given: dict[str, Any], read: dict[str, Any]) -> None:
    assert read_fields(given) == read


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ({"configMapGenerator": [{"name": 1}]}, r"configMapGenerator\[0\]\.name"),
        ({"secretGenerator": [{"options": {"labels": {"a": 1}}}]}, r"secretGenerator\[0\]\.options\.labels\.a"),
        ({"patches": [{"target": {"name": 1}}]}, r"patches\[0\]\.target\.name"),
        ({"labels": [{"includeSelectors": "yes"}]}, r"labels\[0\]\.includeSelectors"),
        ({"openapi": []}, "openapi"),
    ],
)
def test_a_field_of_a_wrong_type_is_named(given: dict[str, Any], place: str) -> None:
    with pytest.raises(WrongField, match=f"^{place} must be"):
        read_fields(given)
