"""One pass: the source as it is now, built and decrypted in memory, guarded, and then applied or written, all of it or nothing.

Source: section 13.2 and requirements DA-38, DA-40.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from secrettool.build.render import Rendered, Surroundings, render
from secrettool.errors import HookError, InputError, SecrettoolError
from secrettool.findings import Finding
from secrettool.hook.guard import guard
from secrettool.hook.marker import format_for_name
from secrettool.hook.model import HookConfig
from secrettool.placeholders import ALLOW, REFUSE
from secrettool.sidecar.applying import Applier, LeaseLost
from secrettool.sidecar.origin import Checkout, SourceUnavailable

if TYPE_CHECKING:
    from secrettool.sidecar.config import Source
    from secrettool.sidecar.keys import Keyring
    from secrettool.sidecar.origin import Origin
    from secrettool.sidecar.rendering import Renderer
    from secrettool.sidecar.state import Cause, ObjectState, Recorder

ATTEMPTS: Final = 3
"""Times that a source is read which changes meanwhile."""

_CAUSES: Final[Mapping[str, Cause]] = {
    "generate": "build",
    "sources": "decrypt",
    "build": "build",
    "resource": "decrypt",
    "substitute": "decrypt",
    "guard": "guard",
}


class Report(NamedTuple):
    """How a pass ended.

    Attributes:
        revision: Of the source; empty when there was none.
        mark: Of the source; empty when there was none.
        cause: What the pass failed at; empty when it did not.
        errors: Why it failed.
        warnings: What a person should be told.
        objects: What became of each object or file.
        wrote: Whether anything was written.
    """

    revision: str = ""
    mark: str = ""
    cause: Cause = ""
    errors: tuple[SecrettoolError, ...] = ()
    warnings: tuple[Finding, ...] = ()
    objects: tuple[ObjectState, ...] = ()
    wrote: bool = False

    def __repr__(self) -> str:
        return f"<Report {self.cause or 'done'} {len(self.objects)} objects, {len(self.errors)} errors>"

    @property
    def is_standing_down(self) -> bool:
        """Whether it was broken off because another replica may work now; what it had not written, that one writes."""
        return any(isinstance(error, LeaseLost) for error in self.errors)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Errors and warnings."""
        return (*(_finding(error, self.cause) for error in self.errors), *self.warnings)


class Worker:
    """Does the passes of one source.

    Args:
        source: The source.
        origin: Where it comes from.
        keyring: What opens it.
        target: Where it goes.
        recorder: Takes what only grows.
        environ: For finding and calling kustomize.
        allow_disk: Accept a folder on a disk when there is no memory file system.
    """

    def __init__(
        self,
        source: Source,
        origin: Origin,
        keyring: Keyring,
        target: Applier | Renderer,
        recorder: Recorder,
        *,
        environ: Mapping[str, str],
        allow_disk: bool = False,
    ) -> None:
        self.source = source
        self.origin = origin
        self.keyring = keyring
        self._target = target
        self._recorder = recorder
        self._mark = ""  # of the state that was read last
        self._surroundings = Surroundings(environ=environ, allow_disk=allow_disk, how="plain" if source.kind == "stdin" else source.build)
        self._config = HookConfig(
            parity=source.parity,
            mac=source.mac,
            env_keys=source.keys.environment,
            placeholders=ALLOW if source.placeholders else REFUSE,
            open_disabled=source.parity != "flux",
        )

    def __repr__(self) -> str:
        return f"<Worker of {self.source.id}>"

    def run(self) -> Report:
        """Do a pass. Nothing is applied or written unless everything was decrypted and may pass."""
        self.keyring.refresh()
        if self.keyring.current is None:
            return Report(cause="keys", errors=(self.keyring.error,) if self.keyring.error else ())
        self._mark = ""
        try:
            checkout, done = self._rendered()
        except (SourceUnavailable, InputError) as error:
            return Report(mark=self._mark, cause="source", errors=(error,))
        except SecrettoolError as error:
            return Report(mark=self._mark, cause="build", errors=(error,))
        begun = Report(checkout.revision, checkout.mark, warnings=tuple(dict.fromkeys(done.warnings)))
        self._record(done)
        if done.errors:
            return begun._replace(cause=_CAUSES[done.stage or "build"], errors=done.errors)
        refused = tuple(guard(done.objects, replace(self._config, parity="extended"))) if self._config.parity == "flux" else ()
        if refused:
            return begun._replace(cause="guard", errors=refused)
        return self._delivered(done, begun)

    def has_drifted(self) -> bool:
        """Whether what the last pass left is not as it was; nothing is decrypted for it.

        Raises:
            SecrettoolError: It cannot be seen.
        """
        return self._target.has_drifted()

    def forget(self) -> None:
        """Another replica may have worked meanwhile."""
        if isinstance(self._target, Applier):
            self._target.forget()

    def close(self) -> None:
        """Give up source and keys."""
        self.origin.close()
        self.keyring.close()

    def _rendered(self) -> tuple[Checkout, Rendered]:
        """The objects of one state of the source. A source that changed while it was read is read again."""
        for _ in range(ATTEMPTS):
            with self.origin.checkout() as checkout:
                self._mark = checkout.mark
                try:
                    done = render(
                        checkout.root, self.source.path, flux=None, config=self._config, keys=self.keyring.current, surroundings=self._surroundings
                    )
                except InputError:
                    if not self.origin.looks or self.origin.look() == checkout.mark:
                        raise
                    continue
                if not self.origin.looks or self.origin.look() == checkout.mark:
                    return checkout, done
        raise SourceUnavailable("it changes while it is read", hint="let it be replaced as a whole, through a link")

    def _delivered(self, done: Rendered, begun: Report) -> Report:
        if isinstance(self._target, Applier):
            return self._applied(done, begun, self._target)
        return self._written(done, begun, self._target)

    def _applied(self, done: Rendered, begun: Report, applier: Applier) -> Report:
        try:
            applied = applier.run(done.objects)
        except SecrettoolError as error:
            return begun._replace(cause="apply", errors=(error,))
        if applied.conflicts:
            self._recorder.conflicted(applied.conflicts)
        cause: Cause = "conflict" if applied.conflicts else "apply" if applied.errors else ""
        return begun._replace(cause=cause, errors=applied.errors, objects=applied.objects, wrote=applied.wrote)

    def _written(self, done: Rendered, begun: Report, renderer: Renderer) -> Report:
        try:
            rendered = renderer.run(done.objects, [fact.action == "decrypted" for fact in done.facts])
        except SecrettoolError as error:
            return begun._replace(cause="render", errors=(error,))
        warnings = (*begun.warnings, Finding("render", "warning", rendered.warning)) if rendered.warning else begun.warnings
        cause: Cause = "render" if rendered.errors else ""
        return begun._replace(cause=cause, errors=rendered.errors, warnings=warnings, objects=rendered.files, wrote=rendered.is_swapped)

    def _record(self, done: Rendered) -> None:
        opened = Counter(form for fact in done.facts if fact.action == "decrypted" for form in _formats(fact.entries))
        for form, count in opened.items():
            self._recorder.decrypted(form, "done", count)
        if done.errors and done.stage in ("sources", "resource"):
            self._recorder.decrypted("object", "failed", len(done.errors))
        for rule, count in Counter(error.rule for error in done.errors if isinstance(error, HookError)).items():
            if done.stage == "guard":
                self._recorder.refused(rule, count)


def _formats(entries: Sequence[str]) -> list[str]:
    """The formats of the entries of an object, by their names; of a whole object `object`."""
    return [format_for_name(entry) for entry in entries] or ["object"]


def _finding(error: SecrettoolError, cause: Cause) -> Finding:
    if isinstance(error, HookError):
        return Finding.of(error)
    return Finding(cause or "unexpected", "error", error.message, subject=error.file, key=error.where, hint=error.hint)
