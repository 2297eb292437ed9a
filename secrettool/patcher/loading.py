"""From the text of a patch map to the map: everything that is wrong with it is found in one go.

Source: requirements PT-04 to PT-09.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from secrettool.patcher.mapping import PatchMap, Target, TargetPolicy
from secrettool.patcher.sourceloading import provider_misfits, provider_of, source_misfits, source_of
from secrettool.patcher.targetloading import TargetLoader, policy_of
from secrettool.patcher.templates import RESERVED
from secrettool.patcher.validation import SCHEMA, InvalidMapError
from secrettool.placeholders import DEFAULT_TOKENS
from secrettool.sources.model import GenerateSource
from secrettool.yamlfile.located import LocatedYaml
from secrettool.yamlfile.validation import Findings

if TYPE_CHECKING:
    from secrettool.sources.model import Provider, Source


def load(text: str, *, file: str | None = None) -> PatchMap:
    """Read a patch map.

    Args:
        text: YAML or JSON.
        file: Its name, for errors.

    Raises:
        InvalidMapError: It does not fit the schema, or does not fit together; `problems` has everything that is wrong. No value is quoted.
        ConfigError: It is not YAML.
    """
    source = LocatedYaml(text, file)
    findings = Findings(source, InvalidMapError)
    SCHEMA.check(source, findings)
    loading = _Loading(source, findings)
    providers = loading.providers()
    values = loading.values(providers)
    defaults = loading.defaults()
    targets = loading.targets(defaults)
    findings.raise_any(file)
    data = source.data
    empty = {name: fields["allowEmpty"] for name, fields in data.get("values", {}).items() if "allowEmpty" in fields}
    tokens = data.get("placeholders", {}).get("tokens", DEFAULT_TOKENS)
    name = data.get("metadata", {}).get("name")
    loaded = PatchMap(targets, values, providers, tuple(tokens), defaults, name, file, empty)
    return replace(loaded, values={name: _letting_empty(name, each, loaded) for name, each in values.items()})


class _Loading:
    """One map on its way. Entries that do not fit the schema are passed over, so that the others are looked at as well."""

    def __init__(self, source: LocatedYaml, findings: Findings) -> None:
        self._source = source
        self._findings = findings
        self._data: Mapping[str, Any] = _mapping(source.data)

    def providers(self) -> dict[str, Provider]:
        """The providers that can be used."""
        found: dict[str, Provider] = {}
        for name, fields in self._sound("providers"):
            found[name] = provider_of(fields)
            for path, message, hint in provider_misfits(found[name]):
                self._findings.add(("providers", name, *path), message, hint)
        return found

    def values(self, providers: Mapping[str, Provider]) -> dict[str, Source]:
        """The values that can be used."""
        found: dict[str, Source] = {}
        known = _mapping(self._data.get("providers"))
        for name, fields in self._sound("values"):
            found[name] = source_of(fields)
            if name in RESERVED:
                self._findings.add(("values", name), "is a word of the language of templates", "choose another name")
            for path, message, hint in source_misfits(found[name], providers, known):
                self._findings.add(("values", name, *path), message, hint)
        return found

    def defaults(self) -> TargetPolicy:
        """The policy of targets that change nothing."""
        return TargetPolicy() if self._findings.is_broken(("defaults",)) else policy_of(_mapping(self._data.get("defaults")), TargetPolicy())

    def targets(self, defaults: TargetPolicy) -> tuple[Target, ...]:
        """The targets that can be used."""
        entries = self._data.get("targets")
        known = _mapping(self._data.get("values"))
        loader = TargetLoader(self._source, self._findings, known, defaults)
        lines: dict[str, int] = {}
        found: list[Target] = []
        for number, fields in enumerate(entries if isinstance(entries, list) else ()):
            path = ("targets", number)
            if self._findings.is_broken(path):
                continue
            target = loader.load(number, fields)
            if target.id in lines:
                self._findings.add((*path, "id"), f"is the id of the target in line {lines[target.id]} as well", "choose another")
            lines.setdefault(target.id, target.line)
            found.append(target)
        return tuple(found)

    def _sound(self, section: str) -> list[tuple[str, Any]]:
        """The entries of a section that fit the schema."""
        return [(name, fields) for name, fields in _mapping(self._data.get(section)).items() if not self._findings.is_broken((section, name))]


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _letting_empty(name: str, source: Source, loaded: PatchMap) -> Source:
    """The source, giving empty text when it is a value for any target that uses it."""
    is_value = loaded.empty.get(name, False) or any(loaded.may_be_empty(name, target) for target in loaded.targets if name in target.names)
    return source if isinstance(source, GenerateSource) else replace(source, form=replace(source.form, allow_empty=is_value))
