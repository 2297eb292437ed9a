"""When an object in the cluster differs from what it would become: in labels, annotations, or a field outside `metadata` and `status`.

Source: github.com/fluxcd/pkg/ssa 0.61 manager_diff.go (hasDrifted).
"""

from __future__ import annotations

import json
from typing import Any

from secrettool.objects import Object, annotations_of, labels_of

_NOT_COMPARED = ("metadata", "status")


def has_drifted(live: Object | None, wanted: Object) -> bool:
    """Whether an apply that gives `wanted` changes anything that counts."""
    return live is None or _text(live) != _text(wanted)


def compared(obj: Object) -> dict[str, Any]:
    """The part of an object that counts, with what names it."""
    metadata: dict[str, Any] = {name: obj["metadata"][name] for name in ("name", "namespace") if name in (obj.get("metadata") or {})}
    for name, part in (("labels", labels_of(obj)), ("annotations", annotations_of(obj))):
        if part:
            metadata[name] = dict(part)
    head = {name: obj[name] for name in ("apiVersion", "kind") if name in obj}
    return {**head, "metadata": metadata, **{name: value for name, value in obj.items() if name not in (*_NOT_COMPARED, *head)}}


def _text(obj: Object) -> str:
    # As text, because Python takes True for 1.
    return json.dumps(compared(obj), sort_keys=True)
