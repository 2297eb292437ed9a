"""How news reach somebody: a webhook of our own form, a webhook of Slack's form, or a bot of Telegram.

Tokens and URLs are secrets. They are read from their files for each message, and no error, log or answer that could quote one leaves this module.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from secrettool.errors import ConfigError
from secrettool.sidecar import credentials, webhooks
from secrettool.sidecar.changes import News
from secrettool.sidecar.config import Notification
from secrettool.sidecar.status import stamp

if TYPE_CHECKING:
    from urllib3 import PoolManager

CONNECT_SECONDS: Final = 5.0
READ_SECONDS: Final = 10.0

SCHEMA: Final = "secrettool.sidecar-notification/1"
"""Name of the shape of our own webhook."""

TELEGRAM: Final = "https://api.telegram.org"
TELEGRAM_LIMIT: Final = 4096
"""Characters of a message of Telegram."""

_JSON: Final = {"Content-Type": "application/json"}
_OK: Final = range(200, 300)
_LATER: Final = frozenset({408, 425, 429})
_SERVER_ERROR: Final = 500


class Message(NamedTuple):
    """One POST.

    Attributes:
        url: Where to; a secret.
        body: Its bytes.
        headers: May hold a token.
    """

    url: str
    body: bytes
    headers: Mapping[str, str]

    def __repr__(self) -> str:
        return "<Message>"


class NotSent(Exception):
    """A message did not get through.

    Args:
        cause: Why; no secret.
        wait: Seconds that the other side wants to be left alone; 0 when it does not say.
        may_pass: Whether another try may help.
    """

    def __init__(self, cause: str, *, wait: float = 0.0, may_pass: bool = True) -> None:
        super().__init__(cause)
        self.wait = wait
        self.may_pass = may_pass


def message(channel: Notification, events: Sequence[News], time: float) -> Message:
    """What is sent.

    Args:
        channel: To whom.
        events: What happened, in order; at least one.
        time: Now, seconds since 1970.

    Raises:
        InputError: A secret of the channel cannot be read.
    """
    return _FORMS[channel.type](channel, events, time)


def check(channel: Notification) -> None:
    """See that the secrets of a channel are there.

    Raises:
        InputError: One is not.
        ConfigError: A URL is none.
    """
    message(channel, (), 0.0)


def send(parcel: Message) -> None:
    """Send a message once.

    Raises:
        NotSent: It did not get through.
    """
    from urllib3.exceptions import HTTPError, NewConnectionError, SSLError, TimeoutError

    try:
        answer = _pool().request("POST", parcel.url, body=parcel.body, headers=dict(parcel.headers), preload_content=False)
    except NewConnectionError:  # counts as a timeout there
        raise NotSent("no connection") from None
    except TimeoutError:
        raise NotSent("no answer in time") from None
    except SSLError:
        raise NotSent("the certificate of the other side does not hold") from None
    except HTTPError:  # its text holds the URL
        raise NotSent("no connection") from None
    try:
        # The body is not read: there is nothing in it that we need, and it may have no end.
        status, header = answer.status, answer.headers.get("Retry-After", "")
    finally:
        answer.close()
    if status not in _OK:
        wait = float(header) if header.isascii() and header.isdigit() else 0.0
        raise NotSent(f"HTTP status {status}", wait=wait, may_pass=status in _LATER or status >= _SERVER_ERROR)


# ---- forms ---------------------------------------------------------------------------------------------------------------------------------------


def _webhook(channel: Notification, events: Sequence[News], time: float) -> Message:
    data = {"schema": SCHEMA, "time": stamp(time), "text": _text(events), "events": [_event(each) for each in events]}
    body = json.dumps(data).encode()
    headers = dict(_JSON)
    if channel.token_file is not None:
        headers["Authorization"] = "Bearer " + credentials.read_text("token", channel.token_file)
    if channel.hmac_file is not None:
        headers["X-Signature"] = webhooks.sign(body, credentials.read_secret("secret", channel.hmac_file))
    return Message(_url(channel), body, headers)


def _slack(channel: Notification, events: Sequence[News], _time: float) -> Message:
    # Slack reads <...> as links and mentions, and & as the beginning of an escape.
    text = _text(events).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return Message(_url(channel), json.dumps({"text": text, "mrkdwn": False}).encode(), _JSON)


def _telegram(channel: Notification, events: Sequence[News], _time: float) -> Message:
    assert channel.token_file is not None
    token = credentials.read_text("token", channel.token_file)
    text = _text(events)
    shown = text if len(text) <= TELEGRAM_LIMIT else text[: TELEGRAM_LIMIT - 1] + "…"
    body = json.dumps({"chat_id": channel.chat, "text": shown, "link_preview_options": {"is_disabled": True}}).encode()
    return Message(f"{TELEGRAM}/bot{token}/sendMessage", body, _JSON)


_FORMS: Final[Mapping[str, Callable[[Notification, Sequence[News], float], Message]]] = {"webhook": _webhook, "slack": _slack, "telegram": _telegram}


def _event(each: News) -> Mapping[str, Any]:
    return {**each._asdict(), "time": stamp(each.time), "changes": list(each.changes)}


def _text(events: Sequence[News]) -> str:
    return "\n".join(each.text for each in events)


def _url(channel: Notification) -> str:
    from urllib3.exceptions import HTTPError
    from urllib3.util import parse_url

    assert channel.url_file is not None
    try:
        url = credentials.read_text("URL", channel.url_file)
        parsed = parse_url(url)
    except HTTPError:
        parsed = None
    if parsed is None or parsed.scheme not in ("http", "https") or not parsed.host:
        error = ConfigError("holds no URL that begins with https:// or http://")
        error.file = channel.url_file
        raise error
    return url


@cache
def _pool() -> PoolManager:
    from urllib3 import PoolManager, Timeout

    # At any level it would write URLs into the log.
    logging.getLogger("urllib3").setLevel(logging.CRITICAL)
    timeout = Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS)
    return PoolManager(timeout=timeout, retries=False, maxsize=1, headers={"User-Agent": "secrettool"})
