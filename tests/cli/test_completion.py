"""Completion in shells: the scripts, and what they are answered."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from secrettool.cli import app
from tests.cli.conftest import Run
from tests.cli.running import ROOT
from tests.interop.peers import missing


def answers(outside: Run, *words: str) -> set[tuple[str, str]]:
    """Kind and text of what is proposed for the last word."""
    done = outside(COMP_WORDS=" ".join(("secrettool", *words)), COMP_CWORD=str(len(words)), _SECRETTOOL_COMPLETE="bash_complete")
    return {(kind, text) for kind, _, text in (line.partition(",") for line in done.out.decode().splitlines())}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_script_asks_this_program(cli: Run, shell: str) -> None:
    done = cli("completion", shell)
    assert done.code == 0
    assert "_SECRETTOOL_COMPLETE" in done.out.decode()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shell_takes_the_script(cli: Run, shell: str) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    done = subprocess.run([program, "-n", "/dev/stdin"], input=cli("completion", shell).out, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_unknown_shell_is_a_usage_error(cli: Run) -> None:
    assert cli("completion", "tcsh").code == 1


def test_commands_are_completed(outside: Run) -> None:
    assert answers(outside, "de") == {("plain", "decrypt")}
    assert {text for _, text in answers(outside, "")} == set(app.COMMANDS)


def test_a_word_that_begins_no_command_is_a_file(outside: Run) -> None:
    assert answers(outside, "secrets.y") == {("file", "secrets.y")}


def test_options_are_completed(outside: Run) -> None:
    assert ("plain", "--ignore-mac") in answers(outside, "decrypt", "--ig")


def test_files_are_completed(outside: Run) -> None:
    assert {kind for kind, _ in answers(outside, "decrypt", "se")} == {"file"}


def test_bash_completes_a_command(work: Path) -> None:
    bash = shutil.which("bash") or missing("bash", "install it")
    bin_folder = work / "bin"
    bin_folder.mkdir()
    program = bin_folder / "secrettool"
    program.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m secrettool "$@"\n')
    program.chmod(0o755)
    script = (
        'PATH="$1:$PATH"; eval "$(secrettool completion bash)"; COMP_WORDS=(secrettool upd); COMP_CWORD=1; '
        "_secrettool_completion secrettool; echo ${COMPREPLY[@]}"
    )
    done = subprocess.run([bash, "--norc", "-c", script, "bash", str(bin_folder)], capture_output=True, check=False)
    assert done.stdout.decode().strip() == "updatekeys", done.stderr.decode()
