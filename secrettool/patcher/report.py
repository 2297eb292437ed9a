"""What became of a run, for people, scripts, GitHub Actions and code scanning. Names of keys are told, values, their lengths and digests never.

    text     a line for each object, findings below it, totals
    json     `secrettool.patch/1`
    github   workflow commands, a group for each target
    sarif    the findings alone

Source: requirements PT-27, PT-29 to PT-31; GitHub's documentation of workflow commands and job summaries.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, Final, Literal, NamedTuple, TypeAlias, get_args

from secrettool.errors import Outcome
from secrettool.findings import Finding, Form, render
from secrettool.findings.github import escape_data
from secrettool.findings.model import one_line
from secrettool.objects import Ref
from secrettool.patcher.result import Change, Result, Word

SCHEMA: Final = "secrettool.patch/1"
"""Name of the form. The number grows when a field goes or changes its meaning; fields may be added under the same number."""

MAX_ROWS: Final = 500
MAX_SUMMARY: Final = 1 << 20
"""Bytes of a job summary."""

Mode: TypeAlias = Literal["apply", "plan", "dry-run", "drift"]
"""`plan`: nothing was sent; `dry-run`: the server answered and stored nothing; `drift`: nothing was to be written."""

_WORDS: Final[tuple[Word, ...]] = get_args(Word)
_CHANGES: Final[tuple[Change, ...]] = ("fill", "set", "change", "remove", "equal")
_NOTES: Final[dict[Mode, str]] = {"apply": "", "plan": "plan: nothing was sent", "dry-run": "dry run: nothing was stored", "drift": ""}
_DRIFTED: Final = "drifted"
_CUT: Final = "\n… and more; the log has all of it.\n"


class Report(NamedTuple):
    """The results of a run and what they were for.

    Attributes:
        results: In the order in which the objects were worked on.
        mode: What kind of run it was.
        code: How it ends.
    """

    results: Sequence[Result]
    mode: Mode
    code: Outcome

    @property
    def counts(self) -> dict[str, int]:
        """How many objects there are of each word, those without any left out."""
        found = Counter(result.word for result in self.results)
        return {word: found[word] for word in _WORDS if found[word]}

    @property
    def changed(self) -> int:
        """Objects that were written, or would be."""
        return sum(result.word in ("changed", "created") for result in self.results)

    @property
    def failed(self) -> int:
        """Objects that failed or were refused."""
        return sum(result.word in ("failed", "refused") for result in self.results)

    def text(self, form: Form) -> str:
        """The report in a form, ending with a newline."""
        match form:
            case "json":
                return _json(self)
            case "sarif":
                return render([finding for result in self.results for finding in result.findings], "sarif")
            case "github":
                return _github(self)
        return "".join(f"{line}\n" for line in (*_lines(self.results, self.mode), totals(self)))

    def summary(self) -> str:
        """Markdown for the summary of a job."""
        return _cut(_markdown(self))

    def outputs(self) -> str:
        """Outputs of a step: numbers and a word, nothing else."""
        return f"changed={self.changed}\nfailed={self.failed}\nresult={self.code.name.lower()}\n"


def totals(report: Report) -> str:
    """One line that sums a run up."""
    words = Counter(_word(result, report.mode) for result in report.results)
    counted = ", ".join(f"{words[word]} {word}" for word in (_DRIFTED, *_WORDS) if words[word]) or "nothing to do"
    return "; ".join(part for part in (counted, _NOTES[report.mode]) if part)


def keys_text(result: Result, *, with_equal: bool = False) -> str:
    """What was done to an object: `fill a, b; set c; annotated`."""
    parts = []
    for change in _CHANGES:
        names = [one_line(key) for key, each in result.keys.items() if each == change]
        if names and (with_equal or change != "equal"):
            parts.append(f"{change} {', '.join(names)}")
    if result.annotation == "added":
        parts.append("annotated")
    if result.annotation == "removed":
        parts.append("annotation removed")
    if result.restarted:
        parts.append(f"restarted {', '.join(map(_workload, result.restarted))}")
    return "; ".join(parts)


# ---- text ----------------------------------------------------------------------------------------------------------------------------------------


def _lines(results: Iterable[Result], mode: Mode) -> Iterator[str]:
    hints: set[str] = set()
    for result in results:
        what = keys_text(result, with_equal=mode == "plan") if result.word in ("changed", "created") or mode == "plan" else ""
        yield f"{_word(result, mode):<9}  {result.ref}  {what}".rstrip()
        yield from _finding_lines(result.findings, hints)


def _finding_lines(findings: Iterable[Finding], told: set[str]) -> Iterator[str]:
    """Findings below their object, which they need not name again; each hint once, below those that share it first."""
    for hint, group in groupby(findings, key=lambda finding: finding.hint):
        for finding in group:
            yield "  " + one_line(f"{finding.severity} {finding.code}: " + ": ".join(part for part in (finding.key, finding.text) if part))
        if hint and hint not in told:
            told.add(hint)
            yield f"    hint: {one_line(hint)}"


def _word(result: Result, mode: Mode) -> str:
    """What became of an object, for people; a look for drift changes nothing."""
    return _DRIFTED if mode == "drift" and result.word == "unchanged" and result.has_drift else result.word


def _workload(ref: Ref) -> str:
    return f"{ref.kind}/{ref.name}"


# ---- JSON ----------------------------------------------------------------------------------------------------------------------------------------


def _json(report: Report) -> str:
    whole = {
        "schema": SCHEMA,
        "mode": report.mode,
        "dryRun": report.mode != "apply",
        "targets": [_row(result) for result in report.results],
        "totals": {word: report.counts.get(word, 0) for word in _WORDS},
        "exitCode": int(report.code),
    }
    return json.dumps(whole, indent=2) + "\n"


def _row(result: Result) -> dict[str, Any]:
    ref = result.ref
    return {
        "id": result.id,
        "object": {"apiVersion": ref.api_version, "kind": ref.kind, "namespace": ref.namespace, "name": ref.name},
        "result": result.word,
        "keys": dict(result.keys),
        "annotation": result.annotation,
        "findings": [{"code": each.code, "level": each.severity, "text": each.text, "key": each.key, "hint": each.hint} for each in result.findings],
        "attempts": result.attempts,
        "restarted": [_workload(workload) for workload in result.restarted],
    }


# ---- GitHub --------------------------------------------------------------------------------------------------------------------------------------


def _github(report: Report) -> str:
    parts: list[str] = []
    for target, group in groupby(report.results, key=lambda result: result.id):
        results = list(group)
        parts.append(f"::group::{escape_data(one_line(target))}\n")
        parts += (f"{line}\n" for line in _lines((_without_findings(result) for result in results), report.mode))
        parts.append("::endgroup::\n")
        parts.append(render([finding for result in results for finding in result.findings], "github"))
    return "".join(parts) + f"{totals(report)}\n"


def _without_findings(result: Result) -> Result:
    from dataclasses import replace

    return replace(result, findings=())


def _markdown(report: Report) -> Iterator[str]:
    yield f"### secrettool patch: {totals(report)}\n\n"
    if not report.results:
        return
    yield "| Result | Object | Keys | Findings |\n| --- | --- | --- | --- |\n"
    for result in report.results[:MAX_ROWS]:
        said = "<br>".join(_cell(f"{each.code}: {': '.join(part for part in (each.key, each.text) if part)}") for each in result.findings)
        yield f"| {_word(result, report.mode)} | {_cell(str(result.ref))} | {_cell(keys_text(result, with_equal=report.mode == 'plan'))} | {said} |\n"
    if len(report.results) > MAX_ROWS:
        yield f"\n{len(report.results) - MAX_ROWS} more objects are in the log.\n"


def _cell(text: str) -> str:
    """Text that stays text in a table of Markdown."""
    escaped = one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join(f"\\{char}" if char in "\\`*_{}[]()#|!~@" else char for char in escaped)


def _cut(rows: Iterable[str]) -> str:
    """As many whole rows as a summary may have."""
    kept: list[str] = []
    left = MAX_SUMMARY - len(_CUT.encode())
    for row in rows:
        left -= len(row.encode("utf-8", "replace"))
        if left < 0:
            return "".join([*kept, _CUT])
        kept.append(row)
    return "".join(kept)
