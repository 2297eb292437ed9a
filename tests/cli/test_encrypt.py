"""`encrypt` from the command line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.cli.running import AGE1, AGE2, KEY2

PLAIN = b'{"a": "one",\n "b": [1, 2.50]}\n'
YAML = b"# head\na:   one  # aside\nlist:\n- x\nopen_unencrypted: y\n"


@pytest.fixture
def plain(work: Path) -> Path:
    path = work / "f.json"
    path.write_bytes(PLAIN)
    return path


def test_result_goes_to_stdout_and_the_file_stays(cli: Run, plain: Path) -> None:
    done = cli("encrypt", "--age", AGE1, "f.json")
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out)["sops"]["age"][0]["recipient"] == AGE1
    assert plain.read_bytes() == PLAIN


def test_in_place_comes_back_byte_for_byte(cli: Run, plain: Path) -> None:
    plain.chmod(0o640)
    assert cli("encrypt", "-i", "--age", AGE1, "f.json") == (0, b"", "")
    assert plain.read_bytes() != PLAIN
    assert plain.stat().st_mode & 0o777 == 0o640
    assert cli("decrypt", "-i", "f.json") == (0, b"", "")
    assert plain.read_bytes() == PLAIN


def test_output_writes_another_file(cli: Run, plain: Path, work: Path) -> None:
    assert cli("encrypt", "--age", AGE1, "--output", "o.json", "f.json") == (0, b"", "")
    assert plain.read_bytes() == PLAIN
    assert cli("decrypt", "o.json").out == PLAIN
    assert sorted(path.name for path in work.iterdir()) == ["f.json", "o.json"]


def test_stdin_gets_its_format_from_the_override(cli: Run) -> None:
    done = cli("encrypt", "--age", AGE1, "--filename-override", "x.json", stdin=PLAIN)
    assert done.code == 0
    assert cli("decrypt", "--filename-override", "x.json", stdin=done.out).out == PLAIN


def test_recipients_come_from_the_environment(cli: Run, plain: Path) -> None:
    done = cli("encrypt", "f.json", SOPS_AGE_RECIPIENTS=AGE2)
    assert json.loads(done.out)["sops"]["age"][0]["recipient"] == AGE2


def test_flag_beats_the_environment(cli: Run, plain: Path) -> None:
    done = cli("encrypt", "--age", AGE1, "f.json", SOPS_AGE_RECIPIENTS=AGE2)
    assert [key["recipient"] for key in json.loads(done.out)["sops"]["age"]] == [AGE1]


def test_yaml_keeps_every_byte_that_is_not_secret(cli: Run, work: Path) -> None:
    (work / "f.yaml").write_bytes(YAML)
    done = cli("encrypt", "--age", AGE1, "--encrypted-regex", "^a$", "f.yaml")
    assert done.code == 0
    before, after = YAML.decode().splitlines(), done.out.decode().splitlines()
    assert after[1].startswith("a:   ENC[")
    assert after[2:5] == before[2:5]


def test_selection_that_matches_nothing_warns_and_strict_refuses(cli: Run, plain: Path) -> None:
    words = ("encrypt", "--age", AGE1, "--encrypted-regex", "^nothing$", "f.json")
    lax, strict = cli(*words), cli(*words, "--strict")
    assert lax.code == 0
    assert "secrettool: warning: f.json: no value was encrypted" in lax.err
    assert (strict.code, strict.out) == (1, b"")
    assert "no value was encrypted" in strict.err


def test_dry_run_writes_nothing(cli: Run, plain: Path) -> None:
    done = cli("encrypt", "-n", "-i", "--age", AGE1, "f.json")
    assert (done.code, done.out) == (0, b"")
    assert "3 of 3 values" in done.err
    assert plain.read_bytes() == PLAIN


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("-i", "--output", "o.json", "f.json"), 8, "both --output and --in-place"),
        (("-i",), 8, "--in-place when reading from stdin"),
        ((), 8, "--filename-override"),
        (("none.json",), 100, "non-existent file"),
        (("--output", "no/such/o.json", "f.json"), 3, "Could not open output file"),
        (("--encryption-context", "novalue", "f.json"), 6, "encryption context"),
        (("--encrypted-regex", "(", "f.json"), 8, "regex"),
        (("--encrypted-regex", "x", "--encrypted-suffix", "y", "f.json"), 8, "more than one of"),
        (("--shamir-secret-sharing-threshold", "x", "f.json"), 1, "x"),
        (("--reuse", "none.json", "f.json"), 2, "none.json"),
        (("--reuse", "git:HEAD", "f.json"), 1, "git"),
        (("f.json", "f.json.copy"), 8, "in place"),
        (("--report", "json", "f.json"), 8, "stdout"),
    ],
)
def test_refusal_prints_nothing_and_changes_nothing(cli: Run, plain: Path, work: Path, words: tuple[str, ...], code: int, message: str) -> None:
    done = cli("encrypt", "--age", AGE1, *words)
    assert (done.code, done.out) == (code, b"")
    assert message in done.err
    assert plain.read_bytes() == PLAIN
    assert [path.name for path in work.iterdir()] == ["f.json"]


def test_no_keys_at_all_is_refused_with_a_hint(cli: Run, plain: Path) -> None:
    done = cli("encrypt", "f.json")
    assert (done.code, done.out) == (1, b"")
    assert "--age" in done.err


def test_encrypted_file_is_refused(cli: Run, plain: Path) -> None:
    cli("encrypt", "-i", "--age", AGE1, "f.json")
    before = plain.read_bytes()
    done = cli("encrypt", "-i", "--age", AGE1, "f.json")
    assert (done.code, done.out) == (203, b"")
    assert plain.read_bytes() == before


def test_unwritable_folder_leaves_the_file(outside: Run, plain: Path, work: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    work.chmod(0o500)
    try:
        assert outside("encrypt", "-i", "--age", AGE1, "f.json").code == 3
    finally:
        work.chmod(0o700)
    assert plain.read_bytes() == PLAIN


# ---- reuse ---------------------------------------------------------------------------------------------------------------------------------------


def test_reuse_keeps_the_lines_of_unchanged_values(cli: Run, plain: Path, work: Path) -> None:
    cli("encrypt", "--age", AGE1, "--output", "old.json", "f.json")
    plain.write_bytes(PLAIN.replace(b"one", b"two"))
    assert cli("encrypt", "-i", "--age", AGE1, "--reuse", "old.json", "f.json").code == 0
    old, new = json.loads((work / "old.json").read_bytes()), json.loads(plain.read_bytes())
    assert old["b"] == new["b"]
    assert old["a"] != new["a"]
    assert old["sops"]["age"] == new["sops"]["age"]


def test_reuse_of_the_same_text_gives_the_same_file(cli: Run, plain: Path, work: Path) -> None:
    cli("encrypt", "--age", AGE1, "--output", "old.json", "f.json")
    assert cli("encrypt", "--age", AGE1, "--reuse", "old.json", "f.json").out == (work / "old.json").read_bytes()


def test_reuse_takes_the_file_from_a_git_revision(cli: Run, plain: Path, work: Path) -> None:
    _git_needed(work)
    cli("encrypt", "-i", "--age", AGE1, "f.json")
    _git(work, "add", "f.json")
    _git(work, "commit", "-q", "-m", "one")
    encrypted = plain.read_bytes()
    (work / "sub").mkdir()
    plain.write_bytes(PLAIN)
    assert cli("encrypt", "-i", "--age", AGE1, "--reuse", "git:HEAD", "../f.json", cwd=work / "sub").code == 0
    assert plain.read_bytes() == encrypted


def test_reuse_of_what_the_revision_lacks_encrypts_anew(cli: Run, plain: Path, work: Path) -> None:
    _git_needed(work)
    (work / "readme").write_text("x")
    _git(work, "add", "readme")
    _git(work, "commit", "-q", "-m", "one")
    done = cli("encrypt", "-i", "--age", AGE1, "--reuse", "git:HEAD", "f.json")
    assert done.code == 0
    assert "nothing to reuse" in done.err
    assert cli("decrypt", "f.json").out == PLAIN


def test_reuse_of_an_unknown_revision_is_an_error(cli: Run, plain: Path, work: Path) -> None:
    _git_needed(work)
    done = cli("encrypt", "-i", "--age", AGE1, "--reuse", "git:nonsense", "f.json")
    assert done.code == 1
    assert "nonsense" in done.err
    assert plain.read_bytes() == PLAIN


def _git(work: Path, *words: str) -> None:
    who = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *who, *words], cwd=work, check=True, capture_output=True)


def _git_needed(work: Path) -> None:
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    _git(work, "init", "-q")


def test_two_groups_need_both_keys(cli: Run, plain: Path, work: Path) -> None:
    rule = f"creation_rules:\n  - shamir_threshold: 2\n    key_groups:\n      - age: [{AGE1}]\n      - age: [{AGE2}]\n"
    (work / ".sops.yaml").write_text(rule)
    assert cli("encrypt", "-i", "f.json").code == 0
    assert cli("decrypt", "f.json").code == 128
    both = work / "both.txt"
    both.write_text(Path(KEY2).read_text() + (Path(KEY2).parent / "age1.txt").read_text())
    assert cli("decrypt", "f.json", SOPS_AGE_KEY_FILE=str(both)).out == PLAIN
