"""Which paths of a kustomization file are URLs: Flux asks Go's `net/url`, and takes for a path what that cannot parse.

Source: kustomize-controller internal/decryptor/decryptor.go (isRemoteURL); Go 1.26 net/url/url.go (Parse, parseAuthority, parseHost).
"""

from __future__ import annotations

import re

_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?:(?P<user>[^/?]*)@)?(?P<host>[^/?@]*)(?P<path>[^?]*)")
_USER = re.compile(r"[A-Za-z0-9._:~!$&'()*+,;=%@-]*")
_HOST = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:\]<>\"\x80-\U0010ffff-]|%25|%[89A-Fa-f][0-9A-Fa-f])*")
_LITERAL = re.compile(r"\[(?P<address>[^\]%]*)(?:%25(?P<zone>.*))?\](?::[0-9]*)?")
_PORT = re.compile(r":[0-9]*")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def is_remote(path: str) -> bool:
    """Whether a path is a URL with scheme and host. `git@host:path` is none, and neither is `file:///path`."""
    url, _, fragment = path.partition("#")
    match = _URL.match(url)
    if match is None or _CONTROL.search(url) or any(map(_BAD_ESCAPE.search, (fragment, match["path"], match["user"] or ""))):
        return False
    return bool(match["host"]) and _USER.fullmatch(match["user"] or "") is not None and _is_host(match["scheme"], match["host"])


def _is_host(scheme: str, host: str) -> bool:
    if host.startswith("["):
        return _is_literal(host)
    if ":" in host:
        port = host[host.index(":") if scheme.lower() in ("http", "https") else host.rindex(":") :]
        if _PORT.fullmatch(port) is None:
            return False
    return _HOST.fullmatch(host) is not None


def _is_literal(host: str) -> bool:
    """Whether it is an address of IPv6 in brackets."""
    from ipaddress import IPv6Address  # only hosts that are written as numbers need it

    match = _LITERAL.fullmatch(host)
    if match is None or match["zone"] == "" or _BAD_ESCAPE.search(match["zone"] or ""):
        return False
    try:
        IPv6Address(match["address"])
    except ValueError:
        return False
    return True
