"""A patch map, a folder as cluster, and values that are simply given."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from secrettool.cluster.folder import FolderCluster
from secrettool.cluster.model import Cluster, PatchKind
from secrettool.errors import SourceError
from secrettool.manifests import dump
from secrettool.objects import Object, Ref, ref_of
from secrettool.patcher.case import Surroundings
from secrettool.patcher.git import Manifests
from secrettool.patcher.loading import load
from secrettool.patcher.mapping import PatchMap
from secrettool.patcher.result import Result
from secrettool.patcher.retry import Clock
from secrettool.patcher.run import Settings, run
from secrettool.sources.value import SecretValue

Json = dict[str, Any]
Given = bytes | str | SourceError
NOW = datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC)
REF = Ref("v1", "Secret", "ns", "s")
RECONCILE = "kustomize.toolkit.fluxcd.io/reconcile"
SSA = "kustomize.toolkit.fluxcd.io/ssa"


def patch_map(targets: str, *values: str, more: str = "") -> PatchMap:
    """A map: the text of its targets, and the names of its values."""
    sources = "".join(f"  {name}: {{env: {name.upper()}}}\n" for name in values)
    head = "apiVersion: secrettool.dev/v1alpha1\nkind: PatchMap\n"
    return load(f"{head}{more}{'values:' + chr(10) + sources if values else ''}targets:\n{targets}")


def one_target(keys: str, *values: str, more: str = "", ref: str = "{kind: Secret, namespace: ns, name: s}", defaults: str = "") -> PatchMap:
    """A map with the target `t`."""
    text = f"  - id: t\n    ref: {ref}\n    {'fields' if 'Issuer' in ref else 'keys'}: {keys}\n" + "".join(
        f"    {line}\n" for line in more.splitlines()
    )
    return patch_map(text, *values, more=f"defaults: {defaults}\n" if defaults else "")


class GivenSources:
    """Values that are given; remembers which were asked for."""

    def __init__(self, values: dict[str, Given], versions: dict[str, int] | None = None) -> None:
        self._values = values
        self._versions = versions or {}
        self.asked: list[str] = []

    def resolve(self, names: Iterable[str]) -> dict[str, SecretValue | SourceError]:
        found: dict[str, SecretValue | SourceError] = {}
        for name in names:
            self.asked.append(name)
            value = self._values.get(name, SourceError("VL01", "the variable is not set", subject=name, where=f"env {name.upper()}"))
            found[name] = value if isinstance(value, SourceError) else SecretValue(value if isinstance(value, bytes) else value.encode())
        return found

    def version(self, name: str) -> int | None:
        return self._versions.get(name)


class Meddled:
    """A cluster between which and its users something happens; counts what is written.

    Attributes:
        writes: Each request that was sent, as `verb Kind/namespace/name`, dry runs with a `?`.
        before: Called with the request before it is carried out; what it raises is the answer.
        after: Called once it was carried out; what it raises takes the place of the answer.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.writes: list[str] = []
        self.bodies: list[Any] = []
        self.before: Callable[[str], None] = lambda _: None
        self.after: Callable[[str], None] = lambda _: None

    def is_namespaced(self, api_version: str, kind: str) -> bool:
        return self._cluster.is_namespaced(api_version, kind)

    def namespace_exists(self, name: str) -> bool:
        self.before(f"namespace {name}")
        return self._cluster.namespace_exists(name)

    def get(self, ref: Ref) -> Json | None:
        self.before(f"get {ref}")
        return self._cluster.get(ref)

    def list_objects(self, api_version: str, kind: str, namespace: str) -> list[Json]:
        self.before(f"list {kind}")
        return self._cluster.list_objects(api_version, kind, namespace)

    def apply(self, obj: Object, *, manager: str, force: bool = False, dry_run: bool = False) -> Json:
        with_force = "!" if force else ""
        return self._sent(
            f"apply{with_force} {ref_of(obj)}", dry_run, obj, lambda: self._cluster.apply(obj, manager=manager, force=force, dry_run=dry_run)
        )

    def patch(self, ref: Ref, body: Object | Sequence[Object], *, kind: PatchKind, manager: str, dry_run: bool = False) -> Json:
        return self._sent(f"{kind} {ref}", dry_run, body, lambda: self._cluster.patch(ref, body, kind=kind, manager=manager, dry_run=dry_run))

    def delete(self, ref: Ref, *, uid: str, resource_version: str, dry_run: bool = False) -> None:
        def send() -> Json:
            self._cluster.delete(ref, uid=uid, resource_version=resource_version, dry_run=dry_run)
            return {}

        self._sent(f"delete {ref}", dry_run, None, send)

    def _sent(self, request: str, dry_run: bool, body: Any, send: Callable[[], Json]) -> Json:
        self.writes.append(request + "?" * dry_run)
        self.bodies.append(body)
        self.before(request)
        answer = send()
        self.after(request)
        return answer


class World:
    """A folder that stands for a cluster, perhaps with the manifests of git."""

    def __init__(self, folder: Path, objects: Iterable[Json] = (), git: dict[str, str] | None = None) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        for number, obj in enumerate(objects):
            (folder / f"{number}.yaml").write_text(dump([obj]), encoding="utf-8")
        self.cluster = Meddled(FolderCluster(str(folder)))
        self.manifests = Manifests(git) if git is not None else None
        self.pauses: list[float] = []

    @property
    def around(self) -> Surroundings:
        return Surroundings(self.cluster, self.manifests)

    def settings(self, patch_map: PatchMap, **settings: Any) -> Settings:
        clock = Clock(self.pauses.append, lambda: sum(self.pauses), lambda: 0.5)
        return Settings(may_be_empty=patch_map.may_be_empty, clock=clock, now=lambda: NOW)._replace(**settings)

    def run(self, patch_map: PatchMap, values: dict[str, Given] | GivenSources | None = None, **settings: Any) -> list[Result]:
        sources = values if isinstance(values, GivenSources) else GivenSources(values or {})
        return run(patch_map.targets, self.around, sources, self.settings(patch_map, **settings))

    def one(self, patch_map: PatchMap, values: dict[str, Given] | GivenSources | None = None, **settings: Any) -> Result:
        (result,) = self.run(patch_map, values, **settings)
        return result

    def get(self, ref: Ref = REF) -> Json:
        found = FolderCluster(str(self.folder)).get(ref)
        assert found is not None
        return found

    def data(self, ref: Ref = REF) -> dict[str, bytes]:
        return {key: b64decode(value) for key, value in self.get(ref).get("data", {}).items()}

    def notes(self, ref: Ref = REF) -> Json:
        notes: Json = self.get(ref)["metadata"].get("annotations", {})
        return notes


def secret(data: dict[str, str] | None = None, *, name: str = "s", namespace: str = "ns", **metadata: Any) -> Json:
    encoded = {key: b64encode(value.encode()).decode() for key, value in (data or {}).items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace, **metadata}, "type": "Opaque", "data": encoded}


def manifest(data: dict[str, str], **metadata: Any) -> str:
    return dump([{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "ns", **metadata}, "stringData": data}])


def codes(result: Result) -> list[str]:
    return [f"{finding.code} {finding.severity}" for finding in result.findings]
