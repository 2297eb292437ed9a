"""Drift, masking and the text of a difference."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrettool.cluster.comparing import difference
from secrettool.cluster.drift import has_drifted
from secrettool.cluster.masking import AFTER, BEFORE, SAME, masked
from secrettool.cluster.model import ApplyConflict
from secrettool.cluster.ownership import check_string_data
from secrettool.cluster.prediction import predicted
from secrettool.objects import ref_of

Json = dict[str, Any]


def secret(**data: Any) -> Json:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db", "namespace": "shop"}, "data": data}


# ---- drift ---------------------------------------------------------------------------------------------------------------------------------------


def test_what_counts_as_drift_is_what_counts_for_flux() -> None:
    live = secret(a="eA==")
    same = {**live, "metadata": {**live["metadata"], "resourceVersion": "7", "managedFields": [], "finalizers": ["x"]}, "status": {"x": 1}}
    assert not has_drifted(live, same)
    assert not has_drifted(live, {**live, "metadata": {**live["metadata"], "labels": {}}})
    assert has_drifted(live, {**live, "metadata": {**live["metadata"], "labels": {"a": "b"}}})
    assert has_drifted(live, {**live, "metadata": {**live["metadata"], "annotations": {"a": "b"}}})
    assert has_drifted(live, {**live, "immutable": True})
    assert has_drifted(None, live)


def test_true_is_not_one() -> None:
    assert has_drifted({"kind": "X", "spec": {"a": 1}}, {"kind": "X", "spec": {"a": True}})


# ---- masking -------------------------------------------------------------------------------------------------------------------------------------


def test_masks_are_those_of_flux() -> None:
    old, new = masked(secret(same="x", other="y", gone="z"), secret(same="x", other="Y", new="w"))
    assert old is not None and old["data"] == {"same": SAME, "other": BEFORE, "gone": SAME}
    assert new is not None and new["data"] == {"same": SAME, "other": AFTER, "new": SAME}


def test_copies_in_string_data_and_annotations_are_masked() -> None:
    note = {"kubectl.kubernetes.io/last-applied-configuration": "{...}", "team": "a"}
    _, new = masked(None, {**secret(), "stringData": {"a": "b"}, "metadata": {"name": "db", "annotations": note}})
    assert new is not None
    assert new["stringData"] == {"a": SAME}
    assert new["metadata"]["annotations"] == {**note, "kubectl.kubernetes.io/last-applied-configuration": SAME}


def test_data_of_other_kinds_is_shown_unless_it_was_encrypted() -> None:
    settings = {**secret(a="b"), "kind": "ConfigMap"}
    assert masked(settings, settings) == (settings, settings)
    old, _ = masked({**settings, "spec": {"list": ["x", {"y": 1}], "n": 5, "none": {}}}, None, whole=True)
    assert old == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "db", "namespace": "shop"},
        "data": {"a": SAME},
        "spec": {"list": SAME, "n": SAME, "none": {}},
    }


def test_secret_that_becomes_another_kind_stays_masked() -> None:
    _, new = masked(secret(a="x"), {**secret(a="x"), "kind": "Other"})
    assert new is not None and new["data"] == {"a": SAME}


values = st.dictionaries(st.sampled_from(["a", "b", "c", "d"]), st.sampled_from(["v1", "v2", "v3"]))


@given(values, values)
def test_text_depends_on_which_values_are_equal_and_on_nothing_else(old: dict[str, str], new: dict[str, str]) -> None:
    def shown(replaced: dict[str, str]) -> Any:
        sides = [secret(**{key: replaced[value] for key, value in side.items()}) for side in (old, new)]
        return difference(ref_of(sides[0]), *sides)

    longer = {value: b64encode(value.encode() * 50).decode() for value in ("v1", "v2", "v3")}
    assert shown({value: value for value in longer}) == shown(longer)


# ---- text ----------------------------------------------------------------------------------------------------------------------------------------


def test_fields_have_pointers_and_keep_no_values() -> None:
    old, new = secret(**{"a/b": "x", "gone": "y"}), secret(**{"a/b": "z", "n~w": "y"})
    found = difference(ref_of(old), old, {**new, "immutable": True})
    assert found is not None
    assert found.fields == (("/data/a~1b", "replaced"), ("/data/gone", "removed"), ("/data/n~0w", "added"), ("/immutable", "added"))


def test_order_of_keys_is_no_difference_in_the_text() -> None:
    old = {"kind": "X", "metadata": {"name": "x"}, "spec": {"b": 1, "a": 2}, "apiVersion": "v1"}
    new = {"apiVersion": "v1", "kind": "X", "metadata": {"name": "x"}, "spec": {"a": 3, "b": 1}}
    found = difference(ref_of(new), old, new)
    assert found is not None
    assert [line for line in found.text.splitlines()[3:] if line[0] in "+-"] == ["-  a: 2", "+  a: 3"]


def test_equal_versions_have_no_difference() -> None:
    assert difference(ref_of(secret()), secret(a="x"), {**secret(a="x"), "status": {}}) is None


# ---- predictions and owners ----------------------------------------------------------------------------------------------------------------------


def owned(obj: Json, manager: str, *fields: str, part: str = "data") -> Json:
    entry = {"manager": manager, "operation": "Apply", "fieldsV1": {f"f:{part}": {f"f:{field}": {} for field in fields}}}
    return {**obj, "metadata": {**obj["metadata"], "managedFields": [*obj["metadata"].get("managedFields", []), entry]}}


def test_prediction_drops_what_secrettool_alone_owned() -> None:
    live = owned(owned(secret(a="1", b="2", c="3"), "secrettool", "a", "b"), "other", "b", "c")
    assert predicted(live, secret(x="9"))["data"] == {"b": "2", "c": "3", "x": "9"}


@pytest.mark.parametrize(
    ("sent", "drifts"),
    [
        ([{"port": 80}], False),
        ([{"port": 81}], True),
        ([{"port": 80}, {"port": 81}], True),
        ([{"port": 80, "name": "x"}], True),
        ([], True),
    ],
)
def test_prediction_passes_over_what_the_server_filled_in(sent: list[Json], drifts: bool) -> None:
    head = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop"}}
    live = {**head, "spec": {"ports": [{"port": 80, "protocol": "TCP"}], "clusterIP": "10.0.0.1"}}
    assert has_drifted(live, predicted(live, {**head, "spec": {"ports": sent}})) is drifts


def test_owner_by_string_data_is_a_conflict_when_the_value_changes() -> None:
    live = owned(secret(a="1", b="2"), "argocd", "a", "b", part="stringData")
    with pytest.raises(ApplyConflict, match=r"argocd owns \.stringData\.a$"):
        check_string_data(secret(a="9", b="2", c="3"), live)


@pytest.mark.parametrize(("manager", "sent"), [("argocd", "1"), ("secrettool", "9")])
def test_equal_values_and_own_ones_are_no_conflict(manager: str, sent: str) -> None:
    check_string_data(secret(a=sent), owned(secret(a="1"), manager, "a", part="stringData"))
