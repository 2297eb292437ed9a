"""What is not as a run would leave it, without writing anything.

    DR01  a placeholder is still there          DR04  the protection against Flux is missing
    DR02  a key, or the object, is missing      DR05  the source has a newer version than the one that was written
    DR03  a value is not that of its source     DR06  a workload still runs with what was there before

Source: requirement PT-28.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from secrettool.cluster.parallel import each_at_once
from secrettool.errors import ClusterError
from secrettool.findings import Finding
from secrettool.flux import PATCH_MANAGER
from secrettool.objects import Object, section
from secrettool.patcher.apply import failed
from secrettool.patcher.body import live_value
from secrettool.patcher.case import Case, Surroundings
from secrettool.patcher.mapping import AbsentForm, Target
from secrettool.patcher.plan import Plan, Planning, plan, recorded_sources, versions_of
from secrettool.patcher.restart import is_reloaded, restarted_at, time_of, workloads
from secrettool.patcher.result import Result
from secrettool.patcher.run import Settings, Sources, case_of, in_order
from secrettool.patcher.wanted import placeholder_keys

_HINTS = {
    "DR01": "run patch",
    "DR02": "run patch",
    "DR03": "run patch, or find out who changed it",
    "DR04": "run patch with the policy ensure",
    "DR05": "run patch",
    "DR06": "run patch with restart, or restart the workload",
}


def drift(targets: Iterable[Target], around: Surroundings, sources: Sources | None, settings: Settings) -> list[Result]:
    """How the objects of targets differ from what a run would leave.

    Args:
        targets: Those that were selected.
        around: Cluster and manifests.
        sources: The values; None: no provider is asked, and values are not compared.
        settings: Of the run that is imagined; only `may_be_empty` counts.

    Returns:
        One row for each object, by target and namespace: `unchanged` with the drift among its findings, `refused` or `failed`.
    """

    cases = list(each_at_once(lambda each: case_of(*each, around), in_order(targets)))
    names = [name for case in cases if isinstance(case, Case) for name in sorted(case.names)]
    values = sources.resolve(names) if sources is not None else {}
    planning = Planning(around.tokens, settings.may_be_empty)

    def row(case: Case | Result) -> Result:
        if isinstance(case, Result):
            return case
        made = plan(case, values, planning) if sources is not None else None
        return _row(case, made, around, sources)

    return list(each_at_once(row, cases))


def has_drift(results: Iterable[Result]) -> bool:
    """Whether any object drifted."""
    return any(result.has_drift for result in results)


def _row(case: Case, made: Plan | None, around: Surroundings, sources: Sources | None) -> Result:
    """The row of one object; what is refused or fails is told as a run would tell it."""
    base = Result(id=case.target.id, ref=case.ref, word="unchanged")
    if made is not None and made.word in ("refused", "failed"):
        base = made.result()
    elif made is not None:
        base = replace(base, keys=made.keys, annotation=made.annotation if made.annotation != "added" else "none")
    lost = tuple(finding for finding in case.decision.findings if finding.code in ("NS01", "KD01"))
    if lost:  # a run would not make it either
        return base if base.word == "failed" else replace(base, findings=lost)
    if case.live is None:
        is_said = case.decision.writes or bool(case.decision.findings)  # a target may not mind that its object is missing
        return replace(base, findings=(*base.findings, _finding(case, "DR02", "the object is missing"))) if is_said else base
    drifted = _key_findings(case, case.live, made, around.tokens)
    if _is_open(case):
        drifted.append(_finding(case, "DR04", "nothing keeps Flux from setting the values back, or from deleting the object"))
    if sources is not None:
        drifted += _source_findings(case, case.live, sources)
    try:
        drifted += _restart_findings(case, case.live, around)
    except ClusterError as error:
        return failed(replace(base, findings=(*base.findings, *drifted)), error)
    return replace(base, findings=(*base.findings, *drifted))


def _is_open(case: Case) -> bool:
    """Whether a run would protect the object, or mind that it is not protected."""
    minded = any(finding.code in ("AN01", "AN02", "AN04") and finding.severity != "note" for finding in case.decision.findings)
    return case.decision.annotate or minded


def _key_findings(case: Case, live: Object, made: Plan | None, tokens: tuple[str, ...]) -> list[Finding]:
    open_keys = placeholder_keys(live, tokens)
    drifted: list[Finding] = []
    for key, rule in case.target.rules.items():
        is_there = live_value(live, key) is not None
        if key in open_keys:
            inner = open_keys[key]
            drifted.append(_finding(case, "DR01", "a placeholder is still there", f"{key}: {inner}" if inner else key))
        elif isinstance(rule.form, AbsentForm):
            drifted += [_finding(case, "DR03", "the key is to be absent, and is there", key)] if is_there else []
        elif not is_there:
            drifted += [] if rule.optional else [_finding(case, "DR02", "the key is missing", key)]
        elif made is not None and made.keys.get(key) == "change":
            drifted.append(_finding(case, "DR03", "the value is not that of its source", key))
    return drifted


def _source_findings(case: Case, live: Object, sources: Sources) -> list[Finding]:
    recorded = recorded_sources(live)
    drifted: list[Finding] = []
    for key in case.rules:
        written = recorded.get(key)
        now = versions_of(case, key, sources.version)
        if isinstance(written, dict) and any(isinstance(old := written.get(name), int) and old < version for name, version in now.items()):
            drifted.append(_finding(case, "DR05", "the source has a newer version than the one that was written", key))
    return drifted


def _restart_findings(case: Case, live: Object, around: Surroundings) -> list[Finding]:
    written = _written_at(live)
    if written is None or not case.target.restart:
        return []
    drifted: list[Finding] = []
    for ref in workloads(case.target, case.ref, around.cluster):
        workload = around.cluster.get(ref)
        if workload is None or is_reloaded(workload, case.ref.name):
            continue
        started = restarted_at(workload)
        if started is not None and started < written:
            drifted.append(_finding(case, "DR06", f"{ref} was not restarted since the object changed"))
    return drifted


def _written_at(live: Object) -> datetime | None:
    """When a run wrote the object last."""
    entries = section(live, "metadata").get("managedFields")
    ours = [entry for entry in entries if isinstance(entry, dict) and entry.get("manager") == PATCH_MANAGER] if isinstance(entries, list) else []
    return max((time for entry in ours if (time := time_of(entry.get("time"))) is not None), default=None)


def _finding(case: Case, code: str, text: str, key: str | None = None) -> Finding:
    return Finding(code, "warning", text, subject=str(case.ref), key=key, hint=_HINTS[code])
