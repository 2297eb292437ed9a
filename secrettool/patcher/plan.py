"""What is to be sent for an object: its changes, the annotation, and the request. Pure: nothing is read or written here.

    case + values -> wanted bytes -> changes -> request | nothing to do | a reason why not

Source: section 6 of the requirements; PT-09, PT-16 to PT-20, PT-22, PT-25, PT-27.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from secrettool.errors import Outcome, SourceError
from secrettool.findings import Finding
from secrettool.flux.secret import MAX_DATA
from secrettool.flux.selectors import RECONCILE
from secrettool.objects import Object, annotations_of, section
from secrettool.patcher.body import LAST_APPLIED, Body, Fields, MissingPlace, body, changes, filled_object, holds_plain_copy, live_value, size_of
from secrettool.patcher.case import Case
from secrettool.patcher.creation import Creation, Recreation, base_of, marked, recreation
from secrettool.patcher.git import ManifestError
from secrettool.patcher.mapping import Target
from secrettool.patcher.protection import live_protection
from secrettool.patcher.result import Annotation, Change, Result, Word, code_of_values
from secrettool.patcher.wanted import Context, Values, placeholder_keys, wanted
from secrettool.placeholders import DEFAULT_TOKENS

SOURCES: Final = "secrettool.dev/sources"
"""Annotation: from which versions of a provider's secrets the keys came, as JSON by key."""


Request: TypeAlias = Body | Creation | Recreation


class Planning(NamedTuple):
    """What planning needs to know beside the case.

    Attributes:
        tokens: What counts as a placeholder.
        may_be_empty: Whether empty text is a value, by name of the value and target.
        recreate: Whether immutable Secrets are deleted and created.
        version_of: The version that a value was read from; None: versions are not recorded.
    """

    tokens: tuple[str, ...] = DEFAULT_TOKENS
    may_be_empty: Callable[[str, Target], bool] = lambda _name, _target: False
    recreate: bool = False
    version_of: Callable[[str], int | None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Plan:
    """What is to be done to one object.

    Attributes:
        case: The object.
        word: What became of it, or becomes of it once the request is sent.
        request: What is sent; None for nothing.
        changed: Bytes of the keys that are written, for the check afterwards.
        keys: What is done to each key.
        annotation: Whether it is protected afterwards.
        findings: What is said about it.
        code: What its failure means for the exit code.
    """

    case: Case
    word: Word
    request: Request | None = None
    changed: Fields = field(default_factory=dict)
    keys: Mapping[str, Change] = field(default_factory=dict)
    annotation: Annotation = "none"
    findings: tuple[Finding, ...] = ()
    code: Outcome = Outcome.DONE

    def __repr__(self) -> str:
        return f"<Plan {self.case.ref} {self.word}>"

    def result(self, attempts: int = 1) -> Result:
        """The row of the report, as if all went well."""
        return Result(
            id=self.case.target.id,
            ref=self.case.ref,
            word=self.word,
            keys=self.keys,
            annotation=self.annotation,
            findings=self.findings,
            attempts=attempts,
            code=self.code,
        )


def plan(case: Case, values: Values, planning: Planning) -> Plan:
    """What is to be done to an object.

    Args:
        case: The object as it was found.
        values: At least those that it needs.
        planning: How.
    """
    decision = case.decision
    annotation: Annotation = "present" if _is_annotated(case.live) else "none"
    if not decision.writes:
        word, code = _NOT_WRITTEN[decision.action]
        return Plan(case=case, word=word, annotation=annotation, findings=decision.findings, code=code)
    context = Context(case.target, case.ref, case.git, case.live, planning.tokens, lambda name: planning.may_be_empty(name, case.target))
    made = wanted(context, case.rules, values)
    findings = (*decision.findings, *made.findings)
    if not made.is_whole:
        code = code_of_values(error for name in case.names if isinstance(error := values.get(name), SourceError) and not error.is_missing)
        return Plan(case=case, word="failed", annotation=annotation, findings=findings, code=code)
    return _Planner(case, made.fields, findings, annotation, planning).plan()


_NOT_WRITTEN: Final[Mapping[str, tuple[Word, Outcome]]] = {
    "skip": ("skipped", Outcome.DONE),
    "fail": ("failed", Outcome.SOME_FAILED),
    "refuse": ("refused", Outcome.REFUSED),
}


class _Planner(NamedTuple):
    """From what an object should hold to the request."""

    case: Case
    fields: Fields
    findings: tuple[Finding, ...]
    annotation: Annotation
    planning: Planning

    def plan(self) -> Plan:
        try:
            return self._creation() if self.case.live is None else self._change(self.case.live)
        except MissingPlace as error:
            return self._stopped("failed", "FD01", "the pointer leads to no element of the list", key=str(error.args[0]))

    def _change(self, live: Object) -> Plan:
        changed = changes(live, self.fields)
        if size_of(live, changed) > MAX_DATA and self.case.target.is_secret:
            return self._stopped("refused", "HK153", f"the Secret would be larger than {MAX_DATA} bytes")
        is_immutable = live.get("immutable") is True and bool(changed) and self.case.target.is_secret
        if is_immutable and not self.planning.recreate:
            return self._stopped("refused", "IM01", "the Secret is immutable", hint="--recreate deletes it and creates it again")
        notes = self._annotations(live) if self.fields else {}
        keys = self._changes_by_key(live, changed)
        if not changed and not notes:
            return self._with("unchanged", keys=keys)
        said = (*self.findings, *([self._finding("LA01", "note", "the plain copy of kubectl apply is removed")] if LAST_APPLIED in notes else []))
        if is_immutable and section(live, "metadata").get("finalizers"):
            return self._stopped("refused", "IM01", "the Secret is immutable, and finalizers keep it from being deleted at once")
        request: Request = recreation(self.case.ref, live, changed, notes) if is_immutable else body(live, changed, notes)
        return self._with("changed", request=request, changed=changed, keys=keys, notes=notes, findings=said)

    def _annotations(self, live: Object) -> dict[str, str | None]:
        """Only what differs."""
        notes: dict[str, str | None] = {}
        if self.case.decision.annotate:
            notes[RECONCILE] = "disabled"
        sources = self._sources(live)
        if sources is not None:
            notes[SOURCES] = sources
        found = annotations_of(live)
        notes = {name: text for name, text in notes.items() if found.get(name) != text}
        if self.case.target.policy.scrub_last_applied and holds_plain_copy(live):
            notes[LAST_APPLIED] = None
        return notes

    def _sources(self, obj: Object) -> str | None:
        """Versions by key; those of keys of other targets stay."""
        if self.planning.version_of is None:
            return None
        found = recorded_sources(obj)
        for key in self.fields:
            found.pop(key, None)
            versions = versions_of(self.case, key, self.planning.version_of)
            if versions:
                found[key] = versions
        return json.dumps(found, sort_keys=True) if found or SOURCES in annotations_of(obj) else None

    def _changes_by_key(self, obj: Object, changed: Fields) -> dict[str, Change]:
        open_keys = placeholder_keys(obj, self.planning.tokens)

        def change(key: str, value: bytes | None) -> Change:
            if key not in changed:
                return "equal"
            if value is None:
                return "remove"
            there = key in open_keys or live_value(obj, key) is not None
            return "fill" if key in open_keys else "change" if there else "set"

        return {key: change(key, value) for key, value in self.fields.items()}

    def _creation(self) -> Plan:
        try:
            base = base_of(self.case)
        except ManifestError as error:
            return self._stopped("failed", error.rule, error.message, hint=error.hint)
        if not self.fields:
            return self._with("skipped")
        content = filled_object(base, self.fields)
        left = placeholder_keys(content, self.planning.tokens)
        if left:
            found = tuple(self._finding("PH006", "error", "a placeholder of the manifest has no value", key=key) for key in left)
            return self._with("failed", findings=(*self.findings, *found), code=Outcome.SOME_FAILED)
        if self.case.target.is_secret and size_of(content, {}) > MAX_DATA:
            return self._stopped("refused", "HK153", f"the Secret would be larger than {MAX_DATA} bytes")
        notes = {RECONCILE: "disabled"} if self.case.decision.annotate else {}
        sources = self._sources(base)
        if sources is not None:
            notes[SOURCES] = sources
        keys = self._changes_by_key(base, changes(base, self.fields))
        return self._with("created", request=Creation(marked(content, notes)), changed=self.fields, keys=keys, notes=notes)

    def _with(
        self,
        word: Word,
        *,
        request: Request | None = None,
        changed: Fields | None = None,
        keys: Mapping[str, Change] | None = None,
        notes: Mapping[str, str | None] | None = None,
        findings: tuple[Finding, ...] | None = None,
        code: Outcome = Outcome.DONE,
    ) -> Plan:
        return Plan(
            case=self.case,
            word=word,
            request=request,
            changed=changed or {},
            keys=keys or {},
            annotation="added" if notes and RECONCILE in notes else self.annotation,
            findings=self.findings if findings is None else findings,
            code=code,
        )

    def _stopped(self, word: Literal["refused", "failed"], code: str, text: str, *, key: str | None = None, hint: str | None = None) -> Plan:
        found = self._finding(code, "error", text, key=key, hint=hint)
        return self._with(word, findings=(*self.findings, found), code=Outcome.REFUSED if word == "refused" else Outcome.SOME_FAILED)

    def _finding(self, code: str, severity: Literal["error", "note"], text: str, *, key: str | None = None, hint: str | None = None) -> Finding:
        return Finding(code, severity, text, subject=str(self.case.ref), key=key, hint=hint)


def recorded_sources(obj: Object) -> dict[str, Any]:
    """What `SOURCES` says, versions by name of the value under each key; empty when it says nothing that can be read."""
    text = annotations_of(obj).get(SOURCES)
    try:
        found = json.loads(text) if isinstance(text, str) else {}
    except (ValueError, RecursionError):
        found = {}
    return found if isinstance(found, dict) else {}


def versions_of(case: Case, key: str, version_of: Callable[[str], int | None]) -> dict[str, int]:
    """The versions of the values that a key is made from, by name; without those that have none."""
    return {name: version for name in sorted(case.rules[key].names) if (version := version_of(name)) is not None}


def _is_annotated(live: Object | None) -> bool:
    return live_protection(live).protection == "full"
