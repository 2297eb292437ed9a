"""The manifests of a repository, read into memory: text by path from the root of the repository."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from secrettool.cli import output
from secrettool.cli.git import repository_above
from secrettool.cli.textfiles import read_text
from secrettool.errors import FormatError, InputError, Outcome, UsageError

_SUFFIXES = (".yaml", ".yml", ".json")
_WITHOUT_SUFFIX = "Kustomization"
_LIMIT = 16 << 20  # bytes of one file; no manifest that an API server takes is nearly as large


def read(paths: Sequence[str]) -> dict[str, str]:
    """All manifests below folders. Folders whose name begins with a dot are left out, and so is what is no text.

    Args:
        paths: Folders, or single files.

    Returns:
        Text by path from the root, which is the nearest folder with `.git`; without one the working directory, or the folder if it lies elsewhere.

    Raises:
        UsageError: A path is not there, or lies outside of the root of the first.
        InputError: A file cannot be read.
    """
    root = root_of(paths[0])
    found: dict[str, str] = {}
    for path in paths:
        if not os.path.exists(path):
            raise UsageError(f"{path}: there is no such folder", hint="--manifests names a folder with manifests", code=Outcome.CONFIGURATION)
        real = os.path.realpath(path)
        if not _is_below(real, root):
            raise UsageError(f"{path} lies outside of {root}", hint="manifests of one run belong to one repository", code=Outcome.CONFIGURATION)
        for file in _files(real):
            text = _text(file)
            if text is not None:
                found[os.path.relpath(file, root).replace(os.sep, "/")] = text
    return found


def root_of(path: str) -> str:
    """The folder that paths of manifests begin at."""
    real, here = os.path.realpath(path), os.path.realpath(os.curdir)
    folder = real if os.path.isdir(real) else os.path.dirname(real)
    return repository_above(folder) or (here if _is_below(folder, here) else folder)


def _is_below(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip("/") + "/")


def _files(path: str) -> Iterator[str]:
    if not os.path.isdir(path):
        yield path
        return
    for folder, folders, names in os.walk(path, onerror=_refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (os.path.join(folder, name) for name in sorted(names) if name.endswith(_SUFFIXES) or name == _WITHOUT_SUFFIX)


def _refuse(error: OSError) -> None:
    failure = InputError(f"cannot be read: {(error.strerror or 'unknown error').lower()}", code=Outcome.CONFIGURATION)
    failure.file = str(error.filename)
    raise failure from error


def _text(file: str) -> str | None:
    if not os.path.isfile(file):  # a link to a folder or to nothing, a pipe
        return None
    if os.path.getsize(file) > _LIMIT:
        output.warning(f"{file}: larger than {_LIMIT} bytes, passed over")
        return None
    try:
        return read_text(file)
    except FormatError:
        output.warning(f"{file}: not UTF-8 text, passed over")
        return None
