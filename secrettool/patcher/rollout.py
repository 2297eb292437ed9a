"""The restarts of a run: each workload once, however many of its objects changed; then all of them are waited for together.

Source: requirement PT-36.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from secrettool.cluster.model import Cluster
from secrettool.errors import ClusterError, Outcome
from secrettool.findings import Finding
from secrettool.objects import Ref
from secrettool.patcher.mapping import Target
from secrettool.patcher.restart import restart, wait, workloads
from secrettool.patcher.result import Result
from secrettool.patcher.retry import Clock


class Restarts:
    """The workloads of a run.

    Args:
        cluster: Where they are.
        now: The time of day.
        clock: Time and chance.
        seconds: How long to wait for all of them together, at most; None: not at all.
        dry_run: Whether the server only answers.

    Attributes:
        done: The generation of each workload that was restarted; those that are left to Reloader are not among them.
    """

    def __init__(self, cluster: Cluster, *, now: Callable[[], datetime], clock: Clock, seconds: float | None = None, dry_run: bool = False) -> None:
        self._cluster = cluster
        self._now = now
        self._clock = clock
        self._seconds = seconds
        self._dry_run = dry_run
        self._problems: dict[Ref, _Problem] = {}
        self.done: dict[Ref, int] = {}

    def after(self, results: Iterable[Result], targets: Callable[[Result], Target | None]) -> list[Result]:
        """Restart what uses the objects that changed.

        Args:
            results: The rows of the objects.
            targets: The target of a row; None for one that restarts nothing.

        Returns:
            The rows with their workloads, and with what went wrong: a row of an object that was written stays `changed`.
        """
        begun = [self._begun(result, targets(result)) for result in results]
        self._wait()
        return [self._told(result, refs) for result, refs in begun]

    def again(self, *, waits: bool = True) -> list[Finding]:
        """Restart everything that was restarted once more, and wait if that is wanted; what goes wrong is told."""
        refs, self._problems = list(self.done), {}
        for ref in refs:
            self._restart(ref, None)
        if waits:
            self._wait()
        return [self._problems[ref].finding(ref) for ref in refs if ref in self._problems]

    def _begun(self, result: Result, target: Target | None) -> tuple[Result, list[Ref]]:
        if target is None or not target.restart or result.word not in ("changed", "created") or not result.changed_keys:
            return result, []
        try:
            refs = workloads(target, result.ref, self._cluster)
        except ClusterError as error:
            finding = Finding("RS01", "error", f"the workloads that use it were not found: {error.message}", subject=str(result.ref), hint=error.hint)
            return _with(result, (finding,)), []
        for ref in refs:
            if ref not in self.done and ref not in self._problems:
                self._restart(ref, result.ref.name)
        return result, refs

    def _restart(self, ref: Ref, secret: str | None) -> None:
        try:
            generation = restart(ref, secret, self._cluster, now=self._now(), dry_run=self._dry_run)
        except ClusterError as error:
            self._problems[ref] = _Problem("RS01", f"was not restarted: {error.message}", error.hint)
            return
        if generation is not None:
            self.done[ref] = generation

    def _wait(self) -> None:
        if self._seconds is None or self._dry_run:
            return
        end = self._clock.monotonic() + self._seconds
        for ref, generation in self.done.items():
            if ref in self._problems:
                continue
            try:
                cause = wait(ref, generation, self._cluster, seconds=end - self._clock.monotonic(), clock=self._clock)
            except ClusterError as error:
                cause = f"its state cannot be read: {error.message}"
            if cause is not None:
                self._problems[ref] = _Problem("RS02", f"was restarted, and does not run as it should: {cause}")

    def _told(self, result: Result, refs: list[Ref]) -> Result:
        findings = tuple(self._problems[ref].finding(ref, result.ref) for ref in refs if ref in self._problems)
        return _with(replace(result, restarted=tuple(ref for ref in refs if ref in self.done)), findings)


class _Problem(NamedTuple):
    """What went wrong with a workload."""

    code: str
    text: str
    hint: str | None = None

    def finding(self, ref: Ref, subject: Ref | None = None) -> Finding:
        return Finding(self.code, "error", f"{ref} {self.text}", subject=str(subject or ref), hint=self.hint)


def _with(result: Result, findings: tuple[Finding, ...]) -> Result:
    return replace(result, findings=(*result.findings, *findings), code=Outcome.SOME_FAILED) if findings else result
