"""What the vectors do not show; what they show is in tests/hook/test_apply_vectors.py."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from secrettool.flux import (
    APPLY_MANAGER,
    NEWEST,
    PATCH_MANAGER,
    RESTART_MANAGER,
    Controller,
    Effect,
    FluxKustomization,
    FluxVersion,
    LiveObject,
    build_failed,
    what_deletion_does,
    what_flux_does,
)
from secrettool.flux.ignore import IgnoreRule
from secrettool.flux.kustomization import CommonMetadata
from secrettool.flux.live import applied, patched
from secrettool.flux.secret import MAX_DATA
from secrettool.flux.selectors import FORCE, PRUNE, RECONCILE, SSA

Json = dict[str, Any]

APPS = FluxKustomization(name="apps", namespace="team", prune=True)
A, B = "YQ==", "Yg=="
K = ("data", "k")


def secret(annotations: dict[str, str] | None = None, **fields: Any) -> Json:
    metadata: Json = {"name": "s", "namespace": "ns"} | ({"annotations": annotations} if annotations else {})
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, **fields}


def created(manifest: Json, kustomization: FluxKustomization = APPS) -> LiveObject:
    effect = what_flux_does(manifest, None, kustomization, in_inventory=False)
    assert effect.live is not None
    return effect.live


def next_pass(manifest: Json | None, live: LiveObject | None, kustomization: FluxKustomization = APPS, version: FluxVersion = NEWEST) -> Effect:
    return what_flux_does(manifest, live, kustomization, in_inventory=True, controller=Controller(version))


def test_effect_names_the_fields_that_change() -> None:
    live = patched(created(secret(data={"k": A, "l": A})), "kubectl-patch", {"data": {"k": B, "x": B, "l": None}})

    effect = next_pass(secret(data={"k": A, "l": A}), live)

    assert effect.overwritten == (K,)
    assert effect.added == (("data", "l"),)
    assert effect.removed == (("data", "x"),)
    assert effect.taken_over == ("kubectl-patch",)


def test_value_that_flux_set_back_belongs_to_flux_again() -> None:
    """So a key that is dropped from git afterwards goes, although another once wrote it."""
    live = patched(created(secret(data={"k": A, "l": A})), PATCH_MANAGER, {"data": {"l": B}})
    set_back = next_pass(secret(data={"k": A, "l": A}), live)

    assert next_pass(secret(data={"k": A}), set_back.live).removed == (("data", "l"),)


def test_owner_labels_and_common_metadata_are_applied() -> None:
    kustomization = replace(APPS, common_metadata=CommonMetadata({"a": "1"}, {"b": "2"}))

    metadata = created(secret({"b": "of git"}), kustomization).obj["metadata"]

    owners = {"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "team"}
    assert metadata["labels"] == {**owners, "a": "1"}
    assert metadata["annotations"] == {"b": "2"}


def test_common_metadata_can_switch_reconciliation_off() -> None:
    kustomization = replace(APPS, common_metadata=CommonMetadata({}, {RECONCILE: "disabled"}))

    assert next_pass(secret(), None, kustomization).action == "never created"


def test_suspended_kustomization_does_nothing() -> None:
    live = patched(created(secret(data={"k": A})), PATCH_MANAGER, {"data": {"k": B}})

    for manifest in (None, secret(data={"k": A})):
        effect = next_pass(manifest, live, replace(APPS, suspend=True))
        assert (effect.action, effect.live, effect.in_inventory) == ("nothing", live, True)


def test_object_that_is_neither_in_git_nor_in_the_cluster_is_nothing() -> None:
    effect = next_pass(None, None)

    assert (effect.action, effect.live, effect.in_inventory, effect.ready) == ("nothing", None, False, True)


def test_failed_build_changes_nothing() -> None:
    live = created(secret())

    effect = build_failed(live, in_inventory=True, reason="HK111")

    assert (effect.action, effect.live, effect.in_inventory, effect.condition, effect.log_word) == ("refused", live, True, "BuildFailed", None)


def test_annotations_that_flux_cleans_up_go() -> None:
    leftovers = {"kubectl.kubernetes.io/last-applied-configuration": "{}", "kept": "x"}
    live = patched(created(secret()), "my-tool", {"metadata": {"annotations": leftovers}})

    effect = next_pass(secret(), live)

    assert effect.action == "configured"
    assert effect.removed == (("metadata", "annotations", "kubectl.kubernetes.io/last-applied-configuration"),)


def test_override_manager_is_taken_over() -> None:
    live = patched(created(secret()), "helm", {"data": {"x": A}})

    assert what_flux_does(secret(), live, APPS, in_inventory=True, controller=Controller(NEWEST, ("helm",))).removed == (("data", "x"),)
    assert next_pass(secret(), live).action == "unchanged"


@pytest.mark.parametrize("manager", [APPLY_MANAGER, PATCH_MANAGER, RESTART_MANAGER])
def test_da_28_keys_written_by_secrettool_are_kept(manager: str) -> None:
    start = created(secret(data={"k": A}))

    for live in (patched(start, manager, {"data": {"x": A}}), applied(start, manager, secret(data={"x": A}))):
        effect = next_pass(secret(data={"k": A}), live)
        assert (effect.action, effect.live, effect.taken_over) == ("unchanged", live, ())


def test_forced_object_that_is_refused_again_is_lost() -> None:
    live = created(secret({FORCE: "enabled"}, data={"k": A}))
    too_large = secret({FORCE: "enabled"}, data={"k": "AAAA" * (MAX_DATA // 3 + 1)})

    effect = next_pass(too_large, live)

    assert (effect.action, effect.live, effect.condition) == ("refused", None, "ReconciliationFailed")
    assert K in effect.removed


def test_forced_object_with_managers_to_take_over_is_lost_for_one_pass() -> None:
    manifest = secret({FORCE: "enabled"}, data={"k": B}, immutable=True)
    live = patched(created({**manifest, "data": {"k": A}}), "kubectl", {"metadata": {"labels": {"x": "y"}}})

    effect = next_pass(manifest, live)

    assert (effect.action, effect.live, effect.in_inventory) == ("refused", None, True)
    assert next_pass(manifest, effect.live).action == "created"


def test_force_does_not_help_against_a_wrong_schema() -> None:
    live = created(secret({FORCE: "enabled"}, data={"k": A}))

    effect = next_pass(secret({FORCE: "enabled"}, data={"k": "ENC[x]"}), live, replace(APPS, force=True))

    assert (effect.action, effect.live) == ("refused", live)


def test_type_is_kept_when_git_leaves_it_out_but_not_when_it_takes_it_out() -> None:
    live = created(secret(type="example.invalid/x"))

    assert next_pass(secret(type="example.invalid/x"), live).action == "unchanged"
    assert next_pass(secret(), live).reason == "type: field is immutable"


def test_ignore_rule_does_not_count_before_1_9() -> None:
    kustomization = replace(APPS, ignore=(IgnoreRule(("/data/k",)),))
    live = patched(created(secret(data={"k": A})), PATCH_MANAGER, {"data": {"k": B}})

    assert next_pass(secret(data={"k": A}), live, kustomization).action == "unchanged"
    assert next_pass(secret(data={"k": A}), live, kustomization, FluxVersion(1, 8, 5)).overwritten == (K,)


def test_ignored_key_that_is_missing_comes_back_only_with_another_change() -> None:
    kustomization = replace(APPS, ignore=(IgnoreRule(("/data/k",)),))
    live = patched(created(secret(data={"k": A, "l": A})), PATCH_MANAGER, {"data": {"k": None}})

    assert next_pass(secret(data={"k": A, "l": A}), live, kustomization).action == "unchanged"
    assert next_pass(secret(data={"k": A, "l": B}), live, kustomization).added == (K,)


def test_ignore_rule_does_not_help_an_immutable_secret() -> None:
    """The dry run sends what git says; the rules are heard afterwards."""
    kustomization = replace(APPS, ignore=(IgnoreRule(("/data/k",)),))
    live = created(secret(data={"k": A}, immutable=True))

    assert next_pass(secret(data={"k": B}, immutable=True), live, kustomization).action == "refused"


def test_ignored_key_of_another_applier_is_left_to_it() -> None:
    kustomization = replace(APPS, ignore=(IgnoreRule(("/data/k",)),))
    live = applied(created(secret(data={"k": A, "l": A})), APPLY_MANAGER, secret(data={"k": B}))

    effect = next_pass(secret(data={"k": A, "l": B}), live, kustomization)

    assert effect.live is not None
    assert [owner.name for owner in effect.live.owners(K)] == [APPLY_MANAGER]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"metadata": {"labels": {"kustomize.toolkit.fluxcd.io/name": "other"}}}, "it lacks the owner labels of the Kustomization"),
        ({"metadata": {"labels": {PRUNE: "Disabled"}}}, "prune: disabled on the live object"),
        ({"metadata": {"annotations": {SSA: "ignore"}}}, "ssa: Ignore on the live object"),
    ],
)
def test_object_is_kept_when_it_leaves_git(change: Json, reason: str) -> None:
    live = patched(created(secret()), PATCH_MANAGER, change)

    effect = next_pass(None, live)

    assert (effect.action, effect.reason, effect.in_inventory) == ("kept", reason, False)


def test_deletion_of_the_kustomization_follows_its_policy() -> None:
    live = created(secret())

    def action(kustomization: FluxKustomization) -> str:
        return what_deletion_does(live, kustomization, in_inventory=True).action

    assert action(replace(APPS, prune=False)) == "kept"
    assert action(replace(APPS, prune=False, deletion_policy="Delete")) == "pruned"
    assert action(replace(APPS, suspend=True)) == "kept"


def test_config_map_is_reconciled_like_a_secret() -> None:
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"k": "a"}}
    live = patched(created(manifest), PATCH_MANAGER, {"data": {"k": "b"}})

    effect = next_pass(manifest, live)

    assert effect.overwritten == (K,)
    assert effect.live is not None
    assert effect.live.obj["data"] == {"k": "a"}


def test_repr_shows_no_value() -> None:
    assert A not in repr(next_pass(secret(data={"k": A}), None))
