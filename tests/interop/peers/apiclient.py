"""What tests say to an API server: objects in and out, by the standard library alone."""

from __future__ import annotations

import json
import re
import ssl
import time
from collections.abc import Mapping
from http import HTTPStatus
from http.client import HTTPSConnection
from typing import Any, TypeAlias
from urllib.parse import quote, urlencode, urlsplit

Json: TypeAlias = dict[str, Any]

MANAGER = "interop"
"""Field manager of what a test does when it does not say otherwise."""
MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"
TIMEOUT = 30
"""Seconds that one answer may take."""
IDLE = 30
"""Seconds after which a new connection is made: the server closes idle ones after 90."""


class ApiError(Exception):
    """The API server refused.

    Attributes:
        status: Status of the answer, such as 404.
        reason: The cause as one word, such as `NotFound`; empty when the answer has none.
    """

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason


class Client:
    """Asks an API server on one connection, in one name.

    Args:
        url: Of the server.
        ca: PEM file with the certificates to trust.
        token: Bearer token of who asks; None asks without a name.
    """

    def __init__(self, url: str, ca: str, token: str | None) -> None:
        where = urlsplit(url)
        assert where.hostname is not None
        self._connection = HTTPSConnection(where.hostname, where.port, timeout=TIMEOUT, context=ssl.create_default_context(cafile=ca))
        self._headers = {"Accept": "application/json, */*;q=0.1"} | ({"Authorization": f"Bearer {token}"} if token else {})
        self._used = time.monotonic()
        self._resources: dict[tuple[str, str], Json] = {}

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def request(
        self, method: str, path: str, body: object = None, *, media: str = "application/json", headers: Mapping[str, str] | None = None
    ) -> bytes:
        """Send one request, `body` as JSON, and return the answer's body.

        Raises:
            ApiError: The answer is none of success.
        """
        data = None if body is None else _yaml_and_json(body)
        sent = self._headers | ({"Content-Type": media} if data else {}) | dict(headers or {})
        if time.monotonic() - self._used > IDLE:
            self._connection.close()
        try:
            self._connection.request(method, path, data, sent)
            answer = self._connection.getresponse()
            content = answer.read()
        except BaseException:
            self._connection.close()  # or the next request would find this one begun
            raise
        self._used = time.monotonic()
        if answer.status >= HTTPStatus.BAD_REQUEST:
            raise _error(answer.status, content)
        return content

    def ask(self, method: str, path: str, body: object = None, *, media: str = "application/json") -> Json:
        """As `request`, for answers that are one object."""
        answer: Json = json.loads(self.request(method, path, body, media=media))
        return answer

    def path(self, kind: str, name: str | None = None, namespace: str | None = None, *, version: str = "v1") -> str:
        """Where an object is, or all objects of a kind when no name is given.

        Args:
            kind: Such as `Secret`.
            name: Of the object.
            namespace: None for kinds without, and for a list over all namespaces.
            version: `apiVersion` of the kind.

        Raises:
            LookupError: The server does not know the kind.
        """
        resource = self._resource(version, kind)
        parts = ["api" if "/" not in version else "apis", version]
        if resource["namespaced"] and namespace is not None:
            parts += ["namespaces", namespace]
        parts.append(resource["name"])
        if name is not None:
            parts.append(quote(name, safe=""))
        return "/" + "/".join(parts)

    def get(self, kind: str, name: str, namespace: str | None = None, *, version: str = "v1") -> Json:
        """One object."""
        return self.ask("GET", self.path(kind, name, namespace, version=version))

    def find(self, kind: str, name: str, namespace: str | None = None, *, version: str = "v1") -> Json | None:
        """One object, or None when there is none."""
        try:
            return self.get(kind, name, namespace, version=version)
        except ApiError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            raise

    def items(self, kind: str, namespace: str | None = None, *, version: str = "v1", labels: str = "") -> list[Json]:
        """The objects of a kind, in one namespace or in all, that a label selector matches."""
        found = self.ask("GET", self.path(kind, None, namespace, version=version) + _query(labelSelector=labels))
        items: list[Json] = found["items"]
        return items

    def create(self, manifest: Json, *, manager: str = MANAGER) -> Json:
        """Make a new object."""
        return self.ask("POST", self._path_of(manifest, named=False) + _query(fieldManager=manager), manifest)

    def apply(self, manifest: Json, *, manager: str = MANAGER, force: bool = False) -> Json:
        """Make or change an object by server-side apply, which owns exactly the fields of the manifest afterwards."""
        query = _query(fieldManager=manager, force="true" if force else "")
        return self.ask("PATCH", self._path_of(manifest) + query, manifest, media=APPLY)

    def patch(
        self,
        kind: str,
        name: str,
        namespace: str | None,
        change: object,
        *,
        version: str = "v1",
        manager: str = MANAGER,
        part: str = "",
    ) -> Json:
        """Change an object by a merge patch; `part` is a subresource such as `status`."""
        path = self.path(kind, name, namespace, version=version) + (f"/{part}" if part else "")
        return self.ask("PATCH", path + _query(fieldManager=manager), change, media=MERGE)

    def delete(self, kind: str, name: str, namespace: str | None = None, *, version: str = "v1") -> None:
        """Ask for the end of an object."""
        self.request("DELETE", self.path(kind, name, namespace, version=version))

    def _path_of(self, manifest: Json, *, named: bool = True) -> str:
        head: Json = manifest["metadata"]
        name: str | None = head["name"] if named else None
        return self.path(manifest["kind"], name, head.get("namespace"), version=manifest["apiVersion"])

    def _resource(self, version: str, kind: str) -> Json:
        known = self._resources.get((version, kind))
        if known is None:
            listed = self.ask("GET", f"/{'apis' if '/' in version else 'api'}/{version}")["resources"]
            self._resources |= {(version, entry["kind"]): entry for entry in listed if "/" not in entry["name"]}
            known = self._resources.get((version, kind))
        if known is None:
            raise LookupError(f"the API server knows no {kind} of {version}")
        return known


def _yaml_and_json(body: object) -> bytes:
    """JSON that is YAML, too: the server reads an apply as YAML, which knows no escapes in pairs and no such characters as they are."""
    text = json.dumps(body, ensure_ascii=False)
    return re.sub("[\x7f-\x9f\ud800-\udfff\ufeff\ufffe\uffff]", lambda found: f"\\u{ord(found[0]):04x}", text).encode()


def _query(**values: str) -> str:
    given = {name: value for name, value in values.items() if value}
    return f"?{urlencode(given)}" if given else ""


def _error(status: int, content: bytes) -> ApiError:
    try:
        told = json.loads(content)
        return ApiError(status, told.get("reason", ""), told.get("message", ""))
    except (ValueError, AttributeError):
        return ApiError(status, "", content.decode("utf-8", "replace"))
