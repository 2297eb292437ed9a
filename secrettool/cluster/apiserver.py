"""The cluster behind a Kubernetes API server.

Requests are raw ones of the package `kubernetes`: nothing is read into its models, which know only the kinds of one version, and nothing of an
answer gets into an exception but what `redaction` lets through.

Source: Kubernetes API concepts, "Server-Side Apply"; kubernetes (Python) 37 client/api_client.py, client/rest.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from secrettool import __version__
from secrettool.cluster.discovery import Discovery
from secrettool.cluster.redaction import failure
from secrettool.errors import ClusterError
from secrettool.objects import Object, Ref, folded, ref_of

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

APPLY: Final = "application/apply-patch+yaml"
TIMEOUT: Final = (10.0, 60.0)
"""Seconds until the server is connected, and until it answers."""

# JSON that is YAML, too: the server reads an apply as YAML, which knows neither escapes in pairs nor these characters as they are.
_NOT_IN_YAML: Final = re.compile("[\x7f-\x9f\ud800-\udfff\ufeff\ufffe\uffff]")


class ApiServer:
    """Implements `Cluster`. Made by `connection.connect`.

    Args:
        client: The connection and who asks.
        url: Of the server; None for the one that the client is made for.
    """

    def __init__(self, client: ApiClient, *, url: str | None = None) -> None:
        self._client = client
        self._url = url
        self._client.user_agent = f"secrettool/{__version__}"
        self._discovery = Discovery(self._document)

    def __repr__(self) -> str:
        return "<ApiServer>"

    def is_namespaced(self, api_version: str, kind: str) -> bool:
        """Whether objects of a kind lie in namespaces; see `Cluster`."""
        return self._discovery.resource(api_version, kind).namespaced

    def get(self, ref: Ref) -> dict[str, Any] | None:
        """The object; see `Cluster`."""
        return self._document(self._discovery.path(ref), str(ref))

    def apply(self, obj: Object, *, manager: str, force: bool = False, dry_run: bool = False) -> dict[str, Any]:
        """Create or change an object by server-side apply; see `Cluster`."""
        ref = ref_of(obj)
        query = [("fieldManager", manager), *([("force", "true")] if force else []), *([("dryRun", "All")] if dry_run else [])]
        status, body = self._request("PATCH", self._discovery.path(ref), str(ref), query=query, body=_yaml_and_json(folded(obj)))
        if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            raise failure(status, body, str(ref))
        return _object(body, str(ref))

    def _document(self, path: str, subject: str | None = None) -> dict[str, Any] | None:
        status, body = self._request("GET", path, subject)
        if status == HTTPStatus.NOT_FOUND:
            return None
        if status != HTTPStatus.OK:
            raise failure(status, body, subject)
        return _object(body, subject)

    def _request(
        self, method: str, path: str, subject: str | None, *, query: list[tuple[str, str]] | None = None, body: str | None = None
    ) -> tuple[int, bytes]:
        from kubernetes.client import ApiException
        from urllib3.exceptions import HTTPError

        headers = {"Accept": "application/json"} | ({"Content-Type": APPLY} if body is not None else {})
        try:
            request = self._client.param_serialize(
                method, path, query_params=query, header_params=headers, body=body, auth_settings=["BearerToken"], _host=self._url
            )
            answer = self._client.call_api(*request, _request_timeout=TIMEOUT)
            return answer.status, answer.read()  # type: ignore[no-untyped-call]
        except (HTTPError, ApiException, OSError) as error:
            raise ClusterError(f"the API server cannot be reached: {_cause(error)}", subject=subject, hint=_hint(error)) from None


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


# ---- why there is no answer ----------------------------------------------------------------------------------------------------------------------

_CAUSES: Final[Mapping[str, str]] = {
    "ConnectTimeoutError": f"no connection within {TIMEOUT[0]:.0f} s",
    "ReadTimeoutError": f"no answer within {TIMEOUT[1]:.0f} s",
    "NameResolutionError": "its name is not known",
    "NewConnectionError": "the connection is refused",
    "ProxyError": "the proxy cannot be reached",
    "ProtocolError": "the connection broke",
    "LocationParseError": "its URL cannot be read",
    "LocationValueError": "its URL cannot be read",
    "URLSchemeUnknown": "its URL cannot be read",
}
_CERTIFICATE: Final = "its certificate is not trusted, or does not take ours"


def _cause(error: BaseException) -> str:
    """A text of our own for the reason that a client names: its texts hold URLs and parts of answers."""
    inner = getattr(error, "reason", None)
    cause = inner if isinstance(inner, BaseException) else error
    if type(cause).__name__ in ("SSLError", "ApiException"):
        return _CERTIFICATE
    return _CAUSES.get(type(cause).__name__, type(cause).__name__)


def _hint(error: BaseException) -> str | None:
    if _cause(error) == _CERTIFICATE:
        return "certificate-authority, client-certificate and client-key of the kubeconfig must fit the server"
    return "the URL is `server` of the kubeconfig's cluster, or --server"
