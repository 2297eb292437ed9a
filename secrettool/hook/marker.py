"""Which texts are encrypted, by the marker that each format leaves in them, and which format a name asks for.

Source: kustomize-controller internal/decryptor/decryptor.go (sopsFormatToMarkerBytes, formatForPath); decisions about several markers are ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

StoreName: TypeAlias = Literal["yaml", "json", "dotenv", "ini", "binary"]

_JSON_MARKERS = (b'"mac": "ENC[', b'"mac":"ENC[')  # Flux knows the first only; the second is what programs print without blanks

MARKERS: Mapping[StoreName, tuple[bytes, ...]] = {
    "json": _JSON_MARKERS,
    "ini": (b"[sops]",),
    "dotenv": (b"sops_mac=ENC[",),
    "yaml": (b"mac: ENC[",),
    "binary": _JSON_MARKERS,
}
"""Texts of which one stands somewhere in every encrypted file of a format."""

_DETECTED: tuple[StoreName, ...] = ("json", "ini", "dotenv", "yaml")

_SUFFIXES: tuple[tuple[str, StoreName], ...] = (
    (".yaml", "yaml"),
    (".yml", "yaml"),
    (".json", "json"),
    (".dockerconfigjson", "json"),
    (".env", "dotenv"),
    (".ini", "ini"),
)


def format_for_name(name: str) -> StoreName:
    """The format that the name of an entry or a file asks for; case counts, and what nobody knows is binary."""
    return next((store for suffix, store in _SUFFIXES if name.endswith(suffix)), "binary")


def is_marked(data: bytes, store: StoreName) -> bool:
    """Whether a text has the marker of a format."""
    return any(marker in data for marker in MARKERS[store])


def marked_formats(data: bytes) -> tuple[StoreName, ...]:
    """The formats whose marker a text has, in the order in which they are tried; a binary file counts as the JSON that it is."""
    return tuple(store for store in _DETECTED if is_marked(data, store))
