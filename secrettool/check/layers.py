"""What one kustomization file, or one Flux Kustomization, changes in the manifests that it gathers: a layer.

Patches, namespace, prefix and suffix of names, common labels and annotations. Generators, replacements and transformers with a configuration of their
own are not looked at.

Source: kustomize api/internal/target/kusttarget.go (order of transformers).
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from secrettool.check.patches import Patch, patches_of
from secrettool.flux import FluxKustomization
from secrettool.flux.fields import flatten, merged, nest
from secrettool.objects import Object, ref_of, section

_CLUSTER_WIDE = frozenset({"Namespace", "CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding", "StorageClass", "IngressClass"})


_NOTHING: Object = MappingProxyType({})


class Layer(NamedTuple):
    """The changes of one kustomization.

    Attributes:
        namespace: Namespace of everything; empty to leave it.
        prefix: Put before names.
        suffix: Put behind names.
        labels: Put on everything.
        annotations: Put on everything.
        patches: In order.
    """

    namespace: str = ""
    prefix: str = ""
    suffix: str = ""
    labels: Object = _NOTHING
    annotations: Object = _NOTHING
    patches: tuple[Patch, ...] = ()

    def apply(self, obj: Object) -> Object:
        """A manifest after the layer."""
        for patch in self.patches:
            if patch.applies_to(obj):
                obj = patch.apply(obj)
        ref = ref_of(obj)
        metadata: dict[str, Any] = {"labels": dict(self.labels), "annotations": dict(self.annotations)}
        if self.namespace and ref.kind not in _CLUSTER_WIDE:
            metadata["namespace"] = self.namespace
        if self.prefix or self.suffix:
            metadata["name"] = f"{self.prefix}{ref.name}{self.suffix}"
        change = {name: value for name, value in metadata.items() if value}
        return nest(merged(flatten(obj), {"metadata": change})) if change else obj

    def overridden_by(self, other: Layer) -> Layer:
        """The layer of a kustomization file into which another one is merged, as Flux does with the fields of its Kustomization."""
        return self._replace(
            namespace=other.namespace or self.namespace,
            prefix=other.prefix or self.prefix,
            suffix=other.suffix or self.suffix,
            patches=(*self.patches, *other.patches),
        )


def layer_of_file(content: Object, folder: str, files: Mapping[str, str]) -> Layer:
    """The layer of a kustomization file.

    Args:
        content: The file.
        folder: Where it is; paths of patches are relative to it.
        files: The texts of the tree.
    """
    labels = dict(section(content, "commonLabels"))
    for entry in _entries(content, "labels"):
        labels.update(section(entry, "pairs"))
    return Layer(
        namespace=_text(content, "namespace"),
        prefix=_text(content, "namePrefix"),
        suffix=_text(content, "nameSuffix"),
        labels=labels,
        annotations=section(content, "commonAnnotations"),
        patches=tuple(_patches(content, folder, files)),
    )


def layer_of_flux(kustomization: FluxKustomization) -> Layer:
    """The layer of a Flux Kustomization, which its controller merges into the kustomization file at its path.

    Its common metadata are not in it: they come later, see `flux.reconcile`.
    """
    return Layer(
        namespace=kustomization.target_namespace,
        prefix=kustomization.name_prefix,
        suffix=kustomization.name_suffix,
        patches=tuple(patch for entry in kustomization.patches for patch in patches_of(str(entry["patch"]), entry.get("target"))),
    )


def _patches(content: Object, folder: str, files: Mapping[str, str]) -> Iterator[Patch]:
    for name in ("patches", "patchesJson6902"):
        for entry in _entries(content, name):
            path = _text(entry, "path")
            text = files.get(posixpath.normpath(posixpath.join(folder, path)), "") if path else _text(entry, "patch")
            target = entry.get("target")
            yield from patches_of(text, target if isinstance(target, Mapping) else None)
    for merge in content.get("patchesStrategicMerge") or ():
        if isinstance(merge, str):
            yield from patches_of(files.get(posixpath.normpath(posixpath.join(folder, merge)), merge), None)


def _entries(content: Object, name: str) -> Iterator[Object]:
    found = content.get(name)
    return (entry for entry in found if isinstance(entry, Mapping)) if isinstance(found, list) else iter(())


def _text(content: Object, name: str) -> str:
    value = content.get(name)
    return value if isinstance(value, str) else ""
