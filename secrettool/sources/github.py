"""The token by which a job of GitHub Actions proves what it is.

Source: section 3 of the patcher's requirements (`jwt` with GitHub); GitHub's documentation of OpenID Connect in Actions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from secrettool.errors import SourceError
from secrettool.sources.context import Context
from secrettool.sources.session import Refused, Retries, Session, Unreachable, is_allowed
from secrettool.sources.value import SecretValue

URL: Final = "ACTIONS_ID_TOKEN_REQUEST_URL"
TOKEN: Final = "ACTIONS_ID_TOKEN_REQUEST_TOKEN"  # noqa: S105 (the name of a variable)


def id_token(audience: str, context: Context, *, timeout: float, retries: Retries | None = None) -> str:
    """A token for this job, good for some minutes.

    Args:
        audience: For whom it is; the provider compares it.
        context: Environment, and who is told of the token.
        timeout: Seconds for one request.
        retries: How often, and when.

    Raises:
        SourceError: This is no job that may have one, or GitHub gives none (`VL09`).
    """
    url, bearer = context.environ.get(URL, ""), context.environ.get(TOKEN, "")
    if not url or not bearer:
        hint = "the job needs `permissions: {id-token: write}`"
        raise SourceError("VL09", f"there is no identity to ask GitHub for: {URL} or {TOKEN} is not set", hint=hint)
    if not is_allowed(url, allow_http=False):
        raise SourceError("VL09", f"{URL} is no URL of https")
    context.on_secret(SecretValue(bearer.encode("utf-8", "surrogateescape")))
    whole = f"{url}{'&' if '?' in url else '?'}audience={quote(audience, safe='')}"
    cause = "the answer holds no token"
    try:
        with Session(url, context.environ, retries=retries) as session:
            token = _value(session.get(whole, headers={"Authorization": f"bearer {bearer}"}, timeout=timeout).json())
    except Refused as error:
        token, cause = None, f"status {error.status}"
    except Unreachable as error:
        token, cause = None, str(error)
    except (ValueError, RecursionError):
        token = None
    if token is None:
        raise SourceError("VL09", f"GitHub gives no identity: {cause}")
    context.on_secret(SecretValue(token.encode("ascii")))
    return token


def _value(answer: object) -> str | None:
    value = answer.get("value") if isinstance(answer, Mapping) else None
    return value if isinstance(value, str) and value.isascii() and value.isprintable() and value else None
