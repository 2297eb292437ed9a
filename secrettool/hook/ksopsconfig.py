"""What a generator in the shape of KSOPS is to do: its object, read.

An object of KSOPS is taken as KSOPS takes it: names of fields in any case, unknown fields passed over; a `SecretGenerator` has the same fields and no
others.

Source: github.com/viaduct-ai/kustomize-sops 4.5 ksops.go (generate, fileKeyPath); sigs.k8s.io/yaml 1.6 (Unmarshal).
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from secrettool.errors import HookError
from secrettool.objects import Object
from secrettool.sops.values import float_text

BAD_CONFIGURATION = "HK160"
"""Code of a configuration that cannot be used."""

EVERYBODYS = frozenset({"apiVersion", "kind", "metadata", "argsOneLiner", "argsFromFile"})
"""Fields of every configuration; the last two are kustomize's own, for exec plugins."""

_FIELDS = ("files", "secretFrom", "duplicates")
_SECRET_FIELDS = ("metadata", "type", "files", "binaryFiles", "envs")
_METADATA_FIELDS = ("name", "namespace", "labels", "annotations")


class Reference(NamedTuple):
    """A file that a generator names.

    Attributes:
        key: The entry that it becomes; empty where it has none.
        path: Its path, relative to the folder of the kustomization file.
        where: Where it is named, such as `secretFrom[0].files[1]`.
    """

    key: str
    path: str
    where: str


class SecretFrom(NamedTuple):
    """A Secret that is made.

    Attributes:
        metadata: Its metadata.
        type: Its type; empty without one.
        files: Files whose text becomes an entry of `stringData` each.
        binary_files: Files whose bytes become an entry of `data` each.
        envs: Dotenv files whose pairs become entries of `stringData`.
    """

    metadata: Mapping[str, Any]
    type: str
    files: tuple[Reference, ...]
    binary_files: tuple[Reference, ...]
    envs: tuple[Reference, ...]


class Generator(NamedTuple):
    """What a generator is to do.

    Attributes:
        files: Files whose objects are the result.
        secrets: Secrets that are made.
        last_wins: Whether a key may be produced twice.
        unknown: Places of fields that were passed over.
    """

    files: tuple[Reference, ...]
    secrets: tuple[SecretFrom, ...]
    last_wins: bool
    unknown: tuple[str, ...]


def read_generator(obj: Object, *, strict: bool) -> Generator:
    """Read the configuration of a generator.

    Args:
        obj: The object.
        strict: Whether fields that nobody knows are an error, and the case of names counts.

    Raises:
        HookError: `HK160`: it cannot be used; `where` is the field.
    """
    reader = _Reader(strict)
    fields = reader.fields(obj, "", _FIELDS, EVERYBODYS)
    if fields.get("files") is None and fields.get("secretFrom") is None:
        raise HookError(BAD_CONFIGURATION, "it names neither files nor secretFrom")
    duplicates = fields.get("duplicates") or "error"
    if duplicates not in ("error", "last"):
        raise HookError(BAD_CONFIGURATION, "takes error or last", key="duplicates")
    secrets = tuple(reader.secret(entry, f"secretFrom[{number}]") for number, entry in enumerate(_list(fields, "secretFrom", "secretFrom")))
    return Generator(reader.references(fields, "files", ""), secrets, duplicates == "last", tuple(reader.unknown))


class _Reader:
    """Takes fields out of mappings as Go does: a scalar becomes the text that a field wants."""

    def __init__(self, strict: bool) -> None:
        self._strict = strict
        self.unknown: list[str] = []

    def fields(self, content: Any, where: str, known: Iterable[str], others: Iterable[str] = ()) -> dict[str, Any]:
        """The known fields of a mapping."""
        if not isinstance(content, Mapping):
            raise HookError(BAD_CONFIGURATION, "a mapping is expected", key=where)
        spellings = {name.lower(): name for name in (*known, *others)}
        found: dict[str, Any] = {}
        for key, value in content.items():
            name = spellings.get(key.lower())
            if name is not None and (name == key or not self._strict):
                found[name] = value
                continue
            place = _inside(where, str(key))
            if self._strict:
                raise HookError(BAD_CONFIGURATION, "there is no such field", key=place, hint=f"known are {', '.join(known)}")
            self.unknown.append(place)
        return found

    def references(self, fields: Mapping[str, Any], name: str, where: str, *, keyed: bool = False) -> tuple[Reference, ...]:
        """The files that a list names."""
        place = _inside(where, name)
        entries = ((entry, f"{place}[{number}]") for number, entry in enumerate(_list(fields, name, place)))
        return tuple(_reference(_text(entry, entry_place), entry_place, keyed) for entry, entry_place in entries)

    def secret(self, entry: Any, where: str) -> SecretFrom:
        """An entry of `secretFrom`."""
        fields = self.fields(entry, where, _SECRET_FIELDS)
        given = self.fields(fields.get("metadata") or {}, f"{where}.metadata", _METADATA_FIELDS)
        metadata: dict[str, Any] = {}
        for name in ("name", "namespace"):
            if text := _text(given.get(name), f"{where}.metadata.{name}"):
                metadata[name] = text
        if "name" not in metadata:
            raise HookError(BAD_CONFIGURATION, "the Secret has no name", key=f"{where}.metadata.name")
        for name in ("labels", "annotations"):
            if texts := _texts(given.get(name), f"{where}.metadata.{name}"):
                metadata[name] = texts
        return SecretFrom(
            metadata,
            _text(fields.get("type"), f"{where}.type"),
            self.references(fields, "files", where, keyed=True),
            self.references(fields, "binaryFiles", where, keyed=True),
            self.references(fields, "envs", where),
        )


def _reference(text: str, where: str, keyed: bool) -> Reference:
    key, equals, path = text.partition("=") if keyed else ("", "", "")
    found = Reference(key, path, where) if equals else Reference(posixpath.basename(text) if keyed else "", text, where)
    if not found.path or (keyed and not found.key):
        raise HookError(BAD_CONFIGURATION, "names no file" if not found.path else "names no key", key=where)
    return found


def _list(fields: Mapping[str, Any], name: str, where: str) -> list[Any]:
    value = fields.get(name)
    if value is not None and not isinstance(value, list):
        raise HookError(BAD_CONFIGURATION, "a list is expected", key=where)
    return value or []


def _text(value: Any, where: str) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return float_text(value)
    if not isinstance(value, str | int):
        raise HookError(BAD_CONFIGURATION, "a text is expected", key=where)
    return str(value)


def _texts(value: Any, where: str) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise HookError(BAD_CONFIGURATION, "a mapping is expected", key=where)
    return {key: _text(text, f"{where}.{key}") for key, text in value.items()}


def _inside(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name
