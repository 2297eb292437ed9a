"""Reports of `patch`: JSON, SARIF, GitHub Actions, and what the runner is asked to hide."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.cli.patching import EMAIL, HEAD, NATS, ONE_TARGET, SMTP, USER, VALUES, lay_out

ALL = ("patch", "--all", "--folder", "cluster", "--manifests", "k3s")
ACTIONS = {"GITHUB_ACTIONS": "true"}
MARKERS = (SMTP, NATS, USER, EMAIL)


@pytest.fixture
def repository(work: Path) -> Path:
    return lay_out(work)


def masks(text: str) -> list[str]:
    return [line.removeprefix("::add-mask::") for line in text.splitlines() if line.startswith("::add-mask::")]


def assert_clean(*texts: str) -> None:
    """No text has a value, nor the base64 of one."""
    for marker in MARKERS:
        for form in (marker, b64encode(marker.encode()).decode()):
            assert not any(form in text for text in texts)


# ---- JSON and SARIF ------------------------------------------------------------------------------------------------------------------------------


def test_pt_29_json_has_the_documented_form(cli: Run, repository: Path) -> None:
    done = cli(*ALL, "--output", "json", **VALUES)

    report = json.loads(done.out)
    assert (done.code, done.err) == (0, "")
    assert {name: report[name] for name in ("schema", "dryRun", "mode", "exitCode")} == {
        "schema": "secrettool.patch/1",
        "dryRun": False,
        "mode": "apply",
        "exitCode": 0,
    }
    assert report["totals"] == {"changed": 3, "unchanged": 0, "created": 1, "skipped": 0, "refused": 0, "failed": 0}
    assert report["targets"][0] == {
        "id": "authentik-credentials",
        "object": {"apiVersion": "v1", "kind": "Secret", "namespace": "authentik", "name": "authentik-credentials"},
        "result": "changed",
        "keys": {"smtp-password": "fill"},
        "annotation": "added",
        "findings": [],
        "attempts": 1,
        "restarted": [],
    }
    assert_clean(done.out.decode())


@pytest.mark.parametrize(("name", "form"), [("r.json", "json"), ("r.sarif", "sarif"), ("r.txt", "text"), ("report", "text")])
def test_report_file_has_the_form_of_its_name(cli: Run, repository: Path, name: str, form: str) -> None:
    done = cli(*ALL, "--report-file", name, **VALUES)

    text = (repository / name).read_text()
    assert done.out.decode().endswith("3 changed, 1 created\n")
    if form == "text":
        assert text == done.out.decode()
    else:
        assert ("runs" if form == "sarif" else "targets") in json.loads(text)
    assert_clean(text)


def test_pt_31_sarif_holds_the_findings(cli: Run, repository: Path) -> None:
    done = cli(*ALL, "--output", "sarif", **VALUES)

    (run,) = json.loads(done.out)["runs"]
    assert [result["ruleId"] for result in run["results"]] == ["AN03", "AN03"]
    assert_clean(done.out.decode())


# ---- GitHub Actions ------------------------------------------------------------------------------------------------------------------------------


def test_pt_30_github_groups_targets_and_annotates_findings(cli: Run, repository: Path) -> None:
    done = cli(*ALL, "--output", "github", **VALUES)

    lines = done.out.decode().splitlines()
    assert [line for line in lines if line.startswith("::group::")] == [
        "::group::authentik-credentials",
        "::group::chatto-config",
        "::group::letsencrypt-email",
        "::group::mcp-proxmox-secrets",
    ]
    assert sum(line == "::endgroup::" for line in lines) == 4
    assert (
        "::warning title=AN03::ClusterIssuer/letsencrypt: git does not protect the object: in a new cluster Flux sets the value back"
        "%0Awrite ssa: IfNotPresent into the manifest"
    ) in lines


def test_pt_30_summary_and_outputs_are_added_to_the_files_of_the_step(cli: Run, repository: Path) -> None:
    (repository / "summary.md").write_text("before\n")
    files = {"GITHUB_STEP_SUMMARY": "summary.md", "GITHUB_OUTPUT": "outputs"}

    cli(*ALL, "--output", "github", **VALUES, **files)

    summary = (repository / "summary.md").read_text()
    assert summary.startswith("before\n### secrettool patch: 3 changed, 1 created\n\n| Result | Object | Keys | Findings |\n")
    assert "| created | Secret/chatto/chatto-config | fill NATS\\_TOKEN; annotated |  |\n" in summary
    assert (repository / "outputs").read_text() == "changed=4\nfailed=0\nresult=done\n"
    assert_clean(summary)


def test_pt_30_without_the_form_github_no_file_of_the_step_is_written(cli: Run, repository: Path) -> None:
    cli(*ALL, **VALUES, GITHUB_STEP_SUMMARY="summary.md", GITHUB_OUTPUT="outputs")

    assert not (repository / "summary.md").exists()
    assert not (repository / "outputs").exists()


def test_pt_30_failures_are_counted(cli: Run, repository: Path) -> None:
    done = cli(*ALL, "--output", "github", **{**VALUES, "SMTP_PASSWORD": ""}, GITHUB_OUTPUT="outputs")

    assert done.code == 3
    assert (repository / "outputs").read_text() == "changed=3\nfailed=1\nresult=some_failed\n"
    assert any(line.startswith("::error title=VL02::Secret/authentik/") for line in done.out.decode().splitlines())


def test_pt_30_wrong_map_is_annotated_in_its_lines(cli: Run, repository: Path) -> None:
    (repository / ".secrettool/patch.yaml").write_text(f"{HEAD}bogus: 1\nvalues:\n  x: {{env: A}}\n{ONE_TARGET}")

    done = cli(*ALL, "--output", "github", GITHUB_OUTPUT="outputs")

    assert done.code == 2
    assert done.out.decode().startswith("::error file=.secrettool/patch.yaml,line=3,title=map::bogus")
    assert (repository / "outputs").read_text() == "changed=0\nfailed=0\nresult=configuration\n"


def test_pt_30_other_errors_are_annotated(cli: Run, repository: Path) -> None:
    done = cli("patch", "--output", "github", "--folder", "cluster")

    assert (done.code, done.out.decode()) == (2, "::error title=patch::no target is selected%0Ause --target ID, --group GROUP or --all\n")


# ---- masking -------------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["text", "github"])
def test_pt_32_in_actions_every_value_is_masked_before_any_other_output(outside: Run, repository: Path, form: str) -> None:
    done = outside(*ALL, "--output", form, **VALUES, **ACTIONS)

    lines = done.out.decode().splitlines()
    hidden = masks(done.out.decode())
    assert all(line.startswith("::add-mask::") for line in lines[: len(hidden)])
    for value in VALUES.values():
        assert {value, b64encode(value.encode()).decode()} <= set(hidden)
    assert_clean("\n".join(lines[len(hidden) :]), done.err)


def test_pt_32_each_line_of_a_value_is_masked(outside: Run, repository: Path) -> None:
    value = "marker-first\nabc\n  marker%second \n"

    done = outside("patch", "--target", "authentik-credentials", "--folder", "cluster", SMTP_PASSWORD=value, **ACTIONS)

    hidden = masks(done.out.decode())
    assert {"marker-first", "marker%25second", b64encode(value.encode()).decode()} <= set(hidden)
    assert "abc" not in hidden


@pytest.mark.parametrize("actions", ["", "false", "1"])
def test_pt_32_outside_of_actions_nothing_is_masked(outside: Run, repository: Path, actions: str) -> None:
    done = outside(*ALL, **VALUES, GITHUB_ACTIONS=actions)

    assert masks(done.out.decode() + done.err) == []
    assert_clean(done.out.decode(), done.err)


def test_pt_32_mask_off_masks_nothing(outside: Run, repository: Path) -> None:
    done = outside(*ALL, "--mask", "off", **VALUES, **ACTIONS)

    assert masks(done.out.decode() + done.err) == []


@pytest.mark.parametrize("form", ["json", "sarif"])
def test_pt_32_a_document_on_stdout_stays_whole(outside: Run, repository: Path, form: str) -> None:
    done = outside(*ALL, "--output", form, **VALUES, **ACTIONS)

    assert SMTP in masks(done.err)
    json.loads(done.out)
    assert_clean(done.out.decode())


def test_pt_32_no_value_gets_into_a_file(outside: Run, repository: Path) -> None:
    path = repository / "out"
    with path.open("wb") as file:
        done = outside(*ALL, **VALUES, **ACTIONS, stdout=file.fileno())

    assert SMTP in masks(done.err)
    assert_clean(path.read_text())


def test_pt_32_values_are_not_written_where_later_steps_read(outside: Run, repository: Path) -> None:
    files = {name: name for name in ("GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITHUB_STATE")}

    outside(*ALL, "--output", "github", "--report-file", "r.json", **VALUES, **ACTIONS, **files)

    written = [path.read_text() for path in repository.iterdir() if path.is_file()]
    assert len(written) == 3
    assert_clean(*written)


# ---- sources -------------------------------------------------------------------------------------------------------------------------------------


def test_variables_of_sources_are_not_handed_to_the_login_program_of_the_kubeconfig(cli: Run, repository: Path) -> None:
    script = repository / "login.sh"
    answer = '{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "t"}}'
    script.write_text(f"#!/bin/sh\nenv > seen.txt\necho '{answer}'\n")
    script.chmod(0o755)
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(script), "interactiveMode": "Never"}}
    kubeconfig = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [{"name": "k", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": user}],
    }

    done = cli("patch", "--all", "--kubeconfig", "-", stdin=json.dumps(kubeconfig).encode(), **VALUES, GIVEN="yes")

    assert done.code == 8, done.err
    seen = (repository / "seen.txt").read_text()
    assert "GIVEN=yes\n" in seen
    assert_clean(seen)


def test_ref_exec_needs_to_be_allowed(cli: Run, repository: Path) -> None:
    (repository / ".secrettool/patch.yaml").write_text(f"{HEAD}values:\n  x: {{ref: 'ref+exec://echo/marker'}}\n{ONE_TARGET}")

    assert "--allow-exec-ref" in cli(*ALL).out.decode()
    assert cli(*ALL, "--allow-exec-ref").code == 0
