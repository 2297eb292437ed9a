"""Requests to an API server and their answers, asked again where the server is busy or stumbles.

Every request here may be sent twice: reads and applies anyway, patches and deletions because they name the version that they are for. Answers that
may be others a moment later are 429, 502, 503, 504 and most of 500; so is a connection that breaks before the whole answer is there. The pause is as
long as the server says (`Retry-After`), else half a second, one, two and so on, each up to a quarter longer, so that several who failed together do
not come back together. A server that is not there at all is not waited for.

Source: PT-14, PT-26; kubernetes (Python) 37 client/api_client.py, client/rest.py.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from secrettool.cluster.model import Unavailable
from secrettool.cluster.redaction import may_pass

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

    from secrettool.cluster.plain import PlainClient

JSON: Final = "application/json"
TIMEOUT: Final = (10.0, 60.0)
"""Seconds until the server is connected, and until it answers."""

TRIES: Final = 5
FIRST_PAUSE: Final = 0.5
LONGEST_WAIT: Final = 60.0
"""Seconds of pauses in all for one request."""
_JITTER: Final = 0.25


class Answer(NamedTuple):
    """What came back.

    Attributes:
        status: HTTP status.
        body: Its bytes; may quote a Secret.
        retry_after: Seconds that the server wants to be left alone; None when it does not say.
        is_first: Whether the request was sent once only. Else the server may have carried it out before, without saying so.
    """

    status: int
    body: bytes
    retry_after: float | None = None
    is_first: bool = True

    def __repr__(self) -> str:
        return f"<Answer {self.status}>"


class Stream:
    """An answer that comes bit by bit.

    Args:
        status: HTTP status.
        response: The one of urllib3.
    """

    def __init__(self, status: int, response: Any) -> None:
        self.status = status
        self._response = response

    def lines(self) -> Iterator[bytes]:
        """Each line, as soon as it is there, without its end."""
        rest = b""
        while part := self._response.read1():
            *lines, rest = (rest + part).split(b"\n")
            yield from lines

    def body(self) -> bytes:
        """All of it; for refusals."""
        return bytes(self._response.read())


class Transport:
    """Sends requests.

    Args:
        client: The connection and who asks.
        url: Of the server; None for the one that the client is made for.
        sleep: Waits for a number of seconds.
    """

    def __init__(self, client: ApiClient | PlainClient, url: str | None, sleep: Callable[[float], None] = time.sleep) -> None:
        self._client: Any = client  # the one is generated and says little about its types, the other stands in for it
        self._url = url
        self._sleep = sleep

    def send(
        self,
        method: str,
        path: str,
        subject: str | None,
        *,
        query: list[tuple[str, str]] | None = None,
        body: Any = None,
        content: str = JSON,
        accept: str = JSON,
    ) -> Answer:
        """Send a request until it has an answer that counts; the last one when none of `TRIES` does.

        Args:
            method: HTTP method.
            path: From the root of the server.
            subject: The object that it is about, for errors.
            query: Parameters.
            body: Mapping or list, or finished text for media types that are not JSON; None for none.
            content: Media type of the body.
            accept: Media type of the answer.

        Raises:
            Unavailable: No answer came.
        """
        headers = {"Accept": accept} | ({"Content-Type": content} if body is not None else {})
        waited = 0.0
        for number in range(TRIES):
            is_last = number == TRIES - 1
            try:
                answer = self._once(method, path, subject, query, headers, body)
            except _BrokenConnection:
                if is_last:
                    raise
                answer = None
            if answer is not None and not may_pass(answer.status, answer.body):
                return answer._replace(is_first=number == 0)
            pause = _pause(number, answer)
            if answer is not None and (is_last or waited + pause > LONGEST_WAIT):
                return answer
            self._sleep(pause)
            waited += pause
        raise AssertionError("the last try returns or raises")

    @contextmanager
    def stream(self, path: str, subject: str | None, *, query: list[tuple[str, str]], patience: float) -> Iterator[Stream]:
        """Send a request once whose answer comes bit by bit.

        Args:
            path: From the root of the server.
            subject: What it is about, for errors.
            query: Parameters.
            patience: Seconds without a word after which the connection counts as broken.

        Yields:
            The answer; its body is read while it comes.

        Raises:
            Unavailable: No answer came, or it broke off.
        """
        response: Any = None
        try:
            request: tuple[Any, ...] = self._client.param_serialize(
                "GET", path, query_params=query, header_params={"Accept": JSON}, body=None, auth_settings=["BearerToken"], _host=self._url
            )
            answer = self._client.call_api(*request, _request_timeout=(TIMEOUT[0], patience))
            response = answer.response
            yield Stream(answer.status, response)
        except _failures(ValueError) as error:
            raise Unavailable(f"the API server cannot be reached: {_cause(error)}", subject=subject, hint=_hint(error)) from None
        finally:
            if response is not None:
                response.close()

    def _once(
        self, method: str, path: str, subject: str | None, query: list[tuple[str, str]] | None, headers: Mapping[str, str], body: Any
    ) -> Answer:
        try:
            request = self._client.param_serialize(
                method, path, query_params=query, header_params=dict(headers), body=body, auth_settings=["BearerToken"], _host=self._url
            )
            answer = self._client.call_api(*request, _request_timeout=TIMEOUT)
            return Answer(answer.status, answer.read(), _seconds(answer.headers.get("Retry-After")))
        except _failures() as error:
            failure = _BrokenConnection if _cause(error) == _BROKEN else Unavailable
            raise failure(f"the API server cannot be reached: {_cause(error)}", subject=subject, hint=_hint(error)) from None


def _failures(*more: type[Exception]) -> tuple[type[Exception], ...]:
    """What clients raise when there is no answer, and more; the package's own exception only where it is loaded."""
    from urllib3.exceptions import HTTPError

    package = sys.modules.get("kubernetes.client")
    return (HTTPError, OSError, *more) if package is None else (HTTPError, OSError, package.ApiException, *more)


class _BrokenConnection(Unavailable):
    """The connection broke before the whole answer was there."""


def _pause(number: int, answer: Answer | None) -> float:
    """Seconds to wait after a try, counted from 0."""
    if answer is not None and answer.retry_after is not None:
        return answer.retry_after
    doubled: float = FIRST_PAUSE * 2**number
    return doubled * random.uniform(1, 1 + _JITTER)  # noqa: S311 -- nothing is to be kept secret here


def _seconds(header: str | None) -> float | None:
    """`Retry-After` as an API server writes it: whole seconds."""
    return float(header) if header is not None and header.isascii() and header.isdecimal() else None


# ---- why there is no answer ----------------------------------------------------------------------------------------------------------------------

_BROKEN: Final = "the connection broke"
_CAUSES: Final[Mapping[str, str]] = {
    "ConnectTimeoutError": f"no connection within {TIMEOUT[0]:.0f} s",
    "ReadTimeoutError": f"no answer within {TIMEOUT[1]:.0f} s",
    "NameResolutionError": "its name is not known",
    "NewConnectionError": "the connection is refused",
    "ProxyError": "the proxy cannot be reached",
    "ProtocolError": _BROKEN,
    "IncompleteRead": _BROKEN,
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
