"""`edit`, with scripts as editors."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
from pathlib import Path

import pytest

from tests.cli.sandbox import AGE1, AGE2, TOOL, Sandbox
from tests.waiting import wait_for

TEXT = "# head\na: one   # aside\nb: 2\nlist:\n- x\n- y\n"
CANARY = "canary-7f3a"


@pytest.fixture
def box(tmp_path: Path) -> Sandbox:
    return Sandbox(tmp_path)


@pytest.fixture
def file(box: Sandbox) -> Path:
    return box.encrypted("f.yaml", TEXT)


def editing(box: Sandbox, *words: str, editor: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return box.run("edit", *words, stdin=stdin, env={"EDITOR": editor})


def values(path: Path) -> list[str]:
    """The lines with values, and the sealed data key."""
    lines = path.read_text().splitlines()
    return [line for line in lines if line.startswith(("a:", "b:", "- ", "            "))]


def test_edit_keeps_the_ciphertext_of_other_values(box: Sandbox, file: Path) -> None:
    before = values(file)
    done = editing(box, "f.yaml", editor="sed -i s/one/uno/")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert box.plain("f.yaml") == TEXT.replace("one", "uno")
    after = values(file)
    assert before[0] != after[0]
    assert before[1:] == after[1:]


def test_edit_sops_editor_comes_first_and_is_split_like_a_shell_line(box: Sandbox, file: Path) -> None:
    editor = 'sh -c \'sed -i "s/x/a b/" "$0"\' # my editor'
    assert box.run("edit", "f.yaml", env={"EDITOR": "false", "SOPS_EDITOR": editor}).returncode == 0
    assert box.plain("f.yaml") == TEXT.replace("- x", "- a b")


def test_edit_without_a_variable_takes_the_first_editor_on_the_path(box: Sandbox, file: Path) -> None:
    folder = box.folder / "bin"
    folder.mkdir()
    (folder / "nano").write_text('#!/bin/sh\n/bin/sed -i s/one/uno/ "$1"\n')
    (folder / "nano").chmod(0o755)
    assert box.run("edit", "f.yaml", env={"PATH": str(folder)}).returncode == 0
    assert box.plain("f.yaml") == TEXT.replace("one", "uno")


@pytest.mark.parametrize(
    ("editor", "code", "said"),
    [
        ("true", 200, "File has not changed, exiting."),
        ("touch", 200, "File has not changed, exiting."),
        ("false", 201, "Could not run editor"),
        ("no-such-editor-here", 201, "Could not run editor"),
        ("'unbalanced", 201, "Could not run editor"),
        ("# nothing", 201, "Could not run editor"),
        ("rm", 2, "no such file"),
    ],
)
def test_edit_without_a_result_leaves_the_file(box: Sandbox, file: Path, editor: str, code: int, said: str) -> None:
    before = os.stat(file)
    done = editing(box, "f.yaml", editor=editor)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert os.stat(file).st_ino == before.st_ino
    assert box.leftovers() == []


def test_edit_shows_the_text_privately_in_memory_under_the_own_name(box: Sandbox, file: Path) -> None:
    look = f'stat -c "%a %n" "$1" "$(dirname "$1")" > {box.folder}/seen; cat "$1" > {box.folder}/text'
    assert editing(box, "f.yaml", editor=box.script("look", look)).returncode == 200
    mode_and_file, mode_and_folder = (box.folder / "seen").read_text().splitlines()
    mode, path = mode_and_file.split(" ")
    assert (mode, Path(path).name, mode_and_folder.split(" ")[0]) == ("600", "f.yaml", "700")
    assert path.startswith("/dev/shm/")
    assert (box.folder / "text").read_text() == TEXT
    assert not Path(path).parent.exists()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (f"a: [{CANARY}", "Could not load tree, probably due to invalid syntax: f.yaml: line 3, column 1"),
        (f"a: {CANARY}\nsops: 1", "Tree not valid for encryption: f.yaml"),
    ],
)
def test_edit_refused_text_comes_back_to_the_editor(box: Sandbox, file: Path, spoil: str, said: str) -> None:
    editor = box.script("twice", f'if grep -q {CANARY} "$1"; then echo "a: mended" > "$1"; else printf "# c\\n{spoil}\\n" > "$1"; fi')
    done = editing(box, "f.yaml", editor=editor, stdin="\n")
    assert done.returncode == 0, done.stderr
    assert said in done.stderr
    assert "Press enter to return to the editor, or Ctrl+C to exit." in done.stderr
    assert CANARY not in done.stderr
    assert box.plain("f.yaml") == "a: mended\n"


def test_edit_refused_text_at_the_end_of_input_is_given_up(box: Sandbox, file: Path) -> None:
    before = file.read_bytes()
    done = editing(box, "f.yaml", editor=box.script("spoil", f'echo "a: [{CANARY}" > "$1"'))
    assert done.returncode == 1
    assert "discarded" in done.stderr
    assert CANARY not in done.stderr
    assert file.read_bytes() == before
    assert box.leftovers() == []


def test_edit_text_that_cannot_be_encrypted_keeps_its_exit_code(box: Sandbox, file: Path) -> None:
    assert editing(box, "f.yaml", editor=box.script("number", 'echo "1: x" > "$1"')).returncode == 23


def test_edit_file_that_another_program_changed_is_not_overwritten(box: Sandbox, file: Path) -> None:
    meanwhile = box.script("meanwhile", f'sed -i s/one/uno/ "$1"; echo other > {file}')
    done = editing(box, "f.yaml", editor=meanwhile)
    assert done.returncode == 3
    assert "changed by another program" in done.stderr
    assert file.read_text() == "other\n"


def test_edit_new_file_starts_with_an_example(box: Sandbox) -> None:
    done = editing(box, "--age", AGE1, "new.yaml", editor=box.script("see", f'cat "$1" > {box.folder}/text; echo "a: 1" > "$1"'))
    assert done.returncode == 0, done.stderr
    assert (box.folder / "text").read_text() == (
        "hello: Welcome to SOPS! Edit this file as you please!\nexample_key: example_value\n# Example comment\nexample_array:\n"
        "    - example_value1\n    - example_value2\nexample_number: 1234.56789\nexample_booleans:\n    - true\n    - false\n"
    )
    assert box.plain("new.yaml") == "a: 1\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "n.env",
            "# This is an example file.\nhello=Welcome to SOPS! Edit this file as you please!\nexample_key=example_value\n"
            "example_multiline=foo\\nbar\\nbaz\n",
        ),
        (
            "n.ini",
            "; This is an example file.\n[Welcome!]\nhello       = Welcome to SOPS! Edit this file as you please!\nexample_key = example_value\n",
        ),
        ("n.bin", "Welcome to SOPS! Edit this file as you please!"),
        (
            "n.json",
            '{\n\t"hello": "Welcome to SOPS! Edit this file as you please!",\n\t"example_key": "example_value",\n\t"example_array": [\n'
            '\t\t"example_value1",\n\t\t"example_value2"\n\t],\n\t"example_number": 1234.56789,\n\t"example_booleans": [\n'
            "\t\ttrue,\n\t\tfalse\n\t]\n}\n",
        ),
    ],
)
def test_edit_new_file_has_the_example_of_its_format(box: Sandbox, name: str, text: str) -> None:
    editor = box.script("see", f'cat "$1" > {box.folder}/text; sed -i s/Edit/Read/ "$1"')
    assert editing(box, "--age", AGE1, name, editor=editor).returncode == 0
    assert (box.folder / "text").read_text() == text
    assert box.plain(name) == text.replace("Edit", "Read")


def test_edit_new_file_unchanged_is_not_made(box: Sandbox) -> None:
    assert editing(box, "--age", AGE1, "new.yaml", editor="true").returncode == 200
    assert not (box.folder / "new.yaml").exists()


def test_edit_new_file_without_keys_does_not_open_the_editor(box: Sandbox) -> None:
    done = editing(box, "new.yaml", editor=f"touch {box.folder}/opened")
    assert done.returncode == 1
    assert "no keys provided" in done.stderr
    assert not (box.folder / "opened").exists()


def test_edit_plain_file_is_refused(box: Sandbox) -> None:
    (box.folder / "f.yaml").write_text("a: 1\n")
    done = editing(box, "f.yaml", editor="true")
    assert done.returncode == 1
    assert "sops metadata not found" in done.stderr


def test_edit_without_a_file_is_100(box: Sandbox) -> None:
    assert box.run("edit").returncode == 100


@pytest.mark.parametrize("name", ["f.yaml", "f.json", "f.env", "f.ini", "f.bin"])
def test_edit_show_master_keys_keeps_changed_values(box: Sandbox, name: str) -> None:
    text = {"f.yaml": TEXT, "f.json": '{"a": "one", "n": 1.50}\n', "f.env": "# c\na=one\n", "f.ini": "[s]\na = one\n", "f.bin": "one\n"}[name]
    box.encrypted(name, text)
    done = editing(box, "--show-master-keys", name, editor="sed -i s/one/uno/")
    assert done.returncode == 0, done.stderr
    assert box.plain(name) == text.replace("one", "uno")


def test_edit_show_master_keys_keeps_changed_metadata(box: Sandbox, file: Path) -> None:
    editor = box.script("add", f"sed -i 's/^    age:$/    age:\\n        - recipient: {AGE2}/; s/_unencrypted/_clear/' \"$1\"")
    done = editing(box, "-s", "f.yaml", editor=editor)
    assert done.returncode == 0, done.stderr
    assert "unencrypted_suffix: _clear" in file.read_text()
    assert box.plain("f.yaml", "age2") == TEXT


def test_edit_show_master_keys_without_keys_comes_back_to_the_editor(box: Sandbox, file: Path) -> None:
    done = editing(box, "-s", "f.yaml", editor=box.script("cut", "sed -i '/^    age:/,/^    lastmodified/{/lastmodified/!d}' \"$1\""))
    assert done.returncode == 1
    assert "SOPS metadata is invalid" in done.stderr


def test_edit_show_master_keys_unchanged_is_200(box: Sandbox, file: Path) -> None:
    assert editing(box, "-s", "f.yaml", editor="true").returncode == 200


def test_edit_show_master_keys_of_bytes_that_are_no_text_is_refused(box: Sandbox) -> None:
    path = box.folder / "f.bin"
    path.write_bytes(b"\xff\xfe\x00")
    assert box.run("encrypt", "-i", "--age", AGE1, "f.bin").returncode == 0
    done = editing(box, "-s", "f.bin", editor="true")
    assert done.returncode == 4
    assert "--show-master-keys" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_edit_interrupted_removes_the_plain_text_and_ends_the_editor(box: Sandbox, file: Path, number: signal.Signals) -> None:
    before = file.read_bytes()
    where = box.folder / "where"
    editor = box.script("wait", f'echo "$1 $$" > {where}.new; mv {where}.new {where}; exec sleep 60')
    process = box.start("edit", "f.yaml", env={"EDITOR": editor})
    wait_for(where.exists)
    path, pid = where.read_text().split()
    assert Path(path).exists()
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "User canceled operation" in errors
    assert not Path(path).parent.exists()
    assert box.leftovers() == []
    assert file.read_bytes() == before
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)


def test_edit_interrupted_at_the_prompt_removes_the_plain_text(box: Sandbox, file: Path) -> None:
    where = box.folder / "where"
    process = box.start("edit", "f.yaml", env={"EDITOR": box.script("spoil", f'echo "a: [" > "$1"; echo "$1" > {where}')})
    assert process.stderr is not None
    while "Press enter" not in process.stderr.readline():
        pass
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "User canceled operation" in errors
    assert not Path(where.read_text().strip()).parent.exists()


def test_edit_at_a_terminal_asks_and_goes_on_after_enter(box: Sandbox, file: Path) -> None:
    editor = box.script("twice", 'if grep -q spoilt "$1"; then echo "a: mended" > "$1"; else echo "a: [spoilt" > "$1"; fi')
    parent, terminal = pty.openpty()
    environ = {**box.env, "EDITOR": editor, "TERM": "xterm"}
    process = subprocess.Popen([*TOOL, "edit", "f.yaml"], cwd=box.folder, env=environ, stdin=terminal, stdout=terminal, stderr=terminal)
    os.close(terminal)
    shown = b""
    while b"Press enter" not in shown:
        shown += os.read(parent, 1000)
    os.write(parent, b"\n")
    assert process.wait(30) == 0
    os.close(parent)
    assert re.search(rb"line \d+", shown)
    assert b"spoilt" not in shown
    assert box.plain("f.yaml") == "a: mended\n"


def test_edit_recipients_of_the_environment_are_used_for_new_files(box: Sandbox) -> None:
    environ = {"EDITOR": box.script("make", 'echo "a: 1" > "$1"'), "SOPS_AGE_RECIPIENTS": AGE2}
    assert box.run("edit", "new.yaml", env=environ).returncode == 0
    assert box.plain("new.yaml", "age2") == "a: 1\n"
