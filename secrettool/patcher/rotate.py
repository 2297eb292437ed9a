"""Rotation: new values at their provider and in the cluster, or the old ones in both.

    look, generate, plan -> store -> patch -> restart and wait -> verify -> done
                            any of these fails -> old values stored again, patched back, restarted again

Nothing is written before it is known what every object is to get. All targets of one rotation are one unit.

Source: requirement PT-37.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from secrettool.cluster.parallel import each_at_once
from secrettool.errors import Outcome, SourceError, UsageError
from secrettool.findings import Finding, Severity
from secrettool.objects import Ref, annotations_of
from secrettool.patcher.apply import Applying, apply
from secrettool.patcher.body import Fields, live_value
from secrettool.patcher.case import Case, Surroundings
from secrettool.patcher.mapping import KeyRule, PatchMap, Target, ValueForm
from secrettool.patcher.newvalues import NewValues, RotatingSources, names_to_rotate
from secrettool.patcher.plan import SOURCES, Planning, plan
from secrettool.patcher.putback import put_back
from secrettool.patcher.result import Result, code_of
from secrettool.patcher.rollout import Restarts
from secrettool.patcher.run import Settings, case_of, in_order
from secrettool.patcher.wanted import Values, placeholder_keys
from secrettool.sources.exec import environment, run
from secrettool.sources.value import SecretValue

WAIT: Final = 300.0
"""Seconds that restarted workloads, and after them each program that verifies, may take."""

_OLD: Final = "the previous value"  # no name that a map could have
_KEY: Final = re.compile("[-._A-Za-z0-9]{1,253}")
_VARIABLES: Final = ("KUBECONFIG",)


class Rotation(NamedTuple):
    """How targets are rotated.

    Attributes:
        keep_old: Key, or pointer to a field, that gets the value that is replaced; None: it is not kept.
        environ: The environment; programs that verify get `PATH`, `HOME` and `KUBECONFIG` of it.
        folder: Where they run.
    """

    keep_old: str | None = None
    environ: Mapping[str, str] = {}
    folder: str = "."

    def __repr__(self) -> str:
        return "<Rotation>"


def rotate(
    patch_map: PatchMap,
    targets: Sequence[Target],
    around: Surroundings,
    sources: RotatingSources,
    settings: Settings,
    rotation: Rotation,
    tell: Callable[[Result], None] = lambda _: None,
) -> list[Result]:
    """Replace the generated values of targets.

    Args:
        patch_map: The map.
        targets: Those that were selected.
        around: Cluster and manifests.
        sources: Who makes and keeps values.
        settings: Of the run; of its modes `dry-run` stores nothing anywhere. Its `wait` is `WAIT` when it is None.
        rotation: How.
        tell: Told of each object when the rotation is broken off by an exception, once everything is as it was.

    Returns:
        One row for each object, by target and namespace. Those that were put back are `failed`.

    Raises:
        UsageError: A target has no value to rotate, or shares it with one that was not selected, or the old value cannot be kept.
    """
    names = names_to_rotate(patch_map, targets)
    narrowed = [_narrowed(target, frozenset(names), rotation.keep_old) for target in targets]
    return _Rotating(NewValues(names, patch_map, sources), narrowed, around, sources, settings, rotation, tell).run()


def _narrowed(target: Target, names: frozenset[str], keep_old: str | None) -> Target:
    """The target with nothing but the keys that change, which are written whatever is there."""
    rules = {key: replace(rule, only_if_placeholder=False, optional=False) for key, rule in target.rules.items() if not rule.names.isdisjoint(names)}
    if keep_old is None:
        return replace(target, rules=rules)
    if not _KEY.fullmatch(keep_old) if target.is_secret else not keep_old.startswith("/"):
        raise UsageError(f"{keep_old!r} cannot be a key of target {target.id}", code=Outcome.CONFIGURATION)
    if len(rules) != 1:
        raise UsageError(f"--keep-old keeps one value, and target {target.id} has {len(rules)} keys that change", code=Outcome.CONFIGURATION)
    if keep_old in target.rules:
        raise UsageError(f"target {target.id} fills {keep_old} itself", hint="keep the old value under another key", code=Outcome.CONFIGURATION)
    kept = KeyRule(ValueForm(_OLD), frozenset({_OLD}), frozenset({_OLD}), optional=True)
    return replace(target, rules={**rules, keep_old: kept})


class _Rotating:
    """One rotation."""

    def __init__(
        self,
        new: NewValues,
        targets: Sequence[Target],
        around: Surroundings,
        sources: RotatingSources,
        settings: Settings,
        rotation: Rotation,
        tell: Callable[[Result], None],
    ) -> None:
        self._new = new
        self._targets = targets
        self._around = around
        self._sources = sources
        self._settings = settings
        self._rotation = rotation
        self._tell = tell
        self._seconds = WAIT if settings.wait is None else settings.wait
        self._dry_run = settings.mode == "dry-run"
        self._restarts = Restarts(around.cluster, now=settings.now, clock=settings.clock, seconds=self._seconds, dry_run=self._dry_run)
        self._others: Values = {}
        self._written_to: dict[tuple[str, Ref], Fields] = {}

    def run(self) -> list[Result]:
        found = list(each_at_once(lambda each: case_of(*each, self._around), in_order(self._targets)))
        cases = [case for case in found if isinstance(case, Case)]
        if len(cases) < len(found):
            return [_not_tried(case) if isinstance(case, Case) else case for case in found]
        try:
            self._new.make()
        except SourceError as error:
            return [_failed(_row(case), _source_finding(error), code_of(error)) for case in cases]
        wanted = {name for case in cases for name in case.names} - {_OLD, *self._new.values}
        self._others = self._sources.resolve(sorted(wanted))
        planned = [self._planned(case) for case in cases]
        if not self._written_to:
            return [_failed(row, _finding(row, "RT02", "there is nothing to rotate in it")) if row.is_good else row for row in planned]
        if not all(row.is_good for row in planned):
            return [_not_tried(case) if row.word == "changed" else row for case, row in zip(cases, planned, strict=True)]
        if self._dry_run:
            return self._written(cases)
        try:
            rows = self._carried_out(cases)
        except BaseException:
            for row in self._undone(cases, planned, waits=False):
                self._tell(row)
            raise
        return self._noted(rows) if all(row.is_good for row in rows) else self._undone(cases, rows)

    def _noted(self, rows: list[Result]) -> list[Result]:
        """The rows of a rotation that is done, with the versions, and with what somebody else rotated at the same time."""
        for name, problem in self._new.overtaken().items():
            rows = self._with(rows, name, "RT07", f"value {name}: {problem}", hint="run patch, which writes what is stored")
        for name, version in self._new.versions.items():
            rows = self._with(rows, name, "RT01", f"value {name}: version {version} is stored", severity="note")
        return rows

    def _with(self, rows: list[Result], name: str, code: str, text: str, severity: Severity = "error", *, hint: str | None = None) -> list[Result]:
        """The rows, the first of those that use a value with one more finding."""
        user = next(target.id for target in self._targets if name in target.names)
        return _with_first(rows, user, code, text, severity, hint=hint)

    # ---- forward ---------------------------------------------------------------------------------------------------------------------------------

    def _planned(self, case: Case) -> Result:
        """What would become of an object."""
        made = plan(case, self._values(case), self._planning(case))
        row = made.result()
        if made.word == "created":
            return _failed(row, _finding(row, "RT02", "it is missing, so there is nothing to rotate", hint="run patch first"))
        if made.word == "changed":
            self._written_to[row.id, row.ref] = made.changed
        return row

    def _carried_out(self, cases: Sequence[Case]) -> list[Result]:
        """The rows once everything is done, or as far as it went."""
        try:
            self._new.store()
        except SourceError as error:
            return [_failed(_row(case), _source_finding(error)) for case in cases]
        rows = self._written(cases)
        return self._verified(rows) if all(row.is_good for row in rows) else rows

    def _written(self, cases: Sequence[Case]) -> list[Result]:
        rows = list(each_at_once(self._patched, cases))
        if not all(row.is_good for row in rows):
            return rows
        targets = {target.id: target for target in self._targets}
        return self._restarts.after(rows, lambda row: targets[row.id])

    def _patched(self, case: Case) -> Result:
        values = self._values(case)
        how = Applying(self._planning(case), self._dry_run, self._settings.verify, self._settings.clock)
        return apply(case, self._around, lambda _: values, how)

    def _verified(self, rows: list[Result]) -> list[Result]:
        """The rows after the programs that say whether the new values work."""
        for target in self._targets:
            if not target.verify:
                continue
            try:
                run(target.verify, environment(self._rotation.environ, *_VARIABLES), folder=self._rotation.folder, seconds=self._seconds)
            except SourceError as error:
                return _with_first(rows, target.id, "RT03", f"what verifies the rotation says no: {error.message}", hint=error.hint)
        return rows

    def _planning(self, case: Case) -> Planning:
        settings = self._settings
        is_recorded = case.live is not None and SOURCES in annotations_of(case.live)
        version_of = self._version if is_recorded or settings.record_sources else None
        return Planning(self._around.tokens, settings.may_be_empty, version_of=version_of)

    def _version(self, name: str) -> int | None:
        return self._new.versions.get(name, self._sources.version(name))

    def _values(self, case: Case) -> Values:
        return {**self._others, **self._new.values, _OLD: self._previous(case)}

    def _previous(self, case: Case) -> SecretValue | SourceError:
        """What the key that changes holds until now."""
        key = next((key for key, rule in case.rules.items() if _OLD not in rule.names), None)
        old = live_value(case.live, key) if case.live is not None and key is not None else None
        if case.live is None or old is None or key in placeholder_keys(case.live, self._around.tokens):
            return SourceError("VL01", "there is none")
        return SecretValue(old)

    # ---- back ------------------------------------------------------------------------------------------------------------------------------------

    def _undone(self, cases: Sequence[Case], rows: Sequence[Result], *, waits: bool = True) -> list[Result]:
        """The rows once the old values are everywhere again, with what is not as it was."""
        left = self._new.take_back()
        done = [self._put_back(case, row) for case, row in zip(cases, rows, strict=True)]
        findings = [_left_finding(name, cause) for name, cause in left.items()] + self._restarts.again(waits=waits)
        first = next(number for number, row in enumerate(done) if row.word == "failed")
        done[first] = replace(done[first], findings=(*done[first].findings, *findings))
        return done

    def _put_back(self, case: Case, row: Result) -> Result:
        written = self._written_to.get((row.id, row.ref))
        if not written:
            return row
        problem = put_back(case, written, self._new.versions, self._around.cluster, self._settings.clock)
        if row.word == "failed" and (problem is None or not self._new.versions):
            return replace(row, code=Outcome.SOME_FAILED)
        if problem is not None:
            hint = "what it holds and what the provider has may not be the same: run patch, or write the old value to it"
            return _failed(row, _finding(row, "RT05", f"the rotation failed, and it was not put back: {problem}", hint=hint))
        return replace(_failed(row, _finding(row, "RT04", "the rotation failed, and it holds what it held before", "note")), keys={})


# ---- rows ----------------------------------------------------------------------------------------------------------------------------------------


def _row(case: Case) -> Result:
    return Result(id=case.target.id, ref=case.ref, word="failed")


def _not_tried(case: Case) -> Result:
    found = Finding("FF01", "note", "not tried, since another object cannot be rotated", subject=str(case.ref))
    return Result(id=case.target.id, ref=case.ref, word="skipped", findings=(found,))


def _failed(row: Result, finding: Finding, code: Outcome = Outcome.SOME_FAILED) -> Result:
    return replace(row, word="failed", findings=(*row.findings, finding), code=code)


def _with_first(rows: list[Result], target: str, code: str, text: str, severity: Severity = "error", *, hint: str | None = None) -> list[Result]:
    """The rows, the first of a target with one more finding; an error makes it a failure."""
    number = next(number for number, row in enumerate(rows) if row.id == target)
    row = rows[number]
    outcome = Outcome.SOME_FAILED if severity == "error" else row.code
    told = replace(row, findings=(*row.findings, _finding(row, code, text, severity, hint=hint)), code=outcome)
    return [*rows[:number], told, *rows[number + 1 :]]


def _finding(row: Result, code: str, text: str, severity: Severity = "error", *, hint: str | None = None) -> Finding:
    return Finding(code, severity, text, subject=str(row.ref), hint=hint)


def _source_finding(error: SourceError) -> Finding:
    return Finding(error.rule, "error", f"value {error.file}: {error.message}", subject=error.where, hint=error.hint)


def _left_finding(name: str, cause: str) -> Finding:
    hint = "write the old value to the provider, or run patch, which takes the one that is there"
    return Finding("RT06", "error", f"value {name}: the old one was not stored again: {cause}", hint=hint)
