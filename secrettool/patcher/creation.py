"""Objects that are made anew: from the manifest, from nothing, or in the place of one that cannot be changed.

Source: requirements PT-09, PT-20.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from secrettool.objects import Object, Ref, annotations_of, folded, labels_of, section
from secrettool.patcher.body import Fields, filled_object
from secrettool.patcher.case import Case
from secrettool.patcher.git import ManifestError
from secrettool.patcher.mapping import NewSecret

MANAGED_BY: Final = "app.kubernetes.io/managed-by"


class Creation(NamedTuple):
    """A new object.

    Attributes:
        content: The whole of it.
    """

    content: dict[str, Any]

    def __repr__(self) -> str:
        return "<Creation>"


class Recreation(NamedTuple):
    """An object that cannot be changed is deleted and created.

    Attributes:
        uid: Of the object that is deleted.
        resource_version: Of the object that is deleted.
        content: The whole new object.
        old: The whole old one, in case that the new one is refused.
    """

    uid: str
    resource_version: str
    content: dict[str, Any]
    old: dict[str, Any]

    def __repr__(self) -> str:
        return "<Recreation>"


def base_of(case: Case) -> dict[str, Any]:
    """The new object before it gets its values.

    Raises:
        ManifestError: It is to be made from a manifest that cannot be used (`MF02`).
    """
    ref = case.ref
    if isinstance(case.target.create, NewSecret):
        return {"apiVersion": ref.api_version, "kind": ref.kind, "metadata": _named({}, ref), "type": case.target.create.type}
    if case.git is None:
        hint = "name the folders of the manifests with --manifests"
        raise ManifestError("MF02", "it is to be created from its manifest, which was not found", hint=hint)
    if case.git.is_encrypted:
        raise ManifestError("MF02", "it is to be created from its manifest, which is encrypted", hint="let create say a type")
    base = folded({name: part for name, part in case.git.obj.items() if name not in ("status", "sops")})
    return {**base, "metadata": _named(section(base, "metadata"), ref)}


def marked(obj: Object, annotations: Mapping[str, str | None]) -> dict[str, Any]:
    """A new object with the label that says who made it, and annotations."""
    metadata = {**section(obj, "metadata"), "labels": {**labels_of(obj), MANAGED_BY: "secrettool"}}
    notes = {**annotations_of(obj), **annotations}
    return {**obj, "metadata": {**metadata, "annotations": notes} if notes else metadata}


def recreation(ref: Ref, live: Object, changed: Fields, annotations: Mapping[str, str | None]) -> Recreation:
    """The request that puts a new object in the place of one that cannot be changed: type, labels and annotations stay."""
    metadata = section(live, "metadata")
    old = {name: part for name, part in live.items() if name != "status"} | {"metadata": _named(metadata, ref)}
    new = filled_object(old, changed)
    notes = {name: text for name, text in {**annotations_of(live), **annotations}.items() if text is not None}
    new["metadata"] = {**new["metadata"], "annotations": notes}
    return Recreation(str(metadata["uid"]), str(metadata["resourceVersion"]), new, old)


def _named(metadata: Object, ref: Ref) -> dict[str, Any]:
    """The part of an object's metadata that a manifest has, with the name and the namespace of the target."""
    kept = {name: metadata[name] for name in ("labels", "annotations") if name in metadata}
    return {"name": ref.name, **({"namespace": ref.namespace} if ref.namespace else {}), **kept}
