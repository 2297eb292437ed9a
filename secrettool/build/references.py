"""The paths that kustomization files name: before a build each is checked, because kustomize runs without its own restrictions.

The check sees what kustomize would open: it follows the same references, joins paths by their text and then lets the system follow links. It errs on
the side of refusing. Files that configure generators and transformers can name paths too, so they are read; where such a configuration would itself
be the result of a build with transformers, nobody can know what it will say, and it is refused.

Source: kustomize api 0.20 internal/loader/fileloader.go, internal/git/repospec.go, internal/target/kusttarget.go, internal/builtins.
"""

from __future__ import annotations

import os
import re
import stat
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

from secrettool import manifests
from secrettool.build.generate import FILE_NAMES, NOT_READABLE
from secrettool.errors import FormatError, HookError, UnsafePath
from secrettool.fs.openat import shown

REFUSED: Final = "HK143"

_FOLDERS: Final = ("resources", "bases", "components")
_FILES: Final = ("crds", "configurations", "patchesstrategicmerge")
_PLUGINS: Final = ("generators", "transformers", "validators")
_PATCHES: Final = ("patches", "patchesjson6902", "replacements")
_GENERATORS: Final = ("configmapgenerator", "secretgenerator")
_MAY_LIST_PLUGINS: Final = frozenset({"apiversion", "kind", "metadata", "resources", "bases"})

_HTTP: Final = re.compile(r"https?:", re.IGNORECASE)
_REPOSITORY: Final = re.compile(r"(git::)?((ssh|https?|file)://|[a-z][a-z0-9-]*@|github\.com[/:])", re.IGNORECASE)


def check_references(root: str, folder: str) -> list[str]:
    """Follow everything that a build of a folder would read.

    Args:
        root: Absolute path of the root, without links.
        folder: The folder that is built, relative to the root, without links.

    Returns:
        The places that name something that does not exist, such as `app/kustomization.yaml: resources[0]`.

    Raises:
        UnsafePath: `HK143`: something leads out of the root, is remote, or is no regular file.
        HookError: `HK124`: a file that names paths cannot be read.
    """
    check = _Check(root)
    check.enter(os.path.normpath(os.path.join(root, folder)))
    check.run()
    return [place for place, there in check.there.items() if not there]


class _Check:
    def __init__(self, root: str) -> None:
        self.root = root
        self.waiting: list[str] = []
        self.seen: set[str] = set()
        self.there: dict[str, bool] = {}

    def enter(self, folder: str) -> None:
        if folder not in self.seen:
            self.seen.add(folder)
            self.waiting.append(folder)

    def run(self) -> None:
        while self.waiting:
            folder = self.waiting.pop()
            for file, fields in self.kustomizations(folder):
                for place, text in _named(fields):
                    self.reference(folder, file, place, text)

    def kustomizations(self, folder: str) -> Iterator[tuple[str, Fields]]:
        """The kustomization files of a folder; kustomize refuses several, but reads them all."""
        for name in FILE_NAMES:
            file = os.path.join(folder, name)
            if os.path.lexists(file):
                self.leads_inside(file, file, "")
                if os.path.isfile(file):
                    for obj in self.read(file):
                        yield file, _lowered(obj)

    def reference(self, folder: str, file: str, place: str, text: str) -> None:
        field = place.partition("[")[0]
        if _HTTP.match(text):
            raise self.refused(file, place, "names something remote, which is not fetched")
        path = os.path.normpath(os.path.join(folder, text))
        if field in (*_FOLDERS, *_PLUGINS) and _REPOSITORY.match(text) and not os.path.isfile(path):
            raise self.refused(file, place, "names a remote repository, which is not fetched")
        if field in _PLUGINS:
            self.plugin(folder, file, place, text, path)
            return
        there = self.leads_inside(path, file, place, is_text="\n" in text)
        shown_place = f"{self.name(file)}: {place}"
        self.there[shown_place] = there or "\n" in text or self.there.get(shown_place, False)
        if there and field in _FOLDERS and os.path.isdir(path):
            self.enter(os.path.realpath(path))

    def leads_inside(self, path: str, file: str, place: str, *, is_text: bool = False) -> bool:
        """Whether there is something at a path; it lies inside the root and is a file or a folder.

        Args:
            path: Absolute path.
            file: The kustomization file that names it.
            place: Where in it.
            is_text: Whether it is more likely a patch than a path; then only something that exists is refused.
        """
        try:
            real = os.path.realpath(path)
            there = os.path.lexists(path)
        except ValueError:
            raise self.refused(file, place, "names a path that no file can have") from None
        if real != self.root and not real.startswith(self.root.rstrip("/") + "/") and (there or not is_text):
            hint = "nothing outside of the root is read; name a folder above as the root with --root"
            raise self.refused(file, place, "names a path that leads out of the root", hint)
        try:
            mode = os.stat(real).st_mode
        except (OSError, ValueError):
            return False
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise self.refused(file, place, "names a device, a pipe or a socket")
        return True

    def plugin(self, folder: str, file: str, place: str, text: str, path: str) -> None:
        """The configuration of a generator, a transformer or a validator: written in the place itself, in a file, or in files of a folder."""
        self.configuration(folder, file, place, self.inline(file, place, text))
        if not self.leads_inside(path, file, place, is_text="\n" in text):
            return
        waiting = [os.path.realpath(path)]
        seen: set[str] = set()
        while waiting:
            found = waiting.pop()
            if found in seen:
                continue
            seen.add(found)
            if os.path.isfile(found):
                self.configuration(folder, found, "", self.read(found))
                continue
            for inner, fields in self.kustomizations(found):
                if not fields.keys() <= _MAY_LIST_PLUGINS:
                    raise self.refused(inner, "", "configures plugins with more than resources, so that their paths cannot be checked")
                for inner_place, inner_text in _named(fields):
                    if _REPOSITORY.match(inner_text) or _HTTP.match(inner_text):
                        raise self.refused(inner, inner_place, "names something remote, which is not fetched")
                    below = os.path.normpath(os.path.join(found, inner_text))
                    if self.leads_inside(below, inner, inner_place):
                        waiting.append(os.path.realpath(below))

    def configuration(self, folder: str, file: str, place: str, objs: list[Mapping[str, Any]]) -> None:
        """Paths in configurations are relative to the folder that lists them."""
        for obj in objs:
            fields = _lowered(obj)
            paths = [*_texts(fields.get("path", [])), *_texts(fields.get("paths", [])), *_texts(fields.get("targetfilepath", []))]
            paths += [path for _, path in _pair_paths(fields, "")]
            for replacement in _mappings(fields.get("replacements", [])):
                paths += _texts(replacement.get("path", []))
            for path in paths:
                if _HTTP.match(path):
                    raise self.refused(file, place, "names something remote, which is not fetched")
                self.leads_inside(os.path.normpath(os.path.join(folder, path)), file, place, is_text="\n" in path)

    def inline(self, file: str, place: str, text: str) -> list[Mapping[str, Any]]:
        """The objects in a text that may be a configuration; none when it can only be a path."""
        try:
            return [manifest.obj for manifest in manifests.read(text, file=None)]
        except FormatError:
            if "\n" in text or "{" in text:
                raise self.refused(file, place, "is neither a path nor a configuration that can be checked") from None
            return []

    def read(self, file: str) -> list[Mapping[str, Any]]:
        try:
            with open(file, "rb") as stream:
                text = stream.read().decode("utf-8", "surrogateescape")
            return [manifest.obj for manifest in manifests.read(text, file=None)]
        except FormatError as error:
            raise HookError(NOT_READABLE, f"cannot be checked: {error.message}", subject=self.name(file), key=error.where) from None
        except OSError as error:
            raise HookError(NOT_READABLE, f"cannot be read: {(error.strerror or 'unknown error').lower()}", subject=self.name(file)) from None

    def name(self, file: str) -> str:
        return shown(os.path.relpath(file, self.root))

    def refused(self, file: str, place: str, message: str, hint: str | None = None) -> UnsafePath:
        return UnsafePath(REFUSED, message, subject=self.name(file), key=place or None, hint=hint)


def _named(fields: Fields) -> Iterator[tuple[str, str]]:
    """Every path that a kustomization file names, with the field."""
    for name in (*_FOLDERS, *_FILES, *_PLUGINS):
        for index, text in enumerate(_texts(fields.get(name, []))):
            yield f"{name}[{index}]", text
    for name in _PATCHES:
        for index, entry in enumerate(_mappings(fields.get(name, []))):
            for text in _texts(entry.get("path", [])):
                yield f"{name}[{index}].path", text
        for index, text in enumerate(_texts(fields.get(name, []))):
            yield f"{name}[{index}]", text
    for name in _GENERATORS:
        for index, entry in enumerate(_mappings(fields.get(name, []))):
            yield from _pair_paths(entry, f"{name}[{index}].")
    for openapi in _mappings(fields.get("openapi", [])):
        for text in _texts(openapi.get("path", [])):
            yield "openapi.path", text


def _pair_paths(entry: Fields, prefix: str) -> Iterator[tuple[str, str]]:
    """The files of a generator; which part of `key=path` is the path is kustomize's decision, so both readings count."""
    for name in ("files", "envs", "env"):
        for index, text in enumerate(_texts(entry.get(name, []))):
            yield f"{prefix}{name}[{index}]", text
            if "=" in text:
                yield f"{prefix}{name}[{index}]", text.partition("=")[2]


Fields: TypeAlias = Mapping[str, list[Any]]


def _texts(values: list[Any]) -> list[str]:
    """The texts in a field, which is one or a list of them."""
    items = [item for value in values for item in (value if isinstance(value, list) else [value])]
    return [item for item in items if isinstance(item, str)]


def _mappings(values: list[Any]) -> list[Fields]:
    """The mappings in a field, which is one or a list of them."""
    items = [item for value in values for item in (value if isinstance(value, list) else [value])]
    return [_lowered(item) for item in items if isinstance(item, Mapping)]


def _lowered(obj: Mapping[str, Any]) -> Fields:
    """Fields by their names without case, which kustomize does not look at. Which of several with one name counts is its decision: all do."""
    found: defaultdict[str, list[Any]] = defaultdict(list)
    for name, value in obj.items():
        found[name.casefold()].append(value)
    return found
