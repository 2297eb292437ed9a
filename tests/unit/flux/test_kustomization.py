from __future__ import annotations

from typing import Any

import pytest

from secrettool.errors import ConfigError, Outcome
from secrettool.flux import FluxKustomization, is_flux_kustomization
from secrettool.flux.ignore import IgnoreRule, Target
from secrettool.flux.kustomization import CommonMetadata, Decryption, PostBuild, SubstituteFrom

Json = dict[str, Any]


def flux(**spec: Any) -> Json:
    return {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {"name": "apps", "namespace": "team"},
        "spec": spec,
    }


def test_all_fields_are_read() -> None:
    target = {"group": "", "version": "v1", "kind": "Secret", "name": "db-.*", "namespace": "x", "labelSelector": "a=b", "annotationSelector": "c"}
    found = FluxKustomization.from_object(
        flux(
            path="./apps/production",
            prune=True,
            force=True,
            suspend=True,
            targetNamespace="shop",
            namePrefix="p-",
            nameSuffix="-s",
            decryption={"provider": "sops", "secretRef": {"name": "keys"}, "serviceAccountName": "opener"},
            ignore=[{"paths": ["/data/k", "/data/l"], "target": target}, {"paths": ["/data"]}],
            commonMetadata={"labels": {"a": "1"}, "annotations": {"b": "2"}},
            patches=[{"patch": "[]", "target": {"kind": "Secret"}}],
            components=["../c"],
            ignoreMissingComponents=True,
            images=[{"name": "nginx", "newTag": "1"}],
            postBuild={"substitute": {"A": "1"}, "substituteFrom": [{"kind": "Secret", "name": "vars", "optional": True}]},
            deletionPolicy="Orphan",
        )
    )

    assert found == FluxKustomization(
        name="apps",
        namespace="team",
        path="./apps/production",
        prune=True,
        force=True,
        suspend=True,
        target_namespace="shop",
        name_prefix="p-",
        name_suffix="-s",
        decryption=Decryption("sops", "keys", "opener"),
        ignore=(IgnoreRule(("/data/k", "/data/l"), Target("", "v1", "Secret", "db-.*", "x", "a=b", "c")), IgnoreRule(("/data",))),
        common_metadata=CommonMetadata({"a": "1"}, {"b": "2"}),
        patches=({"patch": "[]", "target": {"kind": "Secret"}},),
        components=("../c",),
        ignore_missing_components=True,
        images=({"name": "nginx", "newTag": "1"},),
        post_build=PostBuild({"A": "1"}, (SubstituteFrom("Secret", "vars", True),)),
        deletion_policy="Orphan",
    )


def test_absent_and_null_fields_have_the_defaults_of_flux() -> None:
    assert FluxKustomization.from_object(flux(decryption=None, postBuild=None)) == FluxKustomization(name="apps", namespace="team")


@pytest.mark.parametrize(
    ("spec", "where"),
    [
        ({"path": 5}, "spec.path"),
        ({"prune": "yes"}, "spec.prune"),
        ({"decryption": []}, "spec.decryption"),
        ({"decryption": {}}, "spec.decryption.provider"),
        ({"decryption": {"provider": "sops", "secretRef": {}}}, "spec.decryption.secretRef.name"),
        ({"ignore": [{"paths": []}]}, "spec.ignore[0].paths"),
        ({"ignore": [{"paths": ["data/k"]}]}, "spec.ignore[0].paths"),
        ({"ignore": [{"paths": ["/a"]}, {"paths": ["/a"], "target": {"name": "("}}]}, "spec.ignore[1].target.name"),
        ({"ignore": [{"paths": ["/a"], "target": {"labelSelector": "a=(b"}}]}, "spec.ignore[0].target.labelSelector"),
        ({"commonMetadata": {"labels": {"a": 1}}}, "spec.commonMetadata.labels.a"),
        ({"patches": ["text"]}, "spec.patches[0]"),
        ({"patches": [{"target": {}}]}, "spec.patches[0].patch"),
        ({"components": [1]}, "spec.components"),
        ({"images": [{"newTag": "1"}]}, "spec.images[0].name"),
        ({"postBuild": {"substituteFrom": [{"kind": "Pod", "name": "x"}]}}, "spec.postBuild.substituteFrom[0].kind"),
        ({"deletionPolicy": "delete"}, "spec.deletionPolicy"),
    ],
)
def test_error_names_the_field_and_no_value(spec: Json, where: str) -> None:
    with pytest.raises(ConfigError) as caught:
        FluxKustomization.from_object(flux(**spec))

    assert caught.value.where == where
    assert caught.value.code == Outcome.CONFIGURATION


def test_kustomization_of_kustomize_is_refused() -> None:
    obj = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}

    assert not is_flux_kustomization(obj)
    with pytest.raises(ConfigError):
        FluxKustomization.from_object(obj)


@pytest.mark.parametrize(
    ("path", "folder"), [("", ""), ("./", ""), ("./a/b/", "a/b"), ("/a", "a"), ("a/../b", "b"), ("../../a", "a"), ("//a//b", "a/b")]
)
def test_folder_stays_inside_the_root(path: str, folder: str) -> None:
    assert FluxKustomization(name="x", path=path).folder == folder


@pytest.mark.parametrize(
    ("fields", "prunes"),
    [
        ({"prune": True}, True),
        ({"prune": False}, False),
        ({"prune": False, "deletion_policy": "Delete"}, True),
        ({"prune": False, "deletion_policy": "WaitForTermination"}, True),
        ({"prune": True, "deletion_policy": "Orphan"}, False),
        ({"prune": True, "suspend": True}, False),
    ],
)
def test_deletion_policy_decides_what_a_deleted_kustomization_takes_along(fields: Json, prunes: bool) -> None:
    assert FluxKustomization(name="x", **fields).prunes_when_deleted is prunes
