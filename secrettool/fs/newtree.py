"""A tree that is being made: folders, files and links below a private folder, within limits.

Nothing that was made before is followed: a link in the place of a folder is refused. Folders get mode 0700 and files 0600, whatever they had where
they come from.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from secrettool.errors import HookError, OutputError, UnsafePath
from secrettool.fs import write_all
from secrettool.fs.openat import IRREGULAR, NEW_FILE, TOO_LARGE, Steps, open_root, our_errors, shown

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType
    from typing import Self

MAX_DEPTH = 128
"""Folders inside each other."""


class Limits(NamedTuple):
    """How large a tree may become.

    Attributes:
        entries: Files, folders and links.
        bytes: Bytes of all files.
    """

    entries: int
    bytes: int


class NewTree:
    """A folder that is being filled. Use it in a `with` statement: it holds descriptors.

    Args:
        folder: The folder, which exists; a path without links.
        limits: How large it may become.

    Raises:
        OutputError: It cannot be opened.

    Attributes:
        room: Bytes that may still come.
    """

    def __init__(self, folder: str, limits: Limits) -> None:
        self._limits = limits
        self._entries = 0
        self.room = limits.bytes
        with our_errors(folder, OutputError):
            self._descriptor = open_root(folder)
        self._steps = Steps(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._steps.__exit__(kind, error, trace)
        os.close(self._descriptor)

    def folder(self, parts: list[str]) -> None:
        """Make a folder and those above it; one that is there stays.

        Raises:
            UnsafePath: `HK121`: a component is no folder, or the name cannot be used.
            HookError: `HK120`: more entries than the limit.
            OutputError: It cannot be made.
        """
        with our_errors(_place(parts), OutputError):
            self._go(parts, parts)

    def file(self, parts: list[str], size: int, chunks: Iterable[bytes]) -> None:
        """Make a file, in the place of a file or link of that name.

        Args:
            parts: The components of its path.
            size: How many bytes it will have.
            chunks: The bytes.

        Raises:
            UnsafePath: As `folder`.
            HookError: `HK120`: more entries or bytes than the limit.
            OutputError: It cannot be written.
        """
        if size > self.room:
            raise HookError(TOO_LARGE, f"the files have more than {self._limits.bytes} bytes together", subject=_place(parts))
        self.room -= size
        with our_errors(_place(parts), OutputError):
            folder = self._place_for(parts)
            descriptor = os.open(parts[-1], NEW_FILE, 0o600, dir_fd=folder)
            try:
                for chunk in chunks:
                    write_all(descriptor, chunk)
            finally:
                os.close(descriptor)

    def link(self, parts: list[str], target: str) -> None:
        """Make a link, in the place of a file or link of that name. Where it leads is not looked at.

        Raises:
            UnsafePath: As `folder`.
            HookError: As `folder`.
            OutputError: As `folder`.
        """
        with our_errors(_place(parts), OutputError):
            os.symlink(target, parts[-1], dir_fd=self._place_for(parts))

    def hard_link(self, parts: list[str], target: list[str]) -> None:
        """Give a file or a link that was made before a second name.

        Raises:
            UnsafePath: As `folder`, or there is no such file.
            HookError: As `folder`.
            OutputError: As `folder`.
        """
        with our_errors(_place(parts), OutputError), Steps(self._descriptor) as steps:
            source = steps.go(target[:-1])
            os.stat(target[-1], dir_fd=source, follow_symlinks=False)
            os.link(target[-1], parts[-1], src_dir_fd=source, dst_dir_fd=self._place_for(parts), follow_symlinks=False)

    def _place_for(self, parts: list[str]) -> int:
        """The folder for a new entry, in which nothing has its name any more."""
        folder = self._go(parts[:-1], parts)
        self._count(parts)
        with suppress(FileNotFoundError):
            os.unlink(parts[-1], dir_fd=folder)
        return folder

    def _go(self, folder: list[str], parts: list[str]) -> int:
        if len(folder) > MAX_DEPTH:
            raise UnsafePath(IRREGULAR, f"lies in more than {MAX_DEPTH} folders", subject=_place(parts))
        return self._steps.go(folder, making=lambda: self._count(parts))

    def _count(self, parts: list[str]) -> None:
        self._entries += 1
        if self._entries > self._limits.entries:
            raise HookError(TOO_LARGE, f"there are more than {self._limits.entries} files and folders", subject=_place(parts))


def _place(parts: list[str]) -> str:
    text = shown("/".join(parts))
    return text if len(text) <= 300 else text[:300] + "..."
