"""What git says about an object: where its manifest is found, and which one."""

from __future__ import annotations

import pytest

from secrettool.objects import Ref
from secrettool.patcher.git import ManifestError, Manifests
from secrettool.patcher.protection import git_protection

S = Ref("v1", "Secret", "ns", "s")


def secret(name: str = "s", namespace: str = "", key: str = "k") -> str:
    place = f", namespace: {namespace}" if namespace else ""
    return f"apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}{place}}}\nstringData: {{{key}: REPLACE_ME}}\n"


def flux(name: str, path: str, spec: str = "") -> str:
    head = f"apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {{name: {name}, namespace: flux-system}}\n"
    return f"{head}spec: {{path: {path}, prune: true{spec}}}\n"


def kustomization(*resources: str, more: str = "") -> str:
    return f"apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [{', '.join(resources)}]\n{more}"


def place(files: dict[str, str], ref: Ref = S, manifest: str | None = None) -> str | None:
    found = Manifests(files).find(ref, manifest)
    return found.place if found else None


def test_namespace_comes_from_the_file() -> None:
    files = {"a/one.yaml": "---\n" + secret(namespace="other") + "---\n" + secret(namespace="ns")}

    assert place(files) == "a/one.yaml:7"
    assert place(files, S._replace(namespace="third")) is None


def test_namespace_comes_from_the_nearest_kustomization_file() -> None:
    files = {
        "kustomization.yaml": kustomization("a", more="namespace: far\n"),
        "a/kustomization.yaml": kustomization("deep/one.yaml", more="namespace: ns\n"),
        "a/deep/one.yaml": secret(),
    }

    assert place(files) == "a/deep/one.yaml:1"
    assert place(files, S._replace(namespace="far")) is None


def test_namespace_comes_from_the_flux_kustomization() -> None:
    files = {"flux.yaml": flux("apps", "./a", ", targetNamespace: ns"), "a/one.yaml": secret()}

    found = Manifests(files).find(S)

    assert found is not None
    assert found.place == "a/one.yaml:1"
    assert [each.name for each in found.kustomizations] == ["apps"]


def test_manifest_without_a_namespace_fits_when_no_other_does() -> None:
    assert place({"a/one.yaml": secret()}) == "a/one.yaml:1"
    assert place({"a/one.yaml": secret(), "b/two.yaml": secret(namespace="ns")}) == "b/two.yaml:1"


def test_cluster_scoped_object_gets_no_namespace_from_kustomize() -> None:
    issuer = "apiVersion: cert-manager.io/v1\nkind: ClusterIssuer\nmetadata: {name: le}\nspec: {acme: {email: REPLACE_ME}}\n"
    files = {"a/kustomization.yaml": kustomization("i.yaml", more="namespace: ns\n"), "a/i.yaml": issuer}

    assert place(files, Ref("cert-manager.io/v1", "ClusterIssuer", "", "le")) == "a/i.yaml:1"


def test_mf01_several_manifests_fit() -> None:
    files = {"a/one.yaml": secret(namespace="ns"), "b/two.yaml": secret(namespace="ns")}

    with pytest.raises(ManifestError, match=r"several manifests fit: a/one.yaml:1, b/two.yaml:1") as caught:
        place(files)

    assert caught.value.rule == "MF01"
    assert place(files, manifest="b/two.yaml") == "b/two.yaml:1"


def test_manifest_that_flux_applies_wins_over_one_that_it_does_not() -> None:
    files = {"flux.yaml": flux("apps", "a"), "a/one.yaml": secret(namespace="ns"), "old/one.yaml": secret(namespace="ns")}

    assert place(files) == "a/one.yaml:1"


def test_same_file_applied_twice_counts_with_its_weakest_protection() -> None:
    rule = ", ignore: [{paths: [/data/k]}]"
    files = {"one.yaml": flux("one", "a", rule), "two.yaml": flux("two", "a"), "a/s.yaml": secret(namespace="ns")}

    found = Manifests(files).find(S)

    assert found is not None
    assert {each.name for each in found.kustomizations} == {"one", "two"}
    assert git_protection(found.obj, [("data", "k")], kustomizations=found.kustomizations) == "none"


@pytest.mark.parametrize("entry", ["patches: [{path: p.yaml}]\n", "patchesStrategicMerge: [p.yaml]\n"])
def test_patch_file_is_no_manifest(entry: str) -> None:
    files = {"a/kustomization.yaml": kustomization("one.yaml", more=entry), "a/one.yaml": secret(namespace="ns"), "a/p.yaml": secret(namespace="ns")}

    assert place(files) == "a/one.yaml:1"


def test_patches_of_kustomize_change_what_git_says() -> None:
    patch = "kind: Secret\napiVersion: v1\nmetadata: {name: s, annotations: {kustomize.toolkit.fluxcd.io/ssa: IfNotPresent}}\n"
    files = {
        "flux.yaml": flux("apps", "a"),
        "a/kustomization.yaml": kustomization("s.yaml", more="patches: [{path: p.yaml}]\n"),
        "a/p.yaml": patch,
        "a/s.yaml": secret(namespace="ns"),
    }

    found = Manifests(files).find(S)

    assert found is not None
    assert git_protection(found.obj, [("data", "k")], kustomizations=found.kustomizations) == "once"


def test_ph007_named_manifest_does_not_have_the_object() -> None:
    with pytest.raises(ManifestError, match="has no Secret s") as caught:
        place({"a/one.yaml": secret(namespace="ns")}, manifest="b/two.yaml")

    assert caught.value.rule == "PH007"


def test_named_manifest_fits_whatever_its_namespace() -> None:
    assert place({"a/one.yaml": secret(namespace="other")}, manifest="./a/one.yaml") == "a/one.yaml:1"


def test_broken_files_are_reported_and_passed_over() -> None:
    manifests = Manifests({"a/broken.yaml": "a: [", "a/one.yaml": secret(namespace="ns")})

    assert [error.file for error in manifests.unreadable] == ["a/broken.yaml"]
    assert manifests.find(S) is not None


def test_only_files_that_matter_are_read() -> None:
    files = {f"many/{number}.yaml": f"broken: [{number}" for number in range(9)}
    files |= {"flux.yaml": flux("apps", "a"), "a/kustomization.yaml": kustomization("s.yaml"), "a/s.yaml": secret(namespace="ns")}

    manifests = Manifests(files, [S])

    assert manifests.unreadable == []
    found = manifests.find(S)
    assert found is not None
    assert found.kustomizations


def test_prefixes_of_names_are_found_although_only_some_files_are_read() -> None:
    files = {
        "flux.yaml": flux("apps", "a"),
        "a/kustomization.yaml": kustomization("s.yaml", more="namePrefix: my-\n"),
        "a/s.yaml": secret(namespace="ns"),
    }

    found = Manifests(files, [S._replace(name="my-s")]).find(S._replace(name="my-s"))

    assert found is not None
    assert found.file == "a/s.yaml"


def test_encrypted_manifest_is_known_as_such() -> None:
    found = Manifests({"a.yaml": secret(namespace="ns") + "sops: {}\n"}).find(S)

    assert found is not None
    assert found.is_encrypted
