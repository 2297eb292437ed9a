"""Which fields a kustomization file has, and how Flux reads and writes it again.

Flux decodes the file into kustomize's types and encodes these: what they do not know is gone, names in another case are put right, a number where a
text belongs becomes one. kustomize itself would refuse the first and the last of these.

Source: kustomize api/types 0.20 (Kustomization and what it holds), kyaml/resid; sigs.k8s.io/yaml 1.6 (convertToJSONableObject); encoding/json.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from secrettool.sops.values import float_text

Shape: TypeAlias = "str | list[Shape] | dict[str, Shape]"
"""`text`, `string` (a text that is not made from a number), `flag`, `number` or `any`; a list of one shape; fields by name, where `*` stands for
every name. Fields of types that are embedded in another one are strings: the decoder does not see there that a text is wanted."""

_TEXTS: Final[Shape] = ["text"]
_PAIRS: Final[Shape] = {"*": "text"}
_GVK: Final[dict[str, Shape]] = dict.fromkeys(("group", "version", "kind"), "string")
_ID: Final[dict[str, Shape]] = {**_GVK, "name": "string", "namespace": "string"}
_SELECTOR: Final[dict[str, Shape]] = {**_ID, "annotationSelector": "text", "labelSelector": "text"}
_PATCH: Final[Shape] = {"path": "text", "patch": "text", "target": _SELECTOR, "options": {"*": "flag"}}
_IMAGE: Final[Shape] = {"name": "text", "newName": "text", "tagSuffix": "text", "newTag": "text", "digest": "text"}
_FIELD_OPTIONS: Final[Shape] = {"delimiter": "string", "index": "number", "encoding": "string", "create": "flag"}
_GENERATOR_OPTIONS: Final[dict[str, Shape]] = {"labels": _PAIRS, "annotations": _PAIRS, "disableNameSuffixHash": "flag", "immutable": "flag"}
_EMBEDDED_OPTIONS: Final[dict[str, Shape]] = {**_GENERATOR_OPTIONS, "labels": {"*": "string"}, "annotations": {"*": "string"}}
_GENERATOR: Final[dict[str, Shape]] = {
    **dict.fromkeys(("namespace", "name", "behavior", "env"), "string"),
    **{name: ["string"] for name in ("literals", "files", "envs")},
    "options": _EMBEDDED_OPTIONS,
}
_HELM_CHART: Final[Shape] = {
    **dict.fromkeys(("name", "version", "repo", "releaseName", "namespace", "valuesFile", "valuesMerge", "kubeVersion", "nameTemplate"), "text"),
    **dict.fromkeys(("includeCRDs", "skipHooks", "skipTests", "debug", "devel"), "flag"),
    "additionalValuesFiles": _TEXTS,
    "apiVersions": _TEXTS,
    "valuesInline": {"*": "any"},
}
_HELM_CHART_ARGS: Final[Shape] = {
    **dict.fromkeys(("chartName", "chartVersion", "chartRepoUrl", "chartHome", "chartRepoName", "helmBin", "helmHome", "values"), "text"),
    **dict.fromkeys(("valuesMerge", "releaseName", "releaseNamespace"), "text"),
    "valuesLocal": {"*": "any"},
    "extraArgs": _TEXTS,
}

KUSTOMIZATION: Final[dict[str, Shape]] = {
    "apiVersion": "string",
    "kind": "string",
    "metadata": {"name": "text", "namespace": "text", "labels": _PAIRS, "annotations": _PAIRS},
    "openapi": _PAIRS,
    "namePrefix": "text",
    "nameSuffix": "text",
    "namespace": "text",
    "commonLabels": _PAIRS,
    "labels": [{"pairs": _PAIRS, "includeSelectors": "flag", "includeTemplates": "flag", "fields": [{**_GVK, "path": "text", "create": "flag"}]}],
    "commonAnnotations": _PAIRS,
    "patchesStrategicMerge": _TEXTS,
    "patchesJson6902": [_PATCH],
    "patches": [_PATCH],
    "images": [_IMAGE],
    "imageTags": [_IMAGE],
    "replacements": [
        {
            "path": "text",
            "source": {**_ID, "fieldPath": "string", "options": _FIELD_OPTIONS},
            "targets": [{"select": _SELECTOR, "reject": [_SELECTOR], "fieldPaths": ["string"], "options": _FIELD_OPTIONS}],
            "sourceValue": "string",
        }
    ],
    "replicas": [{"name": "text", "count": "number"}],
    "vars": [{"name": "text", "objref": {"apiVersion": "text", **_ID}, "fieldref": {"fieldPath": "text"}}],
    "sortOptions": {"order": "text", "legacySortOptions": {"orderFirst": _TEXTS, "orderLast": _TEXTS}},
    "resources": _TEXTS,
    "components": _TEXTS,
    "crds": _TEXTS,
    "bases": _TEXTS,
    "configMapGenerator": [_GENERATOR],
    "secretGenerator": [{**_GENERATOR, "type": "text"}],
    "helmGlobals": {"chartHome": "text", "configHome": "text"},
    "helmCharts": [_HELM_CHART],
    "helmChartInflationGenerator": [_HELM_CHART_ARGS],
    "generatorOptions": _GENERATOR_OPTIONS,
    "configurations": _TEXTS,
    "generators": _TEXTS,
    "transformers": _TEXTS,
    "validators": _TEXTS,
    "buildMetadata": _TEXTS,
}
"""The fields of a kustomization file."""

_WHAT = {"text": "a text", "string": "a text", "flag": "true or false", "number": "a whole number"}


class WrongField(Exception):
    """A field has another type than kustomize's. The text names the field only."""


def read_fields(value: Any, shape: Shape = KUSTOMIZATION, place: str = "") -> Any:
    """A value as kustomize's types hold it.

    Args:
        value: What YAML gave.
        shape: The type.
        place: The field, for errors.

    Raises:
        WrongField: It does not fit.
    """
    if shape == "any":
        return value
    if isinstance(shape, list):
        if not isinstance(value, list):
            raise WrongField(f"{place} must be a list")
        empty = "" if isinstance(shape[0], str) else {}
        return [read_fields(empty if item is None else item, shape[0], f"{place}[{index}]") for index, item in enumerate(value)]
    if isinstance(shape, str):
        return _scalar(value, shape, place)
    if not isinstance(value, Mapping):
        raise WrongField(f"{place or 'the file'} must be a mapping")
    return _mapping(value, shape, place)


def _mapping(value: Mapping[str, Any], shape: dict[str, Shape], place: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    every = shape.get("*")
    folded = {} if every else {name.casefold(): name for name in shape}
    # The decoder sees the names sorted; of two that differ in case only, the last counts.
    for key in sorted(value):
        name = key if every or key in shape else folded.get(key.casefold())
        if name is None or value[key] is None:
            continue
        read = read_fields(value[key], every or shape[name], f"{place}.{name}" if place else name)
        if read or isinstance(read, Mapping) or name == "count":
            found[name] = read
        else:
            found.pop(name, None)
    return found


def _scalar(value: Any, shape: str, place: str) -> str | bool | int:
    if isinstance(value, str if shape == "string" else str | int | float) and shape in ("text", "string"):
        return _text(value)
    if shape in ("flag", "number") and isinstance(value, int) and isinstance(value, bool) == (shape == "flag"):
        return value
    raise WrongField(f"{place} must be {_WHAT[shape]}")


def _text(value: str | float) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return float_text(value) if isinstance(value, float) else str(value)
