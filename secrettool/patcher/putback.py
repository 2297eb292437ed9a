"""Letting an object hold again what it held before a rotation that failed: only the keys that the rotation wrote, and only while they hold that.

Source: requirement PT-37.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus

from secrettool.cluster.model import Cluster, Unavailable
from secrettool.errors import ClusterError
from secrettool.flux import PATCH_MANAGER
from secrettool.objects import Object, annotations_of
from secrettool.patcher.body import Fields, MissingPlace, body, changes, equal, live_value
from secrettool.patcher.case import Case
from secrettool.patcher.plan import SOURCES, recorded_sources
from secrettool.patcher.retry import Clock, Pauses


def put_back(case: Case, written: Fields, versions: Mapping[str, int], cluster: Cluster, clock: Clock) -> str | None:
    """Put the former values back.

    Args:
        case: The object as it was found at first; not a missing one.
        written: What the rotation wrote to it, or tried to.
        versions: The versions that hold the former values now, by name, for the annotation with the sources.
        cluster: Where it is.
        clock: Time and chance.

    Returns:
        Why it does not hold them; None when it does.
    """
    old = case.live or {}
    before = {key: live_value(old, key) for key in written}
    pauses = Pauses(clock)
    while True:
        try:
            live = cluster.get(case.ref)
            if live is None:
                return "it is gone"
            ours = {key: value for key, value in before.items() if equal(live_value(live, key), written[key])}
            changed = changes(live, ours)
            if changed:
                request = body(live, changed, _sources(case, live, old, versions))
                cluster.patch(case.ref, request.content, kind=request.kind, manager=PATCH_MANAGER)
            foreign = changes(live, {key: value for key, value in before.items() if key not in ours})
            return f"somebody else changed {', '.join(foreign)} meanwhile, and that was left alone" if foreign else None
        except MissingPlace:
            return "a place in it is gone"
        except ClusterError as error:
            if not (isinstance(error, Unavailable) or error.status == HTTPStatus.CONFLICT) or not pauses.pause():
                return error.message


def _sources(case: Case, live: Object, old: Object, versions: Mapping[str, int]) -> dict[str, str | None]:
    """The annotation with the versions that hold the former values now."""
    if SOURCES not in annotations_of(live):
        return {}
    recorded, former = recorded_sources(live), recorded_sources(old)
    for key in case.rules:
        recorded.pop(key, None)
        if isinstance(entry := former.get(key), dict):
            recorded[key] = {name: versions.get(name, version) for name, version in entry.items()}
    return {SOURCES: json.dumps(recorded, sort_keys=True) if recorded else None}
