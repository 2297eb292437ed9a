"""All checks at once: order, files that cannot be read, versions, size."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from secrettool.check import Repository
from secrettool.check.unreached import unreached
from secrettool.flux import FluxVersion
from tests.unit.check.maps import findings, only, target
from tests.unit.check.trees import Files, flux, secret


def test_an_empty_repository_has_no_findings() -> None:
    assert findings({}) == []


def test_findings_are_in_the_order_of_files_and_lines() -> None:
    files = {"b.yaml": secret(stringData={"k": "REPLACE_ME", "l": "REPLACE_ME"}), "a.yaml": secret(name="t", data={"k": "REPLACE_ME"})}

    places = [(each.file, each.line) for each in findings(files)]

    assert places == sorted(places, key=lambda place: (str(place[0]), place[1] or 0))
    assert len(places) > 3


def test_mf03_is_an_error_when_flux_applies_the_file() -> None:
    (found,) = findings({"flux.yaml": flux("apps"), "apps/s.yaml": "a: b\nc: [\n"})

    assert (found.code, found.severity, found.file, found.line) == ("MF03", "error", "apps/s.yaml", 3)


def test_mf03_is_a_note_for_other_manifests_and_nothing_for_other_files() -> None:
    (found,) = findings({"s.yaml": "apiVersion: v1\nc: [\n", "list.json": "[1, 2]", "playbook.yaml": "- hosts: all\n"})

    assert (found.code, found.severity, found.file) == ("MF03", "note", "s.yaml")


def test_mf03_templates_of_a_chart_are_no_manifests() -> None:
    template = "apiVersion: v1\nkind: {{ .Values.kind }}\n{{- if x }}\n"

    assert findings({"chart/Chart.yaml": "name: c\n", "chart/templates/deep/s.yaml": template}) == []
    assert [each.code for each in findings({"chart/templates/s.yaml": template})] == ["MF03"]


def test_mf04_names_the_field_of_a_flux_kustomization() -> None:
    (found,) = findings({"flux.yaml": flux("apps", prune="yes")})

    assert (found.code, found.severity, found.file) == ("MF04", "error", "flux.yaml")
    assert "prune" in found.text


def test_da_27_the_version_of_the_controller_counts() -> None:
    files = {"flux.yaml": flux("apps", ignore=[{"paths": ["/data/k"]}]), "apps/s.yaml": secret(stringData={"k": "REPLACE_ME"})}

    assert only("PH003", findings(files, target("k: v"))) == []
    assert len(only("PH003", findings(files, target("k: v"), version=FluxVersion(1, 8, 5)))) == 1


def test_patch_files_are_no_manifests() -> None:
    files = {
        "a/kustomization.yaml": "resources: [s.yaml]\npatches: [{path: p.yaml}]\n",
        "a/s.yaml": secret(stringData={"l": "x"}),
        "a/p.yaml": secret(stringData={"k": "REPLACE_ME"}),
    }

    assert [each.file for each in unreached(Repository(files))] == ["a/s.yaml"]


def test_nearest_kustomization_file_changes_what_nothing_reaches() -> None:
    files = {
        "kustomization.yaml": "namespace: far\n",
        "a/kustomization.yaml": "namespace: near\n",
        "a/b/c/s.yaml": secret(),
        "d/s.yaml": secret(),
    }

    assert [each.subject for each in unreached(Repository(files))] == ["Secret/near/s", "Secret/far/s"]


def test_deep_folders_end() -> None:
    deep = "d/" * (2 * sys.getrecursionlimit())

    assert [each.code for each in findings({f"{deep}s.yaml": secret(stringData={"k": "REPLACE_ME"})})] == ["PH001", "PH003"]


def calls(files: Files, targets: str | None = None) -> int:
    """How many functions a check calls, those of C included."""
    count = 0

    def count_calls(*_: object) -> None:
        nonlocal count
        count += 1

    sys.setprofile(count_calls)
    try:
        findings(files, targets)
    finally:
        sys.setprofile(None)
    return count


def many_applications(number: int) -> Files:
    files = {f"clusters/{each}.yaml": flux(f"apps/{each}", f"a{each}") for each in range(number)}
    return files | {f"apps/{each}/s.yaml": secret(name=f"s{each}", stringData={"k": "REPLACE_ME"}) for each in range(number)}


def many_keys(number: int) -> Files:
    return {"flux.yaml": flux("apps"), "apps/s.yaml": secret(stringData={f"k{each}": "REPLACE_ME" for each in range(number)})}


def many_fields(number: int) -> Files:
    text = secret(data={f"k{each}": "REPLACE_ME" for each in range(number)}).replace("Secret", "ConfigMap")
    return {"flux.yaml": flux("apps"), "apps/s.yaml": text}


@pytest.mark.parametrize("files", [many_applications, many_keys, many_fields])
def test_work_grows_with_the_size_of_the_repository(files: Callable[[int], Files]) -> None:
    targets = target(", ".join(f"k{number}: v" for number in range(0, 50, 2)))
    calls(files(2), targets)  # what is imported and cached once
    assert calls(files(400), targets) - calls(files(0), targets) < 4.4 * (calls(files(100), targets) - calls(files(0), targets))
