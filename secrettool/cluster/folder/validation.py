"""What an API server refuses, for the kinds that patches are about: metadata of every kind, Secrets, ConfigMaps.

Texts are those that `redaction` makes of the server's: the field and the cause, never a value.

Source: k8s.io/kubernetes pkg/apis/core/validation/validation.go (ValidateSecret, ValidateSecretUpdate, ValidateConfigMap), k8s.io/apimachinery
pkg/util/validation, pkg/api/validation (ValidateObjectMeta); answers of kube-apiserver 1.34.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Final, NamedTuple

from secrettool.errors import ClusterError
from secrettool.flux.secret import MAX_DATA
from secrettool.objects import Object, decode_base64, is_secret, ref_of, section

_METADATA: Final = frozenset(
    {
        *("name", "generateName", "namespace", "selfLink", "uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp"),
        *("deletionGracePeriodSeconds", "labels", "annotations", "ownerReferences", "finalizers", "managedFields"),
    }
)
_HEAD: Final = ("apiVersion", "kind", "metadata")
_SECRET: Final = frozenset({*_HEAD, "data", "stringData", "immutable", "type"})
_CONFIG_MAP: Final = frozenset({*_HEAD, "data", "binaryData", "immutable"})
_REQUIRED: Final = {
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/dockercfg": (".dockercfg",),
}
_MAX_KEY: Final = 253

_KEY: Final = re.compile(r"[-._a-zA-Z0-9]+")
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL_VALUE: Final = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9])?")
_QUALIFIED: Final = re.compile(r"(?:(?P<prefix>[^/]{1,253})/)?([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)")


class Problem(NamedTuple):
    """Why an object is refused.

    Attributes:
        text: Field and cause.
        is_shape: Whether the object does not have the form of its kind at all. An apply is told so with another status than a patch, and with the
            field.
        field: Where that is, such as `.data.a`; empty when the server does not say it.
    """

    text: str
    is_shape: bool = False
    field: str = ""


def refusal(problem: Problem, subject: str, *, applied: bool) -> ClusterError:
    """The answer of an API server to a problem."""
    if problem.is_shape and applied:
        text = f"{problem.field}: {problem.text}" if problem.field else problem.text
        return ClusterError(f"500 InternalServerError: {text}", status=500, reason="InternalServerError", subject=subject)
    return invalid(problem.text, subject)


def invalid(text: str, subject: str) -> ClusterError:
    """The answer to what is not valid."""
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    return ClusterError(f"{status.value} Invalid" + (f": {text}" if text else ""), status=status.value, reason="Invalid", subject=subject)


def problem_of(obj: Object) -> Problem | None:
    """Why an object, as it would be kept, is refused whatever was there before; None when it is taken."""
    return next(iter(_problems(obj)), None)


def forbidden_change(before: Object, after: Object) -> Problem | None:
    """Why an object may not become another one; None when it may."""
    for name in ("kind", "apiVersion"):
        if before.get(name) != after.get(name):
            return Problem(f"{name}: the field cannot be changed")
    if is_secret(before) and before.get("type") != after.get("type"):
        return Problem("type: the field cannot be changed")
    if ref_of(before)[:2] not in (("v1", "Secret"), ("v1", "ConfigMap")) or before.get("immutable") is not True:
        return None
    for name in ("immutable", "data", "binaryData"):
        if before.get(name) != after.get(name):
            return Problem(f"{name}: the object is immutable")
    return None


def _problems(obj: Object) -> Iterable[Problem]:
    ref = ref_of(obj)
    yield from _metadata_problems(section(obj, "metadata"))
    if ref[:2] == ("v1", "Secret"):
        yield from _shape_problems(obj, _SECRET)
        yield from _secret_problems(obj)
    elif ref[:2] == ("v1", "ConfigMap"):
        yield from _shape_problems(obj, _CONFIG_MAP)
        yield from _key_problems(obj, "data", "binaryData")
        texts = sum(len(str(value).encode("utf-8", "surrogatepass")) for value in section(obj, "data").values())
        if texts + _size(section(obj, "binaryData")) > MAX_DATA:
            yield Problem(f"it is larger than {MAX_DATA}")
    if ref[:2] in (("v1", "Secret"), ("v1", "ConfigMap")) and not (_NAME.fullmatch(ref.name) and len(ref.name) <= _MAX_KEY):
        yield Problem("metadata.name is invalid")


def _metadata_problems(metadata: Object) -> Iterable[Problem]:
    for name in metadata:
        if name not in _METADATA:
            yield Problem("the kind has no such field", is_shape=True, field=f".metadata.{name}")
    for part in ("labels", "annotations"):
        yield from _type_problems(metadata, part, ".metadata")
        for key, value in section(metadata, part).items():
            found = _QUALIFIED.fullmatch(key)
            wrong_prefix = found is not None and found["prefix"] is not None and not _NAME.fullmatch(found["prefix"].lower())
            if found is None or wrong_prefix or (part == "labels" and not _LABEL_VALUE.fullmatch(value)):
                yield Problem(f"metadata.{part} is invalid")


def _shape_problems(obj: Object, fields: frozenset[str]) -> Iterable[Problem]:
    for name in obj:
        if name not in fields:
            yield Problem("the kind has no such field", is_shape=True, field=f".{name}")
    for name, of_type in (("type", str), ("immutable", bool)):
        if obj.get(name) is not None and not isinstance(obj[name], of_type):
            yield Problem("a field has the wrong type", is_shape=True, field=f".{name}")
    for name in ("data", "stringData", "binaryData"):
        yield from _type_problems(obj, name, "")
    encoded = "data" if is_secret(obj) else "binaryData"
    if any(decode_base64(value) is None for value in section(obj, encoded).values()):
        yield Problem("data is not base64", is_shape=True)


def _type_problems(holder: Object, name: str, place: str) -> Iterable[Problem]:
    """What is wrong with a mapping from text to text."""
    entries = holder.get(name)
    if entries is None:
        return
    if not isinstance(entries, Mapping):
        yield Problem("a field has the wrong type", is_shape=True, field=f"{place}.{name}")
        return
    for key, value in entries.items():
        if not isinstance(value, str):
            yield Problem("a field has the wrong type", is_shape=True, field=f"{place}.{name}.{key}")


def _secret_problems(obj: Object) -> Iterable[Problem]:
    yield from _key_problems(obj, "data")
    data = section(obj, "data")
    if _size(data) > MAX_DATA:
        yield Problem(f"data: it is larger than {MAX_DATA}")
    missing = [key for key in _REQUIRED.get(str(obj.get("type")), ()) if key not in data]
    if missing:
        yield Problem(", ".join(f"data[{key}] is required" for key in missing))
    if obj.get("type") == "kubernetes.io/basic-auth" and not {"username", "password"} & data.keys():
        yield Problem("data[username] is required, data[password] is required")


def _key_problems(obj: Object, *names: str) -> Iterable[Problem]:
    for name in names:
        for key in section(obj, name):
            if len(key) > _MAX_KEY:
                yield Problem(f"a field: it is larger than {_MAX_KEY}")
            if not _KEY.fullmatch(key) or key == "." or key.startswith(".."):
                yield Problem(f"{name}[{key if key.isprintable() else '***'}] is invalid")


def _size(data: Object) -> int:
    return sum(len(decode_base64(value) or b"") for value in data.values())
