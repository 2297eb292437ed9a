"""Findings and their four forms."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import secrettool
from secrettool.errors import GuardError
from secrettool.findings import FORMS, Finding, render
from secrettool.findings.github import escape_data, escape_property
from secrettool.findings.rules import TITLES

FULL = Finding("HK150", "error", "ciphertext", "apps/a b,c.yaml", 7, "Secret/n/s", "/data/k", "decrypt it")
BARE = Finding("HK007", "warning", "a decrypted value")
NOTE = Finding("PH003", "note", "50% done", subject="Secret/x")
PACKAGE = Path(secrettool.__file__).parent
REFERENCE = PACKAGE.parent / "docs" / "reference" / "hook-codes.md"

texts = st.text(max_size=20)
findings = st.builds(
    Finding,
    st.sampled_from(sorted(TITLES)),
    st.sampled_from(["error", "warning", "note"]),
    texts.filter(bool),
    st.none() | texts,
    st.none() | st.integers(1, 9999),
    st.none() | texts,
    st.none() | texts,
    st.none() | texts,
)


# ---- one finding ---------------------------------------------------------------------------------------------------------------------------------


def test_a_finding_reads_as_code_place_object_key_and_text() -> None:
    assert str(FULL) == "HK150 apps/a b,c.yaml:7: Secret/n/s: /data/k: ciphertext"
    assert str(BARE) == "HK007 a decrypted value"


def test_a_line_without_a_file_is_named_as_one() -> None:
    assert str(Finding("HK150", "error", "text", line=3, subject="Secret/x")) == "HK150 line 3: Secret/x: text"


def test_an_error_becomes_a_finding_with_its_place() -> None:
    error = GuardError("HK152", "a placeholder", subject="Secret/n/s", key="/data/k", hint="fill it")
    assert Finding.of(error, file="a.yaml", line=2) == Finding("HK152", "error", "a placeholder", "a.yaml", 2, "Secret/n/s", "/data/k", "fill it")


# ---- text ----------------------------------------------------------------------------------------------------------------------------------------


def test_da_22_text_is_a_line_for_each_finding_with_its_hint() -> None:
    assert render([FULL, BARE], "text") == f"{FULL}\nhint: decrypt it\n{BARE}\n"


def test_da_22_a_hint_stands_once_below_those_that_share_it() -> None:
    other = FULL._replace(key="/data/l")
    assert render([FULL, other], "text") == f"{FULL}\n{other}\nhint: decrypt it\n"


@given(st.lists(findings, max_size=5))
def test_da_22_no_name_makes_a_line_of_its_own(some: list[Finding]) -> None:
    lines = render(some, "text").splitlines()
    assert all(re.match(r"[A-Z]{2}\d+ |hint: ", line) for line in lines)
    assert len([line for line in lines if not line.startswith("hint: ")]) == len(some)


# ---- json ----------------------------------------------------------------------------------------------------------------------------------------


def test_json_has_every_field_and_totals() -> None:
    assert json.loads(render([FULL, BARE], "json")) == {
        "schema": "secrettool.findings/1",
        "findings": [
            {
                "code": "HK150",
                "severity": "error",
                "text": "ciphertext",
                "file": "apps/a b,c.yaml",
                "line": 7,
                "subject": "Secret/n/s",
                "key": "/data/k",
                "hint": "decrypt it",
            },
            {
                "code": "HK007",
                "severity": "warning",
                "text": "a decrypted value",
                "file": None,
                "line": None,
                "subject": None,
                "key": None,
                "hint": None,
            },
        ],
        "totals": {"error": 1, "warning": 1, "note": 0},
    }


@given(st.lists(findings, max_size=5))
def test_json_gives_the_findings_back(some: list[Finding]) -> None:
    assert [Finding(**row) for row in json.loads(render(some, "json"))["findings"]] == some


# ---- github --------------------------------------------------------------------------------------------------------------------------------------


def test_pt_30_github_has_a_command_for_each_severity() -> None:
    assert render([FULL, BARE, NOTE], "github").splitlines() == [
        "::error file=apps/a b%2Cc.yaml,line=7,title=HK150::Secret/n/s: /data/k: ciphertext%0Adecrypt it",
        "::warning title=HK007::a decrypted value",
        "::notice title=PH003::Secret/x: 50%25 done",
    ]


def test_pt_30_data_and_properties_are_escaped() -> None:
    assert escape_data("a%b\r\nc:d,e") == "a%25b%0D%0Ac:d,e"
    assert escape_property("a%b\r\nc:d,e") == "a%25b%0D%0Ac%3Ad%2Ce"


@given(st.lists(findings, max_size=5))
def test_pt_30_no_name_makes_a_command_of_its_own(some: list[Finding]) -> None:
    lines = render(some, "github").splitlines()
    assert len(lines) == len(some)
    assert all(re.match(r"::(error|warning|notice) ([a-z]+=[^:,]*,)*title=[A-Z]{2}\d+::", line) for line in lines)


# ---- sarif ---------------------------------------------------------------------------------------------------------------------------------------


def sarif_run(some: list[Finding]) -> dict[str, Any]:
    """The one run of a SARIF log."""
    log = json.loads(render(some, "sarif"))
    assert log["version"] == "2.1.0"
    assert log["$schema"].endswith("sarif-2.1.0.json")
    (run,) = log["runs"]
    return dict(run)


def test_pt_31_sarif_names_rule_level_file_and_line() -> None:
    (result,) = sarif_run([FULL])["results"]
    assert (result["ruleId"], result["level"]) == ("HK150", "error")
    assert result["message"] == {"text": "Secret/n/s: /data/k: ciphertext (decrypt it)"}
    (location,) = result["locations"]
    assert location["physicalLocation"] == {"artifactLocation": {"uri": "apps/a%20b%2Cc.yaml"}, "region": {"startLine": 7}}
    assert location["logicalLocations"] == [{"fullyQualifiedName": "Secret/n/s: /data/k", "kind": "object"}]


def test_pt_31_sarif_without_a_file_has_no_physical_location() -> None:
    bare, note = sarif_run([BARE, NOTE])["results"]
    assert bare["locations"] == []
    assert list(note["locations"][0]) == ["logicalLocations"]


def test_pt_31_an_absolute_path_is_a_file_uri() -> None:
    (result,) = sarif_run([FULL._replace(file="/tmp/ä.yaml")])["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "file:///tmp/%C3%A4.yaml"


def test_pt_31_the_fingerprint_survives_a_move_and_tells_keys_apart() -> None:
    moved, other = FULL._replace(file="b.yaml", line=99, text="other words"), FULL._replace(key="/data/l")
    prints = [result["partialFingerprints"] for result in sarif_run([FULL, moved, other])["results"]]
    assert prints[0] == prints[1] != prints[2]


@given(st.lists(findings, max_size=5))
def test_pt_31_every_result_has_its_rule(some: list[Finding]) -> None:
    run = sarif_run(some)
    rules = run["tool"]["driver"]["rules"]
    assert [rules[result["ruleIndex"]]["id"] for result in run["results"]] == [finding.code for finding in some]
    assert len({rule["id"] for rule in rules}) == len(rules)
    assert all(rule["shortDescription"]["text"] and rule["help"]["text"] for rule in rules)
    assert all(result["message"]["text"] and set(result["partialFingerprints"]) for result in run["results"])


# ---- all forms -----------------------------------------------------------------------------------------------------------------------------------


def test_nothing_found_is_empty_text_and_an_empty_report() -> None:
    assert [render([], form) for form in ("text", "github")] == ["", ""]
    assert json.loads(render([], "json"))["findings"] == []
    assert sarif_run([])["results"] == []


@pytest.mark.parametrize("form", FORMS)
def test_a_form_ends_with_a_newline(form: Any) -> None:
    assert render([FULL], form).endswith("\n")


# ---- codes ---------------------------------------------------------------------------------------------------------------------------------------


def codes_of_the_program() -> set[str]:
    """Every code that stands in the source as a word of its own."""
    sources = (path.read_text() for path in PACKAGE.rglob("*.py"))
    return {code for source in sources for code in re.findall(r"\"((?:HK|PH|AN)\d+)\"", source)}


def test_every_code_of_the_program_has_a_title() -> None:
    assert codes_of_the_program() - set(TITLES) == set()


def test_da_22_the_reference_explains_every_code_of_the_hook() -> None:
    explained = re.findall(r"^\| `(HK\d+)`", REFERENCE.read_text(), re.MULTILINE)
    assert sorted(explained) == sorted(code for code in TITLES if code.startswith("HK"))
