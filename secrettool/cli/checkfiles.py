"""The files that `check` reads: all manifests of a repository that Git does not ignore, and which of them the findings are about."""

from __future__ import annotations

import os
from collections.abc import Sequence

from secrettool.cli import output
from secrettool.cli.manifestfiles import root_of
from secrettool.cli.targets import files_below
from secrettool.cli.textfiles import read_bytes
from secrettool.errors import Outcome, UsageError

_SUFFIXES = (".yaml", ".yml", ".json")
_WITHOUT_SUFFIX = "Kustomization"
_LIMIT = 16 << 20  # bytes of one file; no manifest that an API server takes is nearly as large


class Tree:
    """A repository, and the part of it that findings are wanted about.

    Args:
        paths: Folders or files of it; at least one.
        root: Its root; None for the nearest folder with `.git` above the first path, else the working directory, or the path if it lies elsewhere.

    Attributes:
        root: Real path of the root.

    Raises:
        UsageError: A path is not there, or lies outside of the root.
    """

    def __init__(self, paths: Sequence[str], root: str | None = None) -> None:
        for path in (*paths, *([root] if root is not None else [])):
            if not os.path.exists(path):
                raise UsageError(f"{path}: there is no such file or folder", code=Outcome.CONFIGURATION)
        self.root = os.path.realpath(root) if root is not None else root_of(paths[0])
        self._parts: list[str] = []
        for path in paths:
            part = self.relative(path)
            if part is None:
                raise UsageError(f"{path} lies outside of {self.root}", hint="name a root above it with --root", code=Outcome.CONFIGURATION)
            self._parts.append(part)

    def relative(self, path: str) -> str | None:
        """A path as seen from the root, with `/`, empty for the root itself; None when it lies outside."""
        found = os.path.relpath(os.path.realpath(path), self.root).replace(os.sep, "/")
        if found == ".." or found.startswith("../"):
            return None
        return "" if found == "." else found

    def is_wanted(self, file: str) -> bool:
        """Whether findings about a file, named from the root, are wanted."""
        return any(not part or file == part or file.startswith(f"{part}/") for part in self._parts)

    def read(self) -> dict[str, str]:
        """The text of every manifest by its path from the root. Bytes that are no UTF-8 become surrogates, which no reader of manifests takes.

        Raises:
            InputError: A file cannot be read; the code is that of configuration.
        """
        found: dict[str, str] = {}
        for file in files_below(self.root):
            name = os.path.relpath(file, self.root).replace(os.sep, "/")
            folder, _, base = name.rpartition("/")
            if not (base.endswith(_SUFFIXES) or base == _WITHOUT_SUFFIX) or any(part.startswith(".") for part in folder.split("/")):
                continue
            if os.path.getsize(file) > _LIMIT:
                output.warning(f"{name}: larger than {_LIMIT} bytes, not checked")
                continue
            found[name] = read_bytes(file).decode("utf-8", "surrogateescape")
        return found
