"""The manifests under `deploy/`: as they lie there, and as kustomize builds them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from tests.interop.peers.apiclient import Json

ROOT: Final = Path(__file__).resolve().parents[2]
DEPLOY: Final = ROOT / "deploy"
OVERLAYS: Final = ("apply", "render-sidecar", "job")
COMPONENTS: Final = ("admission-policy", "alerts", "git-sync", "image", "pod-monitor", "prune")
CONFIGURATIONS: Final = {
    "apply": DEPLOY / "overlays/apply/own/sidecar.yaml",
    "job": DEPLOY / "overlays/job/own/sidecar.yaml",
    "render-sidecar": DEPLOY / "overlays/render-sidecar/sidecar.yaml",
    "git-sync": DEPLOY / "components/git-sync/sidecar.yaml",
}
"""The configuration of each overlay, and of the component that brings its own."""


def objects_in(text: str) -> list[Json]:
    """The objects of a stream of YAML."""
    return [each for each in yaml.safe_load_all(text) if each is not None]


def lying_in(*parts: str) -> list[Json]:
    """The objects in the files of a folder of `deploy/` and below it, as they were written; configurations and kustomizations are none."""
    files = sorted(DEPLOY.joinpath(*parts).rglob("*.yaml"))
    found = [each for file in files for each in objects_in(file.read_text(encoding="utf-8")) if "sops" not in each]
    return [each for each in found if each["kind"] not in {"Kustomization", "Component", "Sidecar"}]


def built(kustomize: Path, folder: Path) -> list[Json]:
    """What kustomize makes of a folder."""
    run = subprocess.run([kustomize, "build", str(folder)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert not run.stderr, run.stderr
    return objects_in(run.stdout)


def with_components(folder: Path, overlay: str, *components: str) -> Path:
    """A kustomization in a new folder that adds components to an overlay, as a user's own would."""
    # kustomize takes relative paths only.
    here = folder.resolve()
    up = "/".join([".."] * (len(here.parts) - 1)) + str(DEPLOY)
    content = {"resources": [f"{up}/overlays/{overlay}"], "components": [f"{up}/components/{name}" for name in components]}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return folder


def moved(objects: list[Json], places: Mapping[str, str]) -> list[Json]:
    """The same objects in other namespaces: wherever an object says where it or something else is."""
    return [_moved(each, places, kind=each["kind"]) for each in objects]


def _moved(node: Any, places: Mapping[str, str], *, kind: str = "", key: str = "") -> Any:
    if isinstance(node, dict):
        entries = {name: _moved(value, places, kind=kind, key=name) for name, value in node.items()}
        if kind == "Namespace" and key == "metadata":
            entries["name"] = places.get(node["name"], node["name"])
        return entries
    if isinstance(node, list):
        return [_moved(each, places, key=key) for each in node]
    return places.get(node, node) if key in {"namespace", "kubernetes.io/metadata.name"} else node


def pods_of(objects: list[Json]) -> Iterator[tuple[Json, Json]]:
    """Every object that makes pods, with its template."""
    for each in objects:
        if each["kind"] in {"Deployment", "Job"}:
            yield each, each["spec"]["template"]


def containers_of(template: Json) -> Iterator[Json]:
    """The containers of a template, those that run before the others first."""
    spec = template["spec"]
    yield from spec.get("initContainers", ())
    yield from spec["containers"]


def named(objects: list[Json], kind: str, name: str) -> Json:
    """The one object of a kind with a name, but for the hash that kustomize appends."""
    (found,) = (
        each for each in objects if each["kind"] == kind and each["metadata"]["name"].rpartition("-")[0 if kind == "ConfigMap" else 2] == name
    )
    assert isinstance(found, dict)
    return found
