"""From objects as a build gives them to objects as they are sent; all that is wrong with them is found before the first is applied.

Source: requirements DA-26, DA-38, DA-39; Kubernetes API conventions (names, namespaces).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from secrettool.cluster.model import Cluster, UnknownKind
from secrettool.cluster.stages import is_definition
from secrettool.errors import ConfigError, Outcome, SecrettoolError
from secrettool.objects import Object, Ref, folded, ref_of, section

MAX_ERRORS = 50


class Prepared(NamedTuple):
    """What is to be applied.

    Attributes:
        objects: The objects in the order in which they were given, `stringData` folded, each with the namespace it goes to.
        errors: What is wrong, at most `MAX_ERRORS`; with one of them nothing may be applied.
    """

    objects: list[dict[str, Any]]
    errors: list[SecrettoolError]

    def __repr__(self) -> str:
        return f"<Prepared {len(self.objects)} objects, {len(self.errors)} errors>"


def prepared(objs: Iterable[Object], cluster: Cluster, *, namespace: str | None = None) -> Prepared:
    """Look at all objects before the first one is applied.

    Args:
        objs: The objects, plain.
        cluster: Where they go; is asked which of their kinds lie in namespaces.
        namespace: For objects that name none.

    Raises:
        ClusterError: The cluster cannot be asked.
    """
    given = list(objs)
    scopes = _Scopes(cluster, given)
    found: list[dict[str, Any]] = []
    errors: list[SecrettoolError] = []
    seen: set[tuple[str, str, str, str]] = set()
    for number, obj in enumerate(given, start=1):
        try:
            sent = _sent(obj, scopes, namespace, number)
            ref = ref_of(sent)
            identity = (ref.group, ref.kind, ref.namespace, ref.name)
            if identity in seen:
                raise _bad("is there twice", str(ref), None)
        except (ConfigError, UnknownKind) as error:
            error.file = error.file or str(ref_of(obj))
            errors.append(error)
            if len(errors) >= MAX_ERRORS:
                break
            continue
        seen.add(identity)
        found.append(sent)
    return Prepared(found, errors)


class _Scopes:
    """Which kinds lie in namespaces: as the cluster says, or as a definition says that is applied with them."""

    def __init__(self, cluster: Cluster, objs: list[Object]) -> None:
        self._cluster = cluster
        self._defined = {(group, kind): scope for obj in objs if is_definition(ref_of(obj)) for group, kind, scope in [_defined(obj)]}
        self._asked: dict[tuple[str, str], bool | UnknownKind] = {}

    def is_namespaced(self, ref: Ref) -> bool:
        known = self._asked.get(ref[:2])
        if known is None:
            known = self._asked[ref[:2]] = self._ask(ref)
        if isinstance(known, UnknownKind):
            raise UnknownKind(known.message, status=known.status, reason=known.reason, hint=known.hint)
        return known

    def _ask(self, ref: Ref) -> bool | UnknownKind:
        try:
            return self._cluster.is_namespaced(ref.api_version, ref.kind)
        except UnknownKind as error:
            defined = self._defined.get((ref.group, ref.kind))
            return error if defined is None else defined == "Namespaced"


def _defined(definition: Object) -> tuple[str, str, str]:
    spec = section(definition, "spec")
    return str(spec.get("group")), str(section(spec, "names").get("kind")), str(spec.get("scope"))


def _sent(obj: Object, scopes: _Scopes, namespace: str | None, number: int) -> dict[str, Any]:
    ref = ref_of(obj)
    if not (ref.api_version and ref.kind and ref.name):
        missing = next(name for name, text in (("apiVersion", ref.api_version), ("kind", ref.kind), ("metadata.name", ref.name)) if not text)
        hint = "metadata.generateName cannot be applied, only created" if "generateName" in section(obj, "metadata") else None
        raise _bad(f"{missing} is missing", str(ref) or f"object {number}", hint)
    metadata = {name: value for name, value in section(obj, "metadata").items() if name not in ("managedFields", "namespace")}
    if scopes.is_namespaced(ref):
        metadata["namespace"] = ref.namespace or namespace
        if not metadata["namespace"]:
            raise _bad("it names no namespace", str(ref), "write metadata.namespace, or give one with --namespace")
    return folded({name: metadata if name == "metadata" else value for name, value in obj.items() if name != "status"})


def _bad(message: str, subject: str, hint: str | None) -> ConfigError:
    error = ConfigError(message, hint=hint, code=Outcome.CONFIGURATION)
    error.file = subject
    return error
