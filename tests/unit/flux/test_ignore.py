from __future__ import annotations

from typing import Any

import pytest

from secrettool.flux import LiveObject
from secrettool.flux.fields import flatten
from secrettool.flux.ignore import IgnoreRule, Target, ignored_fields, is_ignored, reshaped
from secrettool.flux.live import applied, patched

OBJ = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "shop", "labels": {"tier": "front"}, "annotations": {"team": "a"}},
}
K = ("data", "k")


@pytest.mark.parametrize(
    ("target", "selects"),
    [
        (Target(), True),
        (Target(group="apps"), True),
        (Target(group="app"), False),
        (Target(version="v1"), True),
        (Target(version="v1beta.*"), False),
        (Target(kind="Deploy.*|StatefulSet"), True),
        (Target(kind="Deploy"), False),
        (Target(name="we"), False),
        (Target(name="w.b"), True),
        (Target(namespace="other"), False),
        (Target(label_selector="tier in (front)"), True),
        (Target(label_selector="!tier"), False),
        (Target(annotation_selector="team=b"), False),
        (Target(kind="Deployment", annotation_selector="team=a"), True),
    ],
)
def test_target_selects_by_whole_expressions(target: Target, selects: bool) -> None:
    assert target.selects(OBJ) is selects


def test_core_group_is_empty() -> None:
    secret = {"apiVersion": "v1", "kind": "Secret"}

    assert Target(version="v1", kind="Secret").selects(secret)
    assert not Target(group="v1").selects(secret)


def test_pointers_are_unescaped_and_cover_what_is_below() -> None:
    rules = [IgnoreRule(("/metadata/annotations/a~1b~0c", "/data")), IgnoreRule(("/type",), Target(kind="Other"))]

    covered = ignored_fields(rules, OBJ)

    assert covered == (("metadata", "annotations", "a/b~c"), ("data",))
    assert is_ignored(K, covered)
    assert not is_ignored(("datax",), covered)


def secret(**data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": data}


def in_cluster() -> LiveObject:
    return applied(None, "kustomize-controller", secret(k="AAAA", l="AAAA"))


def test_covered_field_gets_the_live_value() -> None:
    live = patched(in_cluster(), "patcher", {"data": {"k": "BBBB"}})

    assert reshaped(flatten(secret(k="AAAA", l="CCCC")), live, (K,)) == flatten(secret(k="BBBB", l="CCCC"))


def test_covered_field_that_another_applied_is_left_out() -> None:
    live = applied(in_cluster(), "other", secret(k="BBBB"))

    assert reshaped(flatten(secret(k="AAAA", l="CCCC")), live, (K,)) == flatten(secret(l="CCCC"))


def test_covered_field_that_is_not_there_is_sent() -> None:
    live = patched(in_cluster(), "patcher", {"data": {"k": None}})

    assert reshaped(flatten(secret(k="AAAA")), live, (K,)) == flatten(secret(k="AAAA"))
