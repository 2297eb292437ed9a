"""A kustomization file, as far as the walk over a source needs it.

It is read as Flux reads it there: names of fields in any case, unknown fields passed over, a wrong type is an error. Where Go turns a number or a
boolean into the text that a field wants, so does this; inside a generator it does not, since its fields are embedded ones.

Source: sigs.k8s.io/kustomize api/types/kustomization.go; sigs.k8s.io/yaml 1.6 (Unmarshal); kustomize-controller internal/decryptor
(secureLoadKustomizationFile).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from secrettool import manifests
from secrettool.errors import FormatError, HookError
from secrettool.sops.values import float_text

NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
"""What a kustomization file may be called; a folder has exactly one."""

BROKEN = "HK124"
"""Code of a kustomization file that cannot be read."""


class Generator(NamedTuple):
    """The files that a generator names.

    Attributes:
        files: `[key=]path` each.
        envs: A path each.
    """

    files: tuple[str, ...]
    envs: tuple[str, ...]


class Kustomization(NamedTuple):
    """What a kustomization file names.

    Attributes:
        resources: Files, folders and URLs.
        components: Folders and URLs.
        secrets: The entries of `secretGenerator`.
        config_maps: The entries of `configMapGenerator`.
        patches: The `path` of every entry of `patches` that has one.
        strategic_patches: The entries of `patchesStrategicMerge`, which are paths or patches.
        json_patches: The `path` of every entry of `patchesJson6902` that has one.
    """

    resources: tuple[str, ...]
    components: tuple[str, ...]
    secrets: tuple[Generator, ...]
    config_maps: tuple[Generator, ...]
    patches: tuple[str, ...]
    strategic_patches: tuple[str, ...]
    json_patches: tuple[str, ...]


_Shape = Literal["text", "texts", "mapping", "mappings"]

_SHAPES: Mapping[str, _Shape] = {
    **dict.fromkeys(("apiVersion", "kind", "namePrefix", "nameSuffix", "namespace"), "text"),
    **dict.fromkeys(("resources", "components", "crds", "bases", "patchesStrategicMerge"), "texts"),
    **dict.fromkeys(("configurations", "generators", "transformers", "validators", "buildMetadata"), "texts"),
    **dict.fromkeys(("metadata", "openapi", "commonLabels", "commonAnnotations", "sortOptions", "helmGlobals", "generatorOptions"), "mapping"),
    **dict.fromkeys(("labels", "patchesJson6902", "patches", "images", "imageTags", "replacements", "replicas", "vars"), "mappings"),
    **dict.fromkeys(("configMapGenerator", "secretGenerator", "helmCharts", "helmChartInflationGenerator"), "mappings"),
}
"""All fields, and what each of them holds."""


def read_kustomization(data: bytes, file: str) -> Kustomization:
    """Read a kustomization file; only its first document counts.

    Args:
        data: The file.
        file: Its path, for errors.

    Raises:
        HookError: `HK124`: broken YAML, or a field of a wrong type.
    """
    try:
        documents = manifests.read(data.decode("utf-8", "surrogateescape"), file=None)
    except FormatError as error:
        raise HookError(BROKEN, f"the kustomization file is broken: {error.message}", subject=file, key=error.where) from None
    return _Reader(file).kustomization(documents[0].obj if documents else {})


class _Reader:
    """Takes fields out of mappings; knows the file for errors."""

    def __init__(self, file: str) -> None:
        self._file = file

    def kustomization(self, content: Mapping[str, Any]) -> Kustomization:
        fields = {name: self._shaped(_field(content, name), shape, name) for name, shape in _SHAPES.items()}
        return Kustomization(
            resources=tuple(fields["resources"]),
            components=tuple(fields["components"]),
            secrets=self._generators(fields["secretGenerator"], "secretGenerator"),
            config_maps=self._generators(fields["configMapGenerator"], "configMapGenerator"),
            patches=self._paths(fields["patches"], "patches"),
            strategic_patches=tuple(fields["patchesStrategicMerge"]),
            json_patches=self._paths(fields["patchesJson6902"], "patchesJson6902"),
        )

    def _shaped(self, value: Any, shape: _Shape, where: str) -> Any:
        """A value with the type that its field has; an empty one for null."""
        if shape == "text":
            return self._text(value, where)
        if shape == "mapping":
            return self._of_type(value, dict, where, "a mapping") or {}
        entries = self._of_type(value, list, where, "a list") or []
        if shape == "texts":
            return [self._text(entry, f"{where}[{number}]") for number, entry in enumerate(entries)]
        return [self._of_type(entry, dict, f"{where}[{number}]", "a mapping") or {} for number, entry in enumerate(entries)]

    def _generators(self, entries: list[Mapping[str, Any]], where: str) -> tuple[Generator, ...]:
        return tuple(
            Generator(self._strings(entry, "files", f"{where}[{number}]"), self._strings(entry, "envs", f"{where}[{number}]"))
            for number, entry in enumerate(entries)
        )

    def _strings(self, entry: Mapping[str, Any], name: str, where: str) -> tuple[str, ...]:
        values = self._of_type(_field(entry, name), list, f"{where}.{name}", "a list") or []
        return tuple(self._of_type(value, str, f"{where}.{name}[{number}]", "a text") or "" for number, value in enumerate(values))

    def _paths(self, entries: list[Mapping[str, Any]], where: str) -> tuple[str, ...]:
        paths = (self._text(_field(entry, "path"), f"{where}[{number}].path") for number, entry in enumerate(entries))
        return tuple(path for path in paths if path)

    def _text(self, value: Any, where: str) -> str:
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int):
            return str(value)
        if isinstance(value, float):
            return float_text(value)
        return str(self._of_type(value, str, where, "a text") or "")

    def _of_type(self, value: Any, kind: type, where: str, wanted: str) -> Any:
        if value is not None and not isinstance(value, kind):
            raise HookError(BROKEN, f"the kustomization file cannot be used: {wanted} is expected", subject=self._file, key=where)
        return value


def _field(content: Mapping[str, Any], name: str) -> Any:
    """The value of a field; None without one. Go looks for names in any case, and of several spellings takes the last one that is not null."""
    folded = name.lower()
    found = [key for key in content if key.lower() == folded and content[key] is not None]
    return content[max(found)] if found else None
