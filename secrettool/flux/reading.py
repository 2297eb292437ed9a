"""Typed reading of an object's fields, with errors that name the field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from secrettool.errors import ConfigError, Outcome
from secrettool.objects import Object


class Section:
    """A mapping inside an object, with its place.

    Args:
        fields: The mapping.
        where: Its path, such as `spec.decryption`; empty for the object itself.

    Null counts as absent everywhere, as it does for the API server.
    """

    def __init__(self, fields: Object, where: str = "") -> None:
        self._fields = fields
        self.where = where

    def place(self, name: str) -> str:
        """The path of a field."""
        return f"{self.where}.{name}" if self.where else name

    def error(self, name: str, message: str) -> ConfigError:
        """An error about a field."""
        return ConfigError(message, where=self.place(name), code=Outcome.CONFIGURATION)

    def text(self, name: str) -> str:
        """A text; empty when it is absent."""
        value = self._fields.get(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self.error(name, "must be text")
        return value

    def required(self, name: str) -> str:
        """A text that is not empty."""
        return self.text(name) or self._missing(name)

    def flag(self, name: str) -> bool:
        """A boolean; false when it is absent."""
        value = self._fields.get(name)
        if value is not None and not isinstance(value, bool):
            raise self.error(name, "must be true or false")
        return bool(value)

    def section(self, name: str) -> Section | None:
        """A mapping; None when it is absent."""
        value = self._fields.get(name)
        if value is None:
            return None
        if not isinstance(value, Mapping):
            raise self.error(name, "must be a mapping")
        return Section(value, self.place(name))

    def texts(self, name: str) -> dict[str, str]:
        """A mapping of texts; empty when it is absent."""
        found = self.section(name)
        return {key: found.text(key) for key in found._fields} if found else {}

    def list(self, name: str) -> tuple[Any, ...]:
        """A list; empty when it is absent."""
        value = self._fields.get(name)
        if value is None:
            return ()
        if not isinstance(value, list):
            raise self.error(name, "must be a list")
        return tuple(value)

    def text_list(self, name: str) -> tuple[str, ...]:
        """A list of texts."""
        found = self.list(name)
        if not all(isinstance(each, str) for each in found):
            raise self.error(name, "must be a list of texts")
        return found

    def sections(self, name: str) -> Iterator[Section]:
        """The mappings of a list."""
        for number, each in enumerate(self.list(name)):
            if not isinstance(each, Mapping):
                raise self.error(f"{name}[{number}]", "must be a mapping")
            yield Section(each, self.place(f"{name}[{number}]"))

    def as_object(self) -> Object:
        """The mapping itself."""
        return self._fields

    def _missing(self, name: str) -> str:
        raise self.error(name, "is missing or empty")
