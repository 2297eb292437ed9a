"""The schema of patch maps, and what a map that does not fit ends with.

Source: requirement PT-05.
"""

from __future__ import annotations

from typing import ClassVar, Final

from secrettool.yamlfile.validation import InvalidFileError, Schema

SCHEMA: Final = Schema("patchmap.v1alpha1.schema.json")


class InvalidMapError(InvalidFileError):
    """A patch map that cannot be used."""

    what: ClassVar[str] = "map"


def schema_text() -> str:
    """The JSON Schema of patch maps, as it is shipped."""
    return SCHEMA.text()
