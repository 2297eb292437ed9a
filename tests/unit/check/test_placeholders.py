"""The rules for placeholders (PT-03): for each a case where it speaks and one where it does not."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrettool.findings import FORMS, render
from secrettool.flux.selectors import RECONCILE, SSA
from tests.unit.check.maps import HEAD, MAP, REF, findings, only, target
from tests.unit.check.trees import Files, flux, sealed, secret

ONCE = {SSA: "IfNotPresent"}
CANARY = "canary-7Hq2ZtY9LpW4sVb8Xc3N"
ISSUER_REF = "{apiVersion: cert-manager.io/v1, kind: ClusterIssuer, name: le}"


def tree(annotations: dict[str, str] | None = ONCE, **fields: Any) -> Files:
    """A Secret that Flux applies."""
    return {"flux.yaml": flux("apps"), "apps/s.yaml": secret(annotations, **fields)}


def issuer(annotations: str = "", email: str = "REPLACE_ME", spec: str = "") -> str:
    return (
        f"apiVersion: cert-manager.io/v1\nkind: ClusterIssuer\nmetadata:\n  name: le\n  annotations: {{{annotations}}}\n"
        f"spec:\n  acme:\n    email: {email}\n{spec}"
    )


def json_text(**values: Any) -> str:
    return json.dumps(values)


# ---- PH001 ---------------------------------------------------------------------------------------------------------------------------------------


def test_pt_03_ph001_placeholder_that_the_map_does_not_fill() -> None:
    (found,) = only("PH001", findings(tree(stringData={"k": "REPLACE_ME", "l": "REPLACE_ME"}), target("l: v")))

    assert (found.severity, found.file, found.line, found.subject, found.key) == ("error", "apps/s.yaml", 12, "Secret/shop/s", "k")


def test_pt_03_ph001_says_nothing_about_what_the_map_fills() -> None:
    files = tree(stringData={"k": "REPLACE_ME"}, data={"l": "UkVQTEFDRV9NRQ=="})

    assert only("PH001", findings(files, target("k: v, l: v"))) == []


def test_pt_03_ph001_is_a_warning_without_a_map() -> None:
    (found,) = only("PH001", findings(tree(stringData={"k": "REPLACE_ME"})))

    assert found.severity == "warning"
    assert found.hint is not None and "patch init" in found.hint


def test_pt_03_ph001_in_another_kind_names_the_pointer_and_its_line() -> None:
    (found,) = only("PH001", findings({"a.yaml": "# note\n---\n" + issuer()}, target("k: v")))

    assert (found.line, found.subject, found.key) == (10, "ClusterIssuer/le", "/spec/acme/email")


def test_pt_03_ph001_tokens_are_those_of_the_map() -> None:
    head = HEAD.replace("values:", "placeholders: {tokens: [CHANGE_ME]}\nvalues:")

    found = only("PH001", findings(tree(stringData={"k": "CHANGE_ME", "l": "REPLACE_ME"}), target("m: v"), head=head))

    assert [each.key for each in found] == ["k"]


def test_pt_03_ph001_same_object_in_two_overlays_is_named_once() -> None:
    files = {
        "one.yaml": flux("one"),
        "two.yaml": flux("two", "other"),
        "one/kustomization.yaml": "resources: [../base]\n",
        "two/kustomization.yaml": "resources: [../base]\ncommonLabels: {a: b}\n",
        "base/kustomization.yaml": "resources: [s.yaml]\n",
        "base/s.yaml": secret(ONCE, stringData={"k": "REPLACE_ME"}),
    }

    assert len(only("PH001", findings(files))) == 1


def test_pt_03_a_map_is_no_manifest_with_placeholders() -> None:
    assert findings({"maps/patch.yaml": HEAD.replace("values:", "placeholders: {tokens: [REPLACE_ME]}\nvalues:") + target("k: v")}) == []


def test_pt_03_a_patch_is_looked_at_where_it_is_applied() -> None:
    patch = {"patch": '{"stringData": {"k": "REPLACE_ME"}}', "target": {"kind": "Secret"}}
    files = {"flux.yaml": flux("apps", patches=[patch]), "apps/s.yaml": secret(ONCE, stringData={"l": "x"})}

    assert [(each.file, each.key) for each in only("PH001", findings(files))] == [("apps/s.yaml", "k")]


def test_pt_03_what_is_no_object_is_left_alone() -> None:
    assert findings({"compose.yaml": "services: {db: {environment: {PASSWORD: REPLACE_ME}}}\n"}) == []


# ---- PH003 and AN08, where reconciliation does not look ------------------------------------------------------------------------------------------


def test_pt_03_ph003_other_kind_without_protection() -> None:
    files = {"flux.yaml": flux("apps"), "apps/i.yaml": issuer()}

    (found,) = only("PH003", findings(files, target("/spec/acme/email: v", ref=ISSUER_REF)))

    assert (found.severity, found.line, found.key) == ("warning", 8, "/spec/acme/email")


@pytest.mark.parametrize("more", ["once", "rule", "common metadata"])
def test_pt_03_ph003_other_kind_with_protection(more: str) -> None:
    spec: dict[str, Any] = {}
    if more == "rule":
        spec = {"ignore": [{"paths": ["/spec/acme/email"]}]}
    elif more == "common metadata":
        spec = {"commonMetadata": {"annotations": ONCE}}
    files = {"flux.yaml": flux("apps", **spec), "apps/i.yaml": issuer(f"{SSA}: IfNotPresent" if more == "once" else "")}

    assert only("PH003", findings(files)) == []


def test_pt_03_ph003_weakest_of_two_kustomizations_counts() -> None:
    rule = [{"paths": ["/spec/acme/email"]}]
    files = {"one.yaml": flux("apps", ignore=rule), "two.yaml": flux("apps", "other"), "apps/i.yaml": issuer()}

    assert len(only("PH003", findings(files))) == 1


def test_pt_03_ph003_manifest_whose_kustomization_is_elsewhere() -> None:
    assert [each.code for each in findings({"s.yaml": secret(stringData={"k": "REPLACE_ME"})})] == ["PH001", "PH003"]
    assert [each.code for each in findings({"s.yaml": secret(ONCE, stringData={"k": "REPLACE_ME"})})] == ["PH001"]


@pytest.mark.parametrize("annotation", [f"{RECONCILE}: disabled", f"{SSA}: Ignore"])
def test_pt_03_an08_object_that_flux_never_creates(annotation: str) -> None:
    files = {"flux.yaml": flux("apps"), "apps/i.yaml": issuer(annotation)}

    (found,) = only("AN08", findings(files, target("/spec/acme/email: v", ref=ISSUER_REF)))

    assert (found.severity, found.line) == ("warning", 8)


def test_pt_03_an08_says_nothing_when_a_target_creates_it() -> None:
    files = {"s.yaml": secret({RECONCILE: "disabled"}, stringData={"k": "REPLACE_ME"})}

    assert len(only("AN08", findings(files, target("k: v")))) == 1
    assert only("AN08", findings(files, target("k: v", more=" create: from-manifest,"))) == []


def test_da_27_literal_field_that_the_map_fills_is_set_back() -> None:
    mapping = target("/spec/acme/email: v", ref=ISSUER_REF)

    (found,) = only("AN01", findings({"flux.yaml": flux("apps"), "apps/i.yaml": issuer(email="a@example.org")}, mapping))

    assert (found.line, found.key) == (8, "/spec/acme/email")
    assert only("AN01", findings({"flux.yaml": flux("apps"), "apps/i.yaml": issuer(f"{SSA}: IfNotPresent", "a@example.org")}, mapping)) == []


# ---- PH004 ---------------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("api_version", "kind"),
    [
        ("cert-manager.io/v1", "ClusterIssuer"),
        ("cert-manager.io/v1", "Issuer"),
        ("networking.k8s.io/v1", "Ingress"),
        ("helm.toolkit.fluxcd.io/v2", "HelmRelease"),
    ],
)
def test_pt_03_ph004_kind_whose_controller_acts_at_once(api_version: str, kind: str) -> None:
    text = issuer().replace("cert-manager.io/v1", api_version).replace("ClusterIssuer", kind)

    assert [each.severity for each in only("PH004", findings({"a.yaml": text}))] == ["warning"]


@pytest.mark.parametrize(
    "text",
    [
        issuer().replace("ClusterIssuer", "Widget"),
        issuer().replace("cert-manager.io", "example.org"),
        issuer(email="a@example.org"),
        issuer(f"{RECONCILE}: disabled"),
        issuer(spec="  suspend: true\n"),
    ],
    ids=["another kind", "another group", "no placeholder", "never created", "suspended"],
)
def test_pt_03_ph004_says_nothing_when_nothing_acts(text: str) -> None:
    assert only("PH004", findings({"a.yaml": text})) == []


# ---- PH005 ---------------------------------------------------------------------------------------------------------------------------------------


def test_pt_03_ph005_raw_placeholder_under_data() -> None:
    (found,) = only("PH005", findings(tree(data={"k": "REPLACE_ME"}), target("k: v")))

    assert (found.severity, found.key) == ("error", "k")


def test_pt_03_ph005_says_nothing_about_base64() -> None:
    assert only("PH005", findings(tree(data={"k": "UkVQTEFDRV9NRQo="}, stringData={"l": "REPLACE_ME"}), target("k: v, l: v"))) == []


# ---- PH006 ---------------------------------------------------------------------------------------------------------------------------------------

CONFIG = json_text(a="REPLACE_ME", b={"c": "REPLACE_ME_x"}, d="plain")


def test_pt_03_ph006_value_in_the_place_of_a_text() -> None:
    (found,) = only("PH006", findings(tree(stringData={"k": "postgres://u:REPLACE_ME@h/db"}), target("k: v")))

    assert (found.severity, found.key) == ("error", "k")


def test_pt_03_ph006_fill_that_leaves_some() -> None:
    (found,) = only("PH006", findings(tree(stringData={"k": CONFIG}), target('k: {fill: {/a: "{{ v }}"}}')))

    assert found.text == "placeholders that fill leaves: /b/c"


def test_pt_03_ph006_fill_of_a_text_without_structure() -> None:
    (found,) = only("PH006", findings(tree(stringData={"k": "x REPLACE_ME y"}), target('k: {fill: {/a: "{{ v }}"}}')))

    assert found.hint == "use template"


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (CONFIG, 'k: {fill: {/a: "{{ v }}", /b/c: "{{ w }}"}}'),
        ("u:REPLACE_ME@h", 'k: {template: "u:{{ v }}@h"}'),
        (CONFIG, 'k: {json: {a: "{{ v }}"}}'),
        ("REPLACE_ME", "k: v"),
        ("REPLACE_ME_note", "k: v"),
        ("u:REPLACE_ME@h", "k: {absent: true}"),
    ],
)
def test_pt_03_ph006_says_nothing_when_the_text_is_made(text: str, rule: str) -> None:
    assert only("PH006", findings(tree(stringData={"k": text}), target(rule))) == []


# ---- PH009 ---------------------------------------------------------------------------------------------------------------------------------------


def test_pt_03_ph009_secret_in_another_key() -> None:
    (found,) = only("PH009", findings(tree(stringData={"k": "REPLACE_ME", "l": CANARY}), target("k: v")))

    assert (found.severity, found.line, found.key) == ("warning", 13, "l")


def test_pt_03_ph009_secret_in_the_rest_of_the_text() -> None:
    text = issuer().replace("REPLACE_ME", f"'REPLACE_ME {CANARY}'")

    assert [each.key for each in only("PH009", findings({"a.yaml": text}))] == ["/spec/acme/email"]


@pytest.mark.parametrize(
    "fields",
    [
        {"stringData": {"k": "REPLACE_ME_run_openssl_rand_-base64_60_and_paste_here", "l": "https://auth.example.org/oauth2"}},
        {"stringData": {"l": CANARY}},
        {"data": {"k": "UkVQTEFDRV9NRQ==", "l": b64encode(b"plain words in a row").decode()}},
    ],
    ids=["words", "no placeholder", "base64 of words"],
)
def test_pt_03_ph009_says_nothing(fields: dict[str, Any]) -> None:
    assert only("PH009", findings(tree(**fields))) == []


def test_pt_03_ph009_knows_the_login_of_a_registry() -> None:
    logins = json_text(auths={"r.example.org": {"auth": b64encode(b"somebody:REPLACE_ME").decode()}})

    found = findings(tree(stringData={".dockerconfigjson": logins}))

    assert only("PH009", found) == []
    assert len(only("PH001", found)) == 1


# ---- PH010 ---------------------------------------------------------------------------------------------------------------------------------------


def test_pt_03_ph010_literal_where_the_map_fills() -> None:
    (found,) = only("PH010", findings(tree(stringData={"k": "hunter2"}), target("k: v")))

    assert (found.severity, found.line, found.key) == ("error", 12, "k")


def test_pt_03_ph010_leaf_that_fill_sets() -> None:
    text = json_text(a="REPLACE_ME", b={"c": "hunter2"}, d="plain")

    (found,) = only("PH010", findings(tree(stringData={"k": text}), target('k: {fill: {/a: "{{ v }}", /b/c: "{{ w }}"}}')))

    assert found.key == "k: /b/c"


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"stringData": {"k": "REPLACE_ME"}}, "k: v"),
        ({"stringData": {"k": " "}}, "k: v"),
        ({"stringData": {"k": "x"}}, "k: {absent: true}"),
        ({"stringData": {"k": "x"}}, "l: v"),
        ({"stringData": {"k": CONFIG}}, 'k: {fill: {/a: "{{ v }}", /b/c: "{{ v }}"}}'),
        ({"data": {"k": "UkVQTEFDRV9NRQ=="}}, "k: v"),
    ],
    ids=["placeholder", "blank", "absent", "another key", "fill", "base64"],
)
def test_pt_03_ph010_says_nothing(fields: dict[str, Any], rule: str) -> None:
    assert only("PH010", findings(tree(**fields), target(rule))) == []


def test_pt_03_ph010_ciphertext_is_no_literal() -> None:
    files = {"flux.yaml": flux("apps", decryption={"provider": "sops"}), "apps/s.yaml": sealed(secret(stringData={"k": "v", "l": "w"}), "^k$")}

    assert [each.key for each in only("PH010", findings(files, target("k: v, l: v")))] == ["l"]


# ---- what is never said --------------------------------------------------------------------------------------------------------------------------


def test_pt_31_no_form_shows_a_value() -> None:
    """A canary in every place near a placeholder."""
    fields = {
        "stringData": {
            "k": f"REPLACE_ME_{CANARY}",
            "l": CANARY,
            "m": f"x {CANARY} REPLACE_ME",
            "n": json_text(a="REPLACE_ME", b=CANARY),
        },
        "data": {"o": b64encode(CANARY.encode()).decode(), "p": f"REPLACE_ME {CANARY}"},
    }
    files = {
        **tree(None, **fields),
        "apps/i.yaml": issuer(email=f"'REPLACE_ME {CANARY}'"),
        "apps/broken.yaml": f"apiVersion: v1\na: [{CANARY}\n",
        "wrong.yaml": flux("apps", prune=CANARY),
        "apps/d.yaml": sealed(secret(name="d", stringData={"k": CANARY}), "^k$"),
    }
    found = findings(files, target('l: v, m: v, n: {fill: {/b: "{{ v }}"}}, o: v'))

    assert {"PH001", "PH003", "PH004", "PH005", "PH006", "PH009", "PH010", "MF03", "MF04", "HK001"} <= {each.code for each in found}
    for form in FORMS:
        for secret_text in (CANARY, b64encode(CANARY.encode()).decode(), "REPLACE_ME_c"):
            assert secret_text not in render(found, form)


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=40).filter(lambda text: "REPLACE_ME" not in text), max_size=4))
def test_text_without_a_token_is_no_finding(values: dict[str, str]) -> None:
    manifest = secret(None, stringData=values, data={f"b{key}": b64encode(text.encode()).decode() for key, text in values.items()})

    assert findings({"flux.yaml": flux("apps"), "apps/s.yaml": manifest}) == []


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=20) | st.sampled_from(["REPLACE_ME", "a REPLACE_ME b"]), min_size=1, max_size=4))
def test_findings_of_any_secret_name_lines_of_the_file(values: dict[str, str]) -> None:
    files = {"flux.yaml": flux("apps"), "apps/s.yaml": secret(None, stringData=values)}

    for found in findings(files, target("k: v", ref=REF)):
        assert found.file in (*files, MAP)
        assert found.line is not None
        assert found.file == MAP or found.line <= len(files[found.file].splitlines())
