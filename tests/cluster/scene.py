"""A cluster with a namespace of its own, for tests that are told of both: a folder of manifests, and a real API server."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from secrettool.cluster.model import Cluster
from secrettool.errors import ClusterError
from secrettool.flux import PATCH_MANAGER, LiveObject
from secrettool.objects import Ref

Json = dict[str, Any]

CANARY = "canary-7be2"
FLUX = "kustomize-controller"


def b64(text: str | bytes) -> str:
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def manifest(namespace: str, name: str, *, kind: str = "Secret", **more: Any) -> Json:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": namespace}, **more}


class Scene:
    """A cluster with a namespace of its own.

    Attributes:
        cluster: The cluster.
        namespace: Nothing is in it at first.
    """

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.cluster = cluster
        self.namespace = namespace

    def ref(self, name: str = "db", kind: str = "Secret") -> Ref:
        return Ref("v1", kind, self.namespace, name)

    def secret(self, name: str = "db", *, manager: str = FLUX, more: Json | None = None, **data: str) -> Json:
        encoded = {key: b64(value) for key, value in data.items()}
        return self.cluster.apply(manifest(self.namespace, name, data=encoded, **(more or {})), manager=manager)

    def patch(self, body: Json | list[Json], name: str = "db", *, manager: str = PATCH_MANAGER, dry_run: bool = False) -> Json:
        kind: Any = "merge" if isinstance(body, dict) else "json"
        return self.cluster.patch(self.ref(name), body, kind=kind, manager=manager, dry_run=dry_run)

    def refused(self, body: Json | list[Json], name: str = "db") -> ClusterError:
        before = self.live(name)
        with pytest.raises(ClusterError) as raised:
            self.patch(body, name)
        assert self.live(name) == before
        for text in (CANARY, b64(CANARY)[:12]):
            assert text not in f"{raised.value}{raised.value!r}{raised.value.hint}{raised.value.__cause__}"
        return raised.value

    def live(self, name: str = "db") -> Json:
        found = self.cluster.get(self.ref(name))
        assert found is not None
        return found

    def version(self, name: str = "db") -> str:
        version: str = self.live(name)["metadata"]["resourceVersion"]
        return version

    def owners(self, name: str = "db") -> dict[tuple[str, str], set[str]]:
        managers = LiveObject.from_object(self.live(name)).managers
        return {(each.name, each.operation): {".".join(path) for path in each.fields} for each in managers}
