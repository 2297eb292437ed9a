"""The manifests of a repository: what git says about an object that is patched.

A manifest is found by kind, name and namespace. The namespace is what the Flux Kustomization that applies the file says, the kustomization files on
the way, or the file itself; for a file that no Flux Kustomization of the repository reaches, the nearest kustomization file above it.

Source: section 5 of the requirements; `secrettool.check.repository` for what Flux applies.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from secrettool.check.repository import KUSTOMIZATION_NAMES, Repository
from secrettool.check.unreached import unreached
from secrettool.errors import SecrettoolError
from secrettool.flux import FluxKustomization
from secrettool.objects import Object, Ref, ref_of

_Key: TypeAlias = tuple[str, str, str]


class GitObject(NamedTuple):
    """An object as git has it.

    Attributes:
        file: Its file, relative to the root of the repository.
        line: Where its document begins, from 1.
        obj: The object after the kustomization files that change it; `sops` sections are still there.
        kustomizations: The Flux Kustomizations that apply it; none when they are not in the repository.
    """

    file: str
    line: int
    obj: Object
    kustomizations: tuple[FluxKustomization, ...] = ()

    def __repr__(self) -> str:
        return f"<GitObject {ref_of(self.obj)} {self.place}>"

    @property
    def place(self) -> str:
        """File and line."""
        return f"{self.file}:{self.line}"

    @property
    def is_encrypted(self) -> bool:
        """Whether its values are ciphertext."""
        return "sops" in self.obj


class ManifestError(SecrettoolError):
    """The manifest of an object cannot be told.

    Args:
        rule: `MF01`: several fit; `PH007`: there is none where the map says.
        message: The cause.
        hint: What to try.
    """

    def __init__(self, rule: str, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.rule = rule


class Manifests:
    """An index over the manifests of a repository. Two threads may look things up at the same time.

    Args:
        files: Text by path, relative to the root of the repository, with `/`; or what was made of it. Flux Kustomizations name paths from that root.
        wanted: The objects that will be looked up, without those of other kinds and names; None for all. Files without them are not read.

    Attributes:
        unreadable: Files that are no manifests although their names say so; each error names its file.
    """

    def __init__(self, files: Mapping[str, str] | Repository, wanted: Iterable[Ref] | None = None) -> None:
        if isinstance(files, Repository):
            repository = files
        else:
            repository = Repository(files if wanted is None else _relevant(files, {ref.name for ref in wanted}))
        self.unreadable: Sequence[SecrettoolError] = repository.unreadable
        self._index: dict[_Key, list[GitObject]] = {}
        for applied in repository.applied:
            for located in applied.manifests:
                self._add(GitObject(*located, (applied.kustomization,)))
        for located in unreached(repository):
            self._add(GitObject(*located))

    def find(self, ref: Ref, manifest: str | None = None) -> GitObject | None:
        """What git says about an object; None when it does not have it.

        Args:
            ref: The object.
            manifest: The file that it is in, relative to the root; None to look everywhere.

        Raises:
            ManifestError: Several manifests fit, or the file does not have it.
        """
        named = self._index.get((ref.group, ref.kind, ref.name), [])
        if manifest is not None:
            named = [each for each in named if each.file == posixpath.normpath(manifest)]
        found = _together(next(filter(None, _from_likely_to_unlikely(named, ref)), named if manifest is not None else []))
        if manifest is not None and not found:
            raise ManifestError("PH007", f"{manifest} has no {ref.kind} {ref.name}", hint="correct manifest of the target, or leave it out")
        if len(found) > 1:
            places = ", ".join(each.place for each in found)
            raise ManifestError("MF01", f"several manifests fit: {places}", hint="give the file as manifest of the target")
        return found[0] if found else None

    def __iter__(self) -> Iterator[GitObject]:
        return (each for found in self._index.values() for each in found)

    def _add(self, found: GitObject) -> None:
        ref = ref_of(found.obj)
        self._index.setdefault((ref.group, ref.kind, ref.name), []).append(found)


def _from_likely_to_unlikely(named: list[GitObject], ref: Ref) -> Iterator[list[GitObject]]:
    """Manifests of the namespace before those that state none, those that Flux applies before others.

    For an object without a namespace that of the manifest does not count: not every kind that has none is known where the manifests are read.
    """
    for namespaces in ((ref.namespace,) if ref.namespace else (), ("",)):
        there = [each for each in named if not ref.namespace or ref_of(each.obj).namespace in namespaces]
        yield [each for each in there if each.kustomizations]
        yield there


def _together(found: list[GitObject]) -> list[GitObject]:
    """Each manifest once, with all the Kustomizations that apply it in the same form."""
    by_place: dict[str, list[GitObject]] = {}
    for each in found:
        same = by_place.setdefault(each.place, [])
        number = next((number for number, other in enumerate(same) if other.obj == each.obj), None)
        if number is None:
            same.append(each)
        else:
            same[number] = same[number]._replace(kustomizations=same[number].kustomizations + each.kustomizations)
    return [each for same in by_place.values() for each in same]


def _relevant(files: Mapping[str, str], names: set[str]) -> Mapping[str, str]:
    """The files that can say something about objects of these names: reading all manifests of a repository takes long.

    Kept is what holds one of the names, a Flux Kustomization, a kustomization file, or operations of RFC 6902; where names get a prefix or a suffix,
    everything.
    """
    marks = (*names, "kustomize.toolkit.fluxcd.io", "op:", '"op"')
    found: dict[str, str] = {}
    for path, text in files.items():
        is_kustomization = posixpath.basename(path) in KUSTOMIZATION_NAMES
        if "namePrefix" in text or "nameSuffix" in text:
            return files
        if is_kustomization or any(mark in text for mark in marks):
            found[path] = text
    return found
