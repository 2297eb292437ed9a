"""`POST /refresh`: somebody who may starts a pass at once, of all sources or of one."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from secrettool.errors import InputError
from secrettool.sidecar import credentials, webhooks
from secrettool.sidecar.config import Refresh
from secrettool.sidecar.ratelimit import RateLimit
from secrettool.sidecar.state import Board
from secrettool.sidecar.wsgi import Request, Response, text

BURST: Final = 6
"""Passes of a source that may be asked for at once."""

SECONDS: Final = 10.0
"""Until one more may be asked for."""

MOST_REFUSALS: Final = 20
"""Wrong tokens and signatures that are answered and logged at once; then one each second."""

log = logging.getLogger(__name__)


class RefreshEndpoint:
    """Answers `POST /refresh` and `POST /refresh/ID`.

    Args:
        settings: Where the token and the secret of webhooks are.
        board: For the ids of the sources.
        start: Starts a pass of a source, of all for an empty id; says whether there is such a source.
    """

    def __init__(self, settings: Refresh, board: Board, start: Callable[[str], bool]) -> None:
        self._settings = settings
        self._board = board
        self._start = start
        self._limits = {source: RateLimit(BURST, SECONDS) for source in ("", *board.snapshot().sources)}
        self._refusals = RateLimit(MOST_REFUSALS, 1.0)

    def __call__(self, request: Request) -> Response:
        """Answer."""
        try:
            is_allowed = self._is_allowed(request)
        except InputError as error:
            log.error("POST /refresh: %s", error)
            return text("the secrets of this endpoint cannot be read", HTTPStatus.SERVICE_UNAVAILABLE)
        return self._refresh(request.rest) if is_allowed else self._refuse()

    def _is_allowed(self, request: Request) -> bool:
        token, secret = self._settings.token_file, self._settings.hmac_file
        if token is not None and credentials.is_bearer(request.header("Authorization"), read_token(token)):
            return True
        return secret is not None and webhooks.is_known(request.header, request.body(), read_key(secret))

    def _refresh(self, source: str) -> Response:
        limit = self._limits.get(source)
        if limit is None:
            return text("no such source", HTTPStatus.NOT_FOUND)
        if self._board.snapshot().is_stopping:
            return text("the program is ending", HTTPStatus.SERVICE_UNAVAILABLE)
        wait = limit.take()
        if wait:
            return too_many(wait)
        if not self._start(source):
            return text("no such source", HTTPStatus.NOT_FOUND)
        started = [source] if source else list(self._board.snapshot().sources)
        return Response(json.dumps({"sources": started}).encode() + b"\n", HTTPStatus.ACCEPTED, "application/json")

    def _refuse(self) -> Response:
        wait = self._refusals.take()
        if wait:
            return too_many(wait)
        log.warning("POST /refresh: refused, for want of a valid token or signature")
        return text("a valid token or signature is needed", HTTPStatus.UNAUTHORIZED, ("WWW-Authenticate", 'Bearer realm="secrettool"'))


def too_many(wait: float) -> Response:
    """The answer to somebody who asks too often.

    Args:
        wait: Seconds until it may be asked again.
    """
    return text("too many requests", HTTPStatus.TOO_MANY_REQUESTS, ("Retry-After", str(math.ceil(wait))))


def read_token(file: str) -> bytes:
    """The bearer token.

    Raises:
        InputError: There is none that is long enough.
    """
    return credentials.read_secret("token", file, shortest=credentials.SHORTEST)


def read_key(file: str) -> bytes:
    """The secret of webhooks.

    Raises:
        InputError: There is none that is long enough.
    """
    return credentials.read_secret("secret of webhooks", file, shortest=credentials.SHORTEST)
