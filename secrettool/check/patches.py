"""Patches of kustomization files and Flux Kustomizations, as far as they change mappings: labels, annotations, data, `spec`.

Strategic merges are done as JSON merges, and operations on list items are passed over: neither matters for what the checks look at.

Source: kustomize api/internal/builtins/PatchTransformer.go; RFC 6902.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from secrettool.errors import SecrettoolError
from secrettool.flux.fields import FieldPath, Fields, flatten, is_below, merged, nest
from secrettool.flux.ignore import Target, pointer_path
from secrettool.flux.kustomization import target_of
from secrettool.flux.reading import Section
from secrettool.manifests import read
from secrettool.objects import Object, ref_of


class Patch(NamedTuple):
    """One patch.

    Attributes:
        content: A partial object that is merged in, or operations of RFC 6902.
        target: What it applies to; None: the object that `content` names.
    """

    content: Object | list[Any]
    target: Target | None = None

    def applies_to(self, obj: Object) -> bool:
        """Whether an object is changed by it."""
        if self.target is not None:
            return self.target.selects(obj)
        if isinstance(self.content, list):
            return False
        wanted, ref = ref_of(self.content), ref_of(obj)
        return (wanted.group, wanted.kind, wanted.name) == (ref.group, ref.kind, ref.name) and wanted.namespace in ("", ref.namespace)

    def apply(self, obj: Object) -> dict[str, Any]:
        """The object after it."""
        fields = flatten(obj)
        if isinstance(self.content, list):
            for operation in self.content:
                if isinstance(operation, Mapping):
                    fields = _operated(fields, operation)
        else:
            change = {name: value for name, value in self.content.items() if name not in ("apiVersion", "kind", "metadata")}
            notes = self.content.get("metadata")
            if isinstance(notes, Mapping):
                change["metadata"] = {name: value for name, value in notes.items() if name in ("labels", "annotations")}
            fields = merged(fields, change)
        return nest(fields)


def patches_of(text: str, target: Object | None) -> Iterator[Patch]:
    """The patches that a text holds; none when it cannot be read, which kustomize itself will say.

    Args:
        text: YAML or JSON: partial objects, or one list of operations.
        target: The `target` block that stands beside it.
    """
    try:
        selected = target_of(Section(target, "target")) if target is not None else None
        if text.lstrip().startswith(("-", "[")) and not text.lstrip().startswith("---"):
            # A stream of manifests consists of mappings; a list becomes one under a name of our own.
            wrapped = read("operations:\n" + "".join(f"  {line}\n" for line in text.splitlines()), file=None)
            operations = wrapped[0].obj.get("operations")
            if isinstance(operations, list):
                yield Patch(operations, selected)
            return
        for manifest in read(text, file=None):
            yield Patch(manifest.obj, selected)
    except SecrettoolError:
        return


def _operated(fields: Fields, operation: Object) -> Fields:
    kind, pointer = operation.get("op"), operation.get("path")
    if not isinstance(pointer, str) or not pointer.startswith("/"):
        return fields
    path: FieldPath = pointer_path(pointer)
    if any(len(each) < len(path) and is_below(path, each) and fields[each] != {} for each in fields):
        return fields
    if kind in ("add", "replace", "remove"):
        fields = {each: value for each, value in fields.items() if not is_below(each, path)}
    if kind in ("add", "replace"):
        value = operation.get("value")
        fields.update({path + below: leaf for below, leaf in flatten(value).items()} if isinstance(value, Mapping) else {path: value})
    return fields
