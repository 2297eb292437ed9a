"""A cluster in memory: as much of server-side apply as the tests of planning need."""

from __future__ import annotations

from typing import Any

from secrettool.cluster.model import UnknownKind
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
