"""An OIDC issuer on loopback that plays GitHub Actions: discovery, keys, and the request URL that a job gets its token from.

Source: OpenID Connect Discovery 1.0 section 4, RFC 7515 and 7517, RFC 7518 section 3.3; GitHub's documentation of OpenID Connect in Actions
(claims, `ACTIONS_ID_TOKEN_REQUEST_URL`) and the client of it in the toolkit's `core` package.
"""

from __future__ import annotations

import base64
import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from tests.loopback import QuietHandler, listening

REPOSITORY = "orchard/homelab"
REF = "refs/heads/main"
LIFETIME = 300
"""Seconds that a token lives; GitHub's live as long."""


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _number(value: int) -> str:
    return _base64url(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def _compact(value: object) -> str:
    return _base64url(json.dumps(value, separators=(",", ":")).encode())


class OidcIssuer:
    """The issuer: what it is called, how it signs, and what the environment of a job with `id-token: write` looks like.

    Attributes:
        url: The issuer, also the discovery URL, such as `http://127.0.0.1:40001`.
        request_token: What a job must show as bearer to get a token.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.request_token = secrets.token_urlsafe(24)
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._key_id = secrets.token_hex(8)

    @property
    def request_url(self) -> str:
        """Where a job asks for its token. Like GitHub's it already has a query, to which `&audience=` is added."""
        return f"{self.url}/jobs/7/idtoken?api-version=2.0"

    def environ(self) -> dict[str, str]:
        """The variables that a job finds its token by."""
        return {"ACTIONS_ID_TOKEN_REQUEST_URL": self.request_url, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": self.request_token}

    def token(self, audience: str | None = None, **claims: object) -> str:
        """Sign a token as GitHub does for a push to the main branch (RS256).

        Args:
            audience: Claim `aud`; None is GitHub's default, the URL of the repository's owner.
            claims: Claims in place of, or beside, the usual ones; for example `ref`, `environment`, `exp`.
        """
        now = int(time.time())
        owner = REPOSITORY.partition("/")[0]
        usual: dict[str, object] = {
            "iss": self.url,
            "aud": audience or f"https://github.com/{owner}",
            "iat": now,
            "nbf": now - 5,
            "exp": now + LIFETIME,
            "jti": secrets.token_hex(16),
            "repository": REPOSITORY,
            "repository_owner": owner,
            "ref": REF,
            "ref_type": "branch",
            "event_name": "push",
            "workflow": "patch",
            "job_workflow_ref": f"{REPOSITORY}/.github/workflows/patch.yml@{REF}",
            "runner_environment": "github-hosted",
        }
        chosen = usual | claims
        chosen.setdefault("sub", f"repo:{chosen['repository']}:ref:{chosen['ref']}")
        signed = f"{_compact({'alg': 'RS256', 'kid': self._key_id, 'typ': 'JWT'})}.{_compact(chosen)}"
        return f"{signed}.{_base64url(self._key.sign(signed.encode(), padding.PKCS1v15(), SHA256()))}"

    def answer(self, target: str, authorization: str | None) -> tuple[HTTPStatus, Mapping[str, object]]:
        """What the server says to a GET.

        Args:
            target: Path and query.
            authorization: Value of the header of this name.
        """
        parts = urlsplit(target)
        documents: dict[str, Callable[[], Mapping[str, object]]] = {
            "/.well-known/openid-configuration": self._discovery,
            "/.well-known/jwks": self._keys,
        }
        if parts.path in documents:
            return HTTPStatus.OK, documents[parts.path]()
        if parts.path != urlsplit(self.request_url).path:
            return HTTPStatus.NOT_FOUND, {"message": "no such page"}
        scheme, _, shown = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not secrets.compare_digest(shown, self.request_token):
            return HTTPStatus.UNAUTHORIZED, {"message": "not the request token of a job"}
        query = parse_qs(parts.query)
        if "api-version" not in query:
            return HTTPStatus.BAD_REQUEST, {"message": "the query of the request URL was lost"}
        token = self.token(query.get("audience", [None])[0])
        return HTTPStatus.OK, {"count": len(token), "value": token}

    def _discovery(self) -> Mapping[str, object]:
        return {
            "issuer": self.url,
            "jwks_uri": f"{self.url}/.well-known/jwks",
            "subject_types_supported": ["public", "pairwise"],
            "response_types_supported": ["id_token"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "scopes_supported": ["openid"],
        }

    def _keys(self) -> Mapping[str, object]:
        numbers = self._key.public_key().public_numbers()
        key = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": self._key_id, "n": _number(numbers.n), "e": _number(numbers.e)}
        return {"keys": [key]}


@contextmanager
def running() -> Iterator[OidcIssuer]:
    """An issuer that answers in threads of this process until the block ends."""

    class Handler(QuietHandler):
        def do_GET(self) -> None:
            status, document = issuer.answer(self.path, self.headers["Authorization"])
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with listening(Handler) as url:
        issuer = OidcIssuer(url)
        yield issuer
