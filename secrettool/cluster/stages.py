"""The order in which objects are applied: definitions, classes, the rest; inside a stage by kind, namespace and name.

Source: github.com/fluxcd/pkg/ssa 0.61 manager_apply.go (ApplyAllStaged), sort.go (ReconcileOrder), utils/is.go.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from secrettool.objects import Object, Ref, ref_of

_FIRST = (
    "CustomResourceDefinition",
    "Namespace",
    "ClusterRole",
    "ClusterClass",
    "RuntimeClass",
    "PriorityClass",
    "StorageClass",
    "VolumeSnapshotClass",
    "IngressClass",
    "GatewayClass",
    "ClusterRoleBinding",
    "ResourceQuota",
    "ServiceAccount",
    "Role",
    "RoleBinding",
    "ConfigMap",
    "Secret",
    "Service",
    "LimitRange",
    "Deployment",
    "StatefulSet",
    "CronJob",
    "PodDisruptionBudget",
)
_LAST = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
_RANK = {kind: rank - len(_FIRST) for rank, kind in enumerate(_FIRST)} | {kind: rank + 1 for rank, kind in enumerate(_LAST)}

AnyObject = TypeVar("AnyObject", bound=Object)


def stages(objs: Iterable[AnyObject]) -> list[list[AnyObject]]:
    """The objects of each stage that has any, in the order in which they are applied."""
    found: tuple[list[AnyObject], list[AnyObject], list[AnyObject]] = ([], [], [])
    for obj in objs:
        found[_stage(ref_of(obj))].append(obj)
    return [sorted(stage, key=lambda obj: order(ref_of(obj))) for stage in found if stage]


def is_definition(ref: Ref) -> bool:
    """Whether it defines a kind."""
    return ref.kind == "CustomResourceDefinition" and ref.group == "apiextensions.k8s.io"


def is_namespace(ref: Ref) -> bool:
    """Whether it is a namespace."""
    return ref.kind == "Namespace" and ref.api_version == "v1"


def order(ref: Ref) -> tuple[int, str, str, str, str]:
    """The place of an object among those of its stage."""
    return _RANK.get(ref.kind, 0), ref.group, ref.kind, ref.namespace, ref.name


def _stage(ref: Ref) -> int:
    if is_definition(ref) or is_namespace(ref) or (ref.kind == "ClusterRole" and ref.group == "rbac.authorization.k8s.io"):
        return 0
    return 1 if ref.kind.endswith("Class") else 2
