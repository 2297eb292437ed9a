"""Doing what a plan says to one object: write, and on a conflict read and plan again; then see whether it is there.

    plan -> request -> done                            -> read back
                    -> conflict: look, plan, request again
                    -> no answer: look whether it was carried out all the same

Source: section 6 of the requirements; PT-09, PT-20, PT-25, PT-26.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from http import HTTPStatus
from typing import NamedTuple

from secrettool.cluster.model import Cluster, Unavailable
from secrettool.errors import ClusterError, Outcome
from secrettool.findings import Finding
from secrettool.flux import PATCH_MANAGER
from secrettool.patcher.body import Body, changes
from secrettool.patcher.case import Case, Surroundings, look, without_namespace
from secrettool.patcher.creation import Creation, Recreation
from secrettool.patcher.plan import Plan, Planning, plan
from secrettool.patcher.result import Result, code_of
from secrettool.patcher.retry import CLOCK, Clock, Pauses
from secrettool.patcher.wanted import Values


class Applying(NamedTuple):
    """How plans are carried out.

    Attributes:
        planning: How they are made.
        dry_run: Whether the server only answers and stores nothing.
        verify: Whether what was written is read back.
        clock: Time and chance.
    """

    planning: Planning = Planning()
    dry_run: bool = False
    verify: bool = True
    clock: Clock = CLOCK


def apply(case: Case, around: Surroundings, values_for: Callable[[Collection[str]], Values], how: Applying) -> Result:
    """Write what an object should hold.

    Args:
        case: The object as it was found.
        around: Where it is looked up again after a conflict.
        values_for: Gives the values of these names; asked again after a conflict.
        how: How.
    """
    pauses = Pauses(how.clock)
    while True:
        made = plan(case, values_for(case.names), how.planning)
        if made.request is None:
            return made.result(pauses.attempt)
        result = made.result(pauses.attempt)
        try:
            _write(made, around.cluster, how)
        except ClusterError as error:
            refused = error
        else:
            return _verified(made, result, around.cluster, how)
        if isinstance(made.request, Creation) and refused.status == HTTPStatus.NOT_FOUND:
            case = without_namespace(case)
            continue
        # Somebody else changed, made or deleted it; or what was sent may have been heard.
        passes = refused.status in (HTTPStatus.CONFLICT, HTTPStatus.NOT_FOUND)
        lost = isinstance(refused, Unavailable)
        if not passes and not lost:
            return failed(result, refused)
        if passes and not pauses.pause():
            return failed(result, refused)
        try:
            case = look(case.target, case.ref, around)
        except ClusterError:
            return failed(result, refused)
        if lost and not how.dry_run and plan(case, values_for(case.names), how.planning).word == "unchanged":
            return result
        if not passes:
            return failed(result, refused)


def failed(result: Result, error: ClusterError) -> Result:
    """The row of an object that the cluster did not take."""
    found = Finding("CL01", "error", error.message, subject=str(result.ref), hint=error.hint)
    return replace(result, word="failed", findings=(*result.findings, found), code=code_of(error))


def _write(made: Plan, cluster: Cluster, how: Applying) -> None:
    request, ref = made.request, made.case.ref
    if isinstance(request, Body):
        cluster.patch(ref, request.content, kind=request.kind, manager=PATCH_MANAGER, dry_run=how.dry_run)
    elif isinstance(request, Creation):
        cluster.apply(request.content, manager=PATCH_MANAGER, dry_run=how.dry_run)
    elif isinstance(request, Recreation):
        _delete(made, request, cluster, how)
        if not how.dry_run:
            _create_again(request, cluster)


def _delete(made: Plan, request: Recreation, cluster: Cluster, how: Applying) -> None:
    try:
        cluster.delete(made.case.ref, uid=request.uid, resource_version=request.resource_version, dry_run=how.dry_run)
    except Unavailable as error:
        if how.dry_run or cluster.get(made.case.ref) is not None:
            raise ClusterError(error.message, status=error.status, reason=error.reason, hint=error.hint) from None


def _create_again(request: Recreation, cluster: Cluster) -> None:
    """Create the new object; when it is refused, the old one."""
    try:
        # Taken over from whoever was faster: the name was ours a moment ago.
        cluster.apply(request.content, manager=PATCH_MANAGER, force=True)
    except ClusterError as error:
        said = "deleted in order to be created again, then refused"
        try:
            cluster.apply(request.old, manager=PATCH_MANAGER, force=True)
        except ClusterError:
            raise ClusterError(f"{said}, and not put back: {error.message}", hint=error.hint) from None
        raise ClusterError(f"{said}; the old one was put back: {error.message}", hint=error.hint) from None


def _verified(made: Plan, result: Result, cluster: Cluster, how: Applying) -> Result:
    if how.dry_run or not how.verify:
        return result
    try:
        live = cluster.get(result.ref)
    except ClusterError as error:
        return failed(result, error)
    left = changes(live, made.changed) if live is not None else made.changed
    if live is not None and not left:
        return result
    hint = "somebody else writes it, too"
    found = Finding("VR01", "error", "the object does not hold what was written", subject=str(result.ref), key=", ".join(left) or None, hint=hint)
    return replace(result, word="failed", findings=(*result.findings, found), code=Outcome.SOME_FAILED)
