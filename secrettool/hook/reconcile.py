"""`DecryptHook`: decryption as a step of somebody else's reconciler."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from secrettool.hook.decryptor import Decryptor
from secrettool.hook.model import HookConfig, KeyRing, PassContext

if TYPE_CHECKING:
    from secrettool.errors import HookError
    from secrettool.findings import Finding
    from secrettool.fs.saferoot import SafeRoot


class DecryptHook:
    """Implements `ReconcileHook`: opens files before the build and objects after it, and guards what is applied.

    One hook serves one source with its own keys. Whatever fails ends the pass: all failures of a step are in `errors`, and the first is raised.

    Args:
        config: How strictly it follows Flux.
        keys: What opens data keys; its owner closes it.
        path: The folder of the source that is built.
        tell: Gets each warning.

    Attributes:
        errors: The failures of the last step that had any, at most `MAX_ERRORS`.
    """

    def __init__(self, config: HookConfig, keys: KeyRing, *, path: str = ".", tell: Callable[[Finding], None] | None = None) -> None:
        self._config = config
        self._keys = keys
        self._path = path
        self._tell = tell
        self._decryptor = Decryptor(config, keys)
        self.errors: tuple[HookError, ...] = ()

    def __repr__(self) -> str:
        return f"<DecryptHook of {self._path}>"

    def before_build(self, ctx: PassContext, tree: SafeRoot) -> None:
        """Open the files that the build needs as files, in their places: `tree` has to be a copy, in memory.

        Raises:
            HookError: A file cannot be opened.
        """
        self._decryptor = Decryptor(self._config, self._keys)
        report = self._decryptor.open_sources(tree, self._path)
        self._end_step(report.warnings, report.errors)
        for file, data in report.opened.items():
            tree.write(file, data)

    def after_build(self, ctx: PassContext, objs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Open the objects.

        Raises:
            HookError: An object cannot be opened.
        """
        report = self._decryptor.run(objs)
        self._end_step(report.warnings, report.errors)
        return [dict(obj) for obj in report.objects]

    def before_apply(self, ctx: PassContext, objs: Sequence[dict[str, Any]]) -> None:
        """Let nothing through that must not reach a cluster.

        Raises:
            GuardError: There is ciphertext, a `sops` section, a placeholder, or too much data.
        """
        from secrettool.hook.guard import guard

        self._end_step((), tuple(guard(objs, self._config)))

    def after_apply(self, ctx: PassContext, results: Sequence[Any]) -> None:
        """The pass went well: what it learned about its source is not needed any more."""
        self._decryptor = Decryptor(self._config, self._keys)

    def on_error(self, ctx: PassContext, error: HookError) -> None:
        """The pass failed: the next one starts anew."""
        self._decryptor = Decryptor(self._config, self._keys)

    def _end_step(self, warnings: Sequence[Finding], errors: tuple[HookError, ...]) -> None:
        self.errors = errors
        if self._tell is not None:
            for finding in warnings:
                self._tell(finding)
        if errors:
            raise errors[0]
