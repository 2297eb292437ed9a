"""The root of the command line: help, version, options of the root, how words are read, and how failures end."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from secrettool import __version__
from secrettool.cli import app
from secrettool.cli.options import Command, split_words
from secrettool.sops.metadata import FORMAT_VERSION
from tests.cli.conftest import Run
from tests.cli.running import AGE1, VECTORS

SECRET = "canary-3f9c1e"


def subcommands(name: str) -> list[list[str]]:
    """The command lines of a command and, for a group, of those in it."""
    context = app.root.make_context("secrettool", ["--indent", "1"])
    command = app.root.get_command(context, name)
    inner = getattr(command, "commands", {})
    return [[name], *([name, part] for part in inner)]


EVERY = [words for name in app.COMMANDS for words in subcommands(name)]


def test_version_names_program_and_format(cli: Run) -> None:
    done = cli("--version")
    assert (done.code, done.out.decode()) == (0, f"secrettool {__version__} (format of sops {FORMAT_VERSION})\n")
    assert app.FORMAT == FORMAT_VERSION


@pytest.mark.parametrize("words", [["-v"], ["--version", "--disable-version-check"], ["--check-for-updates", "--version"], ["-version"]])
def test_version_flags_of_sops_are_accepted(cli: Run, words: list[str]) -> None:
    assert cli(*words).out == cli("--version").out


def test_help_lists_every_command(cli: Run) -> None:
    done = cli("--help")
    assert done.code == 0
    for name, entry in app.COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(entry.help.split()[0])}", done.out.decode(), re.MULTILINE)


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_help_of_a_command_has_examples(cli: Run, words: list[str]) -> None:
    done = cli(*words, "--help")
    assert done.code == 0
    text = done.out.decode()
    assert text.startswith(f"Usage: secrettool {' '.join(words)}")
    assert "Examples:\n" in text
    assert f"secrettool {words[0]}" in text.partition("Examples:\n")[2]


def test_table_says_what_the_commands_say() -> None:
    for name in app.COMMANDS:
        context = app.root.make_context("secrettool", ["--indent", "1"])
        command = app.root.get_command(context, name)
        assert command is not None
        assert command.name == name


def test_help_command_shows_help_of_another(cli: Run) -> None:
    assert cli("help", "decrypt").out == cli("decrypt", "--help").out
    assert cli("help").out == cli("--help").out


@pytest.mark.parametrize("name", ["groups", "config", "completion"])
def test_command_that_needs_another_word_shows_its_help(cli: Run, name: str) -> None:
    assert cli(name) == (0, cli(name, "--help").out, "")


def test_help_of_an_unknown_command_is_a_usage_error(cli: Run) -> None:
    done = cli("help", "nonsense")
    assert (done.code, done.out) == (1, b"")
    assert "nonsense" in done.err


def test_no_argument_is_sops_100(cli: Run) -> None:
    done = cli()
    assert (done.code, done.out) == (100, b"")
    assert "no file specified" in done.err


@pytest.mark.parametrize(
    "words", [["decrypt", "--nonsense", "f.json"], ["--nonsense", "f.json"], ["decrypt", "f.json", "--nonsense"], ["-di", "f.json"]]
)
def test_unknown_flag_shows_usage_and_ends_with_1(cli: Run, work: Path, words: list[str]) -> None:
    (work / "f.json").write_text('{"a": 1}')
    done = cli(*words)
    assert (done.code, done.out) == (1, b"")
    assert done.err.startswith("Usage: secrettool")
    assert "secrettool: error: " in done.err


def test_misspelt_flag_gets_a_proposal(cli: Run) -> None:
    assert "--ignore-mac" in cli("decrypt", "--ignore-mca", "f.json").err


def test_flag_without_its_value_is_a_usage_error(cli: Run) -> None:
    done = cli("decrypt", "f.json", "--output")
    assert done.code == 1
    assert "--output needs a value" in done.err


def test_flag_with_a_wrong_number_is_a_usage_error(cli: Run) -> None:
    assert cli("--indent", "two", "decrypt", "f.json").code == 1


# ---- words ---------------------------------------------------------------------------------------------------------------------------------------


def words_of(name: str, *words: str) -> tuple[list[str], list[str]]:
    context = app.root.make_context("secrettool", ["--indent", "1"])
    command = app.root.get_command(context, name)
    assert isinstance(command, Command)
    return split_words(command.get_params(context), words, context)


@pytest.mark.parametrize(
    ("words", "flags"),
    [
        (["-i", "f"], ["--in-place"]),
        (["f", "-i"], ["--in-place"]),
        (["-in-place", "f"], ["--in-place"]),
        (["--i", "f"], ["--in-place"]),
        (["--in-place=true", "f"], ["--in-place"]),
        (["--in-place=F", "f"], []),
        (["--output-type", "json", "f"], ["--output-type=json"]),
        (["f", "-output-type=json"], ["--output-type=json"]),
        (["--output", "-i", "f"], ["--output=-i"]),
        (["--extract=", "f"], ["--extract="]),
        (["--enable-local-keyservice=false", "f"], ["--disable-local-keyservice"]),
        (["--enable-local-keyservice", "f"], ["--enable-local-keyservice"]),
    ],
)
def test_words_are_read_as_sops_reads_them(words: list[str], flags: list[str]) -> None:
    assert words_of("decrypt", *words) == (flags, ["f"])


def test_everything_behind_two_dashes_is_an_argument() -> None:
    assert words_of("decrypt", "-i", "--", "-i", "--x") == (["--in-place"], ["-i", "--x"])


def test_unknown_flag_behind_an_argument_is_one_where_their_number_is_fixed() -> None:
    assert words_of("set", "f.yaml", '["a"]', "-5") == ([], ["f.yaml", '["a"]', "-5"])


def test_truth_value_that_is_none_is_a_usage_error(cli: Run) -> None:
    done = cli("decrypt", "--in-place=perhaps", "f.json")
    assert done.code == 1
    assert "takes true or false" in done.err


# ---- how runs end --------------------------------------------------------------------------------------------------------------------------------


def test_error_names_the_file_and_gives_a_hint(cli: Run, work: Path) -> None:
    (work / "f.json").write_bytes((VECTORS / "pos" / "json-basic.enc.json").read_bytes())
    done = cli("decrypt", "f.json", SOPS_AGE_KEY_FILE=str(work / "none.txt"))
    assert (done.code, done.out) == (128, b"")
    assert done.err.startswith("secrettool: error: f.json: ")
    assert "secrettool: hint: " in done.err


def test_stderr_has_no_colours_off_a_terminal(cli: Run) -> None:
    assert "\x1b" not in cli("decrypt", "none.json", NO_COLOR="").err


def test_verbose_tells_kinds_and_places_only(cli: Run, work: Path) -> None:
    (work / "f.json").write_text(f'{{"a": "{SECRET}", }}')
    quiet, loud = cli("encrypt", "--age", AGE1, "f.json"), cli("--verbose", "encrypt", "--age", AGE1, "f.json")
    assert quiet.code == loud.code == 2
    assert "raised: " not in quiet.err
    assert re.search(r"^secrettool: raised: FormatError in \S+\.py:\d+$", loud.err, re.MULTILINE)
    assert SECRET not in loud.err


def test_reader_that_goes_away_is_no_error_message(outside: Run, work: Path) -> None:
    (work / "f.json").write_bytes((VECTORS / "pos" / "json-basic.enc.json").read_bytes())
    reader, writer = os.pipe()
    os.close(reader)
    done = outside("decrypt", "f.json", stdout=writer)
    os.close(writer)
    assert done.code != 0
    assert done.err == ""


def test_full_disk_under_stdout_is_an_error(outside: Run, work: Path) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("this system has no /dev/full")
    (work / "f.json").write_bytes((VECTORS / "pos" / "json-basic.enc.json").read_bytes())
    full = os.open("/dev/full", os.O_WRONLY)
    done = outside("decrypt", "f.json", stdout=full)
    os.close(full)
    assert done.code == 1
    assert done.err == "secrettool: error: stdout: cannot be written: no space left on device\n"
