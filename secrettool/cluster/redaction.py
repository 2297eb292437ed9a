"""What is told of an API server's refusal: never its text, which may quote a whole Secret.

Told are the status, the reason and the names of fields; and of messages only forms that are known, in our own words, with the names in them.

Source: k8s.io/apimachinery pkg/apis/meta/v1 (Status, StatusCause), pkg/api/errors, pkg/util/validation/field, pkg/util/managedfields; PT-21.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from secrettool.cluster.model import ApplyConflict, FieldConflict
from secrettool.errors import ClusterError
from secrettool.objects import section

_MAX_CAUSES = 5
_NAME = r"[A-Za-z0-9.:_@/-]{1,253}"
_RESOURCE = r"[a-z][a-z.]{0,252}"
_CONFLICT = re.compile(r'conflict with "([^"\\]{1,128})"')
_FIELD = re.compile(r"[\x21-\x7e ]{1,253}")
_ELEMENT = re.compile(r"\[=(?:[^\]\"]|\"(?:[^\"\\]|\\.)*\")*\]")
_REASON = re.compile(r"[A-Za-z]{1,64}")

# A message is searched for these; what is shown is the text on the right, with the groups filled in.
_KNOWN = tuple(
    (re.compile(pattern), text)
    for pattern, text in (
        (
            rf'User "({_NAME})" cannot (\w{{1,32}}) resource "({_NAME})" in API group "[^"]*" in the namespace "({_NAME})"',
            "{0} may not {1} {2} in namespace {3}",
        ),
        (
            rf'User "({_NAME})" cannot (\w{{1,32}}) resource "({_NAME})" in API group "[^"]*" at the cluster scope',
            "{0} may not {1} {2} in the cluster",
        ),
        (rf"unable to create new content in namespace ({_NAME}) because it is being terminated", "namespace {0} is being deleted"),
        (rf"exceeded quota: ({_NAME})", "quota {0} is exceeded"),
        (rf'admission webhook "({_NAME})" denied the request', "admission webhook {0} denied it"),
        (rf'failed calling webhook "({_NAME})"', "admission webhook {0} does not answer"),
        (rf"ValidatingAdmissionPolicy '({_NAME})' with binding '({_NAME})' denied request", "admission policy {0} denied it"),
        (r"violates PodSecurity", "it violates the Pod security standard of its namespace"),
        (rf'^namespaces "({_NAME})" not found', "namespace {0} does not exist"),
        (rf'^({_RESOURCE}) "({_NAME})" not found', "{0} {1} does not exist"),
        (r"the server could not find the requested resource", "the server does not know the resource"),
        (r"the object has been modified", "somebody else changed it at the same time"),
        (r"illegal base64 data", "data is not base64"),
        (r"field is immutable when `immutable` is set", "the object is immutable"),
        (r"field is immutable", "the field cannot be changed"),
        (r"field not declared in schema", "the kind has no such field"),
        (r"unknown field", "the kind has no such field"),
        (r"(?:must have|may not be more than|must be no more than|limit is) (?:at most )?(\d{1,12}) ?(?:bytes|characters)?", "it is larger than {0}"),
        (r"cannot unmarshal|expected (?:map|list|string|numeric|boolean|scalar)|unable to convert", "a field has the wrong type"),
        (r"invalid object|failed to create typed patch object", "the object does not have the form of its kind"),
        (r"resourceVersion", "the manifest names a resourceVersion that is not the present one"),
    )
)
_CAUSES = {
    "FieldValueRequired": "is required",
    "FieldValueForbidden": "is forbidden",
    "FieldValueInvalid": "is invalid",
    "FieldValueNotSupported": "has a value that is not supported",
    "FieldValueDuplicate": "is there twice",
    "FieldValueNotFound": "names what does not exist",
    "FieldValueTooLong": "is too long",
    "FieldValueTooMany": "has too many entries",
    "FieldValueTypeInvalid": "has the wrong type",
}
# The one message that names a field without telling it among the causes.
_PATH = re.compile(r"^failed to create typed patch object \([^)]*\): (?:errors:\s+)?(\.[A-Za-z0-9_./\[\]\"=-]{1,200}): (?:field not|expected)")
_HINTS = {
    HTTPStatus.UNAUTHORIZED: "the token or certificate of the kubeconfig is not accepted, or has expired",
    HTTPStatus.FORBIDDEN: "the account needs the verbs get and patch, and create for what is new",
}


def failure(status: int, body: bytes, subject: str | None) -> ClusterError:
    """The error for an answer that is none of success.

    Args:
        status: Of the answer.
        body: Of the answer; a `Status` object, as a rule.
        subject: The object that was asked for.
    """
    told = _status_of(body)
    reason = told.get("reason")
    reason = reason if isinstance(reason, str) and _REASON.fullmatch(reason) else _phrase(status)
    causes = _causes(told)
    conflicts = tuple(_conflicts(causes))
    if conflicts:
        return ApplyConflict(conflicts, subject=subject)
    text = told.get("message")
    message = ", ".join(_details(text if isinstance(text, str) else "", causes))
    hint = _HINTS.get(HTTPStatus(status)) if status in _HINTS else None
    return ClusterError(f"{status} {reason}" + (f": {message}" if message else ""), status=status, reason=reason, subject=subject, hint=hint)


def field_name(field: str) -> str:
    """The path of a field without the values that it may hold: an element of a set is named by its value."""
    return _ELEMENT.sub("[***]", field) if _FIELD.fullmatch(field) else "a field"


def _status_of(body: bytes) -> Mapping[str, Any]:
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) and told.get("kind") == "Status" else {}


def _causes(told: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    causes = section(told, "details").get("causes")
    return [cause for cause in causes if isinstance(cause, dict)] if isinstance(causes, list) else []


def _conflicts(causes: list[Mapping[str, Any]]) -> Iterator[FieldConflict]:
    for cause in causes:
        if cause.get("reason") == "FieldManagerConflict":
            found = _CONFLICT.search(str(cause.get("message")))
            yield FieldConflict(found[1] if found else "another manager", field_name(str(cause.get("field"))))


def _details(text: str, causes: list[Mapping[str, Any]]) -> list[str]:
    """What is known of the causes, else of the message."""
    told = [_cause(cause) for cause in causes[:_MAX_CAUSES]]
    more = [f"{len(causes) - _MAX_CAUSES} more"] if len(causes) > _MAX_CAUSES else []
    if told:
        return [*dict.fromkeys(told), *more]
    path = _PATH.search(text)
    known = _known(text)
    return [f"{field_name(path[1])}: {known}" if path and known else known] if known else []


def _cause(cause: Mapping[str, Any]) -> str:
    field = field_name(str(cause["field"])) if cause.get("field") else "the object"
    known = _known(str(cause.get("message")))
    return f"{field}: {known}" if known else f"{field} {_CAUSES.get(str(cause.get('reason')), 'is refused')}"


def _known(text: str) -> str | None:
    return next((shown.format(*found.groups()) for pattern, shown in _KNOWN if (found := pattern.search(text))), None)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase.replace(" ", "")
    except ValueError:
        return "Unknown"
