"""The kustomization file as Flux writes it before it builds.

Where a folder has none, one is made that lists the manifests below it; then the fields of the Flux Kustomization are put into it. Nothing is written
here: the caller puts the text into its own copy of the tree.

Source: github.com/fluxcd/pkg/kustomize 1.24 (Generator.WriteFile, scanManifests); sourceignore 0.15 (what an artifact leaves out).
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from secrettool import manifests
from secrettool.build.fields import WrongField, read_fields
from secrettool.errors import FormatError, HookError
from secrettool.objects import Object, section

if TYPE_CHECKING:
    from collections.abc import Iterator

    from secrettool.flux import FluxKustomization
    from secrettool.fs.saferoot import SafeRoot

FILE_NAMES: Final = ("kustomization.yaml", "kustomization.yml", "Kustomization")
"""Names of a kustomization file, in the order in which they are looked for."""

NOT_THERE, NOT_GENERATED, NOT_READABLE = "HK140", "HK141", "HK124"

_NOT_IN_ARTIFACTS: Final = frozenset(
    {
        *(".git", ".github", ".circleci", ".travis.yml", ".gitlab-ci.yml", "appveyor.yml", ".drone.yml", "cloudbuild.yaml"),
        *("codeship-services.yml", "codeship-steps.yml", ".goreleaser.yml", ".sops.yaml", ".flux.yaml"),
    }
)
_REMOTE: Final = re.compile(r"(git::|gh:|ssh://|https://|http://|git@|github\.com:|github\.com/).", re.IGNORECASE | re.DOTALL)


class Generated(NamedTuple):
    """A kustomization file that a build is to read.

    Attributes:
        path: Where it belongs, relative to the root.
        text: Its text.
        is_new: Whether there was none.
        is_needed: Whether it says something else than the one that is there.
    """

    path: str
    text: str
    is_new: bool
    is_needed: bool


def find_kustomization(root: SafeRoot, folder: str) -> str | None:
    """The kustomization file in a folder, as a path relative to the root; of several the first; None without one.

    Raises:
        UnsafePath: A link goes in circles.
        InputError: The folder cannot be read.
    """
    paths = (posixpath.join(folder, name) for name in FILE_NAMES)
    return next((path for path in paths if root.kind(path) not in ("missing", "directory")), None)


def generate(root: SafeRoot, flux: FluxKustomization) -> Generated:
    """The kustomization file for a Flux Kustomization.

    Args:
        root: The source; nothing is written.
        flux: What is merged in.

    Raises:
        HookError: `HK140`: the path is missing; `HK124`: the file there is no kustomization file; `HK141`: a component may not be used.
        UnsafePath: `HK121`: the file is no regular one.
        InputError: Something cannot be read.
    """
    folder = root.resolve(flux.path)
    if root.kind(folder) == "missing":
        raise HookError(NOT_THERE, "the path of the Kustomization does not exist in the source", subject=flux.path or ".")
    found = find_kustomization(root, folder)
    path = found or posixpath.join(folder, FILE_NAMES[0])
    if found is None and root.kind(path) == "directory":
        raise HookError(NOT_READABLE, "a folder stands where the kustomization file is to be", subject=path)
    before = _empty() if found is None else _read(root, found)
    try:
        fields = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", **read_fields(before)}
    except WrongField as error:
        raise HookError(NOT_READABLE, f"not a kustomization file: {error}", subject=path) from None
    if found is None:
        _list_manifests(fields, [_relative(resource, folder) for resource in find_resources(root, folder)])
    elif not fields.get("resources"):
        # kustomize refuses a file that says nothing.
        fields["buildMetadata"] = ["originAnnotations"]
    _merge(fields, flux, root, folder)
    return Generated(path, manifests.dump([fields]), found is None, found is None or fields != before)


def find_resources(root: SafeRoot, folder: str) -> Iterator[str]:
    """What a generated file lists: every YAML file below a folder, and folders that have a kustomization file; paths relative to the root, sorted.

    What source-controller leaves out of an artifact by default is left out here too, since a working copy still has it.

    Raises:
        UnsafePath: A folder cannot be opened.
        InputError: A folder cannot be read.
    """
    waiting = list(reversed(root.entries(folder)))
    while waiting:
        entry = waiting.pop()
        name = posixpath.basename(entry.path)
        if name in _NOT_IN_ARTIFACTS:
            continue
        if entry.kind == "directory":
            if find_kustomization(root, entry.path) is None:
                waiting += reversed(root.entries(entry.path))
            else:
                yield entry.path
        elif posixpath.splitext("_" + name)[1] in (".yaml", ".yml"):
            yield entry.path


def _empty() -> dict[str, Any]:
    return {}


def _read(root: SafeRoot, path: str) -> Object:
    try:
        found = manifests.read(root.read(path).decode("utf-8", "surrogateescape"), file=path)
    except FormatError as error:
        raise HookError(NOT_READABLE, f"not a kustomization file: {error.message}", subject=path, key=error.where) from None
    return found[0].obj if found else {}


def _relative(path: str, folder: str) -> str:
    return "./" + (path if folder == "." else path[len(folder) + 1 :])


def _list_manifests(fields: dict[str, Any], resources: list[str]) -> None:
    if resources:
        fields["resources"] = resources
    else:
        fields["namespace"] = "_placeholder"


def _merge(fields: dict[str, Any], flux: FluxKustomization, root: SafeRoot, folder: str) -> None:
    texts = {"namespace": flux.target_namespace, "namePrefix": flux.name_prefix, "nameSuffix": flux.name_suffix}
    fields.update({name: text for name, text in texts.items() if text})
    _extend(fields, "patches", [_patch(patch) for patch in flux.patches])
    _extend(fields, "components", [path for path in flux.components if _is_used(path, flux, root, folder)])
    images = list(fields.get("images", ()))
    for image in flux.images:
        new = {name: image[name] for name in ("name", "newName", "newTag", "digest") if image.get(name)}
        place = next((index for index, old in enumerate(images) if old.get("name") == new.get("name")), len(images))
        images[place : place + 1] = [new]
    if images:
        fields["images"] = images


def _extend(fields: dict[str, Any], name: str, more: list[Any]) -> None:
    if more:
        fields[name] = [*fields.get(name, ()), *more]


def _patch(patch: Object) -> Object:
    made: dict[str, Any] = {"patch": patch["patch"]} if patch.get("patch") else {}
    if patch.get("target") is not None:
        names = ("group", "version", "kind", "name", "namespace", "labelSelector", "annotationSelector")
        target = section(patch, "target")
        made["target"] = {name: target[name] for name in names if target.get(name)}
    return made


def _is_used(path: str, flux: FluxKustomization, root: SafeRoot, folder: str) -> bool:
    lower = path.lower()
    if _REMOTE.match(path) or path.startswith("/") or lower.startswith("file:///"):
        raise HookError(NOT_GENERATED, "a component must be a local and relative path", subject=str(flux), key="spec.components")
    return not (flux.ignore_missing_components and root.kind(posixpath.join(folder, path)) == "missing")
