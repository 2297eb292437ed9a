"""The form without a command: `secrettool -d FILE`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.cli.running import AGE1, AGE2

PLAIN = b'{"a": "one"}\n'
OTHER_RULE = f"creation_rules:\n  - path_regex: ^other$\n    age: {AGE1}\n"


@pytest.fixture
def sealed(work: Path, cli: Run) -> Path:
    path = work / "f.json"
    path.write_bytes(PLAIN)
    assert cli("-e", "-i", "--age", AGE1, "f.json") == (0, b"", "")
    return path


@pytest.mark.parametrize("flag", ["-d", "--decrypt", "-decrypt"])
def test_decrypt(cli: Run, sealed: Path, flag: str) -> None:
    assert cli(flag, "f.json") == (0, PLAIN, "")


def test_decrypt_with_options_before_the_file(cli: Run, sealed: Path) -> None:
    assert cli("-d", "--extract", '["a"]', "--output-type", "yaml", "f.json") == (0, b"one", "")


def test_options_behind_the_file_are_ignored_with_a_warning(cli: Run, sealed: Path) -> None:
    done = cli("-d", "f.json", "--output-type=yaml", "more")
    assert (done.code, done.out) == (0, PLAIN)
    assert "More than one positional argument" in done.err
    assert "--output-type is ignored" in done.err


def test_options_before_a_command_are_ignored(cli: Run, sealed: Path) -> None:
    assert cli("--output-type", "yaml", "decrypt", "f.json").out == PLAIN


def test_root_options_before_old_ones_count(cli: Run, sealed: Path) -> None:
    done = cli("-d", "--indent", "1", "--output-type", "json", "--extract", "", "f.json")
    assert done.out == PLAIN
    assert cli("--extract", '["x"]', "--indent", "3", "decrypt", "--output-type", "yaml", "f.json").out == b"a: one\n"


def test_rotate_in_place_changes_the_keys(cli: Run, sealed: Path) -> None:
    assert cli("-r", "-i", "--add-age", AGE2, "--rm-age", AGE1, "f.json") == (0, b"", "")
    assert [key["recipient"] for key in json.loads(sealed.read_bytes())["sops"]["age"]] == [AGE2]


def test_set_writes_in_place(cli: Run, sealed: Path) -> None:
    assert cli("--set", '["a"] "two"', "f.json") == (0, b"", "")
    assert cli("-d", "f.json").out == b'{"a": "two"}\n'


def test_edit_is_what_is_left(cli: Run, sealed: Path) -> None:
    assert cli("f.json", EDITOR="sed -i s/one/uno/") == (0, b"", "")
    assert cli("-d", "f.json").out == b'{"a": "uno"}\n'


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("-d",), 100),
        (("-d", "none.json"), 100),
        (("-e", "none.json"), 100),
        (("-r", "none.json"), 100),
        (("-r", "--add-age", AGE2, "none.json"), 49),
        (("-d", "-i", "--output", "o", "f.json"), 8),
        (("--set", "nonsense", "f.json"), 7),
        (("-e", "--age", AGE1, "f.json"), 203),
    ],
)
def test_refusal(cli: Run, sealed: Path, words: tuple[str, ...], code: int) -> None:
    before = sealed.read_bytes()
    done = cli(*words)
    assert (done.code, done.out) == (code, b"")
    assert sealed.read_bytes() == before


@pytest.mark.parametrize("words", [("-r", "-i"), ("--set", '["a"] 1')])
def test_a_rule_must_match_when_there_are_rules(cli: Run, sealed: Path, work: Path, words: tuple[str, ...]) -> None:
    (work / ".sops.yaml").write_text(OTHER_RULE)
    before = sealed.read_bytes()
    done = cli(*words, "f.json")
    assert done.code == 1
    assert "no matching creation rules found" in done.err
    assert sealed.read_bytes() == before


def test_decrypt_needs_no_rule(cli: Run, sealed: Path, work: Path) -> None:
    (work / ".sops.yaml").write_text(OTHER_RULE)
    assert cli("-d", "f.json").out == PLAIN


def test_the_last_of_several_forms_is_done(cli: Run, sealed: Path) -> None:
    assert cli("-e", "-d", "f.json").code == 1  # there are no keys to encrypt with
    done = cli("-e", "-d", "--age", AGE1, "f.json")
    assert (done.code, done.out) == (0, PLAIN)
    assert "only the last" in done.err


def test_comment_selectors_exist_here(cli: Run, work: Path) -> None:
    (work / "f.yaml").write_text("# secret\na: one\nb: two\n")
    done = cli("-e", "--age", AGE1, "--encrypted-comment-regex", "secret", "f.yaml")
    assert done.code == 0
    lines = done.out.decode().splitlines()
    assert lines[1].startswith("a: ENC[")
    assert lines[2] == "b: two"
