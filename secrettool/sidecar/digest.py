"""Whether a folder changed: a digest over paths, sizes and times of its files, never over their content."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from typing import Final

from secrettool.errors import InputError

MAX_ENTRIES: Final = 200_000
_LEFT_OUT: Final = frozenset({".git"})


def folder_digest(folder: str) -> str:
    """The digest of a folder: 40 hexadecimal digits.

    Sorted by path: kind, size and time of change of each file, and where each link leads. Folders count by what is in them.

    Raises:
        InputError: It is not there, cannot be read, or has more than `MAX_ENTRIES` entries.
    """
    digest = hashlib.sha256()
    for number, line in enumerate(sorted(_lines(folder))):
        if number == MAX_ENTRIES:
            raise _unreadable(folder, f"has more than {MAX_ENTRIES} entries")
        digest.update(line.encode("utf-8", "surrogateescape") + b"\0")
    return digest.hexdigest()[:40]


def _lines(folder: str) -> Iterator[str]:
    waiting = [""]
    while waiting:
        inner = waiting.pop()
        try:
            with os.scandir(os.path.join(folder, inner)) as entries:
                found = [(entry.name, entry.stat(follow_symlinks=False), entry.path) for entry in entries]
        except OSError as error:
            raise _unreadable(folder, f"cannot be read: {(error.strerror or 'unknown error').lower()}") from None
        for name, status, path in found:
            place = f"{inner}{name}"
            if stat.S_ISDIR(status.st_mode):
                if name not in _LEFT_OUT:
                    waiting.append(f"{place}/")
                continue
            target = _target(path) if stat.S_ISLNK(status.st_mode) else ""
            yield f"{place}\0{stat.S_IFMT(status.st_mode)}\0{status.st_size}\0{status.st_mtime_ns}\0{target}"


def _target(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""


def _unreadable(folder: str, message: str) -> InputError:
    error = InputError(message)
    error.file = folder
    return error
