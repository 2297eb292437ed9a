"""Resource lists: what an orchestrator such as kustomize sends to a KRM function, and what the function answers.

Source: kubernetes-sigs/kustomize cmd/config/docs/api-conventions/functions-spec.md (KRM functions specification); kyaml fn/runtime/runtimeutil, kio.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from secrettool import manifests
from secrettool.errors import FormatError, HookError
from secrettool.findings import Finding, Severity
from secrettool.findings.model import one_line
from secrettool.objects import Object, annotations_of, ref_of, section

API_VERSIONS = ("config.kubernetes.io/v1", "config.kubernetes.io/v1beta1")
KIND = "ResourceList"

LOCAL_CONFIG = "config.kubernetes.io/local-config"
"""Annotation of objects that are configuration of functions and not for the cluster; that it is there is enough."""

BAD_LIST = "HK162"
"""Code of an input that is no resource list."""

_CALLERS_PREFIX = "internal.config.kubernetes.io/"
_CALLERS = frozenset({"config.kubernetes.io/index", "config.kubernetes.io/path", "config.k8s.io/id", "kustomize.config.k8s.io/id"})

_SEVERITIES: Mapping[Severity, str] = {"error": "error", "warning": "warning", "note": "info"}


class ResourceList(NamedTuple):
    """What a function is given.

    Attributes:
        api_version: One of `API_VERSIONS`; the answer has the same.
        items: The objects.
        function_config: The configuration of the function; None without one.
    """

    api_version: str
    items: tuple[Object, ...]
    function_config: Object | None

    def __repr__(self) -> str:
        return f"<ResourceList of {len(self.items)} items>"


class Result(NamedTuple):
    """One thing that a function has to say.

    Attributes:
        finding: What it is; its `file` is a file of the source, its `subject` an object.
        about: The object that it is about; None without one.
    """

    finding: Finding
    about: Object | None = None

    def __repr__(self) -> str:
        return f"<Result {self.finding}>"


def is_resource_list(obj: Object) -> bool:
    """Whether an object is a resource list."""
    return obj.get("kind") == KIND and obj.get("apiVersion") in API_VERSIONS


def read_list(text: str) -> ResourceList:
    """Read a resource list, YAML or JSON. Words such as `yes` are strings, as for kustomize.

    Raises:
        HookError: `HK162`: it is none, or has something else where its objects should be.
    """
    try:
        found = manifests.read(text, file=None, old_booleans=False)
    except FormatError as error:
        raise _bad(error.message, key=error.where) from None
    if len(found) != 1 or not is_resource_list(found[0].obj):
        raise _bad(f"{'no' if not found else 'not a'} {KIND} of {' or '.join(API_VERSIONS)}")
    content = found[0].obj
    items = [] if content.get("items") is None else content["items"]
    config = content.get("functionConfig")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise _bad("its items are no list of objects")
    if config is not None and not isinstance(config, dict):
        raise _bad("its functionConfig is no object")
    return ResourceList(content["apiVersion"], tuple(items), config)


def dump_list(api_version: str, items: Iterable[Object], results: Iterable[Result]) -> str:
    """The answer of a function, as YAML."""
    answer: dict[str, Any] = {"apiVersion": api_version, "kind": KIND, "items": list(items)}
    shown = [as_mapping(result) for result in results]
    return manifests.dump([{**answer, "results": shown} if shown else answer])


def as_mapping(result: Result) -> dict[str, Any]:
    """A result in the form of the specification; code and hint are tags."""
    finding, about = result
    code = {"code": finding.code}
    shown: dict[str, Any] = {
        "message": one_line(f"{finding.code} {finding.text}"),
        "severity": _SEVERITIES[finding.severity],
        "tags": code if finding.hint is None else {**code, "hint": one_line(finding.hint)},
    }
    if about is not None:
        shown["resourceRef"] = _reference(about)
    if finding.key is not None:
        shown["field"] = {"path": one_line(finding.key)}
    file = {"path": one_line(finding.file)} if finding.file is not None else _file_of(about)
    if file:
        shown["file"] = file
    return shown


def _reference(about: Object) -> dict[str, str]:
    """What names an object; a manifest that is encrypted from its first line on has ciphertext even there."""
    ref = ref_of(about)
    fields = {"apiVersion": ref.api_version, "kind": ref.kind, "namespace": ref.namespace, "name": ref.name}
    return {name: "(encrypted)" if text.startswith("ENC[") else one_line(text) for name, text in fields.items() if text}


def _file_of(about: Object | None) -> dict[str, Any]:
    """Where the caller has an object from, if it said so."""
    annotations = annotations_of(about or {})
    path, index = (annotations.get(f"{_CALLERS_PREFIX}{name}") for name in ("path", "index"))
    if not isinstance(path, str):
        return {}
    return {"path": one_line(path), "index": int(index)} if isinstance(index, str) and index.isdecimal() else {"path": one_line(path)}


def is_local(obj: Object) -> bool:
    """Whether an object is configuration of a function."""
    return LOCAL_CONFIG in annotations_of(obj)


def without_callers_annotations(obj: Object) -> tuple[Object, dict[str, Any]]:
    """An object as it was before the caller annotated it, for what has to see it unchanged, and the annotations that were taken off."""
    annotations = annotations_of(obj)
    taken = {key: value for key, value in annotations.items() if key.startswith(_CALLERS_PREFIX) or key in _CALLERS}
    if not taken:
        return obj, taken
    metadata = dict(section(obj, "metadata"))
    metadata["annotations"] = {key: value for key, value in annotations.items() if key not in taken}
    if not metadata["annotations"]:
        del metadata["annotations"]
    return {**obj, "metadata": metadata}, taken


def with_annotations(obj: Object, annotations: Mapping[str, Any]) -> Object:
    """An object with the annotations of the caller back in their places."""
    if not annotations:
        return obj
    metadata = section(obj, "metadata")
    return {**obj, "metadata": {**metadata, "annotations": {**annotations_of(obj), **annotations}}}


def _bad(message: str, *, key: str | None = None) -> HookError:
    hint = "the function reads what kustomize sends it; a plain stream of manifests is for `secrettool hook decrypt`"
    return HookError(BAD_LIST, message, subject="stdin", key=key, hint=hint)
