"""The little of HTTP that the endpoints need: a request, a response, and which function answers which path.

No response may be kept, framed or read by another site; none shows what went wrong inside.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

TEXT: Final = "text/plain; charset=utf-8"

POLICY: Final = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
"""Content security policy of everything; the page adds its style."""

_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

log = logging.getLogger(__name__)


class Request(NamedTuple):
    """What is asked.

    Attributes:
        environ: As the server gives it.
        rest: What follows the path of the route, without the slash; empty when nothing does.
    """

    environ: Mapping[str, Any]
    rest: str = ""

    def header(self, name: str) -> str:
        """A header, empty when it is missing."""
        key = name.upper().replace("-", "_")
        value: str = self.environ.get(key if key == "CONTENT_TYPE" else f"HTTP_{key}", "")
        return value

    def body(self) -> bytes:
        """All of the body; the server has limited it."""
        data: bytes = self.environ["wsgi.input"].read()
        return data


class Response(NamedTuple):
    """What is answered.

    Attributes:
        body: Its bytes.
        status: Its status.
        content: Its media type.
        headers: Further headers, which win over those that every response has.
    """

    body: bytes
    status: HTTPStatus = HTTPStatus.OK
    content: str = TEXT
    headers: tuple[tuple[str, str], ...] = ()


def text(body: str, status: HTTPStatus = HTTPStatus.OK, *headers: tuple[str, str]) -> Response:
    """A response of one or more lines."""
    return Response(f"{body}\n".encode(), status, TEXT, headers)


Handler: TypeAlias = Callable[[Request], Response]


class Route(NamedTuple):
    """Who answers a path.

    Attributes:
        handler: Answers.
        method: The method that is allowed; with GET also HEAD.
        has_rest: Whether one more part of a path may follow.
    """

    handler: Handler
    method: str = "GET"
    has_rest: bool = False


class Application:
    """A WSGI application.

    Args:
        routes: Who answers, by path.
    """

    def __init__(self, routes: Mapping[str, Route]) -> None:
        self._routes = MappingProxyType(dict(routes))

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        method = environ["REQUEST_METHOD"]
        response = self._answer(method, environ)
        given = {name for name, _ in response.headers}
        common = [(name, value) for name, value in _HEADERS.items() if name not in given]
        headers = [("Content-Type", response.content), ("Content-Length", str(len(response.body))), *common, *response.headers]
        start_response(f"{response.status.value} {response.status.phrase}", headers)
        return [] if method == "HEAD" else [response.body]

    def _answer(self, method: str, environ: WSGIEnvironment) -> Response:
        path, route, rest = self._find(environ.get("PATH_INFO") or "/")
        if route is None:
            return text("not found", HTTPStatus.NOT_FOUND)
        allowed = ("GET", "HEAD") if route.method == "GET" else (route.method,)
        if method not in allowed:
            return text(f"only {' and '.join(allowed)}", HTTPStatus.METHOD_NOT_ALLOWED, ("Allow", ", ".join(allowed)))
        try:
            return route.handler(Request(environ, rest))
        except Exception as error:  # the server would log the stack, and what is on it
            log.error("%s %s failed: %s", method, path, type(error).__name__)
            return text("internal error", HTTPStatus.INTERNAL_SERVER_ERROR)

    def _find(self, path: str) -> tuple[str, Route | None, str]:
        route = self._routes.get(path)
        if route is not None:
            return path, route, ""
        start, _, rest = path.rpartition("/")
        route = self._routes.get(start)
        return start, route if route is not None and route.has_rest else None, rest
