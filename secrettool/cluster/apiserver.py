"""The cluster behind a Kubernetes API server.

Requests are raw ones of the package `kubernetes`: nothing is read into its models, which know only the kinds of one version, and nothing of an
answer gets into an exception but what `redaction` lets through.

Source: Kubernetes API concepts, "Server-Side Apply", "Patch and apply", "Metadata-only fetches"; requirements PT-16 to PT-21.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from secrettool import __version__
from secrettool.cluster.discovery import Discovery
from secrettool.cluster.model import PatchKind, Unavailable, tested_version
from secrettool.cluster.redaction import failure
from secrettool.cluster.transport import JSON, Answer, Transport
from secrettool.errors import ClusterError
from secrettool.flux import APPLY_MANAGER
from secrettool.objects import Object, Ref, folded, ref_of, section

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

    from secrettool.cluster.plain import PlainClient

APPLY: Final = "application/apply-patch+yaml"
PATCHES: Final[dict[PatchKind, str]] = {"merge": "application/merge-patch+json", "json": "application/json-patch+json"}
METADATA_ONLY: Final = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1, application/json"
PAGE: Final = 500
"""Objects of one answer to a list."""
_WATCH_GRACE: Final = 15.0
"""Seconds after which a watch that should have ended counts as broken."""

# JSON that is YAML, too: the server reads an apply as YAML, which knows neither escapes in pairs nor these characters as they are.
_NOT_IN_YAML: Final = re.compile("[\x7f-\x9f\ud800-\udfff\ufeff\ufffe\uffff]")


class ApiServer:
    """Implements `Cluster`. Made by `connection.connect`.

    Args:
        client: The connection and who asks.
        url: Of the server; None for the one that the client is made for.
    """

    def __init__(self, client: ApiClient | PlainClient, *, url: str | None = None) -> None:
        self._client = client
        self._client.user_agent = f"secrettool/{__version__}"
        self._transport = Transport(client, url)
        self._discovery = Discovery(self._document)

    def __repr__(self) -> str:
        return "<ApiServer>"

    def is_namespaced(self, api_version: str, kind: str) -> bool:
        """Whether objects of a kind lie in namespaces; see `Cluster`."""
        return self._discovery.resource(api_version, kind).namespaced

    def namespace_exists(self, name: str) -> bool:
        """Whether there is a namespace; see `Cluster`."""
        return self._document(f"{_NAMESPACES}/{name}", f"Namespace/{name}", accept=METADATA_ONLY) is not None

    def get(self, ref: Ref) -> dict[str, Any] | None:
        """The object; see `Cluster`."""
        return self._document(self._discovery.path(ref), str(ref))

    def list_objects(self, api_version: str, kind: str, namespace: str) -> list[dict[str, Any]]:
        """The objects of a kind; see `Cluster`."""
        path = self._discovery.path(Ref(api_version, kind, namespace, ""))
        subject = f"{kind} in {namespace}" if namespace else kind
        found: list[dict[str, Any]] = []
        query = [("limit", str(PAGE))]
        while True:
            page = _object(_success(self._transport.send("GET", path, subject, query=query), subject), subject)
            found += ({"apiVersion": api_version, "kind": kind, **item} for item in page.get("items") or ())
            token = section(page, "metadata").get("continue")
            if not token:
                return found
            query = [("limit", str(PAGE)), ("continue", str(token))]

    def apply(self, obj: Object, *, manager: str, force: bool = False, dry_run: bool = False) -> dict[str, Any]:
        """Create or change an object by server-side apply; see `Cluster`."""
        ref = ref_of(obj)
        query = [("fieldManager", manager), *_flag("force", "true", force), *_flag("dryRun", "All", dry_run)]
        body = _yaml_and_json(folded(obj))
        answer = self._transport.send("PATCH", self._discovery.path(ref), str(ref), query=query, body=body, content=APPLY)
        return _object(_success(answer, str(ref)), str(ref))

    def create(self, obj: Object) -> dict[str, Any]:
        """Create an object that must not be there yet.

        Returns:
            The object as it is stored.

        Raises:
            ClusterError: With status 409: it is there; else it was refused, or the answer did not come.
        """
        return self._written("POST", ref_of(obj)._replace(name=""), obj)

    def replace(self, obj: Object) -> dict[str, Any]:
        """Put an object in the place of the version that its `metadata.resourceVersion` names.

        Returns:
            The object as it is stored.

        Raises:
            ClusterError: With status 404: it is not there; 409: it is at another version; else it was refused, or the answer did not come.
        """
        return self._written("PUT", ref_of(obj), obj)

    def watch(self, ref: Ref, *, seconds: int) -> Iterator[dict[str, Any]]:
        """The object as it is now, and again after each change, until the time is over or it is deleted.

        Args:
            ref: The object.
            seconds: How long.

        Raises:
            UnknownKind: There is no such kind.
            ClusterError: It cannot be watched (any longer).
        """
        path = self._discovery.path(ref._replace(name=""))
        query = [("watch", "1"), ("fieldSelector", f"metadata.name={ref.name}"), ("timeoutSeconds", str(seconds))]
        with self._transport.stream(path, str(ref), query=query, patience=seconds + _WATCH_GRACE) as stream:
            if stream.status != HTTPStatus.OK:
                raise failure(stream.status, stream.body(), str(ref))
            for line in stream.lines():
                event = _object(line, str(ref))
                if event.get("type") not in ("ADDED", "MODIFIED"):
                    return
                yield {"apiVersion": ref.api_version, "kind": ref.kind, **section(event, "object")}

    def _written(self, method: str, ref: Ref, obj: Object) -> dict[str, Any]:
        query = [("fieldManager", APPLY_MANAGER), ("fieldValidation", "Strict")]
        subject = str(ref_of(obj))
        answer = self._transport.send(method, self._discovery.path(ref), subject, query=query, body=dict(obj))
        return _object(_success(answer, subject), subject)

    def patch(self, ref: Ref, body: Object | Sequence[Object], *, kind: PatchKind, manager: str, dry_run: bool = False) -> dict[str, Any]:
        """Change an object that is there; see `Cluster`."""
        query = [("fieldManager", manager), ("fieldValidation", "Strict"), *_flag("dryRun", "All", dry_run)]
        path = self._discovery.path(ref)
        # The client turns a JSON patch that is not a list into a patch of another kind.
        sent = dict(body) if isinstance(body, Mapping) else list(body)
        answer = self._transport.send("PATCH", path, str(ref), query=query, body=sent, content=PATCHES[kind], accept=METADATA_ONLY)
        if self._is_stale(answer, ref, path, body):
            if not answer.is_first:
                message = "409 Conflict: somebody else changed it at the same time, or this patch did, whose first answer was lost"
                raise Unavailable(message, status=409, reason="Conflict", subject=str(ref))
            raise ClusterError("409 Conflict: somebody else changed it at the same time", status=409, reason="Conflict", subject=str(ref))
        changed = _object(_success(answer, str(ref)), str(ref))
        return {"apiVersion": ref.api_version, "kind": ref.kind, "metadata": dict(section(changed, "metadata"))}

    def delete(self, ref: Ref, *, uid: str, resource_version: str, dry_run: bool = False) -> None:
        """Delete an object if it still is this one; see `Cluster`."""
        options: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": uid, "resourceVersion": resource_version},
        }
        if dry_run:
            options["dryRun"] = ["All"]  # as a parameter it would not be seen: a body replaces all of them
        answer = self._transport.send("DELETE", self._discovery.path(ref), str(ref), body=options, accept=METADATA_ONLY)
        if answer.status == HTTPStatus.NOT_FOUND and not answer.is_first:
            return  # deleted when it was sent before, and the answer was lost
        _success(answer, str(ref))

    def _is_stale(self, answer: Answer, ref: Ref, path: str, body: Object | Sequence[Object]) -> bool:
        """Whether a patch met another version of its object than the one that it is for.

        The server has one answer to operations that do not fit and to a `test` of the version that fails: the object tells them apart.
        """
        if isinstance(body, Mapping):
            return answer.status == HTTPStatus.CONFLICT
        wanted = tested_version(body)
        if answer.status != HTTPStatus.UNPROCESSABLE_ENTITY or wanted is None:
            return False
        live = self._document(path, str(ref), accept=METADATA_ONLY)
        return live is not None and section(live, "metadata").get("resourceVersion") != wanted

    def _document(self, path: str, subject: str | None = None, *, accept: str = JSON) -> dict[str, Any] | None:
        answer = self._transport.send("GET", path, subject, accept=accept)
        return None if answer.status == HTTPStatus.NOT_FOUND else _object(_success(answer, subject), subject)


_NAMESPACES: Final = "/api/v1/namespaces"


def _flag(name: str, value: str, given: bool) -> list[tuple[str, str]]:
    return [(name, value)] if given else []


def _success(answer: Answer, subject: str | None) -> bytes:
    """The body of an answer that is one.

    Raises:
        ClusterError: It is a refusal.
    """
    if not HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
        raise failure(answer.status, answer.body, subject, answer.retry_after)
    return answer.body


def _yaml_and_json(obj: Object) -> str:
    return _NOT_IN_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(obj, ensure_ascii=False))


def _object(body: bytes, subject: str | None) -> dict[str, Any]:
    try:
        obj = json.loads(body)
    except (ValueError, RecursionError):
        obj = None
    if not isinstance(obj, dict):
        raise ClusterError("the answer is no object: this is not a Kubernetes API server, or something stands between", subject=subject)
    return obj
