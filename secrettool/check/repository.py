"""The files of a tree: its Flux Kustomizations, and which manifests each of them applies.

From the path of a Flux Kustomization the kustomization files are followed through `resources`, `components` and `bases`. A path without such a file
stands for every YAML file below it, where folders that have one are followed. Nothing is built: generators, remote bases and variables are left out.

Source: fluxcd/pkg kustomize/kustomize_generator.go (generateKustomization, scanManifests).
"""

from __future__ import annotations

import posixpath
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from secrettool.check.layers import Layer, layer_of_file, layer_of_flux
from secrettool.check.lines import Lines
from secrettool.errors import SecrettoolError
from secrettool.flux import FluxKustomization, is_flux_kustomization
from secrettool.manifests import Manifest, flatten_lists, read
from secrettool.objects import Object, ref_of

KUSTOMIZATION_NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_SUFFIXES = (".yaml", ".yml", ".json")
_SCANNED = (".yaml", ".yml")


class Located(NamedTuple):
    """An object and where it is written.

    Attributes:
        file: Its file, relative to the root of the tree.
        line: Where its document begins, from 1.
        obj: The object, after the layers that change it.
    """

    file: str
    line: int
    obj: Object

    def __repr__(self) -> str:
        return f"<Located {self.subject} {self.file}:{self.line}>"

    @property
    def subject(self) -> str:
        """How findings name it."""
        return str(ref_of(self.obj))


class Applied(NamedTuple):
    """A Flux Kustomization and what it applies.

    Attributes:
        located: Where the Kustomization is written.
        kustomization: The Kustomization.
        manifests: What it applies, in the order of the files.
        files: Where that is written, broken files too.
    """

    located: Located
    kustomization: FluxKustomization
    manifests: list[Located]
    files: list[str]


class _Place(NamedTuple):
    """A folder or a file on the way, and the layers above it, the nearest first."""

    path: str
    layers: tuple[Layer, ...]


class Repository:
    """A tree of files.

    Args:
        files: Path relative to the root, with `/`, to text. Others than YAML and JSON are not looked at.

    Attributes:
        files: The files.
        manifests: What each YAML or JSON file holds; nothing for one that cannot be read.
        lines: Where its leaves are written.
        applied: The Flux Kustomizations of the tree with what they apply. One that another applies has the form that it has then.
        unreadable: Files that are no manifests although their names say so, and Flux Kustomizations that are wrong; each error names its file.
    """

    def __init__(self, files: Mapping[str, str]) -> None:
        self.files = files
        self.manifests: dict[str, list[Manifest]] = {}
        self.lines = Lines(files)
        self._folders: dict[str, list[str]] = {}
        self.unreadable: list[SecrettoolError] = []
        for path in sorted(files):
            if path.endswith(_SUFFIXES) or posixpath.basename(path) in KUSTOMIZATION_NAMES:
                self.manifests[path] = self._read(path)
                self._folders.setdefault(posixpath.dirname(path), []).append(path)
        self._folder_names = sorted(self._folders)
        self.applied = self._find_applied()

    def applied_by(self, kustomization: FluxKustomization) -> list[Located]:
        """The manifests that a Flux Kustomization applies, as they come out of the build, in the order of the files."""
        return [located for place in self._reached(kustomization) for located in self._located(place)]

    def kustomization_file(self, folder: str) -> str | None:
        """The kustomization file of a folder; None without one."""
        names = (posixpath.join(folder, name) for name in KUSTOMIZATION_NAMES)
        return next((name for name in names if name in self.manifests), None)

    def content(self, file: str) -> Object:
        """What a kustomization file holds; nothing when it cannot be read."""
        manifests = self.manifests[file]
        return manifests[0].obj if manifests else {}

    def _reached(self, kustomization: FluxKustomization) -> Iterator[_Place]:
        """The files of manifests that a Flux Kustomization leads to."""
        folder = kustomization.folder
        seen: set[str] = set()
        waiting = [*reversed(list(self._first(kustomization)))]
        while waiting:
            place = waiting.pop()
            if place.path in seen or place.path == folder:
                continue
            seen.add(place.path)
            if place.path in self.manifests:
                yield place
            elif (file := self.kustomization_file(place.path)) is not None:
                layer = layer_of_file(self.content(file), place.path, self.files)
                waiting += reversed(list(self._followed(file, place._replace(layers=(layer, *place.layers)))))

    def _first(self, kustomization: FluxKustomization) -> Iterator[_Place]:
        """What the kustomization file at the path names, with what Flux merges into it."""
        folder = kustomization.folder
        layer = layer_of_flux(kustomization)
        file = self.kustomization_file(folder)
        if file is not None:
            layer = layer_of_file(self.content(file), folder, self.files).overridden_by(layer)
        components = [_joined(folder, path) for path in kustomization.components]
        place = _Place(folder, (*self._component_layers(components), layer))
        yield from self._scanned(place) if file is None else self._followed(file, place)
        for number, component in enumerate(components):
            yield _Place(component, place.layers[number + 1 :])

    def _read(self, path: str) -> list[Manifest]:
        try:
            return read(self.files[path], file=path)
        except SecrettoolError as error:
            self.unreadable.append(error)
            return []

    def _find_applied(self) -> list[Applied]:
        raw = [located for path in self.manifests for located in self._located(_Place(path, ())) if is_flux_kustomization(located.obj)]
        outer = [parsed for each in raw if isinstance(parsed := _parsed(each), FluxKustomization)]
        changed = {
            (each.file, each.line): each for kustomization in outer for each in self.applied_by(kustomization) if is_flux_kustomization(each.obj)
        }
        found: list[Applied] = []
        for located in (changed.get((each.file, each.line), each) for each in raw):
            parsed = _parsed(located)
            if isinstance(parsed, FluxKustomization):
                places = list(self._reached(parsed))
                manifests = [each for place in places for each in self._located(place)]
                found.append(Applied(located, parsed, manifests, [place.path for place in places]))
            else:
                self.unreadable.append(parsed)
        return found

    def _located(self, place: _Place) -> Iterator[Located]:
        for manifest in self.manifests[place.path]:
            for obj in flatten_lists([manifest.obj]):
                for layer in place.layers:
                    obj = layer.apply(obj)
                yield Located(place.path, manifest.line, obj)

    def _followed(self, file: str, place: _Place) -> Iterator[_Place]:
        """What a kustomization file names. The layer of a component also changes what was gathered before it."""
        content = self.content(file)
        components = [_joined(place.path, entry) for entry in _references(content, "components")]
        layers = (*self._component_layers(components), *place.layers)
        for field in ("resources", "bases"):
            for entry in _references(content, field):
                yield _Place(_joined(place.path, entry), layers)
        for number, component in enumerate(components):
            yield _Place(component, layers[number + 1 :])

    def _component_layers(self, folders: list[str]) -> Iterator[Layer]:
        for folder in folders:
            file = self.kustomization_file(folder)
            yield layer_of_file(self.content(file), folder, self.files) if file is not None else Layer()

    def _scanned(self, place: _Place) -> Iterator[_Place]:
        """What Flux puts into the kustomization file that it makes for a folder without one."""
        followed: set[str] = set()
        for folder in self._folders_below(place.path):
            if any(above in followed for above in _above(folder)):
                continue
            if folder != place.path and self.kustomization_file(folder) is not None:
                followed.add(folder)
                yield place._replace(path=folder)
            else:
                yield from (place._replace(path=path) for path in self._folders.get(folder, ()) if path.endswith(_SCANNED))

    def _folders_below(self, folder: str) -> list[str]:
        """A folder and those below it; in a sorted list these stand together."""
        if not folder:
            return self._folder_names
        first, behind = (bisect_left(self._folder_names, folder + end) for end in ("/", "0"))  # 0 comes right behind /
        return [folder, *self._folder_names[first:behind]]


def _above(folder: str) -> Iterator[str]:
    while folder:
        folder = folder.rpartition("/")[0]
        yield folder


def _parsed(located: Located) -> FluxKustomization | SecrettoolError:
    try:
        return FluxKustomization.from_object(located.obj)
    except SecrettoolError as error:
        error.file = located.file
        return error


def _references(content: Object, field: str) -> list[str]:
    entries = content.get(field)
    return [entry for entry in entries if isinstance(entry, str) and "://" not in entry] if isinstance(entries, list) else []


def _joined(folder: str, path: str) -> str:
    joined = posixpath.normpath(posixpath.join(folder, path))
    return "" if joined == "." else joined
