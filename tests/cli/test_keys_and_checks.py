"""`rotate`, `updatekeys`, `filestatus`, `verify` and `config` from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.cli.running import AGE1, AGE2, KEY2, VECTORS

PLAIN = b'{"a": "one"}\n'
RULE = "creation_rules:\n  - path_regex: ^f\n    age: {}\n"


@pytest.fixture
def sealed(work: Path, cli: Run) -> Path:
    path = work / "f.json"
    path.write_bytes(PLAIN)
    assert cli("encrypt", "-i", "--age", AGE1, "f.json").code == 0
    return path


def rule(work: Path, *recipients: str) -> None:
    (work / ".sops.yaml").write_text(RULE.format(",".join(recipients)))


def recipients(path: Path) -> list[str]:
    return [key["recipient"] for key in json.loads(path.read_bytes())["sops"]["age"]]


# ---- rotate --------------------------------------------------------------------------------------------------------------------------------------


def test_rotate_gives_new_ciphertext_and_keys(cli: Run, sealed: Path) -> None:
    before = json.loads(sealed.read_bytes())
    assert cli("rotate", "-i", "--add-age", AGE2, "f.json") == (0, b"", "")
    after = json.loads(sealed.read_bytes())
    assert after["a"] != before["a"]
    assert recipients(sealed) == [AGE1, AGE2]
    assert cli("decrypt", "f.json", SOPS_AGE_KEY_FILE=KEY2).out == PLAIN


def test_rotate_prints_unless_told_otherwise(cli: Run, sealed: Path, work: Path) -> None:
    before = sealed.read_bytes()
    done = cli("rotate", "f.json")
    assert done.code == 0
    assert cli("decrypt", "--filename-override", "x.json", stdin=done.out).out == PLAIN
    assert cli("rotate", "--output", "o.json", "f.json") == (0, b"", "")
    assert cli("decrypt", "o.json").out == PLAIN
    assert sealed.read_bytes() == before


def test_rotate_can_change_the_format(cli: Run, sealed: Path) -> None:
    done = cli("rotate", "--output-type", "yaml", "f.json")
    assert cli("decrypt", "--filename-override", "x.yaml", stdin=done.out).out == b"a: one\n"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("none.json",), 2),
        (("--rm-age", AGE1, "none.json"), 49),
        (("-i", "--rm-age", AGE1, "f.json"), 1),
        (("-i", "--add-age", "junk", "f.json"), 1),
        ((), 100),
        (("-i", "--output", "o", "f.json"), 8),
    ],
)
def test_rotate_refusal_changes_nothing(cli: Run, sealed: Path, words: tuple[str, ...], code: int) -> None:
    before = sealed.read_bytes()
    done = cli("rotate", *words)
    assert (done.code, done.out) == (code, b"")
    assert sealed.read_bytes() == before


# ---- updatekeys ----------------------------------------------------------------------------------------------------------------------------------


def test_updatekeys_seals_for_the_keys_of_the_rule_and_keeps_the_values(cli: Run, sealed: Path, work: Path) -> None:
    rule(work, AGE1, AGE2)
    before = json.loads(sealed.read_bytes())
    done = cli("updatekeys", "-y", "f.json")
    assert done.code == 0
    assert f"+++ {AGE2}\n" in done.out.decode()
    after = json.loads(sealed.read_bytes())
    assert recipients(sealed) == [AGE1, AGE2]
    assert (after["a"], after["sops"]["mac"], after["sops"]["lastmodified"]) == (before["a"], before["sops"]["mac"], before["sops"]["lastmodified"])
    assert after["sops"]["age"][0] == before["sops"]["age"][0]
    assert cli("decrypt", "f.json", SOPS_AGE_KEY_FILE=KEY2).out == PLAIN


def test_updatekeys_without_a_change_writes_nothing(cli: Run, sealed: Path, work: Path) -> None:
    rule(work, AGE1)
    before = sealed.stat()
    done = cli("updatekeys", "f.json")
    assert (done.code, done.out) == (0, b"")
    assert "up to date" in done.err
    assert sealed.stat().st_mtime_ns == before.st_mtime_ns


@pytest.mark.parametrize(
    ("answer", "code", "changed"), [(b"y\n", 0, True), (b"n\n", 0, False), (b"what\ny\n", 0, True), (b"", 1, False), (b"\n", 1, False)]
)
def test_updatekeys_asks(cli: Run, sealed: Path, work: Path, answer: bytes, code: int, changed: bool) -> None:
    rule(work, AGE2)
    done = cli("updatekeys", "f.json", stdin=answer)
    assert done.code == code
    assert done.out.decode().count("Is this okay? (y/n):") == len(answer.split()) or code == 1
    assert (recipients(sealed) == [AGE2]) == changed


def test_updatekeys_dry_run_shows_and_changes_nothing(cli: Run, sealed: Path, work: Path) -> None:
    rule(work, AGE2)
    done = cli("updatekeys", "-n", "f.json")
    assert done.code == 0
    assert f"+++ {AGE2}" in done.out.decode()
    assert recipients(sealed) == [AGE1]


def test_updatekeys_of_several_files_goes_on_and_ends_with_1(cli: Run, sealed: Path, work: Path) -> None:
    rule(work, AGE1, AGE2)
    (work / "f2.json").write_bytes(PLAIN)
    done = cli("updatekeys", "-y", "f2.json", "f.json", "none.json")
    assert done.code == 1
    assert recipients(sealed) == [AGE1, AGE2]


def test_updatekeys_report_lists_the_changes(cli: Run, sealed: Path, work: Path) -> None:
    rule(work, AGE2)
    done = cli("updatekeys", "-y", "--report", "json", "f.json")
    row = json.loads(done.out)["files"][0]
    assert (row["path"], row["status"], row["detail"]) == ("f.json", "updated", f"+ {AGE2} - {AGE1}")
    assert cli("updatekeys", "--report", "json", "f.json").code == 8


@pytest.mark.parametrize(("words", "code"), [((), 100), (("none.json",), 1), ((".",), 2)])
def test_updatekeys_refusal(cli: Run, work: Path, words: tuple[str, ...], code: int) -> None:
    rule(work, AGE1)
    assert cli("updatekeys", *words).code == code


def test_updatekeys_without_config_file(cli: Run, sealed: Path) -> None:
    done = cli("updatekeys", "f.json")
    assert done.code == 1
    assert "config file not found" in done.err


# ---- filestatus ----------------------------------------------------------------------------------------------------------------------------------


def test_filestatus_of_one_file(cli: Run, sealed: Path, work: Path) -> None:
    (work / "p.json").write_bytes(PLAIN)
    assert cli("filestatus", "f.json") == (0, b'{"encrypted":true}\n', "")
    assert cli("filestatus", "p.json") == (0, b'{"encrypted":false}\n', "")


def test_filestatus_of_an_empty_file(cli: Run, work: Path) -> None:
    (work / "e.yaml").touch()
    (work / "e.json").touch()
    assert cli("filestatus", "e.yaml") == (0, b'{"encrypted":false}\n', "")
    assert cli("filestatus", "e.json").code == 1


def test_filestatus_of_several_files_is_a_line_each(cli: Run, sealed: Path, work: Path) -> None:
    (work / "p.json").write_bytes(PLAIN)
    done = cli("filestatus", "f.json", "p.json")
    assert [json.loads(line) for line in done.out.splitlines()] == [{"path": "f.json", "encrypted": True}, {"path": "p.json", "encrypted": False}]


@pytest.mark.parametrize(("words", "code"), [((), 100), (("none.json",), 1), (("broken.json",), 1)])
def test_filestatus_refusal(cli: Run, work: Path, words: tuple[str, ...], code: int) -> None:
    (work / "broken.json").write_text("{")
    done = cli("filestatus", *words)
    assert (done.code, done.out) == (code, b"")


# ---- verify --------------------------------------------------------------------------------------------------------------------------------------


def test_verify_is_content_with_a_good_file(cli: Run, sealed: Path, work: Path) -> None:
    rule(work, AGE1)
    before = sealed.stat().st_mtime_ns
    done = cli("verify", "f.json")
    assert (done.code, done.out) == (0, b"")
    assert "f.json: ok" in done.err
    assert sealed.stat().st_mtime_ns == before


def test_verify_finds_a_changed_file(cli: Run, sealed: Path) -> None:
    changed = json.loads(sealed.read_bytes())
    changed["b_unencrypted"] = 1
    sealed.write_text(json.dumps(changed))
    assert cli("verify", "f.json").code == 51


def test_verify_finds_keys_that_the_rule_does_not_name(cli: Run, sealed: Path, work: Path) -> None:
    rule(work, AGE2)
    done = cli("verify", "f.json")
    assert done.code == 1
    assert f"+ {AGE2} - {AGE1}" in done.err
    assert "updatekeys" in done.err


def test_verify_says_when_no_rule_matches(cli: Run, sealed: Path, work: Path) -> None:
    (work / ".sops.yaml").write_text(RULE.format(AGE1).replace("^f", "^other"))
    done = cli("verify", "f.json")
    assert done.code == 0
    assert "no creation rule matches" in done.err


def test_verify_of_a_folder_finds_a_file_that_should_be_encrypted(cli: Run, sealed: Path, work: Path) -> None:
    rule(work, AGE1)
    (work / "f2.json").write_bytes(PLAIN)
    (work / "g.json").write_bytes(PLAIN)
    done = cli("verify", "--recursive", ".")
    assert done.code == 1
    assert "f2.json: sops metadata not found" in done.err
    assert "g.json" not in done.err
    (work / "f2.json").unlink()
    assert cli("verify", "--recursive", ".").code == 0


def test_verify_report(cli: Run, sealed: Path, work: Path) -> None:
    done = cli("verify", "--report", "json", "f.json", "none.json")
    assert [(row["path"], row["status"]) for row in json.loads(done.out)["files"]] == [("f.json", "ok"), ("none.json", "failed")]
    assert done.code == 2


def test_verify_needs_a_file(cli: Run) -> None:
    assert cli("verify").code == 100


# ---- config --------------------------------------------------------------------------------------------------------------------------------------


def test_config_explain_shows_rule_and_keys(cli: Run, work: Path) -> None:
    rule(work, AGE1)
    done = cli("config", "explain", "f.yaml")
    assert done.code == 0
    assert AGE1 in done.out.decode()
    assert "creation_rules[0]" in done.out.decode()


def test_config_explain_ends_as_encrypt_would(cli: Run, work: Path) -> None:
    rule(work, AGE1)
    done = cli("config", "explain", "--report", "json", "other.yaml")
    assert done.code == 1
    assert "no matching creation rules found" in json.loads(done.out)["error"]["message"]


def test_config_explain_takes_keys_like_encrypt(cli: Run, work: Path) -> None:
    rule(work, AGE1)
    done = cli("config", "explain", "--report", "json", "--age", AGE2, "f.yaml")
    assert json.loads(done.out)["groups"] == [[{"kind": "age", "key": AGE2}]]


def test_config_schema_is_the_one_in_the_package(cli: Run) -> None:
    done = cli("config", "schema")
    assert done.code == 0
    assert json.loads(done.out)["$schema"].startswith("https://json-schema.org/")


def test_config_option_beats_the_environment(cli: Run, work: Path) -> None:
    rule(work, AGE1)
    (work / "other.yaml").write_text(RULE.format(AGE2))
    for words, variable in ((["--config", "other.yaml"], ""), ([], "other.yaml"), (["--config", "other.yaml"], ".sops.yaml")):
        done = cli(*words, "config", "explain", "--report", "json", "f.yaml", SOPS_CONFIG=variable)
        assert json.loads(done.out)["groups"] == [[{"kind": "age", "key": AGE2}]]


def test_file_of_a_vector_has_a_status(cli: Run) -> None:
    assert cli("filestatus", str(VECTORS / "pos" / "yaml-basic.enc.yaml")).out == b'{"encrypted":true}\n'
