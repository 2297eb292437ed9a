"""A private copy of a tree in memory: where plain text may stand in files while a build reads them.

The tree that it comes from is never written to.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from secrettool.fs import memory_directory
from secrettool.fs.newtree import Limits, NewTree
from secrettool.fs.saferoot import SafeRoot

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LIMITS = Limits(entries=20_000, bytes=64 * 1024 * 1024)
"""How large a copy may be."""

LEFT_OUT = frozenset({".git"})
"""Folders that no artifact of Flux holds either, and that can be larger than everything else."""


class Workspace:
    """A copy of a tree.

    Attributes:
        root: The folder of the copy.
    """

    def __init__(self, root: SafeRoot) -> None:
        self.root = root

    @property
    def path(self) -> str:
        """Absolute path of the copy."""
        return self.root.path

    def write(self, opened: Mapping[str, bytes]) -> None:
        """Give files of the copy another content: those that the source stage opened.

        Args:
            opened: The content by path relative to the root.

        Raises:
            UnsafePath: `HK121`: one is no regular file.
            OutputError: One cannot be written.
        """
        for path, data in opened.items():
            self.root.write(path, data)


@contextmanager
def open_workspace(tree: SafeRoot, *, allow_disk: bool = False, limits: Limits = LIMITS) -> Iterator[Workspace]:
    """Copy a tree into memory, and remove the copy on leaving, also when the process is told to end.

    The folder has mode 0700, as those in it, and files have 0600. Devices, pipes, sockets and links that lead out of the tree are left out, since no
    build may read them.

    Args:
        tree: The tree.
        allow_disk: Accept a folder on a disk when there is no memory file system.
        limits: How large the copy may be.

    Yields:
        The copy.

    Raises:
        HookError: `HK120`: the tree is larger than the limits.
        InputError: A file cannot be read.
        OutputError: There is no memory file system, or it is full.
    """
    with memory_directory(allow_disk=allow_disk) as folder:
        with NewTree(folder, limits) as new:
            _copy(tree, new)
        with SafeRoot(folder) as root:
            yield Workspace(root)


def _copy(tree: SafeRoot, new: NewTree) -> None:
    waiting = ["."]
    while waiting:
        for entry in tree.entries(waiting.pop()):
            parts = entry.path.split("/")
            if entry.kind == "directory" and parts[-1] not in LEFT_OUT:
                new.folder(parts)
                waiting.append(entry.path)
            elif entry.kind == "file":
                # A file that grows meanwhile is refused by `read`, since the room was asked for its size.
                new.file(parts, entry.size, _content(tree, entry.path, entry.size))
            elif entry.kind == "link" and tree.stays_inside(entry.path):
                new.link(parts, tree.target(entry.path))


def _content(tree: SafeRoot, path: str, size: int) -> Iterator[bytes]:
    yield tree.read(path, limit=size)
