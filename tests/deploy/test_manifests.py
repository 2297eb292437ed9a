"""The manifests under `deploy/`, built by the real kustomize and told to the real API server.

The kinds of Prometheus' operator are not there. A definition below has the fields that the manifests use, with the types of the operator's own, and
no others, so that strict validation finds a field that is not one.
"""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from tests.deploy.installed import PLACES, REAL, SECRET, Installed, install, store
from tests.deploy.manifests import COMPONENTS, DEPLOY, OVERLAYS, built, moved, objects_in, pods_of, with_components
from tests.interop.fixtures import required
from tests.interop.peers.apiclient import MERGE, ApiError, Client, Json
from tests.interop.peers.apiserver import PATIENCE, ApiServer
from tests.interop.peers.process import wait_for

pytestmark = pytest.mark.real

STRICT: Final = "?dryRun=All&fieldValidation=Strict&fieldManager=test&force=true"
PLACEHOLDER: Final = base64.b64encode(b"REPLACE_ME").decode()


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


def refusal(act: Callable[[], object]) -> ApiError:
    """What the API server says to something that it must refuse."""
    with pytest.raises(ApiError) as caught:
        act()
    return caught.value


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


# --- the admission policy ---


class Guarded(NamedTuple):
    """A namespace that the admission policy looks after, with one Secret in it."""

    admin: Client
    namespace: str

    def put(self, data: Json | None, **more: Any) -> Json:
        """The Secret becomes this, whatever it was before."""
        self.admin.request("DELETE", self.path)
        head = {"name": "guarded", "namespace": self.namespace}
        return self.admin.create({"apiVersion": "v1", "kind": "Secret", "metadata": head} | ({} if data is None else {"data": data}) | more)

    @property
    def path(self) -> str:
        return self.admin.path("Secret", "guarded", self.namespace)

    def patch(self, change: Json) -> Json:
        """Change it by a merge patch."""
        return self.admin.ask("PATCH", self.path, change, media=MERGE)


def coded(text: str | bytes) -> str:
    """As `data` has it."""
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


@pytest.fixture(scope="module")
def guarded(cluster: ApiServer, real_kustomize: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """The policy in force; taken away again, since the server is shared."""
    folder = with_components(tmp_path_factory.mktemp("policy"), "apply", "admission-policy")
    policy = [each for each in built(real_kustomize, folder) if each["apiVersion"].startswith("admissionregistration")]
    assert [each["kind"] for each in policy] == ["ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"]
    admin, namespace = cluster.admin, cluster.namespace()
    admin.patch("Namespace", namespace, None, {"metadata": {"labels": {"secrettool.dev/keep-values": "true"}}})
    for each in policy:
        store(admin, each)
    found = Guarded(admin, namespace)
    admin.create({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "guarded", "namespace": namespace}, "data": {"key": REAL}})

    def is_in_force() -> bool:
        try:
            admin.ask("PATCH", found.path + "?dryRun=All", {"data": {"key": PLACEHOLDER}}, media=MERGE)
        except ApiError as error:
            return error.status == HTTPStatus.FORBIDDEN
        return False

    wait_for(is_in_force, seconds=PATIENCE)
    yield found
    for each in reversed(policy):
        admin.delete(each["kind"], each["metadata"]["name"], version=each["apiVersion"])
    wait_for(lambda: not is_in_force(), seconds=PATIENCE)


@pytest.mark.parametrize("text", ["REPLACE_ME", "REPLACE_ME\n", "REPLACE_ME the password of the database", "REPLACE_ME_LATER", "REPLACE_ME\xff\xff"])
def test_da_54_real_value_cannot_become_a_placeholder(guarded: Guarded, text: str) -> None:
    before = guarded.put({"token": REAL, "other": REAL})
    whole = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "guarded", "namespace": guarded.namespace}}
    changed = before | {"data": {"token": coded(text), "other": REAL}}
    del changed["metadata"]["managedFields"]
    ways: dict[str, Callable[[], object]] = {
        "merge patch": lambda: guarded.patch({"data": {"token": coded(text)}}),
        "merge patch of stringData": lambda: guarded.patch({"stringData": {"token": text}}),
        "apply": lambda: store(guarded.admin, whole | {"data": {"token": coded(text)}}),
        "apply of stringData": lambda: store(guarded.admin, whole | {"stringData": {"token": text}}),
        "put": lambda: guarded.admin.ask("PUT", guarded.path, changed),
    }
    for way, act in ways.items():
        told = refusal(act)
        assert told.status == HTTPStatus.FORBIDDEN, way
        assert "ValidatingAdmissionPolicy 'secrettool-keep-values'" in str(told), way
        assert str(told).endswith("a placeholder would replace a real value: token"), way
        assert "a real value" not in str(told).replace("a placeholder would replace a real value", "")
    assert guarded.admin.get("Secret", "guarded", guarded.namespace)["data"] == {"token": REAL, "other": REAL}


@pytest.mark.parametrize(
    ("before", "change"),
    [
        ({"k": REAL}, {"data": {"k": coded("another value")}}),
        ({"k": REAL}, {"data": {"k": coded("REPLACE_MD"), "l": coded("REPLACE_MF")}}),
        ({"k": REAL}, {"data": {"k": coded("REPLACE_M")}}),
        ({"k": REAL}, {"data": {"k": coded("a text with REPLACE_ME in it")}}),
        ({"k": REAL}, {"data": {"k": None}}),
        ({"k": REAL}, {"data": {"k": ""}}),
        ({"k": REAL}, {"data": {"new": PLACEHOLDER}}),
        ({"k": REAL}, {"metadata": {"labels": {"a": "b"}}}),
        ({"k": PLACEHOLDER}, {"data": {"k": REAL}}),
        ({"k": PLACEHOLDER}, {"data": {"k": coded("REPLACE_ME soon")}}),
        ({"k": PLACEHOLDER, "l": REAL}, {"metadata": {"annotations": {"a": "b"}}}),
        ({"k": ""}, {"data": {"k": PLACEHOLDER}}),
        (None, {"data": {"k": PLACEHOLDER}}),
        (None, {"metadata": {"labels": {"a": "b"}}}),
    ],
)
def test_da_54_other_changes_pass(guarded: Guarded, before: Json | None, change: Json) -> None:
    guarded.put(before)
    changed = guarded.patch(change)
    for name, value in change.get("data", {}).items():
        assert changed.get("data", {}).get(name) == value


def test_da_54_policy_can_afford_the_largest_secret(guarded: Guarded) -> None:
    guarded.put({f"k{number}": coded(bytes(1000)) for number in range(1000)} | {"token": REAL})
    guarded.patch({"data": {"k1": coded("changed")}})
    assert refusal(lambda: guarded.patch({"stringData": {"token": "REPLACE_ME"}})).status == HTTPStatus.FORBIDDEN
    guarded.put({"k": coded(b"REPLACE_ME" + bytes(1_000_000)), "token": REAL})
    guarded.patch({"data": {"token": coded("changed")}})


def test_da_54_namespace_without_the_label_is_left_alone(guarded: Guarded, cluster: ApiServer) -> None:
    manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "free", "namespace": cluster.namespace()}, "data": {"k": REAL}}
    cluster.admin.create(manifest)
    assert store(cluster.admin, manifest | {"data": {"k": PLACEHOLDER}})["data"] == {"k": PLACEHOLDER}
