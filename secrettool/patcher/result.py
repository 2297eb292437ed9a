"""What became of each object, as the reports have it, and of the whole run.

Source: requirements PT-27, PT-29; section 7 for the exit codes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from secrettool.errors import Outcome, ProviderLoginError, SecrettoolError, SourceError
from secrettool.findings import Finding
from secrettool.objects import Ref

Change: TypeAlias = Literal["set", "change", "remove", "equal", "fill"]
"""What is done to a key: `set`: it was not there; `change`: it had another value; `fill`: it was a placeholder, or held one."""

Annotation: TypeAlias = Literal["added", "present", "none", "removed"]
"""Whether the live object is protected by `reconcile: disabled`; `removed` by `release` alone."""

Word: TypeAlias = Literal["changed", "unchanged", "created", "skipped", "refused", "failed"]
"""`skipped`: missing, or not tried; `refused`: by a rule of ours, before anything was sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of one object.

    Attributes:
        id: Of the target.
        ref: The object.
        word: In one word.
        keys: What was done, or would be, to each key that was looked at.
        annotation: Whether it is protected now.
        findings: What is said about it.
        attempts: How often it was planned.
        restarted: Workloads that were restarted because of it.
        code: What its failure means for the exit code; `DONE` without one.
    """

    id: str
    ref: Ref
    word: Word
    keys: Mapping[str, Change] = field(default_factory=dict)
    annotation: Annotation = "none"
    findings: tuple[Finding, ...] = ()
    attempts: int = 1
    restarted: tuple[Ref, ...] = ()
    code: Outcome = Outcome.DONE

    @property
    def is_good(self) -> bool:
        """Whether nothing failed and nothing was refused."""
        return self.code == Outcome.DONE

    @property
    def has_warnings(self) -> bool:
        """Whether `--strict` minds."""
        return any(finding.severity == "warning" for finding in self.findings)

    @property
    def has_drift(self) -> bool:
        """Whether a look for drift found something."""
        return any(finding.code.startswith("DR") for finding in self.findings)

    @property
    def changed_keys(self) -> tuple[str, ...]:
        """The keys that were written, or would be."""
        return tuple(key for key, change in self.keys.items() if change != "equal")


def outcome(results: Iterable[Result], *, strict: bool = False) -> Outcome:
    """The exit code of a run.

    Args:
        results: Of all objects.
        strict: Whether a warning is a failure.
    """
    rows = list(results)
    codes = {result.code for result in rows if not result.is_good}
    if not codes:
        return Outcome.SOME_FAILED if strict and any(result.has_warnings for result in rows) else Outcome.DONE
    if len(codes) == 1 and not any(result.is_good for result in rows):
        return codes.pop()
    return Outcome.SOME_FAILED


def code_of(error: SecrettoolError) -> Outcome:
    """What an error means for the exit code when it stops every object."""
    if isinstance(error, ProviderLoginError):
        return Outcome.NO_LOGIN
    known = (Outcome.REFUSED, Outcome.DECRYPTION, Outcome.CLUSTER)
    return next((code for code in known if error.code == code), Outcome.SOME_FAILED)


def code_of_values(errors: Iterable[SourceError]) -> Outcome:
    """What the values that were not there mean for the exit code of their object."""
    codes = {code_of(error) for error in errors}
    return codes.pop() if len(codes) == 1 else Outcome.SOME_FAILED
