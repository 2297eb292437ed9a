"""`secrettool sidecar`: options, configurations, one pass and many."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from secrettool.cli.app import run
from secrettool.errors import Outcome
from tests.interop.gitops import KEY_FILE, ROOT
from tests.interop.sidecars import secret
from tests.waiting import wait_for

CANARY = "canary-44fe"
SECRET = secret("db", "shop", password=CANARY)
IDENTITY = KEY_FILE.read_bytes()
HEAD = "apiVersion: secrettool.dev/v1alpha1\nkind: Sidecar\n"


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "db.yaml").write_text(SECRET, encoding="utf-8")
    (tmp_path / "key.txt").write_bytes(IDENTITY)
    return tmp_path


def words(work: Path, *more: str) -> list[str]:
    own = [
        "--mode",
        "render",
        "--source",
        str(work / "tree"),
        "--target",
        str(work / "target"),
        "--age-key-file",
        str(work / "key.txt"),
        "--allow-disk",
    ]
    return ["sidecar", "run", *own, *more]


def started(work: Path, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    environ = {"PATH": os.environ["PATH"], "HOME": str(work), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "secrettool", *arguments]
    return subprocess.run(command, env=environ, input=stdin, capture_output=True, text=True, check=False, timeout=60)


def test_one_pass_writes_the_files_and_logs_json(work: Path) -> None:
    done = started(work, *words(work, "--once"))
    assert done.returncode == Outcome.DONE, done.stderr
    assert (work / "target" / "shop" / "db" / "password").read_text(encoding="utf-8") == CANARY
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["message"] for line in lines] == ["pass: 1 written", "shop/db/password written"]
    assert done.stdout == ""
    assert CANARY not in done.stderr


def test_one_pass_from_stdin(work: Path) -> None:
    arguments = words(work, "--once")
    arguments[arguments.index("--source") + 1] = "-"
    done = started(work, *arguments, stdin=SECRET)
    assert done.returncode == Outcome.DONE, done.stderr
    assert (work / "target" / "shop" / "db" / "password").read_text(encoding="utf-8") == CANARY


@pytest.mark.parametrize(
    ("text", "key", "code"),
    [
        ("apiVersion: v1\nkind: Secret\nmetadata: {name: x}\nstringData: {a: REPLACE_ME}\n", IDENTITY, Outcome.REFUSED),
        (SECRET.replace("GCM,data:", "GCM,data:AA", 1), IDENTITY, Outcome.DECRYPTION),
        (SECRET, b"nothing\n", Outcome.DECRYPTION),
    ],
    ids=["placeholder", "changed ciphertext", "no key"],  # what is encrypted anew is no name
)
def test_one_pass_ends_with_the_code_of_hook_apply(work: Path, text: str, key: bytes, code: Outcome) -> None:
    (work / "tree" / "db.yaml").write_text(text, encoding="utf-8")
    (work / "key.txt").write_bytes(key)
    done = started(work, *words(work, "--once"))
    assert done.returncode == code, done.stderr
    assert all(json.loads(line) for line in done.stderr.splitlines())
    assert not (work / "target").exists()


def test_missing_source_is_a_matter_of_configuration(work: Path) -> None:
    (work / "tree").rename(work / "away")
    assert started(work, *words(work, "--once")).returncode == Outcome.CONFIGURATION


def test_one_pass_needs_nothing_of_the_extra(work: Path) -> None:
    code = "import sys; sys.modules.update(prometheus_client=None, waitress=None); from secrettool.cli.app import run; sys.exit(run(sys.argv[1:]))"
    environ = {"PATH": os.environ["PATH"], "HOME": str(work), "PYTHONPATH": str(ROOT)}
    once = subprocess.run([sys.executable, "-c", code, *words(work, "--once")], env=environ, capture_output=True, text=True, check=False)
    assert once.returncode == Outcome.DONE, once.stderr
    forever = subprocess.run([sys.executable, "-c", code, *words(work)], env=environ, capture_output=True, text=True, check=False, timeout=60)
    assert forever.returncode == Outcome.CONFIGURATION
    line = json.loads(forever.stderr)
    assert "is missing" in line["message"]
    assert "secrettool[sidecar]" in line["hint"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_runs_until_it_is_told_to_end(work: Path, number: int) -> None:
    environ = {"PATH": os.environ["PATH"], "HOME": str(work), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "secrettool", *words(work, "--no-http", "--interval", "1s")]
    with subprocess.Popen(command, env=environ, stderr=subprocess.PIPE) as process:
        try:
            wait_for((work / "target" / "shop").exists, seconds=30)
            process.send_signal(signal.SIGHUP)
            assert process.poll() is None
            process.send_signal(number)
            assert process.wait(30) == Outcome.DONE
        finally:
            process.kill()
    assert (work / "target" / "shop" / "db" / "password").exists()


# ---- options and configurations ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "give --config, or either --source or --flux"),
        (["--source", "x", "--flux", "GitRepository/x"], "give --config, or either --source or --flux"),
        (["--flux", "x"], "--flux must be KIND/NAME or KIND/NAMESPACE/NAME"),
        (["--flux", "Git/x"], "flux.kind: must be GitRepository, OCIRepository, Bucket or ExternalArtifact"),
        (["--source", "x", "--mode", "render"], "--mode render needs --target"),
        (["--source", "x", "--target", "y", "--prune"], "--prune and --mode render do not fit together"),
        (["--source", "x", "--mode", "apply", "--layout", "flat"], "--layout and --mode apply do not fit together"),
        (["--source", "x", "--target", "y", "--path", ".."], "path: must stay below the source"),
        (["--source", "x", "--interval", "5"], "interval: does not match"),
        (["--config", "/dev/null", "--source", "x"], "with --config the rest stands in the file"),
        (["--source", "x", "--selector", "a"], "must be LABEL=VALUE"),
        (["--source", "x", "--selector", "a=b"], "no source has the labels of the selector"),
    ],
)
def test_options_that_do_not_fit(capfd: pytest.CaptureFixture[str], arguments: list[str], expected: str) -> None:
    assert run(["sidecar", "run", *arguments]) == Outcome.CONFIGURATION
    assert expected in capfd.readouterr().err


def test_check_config_tells_the_sources_or_all_that_is_wrong(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "sidecar.yaml"
    file.write_text(
        HEAD + "interval: 90s\nsources:\n- {id: a, dir: {path: /x}, render: {target: /y}}\n- {id: b, stdin: {}, apply: {}}\n", encoding="utf-8"
    )
    assert run(["sidecar", "check-config", str(file)]) == Outcome.DONE
    assert capfd.readouterr().out == "a: dir, render, every 90 s\nb: stdin, apply, every 90 s\n"
    file.write_text(HEAD + "sources:\n- {id: a, dir: {path: /x}}\n- {id: A}\n", encoding="utf-8")
    assert run(["sidecar", "check-config", str(file)]) == Outcome.CONFIGURATION
    said = capfd.readouterr().err
    assert f"{file}: 4 things are wrong with the configuration" in said
    assert "line 4, column 3: sources[0]: needs exactly one of apply, render" in said


def test_check_config_prints_the_schema(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["sidecar", "check-config", "--schema"]) == Outcome.DONE
    assert json.loads(capfd.readouterr().out)["$id"] == "urn:secrettool:sidecar:v1alpha1"
    assert run(["sidecar", "check-config"]) == Outcome.CONFIGURATION
