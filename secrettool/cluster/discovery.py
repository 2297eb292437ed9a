"""Which resource a kind is: asked of the API server once per group and version.

Source: Kubernetes API concepts, "Resource discovery"; k8s.io/apimachinery pkg/apis/meta/v1 (APIResourceList).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any, NamedTuple
from urllib.parse import quote

from secrettool.cluster.model import UnknownKind
from secrettool.objects import Ref


class Resource(NamedTuple):
    """What the paths of a kind are made of.

    Attributes:
        name: Its plural, such as `secrets`.
        namespaced: Whether its objects lie in namespaces.
    """

    name: str
    namespaced: bool


class Discovery:
    """The kinds that an API server serves.

    Args:
        ask: Gives the document at a path; None when there is none.
    """

    def __init__(self, ask: Callable[[str], Mapping[str, Any] | None]) -> None:
        self._ask = ask
        self._known: dict[str, dict[str, Resource]] = {}
        self._lock = Lock()

    def resource(self, api_version: str, kind: str) -> Resource:
        """The resource of a kind. A kind that was not there is asked for again: its definition may have been applied meanwhile.

        Raises:
            UnknownKind: It is not served.
            ClusterError: The server could not be asked.
        """
        with self._lock:
            found = self._known.get(api_version, {}).get(kind)
            if found is None:
                self._known[api_version] = self._load(api_version)
                found = self._known[api_version].get(kind)
        if found is None:
            hint = "apply the definition of the kind first, or correct apiVersion and kind"
            raise UnknownKind(f"the API server knows no {kind} of {api_version}", status=404, reason="NotFound", hint=hint)
        return found

    def path(self, ref: Ref) -> str:
        """The path of an object; without a name that of all objects of its kind, in its namespace if they have one.

        Raises:
            UnknownKind: Its kind is not served.
            ClusterError: The server could not be asked.
        """
        resource = self.resource(ref.api_version, ref.kind)
        parts = [_root(ref.api_version)]
        if resource.namespaced:
            parts += ["namespaces", quote(ref.namespace, safe="")]
        parts.append(resource.name)
        return "/".join([*parts, quote(ref.name, safe="")] if ref.name else parts)

    def _load(self, api_version: str) -> dict[str, Resource]:
        listed = (self._ask(_root(api_version)) or {}).get("resources") or ()
        return {entry["kind"]: Resource(entry["name"], bool(entry["namespaced"])) for entry in listed if "/" not in entry["name"]}


def _root(api_version: str) -> str:
    return f"/{'apis' if '/' in api_version else 'api'}/{quote(api_version)}"
