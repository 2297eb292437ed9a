"""The guard: what it refuses, what it lets pass, and how it compares with the real Flux."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrettool.errors import GuardError, Outcome
from secrettool.hook.guard import guard
from secrettool.hook.model import MAX_ERRORS, HookConfig
from secrettool.placeholders import ALLOW, PlaceholderPolicy
from tests.hook.cases import Case, all_cases, of_mode, stage

EXTENDED = HookConfig()
FLUX = HookConfig(parity="flux")
SEALED = "ENC[AES256_GCM,data:c2VjcmV0LW1hcmtlcg==,iv:aXY=,tag:dGFn,type:str]"
MARKER = "c2VjcmV0LW1hcmtlcg"
DISABLED = {"kustomize.toolkit.fluxcd.io/decrypt": "Disabled"}
DOCUMENTS = {
    "yaml": f"a: {SEALED}\nsops:\n    mac: {SEALED}\n",
    "json": f'{{"a": "{SEALED}", "sops": {{"mac": "{SEALED}"}}}}',
    "dotenv": f"A={SEALED}\nsops_mac={SEALED}\n",
    "ini": f"[x]\na = {SEALED}\n[sops]\nmac = {SEALED}\n",
}


def secret(*, annotations: dict[str, str] | None = None, **fields: Any) -> dict[str, Any]:
    """A Secret with these fields."""
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "n", "annotations": annotations or {}}, **fields}


def encoded(text: str) -> str:
    """Base64 of a text."""
    return b64encode(text.encode()).decode()


def refusals(*objs: dict[str, Any], config: HookConfig = EXTENDED) -> list[tuple[str, str | None, str | None]]:
    """Code, object and key of everything that is refused."""
    return [(error.rule, error.file, error.where) for error in guard(objs, config)]


# ---- sections ------------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["Secret", "ConfigMap", "Kustomization"])
def test_da_40_a_sops_section_is_refused_in_any_kind(kind: str) -> None:
    obj = {"apiVersion": "x/v1", "kind": kind, "metadata": {"name": "a"}, "sops": {"mac": SEALED}}
    assert refusals(obj) == [("HK001", f"{kind}/a", None)]


@pytest.mark.parametrize("empty", [None, {}, []])
def test_da_40_an_empty_sops_section_passes(empty: object) -> None:
    assert refusals(secret(data={"a": "Yg=="}, sops=empty)) == []


@pytest.mark.parametrize("section", ["", "text", {"mac": ""}, [1], 0])
def test_da_40_a_section_that_holds_anything_is_refused(section: object) -> None:
    assert refusals(secret(sops=section)) == [("HK001", "Secret/n/s", None)]


# ---- ciphertext ----------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("obj", "key"),
    [
        (secret(stringData={"k": SEALED}), "/stringData/k"),
        (secret(data={"k": SEALED}), "/data/k"),
        (secret(data={"k": encoded(SEALED)}), "/data/k"),
        (secret(data={"k": encoded(SEALED) + "\n"}), "/data/k"),
        (secret(stringData={"a.yaml": f"user: {SEALED}\n"}), "/stringData/a.yaml"),
        (secret(data={"a.yaml": encoded(f"# {SEALED}\n")}), "/data/a.yaml"),
        (secret(type=SEALED), "/type"),
        (secret(annotations={"a/b": SEALED}), "/metadata/annotations/a~1b"),
        ({"apiVersion": "v1", "kind": "ConfigMap", "data": {"k": SEALED}}, "/data/k"),
        ({"apiVersion": "v1", "kind": "ConfigMap", "binaryData": {"k": encoded(SEALED)}}, "/binaryData/k"),
        ({"apiVersion": "x/v1", "kind": "Secret", "data": {"k": encoded(SEALED)}}, "/data/k"),
        ({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"env": [{"name": "A"}, {"value": SEALED}]}}, "/spec/env/1/value"),
        ({"apiVersion": "v1", "kind": "ConfigMap", "status": {"x": SEALED}}, "/status/x"),
    ],
)
def test_da_40_ciphertext_is_refused_wherever_it_stands(obj: dict[str, Any], key: str) -> None:
    assert [(code, where) for code, _, where in refusals(obj)] == [("HK150", key)]


@pytest.mark.parametrize("store", DOCUMENTS)
@pytest.mark.parametrize("field", ["data", "stringData"])
def test_da_40_an_entry_that_is_an_encrypted_document_is_refused(store: str, field: str) -> None:
    text = DOCUMENTS[store]
    obj = secret(**{field: {"app": encoded(text) if field == "data" else text}})
    assert refusals(obj) == [("HK151", "Secret/n/s", f"/{field}/app")]


@pytest.mark.parametrize(("field", "wrap"), [("data", str), ("binaryData", encoded)])
def test_da_40_a_config_map_with_an_encrypted_document_is_refused(field: str, wrap: Any) -> None:
    obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, field: {"app.yaml": wrap(DOCUMENTS["yaml"])}}
    assert refusals(obj) == [("HK151", "ConfigMap/c", f"/{field}/app.yaml")]


def test_da_40_a_split_dotenv_file_is_refused() -> None:
    obj = secret(data={"A": encoded(SEALED), "sops_mac": encoded(SEALED), "sops_version": encoded("3.13.2")})
    assert refusals(obj) == [("HK150", "Secret/n/s", "/data/A"), ("HK150", "Secret/n/s", "/data/sops_mac")]


@pytest.mark.parametrize("text", ["[sops](https://example.invalid) opens it", "mac: ENC[", "values look like ENC[...]", "ENC[AES128,x]"])
def test_da_40_texts_about_sops_pass(text: str) -> None:
    assert refusals(secret(stringData={"README": text}), {"apiVersion": "v1", "kind": "ConfigMap", "data": {"README": text}}) == []


def test_da_40_an_object_that_asks_for_it_may_hold_ciphertext() -> None:
    assert refusals(secret(annotations=DISABLED, stringData={"k": SEALED, "a.yaml": DOCUMENTS["yaml"]}, sops={"mac": SEALED})) == []


def test_da_40_an_object_that_asks_for_it_may_hold_nothing_else() -> None:
    assert refusals(secret(annotations=DISABLED, stringData={"k": "REPLACE_ME"})) == [("HK152", "Secret/n/s", "/stringData/k")]


# ---- lists ---------------------------------------------------------------------------------------------------------------------------------------


def test_da_40_items_of_a_list_are_looked_at_one_by_one() -> None:
    listed = {"apiVersion": "v1", "kind": "List", "items": [secret(data={"k": encoded(SEALED)}), secret(data={"k": "Yg=="})]}
    assert refusals(listed) == [("HK150", "Secret/n/s", "/data/k")]


def test_da_40_the_section_of_a_list_is_refused() -> None:
    assert refusals({"apiVersion": "v1", "kind": "List", "items": [], "sops": {"mac": SEALED}}) == [("HK001", "List", None)]


# ---- placeholders --------------------------------------------------------------------------------------------------------------------------------


def test_da_40_a_placeholder_is_refused() -> None:
    issuer = {"apiVersion": "cert-manager.io/v1", "kind": "ClusterIssuer", "metadata": {"name": "i"}, "spec": {"email": "REPLACE_ME"}}
    assert refusals(secret(data={"k": "UkVQTEFDRV9NRQo="}), issuer) == [
        ("HK152", "Secret/n/s", "/data/k"),
        ("HK152", "ClusterIssuer/i", "/spec/email"),
    ]


@pytest.mark.parametrize(
    ("obj", "text"),
    [
        (secret(data={"k": "REPLACE_ME"}), "a placeholder, and not in base64 as everything in data must be"),
        (secret(stringData={"k": "REPLACE_ME_x"}), "a placeholder"),
        (secret(stringData={"k": "u:REPLACE_ME"}), "a placeholder inside a longer text"),
        (secret(stringData={"k": json.dumps({"a": "REPLACE_ME", "b": ["REPLACE_ME"]})}), "placeholders inside at /a, /b/0"),
        (secret(stringData={"k": json.dumps(["REPLACE_ME"] * 9)}), "placeholders inside at /0, /1, /2, /3, /4, 4 more"),
    ],
)
def test_da_40_a_placeholder_is_described(obj: dict[str, Any], text: str) -> None:
    assert [error.message for error in guard([obj], EXTENDED)] == [text]


def test_da_40_placeholders_pass_when_they_are_allowed() -> None:
    assert refusals(secret(stringData={"k": "REPLACE_ME"}), config=HookConfig(placeholders=ALLOW)) == []


def test_da_40_other_tokens_are_placeholders_when_the_policy_says_so() -> None:
    policy = PlaceholderPolicy(True, ("CHANGE_ME",))
    objs = secret(stringData={"a": "REPLACE_ME", "b": "CHANGE_ME"})
    assert refusals(objs, config=HookConfig(placeholders=policy)) == [("HK152", "Secret/n/s", "/stringData/b")]


# ---- size ----------------------------------------------------------------------------------------------------------------------------------------


def test_da_40_a_secret_of_just_the_limit_passes() -> None:
    assert refusals(secret(data={"a": encoded("x" * 1_048_575)}, stringData={"b": "y"})) == []


def test_da_40_a_secret_above_the_limit_is_refused() -> None:
    assert refusals(secret(data={"a": encoded("x" * 1_048_575)}, stringData={"b": "ä"})) == [("HK153", "Secret/n/s", None)]


def test_da_40_an_entry_in_both_fields_counts_once() -> None:
    assert refusals(secret(data={"a": encoded("x" * 1_048_576)}, stringData={"a": "y"})) == []


# ---- generators ----------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "kind"),
    [
        ("secrettool.dev/v1alpha1", "SecretGenerator"),
        ("secrettool.dev/v1alpha1", "Decrypt"),
        ("viaduct.ai/v1", "ksops"),
        ("example.invalid/v1", "ksops"),
        ("viaduct.ai/v1", "ksops-exec"),
        ("builtin", "SecretGenerator"),
        ("kustomize.config.k8s.io/v1beta1", "Kustomization"),
        ("goabout.com/v1beta1", "SopsSecretGenerator"),
    ],
)
def test_da_33_a_generator_that_did_not_run_is_refused(version: str, kind: str) -> None:
    assert refusals({"apiVersion": version, "kind": kind, "metadata": {"name": "g"}}) == [("HK154", f"{kind}/g", None)]


def test_da_33_the_configuration_of_a_function_is_refused() -> None:
    function = {"config.kubernetes.io/function": "exec: {path: secrettool}"}
    assert refusals({"apiVersion": "x/v1", "kind": "Y", "metadata": {"name": "f", "annotations": function}}) == [("HK154", "Y/f", None)]


@pytest.mark.parametrize(
    ("version", "kind"), [("kustomize.toolkit.fluxcd.io/v1", "Kustomization"), ("external-secrets.io/v1", "ExternalSecret"), ("v1", "Secret")]
)
def test_da_33_kinds_that_a_cluster_knows_pass(version: str, kind: str) -> None:
    assert refusals({"apiVersion": version, "kind": kind, "metadata": {"name": "g"}}) == []


# ---- errors --------------------------------------------------------------------------------------------------------------------------------------


def test_da_23_everything_that_is_wrong_is_collected_up_to_a_limit() -> None:
    assert len(guard([secret(stringData={"a": SEALED, "b": "REPLACE_ME"})] * 20, EXTENDED)) == 40
    assert len(guard([secret(stringData={"a": SEALED})] * 90, EXTENDED)) == MAX_ERRORS


def test_da_23_a_refusal_ends_with_code_5() -> None:
    (error,) = guard([secret(sops=1)], EXTENDED)
    assert isinstance(error, GuardError) and error.code == Outcome.REFUSED


def test_an_object_without_a_name_is_counted() -> None:
    assert [error.file for error in guard([{}, {"sops": 1}], EXTENDED)] == ["object 2"]


@given(st.sampled_from(sorted(DOCUMENTS)), st.sampled_from(["data", "stringData", "sops", "spec"]), st.booleans())
def test_da_22_refusals_hold_no_value(store: str, field: str, coded: bool) -> None:
    text = DOCUMENTS[store] + "REPLACE_ME hunter2-marker"
    for error in guard([secret(**{field: {"k": encoded(text) if coded else text, "l": SEALED, "m": "REPLACE_ME hunter2-marker"}})], EXTENDED):
        shown = f"{error} {error.hint} {error!r}"
        assert MARKER not in shown and "hunter2" not in shown


# ---- the real Flux -------------------------------------------------------------------------------------------------------------------------------


class Rendered(NamedTuple):
    """The objects of one pass behind the resource stage, and whether Flux's guard refused them."""

    case: Case
    objects: list[dict[str, Any]]
    refused: bool


def rendered() -> Iterator[Rendered]:
    """Every pass of the vectors that came as far as the guard."""
    for case in of_mode("pass"):
        for result in case.results():
            if stage(result) in (None, "guard"):
                yield Rendered(case, result["objects"], stage(result) == "guard")


def test_the_vectors_have_passes_of_both_kinds() -> None:
    found = [row.refused for row in rendered()]
    assert found.count(True) >= 2 and found.count(False) >= 20


@pytest.mark.parametrize("row", list(rendered()), ids=lambda row: row.case.id)
def test_strict_parity_refuses_what_flux_refuses(row: Rendered) -> None:
    found = refusals(*row.objects, config=FLUX)
    assert bool(found) == row.refused
    assert {code for code, _, _ in found} <= {"HK001"}


@pytest.mark.parametrize("row", [row for row in rendered() if row.refused], ids=lambda row: row.case.id)
def test_what_flux_refuses_is_refused_by_default_too(row: Rendered) -> None:
    assert refusals(*row.objects)


def case_objects(name: str) -> list[dict[str, Any]]:
    """The objects of a pass behind the resource stage, by the newer controller."""
    objects: list[dict[str, Any]] = all_cases()[name].expected()["objects"]
    return objects


def test_da_05_ciphertext_in_string_data_is_refused_where_flux_is_silent() -> None:
    assert refusals(*case_objects("guard-string-data")) == [("HK001", "Secret/x", None)]


def test_da_05_ciphertext_is_refused_after_normalisation_too() -> None:
    applied = all_cases()["guard-string-data"].expected()["applied"]
    assert "sops" not in applied[0]
    assert refusals(*applied) == [("HK150", "Secret/x", "/data/a")]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("guard-config-map", [("HK001", "ConfigMap/x", None)]),
        ("guard-entry", [("HK151", "Secret/app", "/data/a.yaml")]),
        ("guard-other-group", [("HK001", "Secret/x", None)]),
        ("guard-data", [("HK001", "Secret/x", None)]),
        ("guard-both", [("HK001", "Secret/x", None)]),
        ("guard-empty-sops", []),
        ("guard-disabled-annotation", []),
    ],
)
def test_da_40_objects_of_the_vectors(name: str, expected: list[tuple[str, str | None, str | None]]) -> None:
    assert refusals(*case_objects(name)) == expected


@pytest.mark.parametrize("case", [case for case in all_cases().values() if "DA-40" in case.departs], ids=lambda case: case.id)
def test_da_40_every_departure_of_the_vectors_is_refused(case: Case) -> None:
    assert refusals(*case.expected()["objects"])


def left_encrypted() -> Iterator[tuple[str, dict[str, Any]]]:
    """Objects in which Flux left ciphertext behind although it reported no error, by the names of their cases."""
    for case in of_mode("objects"):
        for number, results in enumerate(case.outcomes() if "outcomes" in case.expected() else ()):
            for result in results:
                obj = result.get("object")
                if obj is not None and "ENC[AES256_GCM,data:" in json.dumps(obj) and "disabled" not in case.id:
                    yield f"{case.id}-{number}", obj


@pytest.mark.parametrize(("name", "obj"), [pytest.param(*row, id=row[0]) for row in left_encrypted()])
def test_da_40_what_flux_leaves_encrypted_is_refused(name: str, obj: dict[str, Any]) -> None:
    assert refusals(obj), name
