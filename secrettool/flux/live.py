"""An object in the cluster with the managers of its fields, and how writes by others and by Flux change both.

A small model of server-side apply: who wrote a field last owns it; an apply removes the fields that its manager owned alone and no longer sends.

Source: Kubernetes documentation "Server-Side Apply"; k8s.io/apimachinery/pkg/util/managedfields.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Literal, NamedTuple, TypeAlias

from secrettool.flux.fields import FieldPath, Fields, flatten, merged, nest, of_fields_v1, owned
from secrettool.objects import Object, folded, is_secret, section

Operation: TypeAlias = Literal["Apply", "Update"]

APPLY_MANAGER = "secrettool"
"""Field manager of `hook apply` and of the sidecar."""

PATCH_MANAGER = "secrettool-patch"
"""Field manager of the patcher."""

RESTART_MANAGER = "secrettool-restart"
"""Field manager of restarts."""


_LEFT_OUT = frozenset({("metadata", "labels"), ("metadata", "annotations"), ("data",), ("stringData",)})


class FieldManager(NamedTuple):
    """One entry of `metadata.managedFields`.

    Attributes:
        name: The manager.
        operation: Whether it applied (server-side) or updated (everything else, patches too).
        fields: What it owns.
        subresource: Such as `status`; empty for the object itself.
    """

    name: str
    operation: Operation
    fields: frozenset[FieldPath]
    subresource: str = ""


class LiveObject(NamedTuple):
    """An object as it is in the cluster.

    Attributes:
        obj: The object as the API server returns it; `data` of a Secret is base64.
        managers: Who owns which field; a field may have several owners, or none.
    """

    obj: dict[str, Any]
    managers: tuple[FieldManager, ...]

    def __repr__(self) -> str:
        return f"<LiveObject {self.obj.get('kind')} managed by {', '.join(manager.name for manager in self.managers)}>"

    @classmethod
    def from_object(cls, obj: Object) -> LiveObject:
        """Read what the API server returned; without `metadata.managedFields` nobody owns anything."""
        entries = section(obj, "metadata").get("managedFields")
        found = [_manager(entry) for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
        return cls(dict(obj), tuple(found))

    def owners(self, path: FieldPath) -> list[FieldManager]:
        """The managers of a field."""
        return [manager for manager in self.managers if path in manager.fields]


def patched(live: LiveObject | None, manager: str, patch: Object) -> LiveObject:
    """The object after a merge patch, or after its creation, by a manager.

    Args:
        live: The object before; None creates it.
        manager: Who writes.
        patch: A JSON merge patch: null removes. For a new object the whole of it.
    """
    return updated(live, manager, _stored(merged(flatten(live.obj) if live else {}, patch)))


def updated(live: LiveObject | None, manager: str, obj: Object) -> LiveObject:
    """The object after a manager wrote it in any way but by an apply.

    Args:
        live: The object before; None when it is new.
        manager: Who writes.
        obj: The object afterwards, as the API server stores it.
    """
    before, after = flatten(live.obj) if live else {}, flatten(obj)
    written = frozenset(path for path, value in owned(after).items() if path not in before or before[path] != value)
    gone = before.keys() - after.keys()
    managers = _without(live.managers if live else (), written | gone)
    return LiveObject(dict(obj), _with(managers, FieldManager(manager, "Update", written)))


def applied(live: LiveObject | None, manager: str, payload: Object) -> LiveObject:
    """The object after a forced server-side apply by a manager.

    Ownership is recorded for the fields as they were sent: who sends `stringData` owns `stringData`, so keys that he drops later stay in `data`.
    """
    before = flatten(live.obj) if live else {}
    managers = live.managers if live else ()
    sent = owned(flatten(payload))
    own = frozenset[FieldPath]().union(*(each.fields for each in managers if _is_apply_of(each, manager)))
    others = tuple(each for each in managers if not _is_apply_of(each, manager))
    elsewhere = frozenset[FieldPath]().union(*(each.fields for each in others))
    dropped = own - sent.keys() - elsewhere
    after: Fields = {path: value for path, value in before.items() if path not in dropped}
    head = () if live else ((path, value) for path, value in flatten(payload).items() if path not in sent and value is not None)
    after.update(head)
    after.update(sent)
    changed = frozenset(path for path, value in sent.items() if path in before and before[path] != value)
    applier = FieldManager(manager, "Apply", frozenset(sent))
    return LiveObject(_stored(after), _with(_without(others, changed), applier))


def taken_over(live: LiveObject, manager: str, is_taken: Callable[[FieldManager], bool]) -> LiveObject:
    """The object after the fields of some managers were made those of one that applies."""
    taken = [each for each in live.managers if not each.subresource and not _is_apply_of(each, manager) and is_taken(each)]
    rest = tuple(each for each in live.managers if each not in taken)
    fields = frozenset[FieldPath]().union(*(each.fields for each in taken))
    return LiveObject(live.obj, _with(rest, FieldManager(manager, "Apply", fields)))


def removed(live: LiveObject, paths: Collection[FieldPath]) -> LiveObject:
    """The object without some fields."""
    kept = {path: value for path, value in flatten(live.obj).items() if path not in paths}
    return LiveObject(nest(kept), _without(live.managers, frozenset(paths)))


def _stored(fields: Fields) -> dict[str, Any]:
    """The object as the API server keeps it: `stringData` folded, the type of a Secret filled in, empty maps left out."""
    obj = nest({path: value for path, value in fields.items() if value != {} or path not in _LEFT_OUT})
    if not is_secret(obj):
        return obj
    stored = folded(obj)
    stored.setdefault("type", "Opaque")
    return stored


def _without(managers: tuple[FieldManager, ...], fields: frozenset[FieldPath] | set[FieldPath]) -> tuple[FieldManager, ...]:
    left = (manager._replace(fields=manager.fields - fields) for manager in managers)
    return tuple(manager for manager in left if manager.fields)


def _with(managers: tuple[FieldManager, ...], more: FieldManager) -> tuple[FieldManager, ...]:
    """The managers with one entry merged in."""
    same = [each for each in managers if each[:2] == more[:2] and each.subresource == more.subresource]
    fields = more.fields.union(*(each.fields for each in same))
    rest = tuple(each for each in managers if each not in same)
    return (*rest, more._replace(fields=fields)) if fields else rest


def _is_apply_of(each: FieldManager, manager: str) -> bool:
    return each.name == manager and each.operation == "Apply" and not each.subresource


def _manager(entry: Object) -> FieldManager:
    operation: Operation = "Apply" if entry.get("operation") == "Apply" else "Update"
    fields = of_fields_v1(section(entry, "fieldsV1"))
    return FieldManager(str(entry.get("manager") or ""), operation, fields, str(entry.get("subresource") or ""))
