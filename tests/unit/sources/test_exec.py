"""Values that programs print."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secrettool.errors import SourceError
from secrettool.sources import exec as programs
from secrettool.sources.forms import Found
from secrettool.sources.model import ExecProvider, Form, ProviderSource
from tests.unit.sources.support import context, failure, resolver, shows_nothing, text
from tests.waiting import wait_for

PATH = {"PATH": os.environ["PATH"]}


def fetched(*command: str, args: Mapping[str, str] | None = None, root: str | Path = "/", environ: Mapping[str, str] = PATH, **fields: Any) -> Found:
    return programs.fetch(ExecProvider(command, **fields), args or {}, context(environ=environ, root=root))


def refused(*command: str, **settings: Any) -> SourceError:
    with pytest.raises(SourceError) as raised:
        fetched(*command, **settings)
    shows_nothing(raised.value)
    return raised.value


def sh(script: str) -> tuple[str, str, str]:
    return "sh", "-c", script


def test_output_is_the_value() -> None:
    assert fetched("printf", "%s\\n", "canary") == b"canary\n"


def test_arguments_take_the_place_of_their_names() -> None:
    command = ("printf", "%s|", "{id}", "a{id}-{other}", "{}", "{0}", "{not closed")
    assert fetched(*command, args={"id": "7", "other": "{id}"}) == b"7|a7-{id}|{}|{0}|{not closed|"


@settings(max_examples=25)
@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30))
def test_argument_arrives_as_it_is_whatever_a_shell_would_make_of_it(argument: str) -> None:
    assert fetched("printf", "%s", "{it}", args={"it": argument}) == argument.encode()


@pytest.mark.parametrize(("args", "part"), [({}, "args lack id"), ({"id": "1", "more": "2"}, "no place for more")])
def test_arguments_must_fit_the_command(args: dict[str, str], part: str) -> None:
    error = refused("echo", "{id}", args=args)
    assert error.rule == "VL06"
    assert part in str(error)


def test_environment_is_path_home_and_what_is_named() -> None:
    environ = PATH | {"HOME": "/h", "TOLD": "t", "VAULT_TOKEN": "canary"}
    shown = fetched("env", environ=environ, env=("TOLD", "ABSENT"))
    assert isinstance(shown, bytes)
    assert {line.partition("=")[0] for line in shown.decode().splitlines()} == {"PATH", "HOME", "TOLD"}


def test_input_is_closed() -> None:
    assert fetched("cat") == b""


def test_program_runs_in_the_root_or_its_folder(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    assert fetched("pwd", "-P", root=tmp_path) == f"{tmp_path.resolve()}\n".encode()
    assert fetched("pwd", "-P", root=tmp_path, cwd="below") == f"{tmp_path.resolve()}/below\n".encode()


def test_part_of_json_or_yaml_is_the_value() -> None:
    assert fetched("echo", '{"a": {"b": [1, "two"]}}', parse="json", pointer="/a/b/1") == "two"
    assert fetched("echo", "a: {b: [1, two]}", parse="yaml", pointer="/a/b/1") == "two"


def test_output_of_another_form_is_not_quoted() -> None:
    error = refused("echo", "canary: [", parse="json", pointer="/a")
    assert (error.rule, error.message) == ("VL05", "it is not JSON")


@pytest.mark.parametrize(("script", "how", "hint"), [("exit 3", "status 3", None), ("kill -TERM $$", "signal 15", None)])
def test_program_that_fails_gives_no_value(script: str, how: str, hint: str | None) -> None:
    error = refused(*sh(f"echo canary; {script}"))
    assert (error.rule, error.hint) == ("VL04", hint)
    assert how in error.message


@pytest.mark.parametrize(
    ("noise", "told"), [("echo canary", "1 line "), ("echo canary; printf canary", "2 lines "), ("yes canary | head -n 40000", "40000 lines ")]
)
def test_stderr_is_counted_and_not_shown(noise: str, told: str) -> None:
    error = refused(*sh(f"({noise}) >&2; exit 1"))
    assert f"it wrote {told}to stderr" in str(error.hint)


def test_stderr_of_a_program_that_works_does_not_matter() -> None:
    assert fetched(*sh("yes canary | head -n 40000 >&2; echo value")) == b"value\n"


def test_program_that_is_absent_is_named() -> None:
    assert refused("no-such-program", "canary").message == "there is no program no-such-program, or no folder to run it in"
    assert refused("true", cwd="/no/such/folder").rule == "VL04"


def test_file_that_is_no_program_is_refused(tmp_path: Path) -> None:
    (tmp_path / "note").write_text("canary")
    assert refused(str(tmp_path / "note")).message == "note cannot be run: permission denied"


def test_argument_that_cannot_be_passed_is_refused() -> None:
    assert refused("echo", "{id}", args={"id": "canary\0"}).message == "echo cannot be run: its arguments cannot be used"


@pytest.mark.parametrize(
    "script",
    [
        "echo canary; sleep 60",
        "echo canary; sleep 60 & wait",
        "sleep 60 >&2 & exit 0",
        "exec >&- 2>&-; sleep 60",
        "while :; do echo canary >&2; done",
    ],
)
def test_program_that_takes_too_long_is_killed_with_what_it_started(script: str, tmp_path: Path) -> None:
    error = refused(*sh(script), root=tmp_path, timeout=0.3)
    assert (error.rule, error.message) == ("VL07", "sh took longer than 0.3 s")
    assert_nothing_runs_in(tmp_path)


def test_program_that_prints_too_much_is_killed(tmp_path: Path) -> None:
    error = refused(*sh("yes canary"), root=tmp_path)
    assert (error.rule, error.message) == ("VL04", f"sh prints more than {programs.LIMIT} bytes")
    assert_nothing_runs_in(tmp_path)


def runs_in(folder: Path) -> bool:
    """Whether any process has a folder as its own."""
    for link in Path("/proc").glob("[0-9]*/cwd"):
        with suppress(OSError):  # it ended meanwhile
            if link.readlink() == folder:
                return True
    return False


def assert_nothing_runs_in(folder: Path) -> None:
    """Signals take a moment to arrive."""
    wait_for(lambda: not runs_in(folder))


@pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="no /proc")
def test_processes_of_a_folder_are_seen() -> None:
    assert runs_in(Path.cwd())


def test_program_runs_once_for_all_values_and_errors(tmp_path: Path) -> None:
    provider = ExecProvider(sh('echo x >> calls; test "{name}" != bad && echo "{name}-canary"'))
    values = {name: ProviderSource("p", args={"name": "bad" if "bad" in name else "good"}) for name in ("a", "b", "bad1", "bad2")}
    found = resolver(values, {"p": provider}, root=tmp_path, environ=PATH).resolve(values)
    assert [text(found[name]) for name in ("a", "b")] == ["good-canary"] * 2
    assert [failure(found[name], "VL04").file for name in ("bad1", "bad2")] == ["bad1", "bad2"]
    assert (tmp_path / "calls").read_text() == "x\nx\n"


def test_pt_32_output_that_was_parsed_is_no_value_of_its_own(tmp_path: Path) -> None:
    provider = ExecProvider((sys.executable, "-c", 'print(\'{"a": "canary-a", "b": 5}\')'), parse="json")
    values = {"a": ProviderSource("p", form=Form(pointer="/a")), "b": ProviderSource("p", form=Form(pointer="/b"))}
    found = resolver(values, {"p": provider}, environ=PATH).resolve(values)
    assert [text(value) for value in found.values()] == ["canary-a", "5"]
