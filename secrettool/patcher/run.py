"""A whole run: look at every object, fetch the values that are needed, write, restart. Targets are independent of each other.

    targets -> cases -> values -> results -> restarts -> results

Source: section 6 of the requirements; PT-10, PT-25, PT-33, PT-36.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from threading import Lock
from typing import Literal, NamedTuple, Protocol, TypeAlias

from secrettool.cluster.parallel import WORKERS, each_at_once
from secrettool.errors import ClusterError
from secrettool.findings import Finding
from secrettool.objects import Ref
from secrettool.patcher.apply import Applying, apply, failed
from secrettool.patcher.case import Case, Surroundings, look
from secrettool.patcher.mapping import Target
from secrettool.patcher.plan import Planning, plan
from secrettool.patcher.result import Result
from secrettool.patcher.retry import CLOCK, Clock
from secrettool.patcher.rollout import Restarts
from secrettool.patcher.wanted import Values

Mode: TypeAlias = Literal["plan", "dry-run", "apply"]
"""`plan`: read only; `dry-run`: the server answers and stores nothing."""


class Sources(Protocol):
    """Where values come from, each at most once."""

    def resolve(self, names: Iterable[str]) -> Values:
        """Values, or why there is none."""

    def version(self, name: str) -> int | None:
        """The version that a value was read from."""


class Settings(NamedTuple):
    """How a run goes.

    Attributes:
        mode: How far it goes.
        verify: Whether what was written is read back.
        recreate: Whether immutable Secrets are deleted and created.
        record_sources: Whether the versions of values are written to an annotation.
        fail_fast: Whether the first failure ends the run.
        wait: Seconds to wait for all restarted workloads together; None: not at all.
        may_be_empty: Whether empty text is a value, by name of the value and target.
        clock: Time and chance.
        now: The time of day.
    """

    mode: Mode = "apply"
    verify: bool = True
    recreate: bool = False
    record_sources: bool = False
    fail_fast: bool = False
    wait: float | None = None
    may_be_empty: Callable[[str, Target], bool] = lambda _name, _target: False
    clock: Clock = CLOCK
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


def run(
    targets: Iterable[Target], around: Surroundings, sources: Sources, settings: Settings, tell: Callable[[Result], None] = lambda _: None
) -> list[Result]:
    """Do what targets say.

    Args:
        targets: Those that were selected.
        around: Cluster and manifests.
        sources: The values; nothing is fetched for an object that is not written.
        settings: How.
        tell: Told of each object as soon as it is done, before restarts; from one thread at a time.

    Returns:
        One row for each object, by target and namespace.
    """
    return _Run(around, sources, settings, tell).run(targets)


def in_order(targets: Iterable[Target]) -> list[tuple[Target, Ref]]:
    """The objects of targets in the order of reports."""
    return sorted(((target, ref) for target in targets for ref in target.refs()), key=lambda each: (each[0].id, each[1].namespace))


def case_of(target: Target, ref: Ref, around: Surroundings) -> Case | Result:
    """An object as it was found, or the row of one that cannot be read."""
    try:
        return look(target, ref, around)
    except ClusterError as error:
        return failed(Result(id=target.id, ref=ref, word="failed"), error)


class _Run:
    """One run."""

    def __init__(self, around: Surroundings, sources: Sources, settings: Settings, tell: Callable[[Result], None]) -> None:
        self._around = around
        self._sources = sources
        self._settings = settings
        self._tell = tell
        self._lock = Lock()
        planning = Planning(around.tokens, settings.may_be_empty, settings.recreate, sources.version if settings.record_sources else None)
        self._how = Applying(planning, settings.mode == "dry-run", settings.verify, settings.clock)

    def run(self, targets: Iterable[Target]) -> list[Result]:
        cases = list(each_at_once(lambda each: case_of(*each, self._around), in_order(targets)))
        self._values([name for case in cases if isinstance(case, Case) for name in sorted(case.names)])
        results: list[Result] = []
        for result in self._results(cases):
            self._tell(result)
            results.append(result)
            if not result.is_good and self._settings.fail_fast:
                results += [_not_tried(each) for each in cases[len(results) :]]
                break  # what was written before needs its restarts all the same: the next run finds nothing to change
        return self._restarted(results, [case for case in cases if isinstance(case, Case)])

    def _values(self, names: Collection[str]) -> Values:
        with self._lock:
            return self._sources.resolve(names)

    def _results(self, cases: Sequence[Case | Result]) -> Iterator[Result]:
        return each_at_once(self._result, cases, 1 if self._settings.fail_fast else WORKERS)

    def _result(self, case: Case | Result) -> Result:
        if isinstance(case, Result):
            return case
        if self._settings.mode == "plan":
            return plan(case, self._values(case.names), self._how.planning).result()
        return apply(case, self._around, self._values, self._how)

    def _restarted(self, results: list[Result], cases: list[Case]) -> list[Result]:
        """The rows with the workloads that were restarted, each once."""
        if self._settings.mode == "plan":
            return results
        settings = self._settings
        targets = {(case.target.id, case.ref): case.target for case in cases}
        restarts = Restarts(self._around.cluster, now=settings.now, clock=settings.clock, seconds=settings.wait, dry_run=self._how.dry_run)
        return restarts.after(results, lambda result: targets.get((result.id, result.ref)))


def _not_tried(case: Case | Result) -> Result:
    found = Finding("FF01", "note", "not tried, since another target failed", subject=str(case.ref))
    return Result(id=case.id if isinstance(case, Result) else case.target.id, ref=case.ref, word="skipped", findings=(found,))
