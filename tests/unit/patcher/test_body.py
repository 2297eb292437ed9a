"""The requests: what is in them, and what they do to an object."""

from __future__ import annotations

import copy
import json
from base64 import b64decode, b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrettool.flux import LiveObject
from secrettool.flux.fields import flatten, merged, nest
from secrettool.flux.live import patched
from secrettool.patcher.body import (
    LAST_APPLIED,
    Body,
    Fields,
    MissingPlace,
    body,
    changes,
    equal,
    filled_object,
    holds_plain_copy,
    live_value,
    size_of,
)

Json = dict[str, Any]
NOTE = "kustomize.toolkit.fluxcd.io/reconcile"


def secret(data: Json | None = None, annotations: Json | None = None) -> Json:
    metadata: Json = {"name": "s", "namespace": "ns", "resourceVersion": "7", **({"annotations": annotations} if annotations else {})}
    encoded = {key: b64encode(value).decode() for key, value in (data or {}).items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": encoded, "type": "Opaque"}


def issuer(spec: Json) -> Json:
    return {"apiVersion": "cert-manager.io/v1", "kind": "ClusterIssuer", "metadata": {"name": "i", "resourceVersion": "7"}, "spec": spec}


def applied(obj: Json, request: Body) -> Json:
    """The object after the request, as the API server would have it."""
    if isinstance(request.content, dict):
        return nest(merged(flatten(obj), request.content))
    obj = copy.deepcopy(obj)
    for operation in request.content:
        keys = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]]
        holder: Any = obj
        for key in keys[:-1]:
            holder = holder[int(key)] if isinstance(holder, list) else holder[key]
        last: Any = int(keys[-1]) if isinstance(holder, list) else keys[-1]
        if operation["op"] == "test":
            assert holder[last] == operation["value"]
        elif operation["op"] == "remove":
            del holder[last]
        else:
            assert operation["op"] == "add" or holder[last] is not None
            holder[last] = operation["value"]
    return obj


def written(obj: Json, wanted: Fields, annotations: dict[str, str | None] | None = None) -> Json:
    return applied(obj, body(obj, changes(obj, wanted), annotations or {}))


# ---- Secrets -------------------------------------------------------------------------------------------------------------------------------------


def test_pt_16_all_keys_and_annotations_are_in_one_request() -> None:
    obj = secret({"a": b"old", "gone": b"x"})

    request = body(obj, changes(obj, {"a": b"new", "b": b"\x00\xff", "gone": None}), {NOTE: "disabled", LAST_APPLIED: None})

    assert request.kind == "merge"
    assert request.content == {
        "metadata": {"resourceVersion": "7", "annotations": {NOTE: "disabled", LAST_APPLIED: None}},
        "data": {"a": "bmV3", "b": "AP8=", "gone": None},
    }


def test_pt_16_annotations_are_sent_only_when_they_change() -> None:
    obj = secret({"a": b"old"})

    assert body(obj, {"a": b"new"}, {}).content == {"metadata": {"resourceVersion": "7"}, "data": {"a": "bmV3"}}
    assert body(obj, {}, {NOTE: "disabled"}).content == {"metadata": {"resourceVersion": "7", "annotations": {NOTE: "disabled"}}}


def test_pt_17_only_keys_whose_bytes_differ() -> None:
    obj = secret({"same": b"x", "other": b"y"})

    assert changes(obj, {"same": b"x", "other": b"z", "new": b"", "absent": None}) == {"other": b"z", "new": b""}


def test_pt_17_spelling_of_base64_does_not_count() -> None:
    obj = secret()
    obj["data"] = {"k": "YWJj\nZGVm"}

    assert changes(obj, {"k": b"abcdef"}) == {}


def test_pt_17_object_without_resource_version_is_never_patched() -> None:
    for version in (None, ""):
        obj = secret({"a": b"x"})
        obj["metadata"]["resourceVersion"] = version
        with pytest.raises(ValueError, match="resourceVersion"):
            body(obj, {"a": b"y"}, {})


@given(
    st.dictionaries(st.text("abc.-", min_size=1, max_size=3), st.binary(max_size=8), max_size=4),
    st.dictionaries(st.text("abc.-", min_size=1, max_size=3), st.none() | st.binary(max_size=8), max_size=4),
)
def test_pt_17_request_gives_what_is_wanted_and_nothing_more_is_left_to_do(there: dict[str, bytes], wanted: dict[str, bytes | None]) -> None:
    obj = secret(there)

    after = written(obj, wanted)

    expected = {key: value for key, value in {**there, **wanted}.items() if value is not None}
    assert {key: b64decode(value) for key, value in after.get("data", {}).items()} == expected
    assert changes(after, wanted) == {}


def test_values_are_compared_in_full() -> None:
    assert equal(b"", b"")
    assert not equal(b"", None)
    assert equal(None, None)
    assert not equal(b"a", b"b")


def test_size_counts_what_will_be_there() -> None:
    obj = secret({"keep": b"12345", "drop": b"123", "grow": b"1"})

    assert size_of(obj, {"drop": None, "grow": b"1234", "new": b"12"}) == 5 + 4 + 2


# ---- PT-19 ---------------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (json.dumps({"kind": "Secret", "data": {"k": "x"}}), True),
        (json.dumps({"kind": "Secret", "stringData": {"k": "x"}}), True),
        (json.dumps({"kind": "Secret", "metadata": {"data": 1}}), False),
        ("{broken", True),
    ],
)
def test_pt_19_copy_of_kubectl_apply_is_seen(text: str, expected: bool) -> None:
    assert holds_plain_copy(secret({}, {LAST_APPLIED: text})) is expected


def test_pt_19_other_kinds_keep_it() -> None:
    obj = issuer({})
    obj["metadata"]["annotations"] = {LAST_APPLIED: json.dumps({"data": {}})}

    assert not holds_plain_copy(obj)
    assert not holds_plain_copy(secret({}))


# ---- other kinds ---------------------------------------------------------------------------------------------------------------------------------


def test_pt_18_maps_are_merged() -> None:
    obj = issuer({"acme": {"email": "REPLACE_ME", "server": "https://x"}})

    request = body(obj, changes(obj, {"/spec/acme/email": b"me@example.com"}), {NOTE: "disabled"})

    assert request == Body(
        "merge", {"spec": {"acme": {"email": "me@example.com"}}, "metadata": {"resourceVersion": "7", "annotations": {NOTE: "disabled"}}}
    )


def test_pt_18_missing_maps_are_made_and_fields_taken_away() -> None:
    obj = issuer({"old": "x", "keep": "y"})

    assert written(obj, {"/spec/acme/email": b"e", "/spec/old": None})["spec"] == {"keep": "y", "acme": {"email": "e"}}


def test_pt_18_escaped_pointers() -> None:
    obj = issuer({"a/b": {"c~d": "old"}})

    assert written(obj, {"/spec/a~1b/c~0d": b"new"})["spec"] == {"a/b": {"c~d": "new"}}


def test_pt_18_annotations_of_the_map_and_ours_go_together() -> None:
    obj = issuer({})

    request = body(obj, {"/metadata/annotations/mail": b"e"}, {NOTE: "disabled"})

    assert request.content == {"metadata": {"resourceVersion": "7", "annotations": {"mail": "e", NOTE: "disabled"}}}


def test_pt_18_pointer_through_a_list_tests_before_it_replaces() -> None:
    obj = issuer({"solvers": [{"token": "old"}, {"token": "other"}]})

    request = body(obj, changes(obj, {"/spec/solvers/1/token": b"new"}), {})

    assert request == Body(
        "json",
        [
            {"op": "test", "path": "/metadata/resourceVersion", "value": "7"},
            {"op": "test", "path": "/spec/solvers/1/token", "value": "other"},
            {"op": "replace", "path": "/spec/solvers/1/token", "value": "new"},
        ],
    )


def test_pt_18_everything_else_goes_along_in_the_same_json_patch() -> None:
    obj = issuer({"solvers": [{"token": "old"}], "gone": "x"})
    wanted = {"/spec/solvers/0/token": b"new", "/spec/solvers/0/more/deep": b"d", "/spec/solvers/0/more/too": b"t", "/spec/gone": None}

    after = written(obj, wanted, {NOTE: "disabled", "other": None})

    assert after["spec"] == {"solvers": [{"token": "new", "more": {"deep": "d", "too": "t"}}]}
    assert after["metadata"]["annotations"] == {NOTE: "disabled"}


@pytest.mark.parametrize("pointer", ["/spec/solvers/2", "/spec/solvers/2/token", "/spec/solvers/-", "/spec/solvers/01", "/spec/solvers/x/token"])
def test_pt_18_elements_are_never_added_to_a_list(pointer: str) -> None:
    obj = issuer({"solvers": [{"token": "old"}, {}]})

    with pytest.raises(MissingPlace):
        body(obj, {pointer: b"new"}, {})
    with pytest.raises(MissingPlace):
        filled_object(obj, {pointer: b"new"})


def test_number_is_not_the_text_of_it() -> None:
    obj = issuer({"port": 1})

    assert live_value(obj, "/spec/port") == b"1"
    assert changes(obj, {"/spec/port": b"1"}) == {"/spec/port": b"1"}


def test_object_for_creation_has_the_values() -> None:
    obj = secret({"k": b"REPLACE_ME", "keep": b"x", "gone": b"y"})

    assert filled_object(obj, {"k": b"v", "gone": None})["data"] == {"keep": "eA==", "k": "dg=="}
    new = filled_object(issuer({"acme": {"email": "REPLACE_ME"}, "list": ["a", "b"]}), {"/spec/acme/email": b"e", "/spec/list/1": b"c"})
    assert new["spec"] == {"acme": {"email": "e"}, "list": ["a", "c"]}


def test_request_shows_nothing_of_itself() -> None:
    assert repr(body(secret({}), {"k": b"canary"}, {})) == "<Body merge>"


def test_merge_patch_changes_nothing_else_in_the_model_of_flux() -> None:
    obj = secret({"a": b"1", "b": b"2"})
    request = body(obj, {"a": b"9"}, {})
    assert isinstance(request.content, dict)

    after = patched(LiveObject.from_object(obj), "secrettool-patch", {"data": request.content["data"]})

    assert after.obj["data"] == {"a": "OQ==", "b": "Mg=="}
