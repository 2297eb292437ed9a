"""The source stage: files that generators and patches name are opened before the build, and the MAC of what the build will read is checked.

Nothing is written: the report holds the plain text of every file that was opened.

Source: kustomize-controller internal/decryptor/decryptor.go (DecryptSources, sopsDecryptFile); decisions about the MAC are ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from secrettool.errors import HookError, InputError
from secrettool.fs.openat import shown
from secrettool.hook.entry import MacCheck, open_text
from secrettool.hook.filemac import macs_of_manifest, macs_of_text
from secrettool.hook.marker import StoreName, is_marked
from secrettool.hook.model import MAX_ERRORS, SourceReport
from secrettool.hook.walk import Reference, as_hook_error, walk

if TYPE_CHECKING:
    from secrettool.fs.saferoot import SafeRoot
    from secrettool.hook.model import HookConfig, KeyRing


def open_sources(root: SafeRoot, path: str, config: HookConfig, keys: KeyRing) -> SourceReport:
    """Open the files of a source that the build needs as plain text.

    Failures are collected; with `parity="flux"` the first one ends the stage, and the report holds what was opened until then.

    Args:
        root: The source; nothing is written to it.
        path: The folder to build, relative to the root (`spec.path`).
        config: How strictly Flux is followed.
        keys: What opens data keys.
    """
    stage = _Stage(root, config, keys)
    errors: list[HookError] = []
    most = 1 if config.parity == "flux" else MAX_ERRORS
    for found in walk(root, path, extended=config.sources == "extended"):
        try:
            stage.visit(found)
        except HookError as error:
            errors.append(error)
            if len(errors) == most:
                break
    return SourceReport(stage.opened, frozenset(stage.macs), (), tuple(errors))


class _Stage:
    """What was done so far."""

    def __init__(self, root: SafeRoot, config: HookConfig, keys: KeyRing) -> None:
        self._root = root
        self._limit = config.max_bytes
        self._keys = keys
        self._checks = config.mac != "skip"
        self._open_disabled = config.open_disabled
        self._mac: MacCheck = "require" if self._checks else "skip"
        self._seen: set[tuple[str, bool]] = set()
        self.opened: dict[str, bytes] = {}
        self.macs: set[str] = set()

    def visit(self, found: Reference | HookError) -> None:
        """Deal with one result of the walk.

        Raises:
            HookError: The walk failed there, or the file cannot be opened.
        """
        if isinstance(found, HookError):
            raise found
        # The first reference decides, whether it finds its marker or not; a manifest is only looked at.
        place = (found.path, found.format is None)
        if place in self._seen:
            return
        self._seen.add(place)
        try:
            if found.format is not None:
                self._open(found.path, found.format)
            elif self._checks:
                self.macs |= macs_of_manifest(found.path, self._root.read(found.path), self._keys, open_disabled=self._open_disabled)
        except (HookError, InputError) as error:
            failure = as_hook_error(error, found.named_in)
            failure.file = shown(found.path)
            raise failure from None

    def _open(self, path: str, store: StoreName) -> None:
        data = self._root.read(path, limit=self._limit)
        if not is_marked(data, store):
            if self._checks:
                self.macs |= macs_of_text(data, self._keys)
            return
        plain = open_text(data, store, store, self._keys, macs=lambda _mac: self._mac)
        self.opened[path] = plain.data
        if self._checks:
            self.macs.add(plain.mac)
