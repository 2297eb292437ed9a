"""An object as fields: a flat mapping from path to value, which is how server-side apply sees it.

Mappings are taken apart down to their leaves; an empty mapping is a leaf. A list is one field: for Secrets and ConfigMaps, which have none beside
`ownerReferences` and `finalizers`, that is exact; in other kinds it is coarser than the API server, which knows keyed lists.

Source: Kubernetes sigs.k8s.io/structured-merge-diff fieldpath (paths, FieldsV1), k8s.io/apimachinery managedfields (fields that nobody owns).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from secrettool.objects import Object

FieldPath: TypeAlias = tuple[str, ...]
"""Keys from the root of the object, such as `("data", "password")`."""

Fields: TypeAlias = dict[FieldPath, Any]

_METADATA_WITH_OWNERS = frozenset({"labels", "annotations", "finalizers", "ownerReferences"})


def flatten(obj: Object) -> Fields:
    """The fields of an object in order."""
    found: Fields = {}
    waiting: list[tuple[FieldPath, Any]] = [((), obj)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, Mapping) and (value or not path):
            waiting.extend(((*path, str(key)), inner) for key, inner in reversed(list(value.items())))
        else:
            found[path] = value
    return found


def nest(fields: Mapping[FieldPath, Any]) -> dict[str, Any]:
    """The object that has these fields; the counterpart of `flatten`."""
    obj: dict[str, Any] = {}
    for path, value in fields.items():
        inner = obj
        for key in path[:-1]:
            below = inner.get(key)
            if not isinstance(below, dict):
                below = inner[key] = {}
            inner = below
        if value == {}:
            inner.setdefault(path[-1], {})
        else:
            inner[path[-1]] = value
    return obj


def merged(fields: Mapping[FieldPath, Any], patch: Object) -> Fields:
    """The fields after a JSON merge patch: null removes, everything else is put in place."""
    found = dict(fields)
    for path, value in flatten(patch).items():
        if value is None:
            found = {each: kept for each, kept in found.items() if not is_below(each, path)}
        else:
            found[path] = value
    return found


def is_owned(path: FieldPath) -> bool:
    """Whether managers own such a field; they do not own what names an object, what the server writes, and its status."""
    if path[0] == "metadata":
        return len(path) > 1 and path[1] in _METADATA_WITH_OWNERS
    return path[0] not in ("apiVersion", "kind", "status")


def is_compared(path: FieldPath) -> bool:
    """Whether Flux counts a difference in such a field as drift: labels, annotations, and all that is neither `metadata` nor `status`."""
    if path[0] == "metadata":
        return len(path) > 1 and path[1] in ("labels", "annotations")
    return path[0] not in ("apiVersion", "kind", "status")


def is_below(path: FieldPath, root: FieldPath) -> bool:
    """Whether a field is another one or a part of it."""
    return path[: len(root)] == root


def owned(fields: Mapping[FieldPath, Any]) -> Fields:
    """Those fields that managers own; null counts as absent."""
    return {path: value for path, value in fields.items() if is_owned(path) and value is not None}


def of_fields_v1(trie: Object) -> frozenset[FieldPath]:
    """The fields of an entry of `metadata.managedFields`. What stands inside a list counts as the list."""
    found: set[FieldPath] = set()
    waiting: list[tuple[FieldPath, Any]] = [((), trie)]
    while waiting:
        path, node = waiting.pop()
        below = [key for key in node if key != "."] if isinstance(node, Mapping) else []
        named = [key for key in below if key.startswith("f:")]
        if len(named) < len(below) or not below:
            found.add(path)
        waiting.extend(((*path, key[2:]), node[key]) for key in named)
    return frozenset(path for path in found if path)


def names(paths: Iterable[FieldPath]) -> str:
    """Fields as they stand in a message: `data.password, type`."""
    return ", ".join(".".join(path) for path in paths)
