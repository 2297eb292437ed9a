"""A folder whose files change all at once, as the kubelet's volumes do.

    target/..2026_05_01_10_00_00.123456/   a new folder; files are written there
    target/..data_tmp -> ..2026_...        renamed to ..data: from that moment on the new files count
    target/<name> -> ..data/<name>         made after the swap for what is new, removed for what is gone
                                           the old folder is removed last

Whoever resolves `..data` once, and reads below what it leads to, finds one whole set of files. A process that is killed at any moment leaves the old
set or the new one, and leftovers that the next one removes.

Source: k8s.io/kubernetes pkg/volume/util/atomic_writer.go (AtomicWriter.Write).
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Final, NamedTuple

from secrettool import fs
from secrettool.errors import OutputError

DATA: Final = "..data"
NEW_DATA: Final = "..data_tmp"
NAME: Final = re.compile(r"[-._a-zA-Z0-9]+")
"""A component of the path of a file; none may begin with two dots."""

_STAMPED: Final = re.compile(r"\.\.\d{4}(_\d\d){5}\.\d{1,12}")
_MAX_NAME: Final = 255


class Swapped(NamedTuple):
    """What a write did.

    Attributes:
        written: Files that are new or have another content.
        removed: Files that are gone.
        is_swapped: Whether there is another set of files now.
    """

    written: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    is_swapped: bool = False


def is_name(name: str) -> bool:
    """Whether a component of a path may be written."""
    return NAME.fullmatch(name) is not None and not name.startswith("..") and name != "." and len(name) <= _MAX_NAME


class SwappedFolder:
    """A folder that belongs to one writer.

    Args:
        target: The folder; it is made when it is not there.
        mode: Of the files; who may read them may enter the folders.
    """

    def __init__(self, target: str, mode: int) -> None:
        self._target = os.path.abspath(target)
        self._mode = mode
        self._folder_mode = 0o700 | (mode & 0o044) | ((mode & 0o044) >> 2)

    def write(self, files: Mapping[str, bytes]) -> Swapped:
        """Make these files the content of the folder; nothing is touched when they are.

        Args:
            files: Content by path below the folder; every component of a path is a name (`is_name`).

        Raises:
            OutputError: Something cannot be written; the old files are there still.
        """
        try:
            self._make_target()
            current = self._current()
            written, removed = self._compared(files, current)
            is_due = current is None or bool(written or removed)
            if is_due:
                self._put(files, self._new_folder())
            self._link({path.partition("/")[0] for path in files})
            self._clean()
        except OSError as error:
            failure = OutputError(f"cannot be written: {(error.strerror or 'unknown error').lower()}")
            failure.file = self._target
            raise failure from None
        return Swapped(written, removed, is_due)

    def is_intact(self, files: frozenset[str]) -> bool:
        """Whether these files are there, without a look into them."""
        current = self._current()
        return current is not None and files == frozenset(_walk(current))

    # ---- what is there -------------------------------------------------------------------------------------------------------------------------

    def _make_target(self) -> None:
        with suppress(FileExistsError):
            os.mkdir(self._target, 0o755)
            os.chmod(self._target, self._folder_mode)

    def _current(self) -> str | None:
        """The folder that `..data` leads to."""
        try:
            name = os.readlink(self._path(DATA))
        except OSError:
            return None
        return self._path(name) if _STAMPED.fullmatch(name) and os.path.isdir(self._path(name)) else None

    def _compared(self, files: Mapping[str, bytes], current: str | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What is new or other, and what is gone."""
        there = frozenset(_walk(current)) if current is not None else frozenset()
        written = sorted(path for path, data in files.items() if path not in there or not self._is_same(f"{current}/{path}", data))
        return tuple(written), tuple(sorted(there - files.keys()))

    def _is_same(self, path: str, data: bytes) -> bool:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return False
        try:
            status = os.fstat(descriptor)
            is_like = stat.S_ISREG(status.st_mode) and stat.S_IMODE(status.st_mode) == self._mode and status.st_size == len(data)
            return is_like and fs.read_all(descriptor, len(data)) == data
        finally:
            os.close(descriptor)

    # ---- what is made --------------------------------------------------------------------------------------------------------------------------

    def _new_folder(self) -> str:
        """A folder with the present time as its name."""
        while True:
            now = time.time_ns()
            name = time.strftime("..%Y_%m_%d_%H_%M_%S", time.gmtime(now // 10**9)) + f".{now % 10**9:09d}"
            try:
                os.mkdir(self._path(name), 0o700)
            except FileExistsError:
                continue
            return name

    def _put(self, files: Mapping[str, bytes], name: str) -> None:
        """Write the files into a new folder, and make it the one that counts."""
        folder = self._path(name)
        group = os.stat(self._target).st_gid
        try:
            made = {folder}
            for path, data in sorted(files.items()):
                place = os.path.join(folder, path)
                above = os.path.dirname(place)
                os.makedirs(above, 0o700, exist_ok=True)
                while above not in made:
                    made.add(above)
                    above = os.path.dirname(above)
                self._write(place, data, group)
            for each in made:
                _give(each, group)
                os.chmod(each, self._folder_mode)
            with suppress(FileNotFoundError):
                os.unlink(self._path(NEW_DATA))
            os.symlink(name, self._path(NEW_DATA))
            os.rename(self._path(NEW_DATA), self._path(DATA))
        except BaseException:
            if self._current() != folder:
                shutil.rmtree(folder, ignore_errors=True)
            raise

    def _write(self, path: str, data: bytes, group: int) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            fs.write_all(descriptor, data)
            _give(descriptor, group)
            os.fchmod(descriptor, self._mode)
        finally:
            os.close(descriptor)

    def _link(self, names: set[str]) -> None:
        """Give each name a link through `..data`, and remove those that lead nowhere."""
        for name in names:
            path, wanted = self._path(name), f"{DATA}/{name}"
            if not os.path.lexists(path):
                os.symlink(wanted, path)
            elif not os.path.islink(path) or os.readlink(path) != wanted:
                failure = OutputError("something else is in the place of the file", hint="the folder must belong to the sidecar alone")
                failure.file = path
                raise failure
        for name in os.listdir(self._target):
            path = self._path(name)
            if name not in names and os.path.islink(path) and os.readlink(path) == f"{DATA}/{name}":
                os.unlink(path)

    def _clean(self) -> None:
        """Remove the old folder, and what a process that was killed has left."""
        current = self._current()
        for name in os.listdir(self._target):
            if name == NEW_DATA:
                os.unlink(self._path(name))
            elif _STAMPED.fullmatch(name) and self._path(name) != current:
                shutil.rmtree(self._path(name))

    def _path(self, name: str) -> str:
        return os.path.join(self._target, name)


def _give(place: int | str, group: int) -> None:
    """Give a file the group of the target, which is the `fsGroup` of the pod. Whoever may not has that group already, or none to share with."""
    with suppress(PermissionError):
        os.chown(place, -1, group)


def _walk(folder: str) -> list[str]:
    """The paths of everything below a folder that is no folder."""
    found: list[str] = []
    waiting = [""]
    while waiting:
        inner = waiting.pop()
        for entry in os.scandir(os.path.join(folder, inner)):
            if entry.is_dir(follow_symlinks=False):
                waiting.append(f"{inner}{entry.name}/")
            else:
                found.append(f"{inner}{entry.name}")
    return found
