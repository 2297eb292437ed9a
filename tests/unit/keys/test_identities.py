from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from secrettool.keys.identities import Identities, Source, config_directory

VECTORS = Path(__file__).parents[2] / "vectors"


def by_location(identities: Identities, recipient: str = "age1x") -> dict[str, Source]:
    return {source.location: source for source in identities.all(recipient)}


def found(home: Path, **environ: str) -> dict[str, Source]:
    return by_location(Identities({"PATH": os.environ["PATH"], "HOME": str(home), **environ}, None))


def test_sources_come_in_the_order_of_the_reference(tmp_path: Path) -> None:
    assert list(found(tmp_path)) == [
        "SOPS_AGE_SSH_PRIVATE_KEY_FILE",
        "SOPS_AGE_SSH_PRIVATE_KEY_CMD",
        str(tmp_path / ".ssh/id_ed25519"),
        str(tmp_path / ".ssh/id_rsa"),
        "SOPS_AGE_KEY",
        "SOPS_AGE_KEY_FILE",
        "SOPS_AGE_KEY_CMD",
        str(tmp_path / ".config/sops/age/keys.txt"),
    ]


def test_sources_are_empty_when_nothing_is_set(tmp_path: Path) -> None:
    assert all(source.is_empty for source in found(tmp_path).values())


@pytest.mark.parametrize("text", ["", "\n# note\r\n\r\n"])
def test_a_text_without_identities_is_empty(tmp_path: Path, text: str) -> None:
    assert found(tmp_path, SOPS_AGE_KEY=text)["SOPS_AGE_KEY"].is_empty


def test_the_text_of_the_variable_is_split_at_blanks(tmp_path: Path, private: Mapping[str, str]) -> None:
    source = found(tmp_path, SOPS_AGE_KEY=f"  {private['age1']} \t{private['pq']}\n\n{private['age2']}\r\n")["SOPS_AGE_KEY"]
    assert (len(source.identities), source.problem) == (3, None)


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("{one}\n {two}\n", "line 2: unknown identity type"),
        ("{one} {two}\n", "line 1: malformed secret key"),
        ("# ok\n\njunk\n{one}", "line 3: unknown identity type"),
        ("{one}x", "line 1: malformed secret key"),
        ("age1qqq", "this is a public key"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----", "SOPS_AGE_SSH_PRIVATE_KEY_FILE"),
        ("AGE-SECRET-KEY-PQ-1QQQQ", "malformed secret key: "),
        ("AGE-PLUGIN-X-1QQQQ", "invalid identity encoding: "),
    ],
)
def test_one_bad_line_discards_a_file_and_is_not_quoted(tmp_path: Path, private: Mapping[str, str], template: str, problem: str) -> None:
    path = tmp_path / "keys"
    path.write_text(template.format(one=private["age1"], two=private["age2"]))
    source = found(tmp_path, SOPS_AGE_KEY_FILE=str(path))["SOPS_AGE_KEY_FILE"]
    assert source.identities == []
    assert problem in str(source.problem)
    assert "AGE-SECRET-KEY-1" not in str(source.problem)


def test_a_file_with_crlf_is_read(tmp_path: Path, private: Mapping[str, str]) -> None:
    path = tmp_path / "keys"
    path.write_bytes(f"# created\r\n{private['age1']}\r\n\r\n".encode())
    assert len(found(tmp_path, SOPS_AGE_KEY_FILE=str(path))["SOPS_AGE_KEY_FILE"].identities) == 1


def test_the_file_of_the_configuration_directory_is_found(tmp_path: Path, private: Mapping[str, str]) -> None:
    path = tmp_path / "xdg" / "sops" / "age" / "keys.txt"
    path.parent.mkdir(parents=True)
    path.write_text(private["age1"])
    assert len(found(tmp_path, XDG_CONFIG_HOME=str(tmp_path / "xdg"))[str(path)].identities) == 1


@pytest.mark.parametrize("name", ["SOPS_AGE_KEY_FILE", "SOPS_AGE_SSH_PRIVATE_KEY_FILE"])
@pytest.mark.parametrize("path", ["nowhere", "", "a\0b"])
def test_a_missing_file_is_a_problem_that_names_it(tmp_path: Path, name: str, path: str) -> None:
    source = found(tmp_path, **{name: path})[name]
    assert source.label == f"{name} ({path})"
    assert str(source.problem).startswith("failed to open file: ")


def test_ssh_keys_of_the_home_directory_are_found(tmp_path: Path) -> None:
    (tmp_path / ".ssh").mkdir()
    path = tmp_path / ".ssh" / "id_ed25519"
    path.write_bytes((VECTORS / "keys" / "ssh_ed25519").read_bytes())
    source = found(tmp_path)[str(path)]
    assert (source.label, len(source.identities)) == ("~/.ssh/id_ed25519", 1)


def test_an_ssh_file_that_is_none_is_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("hello")
    assert found(tmp_path, SOPS_AGE_SSH_PRIVATE_KEY_FILE=str(path))["SOPS_AGE_SSH_PRIVATE_KEY_FILE"].problem == "malformed SSH identity"


def test_commands_get_the_recipient_and_run_once_for_each(tmp_path: Path, private: Mapping[str, str]) -> None:
    script = f'echo "$SOPS_AGE_RECIPIENT" >> "$HOME/calls"; echo {private["age1"]}'
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "SOPS_AGE_KEY_CMD": f"sh -c '{script}' # why"}
    identities = Identities(environ, None)
    for recipient in ("age1a", "age1b", "age1a"):
        assert len(by_location(identities, recipient)["SOPS_AGE_KEY_CMD"].identities) == 1
    assert (tmp_path / "calls").read_text() == "age1a\nage1b\n"


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ("sh -c 'exit 3'", "failed to execute command: command exited with status 3"),
        ("sh -c 'kill -9 $$'", "failed to execute command: command was ended by signal 9"),
        ("no-such-program-anywhere", "failed to execute command: No such file or directory"),
        ("", "failed to execute command: it is empty"),
        ("echo 'AGE-SECRET", "failed to parse command: no closing quotation"),
        ("echo hello", "line 1: unknown identity type"),
    ],
)
@pytest.mark.parametrize("name", ["SOPS_AGE_KEY_CMD", "SOPS_AGE_SSH_PRIVATE_KEY_CMD"])
def test_a_command_that_fails_is_a_problem_that_does_not_show_it(tmp_path: Path, name: str, command: str, problem: str) -> None:
    expected = "malformed SSH identity" if command == "echo hello" and "SSH" in name else problem
    assert found(tmp_path, **{name: command})[name].problem == expected


def test_an_ssh_command_gives_an_identity(tmp_path: Path) -> None:
    command = f"cat {VECTORS / 'keys' / 'ssh_rsa'}"
    assert len(found(tmp_path, SOPS_AGE_SSH_PRIVATE_KEY_CMD=command)["SOPS_AGE_SSH_PRIVATE_KEY_CMD"].identities) == 1


def test_files_are_read_once(tmp_path: Path, private: Mapping[str, str]) -> None:
    path = tmp_path / "keys"
    path.write_text(private["age1"])
    identities = Identities({"HOME": str(tmp_path), "SOPS_AGE_KEY_FILE": str(path)}, None)
    first = by_location(identities)["SOPS_AGE_KEY_FILE"].identities
    path.unlink()
    assert by_location(identities)["SOPS_AGE_KEY_FILE"].identities is first


def test_nothing_shows_a_key_when_printed(tmp_path: Path, private: Mapping[str, str]) -> None:
    identities = Identities({"HOME": str(tmp_path), "SOPS_AGE_KEY": f"{private['age1']} {private['pq']}"}, None)
    source = by_location(identities)["SOPS_AGE_KEY"]
    assert "SECRET-KEY" not in f"{identities!r}{source!r}{source.identities!r}{source.identities}"
    assert "from SOPS_AGE_KEY" in repr(source.identities)


@pytest.mark.parametrize(
    ("platform", "environ", "expected"),
    [
        ("linux", {"HOME": "/h"}, "/h/.config"),
        ("linux", {"HOME": "/h", "XDG_CONFIG_HOME": "/x"}, "/x"),
        ("linux", {"HOME": "/h", "XDG_CONFIG_HOME": "x"}, None),
        ("linux", {}, None),
        ("darwin", {"HOME": "/h"}, "/h/Library/Application Support"),
        ("darwin", {"HOME": "/h", "XDG_CONFIG_HOME": "/x"}, "/x"),
        ("win32", {"AppData": "C:\\a"}, "C:\\a"),
        ("win32", {}, None),
    ],
)
def test_config_directory(platform: str, environ: dict[str, str], expected: str | None) -> None:
    assert config_directory(environ, platform) == expected


def test_sources_without_a_home_say_so(tmp_path: Path) -> None:
    problems = [source.problem for source in Identities({}, None).fixed() if source.problem]
    assert problems == ["$HOME is not defined", "$HOME is not defined", "user config directory could not be determined"]
