"""Folders of manifests without a kustomization file.

Every `*.yaml`, `*.yml` and `*.json` below the folder, sorted by path. Names that begin with a dot are passed over, as a shell pattern does: they are
settings of tools (`.sops.yaml`, `.github`), not manifests. Links are not followed.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, NamedTuple

from secrettool import manifests
from secrettool.errors import FormatError, HookError
from secrettool.objects import Object, ref_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from secrettool.fs.saferoot import SafeRoot

SUFFIXES = (".yaml", ".yml", ".json")

NO_OBJECT = "HK145"


class PlainFile(NamedTuple):
    """One file of manifests.

    Attributes:
        path: Relative to the root.
        data: Its bytes.
        objects: Its objects, items of lists taken out.
    """

    path: str
    data: bytes
    objects: list[Object]

    def __repr__(self) -> str:
        return f"<PlainFile {self.path}>"


def find_files(root: SafeRoot, path: str) -> Iterator[str]:
    """The manifests at a path, which may be one file: paths relative to the root, sorted.

    Raises:
        UnsafePath: `HK121`: there is nothing.
        InputError: A folder cannot be read.
    """
    start = root.resolve(path)
    if root.kind(start) == "file":
        yield start
        return
    found: list[str] = []
    waiting = [start]
    while waiting:
        for entry in root.entries(waiting.pop()):
            name = posixpath.basename(entry.path)
            if name.startswith("."):
                continue
            if entry.kind == "directory":
                waiting.append(entry.path)
            elif entry.kind == "file" and name.endswith(SUFFIXES):
                found.append(entry.path)
    yield from sorted(found)


def read_file(root: SafeRoot, path: str) -> PlainFile:
    """One file of manifests.

    Raises:
        HookError: `HK145`: it cannot be read as YAML or JSON, or holds something that is no Kubernetes object.
        UnsafePath: `HK121`: it is no regular file.
        InputError: It cannot be read.
    """
    data = root.read(path)
    try:
        found = manifests.read(data.decode("utf-8", "surrogateescape"), file=path)
    except FormatError as error:
        raise HookError(NO_OBJECT, f"not a file of manifests: {error.message}", subject=path, key=error.where) from None
    return PlainFile(path, data, objects_of(found, path))


def objects_of(found: list[manifests.Manifest], file: str) -> list[Object]:
    """The objects of a stream, items of lists taken out.

    Raises:
        HookError: `HK145`: something is no Kubernetes object.
    """
    for manifest in found:
        ref = ref_of(manifest.obj)
        if not (ref.kind and ref.api_version and (ref.name or ref.kind.endswith("List"))):
            missing = next(name for name, text in (("kind", ref.kind), ("apiVersion", ref.api_version), ("metadata.name", "")) if not text)
            hint = "this is a kustomization file: build its folder" if ref.kind in ("Kustomization", "Component") else None
            raise HookError(NO_OBJECT, f"not a Kubernetes object: it has no {missing}", subject=file, key=f"line {manifest.line}", hint=hint)
    return manifests.flatten_lists(manifest.obj for manifest in found)
