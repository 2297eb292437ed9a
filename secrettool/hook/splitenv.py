"""An encrypted dotenv file that a generator split into the entries of a Secret: put together again, and split once more when it is open.

kustomize makes one entry of each line of a file under `envs`, the lines `sops_...` of its section included, and drops its comments.

Source: kustomize api/kv/kv.go (keyValuesFromLines); sops 3.13 stores/dotenv/store.go.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import NamedTuple

PREFIX = "sops_"
MAC = PREFIX + "mac"
VERSION = PREFIX + "version"

_SEALED = b"ENC["


class SplitFile(NamedTuple):
    """A file put together.

    Attributes:
        text: Its lines, in the order of the entries.
        names: The entries that are values of it, without those of its section.
    """

    text: bytes
    names: tuple[str, ...]

    def __repr__(self) -> str:
        return f"<SplitFile of {', '.join(self.names)}>"


def is_split(entries: Mapping[str, str]) -> bool:
    """Whether the entries of a Secret hold the section of a dotenv file."""
    return VERSION in entries and _content(entries.get(MAC, "")).startswith(_SEALED)


def join(entries: Mapping[str, str]) -> SplitFile:
    """The file behind the entries of a Secret. Entries that are no ciphertext came from elsewhere: one Secret may have several generators' entries.

    Args:
        entries: Base64 by name.
    """
    lines: list[bytes] = []
    names: list[str] = []
    for name, text in entries.items():
        content = _content(text)
        if not name.startswith(PREFIX):
            if not content.startswith(_SEALED):
                continue
            names.append(name)
        lines.append(name.encode("utf-8", "surrogatepass") + b"=" + content.replace(b"\n", b"\\n") + b"\n")
    return SplitFile(b"".join(lines), tuple(names))


def split(entries: Mapping[str, str], names: tuple[str, ...], plain: bytes) -> dict[str, str]:
    """The entries with the plain values, without those of the section.

    Args:
        entries: Base64 by name, as they were.
        names: The entries that are values of the file.
        plain: The plain file: one line for each of the names.
    """
    lines = [line.partition(b"=")[2] for line in plain.split(b"\n") if line]
    opened = {name: b64encode(line).decode("ascii") for name, line in zip(names, lines, strict=True)}
    return {name: opened.get(name, text) for name, text in entries.items() if not name.startswith(PREFIX)}


def _content(text: str) -> bytes:
    try:
        return b64decode(text)
    except ValueError:
        return b""
