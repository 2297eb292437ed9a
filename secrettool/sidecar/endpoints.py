"""The endpoints of the sidecar, and who may see what.

Health, metrics: everybody; they name sources, not objects. `/status` and `/`: who knows the token, everybody, or nobody, as it is configured.
`/refresh`: who knows the token or the secret of webhooks.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Final

from secrettool.errors import InputError
from secrettool.sidecar import credentials, page
from secrettool.sidecar.config import Config
from secrettool.sidecar.health import CHECKS, Check, Clock
from secrettool.sidecar.metrics import CONTENT_TYPE, Metrics
from secrettool.sidecar.ratelimit import RateLimit
from secrettool.sidecar.refresh import MOST_REFUSALS, RefreshEndpoint, read_token, too_many
from secrettool.sidecar.state import Board
from secrettool.sidecar.status import status
from secrettool.sidecar.wsgi import Application, Handler, Request, Response, Route, text

log = logging.getLogger(__name__)

_CHALLENGES: Final = (
    ("WWW-Authenticate", 'Basic realm="secrettool", charset="UTF-8"'),
    ("WWW-Authenticate", 'Bearer realm="secrettool"'),
)


def application(config: Config, board: Board, metrics: Metrics, start: Callable[[str], bool], now: Callable[[], Clock] = Clock.now) -> Application:
    """All endpoints.

    Args:
        config: Who may see what.
        board: What is shown.
        metrics: What `/metrics` shows.
        start: Starts a pass of a source, of all for an empty id.
        now: What time it is.
    """
    routes = {path: Route(partial(_health, check, board, now)) for path, check in CHECKS.items()}
    routes["/metrics"] = Route(lambda _: Response(metrics.text(), content=CONTENT_TYPE))
    if config.refresh.token_file is not None or config.refresh.hmac_file is not None:
        routes["/refresh"] = Route(RefreshEndpoint(config.refresh, board, start), "POST", has_rest=True)
    if config.http.status == "open":
        routes |= _shown(board, now, lambda handler: handler)
    elif config.http.status == "token" and config.refresh.token_file is not None:
        routes |= _shown(board, now, partial(_Guarded, config.refresh.token_file, RateLimit(MOST_REFUSALS, 1.0)))
    elif config.http.status == "token":
        hidden = text("nobody may see this: set refresh.tokenFile or http.status in the configuration", HTTPStatus.FORBIDDEN)
        routes |= _shown(board, now, lambda _: lambda _: hidden)
    return Application(routes)


def _health(check: Check, board: Board, now: Callable[[], Clock], _: Request) -> Response:
    problems = check(board.snapshot(), now())
    return text("\n".join(problems), HTTPStatus.SERVICE_UNAVAILABLE) if problems else text("ok")


def _shown(board: Board, now: Callable[[], Clock], guarded: Callable[[Handler], Handler]) -> dict[str, Route]:
    def as_json(_: Request) -> Response:
        return Response(json.dumps(status(board.snapshot(), now()), indent=2).encode() + b"\n", content="application/json")

    def as_page(_: Request) -> Response:
        body = page.render(board.snapshot(), now())
        return Response(body, content="text/html; charset=utf-8", headers=(("Content-Security-Policy", page.policy()),))

    return {"/status": Route(guarded(as_json)), "/": Route(guarded(as_page))}


class _Guarded:
    """Lets a handler answer those who know the token, as bearer token or as password.

    A browser sends a password by itself, from other sites too: that may show a page to who sits there, but must not start anything.
    """

    def __init__(self, file: str, refusals: RateLimit, handler: Handler) -> None:
        self._file = file
        self._refusals = refusals
        self._handler = handler

    def __call__(self, request: Request) -> Response:
        given = request.header("Authorization")
        try:
            token = read_token(self._file)
        except InputError as error:
            log.error("GET %s: %s", request.environ["PATH_INFO"], error)
            return text("the token of this endpoint cannot be read", HTTPStatus.SERVICE_UNAVAILABLE)
        if credentials.is_bearer(given, token) or credentials.is_password(given, token):
            return self._handler(request)
        wait = self._refusals.take() if given else 0.0
        return too_many(wait) if wait else text("the token is needed", HTTPStatus.UNAUTHORIZED, *_CHALLENGES)
