"""What an apply would do, guessed from the live object alone: no defaults of the server, no admission, no conflicts.

Exact for Secrets and ConfigMaps, whose fields have no defaults. In other kinds a value that the server writes in another form (`1` for `1000m`)
counts as a change.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from secrettool.flux.fields import flatten, nest
from secrettool.flux.live import APPLY_MANAGER, LiveObject, applied
from secrettool.objects import Object


def predicted(live: Object | None, sent: Object) -> dict[str, Any]:
    """The object after an apply by secrettool.

    Args:
        live: The object in the cluster; None when there is none.
        sent: What is applied, `stringData` folded.
    """
    if live is None:
        return applied(None, APPLY_MANAGER, sent).obj
    there = LiveObject.from_object(live)
    before, after = flatten(there.obj), flatten(applied(there, APPLY_MANAGER, sent).obj)
    # A list is one field to the prediction; what the server filled in inside is no change.
    return nest({path: before[path] if path in before and _covers(before[path], value) else value for path, value in after.items()})


def _covers(there: Any, wanted: Any) -> bool:
    """Whether a list holds all that another one says, item by item."""
    if not (isinstance(there, list) and isinstance(wanted, list)):
        return False
    waiting: list[tuple[Any, Any]] = [(there, wanted)]
    while waiting:
        old, new = waiting.pop()
        if isinstance(old, list) and isinstance(new, list):
            if len(old) != len(new):
                return False
            waiting += zip(old, new, strict=True)
        elif isinstance(old, Mapping) and isinstance(new, Mapping):
            if not new.keys() <= old.keys():
                return False
            waiting += [(old[key], value) for key, value in new.items()]
        elif old != new:
            return False
    return True
