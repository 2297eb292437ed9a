"""Which targets a run is about."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrettool.errors import Outcome, UsageError
from secrettool.patcher.loading import load
from secrettool.patcher.selection import select

TEXT = """
apiVersion: secrettool.dev/v1alpha1
kind: PatchMap
values: {v3: {env: C}, v1: {env: A}, v2: {env: B}, unused: {env: D}}
targets:
  - {id: one, groups: [base], ref: {kind: Secret, namespace: n, name: a}, keys: {k: v1, l: {template: "{{ v3 }}"}}}
  - {id: two, groups: [base, extra], ref: {kind: Secret, namespace: n, name: b}, keys: {k: v2}}
  - {id: three, ref: {kind: Secret, namespace: n, name: c}, keys: {k: {fill: {/x: "{{ v1 }}"}}, l: {absent: true}}}
"""
MAP = load(TEXT)
NAMED = load(TEXT + "metadata: {name: homelab}\n")


def ids(**asked: object) -> list[str]:
    return [target.id for target in select(MAP, **asked)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"ids": ["three", "one"]}, ["one", "three"]),
        ({"groups": ["base"]}, ["one", "two"]),
        ({"groups": ["extra"], "ids": ["three"]}, ["two", "three"]),
        ({"ids": ["one", "one"]}, ["one"]),
        ({"everything": True}, ["one", "two", "three"]),
    ],
)
def test_pt_10_targets_are_selected_in_the_order_of_the_map(asked: dict[str, object], expected: list[str]) -> None:
    assert ids(**asked) == expected


def test_pt_10_a_person_at_a_terminal_may_leave_it_out_when_the_map_has_a_name() -> None:
    assert select(NAMED, is_terminal=True) == NAMED.targets


@pytest.mark.parametrize(("patch_map", "is_terminal"), [(MAP, True), (MAP, False), (NAMED, False)])
def test_pt_10_otherwise_nothing_selected_is_an_error(patch_map: object, is_terminal: bool) -> None:
    with pytest.raises(UsageError, match="no target is selected") as raised:
        select(patch_map, is_terminal=is_terminal)  # type: ignore[arg-type]
    assert raised.value.code == Outcome.CONFIGURATION


@pytest.mark.parametrize(
    ("asked", "message", "hint"),
    [
        ({"ids": ["one", "three3"]}, "the map has no target three3", "did you mean three?"),
        ({"groups": ["nobody"]}, "the map has no group nobody", "groups: base, extra"),
        ({"everything": True, "ids": ["one"]}, "--all goes with neither --target nor --group", "leave one of them out"),
    ],
)
def test_pt_10_what_is_not_in_the_map_is_an_error(asked: dict[str, object], message: str, hint: str) -> None:
    with pytest.raises(UsageError) as raised:
        ids(**asked)
    assert (raised.value.message, raised.value.hint, raised.value.code) == (message, hint, Outcome.CONFIGURATION)


@pytest.mark.parametrize(
    ("asked", "needed"), [(["one"], ("v3", "v1")), (["two"], ("v2",)), (["three"], ("v1",)), (["one", "two", "three"], ("v3", "v1", "v2"))]
)
def test_pt_10_only_values_of_selected_targets_are_needed(asked: list[str], needed: tuple[str, ...]) -> None:
    assert MAP.needed(select(MAP, ids=asked)) == needed


@given(st.sets(st.sampled_from(["one", "two", "three"])), st.sets(st.sampled_from(["base", "extra"])))
def test_pt_10_ids_and_groups_add_up(wanted: set[str], groups: set[str]) -> None:
    if wanted or groups:
        expected = [each.id for each in MAP.targets if each.id in wanted or groups & set(each.groups)]
        assert ids(ids=wanted, groups=groups) == expected
