"""`patch run` against a folder that stands for a cluster: what is done, what is refused, and how it ends."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from secrettool.patcher.validation import schema_text
from tests.cli.conftest import Run
from tests.cli.patching import (
    CHAT,
    EMAIL,
    HEAD,
    ISSUER,
    MAIL,
    MAP,
    NATS,
    ONE_TARGET,
    PROXMOX,
    RECONCILE,
    SMTP,
    USER,
    VALUES,
    cluster,
    data,
    lay_out,
    notes,
    snapshot,
)
from tests.cli.running import ROOT, environment

ALL = ("patch", "--all", "--folder", "cluster", "--manifests", "k3s")
DONE = """\
changed    Secret/authentik/authentik-credentials  fill smtp-password; annotated
created    Secret/chatto/chatto-config  fill NATS_TOKEN; annotated
changed    ClusterIssuer/letsencrypt  fill /spec/acme/email; annotated
  warning AN03: git does not protect the object: in a new cluster Flux sets the value back
    hint: write ssa: IfNotPresent into the manifest
changed    Secret/mcp-proxmox/mcp-proxmox-secrets  fill config.json; annotated
  warning AN03: git does not protect the object: in a new cluster Flux sets the value back
3 changed, 1 created
"""
WITHOUT_ANSWER = """\
apiVersion: v1
kind: Config
current-context: c
contexts: [{name: c, context: {cluster: k, user: u}}]
clusters: [{name: k, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: u, user: {token: marker-token-5d1f}}]
"""


@pytest.fixture
def repository(work: Path) -> Path:
    return lay_out(work)


# ---- doing it ------------------------------------------------------------------------------------------------------------------------------------


def test_pt_29_run_says_a_line_for_each_object(cli: Run, repository: Path) -> None:
    assert cli(*ALL, **VALUES) == (0, DONE.encode(), "")


def test_pt_09_every_kind_of_target_is_done_by_one_command(cli: Run, repository: Path) -> None:
    cli(*ALL, **VALUES)

    assert data(repository, MAIL) == {"smtp-password": SMTP, "user": "me"}
    assert data(repository, CHAT) == {"NATS_TOKEN": NATS, "LEVEL": "info"}
    assert json.loads(data(repository, PROXMOX)["config.json"]) == {"auth": {"user": USER}, "port": 8006}
    issuer = cluster(repository).get(ISSUER)
    assert issuer is not None
    assert issuer["spec"]["acme"] == {"email": EMAIL, "server": "https://acme.example"}
    assert {notes(repository, ref)[RECONCILE] for ref in (MAIL, CHAT, PROXMOX, ISSUER)} == {"disabled"}


def test_pt_25_second_run_writes_nothing(cli: Run, repository: Path) -> None:
    cli(*ALL, **VALUES)
    before = snapshot(repository)

    done = cli(*ALL, **VALUES)

    assert (done.code, done.out.decode().splitlines()[-1]) == (0, "4 unchanged")
    assert snapshot(repository) == before


def test_pt_27_plan_says_what_would_be_done_to_each_key_and_writes_nothing(cli: Run, repository: Path) -> None:
    before = snapshot(repository)

    done = cli(*ALL, "--plan", **VALUES)

    assert done.out.decode() == DONE.replace("3 changed, 1 created", "3 changed, 1 created; plan: nothing was sent")
    assert (done.code, snapshot(repository)) == (0, before)


def test_pt_27_plan_names_keys_that_are_equal(cli: Run, repository: Path) -> None:
    cli(*ALL, **VALUES)

    done = cli(*ALL, "--plan", **VALUES)

    assert "unchanged  Secret/authentik/authentik-credentials  equal smtp-password\n" in done.out.decode()


def test_dry_run_lets_the_server_answer_and_stores_nothing(cli: Run, repository: Path) -> None:
    before = snapshot(repository)

    done = cli(*ALL, "--dry-run=server", **VALUES)

    assert (done.code, done.out.decode().splitlines()[-1]) == (0, "3 changed, 1 created; dry run: nothing was stored")
    assert snapshot(repository) == before


@pytest.mark.parametrize("how", ["--plan", "--dry-run=server"])
def test_detailed_exit_code_says_whether_there_is_something_to_do(cli: Run, repository: Path, how: str) -> None:
    assert cli(*ALL, how, "--detailed-exitcode", **VALUES).code == 6
    cli(*ALL, **VALUES)
    assert cli(*ALL, how, "--detailed-exitcode", **VALUES).code == 0


def test_run_may_be_named(cli: Run, repository: Path) -> None:
    assert cli("patch", "run", *ALL[1:], **VALUES) == (0, DONE.encode(), "")


# ---- selection -----------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "objects"),
    [
        (["--target", "chatto-config"], [CHAT]),
        (["--target", "chatto-config", "--target", "authentik-credentials"], [MAIL, CHAT]),
        (["--group", "mail"], [MAIL, ISSUER]),
        (["--group", "mail", "--target", "chatto-config"], [MAIL, CHAT, ISSUER]),
    ],
)
def test_pt_10_only_what_is_selected_is_done(cli: Run, repository: Path, words: list[str], objects: list[object]) -> None:
    done = cli("patch", *words, "--folder", "cluster", "--manifests", "k3s", "--output", "json", **VALUES)

    told = [row["object"]["name"] for row in json.loads(done.out)["targets"]]
    assert (done.code, told) == (0, [ref.name for ref in objects])  # type: ignore[attr-defined]


def test_pt_10_values_of_other_targets_are_not_needed(cli: Run, repository: Path) -> None:
    assert cli("patch", "--target", "chatto-config", "--folder", "cluster", "--manifests", "k3s", NATS_TOKEN=NATS).code == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "error: no target is selected"),
        (["--all", "--target", "chatto-config"], "error: --all goes with neither --target nor --group"),
        (["--target", "chato-config"], "error: the map has no target chato-config"),
        (["--group", "mails"], "error: the map has no group mails"),
        (["--all", "--plan", "--dry-run", "server"], "error: --plan sends nothing"),
        (["--all", "--detailed-exitcode"], "error: --detailed-exitcode goes with --plan"),
        (["--all", "--kubeconfig", "k"], "error: --folder takes the place of a cluster"),
        (["--all", "--wait", "soon"], "no duration"),
        (["--all", "--policy", "maybe"], "is not one of"),
        (["--all", "--vault-audience", "a"], "error: --vault-audience goes with --vault-role"),
        (["--all", "--manifests", "nowhere"], "error: nowhere: there is no such folder"),
    ],
)
def test_pt_10_words_that_do_not_fit_are_a_usage_error(cli: Run, repository: Path, words: list[str], says: str) -> None:
    done = cli("patch", "--folder", "cluster", *words, **VALUES)

    assert (done.code, done.out) == (2, b"")
    assert says in done.err


@pytest.mark.parametrize(("name", "code"), [("metadata: {name: homelab}\n", 0), ("", 2)], ids=["with a name", "without a name"])
def test_pt_10_on_a_terminal_a_map_with_a_name_means_all(repository: Path, home: Path, name: str, code: int) -> None:
    (repository / ".secrettool/patch.yaml").write_text(MAP.replace("metadata: {name: homelab}\n", name))
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "secrettool", "patch", "--folder", "cluster", "--manifests", "k3s"]
    env = {"PYTHONPATH": str(ROOT), **environment(home, **VALUES)}

    done = subprocess.run(command, cwd=repository, env=env, stdin=theirs, capture_output=True, check=False, timeout=60)

    os.close(ours)
    os.close(theirs)
    assert (done.returncode, done.stdout.decode()) == (code, DONE if code == 0 else "")


# ---- the map -------------------------------------------------------------------------------------------------------------------------------------


def test_pt_04_missing_map_says_how_to_make_one(cli: Run, work: Path) -> None:
    done = cli("patch", "--all")

    assert done.code == 2
    assert ".secrettool/patch.yaml: there is no such map" in done.err
    assert "secrettool patch init" in done.err


def test_pt_05_everything_wrong_with_a_map_is_said_with_its_line(cli: Run, repository: Path) -> None:
    (repository / ".secrettool/patch.yaml").write_text(f"{HEAD}bogus: 1\nvalues:\n  a: {{env: 'marker-env 1'}}\n{ONE_TARGET}")

    done = cli(*ALL)

    assert done.code == 2
    assert "3 things are wrong with the map" in done.err
    assert [line.split(":")[0].strip() for line in done.err.splitlines()[1:4]] == ["line 3, column 1", "line 5, column 7", "line 9, column 12"]
    assert "marker-env" not in done.err


def test_pt_05_schema_is_printed(cli: Run) -> None:
    done = cli("patch", "schema")

    assert (done.code, done.out.decode()) == (0, schema_text())
    assert json.loads(done.out)["$id"] == "urn:secrettool:patchmap:v1alpha1"


# ---- failures ------------------------------------------------------------------------------------------------------------------------------------


def test_pt_33_missing_value_fails_its_targets_only(cli: Run, repository: Path) -> None:
    done = cli(*ALL, **{**VALUES, "SMTP_PASSWORD": ""})

    assert done.code == 3
    assert "failed     Secret/authentik/authentik-credentials\n  error VL02: smtp-password: " in done.out.decode()
    assert (data(repository, MAIL)["smtp-password"], data(repository, CHAT)["NATS_TOKEN"]) == ("REPLACE_ME_resend_key", NATS)


def test_pt_33_fail_fast_stops_at_the_first_failure(cli: Run, repository: Path) -> None:
    done = cli(*ALL, "--fail-fast", **{**VALUES, "SMTP_PASSWORD": "REPLACE_ME"})

    assert (done.code, done.out.decode().splitlines()[-1]) == (3, "3 skipped, 1 failed")
    assert "error VL03" in done.out.decode()


def test_pt_36_what_was_written_before_a_fast_failure_is_restarted(cli: Run, repository: Path) -> None:
    workload = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: server, namespace: authentik}\n"
    spec = "spec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}}\n"
    (repository / "cluster" / "deployment.yaml").write_text(workload + spec)
    restart = "    keys: {smtp-password: smtp}\n    restart: [{kind: Deployment, name: server}]\n"
    (repository / ".secrettool/patch.yaml").write_text(MAP.replace("    keys: {smtp-password: smtp}\n", restart))

    done = cli(*ALL, "--fail-fast", **{**VALUES, "NATS_TOKEN": ""})

    assert done.code == 3
    assert done.out.decode().startswith(
        "changed    Secret/authentik/authentik-credentials  fill smtp-password; annotated; restarted Deployment/server\n"
    )
    assert "secrettool.dev/restartedAt" in (repository / "cluster" / "deployment.yaml").read_text()


def test_policy_of_the_command_line_wins(cli: Run, repository: Path) -> None:
    done = cli("patch", "--target", "mcp-proxmox-secrets", "--folder", "cluster", "--manifests", "k3s", "--policy", "require", **VALUES)

    assert done.code == 5
    assert "refused    Secret/mcp-proxmox/mcp-proxmox-secrets\n  error AN01" in done.out.decode()


def test_strict_makes_warnings_failures(cli: Run, repository: Path) -> None:
    assert cli(*ALL, "--strict", **VALUES).code == 3


def test_missing_login_ends_with_four(cli: Run, repository: Path) -> None:
    provider = "providers: {kv: {type: vault, address: 'https://127.0.0.1:1', auth: {method: token, tokenEnv: NO_TOKEN}}}\n"
    (repository / ".secrettool/patch.yaml").write_text(f"{HEAD}{provider}values:\n  x: {{provider: kv, path: p, key: k}}\n{ONE_TARGET}")

    done = cli(*ALL)

    assert done.code == 4
    assert "VL09" in done.out.decode()


def test_file_that_does_not_open_ends_with_seven(cli: Run, repository: Path) -> None:
    plain = b"a: marker-sops\n"
    sealed = cli("encrypt", "--age", "age149t8ysk339dztvj6ccmgad7k8uer7satyyprak935e6nd3txgsdskskut7", "--filename-override", "a.yaml", stdin=plain)
    assert sealed.code == 0, sealed.err
    (repository / "a.enc.yaml").write_bytes(sealed.out)
    (repository / ".secrettool/patch.yaml").write_text(f"{HEAD}values:\n  x: {{sops: a.enc.yaml, pointer: /a}}\n{ONE_TARGET}")

    done = cli(*ALL)

    assert done.code == 7
    assert "VL08" in done.out.decode()


def test_pt_35_kubeconfig_comes_from_stdin_and_an_absent_server_ends_with_eight(cli: Run, repository: Path, tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()

    done = cli("patch", "--all", "--kubeconfig", "-", stdin=WITHOUT_ANSWER.encode(), TMPDIR=str(temporary), **VALUES)

    assert (done.code, done.out.decode().splitlines()[-1]) == (8, "4 failed")
    assert "marker-token" not in done.out.decode() + done.err
    assert list(temporary.iterdir()) == []


def test_wait_for_api_ends_when_the_time_is_over(cli: Run, repository: Path) -> None:
    done = cli("patch", "--all", "--kubeconfig", "-", "--wait-for-api", "0.2s", stdin=WITHOUT_ANSWER.encode(), **VALUES)

    assert (done.code, done.out) == (8, b"")
    assert done.err.startswith("secrettool: error:")


def test_wait_for_api_goes_on_as_soon_as_there_is_an_answer(outside: Run, repository: Path) -> None:
    class Forbidding(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(403)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Forbidding) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        done = outside("patch", "--all", "--kubeconfig", "-", "--server", url, "--wait-for-api", "60s", stdin=WITHOUT_ANSWER.encode(), **VALUES)
        server.shutdown()

    assert (done.code, done.out.decode().splitlines()[-1]) == (8, "4 failed")
    assert "403" in done.out.decode()


@pytest.mark.parametrize(("stdin", "says"), [(b"", "stdin: there is no kubeconfig"), (b"\xff", "not UTF-8 text"), (b"a: [", "not a kubeconfig")])
def test_pt_35_stdin_that_is_no_kubeconfig_is_refused(cli: Run, repository: Path, stdin: bytes, says: str) -> None:
    done = cli("patch", "--all", "--kubeconfig", "-", stdin=stdin, **VALUES)

    assert done.code == 2
    assert says in done.err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_run_that_is_broken_off_writes_nothing_more_and_leaves_nothing(repository: Path, home: Path, number: int, code: int) -> None:
    provider = f'providers: {{slow: {{type: exec, command: [{sys.executable}, -c, \'import time; open("began", "w"); time.sleep(60)\']}}}}\n'
    (repository / ".secrettool/patch.yaml").write_text(f"{HEAD}{provider}values:\n  x: {{provider: slow}}\n{ONE_TARGET}")
    before = snapshot(repository)
    env = {"PYTHONPATH": str(ROOT), **environment(home)}
    process = subprocess.Popen(
        [sys.executable, "-m", "secrettool", *ALL], cwd=repository, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    while not (repository / "began").exists():
        assert process.poll() is None
        time.sleep(0.02)

    process.send_signal(number)
    out, err = process.communicate(timeout=30)

    assert (process.returncode, out) == (code, b"")
    assert "the run was broken off" in err.decode()
    assert snapshot(repository) == before


# ---- what a newcomer does ------------------------------------------------------------------------------------------------------------------------


def test_first_run_is_two_commands(cli: Run, repository: Path) -> None:
    (repository / ".secrettool/patch.yaml").unlink()
    made = cli("patch", "init", "--manifests", "k3s")
    assert made.code == 0
    assert "secrettool patch --manifests k3s --plan --all" in made.err

    variables = re.findall(r"env: (\w+)", (repository / ".secrettool/patch.yaml").read_text())
    done = cli(*ALL, **{name: f"marker-{name}" for name in variables})

    assert (done.code, done.out.decode().splitlines()[-1]) == (0, "3 changed, 1 created")


def test_every_value_that_a_key_lacks_is_named(cli: Run, work: Path) -> None:
    lay_out(
        work, HEAD + "values: {x: {env: X}, y: {env: Y}}\n" + ONE_TARGET.replace("smtp-password: x", 'smtp-password: {template: "{{ x }}{{ y }}"}')
    )

    done = cli("patch", "--all", "--folder", "cluster")

    assert (done.code, done.out.decode().count("VL01")) == (3, 2)
