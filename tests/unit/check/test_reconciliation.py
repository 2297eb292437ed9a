from __future__ import annotations

from typing import Any

import pytest

from secrettool.check import Mapped, MappedKey, MappedObject, Repository, reconciliation_findings
from secrettool.findings import Finding
from secrettool.flux import Controller, FluxVersion
from secrettool.flux.selectors import PREFIX, RECONCILE, SSA
from secrettool.objects import Ref, ref_of
from tests.unit.check.trees import DECRYPTION, Files, flux, sealed, secret

PLACEHOLDER = {"k": "REPLACE_ME", "l": "plain"}
THE_SECRET = Ref("v1", "Secret", "shop", "s")


def tree(annotations: dict[str, str] | None = None, **spec: Any) -> Files:
    return {"flux.yaml": flux("apps", **spec), "apps/s.yaml": secret(annotations, stringData=PLACEHOLDER)}


def mapped(repository: Repository, keys: tuple[str, ...], **more: Any) -> Mapped:
    """A map with one target that writes keys of the Secret."""
    located = next(each for applied in repository.applied for each in applied.manifests if ref_of(each.obj) == THE_SECRET)
    written = tuple(MappedKey(key, "value", 3) for key in keys)
    return Mapped([MappedObject("t", THE_SECRET, written, 2, manifest=located, **more)], "map.yaml")


def findings(files: Files, patched: tuple[str, ...] = (), version: FluxVersion | None = None, **more: Any) -> list[Finding]:
    """What is found; with keys that a target writes."""
    repository = Repository(files)
    controller = Controller(version) if version else Controller()
    return reconciliation_findings(repository, mapped(repository, patched, **more) if patched else Mapped(), controller=controller)


def codes(files: Files, version: FluxVersion | None = None) -> list[str]:
    return [found.code for found in findings(files, version=version)]


@pytest.mark.parametrize("annotations", [{RECONCILE: "disabled"}, {RECONCILE: "Disabled"}, {SSA: "Ignore"}])
def test_da_27_rows_1_and_11_are_never_created(annotations: dict[str, str]) -> None:
    assert "AN08" in codes(tree(annotations))


@pytest.mark.parametrize("annotations", [{RECONCILE: "disabled"}, {SSA: "Ignore"}])
def test_da_27_row_5_with_12_is_deleted_once_it_leaves_git(annotations: dict[str, str]) -> None:
    assert "AN02" in codes(tree(annotations))


def test_da_27_row_6_is_set_back() -> None:
    (found,) = findings(tree())

    text = "Kustomization/flux-system/apps: the next pass sets a filled value back to the placeholder"
    assert found[:7] == ("PH003", "warning", text, "apps/s.yaml", 9, "Secret/shop/s", "k")


def test_da_27_row_9_merge_does_not_keep_the_key_of_git() -> None:
    (found,) = findings(tree({SSA: "Merge"}))

    assert found.code == "PH003"
    assert "ssa: Merge keeps only keys that git does not set" in found.text


@pytest.mark.parametrize(
    "files",
    [
        tree({SSA: "IfNotPresent"}),
        tree(ignore=[{"paths": ["/data/k"], "target": {"kind": "Secret"}}]),
        {"flux.yaml": flux("apps"), "apps/s.yaml": secret(stringData={"l": "plain"})},
        {"flux.yaml": flux("apps"), "apps/s.yaml": secret(stringData=PLACEHOLDER).replace("Secret", "ConfigMap")},
        {"flux.yaml": flux("other"), "apps/s.yaml": secret(stringData=PLACEHOLDER)},
    ],
    ids=["row 3", "row 10", "no placeholder", "another kind", "not applied"],
)
def test_da_27_other_rows_are_no_finding(files: Files) -> None:
    assert findings(files) == []


def test_nothing_is_deleted_without_prune() -> None:
    assert codes(tree({RECONCILE: "disabled"}, prune=False)) == ["AN08"]


def test_skipped_secret_was_not_deleted_before_1_8_5() -> None:
    assert codes(tree({RECONCILE: "disabled"}), version=FluxVersion(1, 7, 3)) == ["AN08"]


def test_ignore_rule_helps_since_1_9_only() -> None:
    files = tree(ignore=[{"paths": ["/data/k"]}])

    assert codes(files, version=FluxVersion(1, 8, 5)) == ["PH003"]


def test_placeholders_in_base64_are_found() -> None:
    files = {"flux.yaml": flux("apps"), "apps/s.yaml": secret(data={"a": "UkVQTEFDRV9NRQo=", "b": "cGxhaW4="})}

    assert [found.key for found in findings(files)] == ["a"]


def test_da_27_patched_secret_without_placeholder_is_set_back_too() -> None:
    files = {"flux.yaml": flux("apps"), "apps/s.yaml": secret(stringData={"k": "plain", "l": "of git"})}

    (found,) = findings(files, ("k",), protects=False)

    assert (found.code, found.key) == ("AN01", "k")
    assert "the next pass sets a filled value back to the value of git" in found.text


def test_da_27_placeholders_and_literals_are_told_apart() -> None:
    found = findings(tree(), ("k", "l"), protects=False)

    assert [(each.code, each.key) for each in found] == [("PH003", "k"), ("AN01", "l")]


def test_patched_secret_without_keys_in_git_keeps_its_values() -> None:
    assert findings({"flux.yaml": flux("apps"), "apps/s.yaml": secret(type="Opaque")}, ("k",)) == []


def test_pt_03_an08_a_target_that_creates_the_secret_makes_up_for_it() -> None:
    files = tree({RECONCILE: "disabled"})

    assert "AN08" in [each.code for each in findings(files, ("k",))]
    assert "AN08" not in [each.code for each in findings(files, ("k",), creates="manifest")]


def test_da_27_the_annotation_that_the_map_adds_turns_an02_into_a_note() -> None:
    files = tree({RECONCILE: "disabled"})

    severities = {each.code: each.severity for each in findings(files, ("k",))}
    unprotected = {each.code: each.severity for each in findings(files, ("k",), protects=False)}

    assert (severities["AN02"], unprotected["AN02"]) == ("note", "warning")


def test_pt_24_the_hint_is_the_recommended_manifest() -> None:
    (found,) = findings(tree(), ("k",))

    assert "only the annotation of the live object keeps a filled value" in found.text
    for form in ("ssa: IfNotPresent", "leave the key out", "spec.ignore"):
        assert found.hint is not None and form in found.hint


def test_annotation_of_an_overlay_counts() -> None:
    files = tree() | {"apps/kustomization.yaml": f"resources: [s.yaml]\ncommonAnnotations: {{{PREFIX}ssa: IfNotPresent}}\n"}

    assert findings(files) == []


def test_annotation_of_common_metadata_counts() -> None:
    assert codes(tree(commonMetadata={"annotations": {RECONCILE: "disabled"}})) == ["AN08"]


def test_placeholder_beside_ciphertext_is_found() -> None:
    manifest = sealed(secret(stringData={"k": "REPLACE_ME", "l": "v"}, data={"m": "dmFsdWU="}), "^(l|m)$")

    assert [found.key for found in findings({"flux.yaml": flux("apps", decryption=DECRYPTION), "apps/s.yaml": manifest})] == ["k"]


def test_immutable_placeholder_that_was_filled_is_not_set_back() -> None:
    """The pass fails then; filling it is impossible anyway."""
    files = {"flux.yaml": flux("apps"), "apps/s.yaml": secret(stringData=PLACEHOLDER, immutable=True)}

    assert findings(files) == []


def test_suspended_kustomization_is_checked_like_any_other() -> None:
    assert codes(tree(suspend=True)) == ["PH003"]
