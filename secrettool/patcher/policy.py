"""What is done to an object under a policy: one table, and the function that looks things up in it.

    what git says x what the live object says  ->  a row  ->  under a policy: patch, add the annotation, refuse, and what is said about it

The table is the one of docs/reference/patch.md; its rows are numbered as there.

Source: requirements PT-09, PT-22, PT-23.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, TypeAlias

from secrettool.findings import Finding, Severity
from secrettool.patcher.protection import GitProtection, Live, LiveProtection, Owner

Policy: TypeAlias = Literal["ensure", "require", "warn", "ignore"]
"""`ensure`: protect what is written; `require`: refuse what is not protected; `warn`: write, and say so; `ignore`: write."""

OnMissing: TypeAlias = Literal["warn", "fail", "skip"]
"""What a missing object (or namespace) is: worth a warning, a failure, or nothing."""

Action: TypeAlias = Literal["patch", "create", "skip", "fail", "refuse"]


class Verdict(NamedTuple):
    """What a row says under a policy.

    Attributes:
        action: `missing` leaves it to `create` and `onMissing`.
        annotate: Whether `reconcile: disabled` is added with the values.
        code: What is said about it; None for nothing.
        severity: How much that matters.
    """

    action: Literal["patch", "refuse", "missing"]
    annotate: bool = False
    code: str | None = None
    severity: Severity = "warning"


class Row(NamedTuple):
    """One row: which cases it is for, and what each policy says.

    Attributes:
        number: As in the reference.
        git: What git says, one of these.
        live: What the live object says, one of these.
        owned: Whether it must carry the owner labels of Flux; None when that does not matter.
    """

    number: int
    git: tuple[GitProtection, ...]
    live: tuple[LiveProtection, ...]
    owned: bool | None
    ensure: Verdict
    require: Verdict
    warn: Verdict
    ignore: Verdict

    def fits(self, git: GitProtection, live: Live) -> bool:
        """Whether a case is of this row."""
        return git in self.git and live.protection in self.live and self.owned in (None, live.is_owned)

    def verdict(self, policy: Policy) -> Verdict:
        """What it says under a policy."""
        verdict: Verdict = getattr(self, policy)
        return verdict


def _patch(code: str, severity: Severity = "warning") -> Verdict:
    return Verdict("patch", False, code, severity)


def _refuse(code: str) -> Verdict:
    return Verdict("refuse", False, code, "error")


_PATCH: Final = Verdict("patch")
_ADD: Final = Verdict("patch", annotate=True)
_MISSING: Final = Verdict("missing")
_NEVER: Final = Verdict("missing", False, "AN08")
_ALL: Final = (_PATCH, _PATCH, _PATCH, _PATCH)

_ANY_LIVE: Final[tuple[LiveProtection, ...]] = ("open", "full")
_IN_GIT: Final[tuple[GitProtection, ...]] = ("none", "free", "rule", "once", "full")
_NOT_IN_GIT: Final[tuple[GitProtection, ...]] = ("absent", "unknown")

TABLE: Final = (
    #   git                                  live         owned  ensure                           require           warn              ignore
    Row(1, ("full",), ("full",), None, *_ALL),
    Row(2, ("full",), ("open",), None, _ADD, _refuse("AN02"), _patch("AN02"), _PATCH),
    Row(3, ("full",), ("missing",), None, _NEVER, _NEVER, _NEVER, _MISSING),
    Row(4, ("once",), ("full",), None, *_ALL),
    Row(5, ("once",), ("open",), None, _ADD, _patch("AN02", "note"), _patch("AN02", "note"), _PATCH),
    Row(6, ("once", "rule", "none", "free", *_NOT_IN_GIT), ("missing",), None, _MISSING, _MISSING, _MISSING, _MISSING),
    Row(7, ("rule",), _ANY_LIVE, None, *_ALL),
    Row(8, ("none",), ("full",), None, _patch("AN03"), _refuse("AN03"), _patch("AN03"), _PATCH),
    Row(9, ("none",), ("open",), None, Verdict("patch", True, "AN03"), _refuse("AN01"), _patch("AN01"), _patch("AN01", "note")),
    Row(10, ("free",), _ANY_LIVE, None, *_ALL),
    Row(11, _NOT_IN_GIT, _ANY_LIVE, False, *_ALL),
    Row(12, _NOT_IN_GIT, ("full",), True, *_ALL),
    Row(13, _NOT_IN_GIT, ("open",), True, Verdict("patch", True, "AN04"), _refuse("AN04"), _patch("AN04"), _PATCH),
)

_NEEDS_PROTECTION: Final = (1, 4, 8, 12)
"""Rows that rest on the protection of the live object: `ssa: Ignore` alone does not keep it from every version of Flux."""

_OTHERS: Final[dict[Owner, str]] = {"helm": "AN05", "argocd": "AN06", "operator": "AN07"}

_TEXTS: Final[dict[str, tuple[str, str | None]]] = {
    "AN01": (
        "the next pass of Flux sets the value back to what git says",
        "use the policy ensure, or protect it in git: ssa: IfNotPresent, or leave the key out of the manifest",
    ),
    "AN02": (
        "the protection stands in git only: Flux deletes the object once it leaves git",
        "use the policy ensure, or annotate the live object with reconcile: disabled",
    ),
    "AN03": ("git does not protect the object: in a new cluster Flux sets the value back", "write ssa: IfNotPresent into the manifest"),
    "AN04": (
        "Flux owns the object, and its manifest is not known: the next pass may set the value back or delete the object",
        "name the folders of the manifests with --manifests, or use the policy ensure",
    ),
    "AN05": ("Helm manages the object: the next upgrade may set the value back", None),
    "AN06": ("Argo CD manages the object and may set the value back", "use ignoreDifferences with RespectIgnoreDifferences=true"),
    "AN07": ("an operator controls the object and would overwrite the value", "change its source, or set policy.force"),
    "AN08": ("the object is missing, and Flux never creates it", "use ssa: IfNotPresent in git, or create: from-manifest"),
    "KD01": ("the cluster does not know the kind of the object", "apply the definition of the kind first, or correct apiVersion and kind"),
    "NS01": ("the namespace of the object is missing", "run again when it is there"),
    "OB01": ("the object is missing", "run again when it is there, or give the target a create"),
}


class Rules(NamedTuple):
    """What a target wants.

    Attributes:
        policy: How protection is dealt with.
        on_missing: What a missing object is.
        create: Whether a missing object is created.
        force: Whether an object that an operator controls is written.
    """

    policy: Policy = "ensure"
    on_missing: OnMissing = "warn"
    create: bool = False
    force: bool = False


class Decision(NamedTuple):
    """What is done to an object.

    Attributes:
        row: The row of the table that decided it.
        action: `skip` and `fail` are for objects that are missing.
        annotate: Whether `reconcile: disabled` is added with the values.
        findings: What is said about it.
    """

    row: int
    action: Action
    annotate: bool = False
    findings: tuple[Finding, ...] = ()

    @property
    def writes(self) -> bool:
        """Whether values are needed for it."""
        return self.action in ("patch", "create")


def decide(git: GitProtection, live: Live, rules: Rules, *, subject: str) -> Decision:
    """What is done to an object.

    Args:
        git: What the manifest says.
        live: What the object in the cluster says.
        rules: What the target wants.
        subject: The object, for findings.
    """
    row = next(each for each in TABLE if each.fits(git, live))
    verdict = row.verdict(rules.policy)
    if verdict.action == "missing":
        return _missing(row.number, git, verdict, rules, subject)
    findings = [finding(verdict.code, verdict.severity, subject)] if verdict.code else []
    others = _other_findings(live, rules, subject)
    if verdict.action == "refuse" or any(each.severity == "error" for each in others):
        return Decision(row.number, "refuse", findings=(*findings, *others))
    annotate = verdict.annotate or (rules.policy == "ensure" and row.number in _NEEDS_PROTECTION and not live.is_kept)
    return Decision(row.number, "patch", annotate, (*findings, *others))


def missing(on_missing: OnMissing, code: str, subject: str) -> tuple[Action, tuple[Finding, ...]]:
    """What becomes of an object that is missing and not created.

    Args:
        on_missing: What that is.
        code: What is said about it.
        subject: The object.
    """
    if on_missing == "fail":
        return "fail", (finding(code, "error", subject),)
    return "skip", (finding(code, "warning", subject),) if on_missing == "warn" else ()


def finding(code: str, severity: Severity, subject: str) -> Finding:
    """What is said about an object, by its code."""
    text, hint = _TEXTS[code]
    return Finding(code, severity, text, subject=subject, hint=hint)


def _missing(row: int, git: GitProtection, verdict: Verdict, rules: Rules, subject: str) -> Decision:
    if rules.create:
        return Decision(row, "create", annotate=git in _IN_GIT)
    on_missing: OnMissing = "warn" if verdict.code and rules.on_missing == "skip" else rules.on_missing  # nobody will ever create it: always said
    action, findings = missing(on_missing, verdict.code or "OB01", subject)
    return Decision(row, action, findings=findings)


def _other_findings(live: Live, rules: Rules, subject: str) -> list[Finding]:
    """Under `ignore` only what stops the patch is said."""
    found: list[Finding] = []
    for other in live.others:
        stops = other == "operator" and not rules.force
        if stops or rules.policy != "ignore":
            found.append(finding(_OTHERS[other], "error" if stops else "warning", subject))
    return found
