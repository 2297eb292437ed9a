"""The stages of decryption over one source, with what one of them learns for the next.

Source: kustomize-controller internal/controller/kustomization_controller.go (build).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from secrettool.errors import HookError
from secrettool.hook.model import MAX_ERRORS, HookConfig, KeyRing, ObjectOutcome, RunReport, SourceReport
from secrettool.hook.resource import Stage, open_object
from secrettool.objects import Object

if TYPE_CHECKING:
    from secrettool.fs.saferoot import SafeRoot


class Decryptor:
    """Opens the files and the objects of one source. Whatever fails leaves its object out as a whole.

    Args:
        config: How strictly it follows Flux.
        keys: What opens data keys; its owner closes it.
        macs: The `sops.mac` texts of files whose MAC somebody verified already.
    """

    def __init__(self, config: HookConfig, keys: KeyRing, *, macs: Iterable[str] = ()) -> None:
        self._config = config
        self._keys = keys
        self._macs = set(macs)

    def __repr__(self) -> str:
        return f"<Decryptor parity={self._config.parity} mac={self._config.mac}>"

    def open_sources(self, root: SafeRoot, path: str) -> SourceReport:
        """The source stage: open the files that the build needs as files, and remember the MACs that were verified.

        Args:
            root: The source; nothing is written to it.
            path: The folder to build, relative to the root.
        """
        from secrettool.hook.sources import open_sources

        report = open_sources(root, path, self._config, self._keys)
        self._macs |= report.macs
        return report

    def open_object(self, obj: Object) -> ObjectOutcome:
        """The resource stage for one object. The object itself is not changed.

        Raises:
            HookError: It cannot be opened; `file` is the object, `where` the entry.
        """
        return open_object(obj, Stage(self._config, self._keys, self._macs))

    def run(self, objs: Iterable[Object]) -> RunReport:
        """The resource stage for all objects of a build, in their order; failures are collected, and the pass has failed when there is one."""
        outcomes: list[ObjectOutcome] = []
        errors: list[HookError] = []
        for obj in objs:
            try:
                outcomes.append(self.open_object(obj))
            except HookError as error:
                errors.append(error)
                if len(errors) >= MAX_ERRORS:
                    break
        return RunReport(tuple(outcomes), tuple(errors))
