"""`exec-env` and `exec-file`."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from secrettool.cli.exec_env import environment
from secrettool.errors import SecrettoolError
from secrettool.sops.tree import Branch, Comment, Item, Leaf, Sequence
from secrettool.sops.values import Time
from tests.cli.sandbox import Sandbox
from tests.waiting import wait_for

TEXT = "A: x\nB: 5\nC: 1.5\nD: true\n# note\nE: 2031-07-09T08:07:06Z\nG: ''\nH: two  words\n"


@pytest.fixture
def box(tmp_path: Path) -> Sandbox:
    return Sandbox(tmp_path)


@pytest.fixture
def file(box: Sandbox) -> Path:
    return box.encrypted("f.yaml", TEXT)


def wait_for_file(path: Path) -> str:
    wait_for(lambda: path.exists() and path.read_text().endswith("\n"))
    return path.read_text()


# ---- exec-env ------------------------------------------------------------------------------------------------------------------------------------


def test_exec_env_values_are_variables_beside_the_own_ones(box: Sandbox, file: Path) -> None:
    done = box.run("exec-env", "f.yaml", 'echo "$A,$B,$C,$D,$E,$G,$H,$MINE"', env={"MINE": "m", "A": "hidden"})
    assert (done.returncode, done.stdout, done.stderr) == (0, "x,5,1.5,true,2031-07-09T08:07:06Z,,two  words,m\n", "")


def test_exec_env_pristine_has_only_the_values(box: Sandbox, file: Path) -> None:
    done = box.run("exec-env", "--pristine", "f.yaml", "exec /usr/bin/env", env={"MINE": "m"})
    names = {line.partition("=")[0] for line in done.stdout.splitlines()}
    assert names - {"PWD", "SHLVL", "_", "OLDPWD"} == set("ABCDEGH")


@pytest.mark.parametrize("options", [(), ("--same-process",)])
@pytest.mark.parametrize(("shell", "code"), [("true", 0), ("exit 7", 7), ("no-such-program-here", 127)])
def test_exec_env_status_is_the_one_of_the_command(box: Sandbox, file: Path, options: tuple[str, ...], shell: str, code: int) -> None:
    assert box.run("exec-env", *options, "f.yaml", shell).returncode == code


def test_exec_env_same_process_is_the_same_process(box: Sandbox, file: Path) -> None:
    process = box.start("exec-env", "--same-process", "f.yaml", "echo $$")
    out, _ = process.communicate(timeout=30)
    assert int(out) == process.pid


@pytest.mark.parametrize("options", [(), ("--same-process",)])
def test_exec_env_command_gets_sigpipe_as_usual(box: Sandbox, file: Path, options: tuple[str, ...]) -> None:
    done = box.run("exec-env", *options, "f.yaml", "(/usr/bin/yes; echo $? >&2) | head -n 1")
    assert "Broken pipe" not in done.stderr
    assert done.stderr == "141\n" or done.stderr == ""


def test_exec_env_reads_stdin(box: Sandbox, file: Path) -> None:
    assert box.run("exec-env", "f.yaml", "cat", stdin="typed\n").stdout == "typed\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("A: {b: 1}\n", "cannot use complex value in environment; offending key A"),
        ("A: []\n", "cannot use complex value in environment"),
        ("a=b: canary\n", "cannot use keys with '=' in environment: a=b"),
        ('A: "canary\\0"\n', "NUL"),
    ],
)
def test_exec_env_refuses_what_no_environment_can_hold(box: Sandbox, text: str, said: str) -> None:
    box.encrypted("g.yaml", text)
    done = box.run("exec-env", "g.yaml", "echo ran")
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr
    assert "canary" not in done.stderr


@pytest.mark.parametrize("words", [(), ("f.yaml",), ("f.yaml", "a", "b")])
@pytest.mark.parametrize("verb", ["exec-env", "exec-file"])
def test_exec_without_two_arguments_is_1(box: Sandbox, file: Path, verb: str, words: tuple[str, ...]) -> None:
    done = box.run(verb, *words)
    assert done.returncode == 1
    assert "missing file to decrypt" in done.stderr


@pytest.mark.parametrize("verb", ["exec-env", "exec-file"])
def test_exec_missing_file_is_2(box: Sandbox, verb: str) -> None:
    assert box.run(verb, "none.yaml", "true").returncode == 2


def test_exec_env_same_process_in_the_background_is_8(box: Sandbox, file: Path) -> None:
    assert box.run("exec-env", "--same-process", "--background", "f.yaml", "true").returncode == 8


def test_exec_env_background_does_not_wait(box: Sandbox, file: Path) -> None:
    done = box.run("exec-env", "--background", "f.yaml", f'sleep 0.3; echo "$A" > {box.folder}/out')
    assert done.returncode == 0
    assert "deprecated" in done.stderr
    assert not (box.folder / "out").exists()
    assert wait_for_file(box.folder / "out") == "x\n"


def test_environment_last_of_equal_names_counts_and_scalars_have_their_text() -> None:
    leaves: list[Item | Comment] = [
        Item("K", Leaf("first")),
        Comment(" c"),
        Item("K", Leaf(100000.0)),
        Item("N", Leaf(None)),
        Item("T", Leaf(Time("2031-07-09T08:07:06.5Z"))),
        Item("R", Leaf("\udcff")),
    ]
    assert environment(Branch(leaves)) == {b"K": b"100000.0", b"N": b"<nil>", b"T": b"2031-07-09T08:07:06Z", b"R": b"\xff"}


@pytest.mark.parametrize("item", [Item("K", Branch()), Item("K", Sequence()), Item(7, Leaf("x"))])
def test_environment_refuses_collections_and_keys_that_are_no_text(item: Item) -> None:
    with pytest.raises(SecrettoolError) as caught:
        environment(Branch([item]))
    assert caught.value.code == 1


# ---- signals and users ---------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["exec-env", "exec-file"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_exec_passes_signals_on(box: Sandbox, file: Path, verb: str, number: signal.Signals) -> None:
    name = number.name.removeprefix("SIG")
    process = box.start(verb, "f.yaml", f"trap 'echo got {name}; exit 5' {name}; echo ready; while :; do sleep 0.05; done")
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    out, _ = process.communicate(timeout=30)
    assert (process.returncode, out) == (5, f"got {name}\n")


def test_exec_command_killed_by_itself_is_255(box: Sandbox, file: Path) -> None:
    done = box.run("exec-env", "f.yaml", "kill -9 $$")
    assert done.returncode == 255
    assert "SIGKILL" in done.stderr


def test_exec_command_ended_by_a_signal_that_was_passed_on_is_128_and_more(box: Sandbox, file: Path) -> None:
    process = box.start("exec-env", "f.yaml", "echo ready; exec sleep 60")
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGTERM


@pytest.mark.parametrize("verb", ["exec-env", "exec-file"])
def test_exec_unknown_user_is_1(box: Sandbox, file: Path, verb: str) -> None:
    done = box.run(verb, "--user", "no-such-user-here", "f.yaml", "echo ran")
    assert (done.returncode, done.stdout) == (1, "")
    assert "unknown user" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change to another user")
@pytest.mark.parametrize(
    ("words", "shown"), [(("exec-env",), "$A"), (("exec-file",), "$(head -n 1 {})"), (("exec-file", "--no-fifo"), "$(head -n 1 {})")]
)
def test_exec_user_runs_the_command_as_that_user(box: Sandbox, file: Path, words: tuple[str, ...], shown: str) -> None:
    done = box.run(*words, "--user", "nobody", "f.yaml", f'echo "$(id -un) $(id -G) $USER $LOGNAME {shown}"')
    assert done.returncode == 0, done.stderr
    name, *groups, user, logname = done.stdout.split()[: -1 if "exec-env" in words else -2]
    assert (name, user, logname) == ("nobody",) * 3
    assert "0" not in groups


# ---- exec-file -----------------------------------------------------------------------------------------------------------------------------------


def test_exec_file_gives_the_text_through_a_private_pipe(box: Sandbox, file: Path) -> None:
    done = box.run("exec-file", "f.yaml", "stat -c '%F %a %n' {}; cat {}; exit 4")
    head, _, text = done.stdout.partition("\n")
    kind, mode, path = head.split(" ")
    assert (done.returncode, kind, mode, Path(path).name, text) == (4, "fifo", "600", "tmp-file", TEXT)
    assert not Path(path).parent.exists()


def test_exec_file_large_text_survives_the_pipe(box: Sandbox) -> None:
    text = "".join(f"k{number}: value {number}\n" for number in range(10_000))
    box.encrypted("big.yaml", text)
    assert box.run("exec-file", "big.yaml", "cat {}").stdout == text


def test_exec_file_no_fifo_is_a_private_file_in_memory(box: Sandbox, file: Path) -> None:
    done = box.run("exec-file", "--no-fifo", "--filename", "n.json", "--output-type", "json", "f.yaml", "stat -c '%F|%a|%n' {}; cat {} {} | wc -c")
    kind, mode, path, size = done.stdout.replace("\n", "|").split("|")[:4]
    assert (kind, mode, Path(path).name) == ("regular file", "600", "n.json")
    assert path.startswith("/dev/shm/")
    assert int(size) > 2 * len("{}")
    assert not Path(path).parent.exists()
    assert box.leftovers() == []


@pytest.mark.parametrize("name", ["../n", "/tmp/n", "a/../../n", ".."])
def test_exec_file_name_that_leads_out_is_refused(box: Sandbox, file: Path, name: str) -> None:
    done = box.run("exec-file", "--filename", name, "f.yaml", "echo ran")
    assert (done.returncode, done.stdout) == (1, "")
    assert "not a local path" in done.stderr


@pytest.mark.parametrize("name", [".", "a/b"])
def test_exec_file_name_that_cannot_be_made_is_1(box: Sandbox, file: Path, name: str) -> None:
    assert box.run("exec-file", "--filename", name, "f.yaml", "true").returncode == 1


@pytest.mark.parametrize("options", [(), ("--no-fifo",)])
def test_exec_file_command_that_never_reads_does_not_hang(box: Sandbox, file: Path, options: tuple[str, ...]) -> None:
    assert box.run("exec-file", *options, "f.yaml", "true").returncode == 0


def test_exec_file_command_that_stops_reading_does_not_fail(box: Sandbox) -> None:
    box.encrypted("big.yaml", "".join(f"k{number}: value {number}\n" for number in range(10_000)))
    done = box.run("exec-file", "big.yaml", "head -c 1 {}")
    assert (done.returncode, done.stdout, done.stderr) == (0, "k", "")


@pytest.mark.parametrize("options", [(), ("--no-fifo",)])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_exec_file_interrupted_leaves_no_plain_text(box: Sandbox, file: Path, options: tuple[str, ...], number: signal.Signals) -> None:
    process = box.start("exec-file", *options, "f.yaml", "echo {}; exec sleep 60")
    assert process.stdout is not None
    path = Path(process.stdout.readline().strip())
    assert path.exists()
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert not path.parent.exists()
    assert box.leftovers() == []


def test_exec_file_background_keeps_the_text_until_the_command_ends(box: Sandbox, file: Path) -> None:
    done = box.run("exec-file", "--background", "f.yaml", f"sleep 0.3; cat {{}} > {box.folder}/text; echo {{}} > {box.folder}/path")
    assert done.returncode == 0
    assert "deprecated" in done.stderr
    path = Path(wait_for_file(box.folder / "path").strip())
    assert (box.folder / "text").read_text() == TEXT
    wait_for(lambda: not path.parent.exists())
