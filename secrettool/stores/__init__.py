"""Stores: one file format each, text to a `Document` and back, byte for byte.

A store is loaded when it is asked for: who works on JSON does not pay for YAML.

Source: sops 3.13 cmd/sops/common/common.go (DefaultStoreForPath), cmd/sops/formats/formats.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from secrettool.errors import UsageError

if TYPE_CHECKING:
    from secrettool.sops.store import Store

STORE_NAMES = ("binary", "dotenv", "ini", "json", "yaml")
"""Names of the stores, as `--input-type` and `--output-type` take them."""

_SUFFIXES = ((".yaml", "yaml"), (".yml", "yaml"), (".json", "json"), (".env", "dotenv"), (".ini", "ini"))


def by_name(name: str) -> Store:
    """The store of a format.

    Raises:
        UsageError: There is no format of that name.
    """
    match name:
        case "yaml":
            from secrettool.stores.yaml import YamlStore

            return YamlStore()
        case "json":
            from secrettool.stores.json import JsonStore

            return JsonStore()
        case "dotenv":
            from secrettool.stores.dotenv import DotenvStore

            return DotenvStore()
        case "ini":
            from secrettool.stores.ini import IniStore

            return IniStore()
        case "binary":
            from secrettool.stores.binary import BinaryStore

            return BinaryStore()
    raise UsageError(f"unknown file format {name!r}", hint=f"formats are {', '.join(STORE_NAMES)}")


def name_for_path(path: str) -> str:
    """The name of the format that the end of a file name says; case counts, and what nobody knows is binary."""
    return next((name for suffix, name in _SUFFIXES if path.endswith(suffix)), "binary")


def for_path(path: str) -> Store:
    """The store for a file, by the end of its name."""
    return by_name(name_for_path(path))
