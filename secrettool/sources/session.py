"""HTTP for providers: tries again when that can help, stays with TLS, and keeps texts of servers out of every error.

Retried are lost connections and statuses by which a server says "not now": 412 (a replica behind), 429, 472, 473, 500, 502, 503 (sealed, or
standby). Proxies come from the environment, but never for loopback; a `.netrc` is not read.

Source: PT-11, PT-14, PT-21; Vault HTTP API (status codes, sys/health); RFC 9110 section 10.2.3 (Retry-After).
"""

from __future__ import annotations

import json
import logging
import random
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from ssl import SSLCertVerificationError, SSLContext
from typing import Any, Final, NamedTuple
from urllib.parse import urljoin, urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

import requests
from requests.adapters import HTTPAdapter
from requests.exceptions import ChunkedEncodingError, ConnectionError, RequestException, SSLError, Timeout, TooManyRedirects
from urllib3.util.ssl_match_hostname import CertificateError

RETRIED: Final = frozenset({412, 429, 472, 473, 500, 502, 503})
_MAX_REDIRECTS = 5
_SHORTEST = 0.1  # seconds; the library takes no timeout of nothing
_INVALID_TOKEN = b"invalid token"

for _name in ("hvac", "requests", "urllib3"):
    logging.getLogger(_name).setLevel(logging.WARNING)


class Retries(NamedTuple):
    """How often, and when.

    Attributes:
        tries: Most requests.
        first: Seconds before the second; then doubled, each up to half longer by chance.
        total: Seconds in which the last one must begin.
        sleep: Waits.
        clock: Seconds since some moment.
    """

    tries: int = 5
    first: float = 0.5
    total: float = 60.0
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic

    def pause(self, number: int, wish: float | None) -> float:
        """Seconds to wait before a try.

        Args:
            number: How many there were.
            wish: What the server asked for.
        """
        return wish if wish is not None else self.first * 2 ** (number - 1) * random.uniform(1, 1.5)  # noqa: S311 (no secret)


class Refused(Exception):
    """An answer that is none of success, as far as it can be told.

    Attributes:
        status: Of HTTP.
        is_invalid_token: Whether the token itself was refused, not what it asked for.
        version: Vault, KV version 2: number of the version that is gone; None without one.
        is_destroyed: Whether it cannot come back.
    """

    def __init__(self, status: int, body: bytes = b"") -> None:
        super().__init__(f"status {status}")
        self.status = status
        self.is_invalid_token = _INVALID_TOKEN in body
        metadata = _metadata(body)
        version = metadata.get("version")
        self.version = version if isinstance(version, int) else None
        self.is_destroyed = metadata.get("destroyed") is True


class Unreachable(Exception):
    """There was no answer; the text is ours.

    Attributes:
        hint: What to look at.
    """

    def __init__(self, cause: str, hint: str | None = None) -> None:
        super().__init__(cause)
        self.hint = hint


class Trust(NamedTuple):
    """How a server is known.

    Attributes:
        context: Certificates to trust instead of the public ones.
        server_name: Name that its certificate must have instead of the address's.
    """

    context: SSLContext | None = None
    server_name: str | None = None


class Session(requests.Session):
    """A session for one server.

    Args:
        url: Any URL of the server.
        environ: The environment, for proxies.
        trust: How the server is known.
        allow_http: Whether it may be asked, and may redirect, without TLS beyond this machine.
        retries: How often, and when.
    """

    def __init__(
        self, url: str, environ: Mapping[str, str], *, trust: Trust | None = None, allow_http: bool = False, retries: Retries | None = None
    ) -> None:
        super().__init__()
        self.trust_env = False
        self.max_redirects = _MAX_REDIRECTS
        self.proxies = proxies_for(url, environ)
        self.mount("https://", _TlsAdapter(trust or Trust()))
        self.retries = retries or Retries()
        self._allow_http = allow_http
        self._has_given_up = False

    def request(self, method: Any, url: Any, *args: Any, **kwargs: Any) -> requests.Response:
        """Ask until there is an answer that stays. After all tries were in vain once, the next requests get one try each, until one is answered.

        Raises:
            Refused: The answer is none of success.
            Unreachable: There is none.
        """
        retries = self.retries
        tries = 1 if self._has_given_up else retries.tries
        end = retries.clock() + retries.total
        longest = kwargs.pop("timeout", None)
        for number in range(1, tries + 1):
            left = max(end - retries.clock(), _SHORTEST)
            answer = self._once(method, url, *args, timeout=left if longest is None else min(longest, left), **kwargs)
            again = answer.status_code in RETRIED if isinstance(answer, requests.Response) else answer.again
            pause = retries.pause(number, _wish(answer))
            if not again or number == tries or retries.clock() + pause >= end:
                break
            retries.sleep(pause)
        self._has_given_up = again
        # Raised here, so that no error of the library, which holds headers with tokens, is the context of ours.
        if isinstance(answer, _Lost):
            raise Unreachable(answer.cause, answer.hint)
        if answer.status_code not in (200, 202, 204):
            raise Refused(answer.status_code, answer.content)
        return answer

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Where an answer sends us; see `requests.Session`."""
        target = super().get_redirect_target(resp)
        if target is not None:
            here, there = resp.url, urljoin(resp.url, target)
            if urlsplit(here).scheme == "https" != urlsplit(there).scheme or not is_allowed(there, allow_http=self._allow_http):
                raise _Downgrade
        return target

    def _once(self, *args: Any, **kwargs: Any) -> requests.Response | _Lost:
        try:
            return super().request(*args, **kwargs)
        except RequestException as error:
            return _Lost.by(error)
        except (ValueError, OSError):  # an address or a header that cannot be sent
            return _Lost("the request cannot be sent", None, again=False)


def is_allowed(url: str, *, allow_http: bool) -> bool:
    """Whether a URL may be asked: by TLS, or on this machine, or because http is allowed."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and (allow_http or _is_loopback(host))))


def proxies_for(url: str, environ: Mapping[str, str]) -> dict[str, str]:
    """The proxy for a server, as requests takes it: `HTTPS_PROXY` (or in small letters) without the hosts of `NO_PROXY`; none for loopback."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    proxy = _either(environ, f"{parts.scheme}_proxy")
    if not proxy or _is_loopback(host) or proxy_bypass_environment(parts.netloc, {"no": _either(environ, "no_proxy")}):
        return {}
    return {parts.scheme: proxy}


class _TlsAdapter(HTTPAdapter):
    """Connections whose server is known by other certificates, or another name, than usual."""

    def __init__(self, trust: Trust) -> None:
        self._trust = trust
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **{**kwargs, **self._options()})

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        return super().proxy_manager_for(*args, **{**kwargs, **self._options()})

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        if self._trust.context is None:  # else the public certificates would be trusted as well
            super().cert_verify(conn, url, verify, cert)

    def _options(self) -> dict[str, Any]:
        options = {"ssl_context": self._trust.context, "server_hostname": self._trust.server_name}
        return {name: value for name, value in options.items() if value is not None}


class _Downgrade(RequestException):
    """A redirect to where no token may go."""


class _Lost(NamedTuple):
    """A request without an answer."""

    cause: str
    hint: str | None
    again: bool

    @classmethod
    def by(cls, error: RequestException) -> _Lost:
        match error:
            case _Downgrade():
                return cls("it redirects to a place without TLS", "the address must be that of the server itself", again=False)
            case SSLError() if not _is_about_certificate(error):
                return cls("it does not speak TLS as it should", "look at the scheme and the port of the address", again=True)
            case SSLError():
                hint = "name its certificate authority by caFile or VAULT_CACERT, or its name by tlsServerName"
                return cls("its certificate is not trusted", hint, again=False)
            case Timeout():
                return cls("it does not answer in time", None, again=True)
            case TooManyRedirects():
                return cls("it redirects in circles", None, again=False)
            case ChunkedEncodingError():
                return cls("the connection broke", None, again=True)
            case ConnectionError():
                return cls("it cannot be reached", "look at the address and at the network", again=True)
        return cls("the request cannot be sent", "look at the address", again=False)


def _is_about_certificate(error: SSLError) -> bool:
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    cause = reason.args[0] if isinstance(reason, Exception) and reason.args else None
    return isinstance(cause, SSLCertVerificationError | CertificateError)


def _wish(answer: requests.Response | _Lost) -> float | None:
    """Seconds that the server asks to wait."""
    text = answer.headers.get("Retry-After", "").strip() if isinstance(answer, requests.Response) else ""
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time()) if text else None
    except ValueError:
        return None


def _metadata(body: bytes) -> Mapping[str, Any]:
    try:
        told = json.loads(body)["data"]["metadata"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return {}
    return told if isinstance(told, Mapping) else {}


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _either(environ: Mapping[str, str], name: str) -> str:
    return environ.get(name) or environ.get(name.upper()) or ""
