"""The manifests under `deploy/`, built by the real kustomize and told to the real API server.

The kinds of Prometheus' operator are not there. A definition below has the fields that the manifests use, with the types of the operator's own, and
no others, so that strict validation finds a field that is not one.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import pytest

from tests.deploy.installed import PLACEHOLDER, PLACES, REAL, SECRET, Installed, install, refusal, store
from tests.deploy.manifests import COMPONENTS, DEPLOY, OVERLAYS, built, moved, objects_in, pods_of, with_components
from tests.interop.fixtures import required
from tests.interop.peers.apiclient import ApiError, Client, Json
from tests.interop.peers.apiserver import ApiServer

pytestmark = pytest.mark.real

STRICT: Final = "?dryRun=All&fieldValidation=Strict&fieldManager=test&force=true"


def definition(kind: str, spec: Json) -> Json:
    """A CustomResourceDefinition in `monitoring.coreos.com/v1`."""
    plural = kind.lower() + "s"
    top = {"type": "object", "required": ["spec"], "properties": {"spec": spec}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": top}}
    names = {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()}
    head = {"name": f"{plural}.monitoring.coreos.com"}
    told = {"group": "monitoring.coreos.com", "names": names, "scope": "Namespaced", "versions": [version]}
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": head, "spec": told}


def record(*required: str, **properties: Json) -> Json:
    """The schema of an object."""
    return {"type": "object", "properties": properties} | ({"required": list(required)} if required else {})


TEXT: Final[Json] = {"type": "string"}
TEXTS: Final[Json] = {"type": "array", "items": TEXT}
WORDS: Final[Json] = {"type": "object", "additionalProperties": TEXT}
TIME: Final[Json] = TEXT | {"pattern": "^(0|(([0-9]+)y)?(([0-9]+)w)?(([0-9]+)d)?(([0-9]+)h)?(([0-9]+)m)?(([0-9]+)s)?(([0-9]+)ms)?)$"}
EXPRESSION: Final = record("key", "operator", key=TEXT, operator=TEXT, values=TEXTS)
SELECTOR: Final = record(matchExpressions={"type": "array", "items": EXPRESSION}, matchLabels=WORDS)
ENDPOINT: Final = record(port=TEXT, path=TEXT, interval=TIME, scrapeTimeout=TIME)
POD_MONITOR: Final = record(
    "selector",
    namespaceSelector=record(any={"type": "boolean"}, matchNames=TEXTS),
    selector=SELECTOR,
    podMetricsEndpoints={"type": "array", "items": ENDPOINT},
)
RULE: Final = record("expr", alert=TEXT, expr={"x-kubernetes-int-or-string": True}, labels=WORDS, annotations=WORDS, **{"for": TIME})
PROMETHEUS_RULE: Final = record(groups={"type": "array", "items": record("name", name=TEXT, rules={"type": "array", "items": RULE})})


@pytest.fixture(scope="module")
def cluster(api_server: ApiServer) -> ApiServer:
    """The API server, with the kinds of Prometheus' operator."""
    api_server.define(definition("PodMonitor", POD_MONITOR), definition("PrometheusRule", PROMETHEUS_RULE))
    return api_server


@pytest.fixture
def places(cluster: ApiServer) -> dict[str, str]:
    """A new namespace for each one that the manifests name."""
    return {name: cluster.namespace() for name in PLACES}


# --- every object is one ---

ONLY_FOR: Final = {"git-sync": ("apply",), "prune": ("apply", "job")}


def everything(kustomize: Path, overlay: str, folder: Path) -> list[Json]:
    """An overlay with all components that fit."""
    fitting = [name for name in COMPONENTS if name != "image" and overlay in ONLY_FOR.get(name, OVERLAYS)]
    return built(kustomize, with_components(folder, overlay, *fitting))


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize("with_all", [False, True], ids=["alone", "with-components"])
def test_every_object_passes_a_strict_dry_run(
    overlay: str, with_all: bool, cluster: ApiServer, places: dict[str, str], real_kustomize: Path, tmp_path: Path
) -> None:
    objects = everything(real_kustomize, overlay, tmp_path) if with_all else built(real_kustomize, DEPLOY / "overlays" / overlay)
    assert {each["metadata"].get("namespace") for each in objects} <= {None, *PLACES}
    for each in moved(objects, places):
        stored = store(cluster.admin, each, STRICT)
        assert stored["kind"] == each["kind"]
        if each["kind"] == "Deployment" and overlay == "render-sidecar":
            assert stored["spec"]["template"]["spec"]["initContainers"][0]["restartPolicy"] == "Always"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_kubectl_builds_what_kustomize_builds(overlay: str, real_kustomize: Path, tmp_path: Path) -> None:
    run = subprocess.run([required("kubectl"), "kustomize", str(DEPLOY / "overlays" / overlay)], capture_output=True, text=True, check=True)
    assert objects_in(run.stdout) == built(real_kustomize, DEPLOY / "overlays" / overlay)


def test_strict_dry_run_finds_a_field_that_is_none(cluster: ApiServer, places: dict[str, str], real_kustomize: Path, tmp_path: Path) -> None:
    for each in moved(everything(real_kustomize, "apply", tmp_path), places):
        if each["kind"] in {"Deployment", "NetworkPolicy", "PodMonitor", "PrometheusRule", "ValidatingAdmissionPolicy"}:
            each["spec"]["noSuchField"] = "x"
            assert "noSuchField" in str(refusal(partial(store, cluster.admin, each, STRICT)))


# --- PodSecurity ---


def as_pod(template: Json, namespace: str) -> Json:
    """The pod that a controller would make of a template."""
    head = template["metadata"] | {"name": "made-of-a-template", "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": head, "spec": template["spec"]}


def try_pod(client: Client, pod: Json) -> Json:
    """Create a pod, but for its storage."""
    return client.ask("POST", client.path("Pod", None, pod["metadata"]["namespace"]) + "?dryRun=All&fieldValidation=Strict", pod)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_da_54_pods_are_admitted_where_restricted_is_enforced(
    overlay: str, cluster: ApiServer, places: dict[str, str], real_kustomize: Path, tmp_path: Path
) -> None:
    objects = moved(everything(real_kustomize, overlay, tmp_path), places)
    (namespace,) = (each for each in objects if each["kind"] == "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    store(cluster.admin, namespace)
    ((_, template),) = pods_of(objects)
    pod = as_pod(template, namespace["metadata"]["name"])
    assert try_pod(cluster.admin, pod)["spec"]["securityContext"]["runAsNonRoot"] is True

    # The same admission refuses the pod for each thing that is taken away, so that it was awake.
    weakenings: tuple[Callable[[Json], object], ...] = (
        lambda spec: spec["securityContext"].pop("seccompProfile"),
        lambda spec: spec["securityContext"].pop("runAsNonRoot"),
        lambda spec: spec["containers"][0]["securityContext"].pop("capabilities"),
        lambda spec: spec["containers"][0]["securityContext"].update(allowPrivilegeEscalation=True),
    )
    for take in weakenings:
        weaker = as_pod(_copy(template), namespace["metadata"]["name"])
        take(weaker["spec"])
        told = refusal(partial(try_pod, cluster.admin, weaker))
        assert told.status == HTTPStatus.FORBIDDEN
        assert "violates PodSecurity" in str(told)


def _copy(node: Any) -> Any:
    if isinstance(node, dict):
        return {name: _copy(value) for name, value in node.items()}
    return [_copy(each) for each in node] if isinstance(node, list) else node


# --- rights ---


@pytest.fixture(scope="module")
def apply(cluster: ApiServer, real_kustomize: Path) -> Installed:
    return install(DEPLOY / "overlays/apply", cluster, real_kustomize)


@pytest.mark.parametrize("overlay", ["apply", "job"])
def test_da_53_named_secret_is_made_read_and_changed_by_apply(overlay: str, cluster: ApiServer, real_kustomize: Path) -> None:
    account = install(DEPLOY / "overlays" / overlay, cluster, real_kustomize)
    manager = "?fieldManager=secrettool"
    first = store(account.client, account.secret(), manager)  # makes it
    assert account.client.get("Secret", SECRET, account.places["shop"])["data"] == {"key": REAL}
    second = store(account.client, account.secret(value=PLACEHOLDER), manager)
    assert second["metadata"]["uid"] == first["metadata"]["uid"]
    assert second["data"] == {"key": PLACEHOLDER}


def test_da_53_everything_else_about_secrets_is_refused(apply: Installed, cluster: ApiServer) -> None:
    client, places = apply.client, apply.places
    for name, place in ((SECRET, "shop"), ("other", "shop"), ("secrettool-keys", "secrettool"), (SECRET, "flux-system")):
        store(cluster.admin, apply.secret(name, place))
    secrets = client.path("Secret", None, places["shop"])
    tries: dict[str, Callable[[], object]] = {
        "get another": lambda: client.get("Secret", "other", places["shop"]),
        "apply another": lambda: store(client, apply.secret("other"), "?fieldManager=secrettool"),
        "make another": lambda: store(client, apply.secret("new"), "?fieldManager=secrettool"),
        "post": lambda: client.create(apply.secret("new")),
        "post the named": lambda: client.create(apply.secret()),
        "put": lambda: client.ask("PUT", f"{secrets}/{SECRET}", apply.secret()),
        "list": lambda: client.items("Secret", places["shop"]),
        "list by name": lambda: client.ask("GET", f"{secrets}?fieldSelector=metadata.name%3D{SECRET}"),
        "watch": lambda: client.request("GET", f"{secrets}?watch=true&timeoutSeconds=1"),
        "watch by name": lambda: client.request("GET", f"{secrets}?watch=true&timeoutSeconds=1&fieldSelector=metadata.name%3D{SECRET}"),
        "delete": lambda: client.delete("Secret", SECRET, places["shop"]),
        "delete all": lambda: client.request("DELETE", secrets),
        "list everywhere": lambda: client.items("Secret"),
        "get elsewhere": lambda: client.get("Secret", SECRET, places["flux-system"]),
        "apply elsewhere": lambda: store(client, apply.secret(place="flux-system"), "?fieldManager=secrettool"),
        "get the keys": lambda: client.get("Secret", "secrettool-keys", places["secrettool"]),
        "other kinds": lambda: client.items("ConfigMap", places["shop"]),
        "namespaces": lambda: client.items("Namespace"),
        "tokens": lambda: client.ask("POST", client.path("ServiceAccount", "secrettool", places["secrettool"]) + "/token", {}),
    }
    allowed = [name for name, act in tries.items() if _is_allowed(act)]
    # A name as field selector makes RBAC see a request for one name: still a list or a watch, and those are no verbs of the Role.
    assert allowed == []
    assert cluster.admin.get("Secret", SECRET, places["shop"])["data"] == {"key": REAL}


def _is_allowed(act: Callable[[], object]) -> bool:
    try:
        act()
    except ApiError as error:
        assert error.status == HTTPStatus.FORBIDDEN, error
        return False
    return True


def test_da_53_own_namespace_has_leases_and_events(apply: Installed) -> None:
    client, own = apply.client, apply.places["secrettool"]
    head = {"name": "secrettool-shop", "namespace": own}
    lease = client.create({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": head, "spec": {"holderIdentity": "a"}})
    lease["spec"]["holderIdentity"] = "b"
    path = client.path("Lease", "secrettool-shop", own, version="coordination.k8s.io/v1")
    assert client.ask("PUT", path, lease)["spec"]["holderIdentity"] == client.ask("GET", path)["spec"]["holderIdentity"] == "b"
    for place in ("secrettool", "flux-system"):
        event = client.create(an_event(apply.places[place]))
        event["series"] = {"count": 2, "lastObservedTime": "2026-01-01T00:00:01.000000Z"}
        name, version = event["metadata"]["name"], "events.k8s.io/v1"
        client.patch("Event", name, apply.places[place], {"series": event["series"]}, version=version)

    other = client.path("Lease", "another", own, version="coordination.k8s.io/v1")
    for act in (
        lambda: client.ask("GET", other),
        lambda: client.items("Lease", own, version="coordination.k8s.io/v1"),
        lambda: client.delete("Lease", "secrettool-shop", own, version="coordination.k8s.io/v1"),
        lambda: client.get("ConfigMap", "secrettool-inventory-shop", own),
        lambda: client.items("Event", own, version="events.k8s.io/v1"),
        lambda: client.create(an_event(apply.places["shop"])),
    ):
        assert refusal(act).status == HTTPStatus.FORBIDDEN


def an_event(namespace: str) -> Json:
    """An Event about a pod."""
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": "secrettool.1", "namespace": namespace},
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "reportingController": "secrettool.dev/sidecar",
        "reportingInstance": "secrettool-0",
        "action": "Apply",
        "reason": "Applied",
        "regarding": {"apiVersion": "v1", "kind": "Pod", "name": "secrettool-0", "namespace": namespace},
        "type": "Normal",
        "note": "1 object",
    }


def test_da_53_component_prune_may_delete_the_named_secret_and_keep_an_inventory(cluster: ApiServer, real_kustomize: Path, tmp_path: Path) -> None:
    account = install(with_components(tmp_path, "apply", "prune"), cluster, real_kustomize)
    client, own, target = account.client, account.places["secrettool"], account.places["shop"]
    inventory = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "secrettool-inventory-shop", "namespace": own}, "data": {"a": "b"}}
    store(client, inventory, "?fieldManager=secrettool")
    assert client.get("ConfigMap", "secrettool-inventory-shop", own)["data"] == {"a": "b"}
    store(client, account.secret(), "?fieldManager=secrettool")
    client.delete("Secret", SECRET, target)
    store(cluster.admin, account.secret("other"))
    for act in (lambda: client.delete("Secret", "other", target), lambda: client.delete("ConfigMap", "secrettool-inventory-shop", own)):
        assert refusal(act).status == HTTPStatus.FORBIDDEN


def test_da_53_sources_of_flux_are_read_only(apply: Installed) -> None:
    client, place, version = apply.client, apply.places["flux-system"], "source.toolkit.fluxcd.io/v1"
    assert client.items("GitRepository", place, version=version) == []
    path = client.path("GitRepository", None, place, version=version)
    client.request("GET", f"{path}?watch=true&timeoutSeconds=1")
    manifest = {"apiVersion": version, "kind": "GitRepository", "metadata": {"name": "a", "namespace": place}, "spec": {}}
    for act in (lambda: client.create(manifest), lambda: client.items("GitRepository", version=version), lambda: client.items("Secret", place)):
        assert refusal(act).status == HTTPStatus.FORBIDDEN
