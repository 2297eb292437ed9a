"""A folder as a source. When its path is a link, or `..data` in it is one, the link is resolved once, and only its target is looked at.

git-sync replaces the link that is its root; the kubelet replaces `..data` inside a volume of a ConfigMap or Secret.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from secrettool.errors import InputError
from secrettool.objects import Ref
from secrettool.sidecar.digest import folder_digest
from secrettool.sidecar.origin import Checkout, SourceUnavailable

_DATA = "..data"


class DirOrigin:
    """Implements `Origin`.

    Args:
        path: The folder, or a link to it.
    """

    def __init__(self, path: str) -> None:
        self._path = os.path.abspath(path)

    @property
    def subject(self) -> Ref | None:
        """No object; see `Origin`."""
        return None

    @property
    def looks(self) -> bool:
        """It does; see `Origin`."""
        return True

    def look(self) -> str:
        """The target of the link, and a digest of what is in it; see `Origin`."""
        return self._mark(self._resolved())

    @contextmanager
    def checkout(self) -> Iterator[Checkout]:
        """The folder itself; see `Origin`."""
        root = self._resolved()
        mark = self._mark(root)
        yield Checkout(root, self._revision(root, mark), mark)

    def close(self) -> None:
        """It holds nothing."""

    def _resolved(self) -> str:
        real = os.path.realpath(self._path)
        inner = os.path.join(real, _DATA)
        root = os.path.realpath(inner) if os.path.islink(inner) else real
        if not os.path.isdir(root):
            error = SourceUnavailable("there is no such folder", hint="whatever fills it has not done so yet, or is gone")
            error.file = self._path
            raise error
        return root

    def _mark(self, root: str) -> str:
        try:
            return f"{root}@{folder_digest(root)}"
        except InputError as error:
            raise SourceUnavailable.of(error) from None

    def _revision(self, root: str, mark: str) -> str:
        """The name of the target where a link names the state, else the start of the digest."""
        return os.path.basename(root) if root != self._path else "files:" + mark.rpartition("@")[2][:12]
