"""A kopf operator: encrypted manifests in a ConfigMap become Secrets beside it.

Every entry of a ConfigMap with the label `example.org/encrypted: manifests` is a file of manifests, as `secrettool encrypt` left it.

    kopf run handler.py --namespace shop
"""

from __future__ import annotations

import os
from typing import Any

import kopf
from opening import reconcile

from secrettool.cluster.connection import Access, connect
from secrettool.errors import ClusterError, KeyUnavailable, SecrettoolError

WATCHED: dict[str, Any] = {"labels": {"example.org/encrypted": "manifests"}}


@kopf.on.resume("configmaps", **WATCHED)
@kopf.on.create("configmaps", **WATCHED)
@kopf.on.update("configmaps", field="data", **WATCHED)
def open_manifests(body: kopf.Body, namespace: str | None, logger: kopf.Logger, **_: Any) -> None:
    """Apply what is in a ConfigMap. Its errors name objects and entries, and never hold a value."""
    try:
        with connect(Access(), os.environ) as cluster:
            applied = reconcile(body.get("data") or {}, namespace or "", cluster)
    except (KeyUnavailable, ClusterError) as error:  # a key or a right may be given later
        raise kopf.TemporaryError(str(error), delay=30) from None
    except SecrettoolError as error:  # the ConfigMap has to change first
        raise kopf.PermanentError(str(error)) from None
    logger.info("applied: %s", ", ".join(applied) or "nothing")
