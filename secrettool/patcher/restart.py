"""Workloads that begin anew once a Secret that they use has changed.

The pod template gets a time as annotation, never anything that is made from a value. The field manager is one that Flux does not take over.

Source: requirement PT-36; kubectl pkg/cmd/rollout, pkg/polymorphichelpers/rollout_status.go; Reloader's documentation for its annotations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from secrettool.cluster.model import Cluster
from secrettool.errors import ClusterError
from secrettool.flux import RESTART_MANAGER
from secrettool.objects import Object, Ref, annotations_of, ref_of, section
from secrettool.patcher.mapping import Target
from secrettool.patcher.retry import Clock

RESTARTED_AT: Final = "secrettool.dev/restartedAt"
KINDS: Final = ("Deployment", "StatefulSet", "DaemonSet")

_APPS: Final = "apps/v1"
_RELOADER: Final = "reloader.stakater.com/"
_POLL: Final = 2.0
"""Seconds between two looks at a rollout."""


def workloads(target: Target, ref: Ref, cluster: Cluster) -> list[Ref]:
    """The workloads that are to be restarted when an object of a target changes.

    Args:
        target: The target.
        ref: The object.
        cluster: Asked with `list` for `auto`, else not.

    Raises:
        ClusterError: They cannot be listed.
    """
    if target.restart != "auto":
        return [Ref(_APPS, each.kind, ref.namespace, each.name) for each in target.restart]
    found = [(kind, obj) for kind in KINDS for obj in cluster.list_objects(_APPS, kind, ref.namespace)]
    return [Ref(_APPS, kind, ref.namespace, ref_of(obj).name) for kind, obj in found if uses(obj, ref)]


def restart(ref: Ref, secret: str | None, cluster: Cluster, *, now: datetime, dry_run: bool = False) -> int | None:
    """Restart a workload.

    Args:
        ref: The workload.
        secret: Name of the Secret that changed; None restarts it even if Reloader does.
        cluster: Where it runs.
        now: The time that is written, with its zone; a second after the last one when it is not later, for an equal text restarts nothing.
        dry_run: Whether the server only answers.

    Returns:
        The generation to wait for; None when it is left to Reloader.

    Raises:
        ClusterError: It is not there, or cannot be changed.
    """
    live = cluster.get(ref)
    if live is None:
        raise ClusterError("there is no such workload", status=404, reason="NotFound", subject=str(ref))
    if secret is not None and is_reloaded(live, secret):
        return None
    if section(live, "spec").get("paused") is True:
        raise ClusterError("it is paused, and would not start new pods", subject=str(ref), hint="resume it, or restart its pods by hand")
    last = time_of(annotations_of(section(live, "spec", "template")).get(RESTARTED_AT))
    time = now if last is None else max(now, last + timedelta(seconds=1))
    body = {"spec": {"template": {"metadata": {"annotations": {RESTARTED_AT: time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}}}}}
    answer = cluster.patch(ref, body, kind="merge", manager=RESTART_MANAGER, dry_run=dry_run)
    generation = section(answer, "metadata").get("generation")
    return generation if isinstance(generation, int) else 0


def wait(ref: Ref, generation: int, cluster: Cluster, *, seconds: float, clock: Clock) -> str | None:
    """Wait until a workload runs as its template says.

    Args:
        ref: The workload.
        generation: The generation that has to be seen by its controller.
        cluster: Where it runs.
        seconds: How long, at most.
        clock: Time.

    Returns:
        Why it does not, or did not in time; None when it does.

    Raises:
        ClusterError: It cannot be read.
    """
    end = clock.monotonic() + seconds
    while True:
        live = cluster.get(ref)
        if live is None:
            return "it is gone"
        if is_rolled_out(live, generation):
            return None
        cause = _obstacle(live, generation)
        if cause is not None:
            return cause
        left = end - clock.monotonic()
        if left <= 0:
            return "its new pods are not all available in time"
        clock.sleep(min(_POLL, left))


def is_rolled_out(obj: Object, generation: int = 0) -> bool:
    """Whether all pods of a workload are of its newest template and available."""
    status, spec = section(obj, "status"), section(obj, "spec")
    if not _is_seen(obj, generation):
        return False
    if obj.get("kind") == "DaemonSet":
        wanted = _number(status, "desiredNumberScheduled")
        return all(_number(status, name) >= wanted for name in ("updatedNumberScheduled", "numberAvailable"))
    wanted = _number(spec, "replicas", 1)
    old = _number(section(spec, "updateStrategy", "rollingUpdate"), "partition")  # pods that a StatefulSet does not update
    is_new = _number(status, "updatedReplicas") >= wanted - old
    return is_new and _number(status, "availableReplicas") >= wanted and _number(status, "replicas") <= wanted


def _is_seen(obj: Object, generation: int) -> bool:
    """Whether the status of a workload is about its newest template."""
    return _number(section(obj, "status"), "observedGeneration") >= max(generation, _number(section(obj, "metadata"), "generation"))


def _obstacle(obj: Object, generation: int) -> str | None:
    """Why waiting is of no use; None when it may be."""
    if section(obj, "spec", "updateStrategy").get("type") == "OnDelete":
        return "its update strategy is OnDelete, so old pods stay until they are deleted"
    conditions = _mappings(section(obj, "status").get("conditions"))
    is_late = any(each.get("type") == "Progressing" and each.get("reason") == "ProgressDeadlineExceeded" for each in conditions)
    return "its rollout does not get on (ProgressDeadlineExceeded)" if is_late and _is_seen(obj, generation) else None


def uses(workload: Object, ref: Ref) -> bool:
    """Whether the pods of a workload read a Secret, or a ConfigMap: as a volume, or as variables."""
    return any(found == (ref.kind, ref.name) for found in _uses(section(workload, "spec", "template", "spec")))


def is_reloaded(workload: Object, secret: str) -> bool:
    """Whether Reloader restarts the workload when a Secret changes."""
    return any(_has_reloader(annotations_of(each), secret) for each in (workload, section(workload, "spec", "template")))


def restarted_at(workload: Object) -> datetime | None:
    """When a workload was restarted last, by us or by `kubectl rollout restart`; when it was created, if never."""
    notes = annotations_of(section(workload, "spec", "template"))
    texts = [notes.get(RESTARTED_AT), notes.get("kubectl.kubernetes.io/restartedAt"), section(workload, "metadata").get("creationTimestamp")]
    return max((found for text in texts if (found := time_of(text)) is not None), default=None)


def time_of(text: object) -> datetime | None:
    """A time as the API writes it; None for anything else."""
    try:
        found = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return found if found is None or found.tzinfo is not None else found.replace(tzinfo=UTC)


def _has_reloader(notes: Object, secret: str) -> bool:
    if "true" in (notes.get(_RELOADER + "auto"), notes.get("secret." + _RELOADER + "auto")):
        return True
    named = notes.get("secret." + _RELOADER + "reload")
    return isinstance(named, str) and secret in [name.strip() for name in named.split(",")]


def _uses(pod: Object) -> Iterator[tuple[str, Any]]:
    for volume in _mappings(pod.get("volumes")):
        yield from _of_volume(volume)
        for source in _mappings(section(volume, "projected").get("sources")):
            yield from _of_volume(source)
    for name in ("containers", "initContainers"):
        for container in _mappings(pod.get(name)):
            for source in _mappings(container.get("envFrom")):
                yield from (("Secret", section(source, "secretRef").get("name")), ("ConfigMap", section(source, "configMapRef").get("name")))
            for variable in _mappings(container.get("env")):
                source = section(variable, "valueFrom")
                yield from (("Secret", section(source, "secretKeyRef").get("name")), ("ConfigMap", section(source, "configMapKeyRef").get("name")))


def _of_volume(source: Object) -> Iterator[tuple[str, Any]]:
    secret = section(source, "secret")
    yield "Secret", secret.get("secretName", secret.get("name"))  # a volume of its own, or a source of a projected one
    yield "ConfigMap", section(source, "configMap").get("name")


def _mappings(value: object) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def _number(obj: Object, name: str, otherwise: int = 0) -> int:
    value = obj.get(name)
    return value if isinstance(value, int) else otherwise
