"""Several files and folders in one run."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.cli.running import AGE1, KEY2, ROOT, environment

PLAIN = b'{"a": "one"}\n'
RULES = f"creation_rules:\n  - path_regex: secrets/\n    age: {AGE1}\n"
CATCH_ALL = f"creation_rules:\n  - age: {AGE1}\n"


def fill(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(PLAIN)


def encrypted(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink() and b'"sops"' in path.read_bytes()
    }


def git_init(folder: Path) -> None:
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)


# ---- which files ---------------------------------------------------------------------------------------------------------------------------------


@pytest.fixture(params=[True, False], ids=["git", "no-git"])
def tree(request: pytest.FixtureRequest, work: Path) -> Path:
    """A folder with ignored files, inside a Git work tree and outside of one."""
    if request.param:
        git_init(work)
    fill(
        work, "secrets/a.json", "secrets/sp ace.json", "secrets/deep/b.json", "secrets/x.ignored.json", "secrets/skip/c.json", "secrets/deep/own.json"
    )
    fill(work, "secrets/cert.der", "public/a.json", "README.md")
    (work / "secrets/link.json").symlink_to("a.json")
    (work / ".gitignore").write_text("*.ignored.json\nskip/\n")
    (work / "secrets/deep/.gitignore").write_text("own.json\n!never.json\n")
    return work


COVERED = {"secrets/a.json", "secrets/sp ace.json", "secrets/deep/b.json", "secrets/cert.der"}


def test_recursive_takes_what_a_rule_covers_and_git_does_not_ignore(cli: Run, tree: Path) -> None:
    (tree / ".sops.yaml").write_text(RULES)
    done = cli("encrypt", "-i", "--recursive", ".")
    assert (done.code, done.out) == (0, b"")
    assert encrypted(tree) == COVERED
    assert done.err.endswith("secrettool: encrypt: 4 files: 4 encrypted\n")


def test_recursive_of_a_subfolder_stays_in_it(cli: Run, tree: Path) -> None:
    (tree / ".sops.yaml").write_text(RULES)
    assert cli("encrypt", "-i", "--recursive", "secrets/deep").code == 0
    assert encrypted(tree) == {"secrets/deep/b.json"}


def test_recursive_passes_over_what_a_killed_run_left(cli: Run, tree: Path) -> None:
    (tree / ".sops.yaml").write_text(RULES)
    left = tree / "secrets/.secrettool-0011223344556677.tmp"
    left.write_bytes(b'{\n\t"a": "ENC[AES2')
    assert cli("encrypt", "-i", "--recursive", ".").code == 0
    assert left.read_bytes() == b'{\n\t"a": "ENC[AES2'
    assert cli("verify", "--recursive", ".").code == 0


def test_rule_for_every_path_takes_known_formats_only(cli: Run, tree: Path) -> None:
    (tree / ".sops.yaml").write_text(CATCH_ALL)
    assert cli("encrypt", "-i", "--recursive", ".").code == 0
    assert encrypted(tree) == COVERED - {"secrets/cert.der"} | {"public/a.json"}
    assert (tree / ".sops.yaml").read_text() == CATCH_ALL


def test_second_run_skips_what_is_encrypted(cli: Run, tree: Path) -> None:
    (tree / ".sops.yaml").write_text(RULES)
    cli("encrypt", "-i", "--recursive", ".")
    before = {name: (tree / name).read_bytes() for name in COVERED}
    done = cli("encrypt", "-i", "--recursive", ".")
    assert done.code == 0
    assert "secrets/a.json: skipped: encrypted already" in done.err
    assert before == {name: (tree / name).read_bytes() for name in COVERED}


def test_binary_file_is_encrypted_twice_only_by_name_and_with_a_warning(cli: Run, work: Path) -> None:
    fill(work, "cert.der")
    cli("encrypt", "-i", "--age", AGE1, "cert.der")
    done = cli("encrypt", "-i", "--age", AGE1, "cert.der")
    assert done.code == 0
    assert "encrypted twice" in done.err


def test_decrypt_takes_the_same_files_back(cli: Run, tree: Path) -> None:
    (tree / ".sops.yaml").write_text(RULES)
    cli("encrypt", "-i", "--recursive", ".")
    assert cli("decrypt", "-i", "--recursive", ".").code == 0
    assert encrypted(tree) == set()
    assert (tree / "secrets/cert.der").read_bytes() == PLAIN


def test_folder_without_recursive_is_refused_before_anything_is_done(cli: Run, tree: Path) -> None:
    done = cli("encrypt", "-i", "--age", AGE1, "public/a.json", "secrets")
    assert done.code == 2
    assert "--recursive" in done.err
    assert encrypted(tree) == set()


def test_a_file_named_twice_is_done_once(cli: Run, work: Path) -> None:
    fill(work, "a.json")
    done = cli("encrypt", "-i", "--age", AGE1, "a.json", "./a.json")
    assert done.code == 0
    assert encrypted(work) == {"a.json"}


# ---- failures and exit codes ---------------------------------------------------------------------------------------------------------------------


def test_a_failure_stops_no_other_file(cli: Run, work: Path) -> None:
    fill(work, "a.json", "c.json")
    (work / "b.json").write_text("{")
    done = cli("encrypt", "-i", "--age", AGE1, "a.json", "b.json", "c.json")
    assert done.code == 2
    assert encrypted(work) == {"a.json", "c.json"}
    assert "secrettool: error: b.json: " in done.err
    assert done.err.endswith("secrettool: encrypt: 3 files: 2 encrypted, 1 failed\n")


def test_failures_that_agree_give_their_code(cli: Run, work: Path) -> None:
    fill(work, "a.json", "b.json", "c.json")
    assert cli("encrypt", "-i", "--age", AGE1, "a.json", "b.json", "c.json").code == 0
    assert cli("verify", "a.json", "b.json", "c.json", SOPS_AGE_KEY_FILE=KEY2).code == 128


def test_failures_that_differ_give_1(cli: Run, work: Path) -> None:
    fill(work, "a.json")
    (work / "b.json").write_text("{")
    done = cli("encrypt", "-i", "--age", AGE1, "a.json", "b.json", "none.json")
    assert done.code == 1
    assert encrypted(work) == {"a.json"}


def test_dry_run_says_what_would_be_done(cli: Run, work: Path) -> None:
    fill(work, "a.json", "b.json")
    done = cli("encrypt", "-n", "--age", AGE1, "a.json", "b.json")
    assert (done.code, done.out) == (0, b"")
    assert "a.json: would be encrypted: 1 of 1 values" in done.err
    assert encrypted(work) == set()


# ---- reports -------------------------------------------------------------------------------------------------------------------------------------


def test_json_report_has_a_row_for_each_file(cli: Run, work: Path) -> None:
    fill(work, "a.json")
    (work / "b.json").write_text('{"canary-1":')
    done = cli("encrypt", "-i", "--age", AGE1, "--report", "json", "a.json", "b.json", "none.json")
    report = json.loads(done.out)
    assert [(row["path"], row["status"], row.get("exit_code")) for row in report["files"]] == [
        ("a.json", "encrypted", None),
        ("b.json", "failed", 2),
        ("none.json", "failed", 100),
    ]
    assert report["counts"] == {"encrypted": 1, "failed": 2}
    assert report["exit_code"] == done.code == 1
    assert done.err == ""
    assert b"canary" not in done.out


def test_json_report_of_one_file(cli: Run, work: Path) -> None:
    fill(work, "a.json")
    done = cli("encrypt", "-i", "--age", AGE1, "--report", "json", "a.json")
    assert [row["status"] for row in json.loads(done.out)["files"]] == ["encrypted"]


def test_bar_is_drawn_on_a_terminal_only(home: Path, work: Path) -> None:
    fill(work, *(f"{number}.json" for number in range(30)))
    ours, theirs = pty.openpty()
    done = subprocess.Popen(
        [sys.executable, "-m", "secrettool", "encrypt", "-i", "--age", AGE1, "--report", "json", *(f"{number}.json" for number in range(30))],
        cwd=work,
        env=environment(home, PYTHONPATH=str(ROOT), TERM="xterm"),
        stdout=subprocess.PIPE,
        stderr=theirs,
    )
    out, _ = done.communicate(timeout=60)
    os.close(theirs)
    shown = b""
    while chunk := _read(ours):
        shown += chunk
    os.close(ours)
    assert json.loads(out)["counts"] == {"encrypted": 30}
    assert b"files" in shown


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""


# ---- other commands ------------------------------------------------------------------------------------------------------------------------------


def test_rotate_takes_a_folder(cli: Run, work: Path) -> None:
    fill(work, "a.json", "b.json", "plain.json")
    cli("encrypt", "-i", "--age", AGE1, "a.json", "b.json")
    before = (work / "a.json").read_bytes()
    done = cli("rotate", "-i", "--recursive", ".")
    assert done.code == 0
    assert done.err.endswith("rotate: 3 files: 2 rotated, 1 skipped\n")
    assert (work / "a.json").read_bytes() != before
    assert cli("decrypt", "a.json").out == PLAIN
    assert (work / "plain.json").read_bytes() == PLAIN


def test_several_files_need_in_place(cli: Run, work: Path) -> None:
    fill(work, "a.json", "b.json")
    for command in ("decrypt", "rotate", "encrypt"):
        done = cli(command, "a.json", "b.json")
        assert (done.code, done.out) == (8, b"")
        assert "--in-place" in done.err
