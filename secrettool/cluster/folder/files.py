"""The objects that the files of a folder hold, and writing them: each file is replaced whole or not at all.

Files are `*.yaml`, `*.yml` and `*.json` in the folder and below; what is hidden, and links to folders, are passed over. What is no object with a
name (such as a `List`), or an object that only tools read (kustomize's own), is left alone. A link to a file stays a link: its target is written,
unless it lies outside of the folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from secrettool import fs
from secrettool.cluster.folder.rewriting import joined, rewritten
from secrettool.errors import ClusterError, EmitError, FormatError, InputError, OutputError
from secrettool.manifests import Manifest, dump, read
from secrettool.objects import Object, ref_of

SUFFIXES: Final = (".yaml", ".yml", ".json")
_TOOLS: Final = "kustomize.config.k8s.io"
_PRIVATE: Final = 0o600


class Entry(NamedTuple):
    """An object and where it is written.

    Attributes:
        path: The file.
        number: Which of the file's objects it is, from 0.
        obj: As it is written.
    """

    path: str
    number: int
    obj: dict[str, Any]

    def __repr__(self) -> str:
        return f"<Entry {ref_of(self.obj)} in {self.path}>"


class _File:
    """What a file holds. Two are equal when they are the same: what was read again may be another thing."""

    __slots__ = ("manifests", "stamp")

    def __init__(self, stamp: fs.Stamp, manifests: list[Manifest]) -> None:
        self.stamp = stamp
        self.manifests = manifests


class Files:
    """The manifests of a folder. Every look at them sees what other programs have written meanwhile.

    Args:
        root: The folder.
    """

    def __init__(self, root: str) -> None:
        self._root = root
        self._known: dict[str, _File] = {}
        self._entries: tuple[Entry, ...] = ()

    def entries(self) -> tuple[Entry, ...]:
        """All objects, by file and place in it; the same tuple as long as no file is another one.

        Raises:
            ClusterError: A file cannot be read, or is broken: it could hold the object that is looked for.
        """
        found: dict[str, _File] = {}
        for path, stamp in self._paths():
            file = self._known.get(path)
            found[path] = file if file is not None and file.stamp == stamp else _load(path)
        if found != self._known:
            self._known = found
            self._entries = tuple(
                Entry(path, number, manifest.obj)
                for path, file in found.items()
                for number, manifest in enumerate(file.manifests)
                if _is_object(manifest.obj)
            )
        return self._entries

    def replace(self, entry: Entry, obj: Object) -> None:
        """Write an object in the place of one.

        Raises:
            ClusterError: The file cannot be written; status 409: another program wrote it meanwhile.
        """
        data, stamp = self._data(entry)
        try:
            changed = rewritten(data, entry.number, obj, is_json=_is_json(entry.path))
        except EmitError as error:
            raise _unusable(entry.path, f"cannot be written: {error.message}") from None
        self._write(entry, changed, stamp)

    def remove(self, entry: Entry) -> None:
        """Take an object out of its file; a file that holds nothing else goes.

        Raises:
            ClusterError: As `replace`.
        """
        data, stamp = self._data(entry)
        manifests = read(data.decode("utf-8"), file=entry.path)
        rest = [each for number, each in enumerate(manifests) if number != entry.number]
        if rest:
            self._write(entry, joined(rest, is_json=_is_json(entry.path)), stamp)
            return
        try:
            os.unlink(entry.path)
        except OSError as error:
            raise _unusable(entry.path, f"cannot be removed: {error.strerror}") from None

    def add(self, obj: Object) -> None:
        """Write an object to a new file that only its owner can read, `NAMESPACE/kind-name.yaml`; without a namespace `kind-name.yaml`.

        Raises:
            ClusterError: It cannot be written.
        """
        ref = ref_of(obj)
        stem = f"{ref.kind.lower()}-{quote(ref.name, safe='')}"
        folder = os.path.join(self._root, ref.namespace)
        try:
            os.makedirs(folder, exist_ok=True)
            path = _reserved([os.path.join(folder, f"{name}.yaml") for name in (stem, f"{stem}.{ref.group or 'core'}")])
        except OSError as error:
            raise _unusable(folder, f"cannot be written to: {error.strerror}") from None
        try:
            fs.replace(path, dump([obj]).encode())
        except (EmitError, OutputError) as error:
            os.unlink(path)
            raise _unusable(path, error.message) from None

    def _paths(self) -> Iterator[tuple[str, fs.Stamp]]:
        for folder, folders, names in os.walk(self._root, onerror=_refuse):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(names):
                if not name.startswith(".") and name.endswith(SUFFIXES):
                    path = os.path.join(folder, name)
                    try:
                        status = os.stat(path)
                    except OSError:
                        continue  # it went between the look into the folder and this one, or is a link that leads nowhere
                    yield path, fs.Stamp(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)

    def _data(self, entry: Entry) -> tuple[bytes, fs.Stamp]:
        """What the file holds, if that is still what the entry was read from, and may be written."""
        if not _is_below(self._root, entry.path):
            raise _unusable(entry.path, "is a link that leads out of the folder", "put the manifest itself into the folder")
        try:
            data, stamp = fs.read(entry.path)
        except InputError:
            raise _changed(entry) from None
        if stamp != self._known[entry.path].stamp:
            raise _changed(entry)
        return data, stamp

    def _write(self, entry: Entry, data: bytes, stamp: fs.Stamp) -> None:
        try:
            fs.replace(entry.path, data, expected=stamp)
        except OutputError as error:
            self._data(entry)
            raise _unusable(entry.path, error.message) from None


def _load(path: str) -> _File:
    try:
        data, stamp = fs.read(path)
        return _File(stamp, read(data.decode("utf-8"), file=path))
    except (InputError, FormatError) as error:
        place = f" ({error.where})" if error.where else ""
        raise _unusable(path, error.message + place, "keep nothing but manifests in the folder") from None
    except UnicodeDecodeError:
        raise _unusable(path, "is not UTF-8 text") from None


def _reserved(paths: list[str]) -> str:
    """The first of these files that does not exist yet, made empty and private: it gets values later."""
    for path in paths:
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE))
        except FileExistsError:
            continue
        return path
    raise _unusable(paths[-1], "is there already, with other objects", "give that file another name")


def _is_object(obj: Object) -> bool:
    ref = ref_of(obj)
    return bool(ref.api_version and ref.kind and ref.name) and ref.group != _TOOLS


def _is_below(folder: str, path: str) -> bool:
    root = os.path.realpath(folder)
    return os.path.commonpath([root, os.path.realpath(path)]) == root


def _is_json(path: str) -> bool:
    return path.endswith(".json")


def _refuse(error: OSError) -> None:
    raise _unusable(str(error.filename), f"cannot be read: {error.strerror}")


def _changed(entry: Entry) -> ClusterError:
    message = "409 Conflict: somebody else changed it at the same time"
    return ClusterError(message, status=HTTPStatus.CONFLICT.value, reason="Conflict", subject=str(ref_of(entry.obj)))


def _unusable(path: str, message: str, hint: str | None = None) -> ClusterError:
    return ClusterError(message, subject=path, hint=hint)
