"""Entries of a key Secret that hold credentials of a cloud: whether they can be read at all.

Flux ends the pass over one that cannot, needed or not; what they give access to is the business of the backends.

Source: kustomize-controller internal/sops/awskms/credentials.go, internal/sops/azkv/config.go; golang.org/x/oauth2 google (CredentialsFromJSON).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from secrettool.errors import FormatError

AWS, AZURE, GCP = "sops.aws-kms", "sops.azure-kv", "sops.gcp-kms"

_AWS_FIELDS = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
_AZURE_FIELDS = (
    "tenantId",
    "clientId",
    "clientSecret",
    "clientCertificate",
    "clientCertificatePassword",
    "authorityHost",
    "tenant",
    "appId",
    "password",
)
_GCP_TYPES = frozenset(
    {
        "service_account",
        "authorized_user",
        "external_account",
        "external_account_authorized_user",
        "impersonated_service_account",
        "gdch_service_account",
    }
)
_BOMS = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8-sig"))


class BadCredentials(ValueError):
    """The entry cannot be read; the text quotes nothing of it."""


def check_credentials(name: str, data: bytes) -> None:
    """Check the entry of a cloud.

    Args:
        name: `AWS`, `AZURE` or `GCP`.
        data: Its content.

    Raises:
        BadCredentials: It cannot be read, or lacks what a login needs.
    """
    {AWS: _check_aws, AZURE: _check_azure, GCP: _check_gcp}[name](data)


def _check_aws(data: bytes) -> None:
    _texts(_mapping(_text(data)), _AWS_FIELDS)


def _check_azure(data: bytes) -> None:
    encoding = next((encoding for bom, encoding in _BOMS if data.startswith(bom)), "utf-8")
    fields = _mapping(_text(data, encoding))
    given = _texts(fields, _AZURE_FIELDS)
    if not isinstance(fields.get("clientCertificateSendChain", False), bool):
        raise BadCredentials("clientCertificateSendChain is neither true nor false")
    if not ("clientId" in given or given >= {"tenant", "appId", "password"}):
        raise BadCredentials("it needs clientId, or tenantId and clientId with clientSecret or clientCertificate, or tenant, appId and password")


def _check_gcp(data: bytes) -> None:
    try:
        fields = json.loads(data.strip(b"\n"))
    except (ValueError, RecursionError):
        raise BadCredentials("it is not JSON") from None
    if not isinstance(fields, dict) or fields.get("type") not in _GCP_TYPES:
        raise BadCredentials("it is no credential of Google Cloud: its type is missing or unknown")


def _text(data: bytes, encoding: str = "utf-8") -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        raise BadCredentials("it is not text") from None


def _mapping(text: str) -> Mapping[str, Any]:
    from secrettool.manifests import read

    try:
        found = read(text, file=None)
    except FormatError:
        raise BadCredentials("it is not a mapping in YAML or JSON") from None
    return found[0].obj if found else {}


def _texts(fields: Mapping[str, Any], names: tuple[str, ...]) -> set[str]:
    """Which of the fields are filled."""
    for name in names:
        if isinstance(fields.get(name), dict | list):
            raise BadCredentials(f"{name} is not a text")
    return {name for name in names if fields.get(name) not in (None, "")}
