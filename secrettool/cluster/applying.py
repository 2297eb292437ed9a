"""Applying objects, stage after stage: a stage is written only when every object of it was tried and nothing was refused.

Source: github.com/fluxcd/pkg/ssa 0.61 manager_apply.go (ApplyAllStaged); requirements DA-28, DA-38, DA-41.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType

from secrettool.cluster.model import Cluster, UnknownKind
from secrettool.cluster.planning import Planner, Settings, Step
from secrettool.cluster.stages import is_definition, stages
from secrettool.errors import ClusterError
from secrettool.flux import APPLY_MANAGER
from secrettool.objects import Object, Ref, ref_of

KIND_PATIENCE = 60.0
"""Seconds until a kind whose definition was applied has to be served."""
KIND_PAUSE = 0.25


def apply(
    objs: Sequence[Object],
    cluster: Cluster,
    settings: Settings,
    tell: Callable[[], None] = lambda: None,
    known: Mapping[Ref, Object | None] = MappingProxyType({}),
) -> Iterator[Step]:
    """Apply objects, or with `settings.dry_run` only say what that would do.

    After a failure nothing more is written: the rest is `held`. What a consumer got as `created` or `configured` is written.

    Args:
        objs: The objects, prepared.
        cluster: Where they go.
        settings: How.
        tell: Called after each object that was looked at.
        known: As for `Planner`.

    Yields:
        One step for each object, in the order of the stages.
    """
    planner = Planner(cluster, settings, known)
    reason: str | None = None
    for stage in stages(objs):
        steps = [Step(ref_of(obj), "held", reason, None, obj) for obj in stage] if reason else planner.plan(stage, tell)
        if any(step.action == "failed" for step in steps):
            reason = "another object was refused, before anything of its stage was written"
        for step in steps:
            if step.writes and reason:
                step = step._replace(action="held", reason=reason)
            elif step.writes and settings.dry_run is None:
                step = _written(step, cluster, settings)
                reason = "another object was refused" if step.error else None
            yield step
        if reason is None and settings.dry_run is None and any(step.writes and is_definition(step.ref) for step in steps):
            _await_kinds(objs, cluster)


def _written(step: Step, cluster: Cluster, settings: Settings) -> Step:
    try:
        return step._replace(wanted=cluster.apply(step.sent, manager=APPLY_MANAGER, force=settings.force))
    except ClusterError as error:
        error.file = error.file or str(step.ref)
        return step._replace(action="failed", error=error)


def _await_kinds(objs: Sequence[Object], cluster: Cluster) -> None:
    """Wait until the kinds of all objects are served. A kind that does not come is reported when its turn is."""
    end = time.monotonic() + KIND_PATIENCE
    for api_version, kind in dict.fromkeys(ref_of(obj)[:2] for obj in objs):
        while time.monotonic() < end:
            try:
                cluster.is_namespaced(api_version, kind)
                break
            except UnknownKind:
                time.sleep(KIND_PAUSE)
