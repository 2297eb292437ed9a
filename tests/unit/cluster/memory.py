"""A cluster in memory: as much of server-side apply as the tests of planning need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from secrettool.cluster.folder.patching import json_patch, merge_patch
from secrettool.cluster.model import PatchKind, UnknownKind
from secrettool.errors import ClusterError
from secrettool.objects import Object, Ref, ref_of

SCOPES = {
    ("v1", "Secret"): True,
    ("v1", "ConfigMap"): True,
    ("v1", "Namespace"): False,
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition"): False,
}


class MemoryCluster:
    """Stores what is applied whole; refuses what it is told to, when it is written or when it is tried."""

    def __init__(self, *, refuse_writes: str = "", refuse_tries: str = "") -> None:
        self.scopes = dict(SCOPES)
        self.stored: dict[Ref, dict[str, Any]] = {}
        self.log: list[str] = []
        self._refused = {False: refuse_writes, True: refuse_tries}

    def is_namespaced(self, api_version: str, kind: str) -> bool:
        if (api_version, kind) not in self.scopes:
            raise UnknownKind(f"the API server knows no {kind} of {api_version}", status=404, reason="NotFound")
        return self.scopes[api_version, kind]

    def get(self, ref: Ref) -> dict[str, Any] | None:
        self.is_namespaced(ref.api_version, ref.kind)
        return self.stored.get(ref)

    def apply(self, obj: Object, *, manager: str, force: bool = False, dry_run: bool = False) -> dict[str, Any]:
        ref = ref_of(obj)
        if ref.name == self._refused[dry_run]:
            raise ClusterError("403 Forbidden", status=403, reason="Forbidden")
        if not dry_run:
            self.log.append(str(ref))
            self.stored[ref] = dict(obj)
            if ref.kind == "CustomResourceDefinition":
                self.scopes[f"{obj['spec']['group']}/v1", obj["spec"]["names"]["kind"]] = True
        return dict(obj)

    def patch(self, ref: Ref, body: Object | Sequence[Object], *, kind: PatchKind, manager: str, dry_run: bool = False) -> dict[str, Any]:
        before = self.get(ref)
        if before is None:
            raise ClusterError("404 NotFound", status=404, reason="NotFound")
        after = merge_patch(before, body) if isinstance(body, Mapping) else json_patch(before, body)
        if not dry_run:
            self.stored[ref] = after
        return {name: after[name] for name in ("apiVersion", "kind", "metadata")}

    def delete(self, ref: Ref, *, uid: str, resource_version: str, dry_run: bool = False) -> None:
        if not dry_run:
            del self.stored[ref]

    def list_objects(self, api_version: str, kind: str, namespace: str) -> list[dict[str, Any]]:
        return [obj for ref, obj in self.stored.items() if ref[:3] == (api_version, kind, namespace)]

    def namespace_exists(self, name: str) -> bool:
        return any(name in (ref.namespace, ref.name if ref.kind == "Namespace" else "") for ref in self.stored)
