"""The usual kubeconfig without the package `kubernetes`, whose import takes longer than a whole run.

Usual is: one file, a server with https, its certificates, and a token; no proxy. Everything else (programs for the login, client certificates,
several files, an account of a pod) is for the package, and so is whatever looks wrong, since it says why.

Source: client-go tools/clientcmd/api/v1 (Config); kubernetes (Python) 37 client/api_client.py, client/rest.py for what `PlainClient` stands in for.
"""

from __future__ import annotations

import json
import os
import ssl
from collections.abc import Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

from secrettool.objects import decode_base64

_CLUSTER: Final = frozenset({"server", "certificate-authority", "certificate-authority-data", "tls-server-name"})
_USER: Final = frozenset({"token"})
_PROXIES: Final = ("https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")
_CONNECTIONS: Final = 8


class Login(NamedTuple):
    """Where the server is, and who asks.

    Attributes:
        url: Of the server.
        authorities: Certificates to trust, as a file or as PEM text; both None: those of the system.
        token: Bearer token.
        server_name: Name that the server's certificate must have; None for the one in the URL.
    """

    url: str
    authorities: tuple[str | None, str | None]
    token: str
    server_name: str | None

    def __repr__(self) -> str:
        return f"<Login at {self.url}>"


def read(text: str, folder: str, context: str | None, environ: Mapping[str, str]) -> Login | None:
    """The login of a kubeconfig; None when it is not a usual one.

    Args:
        text: The kubeconfig.
        folder: What its paths are relative to.
        context: A context of it; None for its current one.
        environ: May name a proxy.
    """
    import yaml

    if any(environ.get(name) for name in _PROXIES):
        return None
    try:
        # What cannot be read is None, like what is not usual.
        content = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 -- both are safe
    except yaml.YAMLError:
        return None
    chosen = _entry(content, "contexts", "context", context or _get(content, "current-context"))
    cluster = _entry(content, "clusters", "cluster", _get(chosen, "cluster"))
    user = _entry(content, "users", "user", _get(chosen, "user"))
    if cluster is None or user is None or not _CLUSTER.issuperset(cluster) or not _USER.issuperset(user):
        return None
    texts = [*cluster.values(), *user.values()]
    if not all(isinstance(each, str) and each for each in texts) or "token" not in user or not str(cluster.get("server", "")).startswith("https://"):
        return None
    return _login(cluster, user["token"], folder)


def _login(cluster: Mapping[str, str], token: str, folder: str) -> Login | None:
    file = cluster.get("certificate-authority")
    data = decode_base64(cluster["certificate-authority-data"]) if "certificate-authority-data" in cluster else None
    if "certificate-authority-data" in cluster and (data is None or not data.isascii()):
        return None
    if file is not None and not os.path.isfile(file := os.path.join(folder, file)):
        return None
    parts = urlsplit(cluster["server"])
    if parts.username is not None or parts.query or not (token.isascii() and token.isprintable()):
        return None
    authorities = (None, data.decode("ascii")) if data is not None else (file, None)
    return Login(cluster["server"].rstrip("/"), authorities, token, cluster.get("tls-server-name"))


def _entry(content: object, section: str, inner: str, name: object) -> Mapping[str, Any] | None:
    """The content of the one entry with a name."""
    entries = _get(content, section)
    found = [_get(each, inner) for each in entries if _get(each, "name") == name] if isinstance(entries, list) and isinstance(name, str) else []
    return found[0] if len(found) == 1 and isinstance(found[0], dict) else None


def _get(content: object, name: str) -> Any:
    return content.get(name) if isinstance(content, dict) else None


class PlainClient:
    """As much of the package's `ApiClient` as `Transport` uses.

    Attributes:
        user_agent: What it calls itself.

    Raises:
        OSError: The certificates cannot be used.
    """

    def __init__(self, login: Login, server_name: str | None = None) -> None:
        from urllib3 import PoolManager

        file, text = login.authorities
        self.user_agent = "secrettool"
        self._login = login
        self._pool = PoolManager(
            maxsize=_CONNECTIONS,
            ssl_context=ssl.create_default_context(cafile=file, cadata=text),
            retries=False,  # what is asked again is for `transport` to say
            **_expecting(server_name or login.server_name),
        )

    def __repr__(self) -> str:
        return "<PlainClient>"

    def close(self) -> None:
        """End all connections."""
        self._pool.clear()

    def param_serialize(
        self,
        method: str,
        path: str,
        *,
        query_params: list[tuple[str, str]] | None,
        header_params: Mapping[str, str],
        body: Any,
        auth_settings: object,
        _host: str | None,
    ) -> tuple[str, str, dict[str, str], str | None]:
        """A request: method, URL, headers and body."""
        del auth_settings  # there is no login but the token
        url = (_host or self._login.url) + quote(path) + (f"?{urlencode(query_params)}" if query_params else "")
        headers = {**header_params, "User-Agent": self.user_agent, "Authorization": f"Bearer {self._login.token}"}
        return method, url, headers, body if body is None or isinstance(body, str) else json.dumps(body)

    def call_api(self, *request: Any, _request_timeout: tuple[float, float]) -> _Answer:
        """Send a request of `param_serialize`.

        Raises:
            HTTPError: There is none (of urllib3).
        """
        from urllib3 import Timeout

        method, url, headers, body = request
        data = None if body is None else body.encode()
        connect, answer = _request_timeout
        timeout = Timeout(connect=connect, read=answer)
        return _Answer(self._pool.request(method, url, headers=headers, body=data, timeout=timeout, redirect=False, preload_content=False))


def _expecting(name: str | None) -> dict[str, Any]:
    return {"server_hostname": name, "assert_hostname": name} if name else {}


class _Answer(NamedTuple):
    """An answer; its body is still to be read, whole or from `response`."""

    response: Any

    @property
    def status(self) -> int:
        return int(self.response.status)

    @property
    def headers(self) -> Mapping[str, str]:
        found: Mapping[str, str] = self.response.headers
        return found

    def read(self) -> bytes:
        return bytes(self.response.data)
