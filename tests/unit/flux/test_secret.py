from __future__ import annotations

from typing import Any

import pytest

from secrettool.flux.secret import MAX_DATA, normalised, refusal
from tests.hook.cases import Case, of_mode, stage

Json = dict[str, Any]


def secret(**fields: Any) -> Json:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, **fields}


@pytest.mark.parametrize("case", list(of_mode("pass")), ids=lambda case: case.id)
def test_objects_are_normalised_as_the_real_controller_did(case: Case) -> None:
    for result in (*case.results("flux"), *case.results("newer")):
        if stage(result) in (None, "guard"):
            for before, after in zip(result["objects"], result.get("applied", result["objects"]), strict=True):
                # Flux adds `creationTimestamp: null`, which is the same as nothing; it also normalises workloads, which nothing here needs.
                metadata = {name: value for name, value in after["metadata"].items() if name != "creationTimestamp"}
                assert before["kind"] != "Secret" or normalised(before) == {**after, "metadata": metadata}


def test_string_data_wins_over_data_and_unknown_fields_go() -> None:
    assert normalised(secret(data={"k": "YQ=="}, stringData={"k": "b"}, sops={"mac": "x"})) == secret(data={"k": "Yg=="})


def test_line_breaks_in_base64_go() -> None:
    assert normalised(secret(data={"k": "YW\nJj\r\n"}))["data"] == {"k": "YWJj"}


@pytest.mark.parametrize("value", ["ENC[AES256_GCM,data:x]", "YQ", "Y!==", 5, ["YQ=="]])
def test_secret_with_data_that_is_no_base64_stays_as_it_is(value: object) -> None:
    obj = secret(data={"k": value}, stringData={"l": "b"}, sops={})

    assert normalised(obj) == obj


@pytest.mark.parametrize(
    ("payload", "reason", "invalid"),
    [
        (secret(sops={}, data={"k": "YQ=="}), ".sops: field not declared in schema", False),
        (secret(data={"k": "ENC[x]"}), "data is not base64, or a field has the wrong type", False),
        (secret(type="other"), "type: field is immutable", True),
    ],
)
def test_refusal_names_the_cause(payload: Json, reason: str, invalid: bool) -> None:
    assert refusal(payload, secret(type="Opaque"), payload) == (reason, invalid)


def test_data_beyond_the_limit_is_refused_and_at_the_limit_taken() -> None:
    def with_bytes(count: int) -> Json:
        return secret(data={"k": "AAAA" * (count // 3) + ("AAA=", "AA==", "")[2 - count % 3 if count % 3 else 2]})

    full, over = with_bytes(MAX_DATA - MAX_DATA % 3), with_bytes(MAX_DATA - MAX_DATA % 3 + 3)
    assert refusal(full, None, full) is None
    assert refusal(over, None, over) == (f"data is larger than {MAX_DATA} bytes", True)


def test_immutable_secret_takes_new_labels_but_no_new_data() -> None:
    before = secret(type="Opaque", immutable=True, data={"k": "YQ=="})
    labelled = {**before, "metadata": {"name": "s", "labels": {"a": "b"}}}

    assert refusal(labelled, before, labelled) is None
    assert refusal(before, before, {**before, "data": {}}) == ("data: field is immutable when `immutable` is set", True)
    assert refusal(before, before, {**before, "immutable": False}) is not None


def test_other_kinds_are_taken() -> None:
    obj = {"apiVersion": "v1", "kind": "ConfigMap", "sops": {}}

    assert refusal(obj, None, obj) is None
    assert normalised(obj) == obj
