"""What Flux and the API server do to a Secret: normalisation before an apply, and the reasons for which it is refused.

Source: fluxcd/pkg ssa/normalize/normalize.go; k8s.io/kubernetes pkg/apis/core/validation/validation.go (ValidateSecret, ValidateSecretUpdate).
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from typing import Any, NamedTuple

from secrettool.objects import Object, decode_base64, folded, is_secret, section

MAX_DATA = 1024 * 1024
"""Bytes of decoded data that a Secret may have."""

_FIELDS = ("apiVersion", "kind", "metadata", "data", "stringData", "immutable", "type")


class Refusal(NamedTuple):
    """Why the API server does not take an object.

    Attributes:
        reason: The cause, without a value.
        invalid: Whether the server calls it invalid, which Flux takes for a change of an immutable field.
    """

    reason: str
    invalid: bool


def normalised(obj: Object) -> dict[str, Any]:
    """A Secret as Flux sends it: read as the typed object, `stringData` folded into `data`, fields that Secrets do not have dropped.

    When it cannot be read as a Secret (an entry of `data` is not base64), it stays as it is, a `sops` section included. Other kinds stay too.
    """
    if not is_secret(obj) or not _is_typed(obj):
        return dict(obj)
    known: dict[str, Any] = {name: obj[name] for name in _FIELDS if obj.get(name) is not None}
    data = section(known, "data")
    if data:
        known["data"] = {key: b64encode(_decoded(value)).decode("ascii") for key, value in data.items()}
    return folded(known)


def refusal(payload: Object, before: Object | None, after: Object) -> Refusal | None:
    """Why the API server refuses an apply; None when it takes it. Kinds other than Secret are taken.

    Args:
        payload: What is sent.
        before: The object in the cluster.
        after: What it would become.
    """
    if not is_secret(payload):
        return None
    unknown = next((name for name in payload if name not in _FIELDS and name != "status"), None)
    if unknown is not None:
        return Refusal(f".{unknown}: field not declared in schema", invalid=False)
    if not _is_typed(payload):
        return Refusal("data is not base64, or a field has the wrong type", invalid=False)
    if sum(len(_decoded(value)) for value in section(after, "data").values()) > MAX_DATA:
        return Refusal(f"data is larger than {MAX_DATA} bytes", invalid=True)
    return _refused_change(before, after) if before is not None else None


def _refused_change(before: Object, after: Object) -> Refusal | None:
    if after.get("type") != before.get("type"):
        return Refusal("type: field is immutable", invalid=True)
    if before.get("immutable") is True and (after.get("immutable") is not True or section(after, "data") != section(before, "data")):
        return Refusal("data: field is immutable when `immutable` is set", invalid=True)
    return None


def _is_typed(obj: Object) -> bool:
    types = (("data", Mapping), ("stringData", Mapping), ("type", str), ("immutable", bool))
    if not all(obj.get(name) is None or isinstance(obj[name], kind) for name, kind in types):
        return False
    texts = all(isinstance(value, str) for value in section(obj, "stringData").values())
    return texts and all(map(_is_base64, section(obj, "data").values()))


def _is_base64(value: object) -> bool:
    return value is None or (isinstance(value, str) and decode_base64(value) is not None)


def _decoded(value: str | None) -> bytes:
    return decode_base64(value or "") or b""
