"""Two versions of an object with their secrets hidden, as Flux hides them: `***`, or `*** (before)` and `*** (after)` where they differ.

Source: github.com/fluxcd/pkg/ssa 0.61 sanitize.go (SanitizeUnstructuredData).
"""

from __future__ import annotations

from typing import Any, Final

from secrettool.flux.fields import FieldPath, Fields, flatten, nest
from secrettool.objects import Object, is_secret

SAME: Final = "***"
BEFORE: Final = "*** (before)"
AFTER: Final = "*** (after)"

_VALUES: Final = ("data", "stringData")
_LAST_APPLIED: Final = ("metadata", "annotations", "kubectl.kubernetes.io/last-applied-configuration")  # a copy of the whole object
_NAMES: Final = frozenset({("apiVersion",), ("kind",), ("metadata", "name"), ("metadata", "namespace")})


def masked(before: Object | None, after: Object | None, *, whole: bool = False) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Both versions without secrets: neither a value nor its length shows, only whether it changed.

    Args:
        before: The object before; None when there was none.
        after: The object afterwards; None when there is none.
        whole: Hide every value but the object's name: it was encrypted as a whole. Else only values of Secrets are hidden.
    """
    hides_values = any(obj is not None and is_secret(obj) for obj in (before, after))
    old, new = (flatten(obj) if obj is not None else {} for obj in (before, after))
    shown: tuple[Fields, Fields] = (dict(old), dict(new))
    for path in {**old, **new}:
        if not _is_hidden(path, hides_values, whole):
            continue
        is_changed = path in old and path in new and _differ(old[path], new[path])
        for fields, mark in zip(shown, (BEFORE, AFTER), strict=True):
            if path in fields and fields[path] != {}:
                fields[path] = mark if is_changed else SAME
    return (nest(shown[0]) if before is not None else None), (nest(shown[1]) if after is not None else None)


def _is_hidden(path: FieldPath, hides_values: bool, whole: bool) -> bool:
    if whole:
        return path not in _NAMES
    return hides_values and (path[0] in _VALUES or path == _LAST_APPLIED)


def _differ(old: Any, new: Any) -> bool:
    return type(old) is not type(new) or old != new
