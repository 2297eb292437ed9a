"""Finding the kustomize program, calling it, and what is kept of what it says. The programs here are scripts that end as they are told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from secrettool.build import kustomize
from secrettool.build.kustomize import Program, find_program, needed_program, run
from secrettool.errors import ConfigError, HookError, Outcome

CANARY = "canary-3b80"
TWICE = "may not add resource with an already registered id: Secret.v1.[noGrp]/db.shop"


class Bench:
    """A tree, and a folder with programs."""

    def __init__(self, folder: Path) -> None:
        self.programs = folder / "bin"
        self.root = folder / "tree"
        self.programs.mkdir()
        (self.root / "app").mkdir(parents=True)
        (self.root / "app/file.yaml").write_text("", encoding="utf-8")
        self.environ = {"PATH": str(self.programs), "HOME": str(folder), "SOPS_AGE_KEY": CANARY}

    def program(self, text: str, name: str = "kustomize") -> Program:
        file = self.programs / name
        file.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        file.chmod(0o755)
        return needed_program(self.environ)

    def run(self, program: Program, *, missing: tuple[str, ...] = (), is_opened: bool = False, keep_order: bool = False) -> str:
        return run(program, str(self.root), "app", environ=self.environ, keep_order=keep_order, missing=missing, is_opened=is_opened)

    def failure(self, said: str, *, missing: tuple[str, ...] = (), is_opened: bool = False) -> str:
        """What is told when the program says something and fails."""
        (self.root / "said").write_text(said + "\n", encoding="utf-8")
        program = self.program("while IFS= read -r line; do printf '%s\\n' \"$line\" >&2; done < said; exit 1")
        with pytest.raises(HookError) as caught:
            self.run(program, missing=missing, is_opened=is_opened)
        error = caught.value
        assert (error.rule, error.__cause__) == ("HK142", None)
        assert CANARY not in f"{error}{error.hint}"
        return error.message


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path.resolve())


# ---- finding -------------------------------------------------------------------------------------------------------------------------------------


def test_kustomize_is_preferred_to_kubectl(bench: Bench) -> None:
    assert bench.program("", "kubectl") == Program(str(bench.programs / "kubectl"), ("kustomize",))
    assert bench.program("", "kustomize") == Program(str(bench.programs / "kustomize"), ("build",))


def test_no_program_is_an_error_of_configuration(bench: Bench) -> None:
    assert find_program(bench.environ) is None
    with pytest.raises(ConfigError) as caught:
        needed_program(bench.environ)
    assert caught.value.code == Outcome.CONFIGURATION
    assert "install kustomize" in str(caught.value.hint)


def test_what_cannot_be_executed_is_no_program(bench: Bench) -> None:
    (bench.programs / "kustomize").write_text("", encoding="utf-8")
    (bench.programs / "kubectl").mkdir()
    assert find_program(bench.environ) is None


def test_program_of_a_relative_path_is_called_by_its_absolute_one(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.program("")
    monkeypatch.chdir(bench.programs.parent)
    found = find_program({"PATH": "bin"})
    assert found is not None
    assert os.path.isabs(found.path)


# ---- calling -------------------------------------------------------------------------------------------------------------------------------------


def test_da_43_it_gets_the_folder_and_two_variables(bench: Bench) -> None:
    said = bench.run(bench.program('printf "%s\\n" "$PWD" "$@" "$HOME" "${SOPS_AGE_KEY-none}"'), keep_order=True)
    arguments = ["build", str(bench.root / "app"), "--load-restrictor", "LoadRestrictionsNone", "--reorder", "none"]
    assert said.splitlines() == [str(bench.root), *arguments, bench.environ["HOME"], "none"]


def test_order_is_left_to_kustomize_without_flux(bench: Bench) -> None:
    assert "--reorder" not in bench.run(bench.program('printf "%s\\n" "$@"'))


def test_stdin_is_empty_and_what_is_no_utf_8_is_replaced(bench: Bench) -> None:
    assert bench.run(bench.program("read -r line && exit 1; printf 'a: \\377\\n'")) == "a: \ufffd\n"


def test_what_it_says_while_it_succeeds_is_not_passed_on(bench: Bench) -> None:
    assert bench.run(bench.program(f"echo {CANARY} >&2; echo 'a: 1'")) == "a: 1\n"


def test_da_43_a_program_that_does_not_end_is_ended(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kustomize, "TIME_LIMIT", 0.2)
    program = bench.program(f"echo {CANARY}; exec /bin/sleep 30")
    with pytest.raises(HookError, match="kustomize did not end within 0 s") as caught:
        bench.run(program)
    assert (caught.value.__cause__, CANARY in repr(caught.value)) == (None, False)


@pytest.mark.parametrize(("text", "cause"), [(None, "no such file or directory"), ("", "exec format error")])
def test_a_program_that_does_not_start_is_told(bench: Bench, text: str | None, cause: str) -> None:
    program = bench.program("")
    file = Path(program.path)
    file.unlink()
    if text is not None:
        file.write_text(text, encoding="utf-8")
        file.chmod(0o755)
    with pytest.raises(HookError) as caught:
        bench.run(program)
    assert caught.value.message == f"kustomize does not start: {cause}"


# ---- what it says --------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (f"Error: unable to find one of 'kustomization.yaml' in '{CANARY}'", "a folder that is built has no kustomization file"),
        (f'Error: invalid Kustomization: json: unknown field "colour" {CANARY}', "a kustomization file has the unknown field colour"),
        (f"{CANARY}: {TWICE}", "Secret.v1.[noGrp]/db.shop is there twice"),
        ("no matches for Id ConfigMap.v1.[noGrp]/x; failed", "there is no ConfigMap.v1.[noGrp]/x, which a patch or a generator wants to change"),
        (f"no matches for Id {CANARY} !", "there is no object that a patch or a generator wants to change"),
        ("yaml: line 7: mapping values are not allowed", "a file is not YAML (line 7)"),
        ("cannot unmarshal string into Go struct field X.resources of", "a kustomization file has a string where resources needs something else"),
        (f"cycle detected: {CANARY}", "kustomization files name each other in a circle"),
        (CANARY, "for a reason that may quote a file"),
        ("", "for a reason that may quote a file"),
    ],
)
def test_of_a_message_only_what_is_known_is_kept(bench: Bench, said: str, told: str) -> None:
    assert bench.failure(said) == f"kustomize cannot build it: {told}"


def test_no_name_is_kept_when_files_were_opened(bench: Bench) -> None:
    message = bench.failure(TWICE, is_opened=True)
    assert message == "kustomize cannot build it: ... is there twice"


def test_files_are_named_that_lie_in_the_tree(bench: Bench) -> None:
    said = f"no such file or directory: 'file.yaml' `../app` \"gone-{CANARY}\" '/etc/hostname' '../../bin' 'file.yaml'"
    assert bench.failure(said).endswith("(see app/file.yaml, app)")


def test_places_that_name_nothing_come_first_and_three_are_enough(bench: Bench) -> None:
    missing = tuple(f"app/kustomization.yaml: resources[{number}]" for number in range(2))
    message = bench.failure("no such file or directory 'file.yaml' '.'", missing=missing)
    assert message.endswith(f"(see {missing[0]}, {missing[1]}, app/file.yaml)")
    assert bench.failure("x", missing=(*missing, "c", "d")).endswith(f"(see {missing[0]}, {missing[1]}, c)")


def test_hint_says_how_to_see_the_message_without_plain_text(bench: Bench) -> None:
    with pytest.raises(HookError) as caught:
        bench.run(bench.program("exit 3", "kubectl"))
    assert "`kubectl build app` on the encrypted files" in str(caught.value.hint)
