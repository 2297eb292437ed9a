"""What is wrong with a map, seen against the manifests (PT-03): PH002, PH007, PH008, MF01, MF02."""

from __future__ import annotations

import pytest

from tests.unit.check.maps import MAP, findings, only, target
from tests.unit.check.trees import Files, flux, sealed, secret

ISSUER_REF = "{apiVersion: cert-manager.io/v1, kind: ClusterIssuer, name: le}"
ISSUER = "apiVersion: cert-manager.io/v1\nkind: ClusterIssuer\nmetadata: {name: le}\nspec: {acme: {email: a, solvers: [{x: y}]}}\n"


def tree() -> Files:
    return {"flux.yaml": flux("apps"), "apps/s.yaml": secret(stringData={"k": "REPLACE_ME"}, data={"l": "UkVQTEFDRV9NRQ=="})}


def test_pt_03_ph002_key_that_the_manifest_lacks() -> None:
    (found,) = only("PH002", findings(tree(), target("k: v, m: v")))

    assert (found.severity, found.file, found.line, found.subject, found.key) == ("note", MAP, 6, "Secret/shop/s", "m")


@pytest.mark.parametrize("keys", ["k: v", "l: v", "m: {absent: true}"])
def test_pt_03_ph002_says_nothing_about_keys_of_the_manifest(keys: str) -> None:
    assert only("PH002", findings(tree(), target(keys))) == []


@pytest.mark.parametrize(("pointer", "is_there"), [("/spec/acme/email", True), ("/spec/acme/solvers/0/x", True), ("/spec/acme/solvers/1/x", False)])
def test_pt_03_ph002_fields_are_pointers(pointer: str, is_there: bool) -> None:
    found = only("PH002", findings({"i.yaml": ISSUER}, target(f"{pointer}: v", ref=ISSUER_REF)))

    assert [each.key for each in found] == ([] if is_there else [pointer])


def test_pt_03_ph007_target_that_the_manifests_lack() -> None:
    (found,) = only("PH007", findings({}, target("k: v")))

    assert (found.severity, found.file, found.line, found.subject) == ("warning", MAP, 5, "Secret/shop/s")


def test_pt_03_ph007_is_an_error_when_it_is_to_be_created_from_there() -> None:
    assert [each.severity for each in only("PH007", findings({}, target("k: v", more=" create: from-manifest,")))] == ["error"]


def test_pt_03_ph007_file_that_does_not_have_it() -> None:
    (found,) = only("PH007", findings(tree(), target("k: v", more=" manifest: apps/other.yaml,")))

    assert found.severity == "error"
    assert "apps/other.yaml has no Secret s" in found.text


@pytest.mark.parametrize("more", [" create: {type: Opaque},", ""])
def test_pt_03_ph007_says_nothing(more: str) -> None:
    assert only("PH007", findings({} if more else tree(), target("k: v", more=more))) == []


def test_pt_03_ph008_two_targets_write_the_same_key() -> None:
    (found,) = only("PH008", findings(tree(), target("k: v, l: v", name="one") + target("l: w", name="two")))

    assert (found.severity, found.line, found.key) == ("error", 8, "l")
    assert found.text == "targets one and two both write it"


def test_pt_03_ph008_namespaces_of_one_target_count_too() -> None:
    many = "{kind: Secret, namespaces: [other, shop], name: s}"

    assert [each.subject for each in only("PH008", findings(tree(), target("k: v") + target("k: v", name="u", ref=many)))] == ["Secret/shop/s"]


def test_pt_03_ph008_says_nothing_about_different_keys_or_objects() -> None:
    other = "{kind: Secret, namespace: shop, name: u}"

    assert only("PH008", findings(tree(), target("k: v") + target("l: v", name="u") + target("k: v", name="w", ref=other))) == []


def test_pt_03_mf01_several_manifests_fit() -> None:
    files = {"a.yaml": secret(stringData={"k": "REPLACE_ME"}), "b.yaml": secret(stringData={"k": "REPLACE_ME"})}

    found = findings(files, target("k: v"))

    (ambiguous,) = only("MF01", found)
    assert (ambiguous.severity, ambiguous.file, ambiguous.line) == ("error", MAP, 5)
    assert "a.yaml:1, b.yaml:1" in ambiguous.text
    assert only("PH001", found) == []  # whichever is meant, the map fills it


def test_pt_03_mf01_says_nothing_when_the_map_names_the_file() -> None:
    files = {"a.yaml": secret(stringData={"k": "REPLACE_ME"}), "b.yaml": secret(stringData={"k": "REPLACE_ME"})}

    found = findings(files, target("k: v", more=" manifest: b.yaml,"))

    assert only("MF01", found) == []
    assert [each.file for each in only("PH001", found)] == ["a.yaml"]


def test_mf02_manifest_that_is_encrypted_cannot_be_created_from() -> None:
    files = {"s.yaml": sealed(secret(stringData={"k": "v"}), "^k$")}

    assert [each.line for each in only("MF02", findings(files, target("k: v", more=" create: from-manifest,")))] == [5]
    assert only("MF02", findings(files, target("k: v", more=" create: {type: Opaque},"))) == []
