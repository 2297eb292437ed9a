"""The requests that write values: merge patches, and JSON patches where a pointer leads through a list.

    wanted + live -> changes -> merge patch with resourceVersion, or operations that test before they write

Only what differs is sent. What is in the cluster is compared in constant time.

Source: requirements PT-16 to PT-20; RFC 7386, RFC 6902; k8s.io/apiserver pkg/endpoints/handlers/patch.go.
"""

from __future__ import annotations

import hmac
import json
from base64 import b64encode
from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from secrettool.flux.fields import nest
from secrettool.flux.ignore import pointer_path
from secrettool.objects import Object, annotations_of, decode_base64, is_secret, section

LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
"""Where `kubectl apply` keeps what it sent, the values of Secrets included."""

PatchKind: TypeAlias = Literal["merge", "json"]

Fields: TypeAlias = Mapping[str, bytes | None]
"""Bytes by key of a Secret, or by JSON pointer in another kind; None takes the entry away."""


class Body(NamedTuple):
    """What is sent.

    Attributes:
        kind: Merge patch (RFC 7386) or JSON patch (RFC 6902).
        content: The partial object, or the operations.
    """

    kind: PatchKind
    content: dict[str, Any] | list[dict[str, Any]]

    def __repr__(self) -> str:
        return f"<Body {self.kind}>"


class MissingPlace(LookupError):
    """A pointer leads through a list to a place that the object does not have. The argument is the pointer."""


def live_value(obj: Object, name: str) -> bytes | None:
    """What the cluster has for a key of a Secret or at a JSON pointer; None when there is nothing. A value that is no text is its JSON."""
    if is_secret(obj):
        text = section(obj, "data").get(name)
        return decode_base64(text) if isinstance(text, str) else None
    found = _at(obj, pointer_path(name))
    if found is None:
        return None
    return found.encode("utf-8", "surrogatepass") if isinstance(found, str) else json.dumps(found).encode()


def equal(one: bytes | None, other: bytes | None) -> bool:
    """Whether two values are equal; takes as long for any two of the same lengths."""
    if one is None or other is None:
        return one is other
    return hmac.compare_digest(one, other)


def changes(obj: Object, wanted: Fields) -> dict[str, bytes | None]:
    """What of the wanted values the object does not have."""
    return {name: value for name, value in wanted.items() if not equal(live_value(obj, name), value) or _has_another_type(obj, name, value)}


def holds_plain_copy(obj: Object) -> bool:
    """Whether `kubectl apply` left a copy of a Secret's values in its annotation."""
    text = annotations_of(obj).get(LAST_APPLIED)
    if not is_secret(obj) or not isinstance(text, str):
        return False
    try:
        copy = json.loads(text)
    except (ValueError, RecursionError):
        return True  # whatever it is, it is not what kubectl can use
    return isinstance(copy, dict) and any(name in copy for name in ("data", "stringData"))


def size_of(obj: Object, changed: Fields) -> int:
    """Bytes of data that a Secret has after the changes."""
    names = {*map(str, section(obj, "data")), *changed}
    values = (changed[name] if name in changed else live_value(obj, name) for name in names)
    return sum(len(value) for value in values if value is not None)


def body(obj: Object, changed: Fields, annotations: Mapping[str, str | None]) -> Body:
    """The request for all changes of one object.

    Args:
        obj: The object as it was read; its `resourceVersion` becomes the precondition.
        changed: Values to write and to take away.
        annotations: To set, or with None to take away.

    Raises:
        MissingPlace: A pointer leads to no place.
    """
    if not is_secret(obj) and any(_leads_through_list(obj, name) for name in changed):
        return Body("json", _operations(obj, changed, annotations))
    metadata: dict[str, Any] = {"resourceVersion": _version(obj)}
    if annotations:
        metadata["annotations"] = dict(annotations)
    content: dict[str, Any] = {"metadata": metadata}
    if is_secret(obj):
        content |= {"data": {name: _base64(value) for name, value in changed.items()}} if changed else {}
        return Body("merge", content)
    # `nest` takes an empty mapping for a leaf, and null for a value: just what a merge patch needs.
    fields = nest({pointer_path(name): _text(value) for name, value in changed.items()})
    return Body("merge", _joined(fields, content))


def filled_object(obj: Object, wanted: Fields) -> dict[str, Any]:
    """An object with values put in, for its creation; one of which `data` of a Secret is folded.

    Raises:
        MissingPlace: A pointer leads to no place.
    """
    if is_secret(obj):
        data = dict(section(obj, "data"))
        for name, value in wanted.items():
            data.pop(name, None)
            if value is not None:
                data[name] = _base64(value)
        return {**{name: part for name, part in obj.items() if name != "data"}, **({"data": data} if data else {})}
    new: dict[str, Any] = json.loads(json.dumps(obj))
    for name, value in wanted.items():
        _put(new, name, _text(value))
    return new


def _version(obj: Object) -> str:
    """The version of the object. An empty one would be no precondition at all (PT-17)."""
    version = section(obj, "metadata").get("resourceVersion")
    if not isinstance(version, str) or not version:
        raise ValueError("an object without resourceVersion was not read from a cluster")
    return version


def _base64(value: bytes | None) -> str | None:
    return None if value is None else b64encode(value).decode("ascii")


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8")


def _has_another_type(obj: Object, name: str, value: bytes | None) -> bool:
    """Whether a field holds the number 1 where the text `1` is wanted."""
    return value is not None and not is_secret(obj) and not isinstance(_at(obj, pointer_path(name)), str)


def _joined(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Two partial objects as one; they share mappings at most down to `metadata.annotations`."""
    metadata = {**section(one, "metadata"), **section(other, "metadata")}
    annotations = {**section(one, "metadata", "annotations"), **section(other, "metadata", "annotations")}
    if annotations:
        metadata["annotations"] = annotations
    return {**one, **other, "metadata": metadata}


# ---- pointers ------------------------------------------------------------------------------------------------------------------------------------


def _step(holder: Any, key: str) -> Any:
    """What a mapping or a list has under a key; None for nothing."""
    if isinstance(holder, Mapping):
        return holder.get(key)
    if isinstance(holder, list) and key.isascii() and key.isdigit() and (key == "0" or key[0] != "0") and int(key) < len(holder):
        return holder[int(key)]
    return None


def _at(obj: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        obj = _step(obj, key)
    return obj


def _leads_through_list(obj: Object, name: str) -> bool:
    path = pointer_path(name)
    return any(isinstance(_at(obj, path[:length]), list) for length in range(len(path)))


def _put(obj: dict[str, Any], name: str, value: str | None) -> None:
    """Set or take away what a pointer names; mappings on the way are made, elements of lists are not."""
    path = pointer_path(name)
    holder: Any = obj
    for key in path[:-1]:
        below = _step(holder, key)
        if not isinstance(below, dict | list):
            if isinstance(holder, list):
                raise MissingPlace(name)
            below = holder[key] = {}
        holder = below
    if isinstance(holder, list):
        if _step(holder, path[-1]) is None:
            raise MissingPlace(name)
        if value is None:
            del holder[int(path[-1])]
        else:
            holder[int(path[-1])] = value
    elif value is None:
        holder.pop(path[-1], None)
    else:
        holder[path[-1]] = value


# ---- JSON patch ----------------------------------------------------------------------------------------------------------------------------------


def _operations(obj: Object, changed: Fields, annotations: Mapping[str, str | None]) -> list[dict[str, Any]]:
    """Operations that fail when the object, or a value that is replaced, is not what was read.

    What they add may need mappings that are not there yet: a copy of the object is changed along, so that each is added once.
    """
    found: list[dict[str, Any]] = [{"op": "test", "path": "/metadata/resourceVersion", "value": _version(obj)}]
    copy: dict[str, Any] = json.loads(json.dumps(obj))
    for name, value in changed.items():
        old = _at(obj, pointer_path(name))
        if old is not None:
            found.append({"op": "test", "path": name, "value": old})
        found += _operation(copy, name, _text(value))
        _put(copy, name, _text(value))
    for key, text in annotations.items():
        name = "/metadata/annotations/" + key.replace("~", "~0").replace("/", "~1")
        found += _operation(copy, name, text)
        _put(copy, name, text)
    return found


def _operation(obj: Object, name: str, value: str | None) -> list[dict[str, Any]]:
    path = pointer_path(name)
    there = _at(obj, path) is not None
    if value is None:
        return [{"op": "remove", "path": name}] if there else []
    if there:
        return [{"op": "replace", "path": name, "value": value}]
    parts = name.split("/")
    length = next(length for length in range(1, len(path) + 1) if _at(obj, path[:length]) is None)
    if isinstance(_at(obj, path[: length - 1]), list):
        raise MissingPlace(name)  # a JSON patch would add an element, and a `replace` does so without a word
    return [{"op": "add", "path": "/".join(parts[: length + 1]), "value": nest({path[length:]: value}) if length < len(path) else value}]
