"""`check`: what is read, what is printed, where, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from tests.cli.conftest import Run
from tests.cli.running import ROOT

CANARY = "canary-7Hq2ZtY9LpW4sVb8Xc3N"
FLUX = """\
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: apps, namespace: flux-system}
spec: {path: ./apps, prune: true}
"""
SECRET = f"""\
# the database
apiVersion: v1
kind: Secret
metadata:
  name: db
  namespace: shop
  annotations: {{kustomize.toolkit.fluxcd.io/ssa: IfNotPresent}}
stringData:
  password: REPLACE_ME
  other: {CANARY}
"""
MAP = """\
apiVersion: secrettool.dev/v1alpha1
kind: PatchMap
values: {v: {env: V}}
targets:
  - id: db
    ref: {kind: Secret, namespace: shop, name: db}
    keys: {%s: v}
"""


@pytest.fixture
def repository(work: Path) -> Path:
    """A repository with one Secret that Flux applies, and no map."""
    (work / ".git").mkdir()
    for name, text in {"clusters/apps.yaml": FLUX, "apps/db.yaml": SECRET}.items():
        (work / name).parent.mkdir(exist_ok=True)
        (work / name).write_text(text)
    return work


def with_map(repository: Path, key: str, place: str = ".secrettool/patch.yaml") -> None:
    """Give the repository a map that fills a key."""
    (repository / place).parent.mkdir(exist_ok=True)
    (repository / place).write_text(MAP % key)


def codes(out: bytes) -> list[str]:
    """The codes of a report in JSON."""
    return [row["code"] for row in json.loads(out)["findings"]]


# ---- how it ends ---------------------------------------------------------------------------------------------------------------------------------


def test_pt_03_warnings_alone_are_code_0(cli: Run, repository: Path) -> None:
    done = cli("check")
    assert done.code == 0
    assert done.out.decode().splitlines() == [
        "PH001 apps/db.yaml:9: Secret/shop/db: password: a placeholder, and there is no map that fills it",
        "hint: `secrettool patch init` writes a map for the placeholders of a repository",
        "PH009 apps/db.yaml:10: Secret/shop/db: other: beside a placeholder stands what looks like a secret",
        "hint: if it is one, replace it wherever it is used: it is in git's history",
    ]
    assert done.err == "secrettool: check: 2 files: 0 errors, 2 warnings, 0 notes\n"


def test_pt_03_an_error_is_code_5(cli: Run, repository: Path) -> None:
    with_map(repository, "missing")
    done = cli("check", "--output", "json")
    assert (done.code, codes(done.out)) == (5, ["PH002", "PH001", "PH009"])


def test_pt_03_strict_lets_warnings_count(cli: Run, repository: Path) -> None:
    assert cli("check", "--strict").code == 5


def test_pt_03_notes_never_count(cli: Run, repository: Path) -> None:
    (repository / "apps/db.yaml").write_text(SECRET.replace(f"  other: {CANARY}\n", "").replace("password: REPLACE_ME", "user: shop"))
    with_map(repository, "password")
    done = cli("check", "--strict", "--output", "json")
    assert (done.code, codes(done.out)) == (0, ["PH002"])


def test_nothing_found_is_empty_text(cli: Run, work: Path) -> None:
    assert cli("check") == (0, b"", "secrettool: check: 0 files: 0 errors, 0 warnings, 0 notes\n")


@pytest.mark.parametrize(
    "words", [["missing"], ["--root", "apps", "clusters"], ["--map", "missing.yaml"], ["--flux-version", "x"], ["--output", "xml"], [".", ".."]]
)
def test_usage_is_code_2(cli: Run, repository: Path, words: list[str]) -> None:
    done = cli("check", *words)
    assert (done.code, done.out) == (2, b"")
    assert done.err.startswith(("secrettool: error: ", "Usage: "))


def test_pt_05_a_map_that_cannot_be_used_is_code_2_and_quotes_nothing(cli: Run, repository: Path) -> None:
    (repository / "map.yaml").write_text((MAP % "password").replace("env: V", f"env: V, value: {CANARY}"))
    done = cli("check", "--map", "map.yaml")
    assert (done.code, done.out) == (2, b"")
    assert "map.yaml: line 3, " in done.err and "canary" not in done.err


# ---- what is read --------------------------------------------------------------------------------------------------------------------------------


def test_the_rest_of_the_repository_is_read_for_what_flux_does(cli: Run, repository: Path) -> None:
    (repository / "apps/db.yaml").write_text(SECRET.replace("ssa: IfNotPresent", "note: x"))
    text = cli("check", "apps").out.decode()
    assert "PH003 apps/db.yaml:9: Secret/shop/db: password: Kustomization/flux-system/apps: the next pass sets a filled value back" in text


def test_findings_are_about_the_paths_that_are_named(cli: Run, repository: Path) -> None:
    (repository / "other.yaml").write_text(SECRET)
    assert {row["file"] for row in json.loads(cli("check", "--output", "json", "apps/db.yaml").out)["findings"]} == {"apps/db.yaml"}
    assert {row["file"] for row in json.loads(cli("check", "--output", "json", "clusters", "other.yaml").out)["findings"]} == {"other.yaml"}


def test_text_names_files_from_where_people_are_and_other_forms_from_the_root(cli: Run, repository: Path) -> None:
    there = repository / "apps"
    assert cli("check", cwd=there).out.startswith(b"PH001 db.yaml:9: ")
    assert json.loads(cli("check", "--output", "json", cwd=there).out)["findings"][0]["file"] == "apps/db.yaml"
    assert cli("check", "../apps", cwd=repository / "clusters").out.startswith(b"PH001 ../apps/db.yaml:9: ")


def test_map_is_found_at_the_root_and_in_the_working_directory(cli: Run, repository: Path) -> None:
    with_map(repository, "password")
    assert "PH001" not in codes(cli("check", "--output", "json").out)
    assert "PH001" not in codes(cli("check", "--output", "json", cwd=repository / "apps").out)
    with_map(repository / "apps", "other")
    assert "PH001" in codes(cli("check", "--output", "json", cwd=repository / "apps").out)


def test_findings_about_the_map_are_told_whatever_the_path(cli: Run, repository: Path) -> None:
    with_map(repository, "missing", "deploy/map.yaml")
    rows = json.loads(cli("check", "--map", "deploy/map.yaml", "--output", "json", "clusters").out)["findings"]
    assert [(row["code"], row["file"], row["line"]) for row in rows] == [("PH002", "deploy/map.yaml", 7)]


def test_ignored_files_and_dotted_folders_are_left_out(cli: Run, work: Path) -> None:
    (work / ".gitignore").write_text("build/\n")
    for folder in ("build", ".github"):
        (work / folder).mkdir()
        (work / folder / "s.yaml").write_text(SECRET)
    assert cli("check").out == b""


def test_a_root_is_where_paths_of_flux_begin(cli: Run, repository: Path) -> None:
    (repository / "apps/db.yaml").write_text(SECRET.replace("ssa: IfNotPresent", "note: x"))
    (repository / "inner").mkdir()
    for name in ("apps", "clusters"):
        (repository / name).rename(repository / "inner" / name)
    assert "nothing keeps Flux" in cli("check").out.decode()
    assert "Kustomization/flux-system/apps: the next pass" in cli("check", "--root", "inner", "inner").out.decode()


def test_bytes_that_are_no_text_are_a_finding(cli: Run, repository: Path) -> None:
    (repository / "apps/more.yaml").write_bytes(b"apiVersion: v1\nkind: \xff\xfe\n")
    done = cli("check", "--output", "json")
    assert done.code == 5
    assert "MF03" in codes(done.out)


def test_da_27_flux_version_is_followed(cli: Run, repository: Path) -> None:
    (repository / "apps/db.yaml").write_text(SECRET.replace("ssa: IfNotPresent", "note: x"))
    (repository / "clusters/apps.yaml").write_text(FLUX.replace("prune: true", "prune: true, ignore: [{paths: [/data/password]}]"))
    assert "PH003" not in codes(cli("check", "--output", "json").out)
    assert "PH003" in codes(cli("check", "--output", "json", "--flux-version", "1.8.5").out)


# ---- forms ---------------------------------------------------------------------------------------------------------------------------------------


def test_pt_30_github_prints_commands(cli: Run, repository: Path) -> None:
    lines = cli("check", "--output", "github").out.decode().splitlines()
    assert [line.partition("::Secret")[0] for line in lines] == [
        "::warning file=apps/db.yaml,line=9,title=PH001",
        "::warning file=apps/db.yaml,line=10,title=PH009",
    ]


@pytest.mark.parametrize(("name", "begins"), [("r.json", '{\n  "schema"'), ("r.sarif", '{\n  "$schema"'), ("r.txt", "::warning")])
def test_report_file_has_the_form_of_its_name(cli: Run, repository: Path, name: str, begins: str) -> None:
    done = cli("check", "--output", "github", "--report-file", name)
    assert done.out.startswith(b"::warning")
    assert (repository / name).read_text().startswith(begins)


@pytest.mark.parametrize("form", ["text", "json", "github", "sarif"])
def test_pt_31_no_form_shows_a_value(cli: Run, repository: Path, form: str) -> None:
    (repository / "apps/broken.yaml").write_text(f"apiVersion: v1\na: [{CANARY}\n")
    with_map(repository, "other")
    done = cli("--verbose", "check", "--output", form, "--report-file", "report")
    assert done.code == 5
    assert "canary" not in done.out.decode() + done.err + (repository / "report").read_text()


# ---- sarif ---------------------------------------------------------------------------------------------------------------------------------------


def closed(required: dict[str, Any], **optional: Any) -> dict[str, Any]:
    """An object of the specification with the properties that we use and no other."""
    properties = required | optional
    return {"type": "object", "required": [*required], "properties": properties, "additionalProperties": False}


TEXT = {"type": "string", "minLength": 1}
LEVEL = {"enum": ["none", "note", "warning", "error"]}
MESSAGE = closed({"text": TEXT})
RULE = closed({"id": TEXT}, shortDescription=MESSAGE, fullDescription=MESSAGE, help=MESSAGE, defaultConfiguration=closed({}, level=LEVEL))
PHYSICAL = closed(
    {"artifactLocation": closed({"uri": {"type": "string", "format": "uri-reference"}})},
    region=closed({"startLine": {"type": "integer", "minimum": 1}}),
)
LOCATION = closed({}, physicalLocation=PHYSICAL, logicalLocations={"type": "array", "items": closed({"fullyQualifiedName": TEXT}, kind=TEXT)})
RESULT = closed(
    {"message": MESSAGE},
    ruleId=TEXT,
    ruleIndex={"type": "integer", "minimum": 0},
    level=LEVEL,
    locations={"type": "array", "items": LOCATION},
    partialFingerprints={"type": "object", "additionalProperties": TEXT},
)
DRIVER = closed(
    {"name": TEXT}, semanticVersion={"type": "string", "pattern": r"^\d+\.\d+\.\d+"}, rules={"type": "array", "items": RULE, "uniqueItems": True}
)
RUN = closed(
    {"tool": closed({"driver": DRIVER})},
    columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
    results={"type": "array", "items": RESULT},
)
LOG = closed({"version": {"const": "2.1.0"}, "runs": {"type": "array", "items": RUN}}, **{"$schema": {"type": "string", "format": "uri"}})
"""The part of the schema of SARIF 2.1.0 (sections 3.13 to 3.28, 3.33, 3.49) that we use; snippets and values have no place in it."""


def sarif(cli: Run, *words: str) -> dict[str, Any]:
    """A report in SARIF, checked."""
    log: dict[str, Any] = json.loads(cli("check", "--output", "sarif", *words).out)
    jsonschema_rs.validator_for(LOG, validate_formats=True).validate(log)
    return log


def test_pt_31_sarif_has_the_structure_of_2_1_0(cli: Run, repository: Path) -> None:
    with_map(repository, "missing")
    (repository / "apps/ä b.yaml").write_text("a: [\n")
    (run,) = sarif(cli)["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert len(run["results"]) > 3
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["locations"][0]["physicalLocation"]["region"]["startLine"] > 0


def test_pt_31_sarif_of_nothing_has_the_structure_too(cli: Run, work: Path) -> None:
    (run,) = sarif(cli)["runs"]
    assert run["results"] == []


def test_pt_31_fingerprints_stay_when_lines_move_and_differ_between_keys(cli: Run, repository: Path) -> None:
    def fingerprints() -> list[str]:
        return [result["partialFingerprints"]["secrettool/v1"] for result in sarif(cli)["runs"][0]["results"]]

    before = fingerprints()
    path = repository / "apps/db.yaml"
    path.write_text("# one more line\n" + path.read_text())
    assert fingerprints() == before
    assert len(set(before)) == len(before)


# ---- the example ---------------------------------------------------------------------------------------------------------------------------------


def test_the_example_repository_has_no_error(cli: Run) -> None:
    done = cli("check", "--output", "json", "keys-example", cwd=ROOT)
    assert (done.code, set(codes(done.out)) - {"PH001", "AN08"}) == (0, set())
