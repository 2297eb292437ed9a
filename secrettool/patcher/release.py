"""Giving an object back to Flux: the annotation that keeps it from being applied is taken away, once nothing is lost by that.

Source: requirement PT-22.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from secrettool.cluster.model import Cluster
from secrettool.errors import ClusterError, Outcome
from secrettool.findings import Finding
from secrettool.flux import PATCH_MANAGER
from secrettool.flux.selectors import OWNER_NAME, RECONCILE
from secrettool.objects import Object, Ref, annotations_of, labels_of
from secrettool.patcher.apply import failed
from secrettool.patcher.body import body
from secrettool.patcher.git import GitObject, ManifestError
from secrettool.patcher.result import Result, Word
from secrettool.patcher.retry import CLOCK, Clock, Pauses
from secrettool.patcher.wanted import placeholder_keys
from secrettool.placeholders import DEFAULT_TOKENS

_CONFLICT: Final = 409


def release(
    ref: Ref, git: GitObject | None, cluster: Cluster, *, tokens: tuple[str, ...] = DEFAULT_TOKENS, dry_run: bool = False, clock: Clock = CLOCK
) -> Result:
    """Take the annotation `reconcile: disabled` away.

    Args:
        ref: The object.
        git: What git has; None when it does not have the object.
        cluster: Where it is.
        tokens: What counts as a placeholder.
        dry_run: Whether the server only answers.
        clock: Time and chance.

    Returns:
        The row of the report: `refused` when Flux would put a placeholder back (`PH003`), or delete the object (`AN04`).
    """
    pauses = Pauses(clock)
    while True:
        try:
            live = cluster.get(ref)
            reason = _reason_against(ref, git, live, tokens)
            if reason is not None or live is None:
                return _row(ref, "refused", reason)
            if RECONCILE not in annotations_of(live):
                return _row(ref, "unchanged")
            request = body(live, {}, {RECONCILE: None})
            cluster.patch(ref, request.content, kind=request.kind, manager=PATCH_MANAGER, dry_run=dry_run)
            return replace(_row(ref, "changed"), annotation="removed")
        except ClusterError as error:
            if error.status != _CONFLICT or not pauses.pause():
                return failed(_row(ref, "failed"), error)


def refused(ref: Ref, error: ManifestError) -> Result:
    """The row of an object whose manifest cannot be told."""
    return _row(ref, "refused", Finding(error.rule, "error", error.message, subject=str(ref), hint=error.hint))


def _reason_against(ref: Ref, git: GitObject | None, live: Object | None, tokens: tuple[str, ...]) -> Finding | None:
    if live is None:
        return Finding("OB01", "error", "the object is missing", subject=str(ref))
    if git is not None:
        left = ", ".join(placeholder_keys(git.obj, tokens))
        text, hint = "git still has a placeholder, which Flux would put back", "take the key out of the manifest, or encrypt its value there"
        return Finding("PH003", "error", text, git.file, git.line, str(ref), left, hint) if left else None
    if labels_of(live).get(OWNER_NAME):
        text, hint = "Flux owns the object, and git does not have it: Flux would delete it", "name the folders of the manifests with --manifests"
        return Finding("AN04", "error", text, subject=str(ref), hint=hint)
    return None


def _row(ref: Ref, word: Word, finding: Finding | None = None) -> Result:
    row = Result(id=str(ref), ref=ref, word=word)
    return row if finding is None else replace(row, findings=(finding,), code=Outcome.REFUSED)
