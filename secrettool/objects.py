"""Kubernetes objects as plain mappings: what names one, and how a Secret looks once the API server has it.

Pure: nothing is read from a cluster or a file. An object is what YAML or JSON gives: mappings with string keys, lists and scalars.

Source: Kubernetes API conventions (metadata, typed data); k8s.io/kubernetes pkg/apis/core/v1/conversion.go (stringData).
"""

from __future__ import annotations

from base64 import b64encode
from binascii import a2b_base64
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

Object: TypeAlias = Mapping[str, Any]
"""An object that is only looked at."""

Place: TypeAlias = tuple[Any, str | int] | None
"""Where something stands: the place of what holds it, and its key or index there; None for the root. Costs the same at any depth."""


class Ref(NamedTuple):
    """What names an object.

    Attributes:
        api_version: Such as `v1` or `apps/v1`; empty when the object has none.
        kind: Such as `Secret`.
        namespace: Empty when the object states none.
        name: Empty when the object has none.
    """

    api_version: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return "/".join(part for part in (self.kind, self.namespace, self.name) if part)

    @property
    def group(self) -> str:
        """The API group; empty for the core group."""
        group, slash, _ = self.api_version.partition("/")
        return group if slash else ""


def ref_of(obj: Object) -> Ref:
    """The name of an object; what is missing or of another type is empty."""
    meta = section(obj, "metadata")
    return Ref(_text(obj, "apiVersion"), _text(obj, "kind"), _text(meta, "namespace"), _text(meta, "name"))


def section(obj: Object, *names: str) -> Object:
    """A mapping inside an object; empty when it is missing, null or of another type."""
    found: Any = obj
    for name in names:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def annotations_of(obj: Object) -> Object:
    """The annotations of an object."""
    return section(obj, "metadata", "annotations")


def labels_of(obj: Object) -> Object:
    """The labels of an object."""
    return section(obj, "metadata", "labels")


def is_secret(obj: Object) -> bool:
    """Whether it is a Secret of the core group."""
    return obj.get("kind") == "Secret" and obj.get("apiVersion") == "v1"


def folded(obj: Object) -> dict[str, Any]:
    """A copy of a Secret with `stringData` put into `data`, as the API server does on a write; other objects as they are.

    Base64 on several lines, which kustomize writes, comes on one, as the API server stores it: otherwise equal values would look different. A value
    of `stringData` that is no text is left where it is: the API server refuses it.
    """
    copy = dict(obj)
    if not is_secret(obj):
        return copy
    if isinstance(copy.get("data"), Mapping):
        copy["data"] = {key: _on_one_line(value) for key, value in copy["data"].items()}
    extra = copy.get("stringData")
    if not isinstance(extra, Mapping):
        return copy
    if not all(isinstance(value, str) for value in extra.values()):
        return copy
    copy.pop("stringData")
    data = dict(section(copy, "data"))
    data.update({key: b64encode(value.encode("utf-8", "surrogateescape")).decode("ascii") for key, value in extra.items()})
    if data:
        copy["data"] = data
    return copy


def _on_one_line(value: Any) -> Any:
    return value.replace("\n", "").replace("\r", "") if isinstance(value, str) else value


def decode_base64(text: str) -> bytes | None:
    """The bytes of an entry of `data`; None when it is not base64. Strict, but for line breaks, which the API server passes over as well."""
    try:
        return a2b_base64(text.replace("\n", "").replace("\r", "").encode("ascii"), strict_mode=True)
    except ValueError:
        return None


def texts(root: Any, place: Place = None) -> Iterator[tuple[Place, str]]:
    """Every string leaf below a value, in document order, with its place; keys of mappings are none. Depth is bounded by memory alone.

    Args:
        root: The value: a mapping, a list or a scalar.
        place: Its own place.
    """
    waiting: list[tuple[Place, Any]] = [(place, root)]
    while waiting:
        place, value = waiting.pop()
        if isinstance(value, str):
            yield place, value
        elif isinstance(value, Mapping):
            waiting += [((place, key), inner) for key, inner in list(value.items())[::-1]]
        elif isinstance(value, list):
            waiting += [((place, number), value[number]) for number in range(len(value) - 1, -1, -1)]


def pointer(place: Place) -> str:
    """A place as a JSON pointer (RFC 6901); empty for the root."""
    parts: list[str] = []
    while place is not None:
        place, key = place
        parts.append("/" + str(key).replace("~", "~0").replace("/", "~1"))
    return "".join(reversed(parts))


def _text(mapping: Object, name: str) -> str:
    value = mapping.get(name)
    return value if isinstance(value, str) else ""
