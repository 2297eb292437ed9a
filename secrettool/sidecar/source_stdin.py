"""Manifests on stdin as a source: read once, kept in memory as they came, ciphertext and all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from secrettool import fs
from secrettool.objects import Ref
from secrettool.sidecar.origin import Checkout, SourceUnavailable

LIMIT: Final = 64 * 1024 * 1024
_FILE: Final = "stdin.yaml"


class StdinOrigin:
    """Implements `Origin`.

    Args:
        read: Gives at most so many bytes and one more of stdin.
        allow_disk: Accept a folder on a disk when there is no memory file system.
    """

    def __init__(self, read: Callable[[int], bytes], *, allow_disk: bool = False) -> None:
        self._read = read
        self._allow_disk = allow_disk
        self._stack = ExitStack()
        self._folder: str | None = None

    @property
    def subject(self) -> Ref | None:
        """No object; see `Origin`."""
        return None

    @property
    def looks(self) -> bool:
        """It never changes; see `Origin`."""
        return False

    def look(self) -> str:
        """Always the same; see `Origin`."""
        return "stdin"

    @contextmanager
    def checkout(self) -> Iterator[Checkout]:
        """A folder in memory with one file; see `Origin`."""
        if self._folder is None:
            data = self._read(LIMIT)
            if len(data) > LIMIT:
                raise SourceUnavailable(f"stdin has more than {LIMIT} bytes")
            folder = self._stack.enter_context(fs.memory_directory(allow_disk=self._allow_disk))
            with open(os.path.join(folder, _FILE), "wb") as file:
                file.write(data)
            self._folder = folder
        yield Checkout(self._folder, "stdin", "stdin")

    def close(self) -> None:
        """Remove the folder."""
        self._stack.close()
        self._folder = None
