"""The rights that a run of a map needs, and no more: a Role for each namespace, a ClusterRole for what lies in none.

`create` is bound to names like the other verbs: objects are created by server-side apply, whose request names them. Nothing is listed, but for
targets that look for the workloads to restart.

Source: requirement PT-34; k8s.io/api rbac/v1; k8s.io/apimachinery pkg/api/meta (UnsafeGuessKindToResource).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from secrettool.patcher.mapping import Target

RBAC: Final = "rbac.authorization.k8s.io"
_WORKLOADS: Final = ("daemonsets", "deployments", "statefulsets")


class Account(NamedTuple):
    """Who gets the rights.

    Attributes:
        namespace: Of the ServiceAccount.
        name: Of the ServiceAccount.
    """

    namespace: str
    name: str

    def subject(self) -> dict[str, str]:
        """The account as a binding names it."""
        return {"kind": "ServiceAccount", "name": self.name, "namespace": self.namespace}


class _Right(NamedTuple):
    """A rule without its names, so that rules can be joined."""

    group: str
    resource: str
    verbs: tuple[str, ...]


def roles(targets: Iterable[Target], name: str, account: Account | None = None, *, recreate: bool = False) -> list[dict[str, Any]]:
    """The objects that give the rights, namespaces in their order.

    Args:
        targets: The targets of the runs.
        name: Of every role and binding.
        account: Binds the roles to it; None: roles alone.
        recreate: Whether runs may delete immutable Secrets to create them again.
    """
    rights: dict[str, dict[_Right, set[str]]] = {}
    for target in targets:
        for namespace in target.namespaces:
            for right, names in _rights(target, namespace, recreate):
                rights.setdefault(namespace, {}).setdefault(right, set()).update(names)
            if namespace:
                rights.setdefault("", {}).setdefault(_Right("", "namespaces", ("get",)), set()).add(namespace)
    return [obj for namespace in sorted(rights) for obj in _objects(namespace, rights[namespace], name, account)]


def plural(kind: str) -> str:
    """The resource of a kind, by the rule that Kubernetes itself guesses with."""
    word = kind.lower()
    if word.endswith(("s", "x", "ch", "sh")):
        return f"{word}es"
    return f"{word[:-1]}ies" if word.endswith("y") and word[-2:-1] not in "aeiou" else f"{word}s"


def _rights(target: Target, namespace: str, recreate: bool) -> Iterator[tuple[_Right, Sequence[str]]]:
    """What one target needs in one namespace, with names; no names: all."""
    group = target.api_version.rpartition("/")[0]
    create = ("create",) if target.create is not None or (recreate and target.is_secret) else ()
    delete = ("delete",) if recreate and target.is_secret else ()
    yield _Right(group, plural(target.kind), ("get", "patch", *create, *delete)), (target.name,)
    if target.restart == "auto":
        for resource in _WORKLOADS:
            yield _Right("apps", resource, ("get", "list", "patch")), ()
        return
    for workload in target.restart:
        yield _Right("apps", plural(workload.kind), ("get", "patch")), (workload.name,)


def _objects(namespace: str, rights: dict[_Right, set[str]], name: str, account: Account | None) -> Iterator[dict[str, Any]]:
    kind = "Role" if namespace else "ClusterRole"
    head = {"name": name, **({"namespace": namespace} if namespace else {})}
    yield {"apiVersion": f"{RBAC}/v1", "kind": kind, "metadata": head, "rules": [_rule(right, rights[right]) for right in sorted(rights)]}
    if account is not None:
        reference = {"apiGroup": RBAC, "kind": kind, "name": name}
        yield {"apiVersion": f"{RBAC}/v1", "kind": f"{kind}Binding", "metadata": head, "roleRef": reference, "subjects": [account.subject()]}


def _rule(right: _Right, names: set[str]) -> dict[str, Any]:
    named = {"resourceNames": sorted(names)} if names else {}
    return {"apiGroups": [right.group], "resources": [right.resource], **named, "verbs": list(right.verbs)}
