"""The manifests that no Flux Kustomization of the repository leads to: those of a repository whose Kustomizations lie elsewhere, or of another tool.

What changes them is taken from the nearest kustomization file above.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping

from secrettool.check.layers import Layer, layer_of_file
from secrettool.check.repository import KUSTOMIZATION_NAMES, Located, Repository
from secrettool.manifests import flatten_lists


def unreached(repository: Repository) -> Iterator[Located]:
    """The objects of files that no Flux Kustomization leads to, files in order, without patches and kustomization files."""
    passed_over = {file for applied in repository.applied for file in applied.files} | set(_patch_files(repository))
    layers: dict[str, Layer] = {"": _layer(repository, "") or Layer()}
    for path, manifests in repository.manifests.items():
        if path in passed_over or posixpath.basename(path) in KUSTOMIZATION_NAMES or not manifests:
            continue
        layer = _nearest(repository, posixpath.dirname(path), layers)
        for manifest in manifests:
            for obj in flatten_lists([manifest.obj]):
                yield Located(path, manifest.line, layer.apply(obj))


def _nearest(repository: Repository, folder: str, layers: dict[str, Layer]) -> Layer:
    """The layer of the nearest kustomization file at or above a folder; those on the way there are remembered."""
    way: list[str] = []
    while folder not in layers:
        way.append(folder)
        folder = posixpath.dirname(folder)
    layer = layers[folder]
    for each in reversed(way):
        layer = layers[each] = _layer(repository, each) or layer
    return layer


def _layer(repository: Repository, folder: str) -> Layer | None:
    file = repository.kustomization_file(folder)
    return None if file is None or not repository.manifests[file] else layer_of_file(repository.content(file), folder, repository.files)


def _patch_files(repository: Repository) -> Iterator[str]:
    """The files that kustomization files name as patches: what they hold looks like an object, but is a part of one."""
    for path in repository.manifests:
        if posixpath.basename(path) in KUSTOMIZATION_NAMES:
            content = repository.content(path)
            entries = [entry for name in ("patches", "patchesJson6902", "patchesStrategicMerge") for entry in _list(content.get(name))]
            names = (entry.get("path") if isinstance(entry, Mapping) else entry for entry in entries)
            yield from (posixpath.normpath(posixpath.join(posixpath.dirname(path), name)) for name in names if isinstance(name, str))


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
