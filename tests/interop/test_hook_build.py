"""The same trees through the real Flux and through `render`: equal objects in the cluster, errors of the same kind."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from secrettool.build.render import Rendered, Surroundings, applied, render
from secrettool.errors import HookError
from secrettool.flux import FluxKustomization, FluxVersion
from secrettool.hook.keysecret import KeySecret
from secrettool.hook.keyset import KeySet
from secrettool.hook.model import HookConfig
from tests.interop.gitops import DECRYPTION, KEY_FILE, give_key, payload, sealed, write_tree
from tests.interop.peers.flux import Flux
from tests.interop.test_flux import encrypted_tree

pytestmark = pytest.mark.real

VERSION = FluxVersion(1, 7, 3)  # of the recipe
STRICT = HookConfig(parity="flux", mac="skip")
FILE = "kustomization.yaml"
DB = "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData: {password: 'a${WHO}b', other: c}\n"
MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: map}\ndata: {a: 'x${WHO:=y}', b: '$${WHO}', c: 'n${#WHO}'}\n"


def rendered(tree: Path, namespace: str, kustomize: Path, *, decryption: str | None, **spec: Any) -> tuple[Rendered, FluxKustomization]:
    if decryption is not None:
        spec["decryption"] = {"provider": "sops", "secretRef": {"name": decryption}}
    obj = {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {"name": "app", "namespace": namespace},
        "spec": {"targetNamespace": namespace, **spec},
    }
    flux = FluxKustomization.from_object(obj)
    surroundings = Surroundings(environ={"PATH": str(kustomize.parent), "HOME": str(tree)}, version=VERSION)
    with KeySet(KeySecret("Secret", {"test.agekey": KEY_FILE.read_bytes()}), env_keys=False) as keys:
        return render(str(tree), ".", flux=flux, config=STRICT, keys=keys, surroundings=surroundings), flux


def example(folder: Path) -> Path:
    return encrypted_tree(folder)


def generated(folder: Path) -> Path:
    return write_tree(folder, {"app/db.yaml": sealed(DB), "app/below/map.yaml": MAP, "app/notes.txt": "x"})


def overlay(folder: Path) -> Path:
    files = {
        f"base/{FILE}": "resources: [db.yaml]\n",
        "base/db.yaml": sealed(DB),
        f"app/{FILE}": "Resources: [../base, map.yaml]\nnamePrefix: 1\nunknown: 1\n",
    }
    return write_tree(folder, {**files, "app/map.yaml": MAP})


def component(folder: Path) -> Path:
    part = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nnameSuffix: -c\n"
    return write_tree(folder, {f"app/{FILE}": "resources: [map.yaml]\n", "app/map.yaml": MAP, f"part/{FILE}": part})


PATCH = {"patch": "- {op: add, path: /metadata/labels, value: {patched: 'yes'}}\n", "target": {"kind": "Secret"}}

EQUAL: dict[str, tuple[Any, dict[str, Any]]] = {
    "example": (example, {"path": "./production"}),
    "generated": (generated, {"path": "app", "namePrefix": "p-", "nameSuffix": "-s", "patches": [PATCH]}),
    "variables": (generated, {"path": "app", "postBuild": {"substitute": {"WHO": "me"}}}),
    "unknown variable": (overlay, {"path": "app", "postBuild": {"substitute": {"SOMEBODY": "me"}}}),
    "overlay": (overlay, {"path": "app", "commonMetadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}}}),
    "component": (component, {"path": "app", "components": ["../part", "../missing"], "ignoreMissingComponents": True}),
}


@pytest.mark.parametrize("name", EQUAL)
def test_what_flux_applies_is_what_is_rendered(name: str, flux: Flux, namespace: str, tmp_path: Path, real_kustomize: Path) -> None:
    make, spec = EQUAL[name]
    tree = make(tmp_path)
    key = give_key(flux.api, namespace)
    done = flux.reconcile(tree, namespace, decryption=key, **spec)
    assert done.ready, done.message
    result, kustomization = rendered(tree, namespace, real_kustomize, decryption=DECRYPTION, **spec)
    ours = {(obj["kind"], obj["metadata"]["name"]): payload(dict(obj)) for obj in applied(result.check().objects, kustomization)}
    assert ours
    for (kind, object_name), expected in ours.items():
        live = payload(flux.api.admin.get(kind, object_name, namespace))
        if "type" not in expected:
            live.pop("type", None)
        assert live == expected


FAILING: dict[str, tuple[Mapping[str, str], str, str]] = {
    "no path": ({"other/a.yaml": MAP}, "kustomization path not found", "HK140"),
    "broken file": ({f"app/{FILE}": "resources: a\n"}, "cannot unmarshal", "HK124"),
    "missing resource": ({f"app/{FILE}": "resources: [missing.yaml]\n"}, "kustomize build failed", "HK142"),
    "missing file of a generator": ({f"app/{FILE}": "secretGenerator: [{name: a, files: [x]}]\n"}, "error decrypting sources", "HK121"),
    "bad expression": ({"app/map.yaml": MAP.replace("$${WHO}", "${WHO")}, "envsubst error", "HK144"),
    "path out of the root": ({f"app/{FILE}": "configMapGenerator: [{name: a, files: [/etc/hostname]}]\n"}, "kustomize build failed", "HK143"),
}


@pytest.mark.parametrize("name", FAILING)
def test_what_flux_refuses_is_refused_at_the_same_stage(name: str, flux: Flux, namespace: str, tmp_path: Path, real_kustomize: Path) -> None:
    files, fragment, rule = FAILING[name]
    tree = write_tree(tmp_path, files)
    spec: dict[str, Any] = {"path": "app", "postBuild": {"substitute": {"A": "b"}}}
    done = flux.reconcile(tree, namespace, decryption=give_key(flux.api, namespace), **spec)
    assert not done.ready
    assert fragment in done.message
    result, _ = rendered(tree, namespace, real_kustomize, decryption=DECRYPTION, **spec)
    assert [error.rule for error in result.errors if isinstance(error, HookError)] == [rule]
