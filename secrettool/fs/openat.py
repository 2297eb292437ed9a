"""Steps from a descriptor that follow no link, and what all who take them share: flags, kinds, names for people.

A path is never joined to a string and opened: each folder is opened from the one above it (openat(2)) with `O_NOFOLLOW`.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from secrettool.errors import InputError, OutputError, UnsafePath

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType
    from typing import Self

Kind = Literal["missing", "directory", "file", "link", "other"]
"""What a path names; `other` is a device, a pipe or a socket."""

IRREGULAR = "HK121"
"""Code of a path that names no regular file."""

TOO_LARGE = "HK120"
"""Code of something over a limit."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Without O_NONBLOCK a pipe that takes the place of the file just looked at would stop the program.
_FILE = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY

NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
"""How a file is opened that must not exist yet."""

GONE = frozenset({errno.ENOENT, errno.ENOTDIR})
"""Errors of a path that leads to nothing."""

_UNUSABLE = GONE | {errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ}  # the path is to blame, not the system


class Steps:
    """One folder at a time below a root. Descriptors live as long as the `with` statement.

    Args:
        root: Descriptor of the root; stays open.
    """

    def __init__(self, root: int) -> None:
        self._root = root
        self._parts: list[str] = []
        self._descriptor = root

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._leave()

    def go(self, parts: Sequence[str], *, making: Callable[[], None] | None = None) -> int:
        """The descriptor of a folder.

        Args:
            parts: The components from the root to it.
            making: Called before a folder that is missing is made, with mode 0700; without it none is made.

        Raises:
            OSError: It is missing, not to be searched, or no folder; a link is none.
        """
        if list(parts[: len(self._parts)]) != self._parts:
            self._leave()
        for part in parts[len(self._parts) :]:
            below = self._below(part, making)
            self._drop()
            self._descriptor = below
            self._parts.append(part)
        return self._descriptor

    def link(self, parts: Sequence[str], name: str) -> str | None:
        """The target of a link in a folder; None when there is no link, or no folder.

        Raises:
            OSError: The folder is not to be searched.
        """
        try:
            folder = self.go(parts)
            if not stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                return None
            return os.readlink(name, dir_fd=folder)
        except OSError as error:
            if error.errno in GONE:
                return None
            raise

    def _below(self, part: str, making: Callable[[], None] | None) -> int:
        try:
            return os.open(part, _FOLDER, dir_fd=self._descriptor)
        except FileNotFoundError:
            if making is None:
                raise
        making()
        os.mkdir(part, 0o700, dir_fd=self._descriptor)
        return os.open(part, _FOLDER, dir_fd=self._descriptor)

    def _drop(self) -> None:
        if self._descriptor != self._root:
            os.close(self._descriptor)

    def _leave(self) -> None:
        self._drop()
        self._descriptor, self._parts = self._root, []


def open_root(path: str) -> int:
    """The descriptor of a folder that a path without links names.

    Raises:
        OSError: There is none.
    """
    return os.open(path, _FOLDER)


@contextmanager
def opened_file(folder: int, name: str, place: str, access: int) -> Iterator[int]:
    """The descriptor of a regular file in a folder.

    It is looked at before it is opened, since opening a device can do something; and again afterwards, since it may have been exchanged.

    Args:
        folder: Descriptor of the folder.
        name: Name in it.
        place: The path for messages.
        access: `os.O_RDONLY` or `os.O_WRONLY`.

    Raises:
        UnsafePath: It is no regular file.
        OSError: It is missing or cannot be opened.
    """
    _refuse_irregular(os.stat(name, dir_fd=folder, follow_symlinks=False), place)
    descriptor = os.open(name, access | _FILE, dir_fd=folder)
    try:
        _refuse_irregular(os.fstat(descriptor), place)
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def our_errors(place: str, failure: type[InputError | OutputError] = InputError) -> Iterator[None]:
    """Turn what the system says about a path into our errors.

    Args:
        place: The path for messages.
        failure: The error when the path is not to blame.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _UNUSABLE:
            raise UnsafePath(IRREGULAR, cause(error), subject=shown(place)) from None
        refused = failure(f"cannot be {'opened' if failure is InputError else 'written'}: {cause(error)}")
        refused.file = shown(place)
        raise refused from None


def kind_of(status: os.stat_result) -> Kind:
    """What a status says that something is."""
    mode = status.st_mode
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "directory"
    return "link" if stat.S_ISLNK(mode) else "other"


def shown(path: str) -> str:
    """A path for people and logs: control characters and bytes that are no text are escaped."""
    return path if path.isprintable() else "".join(char if char.isprintable() else _escaped(ord(char)) for char in path)


def cause(error: OSError) -> str:
    """What the system says, as the middle of a sentence. It never names a file."""
    text = error.strerror or "unknown error"
    return text[:1].lower() + text[1:]


def _escaped(code: int) -> str:
    if 0xDC80 <= code <= 0xDCFF:  # a byte that was no UTF-8
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _refuse_irregular(status: os.stat_result, place: str) -> None:
    kind = kind_of(status)
    if kind != "file":
        what = {"directory": "a folder", "link": "a link"}.get(kind, "a device, a pipe or a socket")
        raise UnsafePath(IRREGULAR, f"is {what}, not a regular file", subject=shown(place))
