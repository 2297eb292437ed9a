"""Which kinds a folder knows: those of every API server, those that a definition in it makes, and those of the objects in it.

Source: the discovery of kube-apiserver 1.34.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from secrettool.cluster.model import UnknownKind
from secrettool.cluster.stages import is_definition
from secrettool.objects import Object, ref_of, section

# Group and version: kinds in namespaces, kinds without.
_BUILT_IN: Final = {
    "v1": (
        "ConfigMap Endpoints Event LimitRange PersistentVolumeClaim Pod PodTemplate ReplicationController ResourceQuota Secret Service "
        "ServiceAccount",
        "Namespace Node PersistentVolume",
    ),
    "admissionregistration.k8s.io/v1": (
        "",
        "MutatingWebhookConfiguration ValidatingAdmissionPolicy ValidatingAdmissionPolicyBinding ValidatingWebhookConfiguration",
    ),
    "apiextensions.k8s.io/v1": ("", "CustomResourceDefinition"),
    "apiregistration.k8s.io/v1": ("", "APIService"),
    "apps/v1": ("ControllerRevision DaemonSet Deployment ReplicaSet StatefulSet", ""),
    "autoscaling/v1": ("HorizontalPodAutoscaler", ""),
    "autoscaling/v2": ("HorizontalPodAutoscaler", ""),
    "batch/v1": ("CronJob Job", ""),
    "certificates.k8s.io/v1": ("", "CertificateSigningRequest"),
    "coordination.k8s.io/v1": ("Lease", ""),
    "discovery.k8s.io/v1": ("EndpointSlice", ""),
    "events.k8s.io/v1": ("Event", ""),
    "flowcontrol.apiserver.k8s.io/v1": ("", "FlowSchema PriorityLevelConfiguration"),
    "networking.k8s.io/v1": ("Ingress NetworkPolicy", "IPAddress IngressClass ServiceCIDR"),
    "node.k8s.io/v1": ("", "RuntimeClass"),
    "policy/v1": ("PodDisruptionBudget", ""),
    "rbac.authorization.k8s.io/v1": ("Role RoleBinding", "ClusterRole ClusterRoleBinding"),
    "resource.k8s.io/v1": ("ResourceClaim ResourceClaimTemplate", "DeviceClass ResourceSlice"),
    "scheduling.k8s.io/v1": ("", "PriorityClass"),
    "storage.k8s.io/v1": ("CSIStorageCapacity", "CSIDriver CSINode StorageClass VolumeAttachment VolumeAttributesClass"),
}

BUILT_IN: Final = {
    (version, kind): is_namespaced
    for version, kinds in _BUILT_IN.items()
    for is_namespaced, names in zip((True, False), kinds, strict=True)
    for kind in names.split()
}
"""Whether objects lie in namespaces, by `apiVersion` and kind: what every API server serves and keeps."""

NAMESPACES: Final = frozenset({"default", "kube-node-lease", "kube-public", "kube-system"})
"""Namespaces that every cluster has."""


def is_namespaced(api_version: str, kind: str, objs: Iterable[Object]) -> bool:
    """Whether objects of a kind lie in namespaces.

    Args:
        api_version: Of the kind.
        kind: Its name.
        objs: What is in the folder. A kind that nothing defines is known from its objects; it has namespaces when one of them is in one.

    Raises:
        UnknownKind: There is no such kind.
    """
    built_in = BUILT_IN.get((api_version, kind))
    if built_in is not None:
        return built_in
    found: bool | None = None
    for obj in objs:
        ref = ref_of(obj)
        if is_definition(ref) and _defines(obj, api_version, kind):
            return section(obj, "spec").get("scope") == "Namespaced"
        if ref[:2] == (api_version, kind):
            found = found or bool(ref.namespace)
    if found is None:
        hint = "put the definition of the kind into the folder, or correct apiVersion and kind"
        raise UnknownKind(f"the folder knows no {kind} of {api_version}", status=404, reason="NotFound", hint=hint)
    return found


def _defines(definition: Object, api_version: str, kind: str) -> bool:
    spec = section(definition, "spec")
    group, _, version = api_version.rpartition("/")
    versions = spec.get("versions")
    names = [str(each.get("name")) for each in versions if isinstance(each, dict)] if isinstance(versions, list) else []
    return spec.get("group") == group and section(spec, "names").get("kind") == kind and version in names
