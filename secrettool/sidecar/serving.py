"""What others see of a running sidecar: the HTTP endpoints, the figures, and the notifications.

This and what it imports is all that needs the extra `sidecar`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from secrettool.sidecar import refresh as refreshing
from secrettool.sidecar.config import Config
from secrettool.sidecar.endpoints import application
from secrettool.sidecar.metrics import Metrics
from secrettool.sidecar.notify import notifying
from secrettool.sidecar.server import listening
from secrettool.sidecar.state import Board, Recorder

log = logging.getLogger(__name__)


@contextmanager
def serving(config: Config, board: Board, refresh: Callable[[str], bool]) -> Iterator[Recorder]:
    """Serve and notify, as configured, until the end of the block.

    Args:
        config: What is wanted.
        board: What the sidecar is doing.
        refresh: Starts a pass of a source at once, of all for an empty id; says whether there is such a source.

    Yields:
        Who is told what only grows.

    Raises:
        InputError: A secret that is named cannot be read, or is too short.
        ConfigError: The address cannot be listened at, or a URL is none.
    """
    metrics = Metrics(board)
    if config.refresh.token_file is not None:
        refreshing.read_token(config.refresh.token_file)
    if config.refresh.hmac_file is not None:
        refreshing.read_key(config.refresh.hmac_file)
    with ExitStack() as stack:
        stack.enter_context(notifying(config.notifications, board))
        if config.http.enabled:
            port = stack.enter_context(listening(application(config, board, metrics, refresh), config.http.address, config.http.port))
            log.info("listening at %s, port %d", config.http.address, port)
        yield metrics
