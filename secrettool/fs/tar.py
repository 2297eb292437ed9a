"""Reading tar archives (POSIX ustar and pax, GNU names) from a stream, in constant memory.

The standard library's reader calls itself for every extension header, and reads headers of any length into memory; archives from a network may be
made to exploit both.

Source: POSIX.1-2017 pax (ustar and pax interchange formats); Go archive/tar (reader.go), which writes the artifacts of Flux.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

from secrettool.errors import InputError

BLOCK = 512  # bytes
CHUNK = 1 << 16  # bytes; one read of a content
MAX_EXTENSION = 1 << 16  # bytes of an extension header: names and times need less
MAX_EXTENSIONS = 8  # extension headers in front of one entry

MemberKind = Literal["file", "directory", "link", "hard link", "other"]
"""What an entry is; `other` is a device, a pipe, or of a type that nobody agrees about."""

_KINDS: dict[bytes, MemberKind] = {b"0": "file", b"\0": "file", b"7": "file", b"1": "hard link", b"2": "link", b"5": "directory"}
_PAX, _GLOBAL, _LONG_NAME, _LONG_TARGET = b"x", b"g", b"L", b"K"


class Member(NamedTuple):
    """One entry of an archive.

    Attributes:
        name: Its path as it stands there; bytes that are no UTF-8 are escaped as file names are.
        kind: What it is.
        size: Bytes of its content.
        target: What a link names.
    """

    name: str
    kind: MemberKind
    size: int
    target: str


class TarReader:
    """The entries of an archive, one after the other.

    Args:
        read: Gives at most that many bytes of the archive; fewer only at its end.

    Raises (while iterating):
        InputError: The archive is damaged, or cut off.
    """

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self._left = 0  # bytes of the content that were not read yet
        self._padding = 0

    def __iter__(self) -> Iterator[Member]:
        while (member := self._next()) is not None:
            yield member

    def content(self) -> Iterator[bytes]:
        """The content of the entry that came last."""
        while self._left:
            chunk = self._exactly(min(CHUNK, self._left))
            self._left -= len(chunk)
            yield chunk

    def _next(self) -> Member | None:
        extended: dict[str, str] = {}
        for _ in range(MAX_EXTENSIONS + 1):
            for _chunk in self.content():
                pass
            self._exactly(self._padding)
            self._padding = 0
            header = self._read(BLOCK)
            if not header.strip(b"\0"):
                return None
            kind = self._header(header, extended)
            if kind not in (_PAX, _GLOBAL, _LONG_NAME, _LONG_TARGET):
                return _member(header, kind, extended, self._left)
            if self._left > MAX_EXTENSION:
                raise damaged("an extension header is too long")
            extension = b"".join(self.content())
            if kind == _PAX:
                extended.update(_records(extension))
            elif kind == _LONG_NAME:
                extended["path"] = os.fsdecode(_until_nul(extension))
            elif kind == _LONG_TARGET:
                extended["linkpath"] = os.fsdecode(_until_nul(extension))
        raise damaged("there are too many extension headers")

    def _header(self, header: bytes, extended: dict[str, str]) -> bytes:
        """Check a header and note how long what follows it is; its type."""
        if len(header) != BLOCK or _checksum(header) != _number(header[148:156]):
            raise damaged("a header does not fit its checksum")
        kind = header[156:157]
        with_content = _KINDS.get(kind, "other") in ("file", "other")
        stated = extended["size"] if kind in _KINDS and "size" in extended else None
        if stated is not None and not (stated.isascii() and stated.isdecimal() and len(stated) < 20):
            raise damaged("a size is no number")
        self._left = (_number(header[124:136]) if stated is None else int(stated)) if with_content else 0
        self._padding = -self._left % BLOCK
        return kind

    def _exactly(self, size: int) -> bytes:
        data = self._read(size)
        if len(data) != size:
            raise damaged("it ends too early")
        return data


def damaged(how: str) -> InputError:
    """The error for an archive that cannot be read."""
    return InputError(f"is not a tar archive, or a damaged one: {how}")


def _member(header: bytes, kind: bytes, extended: dict[str, str], size: int) -> Member:
    name = extended.get("path") or _header_name(header)
    found = _KINDS.get(kind, "other")
    if found == "file" and name.endswith("/"):  # how folders were written before there was a type for them
        found = "directory"
    if any(key.startswith("GNU.sparse.") for key in extended):  # its content is not what will stand in the file
        found = "other"
    return Member(name, found, size, extended.get("linkpath") or os.fsdecode(_until_nul(header[157:257])))


def _header_name(header: bytes) -> str:
    name, prefix = _until_nul(header[:100]), _until_nul(header[345:500])
    # The GNU format has the same magic but for a blank, and other things in the place of the prefix.
    return os.fsdecode(prefix + b"/" + name if prefix and header[257:263] == b"ustar\0" else name)


def _records(data: bytes) -> dict[str, str]:
    """The records of a pax header: length, blank, key, `=`, value, line feed."""
    found: dict[str, str] = {}
    place = 0
    while place < len(data):
        blank = data.find(b" ", place, place + 8)
        length = data[place:blank]
        end = place + (int(length) if blank > 0 and length.isdigit() else 0)
        key, equals, value = data[blank + 1 : end - 1].partition(b"=")
        if not blank < end <= len(data) or not equals or data[end - 1 : end] != b"\n":
            raise damaged("an extension header has a broken record")
        found[os.fsdecode(key)] = os.fsdecode(value)
        place = end
    return found


def _number(field: bytes) -> int:
    """A number of a header: octal digits, or, after a byte with the highest bit set, binary."""
    if field[0] & 0x80:
        if field[0] != 0x80:
            raise damaged("a number is negative, or too large")
        return int.from_bytes(field[1:], "big")
    digits = _until_nul(field.strip(b" \0"))
    if digits.strip(b"01234567"):
        raise damaged("a number has other digits than octal ones")
    return int(digits or b"0", 8)


def _checksum(header: bytes) -> int:
    return sum(header[:148]) + sum(header[156:]) + 8 * 0x20


def _until_nul(field: bytes) -> bytes:
    return field.partition(b"\0")[0]
