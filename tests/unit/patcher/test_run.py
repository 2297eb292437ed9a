"""Runs against a folder that stands for a cluster: what is written, what is not, and what is said about it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from secrettool.cluster.model import Unavailable
from secrettool.errors import ClusterError, Outcome, ProviderLoginError, SourceError
from secrettool.objects import Ref
from secrettool.patcher.body import LAST_APPLIED
from secrettool.patcher.plan import SOURCES
from secrettool.patcher.result import outcome
from tests.unit.patcher.support import RECONCILE, REF, SSA, GivenSources, World, codes, manifest, one_target, patch_map, secret

ISSUER = Ref("cert-manager.io/v1", "ClusterIssuer", "", "le")
ISSUER_REF = "{apiVersion: cert-manager.io/v1, kind: ClusterIssuer, name: le}"
OWNED = {"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}


def issuer(spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "cert-manager.io/v1", "kind": "ClusterIssuer", "metadata": {"name": "le"}, "spec": spec}


def conflict() -> ClusterError:
    return ClusterError("409 Conflict", status=409, reason="Conflict")


# ---- writing -------------------------------------------------------------------------------------------------------------------------------------


def test_pt_16_one_request_fills_all_keys_and_annotates(tmp_path: Path) -> None:
    world = World(tmp_path / "c", [secret({"a": "REPLACE_ME", "b": "old", "keep": "k"})], {"s.yaml": manifest({"a": "REPLACE_ME"})})

    result = world.one(one_target("{a: x, b: x, new: x}", "x"), {"x": "value"})

    assert (result.word, result.annotation, codes(result)) == ("changed", "added", ["AN03 warning"])
    assert result.keys == {"a": "fill", "b": "change", "new": "set"}
    assert world.cluster.writes == ["merge Secret/ns/s"]
    assert world.data() == {"a": b"value", "b": b"value", "keep": b"k", "new": b"value"}
    assert world.notes() == {RECONCILE: "disabled"}


def test_pt_25_second_run_sends_nothing(tmp_path: Path) -> None:
    world = World(tmp_path / "c", [secret({"a": "REPLACE_ME"})], {"s.yaml": manifest({"a": "REPLACE_ME"})})
    wanted = one_target("{a: x, gone: {absent: true}}", "x")
    world.run(wanted, {"x": "value"})

    result = world.one(wanted, {"x": "value"})

    assert (result.word, result.annotation, result.keys) == ("unchanged", "present", {"a": "equal", "gone": "equal"})
    assert len(world.cluster.writes) == 1


def test_pt_25_equal_values_without_protection_get_the_annotation(tmp_path: Path) -> None:
    world = World(tmp_path / "c", [secret({"a": "value"})], {"s.yaml": manifest({"a": "REPLACE_ME"})})

    result = world.one(one_target("{a: x}", "x"), {"x": "value"})

    assert (result.word, result.annotation, result.keys) == ("changed", "added", {"a": "equal"})
    assert world.cluster.bodies == [{"metadata": {"resourceVersion": "1", "annotations": {RECONCILE: "disabled"}}}]


def test_pt_17_keys_are_removed(tmp_path: Path) -> None:
    world = World(tmp_path / "c", [secret({"a": "1", "b": "2"})])

    assert world.one(one_target("{a: {absent: true}}")).keys == {"a": "remove"}
    assert world.data() == {"b": b"2"}


def test_pt_18_field_of_another_kind(tmp_path: Path) -> None:
    world = World(tmp_path / "c", [issuer({"acme": {"email": "REPLACE_ME", "server": "https://x"}})])

    result = world.one(one_target("{/spec/acme/email: mail}", "mail", ref=ISSUER_REF), {"mail": "me@example.com"})

    assert (result.word, result.keys) == ("changed", {"/spec/acme/email": "fill"})
    assert world.get(ISSUER)["spec"] == {"acme": {"email": "me@example.com", "server": "https://x"}}


def test_pt_18_field_in_a_list(tmp_path: Path) -> None:
    world = World(tmp_path / "c", [issuer({"solvers": [{"token": "a"}, {"token": "REPLACE_ME"}]})])

    result = world.one(one_target("{/spec/solvers/1/token: x}", "x", ref=ISSUER_REF), {"x": "v"})

    assert result.word == "changed"
    assert world.cluster.writes == ["json ClusterIssuer/le"]
    assert world.get(ISSUER)["spec"]["solvers"] == [{"token": "a"}, {"token": "v"}]


def test_pt_18_place_in_a_list_that_is_not_there(tmp_path: Path) -> None:
    world = World(tmp_path / "c", [issuer({"solvers": []})])

    result = world.one(one_target("{/spec/solvers/1/token: x}", "x", ref=ISSUER_REF), {"x": "v"})

    assert (result.word, codes(result), world.cluster.writes) == ("failed", ["FD01 error"], [])


def test_pt_18_kind_that_is_not_served_is_a_missing_object(tmp_path: Path) -> None:
    world = World(tmp_path / "c", [secret()])
    wanted = one_target("{/spec/acme/email: x}", "x", ref=ISSUER_REF)
    sources = GivenSources({"x": "v"})

    result = world.one(wanted, sources)

    assert (result.word, codes(result), sources.asked) == ("skipped", ["KD01 warning"], [])


def test_pt_19_plain_copy_of_kubectl_is_removed(tmp_path: Path) -> None:
    copy = json.dumps({"kind": "Secret", "stringData": {"a": "canary"}})
    world = World(tmp_path / "c", [secret({"a": "v"}, annotations={LAST_APPLIED: copy, "other": "x"})])

    result = world.one(one_target("{a: x}", "x"), {"x": "v"})

    assert (result.word, codes(result), world.notes()) == ("changed", ["LA01 note"], {"other": "x"})


def test_pt_19_scrubbing_can_be_turned_off(tmp_path: Path) -> None:
    world = World(tmp_path / "c", [secret({"a": "v"}, annotations={LAST_APPLIED: json.dumps({"data": {}})})])

    assert world.one(one_target("{a: x}", "x", defaults="{scrubLastApplied: false}"), {"x": "v"}).word == "unchanged"


def test_pt_20_immutable_secret_is_refused(tmp_path: Path) -> None:
    world = World(tmp_path / "c", [secret({"a": "old"}) | {"immutable": True}])

    result = world.one(one_target("{a: x}", "x"), {"x": "v"})

    assert (result.word, codes(result), result.code) == ("refused", ["IM01 error"], Outcome.REFUSED)


def test_pt_20_immutable_secret_that_fits_is_left_alone(tmp_path: Path) -> None:
    world = World(tmp_path / "c", [secret({"a": "v"}) | {"immutable": True}])

    assert world.one(one_target("{a: x}", "x"), {"x": "v"}).word == "unchanged"


def test_pt_20_recreate_keeps_type_labels_and_annotations(tmp_path: Path) -> None:
    old = secret({"a": "old", "b": "2"}, labels={"l": "1"}, annotations={"n": "1"}) | {"immutable": True, "type": "example.com/x"}
    world = World(tmp_path / "c", [old, secret(name="other")])

    result = world.one(one_target("{a: x}", "x"), {"x": "v"}, recreate=True)

    assert result.word == "changed"
    assert world.cluster.writes == ["delete Secret/ns/s", "apply! Secret/ns/s"]
    new = world.get()
    assert (new["type"], new["immutable"], new["metadata"]["labels"], world.notes()) == ("example.com/x", True, {"l": "1"}, {"n": "1"})
    assert world.data() == {"a": b"v", "b": b"2"}


def test_pt_20_old_secret_is_put_back_when_the_new_one_is_refused(tmp_path: Path) -> None:
    world = World(tmp_path / "c", [secret({"a": "old"}) | {"immutable": True}, secret(name="other")])
    tries: list[str] = []

    def refuse_first(request: str) -> None:
        tries.append(request)
        if request.startswith("apply") and tries.count(request) == 1:
            raise ClusterError("403 Forbidden", status=403)

    world.cluster.before = refuse_first

    result = world.one(one_target("{a: x}", "x"), {"x": "v"}, recreate=True)

    assert (result.word, codes(result)) == ("failed", ["CL01 error"])
    assert "put back" in result.findings[0].text
    assert world.data() == {"a": b"old"}


def test_pt_20_recreate_in_a_dry_run_deletes_nothing(tmp_path: Path) -> None:
    world = World(tmp_path / "c", [secret({"a": "old"}) | {"immutable": True}])

    result = world.one(one_target("{a: x}", "x"), {"x": "v"}, recreate=True, mode="dry-run")

    assert (result.word, world.cluster.writes, world.data()) == ("changed", ["delete Secret/ns/s?"], {"a": b"old"})


def test_secret_that_would_be_too_large_is_refused(tmp_path: Path) -> None:
    world = World(tmp_path / "c", [secret({"a": "x" * 600_000})])

    result = world.one(one_target("{b: x}", "x"), {"x": "y" * 500_000})

    assert (result.word, codes(result), world.cluster.writes) == ("refused", ["HK153 error"], [])


# ---- PT-07, PT-08 --------------------------------------------------------------------------------------------------------------------------------


def test_pt_07_missing_value_fails_the_whole_object(tmp_path: Path) -> None:
    world = World(tmp_path / "c", [secret({"a": "1", "b": "2"})])

    result = world.one(one_target("{a: x, b: y}", "x", "y"), {"x": "v"})

    assert (result.word, codes(result), world.cluster.writes) == ("failed", ["VL01 error"], [])
    assert result.findings[0].key == "b"


@pytest.mark.parametrize(("keys", "defaults"), [("{a: x, b: {value: y, optional: true}}", ""), ("{a: x, b: y}", "{onMissingValue: skip}")])
def test_pt_07_optional_key_stays_as_it_is(tmp_path: Path, keys: str, defaults: str) -> None:
    world = World(tmp_path / "c", [secret({"a": "1", "b": "2"})])

    result = world.one(one_target(keys, "x", "y", defaults=defaults), {"x": "v", "y": ""})

    assert (result.word, codes(result), world.data()) == ("changed", ["VL02 note"], {"a": b"v", "b": b"2"})


def test_pt_07_optional_key_does_not_forgive_a_source_that_fails(tmp_path: Path) -> None:
    world = World(tmp_path / "c", [secret()])
    forbidden = SourceError("VL04", "policy does not allow read on kv/x", subject="x", where="kv: x#k")

    result = world.one(one_target("{a: {value: x, optional: true}}", "x"), {"x": forbidden})

    assert (result.word, codes(result), world.cluster.writes) == ("failed", ["VL04 error"], [])


def test_pt_07_empty_text_is_missing_unless_it_is_allowed(tmp_path: Path) -> None:
    world = World(tmp_path / "c", [secret({"a": "1"})])

    assert codes(world.one(one_target("{a: x}", "x"), {"x": ""})) == ["VL02 error"]
    assert world.one(one_target("{a: x}", "x", defaults="{allowEmpty: true}"), {"x": ""}).word == "changed"
    assert world.data() == {"a": b""}


@pytest.mark.parametrize("value", ["REPLACE_ME", " REPLACE_ME\n", "REPLACE_ME-later"])
def test_pt_07_placeholder_is_no_value(tmp_path: Path, value: str) -> None:
    world = World(tmp_path / "c", [secret({"a": "REPLACE_ME"})])

    assert codes(world.one(one_target("{a: x}", "x"), {"x": value})) == ["VL03 error"]


def test_pt_07_optional_key_does_not_forgive_a_placeholder(tmp_path: Path) -> None:
    world = World(tmp_path / "c", [secret()])

    assert codes(world.one(one_target("{a: {value: x, optional: true}}", "x"), {"x": "REPLACE_ME"})) == ["VL03 error"]


@pytest.mark.parametrize(("live", "written"), [({"a": "real"}, False), ({"a": "REPLACE_ME"}, True), ({}, True), ({"a": "x=REPLACE_ME"}, True)])
def test_pt_08_only_if_placeholder(tmp_path: Path, live: dict[str, str], written: bool) -> None:
    world = World(tmp_path / "c", [secret(live)])
    sources = GivenSources({"x": "new"})

    world.run(one_target("{a: {value: x, onlyIfPlaceholder: true}}", "x"), sources)

    assert bool(world.cluster.writes) is written
    assert ("x" in sources.asked) is written


# ---- key forms -----------------------------------------------------------------------------------------------------------------------------------


def test_pt_06_forms_of_keys(tmp_path: Path) -> None:
    world = World(tmp_path / "c", [secret({"f": '{"a": "REPLACE_ME", "n": 1}'})])
    keys = """{t: {template: "u={{ x }}"}, j: {json: {k: "{{ x }}", n: [1, true, "{{ y }}"]}}, f: {fill: {/a: "{{ y }}"}}}"""

    result = world.one(one_target(keys, "x", "y"), {"x": 'q"', "y": "z"})

    assert result.keys == {"t": "set", "j": "set", "f": "fill"}
    assert world.data() == {"t": b'u=q"', "j": b'{"k":"q\\"","n":[1,true,"z"]}', "f": b'{"a": "z", "n": 1}'}


def test_pt_06_fill_takes_the_text_of_the_manifest(tmp_path: Path) -> None:
    git = {"s.yaml": manifest({"f": '{"a": "REPLACE_ME", "new": 1}'}, annotations={SSA: "IfNotPresent"})}
    world = World(tmp_path / "c", [secret({"f": '{"a": "old"}'})], git)

    world.run(one_target('{f: {fill: {/a: "{{ x }}"}}}', "x"), {"x": "v"})

    assert world.data() == {"f": b'{"a": "v", "new": 1}'}


def test_pt_06_fill_that_leaves_a_placeholder(tmp_path: Path) -> None:
    world = World(tmp_path / "c", [secret({"f": '{"a": "REPLACE_ME", "b": {"c": "REPLACE_ME"}}'})])

    result = world.one(one_target('{f: {fill: {/a: "{{ x }}"}}}', "x"), {"x": "v"})

    assert (codes(result), result.findings[0].key, world.cluster.writes) == (["PH006 error"], "f: /b/c", [])


def test_pt_06_fill_without_a_text(tmp_path: Path) -> None:
    world = World(tmp_path / "c", [secret()])

    assert codes(world.one(one_target('{f: {fill: {/a: "{{ x }}"}}}', "x"), {"x": "v"})) == ["FL01 error"]


def test_pt_06_template_that_fails_names_target_and_key(tmp_path: Path) -> None:
    world = World(tmp_path / "c", [secret()])

    result = world.one(one_target("""{k: {template: "{{ x | before('!') }}"}}""", "x"), {"x": "canary"})

    assert (codes(result), result.findings[0].key) == (["TP01 error"], "k")
    assert "canary" not in str(result)


def test_binary_value_is_written_as_it_is(tmp_path: Path) -> None:
    world = World(tmp_path / "c", [secret()])

    world.run(one_target("{k: x}", "x"), {"x": b"\x00\xff\n"})

    assert world.data() == {"k": b"\x00\xff\n"}


def test_binary_value_is_no_field(tmp_path: Path) -> None:
    world = World(tmp_path / "c", [issuer({})])

    assert codes(world.one(one_target("{/spec/x: x}", "x", ref=ISSUER_REF), {"x": b"\xff"})) == ["VL05 error"]


# ---- PT-09 ---------------------------------------------------------------------------------------------------------------------------------------

CREATE = "create: {type: Opaque}"
FROM_MANIFEST = "create: from-manifest"


def test_pt_09_missing_object_is_on_missing(tmp_path: Path) -> None:
    world = World(tmp_path / "c", [secret(name="other")])

    assert codes(world.one(one_target("{a: x}", "x"), {"x": "v"})) == ["OB01 warning"]
    failed = world.one(one_target("{a: x}", "x", defaults="{onMissing: fail}"), {"x": "v"})
    assert (failed.word, codes(failed), failed.code) == ("failed", ["OB01 error"], Outcome.SOME_FAILED)


def test_pt_09_new_secret_has_only_the_listed_keys(tmp_path: Path) -> None:
    world = World(tmp_path / "c", [secret(name="other")])

    result = world.one(one_target("{a: x}", "x", more="create: {type: example.com/x}"), {"x": "v"})

    assert (result.word, result.keys, result.annotation) == ("created", {"a": "set"}, "none")
    assert world.cluster.writes == ["apply Secret/ns/s"]
    new = world.get()
    assert (new["type"], world.data(), new["metadata"]["labels"]) == ("example.com/x", {"a": b"v"}, {"app.kubernetes.io/managed-by": "secrettool"})
    assert world.notes() == {}


def test_pt_09_created_object_that_is_in_git_is_protected(tmp_path: Path) -> None:
    world = World(tmp_path / "c", [secret(name="other")], {"s.yaml": manifest({"a": "REPLACE_ME"}, annotations={RECONCILE: "disabled"})})

    result = world.one(one_target("{a: x}", "x", more=CREATE), {"x": "v"})

    assert (result.word, result.annotation, world.notes()) == ("created", "added", {RECONCILE: "disabled"})


def test_pt_09_from_manifest_keeps_the_other_keys(tmp_path: Path) -> None:
    git = {"s.yaml": manifest({"a": "REPLACE_ME", "plain": "setting"}, labels={"l": "1"}, annotations={RECONCILE: "disabled"})}
    world = World(tmp_path / "c", [secret(name="other")], git)

    result = world.one(one_target("{a: x, b: x}", "x", more=FROM_MANIFEST), {"x": "v"})

    assert (result.word, result.keys) == ("created", {"a": "fill", "b": "set"})
    assert world.data() == {"a": b"v", "plain": b"setting", "b": b"v"}
    assert world.get()["metadata"]["labels"] == {"l": "1", "app.kubernetes.io/managed-by": "secrettool"}


def test_pt_09_from_manifest_with_placeholders_left_over(tmp_path: Path) -> None:
    world = World(tmp_path / "c", [secret(name="other")], {"s.yaml": manifest({"a": "REPLACE_ME", "b": "REPLACE_ME"})})

    result = world.one(one_target("{a: x}", "x", more=FROM_MANIFEST), {"x": "v"})

    assert (result.word, codes(result), result.findings[0].key, world.cluster.writes) == ("failed", ["PH006 error"], "b", [])


def test_pt_09_from_manifest_that_is_not_there_or_encrypted(tmp_path: Path) -> None:
    wanted = one_target("{a: x}", "x", more=FROM_MANIFEST)
    sealed = manifest({"a": "ENC[AES256_GCM,data:x]"}) + "sops: {}\n"
    for git in (None, {}, {"s.yaml": sealed}):
        world = World(tmp_path / "c", [secret(name="other")], git)
        assert codes(world.one(wanted, {"x": "v"})) == ["MF02 error"]


def test_pt_09_missing_namespace(tmp_path: Path) -> None:
    world = World(tmp_path / "c", [secret(name="other", namespace="elsewhere")])
    sources = GivenSources({"x": "v"})

    result = world.one(one_target("{a: x}", "x", more=CREATE), sources)

    assert (result.word, codes(result), sources.asked, world.cluster.writes) == ("skipped", ["NS01 warning"], [], [])
    failed = world.one(one_target("{a: x}", "x", more=CREATE, defaults="{onMissingNamespace: fail}"), {"x": "v"})
    assert (failed.word, codes(failed)) == ("failed", ["NS01 error"])


@pytest.mark.parametrize(("namespace", "expected"), [("elsewhere", ("skipped", ["NS01 warning"])), ("ns", ("failed", ["CL01 error"]))])
def test_pt_34_forbidden_is_missing_only_where_there_is_no_namespace_for_a_role(tmp_path: Path, namespace: str, expected: Any) -> None:
    world = World(tmp_path / "c", [secret(name="other", namespace=namespace)])

    def forbid(request: str) -> None:
        if request.startswith("get"):
            raise ClusterError("403 Forbidden", status=403)

    world.cluster.before = forbid

    result = world.one(one_target("{a: x}", "x", more=CREATE), {"x": "v"})

    assert (result.word, codes(result)) == expected
    assert world.cluster.writes == []


def test_pt_09_missing_namespace_is_found_out_by_creating_when_it_may_not_be_read(tmp_path: Path) -> None:
    world = World(tmp_path / "c", [secret(name="other", namespace="elsewhere")])

    def forbid(request: str) -> None:
        if request.startswith("namespace"):
            raise ClusterError("403 Forbidden", status=403)

    world.cluster.before = forbid

    result = world.one(one_target("{a: x}", "x", more=CREATE), {"x": "v"})

    assert (result.word, codes(result), world.cluster.writes) == ("skipped", ["NS01 warning"], ["apply Secret/ns/s"])


def test_pt_09_one_target_in_several_namespaces(tmp_path: Path) -> None:
    world = World(tmp_path / "c", [secret(namespace="b"), secret(name="other", namespace="a")])
    ref = "{kind: Secret, name: s, namespaces: [c, b, a]}"

    results = world.run(one_target("{a: x}", "x", more=CREATE, ref=ref), {"x": "v"})

    assert [(row.ref.namespace, row.word) for row in results] == [("a", "created"), ("b", "changed"), ("c", "skipped")]


def test_pt_09_object_that_appears_meanwhile_is_patched(tmp_path: Path) -> None:
    world = World(tmp_path / "c", [secret(name="other")])

    def appear(request: str) -> None:
        if request.startswith("apply"):
            (world.folder / "new.yaml").write_text(json.dumps(secret({"a": "REPLACE_ME"})), encoding="utf-8")
            world.cluster.before = lambda _: None
            raise conflict()

    world.cluster.before = appear

    result = world.one(one_target("{a: x}", "x", more=CREATE), {"x": "v"})

    assert (result.word, result.attempts, world.data()) == ("changed", 2, {"a": b"v"})


# ---- section 5 and PT-10 -------------------------------------------------------------------------------------------------------------------------


def test_pt_10_nothing_is_fetched_for_an_object_that_is_not_written(tmp_path: Path) -> None:
    world = World(tmp_path / "c", [secret({"a": "REPLACE_ME"})], {"s.yaml": manifest({"a": "REPLACE_ME"})})
    sources = GivenSources({"x": "v"})

    result = world.one(one_target("{a: x}", "x", defaults="{annotationPolicy: require}"), sources)

    assert (result.word, codes(result), sources.asked, result.code) == ("refused", ["AN01 error"], [], Outcome.REFUSED)


def test_pt_22_unknown_manifest_of_flux_is_protected(tmp_path: Path) -> None:
    world = World(tmp_path / "c", [secret({"a": "REPLACE_ME"}, labels=OWNED)])

    result = world.one(one_target("{a: x}", "x"), {"x": "v"})

    assert (result.annotation, codes(result)) == ("added", ["AN04 warning"])


def test_pt_22_key_that_git_does_not_set_needs_no_protection(tmp_path: Path) -> None:
    world = World(tmp_path / "c", [secret({}, labels=OWNED)], {"s.yaml": manifest({"other": "x"})})

    result = world.one(one_target("{a: x}", "x"), {"x": "v"})

    assert (result.word, result.annotation, codes(result)) == ("changed", "none", [])


def test_mf01_ambiguous_manifest_is_refused(tmp_path: Path) -> None:
    git = {"a.yaml": manifest({"a": "REPLACE_ME"}), "b.yaml": manifest({"a": "REPLACE_ME"})}
    world = World(tmp_path / "c", [secret({"a": "REPLACE_ME"})], git)

    assert codes(world.one(one_target("{a: x}", "x"), {"x": "v"})) == ["MF01 error"]
    assert world.one(one_target("{a: x}", "x", more="manifest: b.yaml"), {"x": "v"}).word == "changed"


# ---- conflicts and faults ------------------------------------------------------------------------------------------------------------------------


def test_pt_25_conflict_is_read_and_planned_again(tmp_path: Path) -> None:
    world = World(tmp_path / "c", [secret({"a": "old", "b": "theirs"})])

    def change_first(request: str) -> None:
        if request.startswith("merge"):
            world.cluster.before = lambda _: None
            (world.folder / "0.yaml").write_text(json.dumps(secret({"a": "newer", "b": "theirs, later"})), encoding="utf-8")

    world.cluster.before = change_first

    result = world.one(one_target("{a: x}", "x"), {"x": "v"})

    assert (result.word, result.attempts, world.pauses) == ("changed", 2, [0.2])
    assert world.data() == {"a": b"v", "b": b"theirs, later"}


def test_pt_25_conflict_with_somebody_who_wrote_the_same(tmp_path: Path) -> None:
    world = World(tmp_path / "c", [secret({"a": "old"})])

    def write_first(request: str) -> None:
        if request.startswith("merge"):
            (world.folder / "0.yaml").write_text(json.dumps(secret({"a": "v"})), encoding="utf-8")

    world.cluster.before = write_first

    result = world.one(one_target("{a: x}", "x"), {"x": "v"})

    assert (result.word, result.keys, len(world.cluster.writes)) == ("unchanged", {"a": "equal"}, 1)


def test_conflicts_are_given_up_after_five_tries(tmp_path: Path) -> None:
    world = World(tmp_path / "c", [secret({"a": "old"})])

    def always(request: str) -> None:
        if request.startswith("merge"):
            raise conflict()

    world.cluster.before = always

    result = world.one(one_target("{a: x}", "x"), {"x": "v"})

    assert (result.word, result.attempts, codes(result), len(world.cluster.writes)) == ("failed", 5, ["CL01 error"], 5)
    assert world.pauses == [0.2, 0.4, 0.8, 1.6]


def test_object_that_vanishes_meanwhile_is_missing(tmp_path: Path) -> None:
    world = World(tmp_path / "c", [secret({"a": "old"}), secret(name="other")])

    def vanish(request: str) -> None:
        if request.startswith("merge"):
            (world.folder / "0.yaml").unlink()

    world.cluster.before = vanish

    result = world.one(one_target("{a: x}", "x"), {"x": "v"})

    assert (result.word, codes(result)) == ("skipped", ["OB01 warning"])


def test_pt_26_answer_that_got_lost_counts_when_the_object_has_the_values(tmp_path: Path) -> None:
    world = World(tmp_path / "c", [secret({"a": "REPLACE_ME"})])

    def lose(request: str) -> None:
        raise Unavailable("the connection broke")

    world.cluster.after = lose

    result = world.one(one_target("{a: x}", "x"), {"x": "v"})

    assert (result.word, result.keys, result.is_good, world.data()) == ("changed", {"a": "fill"}, True, {"a": b"v"})


def test_pt_26_request_that_got_lost_fails(tmp_path: Path) -> None:
    world = World(tmp_path / "c", [secret({"a": "REPLACE_ME"})])

    def lose(request: str) -> None:
        if request.startswith("merge"):
            raise Unavailable("503 ServiceUnavailable", status=503)

    world.cluster.before = lose

    result = world.one(one_target("{a: x}", "x"), {"x": "v"})

    assert (result.word, codes(result), result.code, len(world.cluster.writes)) == ("failed", ["CL01 error"], Outcome.CLUSTER, 1)


def test_pt_26_conflict_with_a_patch_of_ours_whose_answer_got_lost_is_a_change(tmp_path: Path) -> None:
    world = World(tmp_path / "c", [secret({"a": "REPLACE_ME"})])

    def conflict(request: str) -> None:
        raise Unavailable("409 Conflict", status=409)

    world.cluster.after = conflict

    result = world.one(one_target("{a: x}", "x"), {"x": "v"})

    assert (result.word, result.keys, result.is_good, len(world.cluster.writes)) == ("changed", {"a": "fill"}, True, 1)


def test_pt_26_conflict_with_somebody_else_after_an_answer_got_lost_is_planned_again(tmp_path: Path) -> None:
    world = World(tmp_path / "c", [secret({"a": "REPLACE_ME"})])

    def conflict(request: str) -> None:
        if request.startswith("merge") and len(world.cluster.writes) == 1:
            raise Unavailable("409 Conflict", status=409)

    world.cluster.before = conflict

    result = world.one(one_target("{a: x}", "x"), {"x": "v"})

    assert (result.word, result.attempts, world.data()) == ("changed", 2, {"a": b"v"})


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    world = World(tmp_path / "c", [secret({"a": "old"})])

    def set_back(request: str) -> None:
        (world.folder / "0.yaml").write_text(json.dumps(secret({"a": "old"})), encoding="utf-8")

    world.cluster.after = set_back

    result = world.one(one_target("{a: x}", "x"), {"x": "v"})

    assert (result.word, codes(result), result.findings[0].key) == ("failed", ["VR01 error"], "a")
    assert world.one(one_target("{a: x}", "x"), {"x": "v"}, verify=False).word == "changed"


def test_forbidden_object_is_never_missing(tmp_path: Path) -> None:
    world = World(tmp_path / "c", [secret({"a": "old"})])

    def forbid(request: str) -> None:
        raise ClusterError("403 Forbidden: ci may not get secrets", status=403, reason="Forbidden")

    world.cluster.before = forbid

    result = world.one(one_target("{a: x}", "x", more=CREATE), {"x": "v"})

    assert (result.word, codes(result), result.code) == ("failed", ["CL01 error"], Outcome.CLUSTER)


# ---- modes ---------------------------------------------------------------------------------------------------------------------------------------


def test_pt_27_plan_reads_only(tmp_path: Path) -> None:
    world = World(tmp_path / "c", [secret({"fill": "REPLACE_ME", "change": "1", "equal": "v", "remove": "1"})])
    keys = "{set: x, change: x, remove: {absent: true}, equal: x, fill: x}"

    result = world.one(one_target(keys, "x"), {"x": "v"}, mode="plan")

    assert result.keys == {word: word for word in ("set", "change", "remove", "equal", "fill")}
    assert (result.word, world.cluster.writes) == ("changed", [])


def test_dry_run_stores_nothing(tmp_path: Path) -> None:
    world = World(tmp_path / "c", [secret({"a": "old"}), secret(name="other")])
    both = patch_map(
        "  - {id: new, ref: {kind: Secret, namespace: ns, name: n}, create: {type: Opaque}, keys: {a: x}}\n"
        "  - {id: old, ref: {kind: Secret, namespace: ns, name: s}, keys: {a: x}}\n",
        "x",
    )

    results = world.run(both, {"x": "v"}, mode="dry-run")

    assert [row.word for row in results] == ["created", "changed"]
    assert sorted(world.cluster.writes) == ["apply Secret/ns/n?", "merge Secret/ns/s?"]
    assert world.data() == {"a": b"old"}


def test_sources_are_recorded(tmp_path: Path) -> None:
    world = World(tmp_path / "c", [secret({"a": "v", "b": "w"}, annotations={SOURCES: '{"theirs": {"y": 1}}'})])
    wanted = one_target("{a: x, b: z}", "x", "z")
    sources = GivenSources({"x": "v", "z": "w"}, {"x": 7})

    assert world.one(wanted, sources, record_sources=True).word == "changed"
    assert json.loads(world.notes()[SOURCES]) == {"a": {"x": 7}, "theirs": {"y": 1}}
    assert world.one(wanted, sources, record_sources=True).word == "unchanged"
    assert world.one(wanted, sources).word == "unchanged"


# ---- several targets -----------------------------------------------------------------------------------------------------------------------------

THREE = "".join(f"  - {{id: {name}, ref: {{kind: Secret, namespace: ns, name: {name}}}, keys: {{k: {name}}}}}\n" for name in "abc")


def three(tmp_path: Path) -> World:
    return World(tmp_path / "c", [secret({"k": "REPLACE_ME"}, name=name) for name in "abc"])


def test_pt_33_failure_stops_no_other_target(tmp_path: Path) -> None:
    results = three(tmp_path).run(patch_map(THREE, "a", "b", "c"), {"a": "1", "c": "3"})

    assert [(row.id, row.word) for row in results] == [("a", "changed"), ("b", "failed"), ("c", "changed")]
    assert outcome(results) == Outcome.SOME_FAILED


def test_pt_33_fail_fast_stops(tmp_path: Path) -> None:
    world = three(tmp_path)

    results = world.run(patch_map(THREE, "a", "b", "c"), {"a": "1", "c": "3"}, fail_fast=True)

    assert [(row.id, row.word) for row in results] == [("a", "changed"), ("b", "failed"), ("c", "skipped")]
    assert codes(results[2]) == ["FF01 note"]
    assert world.cluster.writes == ["merge Secret/ns/a"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ProviderLoginError("VL09", "no login"), Outcome.NO_LOGIN),
        (SourceError("VL08", "not decrypted", code=Outcome.DECRYPTION), Outcome.DECRYPTION),
        (SourceError("VL04", "refused"), Outcome.SOME_FAILED),
    ],
)
def test_exit_code_when_one_cause_stopped_every_target(tmp_path: Path, error: SourceError, code: Outcome) -> None:
    wanted = patch_map(THREE, "a", "b", "c")

    assert outcome(three(tmp_path).run(wanted, {"a": error, "b": error, "c": error})) == code
    assert outcome(three(tmp_path).run(wanted, {"a": error, "b": error, "c": "v"})) == Outcome.SOME_FAILED


def test_exit_code_of_warnings(tmp_path: Path) -> None:
    world = World(tmp_path / "c", [secret(name="other")])

    results = world.run(one_target("{a: x}", "x"), {"x": "v"})

    assert outcome(results) == Outcome.DONE
    assert outcome(results, strict=True) == Outcome.SOME_FAILED


def test_nothing_shows_a_value(tmp_path: Path) -> None:
    from secrettool.patcher.case import look
    from secrettool.patcher.plan import Planning, plan

    world = World(tmp_path / "c", [secret({"a": "canary-live"})])
    wanted = one_target("{a: x}", "x")
    case = look(wanted.targets[0], REF, world.around)
    made = plan(case, GivenSources({"x": "canary-new"}).resolve(["x"]), Planning())

    assert "canary" not in f"{case!r}{made!r}{made.request!r}{made.result()!r}"
    assert made.word == "changed"
