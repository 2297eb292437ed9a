"""One line of JSON on stderr for each thing that is worth one. Libraries are silent: their lines may hold what an answer held.

{"time": "2026-05-01T10:00:00.123Z", "level": "info", "message": "pass: 3 created", "source": "shop", "revision": "main@sha1:...", "seconds": 0.21}
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TextIO

if TYPE_CHECKING:
    from secrettool.errors import SecrettoolError

NAME: Final = "secrettool"
FACTS: Final = ("source", "revision", "result", "cause", "seconds", "hint")
"""What a line may hold besides its message."""


class JsonLines(logging.Formatter):
    """A record as one line of JSON; of an exception only its type."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter`."""
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line: dict[str, Any] = {"time": when, "level": record.levelname.lower(), "message": record.getMessage()}
        line |= {name: vars(record)[name] for name in FACTS if vars(record).get(name) not in (None, "")}
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = record.exc_info[0].__name__
        return json.dumps(line, ensure_ascii=False)


def start(level: str, stream: TextIO | None = None) -> None:
    """Log from now on.

    Args:
        level: `debug`, `info`, `warning` or `error`.
        stream: Where; stderr when None.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines())
    own = logging.getLogger(NAME)
    own.handlers = [handler]
    own.propagate = False
    own.setLevel(level.upper())
    root = logging.getLogger()
    root.handlers = [logging.NullHandler()]
    root.setLevel(logging.CRITICAL)
    logging.raiseExceptions = False  # a line that cannot be written must not print what it holds


def failure(error: SecrettoolError) -> None:
    """Log what ends the program."""
    logging.getLogger(NAME).error("%s", error, extra={"hint": error.hint})
