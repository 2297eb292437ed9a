"""A folder that no path and no link leads out of.

Paths are joined to the root as a chroot would do it: `..` at the root stays there, links are followed one component after the other, an absolute
target of a link starts again at the root, and components that do not exist are kept as text. Nothing is opened by a joined string: every step is
taken from the descriptor of the folder above it and follows no link, so that whoever exchanges a folder for a link meanwhile gains nothing.

Source: github.com/cyphar/filepath-securejoin (SecureJoinVFS); kustomize-controller internal/decryptor (securePaths, stripRoot).
"""

from __future__ import annotations

import errno
import os
import posixpath
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from secrettool.errors import HookError, InputError, OutputError, UnsafePath
from secrettool.fs import read_all, write_all
from secrettool.fs.openat import (
    GONE,
    IRREGULAR,
    NEW_FILE,
    TOO_LARGE,
    Kind,
    Steps,
    cause,
    kind_of,
    open_root,
    opened_file,
    our_errors,
    shown,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Self

MAX_LINKS = 255
"""Links that one path may lead through."""

MAX_PATH = 4096
"""Longest path, in bytes."""

MAX_STEPS = 1024
"""Components that are looked at for a path with links, those of the links included: a few long targets could lead down and up for minutes."""


class Entry(NamedTuple):
    """What a path leads to.

    Attributes:
        path: Relative to the root, without links and `..`.
        kind: What it is.
        mode: Its permission bits; 0 when nothing is there.
        size: Bytes of a file.
    """

    path: str
    kind: Kind
    mode: int
    size: int


class SafeRoot:
    """A folder, and everything in it that can be reached without leaving it.

    Every method takes a path that may hold `..`, links and whatever else somebody wrote into a file. A relative one starts at the root; an absolute
    one loses the root in front first, and starts at the root when it has none. Use it in a `with` statement: it holds one descriptor.

    Args:
        path: The folder; where it is a link itself, its target at this moment is taken and stays the root.

    Raises:
        InputError: It cannot be opened, or is no folder.

    Attributes:
        path: Absolute path of the folder, without links.
    """

    def __init__(self, path: str) -> None:
        self.path = os.path.realpath(path)
        try:
            self._descriptor = open_root(self.path)
        except OSError as error:
            refused = InputError(f"cannot be opened as a folder: {cause(error)}")
            refused.file = shown(path)
            raise refused from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<SafeRoot {self.path}>"

    def close(self) -> None:
        """Give the descriptor back; a second time does nothing."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    # ---- where a path leads --------------------------------------------------------------------------------------------------------------------

    def resolve(self, path: str) -> str:
        """Where a path leads: a path relative to the root without links and `..`; `.` for the root itself. It need not exist.

        Raises:
            UnsafePath: `HK121`: more than `MAX_LINKS` links, or a name that no file can have.
            InputError: A folder on the way cannot be searched.
        """
        return _text(self._follow(path))

    def look(self, path: str) -> Entry:
        """Where a path leads, and what is there.

        Raises:
            UnsafePath: As `resolve`.
            InputError: As `resolve`.
        """
        parts = self._follow(path)
        with our_errors(_text(parts)), Steps(self._descriptor) as steps:
            try:
                folder = steps.go(parts[:-1])
                status = os.stat(parts[-1], dir_fd=folder, follow_symlinks=False) if parts else os.fstat(folder)
            except OSError as error:
                if error.errno in GONE:
                    return Entry(_text(parts), "missing", 0, 0)
                raise
        return _entry(parts, status)

    def kind(self, path: str) -> Kind:
        """What a path leads to.

        Raises:
            UnsafePath: As `resolve`.
            InputError: As `resolve`.
        """
        return self.look(path).kind

    def mode(self, path: str) -> int:
        """Permission bits of what a path leads to; 0 when nothing is there.

        Raises:
            UnsafePath: As `resolve`.
            InputError: As `resolve`.
        """
        return self.look(path).mode

    def stays_inside(self, path: str) -> bool:
        """Whether a program that knows of no root would stay inside when it follows the path: no `..` above the root, no absolute link.

        Raises:
            UnsafePath: As `resolve`.
            InputError: As `resolve`.
        """
        try:
            self._follow(path, clamp=False)
        except _LeavesRoot:
            return False
        return True

    # ---- what is there -------------------------------------------------------------------------------------------------------------------------

    def read(self, path: str, *, limit: int | None = None) -> bytes:
        """The content of a regular file.

        Args:
            path: The path.
            limit: Most bytes that are accepted; None for any number.

        Raises:
            UnsafePath: `HK121`: there is nothing, or something else than a regular file.
            HookError: `HK120`: it is larger than `limit`.
            InputError: It cannot be read.
        """
        parts = self._follow(path)
        with our_errors(_text(parts)), self._file(parts, os.O_RDONLY) as descriptor:
            data = read_all(descriptor, limit)
        if data is None:
            raise HookError(TOO_LARGE, f"the file is larger than the limit of {limit} bytes", subject=shown(_text(parts)))
        return data

    def write(self, path: str, data: bytes) -> None:
        """Give a regular file that exists another content, in its place: it keeps its mode.

        Raises:
            UnsafePath: `HK121`: there is nothing, or something else than a regular file.
            OutputError: It cannot be written.
        """
        parts = self._follow(path)
        with our_errors(_text(parts), OutputError), self._file(parts, os.O_WRONLY) as descriptor:
            os.ftruncate(descriptor, 0)
            write_all(descriptor, data)

    def create(self, path: str, data: bytes) -> None:
        """Make a file, with mode 0600, in a folder that is there.

        Raises:
            UnsafePath: `HK121`: there is no such folder, or the name cannot be used.
            OutputError: There is something of that name, or it cannot be written.
        """
        parts = self._follow(path)
        with our_errors(_text(parts), OutputError), Steps(self._descriptor) as steps:
            descriptor = os.open(parts[-1] if parts else ".", NEW_FILE, 0o600, dir_fd=steps.go(parts[:-1]))
            try:
                write_all(descriptor, data)
            finally:
                os.close(descriptor)

    def listdir(self, path: str = ".") -> list[str]:
        """Names in a folder, sorted.

        Raises:
            UnsafePath: `HK121`: there is no folder.
            InputError: It cannot be read.
        """
        parts = self._follow(path)
        with our_errors(_text(parts)), Steps(self._descriptor) as steps:
            return sorted(os.listdir(steps.go(parts)))

    def entries(self, path: str = ".") -> list[Entry]:
        """What is in a folder, sorted by name; links are not followed.

        Raises:
            UnsafePath: `HK121`: there is no folder.
            InputError: It cannot be read.
        """
        parts = self._follow(path)
        with our_errors(_text(parts)), Steps(self._descriptor) as steps:
            folder = steps.go(parts)
            names = sorted(os.listdir(folder))
            return [_entry([*parts, name], os.stat(name, dir_fd=folder, follow_symlinks=False)) for name in names]

    def target(self, path: str) -> str:
        """The text of a link, which is not followed; links on the way to it are.

        Raises:
            UnsafePath: `HK121`: there is no link.
            InputError: It cannot be read.
        """
        folder, name = posixpath.split(path)
        parts = self._follow(folder)
        with our_errors(_text([*parts, name])), Steps(self._descriptor) as steps:
            return os.readlink(name, dir_fd=steps.go(parts))

    # ---- steps ---------------------------------------------------------------------------------------------------------------------------------

    @contextmanager
    def _file(self, parts: list[str], access: int) -> Iterator[int]:
        if not parts:
            raise UnsafePath(IRREGULAR, "is a folder, not a regular file", subject=".")
        with Steps(self._descriptor) as steps, opened_file(steps.go(parts[:-1]), parts[-1], _text(parts), access) as descriptor:
            yield descriptor

    def _follow(self, path: str, *, clamp: bool = True) -> list[str]:
        """The components that a path leads to.

        Args:
            path: The path.
            clamp: Whether it is kept inside; else leaving the root raises `_LeavesRoot`.
        """
        text = strip_root(self.path, path) if path.startswith("/") else path
        _check_name(text)
        ahead = text.split("/")[::-1]
        done: list[str] = []
        links = seen = 0
        with our_errors(text), Steps(self._descriptor) as here:
            while ahead:
                part = ahead.pop()
                if part in ("", "."):
                    continue
                seen += 1
                if part == "..":
                    if not done and not clamp:
                        raise _LeavesRoot
                    del done[-1:]
                    continue
                target = here.link(done, part)
                if target is None:
                    done.append(part)
                    continue
                links += 1
                if links > MAX_LINKS or seen > MAX_STEPS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
                if target.startswith("/"):
                    if not clamp:
                        raise _LeavesRoot
                    done.clear()
                ahead += target.split("/")[::-1]
        return done


class _LeavesRoot(Exception):
    """A path would leave the root."""


def clean(path: str) -> str:
    """A path without `.`, `..` and double slashes as far as its text says: what Go's `filepath.Clean` gives."""
    cleaned = posixpath.normpath(path)
    return cleaned[1:] if cleaned.startswith("//") else cleaned


def strip_root(root: str, path: str) -> str:
    """An absolute path relative to a root, by their texts; one that does not lie below it becomes relative as it is.

    Source: kustomize-controller internal/decryptor (stripRoot).
    """
    root, path = clean("/" + root), clean("/" + path)
    if path == root:
        return "."
    if root != "/" and path.startswith(root + "/"):
        path = path[len(root) :]
    return path.lstrip("/") or "."


def _text(parts: list[str]) -> str:
    return "/".join(parts) or "."


def _entry(parts: list[str], status: os.stat_result) -> Entry:
    return Entry(_text(parts), kind_of(status), stat.S_IMODE(status.st_mode), status.st_size)


def _check_name(path: str) -> None:
    try:
        name = os.fsencode(path)
    except UnicodeEncodeError:  # half a surrogate pair, which YAML can write
        name = b"\0"
    if b"\0" in name:
        raise UnsafePath(IRREGULAR, "no file can have this name", subject=shown(path))
    if len(name) > MAX_PATH:
        raise UnsafePath(IRREGULAR, f"the path is longer than {MAX_PATH} bytes", subject=shown(path[:60]) + "...")
