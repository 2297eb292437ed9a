"""Unpacking an artifact: a tar archive, plain or compressed with gzip, into a private folder.

Whoever writes the archive may want to write somewhere else, or to fill memory and disk: names and links that lead out, devices, too many entries and
too many bytes are refused, the latter before they are unpacked.

Source: decisions about what is refused are ours; github.com/fluxcd/pkg/tar unpacks the same archives in Flux.
"""

from __future__ import annotations

import gzip
import hashlib
import hmac
import io
import zlib
from typing import TYPE_CHECKING

from secrettool.errors import HookError, InputError, UnsafePath
from secrettool.fs.newtree import Limits, NewTree
from secrettool.fs.openat import IRREGULAR, TOO_LARGE, shown
from secrettool.fs.saferoot import MAX_PATH, SafeRoot
from secrettool.fs.tar import Member, TarReader, damaged

if TYPE_CHECKING:
    from typing import BinaryIO

LIMITS = Limits(entries=20_000, bytes=512 * 1024 * 1024)
"""How large an unpacked archive may be."""

_HEADERS = 4096  # bytes per entry that headers and padding may take
_GZIP = b"\x1f\x8b"
_DIGEST = "sha256:"


def unpack(data: bytes, folder: str, *, digest: str | None = None, limits: Limits = LIMITS) -> None:
    """Unpack an archive into a folder. After an error the folder holds a part of it and must not be used.

    Args:
        data: The archive.
        folder: An existing folder, empty, that nobody else can write to; a path without links.
        digest: What the archive must be: `sha256:` and 64 hexadecimal digits; None when nobody said.
        limits: How large it may become.

    Raises:
        InputError: The digest differs or is no SHA-256, or the archive is damaged.
        UnsafePath: `HK121`: an absolute name, `..`, a link that leaves the folder, a device, a pipe.
        HookError: `HK120`: more entries or bytes than the limits.
        OutputError: Something cannot be written.
    """
    if digest is not None:
        check_digest(data, digest)
    reader = TarReader(_Stream(data, limits).read)
    links: list[str] = []
    with NewTree(folder, limits) as tree:
        for number, member in enumerate(reader):
            if number == limits.entries:
                raise HookError(TOO_LARGE, f"the archive has more than {limits.entries} entries")
            _add(tree, member, reader)
            if member.kind == "link":
                links.append("/".join(_parts(member.name)))
    with SafeRoot(folder) as root:
        for link in links:
            # Only now: where a link leads depends on links that may come after it.
            if not root.stays_inside(link):
                raise UnsafePath(IRREGULAR, "is a link that leads out of the archive", subject=shown(link))


def check_digest(data: bytes, digest: str) -> None:
    """Check that an artifact is the one that its source announced.

    Raises:
        InputError: It is another one, or the digest is no SHA-256.
    """
    if not digest.startswith(_DIGEST):
        raise InputError("the digest of the artifact is not of the form sha256:HEX")
    if not hmac.compare_digest(hashlib.sha256(data).hexdigest().encode(), digest.removeprefix(_DIGEST).lower().encode("utf-8", "replace")):
        raise InputError("the artifact is not the one that its digest names", hint="it was changed or cut off on the way: fetch it again")


class _Stream:
    """The bytes of an archive without its compression; far more of them than the limits allow are never produced."""

    def __init__(self, data: bytes, limits: Limits) -> None:
        plain = io.BytesIO(data)
        self._source: BinaryIO = gzip.GzipFile(fileobj=plain) if data.startswith(_GZIP) else plain  # type: ignore[assignment]
        self._room = limits.bytes + limits.entries * _HEADERS

    def read(self, size: int) -> bytes:
        self._room -= size
        if self._room < 0:
            raise HookError(TOO_LARGE, "the archive is larger than its limits allow")
        try:
            return self._source.read(size)
        except (OSError, EOFError, zlib.error):
            raise damaged("its compression is broken") from None


def _add(tree: NewTree, member: Member, reader: TarReader) -> None:
    parts = _parts(member.name)
    if not parts:
        if member.kind != "directory":
            raise UnsafePath(IRREGULAR, "an entry has no name")
    elif member.kind == "directory":
        tree.folder(parts)
    elif member.kind == "file":
        tree.file(parts, member.size, reader.content())
    elif member.kind == "link":
        tree.link(parts, member.target)
    elif member.kind == "hard link":
        tree.hard_link(parts, _parts(member.target) or parts)
    else:
        raise UnsafePath(IRREGULAR, "is a device, a pipe or something else that no artifact may hold", subject=shown(member.name))


def _parts(name: str) -> list[str]:
    """The components of a name.

    Raises:
        UnsafePath: It is absolute, holds `..`, or is too long.
    """
    if len(name) > MAX_PATH:
        raise UnsafePath(IRREGULAR, "the name is too long", subject=shown(name[:60]) + "...")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts or "\0" in name:
        raise UnsafePath(IRREGULAR, "the name leads out of the archive", subject=shown(name))
    return parts
