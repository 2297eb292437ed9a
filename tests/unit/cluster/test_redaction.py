"""What is told of refusals. Texts are those of kube-apiserver 1.34."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrettool.cluster.model import ApplyConflict
from secrettool.cluster.redaction import failure, field_name

CANARY = "Zq7-canary"


def status(message: str = "", reason: str = "Invalid", causes: list[Any] | None = None, **more: Any) -> bytes:
    told = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "reason": reason, "details": {"causes": causes or []}}
    return json.dumps(told | more).encode()


FORMS = {
    'secrets "db" is forbidden: User "bob" cannot patch resource "secrets" in API group "" in the namespace "shop"': (
        "bob may not patch secrets in namespace shop"
    ),
    'namespaces is forbidden: User "system:serviceaccount:a:b" cannot list resource "namespaces" in API group "" at the cluster scope': (
        "system:serviceaccount:a:b may not list namespaces in the cluster"
    ),
    'namespaces "shop" not found': "namespace shop does not exist",
    'secrets "db" is forbidden: unable to create new content in namespace shop because it is being terminated': "namespace shop is being deleted",
    'secrets "db" is forbidden: exceeded quota: small, requested: count/secrets=1, used: count/secrets=1': "quota small is exceeded",
    f'admission webhook "check.example.org" denied the request: password {CANARY} is weak': "admission webhook check.example.org denied it",
    f"failed to create typed patch object (a/b; /v1, Kind=Secret): .sops: field not declared in schema; {CANARY}": (
        ".sops: the kind has no such field"
    ),
    f"failed to create typed patch object (a/b; /v1, Kind=Secret): .data.k: expected string, got &value.valueUnstructured{{Value:{CANARY}}}": (
        ".data.k: a field has the wrong type"
    ),
    f'Secret in version "v1" cannot be handled as a Secret: illegal base64 data at input byte 3 {CANARY}': "data is not base64",
    f"something new: {CANARY}": "",
}


@pytest.mark.parametrize("message", FORMS)
def test_known_forms_in_own_words(message: str) -> None:
    error = failure(422, status(message), "Secret/a/b")
    assert str(error) == "Secret/a/b: 422 Invalid" + (f": {FORMS[message]}" if FORMS[message] else "")


def test_causes_are_told_by_field_and_kind() -> None:
    causes = [
        {"reason": "FieldValueInvalid", "message": f'Invalid value: "{CANARY}": must consist of', "field": "metadata.name"},
        {"reason": "FieldValueRequired", "message": "Required value", "field": "data[.dockerconfigjson]"},
        {"reason": "FieldValueInvalid", "message": f'Invalid value: "{CANARY}": field is immutable', "field": "type"},
        {"reason": "FieldValueTooLong", "message": "Too long: may not be more than 1048576 bytes", "field": "data"},
    ]
    assert failure(422, status(causes=causes), None).message == (
        "422 Invalid: metadata.name is invalid, data[.dockerconfigjson] is required, "
        "type: the field cannot be changed, data: it is larger than 1048576"
    )


def test_many_causes_are_counted() -> None:
    causes = [{"reason": "FieldValueRequired", "message": "", "field": f"f{number}"} for number in range(8)]
    assert failure(422, status(causes=causes), None).message.endswith("f4 is required, 3 more")


def test_conflicts_are_told_by_manager() -> None:
    causes = [
        {"reason": "FieldManagerConflict", "message": f'conflict with "{manager}" using v1', "field": f".data.{key}"}
        for manager, key in (("helm", "a"), ("argocd", "b"), ("helm", "c"))
    ]
    error = failure(409, status(reason="Conflict", causes=causes), "Secret/a/b")
    assert isinstance(error, ApplyConflict)
    assert str(error) == "Secret/a/b: helm owns .data.a, .data.c; argocd owns .data.b"
    assert error.status == 409


def test_conflict_of_versions_is_none_of_managers() -> None:
    error = failure(409, status("Operation cannot be fulfilled: the object has been modified; please apply your changes", "Conflict"), None)
    assert not isinstance(error, ApplyConflict)
    assert error.message == "409 Conflict: somebody else changed it at the same time"


def test_elements_of_sets_are_values() -> None:
    assert field_name(f'.spec.tokens[="{CANARY} ]"].x[name="a"]') == '.spec.tokens[***].x[name="a"]'
    assert field_name("x\n" + CANARY) == "a field"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b'{"kind": "Secret", "message": "x"}', b"\xff", b"[" * 100_000])
def test_bodies_that_are_no_status(body: bytes) -> None:
    assert failure(502, body, None).message == "502 BadGateway"


def test_reason_that_is_no_word_is_replaced() -> None:
    assert failure(500, status(reason=f"{CANARY} {CANARY}"), None).message == "500 InternalServerError"
    assert failure(799, status(reason=""), None).message == "799 Unknown"


texts = st.lists(st.sampled_from([*FORMS, CANARY, "{", '"', ": ", "Invalid value: ", "field is immutable", "expected string, got "]), max_size=6).map(
    "".join
)
json_values = st.recursive(st.sampled_from([None, 1, CANARY, "FieldValueInvalid"]), lambda inner: st.lists(inner) | st.dictionaries(texts, inner))


@given(texts, st.lists(st.fixed_dictionaries({"reason": texts, "message": texts}) | json_values, max_size=7), json_values)
def test_no_text_of_the_server_gets_through(message: str, causes: list[Any], more: Any) -> None:
    error = failure(422, status(message, causes=causes, more=more, details2=more), None)
    assert CANARY not in str(error)
    assert CANARY not in repr(vars(error))
