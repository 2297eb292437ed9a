"""Two versions of an object as text, and which fields differ. Secrets are hidden."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import unified_diff
from typing import Any, Literal, NamedTuple, TypeAlias

from secrettool.cluster.drift import compared, has_drifted
from secrettool.cluster.masking import masked
from secrettool.flux.fields import FieldPath, flatten, nest
from secrettool.manifests import dump
from secrettool.objects import Object, Ref

Change: TypeAlias = Literal["added", "replaced", "removed"]

_FIRST = {"apiVersion": 0, "kind": 1, "metadata": 2}


class FieldChange(NamedTuple):
    """A field that differs.

    Attributes:
        pointer: Where it is (RFC 6901).
        change: What happens to it.
    """

    pointer: str
    change: Change


class Difference(NamedTuple):
    """How an object differs.

    Attributes:
        ref: The object.
        change: `added` and `removed`: there is only one version.
        fields: What differs; empty when there is only one version.
        text: Unified text of both, secrets hidden.
    """

    ref: Ref
    change: Change
    fields: tuple[FieldChange, ...]
    text: str


def difference(ref: Ref, before: Object | None, after: Object | None, *, whole: bool = False) -> Difference | None:
    """How two versions of an object differ; None when they do not.

    Args:
        ref: The object.
        before: One version; None when there is none.
        after: The other; None when there is none.
        whole: Hide every value; see `masked`.
    """
    old, new = (compared(obj) if obj is not None else None for obj in (before, after))
    if old is None or new is None:
        change: Change = "added" if old is None else "removed"
        return Difference(ref, change, (), _text(ref, old, new, whole))
    if not has_drifted(old, new):
        return None
    return Difference(ref, "replaced", tuple(_changes(old, new)), _text(ref, old, new, whole))


def _changes(before: Object, after: Object) -> Iterator[FieldChange]:
    old, new = flatten(before), flatten(after)
    for path in sorted({**old, **new}, key=_place):
        if path not in old:
            yield FieldChange(_pointer(path), "added")
        elif path not in new:
            yield FieldChange(_pointer(path), "removed")
        elif type(old[path]) is not type(new[path]) or old[path] != new[path]:
            yield FieldChange(_pointer(path), "replaced")


def _text(ref: Ref, before: Object | None, after: Object | None, whole: bool) -> str:
    old, new = masked(before, after, whole=whole)
    name_before, name_after = (f"{side}/{ref}" if obj is not None else "/dev/null" for side, obj in (("a", before), ("b", after)))
    return "".join(unified_diff(_lines(old), _lines(new), name_before, name_after))


def _lines(obj: dict[str, Any] | None) -> list[str]:
    if obj is None:
        return []
    fields = flatten(obj)
    return dump([nest({path: fields[path] for path in sorted(fields, key=_place)})]).splitlines(keepends=True)


def _place(path: FieldPath) -> tuple[int, FieldPath]:
    return _FIRST.get(path[0], len(_FIRST)), path


def _pointer(path: FieldPath) -> str:
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in path)
