"""The action and the sample workflow: the steps as a runner runs them, what they print, and what they leave behind."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from base64 import b64encode
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml

from tests.cli import actionrunner
from tests.cli.actionrunner import ACTION, Outcome, environment
from tests.cli.patching import CHAT, EMAIL, HEAD, MAIL, NATS, SMTP, USER, VALUES, data, lay_out, snapshot
from tests.cli.running import ROOT
from tests.interop.peers import missing

WORKFLOW = ROOT / ".github" / "workflows" / "patch-secrets.yml"
MARKERS = (SMTP, NATS, USER, EMAIL)
TOKEN = "marker-token-5d1f"
SELECTED = "group:mail\n  chatto-config"


@pytest.fixture(autouse=True)
def bash() -> None:
    if shutil.which("bash") is None:
        missing("bash", "install it")


class Job:
    """A job with a checked out repository and the program on PATH."""

    def __init__(self, folder: Path) -> None:
        self.workspace, self.home, self.temporary = folder / "workspace", folder / "home", folder / "temporary"
        for path in (self.workspace, self.home / "bin", self.temporary):
            path.mkdir(parents=True)
        lay_out(self.workspace)
        self.on_path("--folder cluster")

    def on_path(self, more: str = "") -> None:
        """Put a `secrettool` on PATH that adds words to those of `patch`, since the action has no input for a folder in the place of a cluster."""
        program = self.home / "bin" / "secrettool"
        start = f'PYTHONPATH={shlex.quote(str(ROOT))} exec {shlex.quote(sys.executable)} -m secrettool "$@"'
        program.write_text(f'#!/bin/sh\nif [ "$1" = patch ]; then set -- "$@" {more}; fi\n{start}\n')
        program.chmod(0o755)

    def run(self, env: dict[str, str] | None = None, /, **inputs: str) -> Outcome:
        given = {"version": "installed", "manifests": "k3s", **{name.replace("_", "-"): value for name, value in inputs.items()}}
        return actionrunner.run(given, environment(self.home, **(VALUES if env is None else env)), self.workspace, self.temporary)

    def left(self) -> str:
        """Everything that lies outside of the cluster."""
        found = [path for folder in (self.workspace, self.home, self.temporary) for path in folder.rglob("*") if path.is_file()]
        return "\n".join(path.read_text("utf-8", "replace") for path in found if "cluster" not in path.parts)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(tmp_path)


def assert_clean(*texts: str) -> None:
    for marker in MARKERS:
        for form in (marker, b64encode(marker.encode()).decode()):
            assert not any(form in text for text in texts)


# ---- what it does --------------------------------------------------------------------------------------------------------------------------------


def test_pt_38_action_fills_the_placeholders(job: Job) -> None:
    done = job.run()

    assert done.code == 0, done.raw
    assert done.outputs == {"changed": "4", "failed": "0", "result": "done"}
    assert (data(job.workspace, MAIL)["smtp-password"], data(job.workspace, CHAT)["NATS_TOKEN"]) == (SMTP, NATS)
    assert "::group::chatto-config\ncreated    Secret/chatto/chatto-config  fill NATS_TOKEN; annotated\n::endgroup::" in done.log


def test_pt_38_summary_has_a_table(job: Job) -> None:
    assert job.run().files["GITHUB_STEP_SUMMARY"].startswith("### secrettool patch: 3 changed, 1 created\n\n| Result | Object |")


def test_pt_32_values_are_masked_first_and_left_nowhere(job: Job) -> None:
    done = job.run()

    lines = done.raw.splitlines()
    masked = [line.startswith("::add-mask::") for line in lines]
    assert masked == sorted(masked, reverse=True)
    assert sum(masked) >= 2 * len(VALUES)
    assert_clean(done.log, *done.files.values(), job.left())
    assert done.files["GITHUB_ENV"] == done.files["GITHUB_STATE"] == done.files["GITHUB_PATH"] == ""
    assert set(re.findall(r"(?m)^(\w+)=", done.files["GITHUB_OUTPUT"])) == {"program", "changed", "failed", "result"}


def test_pt_38_failure_fails_the_step_and_is_counted(job: Job) -> None:
    done = job.run({**VALUES, "NATS_TOKEN": ""})

    assert (done.code, done.outputs) == (3, {"changed": "3", "failed": "1", "result": "some_failed"})
    assert "::error title=VL02::Secret/chatto/chatto-config: NATS_TOKEN: " in done.log


@pytest.mark.parametrize(
    ("target", "names"),
    [
        ("all", ["authentik-credentials", "chatto-config", "letsencrypt-email", "mcp-proxmox-secrets"]),
        ("chatto-config", ["chatto-config"]),
        ("group:mail", ["authentik-credentials", "letsencrypt-email"]),
        (SELECTED, ["authentik-credentials", "chatto-config", "letsencrypt-email"]),
    ],
)
def test_pt_38_target_chooses(job: Job, target: str, names: list[str]) -> None:
    assert re.findall("(?m)^::group::(.*)$", job.run(target=target).log) == names


@pytest.mark.parametrize("how", ["true", "plan"])
def test_pt_38_dry_run_stores_nothing(job: Job, how: str) -> None:
    before = snapshot(job.workspace)

    done = job.run(dry_run=how)

    assert (done.code, done.outputs["changed"]) == (0, "4")
    assert snapshot(job.workspace) == before


def test_pt_38_policy_is_passed_on(job: Job) -> None:
    assert job.run(policy="require", target="mcp-proxmox-secrets").outputs["result"] == "refused"


def test_pt_38_several_folders_of_manifests(job: Job) -> None:
    (job.workspace / "more stuff").mkdir()

    assert job.run(manifests="k3s\r\nmore stuff\n\n").code == 0


def test_pt_38_drift_needs_no_value_and_fails_the_step(job: Job) -> None:
    job.run()
    assert job.run({}, command="drift", no_values="true").outputs == {"changed": "0", "failed": "0", "result": "done"}

    path = job.workspace / "cluster" / "issuer.yaml"
    path.write_text(path.read_text().replace(EMAIL, "REPLACE_ME"))
    done = job.run({}, command="drift", no_values="true")

    assert (done.code, done.outputs["result"]) == (6, "changes")
    assert "::warning title=DR01::ClusterIssuer/letsencrypt: /spec/acme/email: a placeholder is still there" in done.log


def test_pt_38_check_annotates_files_and_leaves_sarif(job: Job) -> None:
    (job.workspace / ".secrettool/patch.yaml").unlink()

    done = job.run({}, command="check", report_file="check.sarif")

    assert done.code in (0, 5), done.raw
    (run,) = json.loads((job.workspace / "check.sarif").read_text())["runs"]
    found = {(result["ruleId"], result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]) for result in run["results"]}
    assert ("PH001", "k3s/issuer.yaml") in found
    assert re.search(r"(?m)^::(error|warning|notice) file=k3s/issuer\.yaml,line=\d+,title=PH001::", done.log)


# ---- the kubeconfig ------------------------------------------------------------------------------------------------------------------------------


def test_pt_38_kubeconfig_reaches_the_program_alone(job: Job) -> None:
    asked: list[str] = []

    class Forbidding(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.headers["Authorization"])
            self.send_response(403)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    job.on_path()
    program = job.home / "bin" / "secrettool"
    program.write_text(program.read_text().replace("#!/bin/sh\n", '#!/bin/sh\nenv > "$HOME/seen"; printf "%s\\n" "$@" >> "$HOME/seen"\n'))
    user = {"name": "u", "user": {"token": TOKEN}}
    kubeconfig: dict[str, Any] = {"apiVersion": "v1", "kind": "Config", "current-context": "c", "users": [user]}
    kubeconfig |= {
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [{"name": "k", "cluster": {"server": "https://x"}}],
    }
    with HTTPServer(("127.0.0.1", 0), Forbidding) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        done = job.run(kubeconfig=yaml.safe_dump(kubeconfig), server=f"http://127.0.0.1:{server.server_port}")
        server.shutdown()

    assert (done.code, done.outputs["result"]) == (8, "cluster"), done.raw
    assert set(asked) == {f"Bearer {TOKEN}"}
    assert "--kubeconfig=-" in (job.home / "seen").read_text()
    assert TOKEN not in job.left() + done.raw


# ---- inputs --------------------------------------------------------------------------------------------------------------------------------------

EVIL = "$(touch owned); `touch owned`; \"; touch owned; '${{ github.token }}"


@pytest.mark.parametrize("name", ["map", "target", "manifests", "policy", "dry_run", "server", "vault_role", "command", "version", "report_file"])
def test_pt_38_no_input_becomes_part_of_a_script(job: Job, name: str) -> None:
    job.run(**{name: EVIL})

    assert not list(job.workspace.rglob("owned")) + list(job.home.rglob("owned"))


def test_pt_38_scripts_hold_no_expression() -> None:
    for step in yaml.safe_load(ACTION.read_text())["runs"]["steps"]:
        assert "${{" not in step["run"]


def test_pt_38_example_in_the_action_names_inputs_that_it_has() -> None:
    lines = re.findall(r"(?m)^#   (.*)$", ACTION.read_text())
    (step,) = yaml.safe_load("\n".join(lines))
    assert step["with"].keys() <= yaml.safe_load(ACTION.read_text())["inputs"].keys()


def test_pt_38_only_one_step_sees_the_kubeconfig() -> None:
    text = ACTION.read_text()
    steps = yaml.safe_load(text)["runs"]["steps"]
    assert text.count("inputs.kubeconfig") == 1
    assert [step["name"] for step in steps if "${{ inputs.kubeconfig }}" in step["env"].values()] == ["Run secrettool"]


def test_pt_38_inputs_and_outputs_are_those_of_the_documentation() -> None:
    action = yaml.safe_load(ACTION.read_text())
    wanted = {"map", "target", "manifests", "policy", "dry-run", "server", "vault-addr", "vault-role", "vault-audience", "version", "kubeconfig"}
    assert wanted <= action["inputs"].keys()
    assert {"changed", "failed"} <= action["outputs"].keys()
    used = set(re.findall(r"inputs\.([\w-]+)", ACTION.read_text()))
    assert used == set(action["inputs"])


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ({"command": "rm"}, "the input command is run, drift or check"),
        ({"dry_run": "yes"}, "the input dry-run is true, plan or false"),
        ({"target": " "}, "the input target is empty"),
        ({"version": "../x"}, "the input version is no version"),
    ],
)
def test_pt_38_wrong_inputs_are_said(job: Job, inputs: dict[str, str], says: str) -> None:
    done = job.run(**inputs)

    assert (done.code, done.log) == (2, f"::error title=secrettool::{says}")


def test_pt_38_vault_is_asked_as_the_inputs_say(job: Job) -> None:
    target = "targets:\n  - id: t\n    ref: {kind: Secret, namespace: authentik, name: authentik-credentials}\n    keys: {smtp-password: x}\n"
    (job.workspace / ".secrettool/patch.yaml").write_text(
        f"{HEAD}providers: {{kv: {{type: vault, mount: kv}}}}\nvalues: {{x: {{provider: kv, path: p, key: k}}}}\n{target}"
    )

    done = job.run({}, vault_addr="https://127.0.0.1:1", vault_role="r")

    assert (done.code, done.outputs["result"]) == (4, "no_login")
    assert "ACTIONS_ID_TOKEN_REQUEST_URL" in done.log
    assert "id-token: write" in done.log


# ---- installation --------------------------------------------------------------------------------------------------------------------------------


def test_pt_38_missing_program_is_said(job: Job) -> None:
    done = job.run({"PATH": "/usr/bin:/bin"})

    assert (done.code, done.log) == (1, "::error title=secrettool::there is no program secrettool on PATH")


@pytest.mark.real
@pytest.mark.timeout(600)  # it installs some sixty packages
def test_pt_38_action_installs_itself(job: Job) -> None:
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(job.temporary / "probe"), "click"]
    if subprocess.run(pip, capture_output=True, check=False).returncode != 0:
        missing("a package registry", "it is asked for the packages that the action installs")

    done = job.run({}, version="", command="check")

    assert done.code in (0, 5), done.raw
    assert "secrettool-action/bin/secrettool" in done.files["GITHUB_OUTPUT"]


# ---- the workflow --------------------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def workflow() -> dict[Any, Any]:
    found: dict[Any, Any] = yaml.safe_load(WORKFLOW.read_text())
    return found


def test_pt_38_workflow_has_its_three_occasions(workflow: dict[Any, Any]) -> None:
    occasions = workflow[True]  # `on`, for this reader of YAML
    assert occasions.keys() == {"workflow_dispatch", "pull_request", "schedule"}
    target = occasions["workflow_dispatch"]["inputs"]["target"]
    assert (target["type"], target["options"][0]) == ("choice", "all")
    jobs = {name: job["steps"][1]["with"].get("command", "run") for name, job in workflow["jobs"].items()}
    assert jobs == {"check": "check", "patch": "run", "drift": "drift"}


def test_pt_38_workflow_runs_one_at_a_time_with_least_rights(workflow: dict[Any, Any]) -> None:
    assert workflow["permissions"] == {}
    assert workflow["concurrency"]["cancel-in-progress"] is False
    assert workflow["concurrency"]["group"].startswith("patch-secrets${{ github.event_name == 'pull_request' &&")
    assert {name: job["permissions"] for name, job in workflow["jobs"].items()} == {
        "check": {"contents": "read", "security-events": "write"},
        "patch": {"contents": "read", "id-token": "write"},
        "drift": {"contents": "read"},
    }
    assert workflow["jobs"]["patch"]["environment"] == "production"


def test_pt_38_workflow_pins_foreign_actions(workflow: dict[Any, Any]) -> None:
    used = [step["uses"] for job in workflow["jobs"].values() for step in job["steps"]]
    assert all(name == "./" or re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", name) for name in used)


def test_pt_38_workflow_gives_the_action_inputs_that_it_has(workflow: dict[Any, Any]) -> None:
    known = yaml.safe_load(ACTION.read_text())["inputs"].keys()
    for job in workflow["jobs"].values():
        assert job["steps"][1]["with"].keys() <= known


def test_pt_38_sarif_is_uploaded_from_where_check_writes_it(workflow: dict[Any, Any]) -> None:
    _, check, upload = workflow["jobs"]["check"]["steps"]
    assert upload["with"]["sarif_file"] == check["with"]["report-file"]
    assert upload["if"].startswith("always() && ")
