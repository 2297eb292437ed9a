"""The decisions table: every row under every policy, and what Flux then does with the value."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from secrettool.flux import NEWEST, PATCH_MANAGER, Controller, FluxKustomization, FluxVersion, LiveObject, what_flux_does
from secrettool.flux.ignore import IgnoreRule
from secrettool.flux.live import patched
from secrettool.flux.selectors import OWNER_NAME, OWNER_NAMESPACE, RECONCILE, SSA
from secrettool.patcher.policy import TABLE, Decision, OnMissing, Policy, Rules, decide
from secrettool.patcher.protection import MISSING, GitProtection, Live, LiveProtection, git_protection, live_protection

Json = dict[str, Any]
POLICIES: tuple[Policy, ...] = get_args(Policy)
SUBJECT = "Secret/ns/s"
FULL = Live("full", is_kept=True)
OPEN = Live("open")
OLD, NEW = "UkVQTEFDRV9NRQ==", "cmVhbA=="
K = ("data", "k")
APPS = FluxKustomization(name="apps", namespace="flux-system", prune=True)
IGNORING = FluxKustomization(name="apps", namespace="flux-system", prune=True, ignore=(IgnoreRule(("/data/k",)),))


def said(decision: Decision) -> tuple[str, ...]:
    """What a decision says in one line: action, `+` with the annotation, codes with severity."""
    codes = [f"{each.code} {each.severity}" for each in decision.findings]
    return (decision.action + ("+" if decision.annotate else ""), *codes)


def under(policy: Policy, git: GitProtection, live: Live, **rules: Any) -> tuple[str, ...]:
    return said(decide(git, live, Rules(policy, **rules), subject=SUBJECT))


def each_policy(git: GitProtection, live: Live, **rules: Any) -> tuple[tuple[str, ...], ...]:
    return tuple(under(policy, git, live, **rules) for policy in POLICIES)


PATCH = ("patch",)
ALL_PATCH = (PATCH, PATCH, PATCH, PATCH)


# ---- the rows ------------------------------------------------------------------------------------------------------------------------------------


def test_row_01_protected_in_both_is_patched() -> None:
    assert each_policy("full", FULL) == ALL_PATCH


def test_row_02_protected_in_git_only() -> None:
    assert each_policy("full", OPEN) == (("patch+",), ("refuse", "AN02 error"), ("patch", "AN02 warning"), PATCH)


def test_row_03_never_created_by_flux() -> None:
    assert each_policy("full", MISSING) == (("skip", "AN08 warning"),) * 3 + (("skip", "OB01 warning"),)


def test_row_03_is_created_by_the_target() -> None:
    assert each_policy("full", MISSING, create=True) == (("create+",),) * 4


def test_row_04_created_once_and_protected_live() -> None:
    assert each_policy("once", FULL) == ALL_PATCH


def test_row_05_created_once() -> None:
    assert each_policy("once", OPEN) == (("patch+",), ("patch", "AN02 note"), ("patch", "AN02 note"), PATCH)


@pytest.mark.parametrize("git", ["once", "rule", "none", "free", "absent", "unknown"])
def test_row_06_missing_object_is_a_matter_of_on_missing(git: GitProtection) -> None:
    assert each_policy(git, MISSING) == (("skip", "OB01 warning"),) * 4
    assert each_policy(git, MISSING, on_missing="skip") == (("skip",),) * 4
    assert each_policy(git, MISSING, on_missing="fail") == (("fail", "OB01 error"),) * 4


@pytest.mark.parametrize(
    ("git", "action"), [("once", "create+"), ("rule", "create+"), ("none", "create+"), ("absent", "create"), ("unknown", "create")]
)
def test_row_06_created_object_is_annotated_when_it_is_in_git(git: GitProtection, action: str) -> None:
    assert each_policy(git, MISSING, create=True) == ((action,),) * 4


@pytest.mark.parametrize("live", [OPEN, FULL])
def test_row_07_covered_by_a_rule(live: Live) -> None:
    assert each_policy("rule", live) == ALL_PATCH


def test_row_08_protected_live_only() -> None:
    warned = ("patch", "AN03 warning")
    assert each_policy("none", FULL) == (warned, ("refuse", "AN03 error"), warned, PATCH)


def test_row_09_not_protected() -> None:
    assert each_policy("none", OPEN) == (("patch+", "AN03 warning"), ("refuse", "AN01 error"), ("patch", "AN01 warning"), ("patch", "AN01 note"))


@pytest.mark.parametrize("live", [OPEN, FULL])
def test_row_10_nothing_contested(live: Live) -> None:
    assert each_policy("free", live) == ALL_PATCH


@pytest.mark.parametrize("git", ["absent", "unknown"])
@pytest.mark.parametrize("live", [OPEN, FULL])
def test_row_11_not_in_git_and_not_of_flux(git: GitProtection, live: Live) -> None:
    assert each_policy(git, live) == ALL_PATCH


@pytest.mark.parametrize("git", ["absent", "unknown"])
def test_row_12_of_flux_and_protected_live(git: GitProtection) -> None:
    assert each_policy(git, FULL._replace(is_owned=True)) == ALL_PATCH


@pytest.mark.parametrize("git", ["absent", "unknown"])
def test_row_13_of_flux_and_not_protected(git: GitProtection) -> None:
    live = OPEN._replace(is_owned=True)
    assert each_policy(git, live) == (("patch+", "AN04 warning"), ("refuse", "AN04 error"), ("patch", "AN04 warning"), PATCH)


def test_every_case_is_of_exactly_one_row() -> None:
    for git in get_args(GitProtection):
        for protection in get_args(LiveProtection):
            for owned in (False, True):
                assert sum(row.fits(git, Live(protection, is_owned=owned)) for row in TABLE) == 1, (git, protection, owned)


def test_rows_are_numbered_as_in_the_reference() -> None:
    assert [row.number for row in TABLE] == list(range(1, 14))


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("on_missing", get_args(OnMissing))
def test_object_that_nobody_creates_is_never_passed_over_in_silence(policy: Policy, on_missing: OnMissing) -> None:
    if policy != "ignore":
        assert "AN08" in " ".join(under(policy, "full", MISSING, on_missing=on_missing))


# ---- PT-22, PT-23 --------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("git", ["full", "once", "none"])
def test_pt_22_ssa_ignore_alone_is_completed_under_ensure(git: GitProtection) -> None:
    live = Live("full", is_kept=False)

    assert [decide(git, live, Rules(policy), subject=SUBJECT).annotate for policy in POLICIES] == [True, False, False, False]


def test_pt_22_no_other_policy_annotates_a_live_object() -> None:
    for row in TABLE:
        for policy in ("require", "warn", "ignore"):
            assert not row.verdict(policy).annotate


@pytest.mark.parametrize(("other", "code"), [("helm", "AN05"), ("argocd", "AN06")])
def test_pt_23_other_tools_are_warned_about(other: Any, code: str) -> None:
    live = OPEN._replace(others=(other,))

    assert each_policy("absent", live) == (("patch", f"{code} warning"),) * 3 + (PATCH,)


def test_pt_23_objects_of_an_operator_are_refused() -> None:
    assert each_policy("absent", OPEN._replace(others=("operator",))) == (("refuse", "AN07 error"),) * 4


def test_pt_23_force_writes_objects_of_an_operator() -> None:
    live = OPEN._replace(others=("operator",))

    assert each_policy("absent", live, force=True) == (("patch", "AN07 warning"),) * 3 + (PATCH,)


def test_pt_23_refused_object_is_not_annotated() -> None:
    assert under("ensure", "none", OPEN._replace(others=("operator",))) == ("refuse", "AN03 warning", "AN07 error")


# ---- what protects -------------------------------------------------------------------------------------------------------------------------------


def secret(annotations: Json | None = None, labels: Json | None = None, data: Json | None = None) -> Json:
    metadata: Json = {"name": "s", "namespace": "ns"}
    metadata |= ({"annotations": annotations} if annotations else {}) | ({"labels": labels} if labels else {})
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {"k": OLD} if data is None else data}


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        ({RECONCILE: "disabled"}, "full"),
        ({RECONCILE: "DISABLED"}, "full"),
        ({RECONCILE: "disabled "}, "none"),
        ({SSA: "Ignore"}, "full"),
        ({SSA: "ifnotpresent"}, "once"),
        ({SSA: "Merge"}, "none"),
        ({"kustomize.toolkit.fluxcd.io/prune": "disabled"}, "none"),
        ({}, "none"),
    ],
)
def test_git_protection_by_annotation_or_label(annotations: Json, expected: str) -> None:
    assert git_protection(secret(annotations), [K]) == expected
    assert git_protection(secret(labels=annotations), [K]) == expected


def test_git_protection_by_the_common_metadata_of_the_kustomization() -> None:
    obj = {"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization", "metadata": {"name": "apps"}}
    protecting = FluxKustomization.from_object(obj | {"spec": {"commonMetadata": {"annotations": {RECONCILE: "disabled"}}}})

    assert git_protection(secret(), [K], kustomizations=[protecting]) == "full"
    assert git_protection(secret(), [K], kustomizations=[protecting, APPS]) == "none"


def test_git_protection_by_a_rule() -> None:
    assert git_protection(secret(), [K], kustomizations=[IGNORING]) == "rule"
    assert git_protection(secret(), [K], kustomizations=[IGNORING], version=FluxVersion(1, 8, 5)) == "none"
    assert git_protection(secret(data={"k": OLD, "l": OLD}), [K, ("data", "l")], kustomizations=[IGNORING]) == "none"
    assert git_protection(secret(data={"k": OLD, "l": OLD}), [K], [("data", "l")], kustomizations=[IGNORING]) == "none"


def test_git_protection_of_a_removed_key_is_not_a_rule() -> None:
    assert git_protection(secret(), [], [K], kustomizations=[IGNORING]) == "none"


def test_keys_that_git_does_not_set_are_free() -> None:
    assert git_protection(secret(data={}), [K]) == "free"
    assert git_protection(secret(data={"other": OLD}), [K]) == "free"


def test_string_data_and_ciphertext_count_as_set() -> None:
    assert git_protection(secret(data={}) | {"stringData": {"k": "REPLACE_ME"}}, [K]) == "none"
    assert git_protection(secret(data={"k": "ENC[AES256_GCM,data:x]"}) | {"sops": {}}, [K]) == "none"


def test_field_inside_a_list_of_git_is_contested_as_the_list() -> None:
    issuer = {"apiVersion": "cert-manager.io/v1", "kind": "ClusterIssuer", "metadata": {"name": "i"}, "spec": {"solvers": [{"token": "x"}]}}
    path = ("spec", "solvers", "0", "token")
    covering_item = FluxKustomization(name="a", ignore=(IgnoreRule(("/spec/solvers/0/token",)),))
    covering_list = FluxKustomization(name="a", ignore=(IgnoreRule(("/spec/solvers",)),))

    assert git_protection(issuer, [path]) == "none"
    assert git_protection(issuer, [path], kustomizations=[covering_item]) == "none"
    assert git_protection(issuer, [path], kustomizations=[covering_list]) == "rule"
    assert git_protection(issuer, [("spec", "acme", "email")]) == "free"


def test_live_protection_reads_the_object() -> None:
    owned = {OWNER_NAME: "apps", OWNER_NAMESPACE: "flux-system"}

    assert live_protection(None) == MISSING
    assert live_protection(secret()) == Live("open")
    assert live_protection(secret(labels=owned)) == Live("open", is_owned=True)
    assert live_protection(secret({RECONCILE: "Disabled"})) == Live("full", is_kept=True)
    assert live_protection(secret({SSA: "Ignore"})) == Live("full", is_kept=False)
    assert live_protection(secret({SSA: "IfNotPresent"})) == Live("open")


def test_pt_23_other_owners_are_recognised() -> None:
    helm = secret({"meta.helm.sh/release-name": "r"}, {"app.kubernetes.io/managed-by": "Helm"})
    argo = secret({"argocd.argoproj.io/tracking-id": "a:/Secret:ns/s"})
    controlled = secret()
    controlled["metadata"]["ownerReferences"] = [{"kind": "ExternalSecret", "controller": True}]
    referenced = secret()
    referenced["metadata"]["ownerReferences"] = [{"kind": "Deployment"}]

    assert [live_protection(obj).others for obj in (helm, argo, controlled, referenced)] == [("helm",), ("argocd",), ("operator",), ()]


# ---- the table against what Flux does ------------------------------------------------------------------------------------------------------------

MANIFESTS: dict[GitProtection, Json] = {
    "full": secret({RECONCILE: "disabled"}),
    "once": secret({SSA: "IfNotPresent"}),
    "rule": secret(),
    "none": secret(),
    "free": secret(data={"other": OLD}),
}
VERSIONS = (FluxVersion(1, 6, 0), FluxVersion(1, 7, 3), FluxVersion(1, 8, 5), NEWEST)
LIVE_NOTES: dict[str, Json] = {"open": {}, "kept": {RECONCILE: "disabled"}, "ignored": {SSA: "Ignore"}}


def in_cluster(notes: Json) -> LiveObject:
    """The object as Flux created it from a manifest without protection, with annotations that somebody added."""
    live = what_flux_does(secret({}, data={"k": OLD, "other": OLD}), None, APPS, in_inventory=False).live
    assert live is not None
    return patched(live, "somebody", {"metadata": {"annotations": notes}}) if notes else live


def filled(live: LiveObject, decision: Decision) -> LiveObject:
    body: Json = {"data": {"k": NEW}}
    if decision.annotate:
        body["metadata"] = {"annotations": {RECONCILE: "disabled"}}
    return patched(live, PATCH_MANAGER, body)


@pytest.mark.parametrize("version", VERSIONS, ids=str)
@pytest.mark.parametrize("notes", LIVE_NOTES)
@pytest.mark.parametrize("git", MANIFESTS)
def test_value_survives_flux_wherever_ensure_patches(git: GitProtection, notes: str, version: FluxVersion) -> None:
    manifest, controller = MANIFESTS[git], Controller(version)
    kustomization = IGNORING if git == "rule" else APPS
    live = in_cluster(LIVE_NOTES[notes])
    found = git_protection(manifest, [K], kustomizations=[kustomization], version=version)
    decision = decide(found, live_protection(live.obj), Rules(), subject=SUBJECT)

    after = what_flux_does(manifest, filled(live, decision), kustomization, in_inventory=True, controller=controller)

    assert decision.action == "patch"
    assert after.live is not None
    assert after.live.obj["data"]["k"] == NEW
    if decision.annotate or notes == "kept":
        left = what_flux_does(None, after.live, kustomization, in_inventory=after.in_inventory, controller=controller)
        assert left.action == "kept"


@pytest.mark.parametrize("version", VERSIONS, ids=str)
@pytest.mark.parametrize("notes", LIVE_NOTES)
def test_value_survives_flux_when_the_manifest_is_not_known(notes: str, version: FluxVersion) -> None:
    live = in_cluster(LIVE_NOTES[notes])
    decision = decide("unknown", live_protection(live.obj), Rules(), subject=SUBJECT)

    for manifest in (*MANIFESTS.values(), None):
        after = what_flux_does(manifest, filled(live, decision), APPS, in_inventory=True, controller=Controller(version))
        assert after.live is not None
        assert after.live.obj["data"]["k"] == NEW


def test_value_is_set_back_where_warn_says_so() -> None:
    live = in_cluster({})
    decision = decide("none", live_protection(live.obj), Rules("warn"), subject=SUBJECT)

    after = what_flux_does(secret(), filled(live, decision), APPS, in_inventory=True)

    assert said(decision) == ("patch", "AN01 warning")
    assert after.overwritten == (K,)


def test_object_is_pruned_where_warn_says_so() -> None:
    live = in_cluster({})
    decision = decide("full", live_protection(live.obj), Rules("warn"), subject=SUBJECT)

    assert said(decision) == ("patch", "AN02 warning")
    assert what_flux_does(None, filled(live, decision), APPS, in_inventory=True).action == "pruned"


@pytest.mark.parametrize("git", MANIFESTS)
def test_created_object_survives_flux(git: GitProtection) -> None:
    manifest = MANIFESTS[git]
    decision = decide(git, MISSING, Rules(create=True), subject=SUBJECT)
    new = patched(None, PATCH_MANAGER, secret({RECONCILE: "disabled"} if decision.annotate else {}, data={"k": NEW}))

    after = what_flux_does(manifest, new, APPS, in_inventory=False)

    assert after.live is not None
    assert after.live.obj["data"]["k"] == NEW
