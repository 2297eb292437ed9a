from __future__ import annotations

import json

import pytest

from secrettool.check import Repository
from secrettool.check.repository import Located
from secrettool.objects import annotations_of, labels_of, ref_of
from tests.unit.check.trees import DECRYPTION, Files, flux, secret


def applied(files: Files) -> list[Located]:
    """What the only Flux Kustomization of a tree applies."""
    (found,) = Repository(files).applied
    return found.manifests


def names(files: Files) -> list[tuple[str, str]]:
    return [(each.file, ref_of(each.obj).name) for each in applied(files)]


def test_kustomization_files_are_followed() -> None:
    files = {
        "clusters/apps.yaml": flux("./apps/production"),
        "apps/production/kustomization.yaml": "resources: [../base, own.yaml]\ncomponents: [../part]\n",
        "apps/production/own.yaml": secret(name="own"),
        "apps/production/loose.yaml": secret(name="loose"),
        "apps/base/kustomization.yml": "bases: [deeper/]\nresources: [base.yaml, 'https://example.org//x?ref=y', missing.yaml]\n",
        "apps/base/base.yaml": secret(name="base"),
        "apps/base/deeper/Kustomization": "resources: [deep.yaml]\n",
        "apps/base/deeper/deep.yaml": secret(name="first") + "\n---\n" + secret(name="second"),
        "apps/part/kustomization.yaml": "kind: Component\nresources: [part.yaml]\n",
        "apps/part/part.yaml": secret(name="part"),
    }

    assert names(files) == [
        ("apps/base/base.yaml", "base"),
        ("apps/base/deeper/deep.yaml", "first"),
        ("apps/base/deeper/deep.yaml", "second"),
        ("apps/production/own.yaml", "own"),
        ("apps/part/part.yaml", "part"),
    ]


def test_path_without_kustomization_file_stands_for_all_yaml_below_it() -> None:
    files = {
        "flux.yaml": flux("./apps"),
        "apps/a.yaml": secret(name="a"),
        "apps/b.json": secret(name="b"),
        "apps/more/c.yml": secret(name="c"),
        "apps/built/kustomization.yaml": "resources: [d.yaml]\n",
        "apps/built/d.yaml": secret(name="d"),
        "apps/built/e.yaml": secret(name="e"),
        "apps/built/below/f.yaml": secret(name="f"),
        "apps-other/g.yaml": secret(name="g"),
    }

    assert sorted(name for _, name in names(files)) == ["a", "c", "d"]


def test_root_is_a_path_too() -> None:
    assert names({"flux.yaml": flux("./"), "x/a.yaml": secret(name="a")}) == [("flux.yaml", "apps"), ("x/a.yaml", "a")]


def test_kustomizations_that_name_each_other_end() -> None:
    files = {
        "flux.yaml": flux("a"),
        "a/kustomization.yaml": "resources: [../b, a.yaml]\n",
        "a/a.yaml": secret(name="a"),
        "b/kustomization.yaml": "resources: [../a]\n",
    }

    assert names(files) == [("a/a.yaml", "a")]


def test_lines_are_those_of_the_documents() -> None:
    files = {"flux.yaml": flux("a"), "a/a.yaml": "# note\n---\n" + secret(name="a") + "\n---\n" + secret(name="b")}

    text = files["a/a.yaml"].splitlines()
    assert [text[each.line - 1] for each in applied(files)] == ["{", "{"]
    assert applied(files)[0].line < applied(files)[1].line


def test_items_of_a_list_are_objects() -> None:
    files = {"flux.yaml": flux("a"), "a/a.yaml": f'{{"kind": "List", "items": [{secret(name="a")}, {secret(name="b")}]}}'}

    assert [name for _, name in names(files)] == ["a", "b"]


def test_layers_change_namespace_name_labels_and_annotations() -> None:
    files = {
        "flux.yaml": flux("a", targetNamespace="target", nameSuffix="-x"),
        "a/kustomization.yaml": "resources: [../b]\nnamespace: overridden\nnamePrefix: a-\nlabels: [{pairs: {l: a}}]\n",
        "b/kustomization.yaml": "resources: [s.yaml]\nnamePrefix: b-\ncommonLabels: {l: b, m: b}\ncommonAnnotations: {note: b}\n",
        "b/s.yaml": secret(),
    }
    (found,) = applied(files)

    assert found.subject == "Secret/target/a-b-s-x"
    assert labels_of(found.obj) == {"l": "a", "m": "b"}
    assert annotations_of(found.obj) == {"note": "b"}


def test_namespaces_have_no_namespace() -> None:
    files = {"flux.yaml": flux("a", targetNamespace="target"), "a/n.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n"}

    assert [each.subject for each in applied(files)] == ["Namespace/shop"]


PATCHED = "metadata: {annotations: {p: q}}"
MERGE = f"apiVersion: v1\nkind: Secret\n{PATCHED[:-1]}, name: s}}"


@pytest.mark.parametrize(
    "kustomization",
    [
        f"patches: [{{path: p.yaml, target: {{kind: Secret}}}}]\nresources: [s.yaml]\n# {PATCHED}",
        "resources: [s.yaml]\npatches:\n- path: p.yaml\n",
        "resources: [s.yaml]\npatchesStrategicMerge: [p.yaml]\n",
        "resources: [s.yaml]\npatches:\n- target: {name: s}\n  patch: |\n    - {op: add, path: /metadata/annotations, value: {p: q}}\n",
        "resources: [s.yaml]\npatches:\n- target: {name: s}\n  patch: |\n    - op: replace\n      path: /metadata/annotations/p\n      value: q\n",
        "resources: [s.yaml]\npatchesJson6902:\n- target: {}\n  patch: '[{op: add, path: /metadata/annotations/p, value: q}]'\n",
        "resources: [s.yaml]\ncomponents: [../c]\n",
    ],
)
def test_patches_are_applied(kustomization: str) -> None:
    files = {
        "flux.yaml": flux("a"),
        "a/kustomization.yaml": kustomization,
        "a/s.yaml": secret(),
        "a/p.yaml": MERGE,
        "c/kustomization.yaml": "kind: Component\npatches: [{path: ../a/p.yaml}]\n",
    }
    (found,) = applied(files)

    assert annotations_of(found.obj) == {"p": "q"}
    assert found.subject == "Secret/shop/s"


@pytest.mark.parametrize(
    "patch",
    [
        {"patch": MERGE, "target": {"kind": "ConfigMap"}},
        {"patch": MERGE.replace("name: s", "name: other")},
        {"patch": "- {op: add, path: /metadata/annotations/p, value: q}"},
        {"patch": "{", "target": {"kind": "Secret"}},
        {"patch": MERGE, "target": {"name": "("}},
        {"patch": "- 1\n- {op: add, path: /metadata/name/p, value: q}\n- {op: test, path: /kind}", "target": {"kind": "Secret"}},
    ],
    ids=["other kind", "other name", "operations without target", "broken", "broken target", "operations without effect"],
)
def test_patches_for_others_or_unreadable_ones_change_nothing(patch: dict[str, object]) -> None:
    (found,) = applied({"flux.yaml": flux("a", patches=[patch]), "a/s.yaml": secret()})

    assert found.obj == json.loads(secret())


def test_flux_kustomization_that_another_changes_counts_as_changed() -> None:
    """The usual way to switch decryption on for a whole cluster."""
    patch = {"patch": '{"kind": "x", "spec": {"decryption": {"provider": "sops"}}}', "target": {"kind": "Kustomization"}}
    files = {"cluster/flux.yaml": flux("cluster", "cluster", patches=[patch]), "cluster/apps.yaml": flux("apps"), "apps/s.yaml": secret()}

    found = {each.kustomization.name: each.kustomization.decryption for each in Repository(files).applied}

    assert found["apps"] is not None


def test_files_that_cannot_be_read_are_listed_and_left_out() -> None:
    files = {
        "flux.yaml": flux("apps", decryption=DECRYPTION),
        "wrong.yaml": flux("apps", prune="yes"),
        "apps/broken.yaml": "a: [",
        "apps/kustomization.yaml": "resources: [broken.yaml, s.yaml]\n",
        "apps/s.yaml": secret(),
        "notes.txt": "a: [",
    }
    repository = Repository(files)

    assert [error.file for error in repository.unreadable] == ["apps/broken.yaml", "wrong.yaml"]
    assert [each.file for each in repository.applied[0].manifests] == ["apps/s.yaml"]
