"""Merge patches and JSON patches. Objects are never changed: a patch gives another one, which may share with the old one what stays.

Source: RFC 7386; RFC 6902, RFC 6901; github.com/evanphx/json-patch as kube-apiserver 1.34 uses it: `replace` adds an entry of a mapping that is
missing, and a merge patch leaves entries that are null out of mappings in lists, which the RFC would keep (but not where it replaces a mapping).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from secrettool.objects import Object

_INDEX: Final = re.compile(r"0|[1-9][0-9]*")


class PatchError(ValueError):
    """An operation does not fit the object, or is none. Nothing is said of either."""


def merge_patch(obj: Object, patch: Object) -> dict[str, Any]:
    """The object after a merge patch: mappings are merged, null takes an entry away, all else replaces."""
    result: dict[str, Any] = {}
    waiting: list[tuple[Any, Object, dict[str, Any]]] = [(obj, patch, result)]
    while waiting:
        before, change, target = waiting.pop()
        target.update({key: value for key, value in before.items() if key not in change or change[key] is not None})
        for key, value in change.items():
            old = target.get(key)
            if isinstance(value, Mapping):
                target[key] = {}
                waiting.append((old if isinstance(old, Mapping) else {}, value, target[key]))
            elif value is not None:
                target[key] = _pruned(value) if isinstance(value, list) and not isinstance(old, Mapping) else value
    return result


def _pruned(items: list[Any]) -> list[Any]:
    """A copy of a list without entries that are null, in mappings at any depth."""
    result: list[Any] = []
    waiting: list[tuple[Any, Any]] = [(items, result)]
    while waiting:
        source, copy = waiting.pop()
        pairs = source.items() if isinstance(source, Mapping) else enumerate(source)
        for key, value in pairs:
            if value is None and isinstance(copy, dict):
                continue
            made: Any = {} if isinstance(value, Mapping) else [] if isinstance(value, list) else value
            if made is not value:
                waiting.append((value, made))
            if isinstance(copy, dict):
                copy[key] = made
            else:
                copy.append(made)
    return result


def json_patch(obj: Object, operations: Sequence[Object]) -> dict[str, Any]:
    """The object after operations `test`, `add`, `remove`, `replace`, `copy` and `move`.

    Raises:
        PatchError: One of them fails: nothing of the patch counts then.
    """
    root: dict[str, Any] = {"": _copy(obj)}
    for each in operations:
        path = _path(each.get("path"))
        _OPERATIONS.get(str(each.get("op")), _unknown)(root, path, each)
    changed = root.get("")
    if not isinstance(changed, dict):
        raise PatchError
    return changed


def _copy(value: Any) -> Any:
    return json.loads(json.dumps(value))


def _path(pointer: object) -> list[str]:
    """The steps from the holder of the object, whose one entry has an empty name."""
    if not isinstance(pointer, str) or (pointer and not pointer.startswith("/")):
        raise PatchError
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")]


def _holder(root: Any, path: list[str]) -> Any:
    for key in path[:-1]:
        root = _value(root, key)
    return root


def _value(holder: Any, key: str) -> Any:
    if isinstance(holder, dict) and key in holder:
        return holder[key]
    if isinstance(holder, list):
        return holder[_index(holder, key, len(holder) - 1)]
    raise PatchError


def _index(holder: list[Any], key: str, last: int) -> int:
    if not _INDEX.fullmatch(key) or int(key) > last:
        raise PatchError
    return int(key)


def _given(each: Object) -> Any:
    if "value" not in each:
        raise PatchError
    return _copy(each["value"])


def _test(root: Any, path: list[str], each: Object) -> None:
    # As text, because Python takes True for 1.
    if json.dumps(_value(_holder(root, path), path[-1]), sort_keys=True) != json.dumps(_given(each), sort_keys=True):
        raise PatchError


def _put(root: Any, path: list[str], value: Any) -> None:
    holder = _holder(root, path)
    if isinstance(holder, dict):
        holder[path[-1]] = value
    elif isinstance(holder, list):
        holder.insert(len(holder) if path[-1] == "-" else _index(holder, path[-1], len(holder)), value)
    else:
        raise PatchError


def _add(root: Any, path: list[str], each: Object) -> None:
    _put(root, path, _given(each))


def _replace(root: Any, path: list[str], each: Object) -> None:
    holder = _holder(root, path)
    if isinstance(holder, list):
        holder[_index(holder, path[-1], len(holder) - 1)] = _given(each)
    else:
        _put(root, path, _given(each))


def _remove(root: Any, path: list[str], _each: Object) -> None:
    holder = _holder(root, path)
    _value(holder, path[-1])
    del holder[int(path[-1]) if isinstance(holder, list) else path[-1]]


def _copy_from(root: Any, path: list[str], each: Object) -> None:
    source = _path(each.get("from"))
    _put(root, path, _copy(_value(_holder(root, source), source[-1])))


def _move(root: Any, path: list[str], each: Object) -> None:
    source = _path(each.get("from"))
    value = _copy(_value(_holder(root, source), source[-1]))
    _remove(root, source, each)
    _put(root, path, value)


def _unknown(_root: Any, _path: list[str], _each: Object) -> None:
    raise PatchError


_OPERATIONS: Final = {"test": _test, "add": _add, "replace": _replace, "remove": _remove, "copy": _copy_from, "move": _move}
