"""The walk over the kustomization files of a source: which files are opened before the build, in which order and as which format.

Depth first from `spec.path`; in each folder first what its generators and patches name, then the folders among its resources and components.

Source: kustomize-controller internal/decryptor/decryptor.go (recurseKustomizationFiles, decryptKustomizationSources).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from secrettool.errors import HookError, InputError
from secrettool.fs.openat import IRREGULAR, shown
from secrettool.fs.saferoot import clean, strip_root
from secrettool.hook.kustomization import NAMES, Generator, Kustomization, read_kustomization
from secrettool.hook.marker import StoreName, format_for_name
from secrettool.hook.remote import is_remote

if TYPE_CHECKING:
    from secrettool.fs.saferoot import SafeRoot

NONE_FOUND, SEVERAL_FOUND = "HK122", "HK123"

FLUX_ROOT = "/tmp/kustomization-N"
"""Where Flux unpacks a source; N is random. A `..` that climbs above the root leaves the rest of this path in the way inside it, so that the place
of the root decides where such a path leads: it is Flux's here, wherever the source really lies."""


class Reference(NamedTuple):
    """A file that a kustomization file names.

    Attributes:
        path: Where it is, relative to the root, without links.
        format: The format that it is opened as; None for a manifest among the resources, which the build reads as it is.
        named_in: The kustomization file.
    """

    path: str
    format: StoreName | None
    named_in: str


def walk(root: SafeRoot, path: str, *, extended: bool = False) -> Iterator[Reference | HookError]:
    """Every file that is named, in the order in which Flux looks at them; a file that is named twice comes twice.

    An error does not end the walk: what hangs on it is passed over. Who wants Flux's behaviour stops at the first.

    Args:
        root: The source.
        path: `spec.path`.
        extended: Whether `configMapGenerator`, `patchesStrategicMerge` and `patchesJson6902` are looked at, which Flux does not do.
    """
    try:
        start = root.look(path)
    except (HookError, InputError) as error:
        yield as_hook_error(error)
        return
    if start.kind == "directory":
        yield from _Walk(root, extended).run(f"{FLUX_ROOT}/{start.path}")
    else:
        yield HookError(NONE_FOUND, "there is no such folder, and the path of the source names it", subject=shown(start.path))


class _Walk:
    """One walk.

    Folders and files are named by Flux's absolute paths, with the links that led there: those are what relative references are joined to.
    """

    def __init__(self, root: SafeRoot, extended: bool) -> None:
        self._root = root
        self._extended = extended
        self._seen: set[str] = set()

    def run(self, start: str) -> Iterator[Reference | HookError]:
        waiting = [clean(start)]
        named_in = [""]
        while waiting:
            folder, origin = waiting.pop(), named_in.pop()
            try:
                place, kind, _, _ = self._root.look(strip_root(FLUX_ROOT, folder))
                if place in self._seen:
                    continue
                self._seen.add(place)
                if kind == "file":
                    yield Reference(place, None, origin)
                if kind != "directory":
                    continue  # a file, a URL, or a mistake that the build will report
                file, found = self._load(place)
            except (HookError, InputError) as error:
                yield as_hook_error(error, origin)
                continue
            for name, store in self._files(folder, found):
                yield self._reference(folder, name, store, file)
            below = [_join(folder, entry) for entry in (*found.resources, *found.components)]
            waiting += below[::-1]
            named_in += [file] * len(below)

    def _resolve(self, path: str) -> str:
        return self._root.resolve(strip_root(FLUX_ROOT, path))

    def _load(self, folder: str) -> tuple[str, Kustomization]:
        """The kustomization file of a folder, and its path.

        Raises:
            HookError: `HK121` to `HK124`.
            InputError: It cannot be read.
        """
        found: list[str] = []
        for name in NAMES:
            file = f"{folder}/{name}" if folder != "." else name
            kind = self._root.kind(file)
            if kind in ("directory", "other"):
                raise HookError(IRREGULAR, "the kustomization file is not a regular file", subject=shown(file))
            if kind == "file":
                found.append(file)
        if not found:
            raise HookError(
                NONE_FOUND, "no kustomization file found", subject=shown(folder), hint=f"it is called {', '.join(NAMES[:-1])} or {NAMES[-1]}"
            )
        if len(found) > 1:
            raise HookError(SEVERAL_FOUND, "found multiple kustomization files", subject=shown(folder), hint="keep one of them")
        return shown(found[0]), read_kustomization(self._root.read(found[0]), shown(found[0]))

    def _files(self, folder: str, found: Kustomization) -> Iterator[tuple[str, StoreName]]:
        """The names of files as they are written, each with its format."""
        yield from _generated(found.secrets)
        yield from ((path, format_for_name(path)) for path in found.patches if not is_remote(path))
        if self._extended:
            yield from _generated(found.config_maps)
            yield from ((path, format_for_name(path)) for path in found.strategic_patches if self._is_file(folder, path))
            yield from ((path, format_for_name(path)) for path in found.json_patches if not is_remote(path))

    def _is_file(self, folder: str, text: str) -> bool:
        """Whether an entry of `patchesStrategicMerge` is a path; else it is the patch."""
        try:
            return self._root.kind(strip_root(FLUX_ROOT, _join(folder, text))) == "file"
        except (HookError, InputError):
            return False

    def _reference(self, folder: str, name: str, store: StoreName, file: str) -> Reference | HookError:
        try:
            return Reference(self._resolve(_join(folder, name)), store, file)
        except (HookError, InputError) as error:
            return as_hook_error(error, file)


def _generated(generators: tuple[Generator, ...]) -> Iterator[tuple[str, StoreName]]:
    for generator in generators:
        for entry in generator.files:
            key, equals, path = entry.partition("=")
            yield (path if equals else key), format_for_name(key)
        for path in generator.envs:
            store = format_for_name(path)
            yield path, ("dotenv" if store == "binary" else store)


def _join(folder: str, path: str) -> str:
    return path if path.startswith("/") else clean(f"{folder}/{path}")


def as_hook_error(error: HookError | InputError, named_in: str = "") -> HookError:
    """An error of the stage, with the kustomization file that led there."""
    if isinstance(error, InputError):
        error = HookError(IRREGULAR, error.message, subject=error.file)
    if named_in and error.hint is None:
        error.hint = f"it is named in {named_in}"
    return error
