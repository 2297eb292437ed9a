"""Fields and their managers, as the API server keeps them."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from secrettool.flux import APPLY_MANAGER, LiveObject
from secrettool.flux.fields import flatten, nest, of_fields_v1
from secrettool.flux.live import applied, patched, taken_over
from secrettool.objects import folded

Json = dict[str, Any]

A, B = "YQ==", "Yg=="


def secret(**fields: Any) -> Json:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "ns"}, **fields}


def fields_of(live: LiveObject, manager: str) -> set[str]:
    return {".".join(path) for each in live.managers if each.name == manager for path in each.fields}


keys = st.text("abc./", min_size=1, max_size=3)
trees = st.recursive(
    st.none() | st.integers() | st.text(max_size=3) | st.lists(st.integers()), lambda inner: st.dictionaries(keys, inner), max_leaves=12
)


@given(st.dictionaries(keys, trees))
def test_object_is_its_fields(obj: Json) -> None:
    assert nest(flatten(obj)) == obj


def test_managed_fields_of_a_real_object_are_read() -> None:
    trie = {
        "f:data": {".": {}, "f:tls.crt": {}, "f:k": {}},
        "f:metadata": {"f:labels": {"f:app.kubernetes.io/name": {}}, "f:ownerReferences": {'k:{"uid":"1"}': {".": {}}}},
        "f:type": {},
    }
    found = LiveObject.from_object(
        secret(data={"k": A}) | {"metadata": {"name": "s", "managedFields": [{"manager": "m", "operation": "Apply", "fieldsV1": trie}]}}
    )

    assert fields_of(found, "m") == {"data.k", "data.tls.crt", "metadata.labels.app.kubernetes.io/name", "metadata.ownerReferences", "type"}
    assert [owner.name for owner in found.owners(("data", "k"))] == ["m"]


def test_container_alone_counts_as_field() -> None:
    assert of_fields_v1({"f:data": {}, "f:metadata": {"f:annotations": {".": {}}}}) == {("data",), ("metadata", "annotations")}


def test_object_without_managed_fields_has_no_owners() -> None:
    assert LiveObject.from_object(secret()).managers == ()


def test_last_writer_owns_a_changed_field_alone() -> None:
    live = patched(applied(None, "flux", secret(data={"k": A, "l": A})), "patcher", {"data": {"k": B}})

    assert fields_of(live, "patcher") == {"data.k"}
    assert fields_of(live, "flux") == {"data.l"}


def test_patch_with_the_same_value_owns_nothing() -> None:
    live = patched(applied(None, "flux", secret(data={"k": A})), "patcher", {"data": {"k": A}})

    assert fields_of(live, "patcher") == set()


def test_apply_with_the_same_value_shares_the_field() -> None:
    live = applied(applied(None, "flux", secret(data={"k": A})), "other", secret(data={"k": A}))

    assert {owner.name for owner in live.owners(("data", "k"))} == {"flux", "other"}


def test_forced_apply_takes_a_changed_field() -> None:
    live = applied(applied(None, "flux", secret(data={"k": A})), "other", secret(data={"k": B}))

    assert [owner.name for owner in live.owners(("data", "k"))] == ["other"]


def test_dropped_field_goes_when_nobody_else_owns_it() -> None:
    live = applied(applied(None, "flux", secret(data={"k": A, "l": A})), "flux", secret(data={"k": A}))

    assert live.obj["data"] == {"k": A}


def test_dropped_field_stays_while_another_owns_it() -> None:
    shared = applied(applied(None, "flux", secret(data={"k": A})), "other", secret(data={"k": A}))

    assert applied(shared, "flux", secret()).obj["data"] == {"k": A}


def test_removed_field_has_no_owner() -> None:
    live = patched(applied(None, "flux", secret(data={"k": A})), "patcher", {"data": {"k": None}})

    assert live.obj.get("data", {}) == {}
    assert live.owners(("data", "k")) == []


def test_fields_taken_over_are_owned_by_the_one_who_applies() -> None:
    live = patched(applied(None, "flux", secret(data={"k": A})), "kubectl", {"data": {"x": A}})

    taken = taken_over(live, "flux", lambda manager: manager.name == "kubectl")

    assert fields_of(taken, "flux") == {"data.k", "data.x"}
    assert fields_of(taken, "kubectl") == set()


def test_status_of_another_is_not_taken_over() -> None:
    entry = {"manager": "kubectl", "operation": "Update", "subresource": "status", "fieldsV1": {"f:status": {"f:x": {}}}}
    live = LiveObject.from_object({"kind": "Pod", "metadata": {"managedFields": [entry]}})

    assert taken_over(live, "flux", lambda manager: True).managers == live.managers


def test_da_26_keys_dropped_from_string_data_stay_unless_it_is_folded_first() -> None:
    """V: an apply through `stringData` owns `stringData`, so the key stays in `data`; secrettool folds before it applies or compares."""
    before, after = secret(stringData={"k": "a", "l": "b"}), secret(stringData={"k": "a"})

    raw = applied(applied(None, APPLY_MANAGER, before), APPLY_MANAGER, after)
    ours = applied(applied(None, APPLY_MANAGER, folded(before)), APPLY_MANAGER, folded(after))

    assert raw.obj["data"] == {"k": A, "l": B}
    assert ours.obj["data"] == {"k": A}


def test_repr_shows_no_value() -> None:
    assert A not in repr(patched(None, "m", secret(data={"k": A})))
