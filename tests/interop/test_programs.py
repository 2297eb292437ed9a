"""The recipes of the real programs agree with themselves, and their builder survives what happens to builds.

The builder's tests run it with a stand-in for Go, so that they need neither Go nor minutes; what the real Go built is what all tests marked
`real` run.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.interop import programs
from tests.interop.peers import missing
from tests.interop.programs import Recipe, RecipeError, all_recipes, cache_root, find, find_folder, read_recipe

ROOT = Path(__file__).parent.parent.parent
RECIPES = {recipe.name: recipe for recipe in all_recipes()}

# Writes half a program, waits while its gate is closed, and writes the other half.
STAND_IN = """\
#!/bin/sh
case "$1" in
env) echo "$FAKE_VERSION" ;;
build)
    while [ "$1" != -o ]; do shift; done
    printf half > "$2"
    : > "$GATE.reached"
    while [ ! -e "$GATE" ]; do sleep 0.02; done
    echo "$FAKE_COMPLAINT" >&2
    [ -z "$FAKE_COMPLAINT" ] || exit 1
    echo "$GOFLAGS|$CGO_ENABLED|$GOOS" > "$2" ;;
mod) printf '{"Dir": "%s"}' "$FAKE_MODULE" ;;
esac
"""


class Workshop(NamedTuple):
    """The builder in a cache of its own, with a stand-in for Go whose gate is open."""

    folder: Path
    env: dict[str, str]

    @property
    def cache(self) -> Path:
        return self.folder / "cache" / "secrettool-peers"

    @property
    def gate(self) -> Path:
        return self.folder / "gate"

    def built(self, name: str) -> Path:
        return RECIPES[name].folder(self.cache)

    def command(self, *argv: str) -> list[str]:
        return [sys.executable, "-m", "tests.interop.programs", *argv]

    def run(self, *argv: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command(*argv), cwd=ROOT, env=self.env | env, capture_output=True, text=True, check=False, timeout=60)

    def start(self, *argv: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*argv), cwd=ROOT, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )

    def start_at_gate(self, *argv: str) -> subprocess.Popen[str]:
        """Start a build that waits in the middle of its first program."""
        self.gate.unlink()
        running = self.start(*argv)
        reached = self.folder / "gate.reached"
        while not reached.exists():
            assert running.poll() is None, running.communicate()[0]
            time.sleep(0.01)
        return running


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    go = tmp_path / "bin" / "go"
    go.parent.mkdir()
    go.write_text(STAND_IN)
    go.chmod(0o755)
    gate = tmp_path / "gate"
    gate.touch()
    env = {
        "PATH": f"{go.parent}:{os.environ['PATH']}",
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "GATE": str(gate),
        "FAKE_VERSION": "go1.99.1",
        "FAKE_COMPLAINT": "",
        "FAKE_MODULE": "",
    }
    yield Workshop(tmp_path, env)
    gate.touch()


def leftovers(workshop: Workshop) -> list[str]:
    return [entry.name for entry in workshop.cache.iterdir() if entry.name.startswith(".building-")]


# --- recipes ---


@pytest.mark.parametrize("recipe", all_recipes(), ids=lambda recipe: str(recipe.name))
def test_recipe_programs_are_the_tools_of_its_module(recipe: Recipe) -> None:
    text = (recipe.source / "go.mod").read_text()
    tools = set(re.findall(r"^(?:tool |\t)([^\s(]+)$", text, re.MULTILINE))
    assert tools == {os.path.normpath(f"{recipe.module}/{folder}") for folder in recipe.programs.values()}


@pytest.mark.parametrize("recipe", all_recipes(), ids=lambda recipe: str(recipe.name))
def test_recipe_module_has_its_checksum(recipe: Recipe) -> None:
    assert f"{recipe.module} {recipe.version} h1:" in (recipe.source / "go.sum").read_text()


def test_kubernetes_staging_modules_are_of_the_release() -> None:
    recipe = RECIPES["kubernetes"]
    replaced = re.findall(r"^\t(k8s\.io/\S+) => (k8s\.io/\S+) (\S+)$", (recipe.source / "go.mod").read_text(), re.MULTILINE)
    assert len(replaced) > 20
    assert {(name, version) for _, name, version in replaced} == {(name, re.sub("^v1", "v0", recipe.version)) for name, _, _ in replaced}


@pytest.mark.parametrize("part", ["go.mod", "go.sum", "recipe.toml"])
def test_recipe_folder_changes_with_each_file(tmp_path: Path, part: str) -> None:
    source = tmp_path / "age"
    source.mkdir()
    for name in programs.PARTS:
        (source / name).write_bytes((RECIPES["age"].source / name).read_bytes())
    assert read_recipe(source).folder(tmp_path) == RECIPES["age"].folder(tmp_path)
    (source / part).write_bytes((source / part).read_bytes() + b"\n")
    assert read_recipe(source).folder(tmp_path) != RECIPES["age"].folder(tmp_path)


@pytest.mark.parametrize(
    ("toml", "go_mod", "said"),
    [
        ('[programs]\nage = "."', "", "must name a module"),
        ('module = "m"', "", "must name a module"),
        ('module = "m"\ntag = ["x"]\n[programs]\nage = "."', "", "not known: tag"),
        ('module = "m"\n[programs]\nage = "."', "module x\n\ngo 1.25\n\nrequire m2 v1.0.0\n", "must require m"),
        ('module = "m"\n[programs]\nage = "."', "module x\n\nrequire m v1.0.0\n", "name a version of Go"),
    ],
)
def test_read_recipe_refuses_what_cannot_be_built(tmp_path: Path, toml: str, go_mod: str, said: str) -> None:
    (tmp_path / "recipe.toml").write_text(toml)
    (tmp_path / "go.mod").write_text(go_mod)
    with pytest.raises(RecipeError, match=said):
        read_recipe(tmp_path)


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({"XDG_CACHE_HOME": "/c", "HOME": "/h"}, "/c/secrettool-peers"),
        ({"XDG_CACHE_HOME": "c", "HOME": "/h"}, "/h/.cache/secrettool-peers"),
        ({"XDG_CACHE_HOME": "", "HOME": "/h"}, "/h/.cache/secrettool-peers"),
        ({"HOME": "/h"}, "/h/.cache/secrettool-peers"),
    ],
)
def test_cache_root_is_the_cache_folder_of_the_user(environ: dict[str, str], folder: str) -> None:
    assert cache_root(environ) == Path(folder)


# --- the builder ---


def test_build_puts_each_program_where_find_looks(workshop: Workshop) -> None:
    done = workshop.run("age")
    assert done.returncode == 0, done.stderr
    assert {name: find(name, workshop.cache) for name in RECIPES["age"].programs} == {
        name: workshop.built("age") / name for name in RECIPES["age"].programs
    }
    assert leftovers(workshop) == []


def test_build_takes_the_name_of_a_program_for_its_recipe(workshop: Workshop) -> None:
    assert workshop.run("kubectl").returncode == 0
    assert sorted(file.name for file in workshop.built("kubernetes").iterdir()) == ["kube-apiserver", "kubectl"]


def test_build_copies_folders_of_the_module(workshop: Workshop) -> None:
    definitions = workshop.folder / "module" / "config" / "crd" / "bases"
    definitions.mkdir(parents=True)
    (definitions / "kind.yaml").write_text("kind: CustomResourceDefinition\n")
    (definitions / "kind.yaml").chmod(0o444)
    assert workshop.run("source-controller", FAKE_MODULE=str(workshop.folder / "module")).returncode == 0
    copied = find_folder("source-controller", "crds", workshop.cache)
    assert copied is not None
    assert (copied / "kind.yaml").read_text() == "kind: CustomResourceDefinition\n"
    assert (copied / "kind.yaml").stat().st_mode & 0o200


def test_second_build_needs_no_go(workshop: Workshop) -> None:
    workshop.run("etcd")
    done = workshop.run("etcd", PATH="/nowhere")
    assert (done.returncode, done.stderr) == (0, "")
    assert "0 built" in done.stdout


def test_build_ignores_settings_of_the_user(workshop: Workshop) -> None:
    workshop.run("etcd", GOFLAGS="-mod=mod -race", CGO_ENABLED="1", GOOS="plan9")
    assert (workshop.built("etcd") / "etcd").read_text() == "-mod=readonly|0|\n"


def test_build_without_go_says_what_to_install(workshop: Workshop) -> None:
    done = workshop.run("etcd", PATH="/nowhere")
    assert done.returncode == 1
    assert done.stderr == "real-programs: the program `go` is not on PATH; install Go 1.25.0 or newer\n"


@pytest.mark.parametrize("version", ["go1.24.9", "go1.9"])
def test_build_with_an_old_go_says_what_to_install(workshop: Workshop, version: str) -> None:
    done = workshop.run("etcd", FAKE_VERSION=version)
    assert done.returncode == 1
    assert f"is Go {version[2:]}; install Go 1.25.0 or newer" in done.stderr


def test_failed_build_shows_what_go_said_and_leaves_nothing(workshop: Workshop) -> None:
    done = workshop.run("etcd", FAKE_COMPLAINT="main.go:7:1: expected declaration")
    assert done.returncode == 1
    assert "etcd v3" in done.stderr
    assert "main.go:7:1: expected declaration" in done.stderr
    assert not workshop.built("etcd").exists()
    assert leftovers(workshop) == []


def test_unknown_name_lists_the_known_ones(workshop: Workshop) -> None:
    done = workshop.run("ectd")
    assert done.returncode == 1
    assert "ectd; there are: age, age-inspect" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_build_leaves_nothing(workshop: Workshop, number: signal.Signals) -> None:
    running = workshop.start_at_gate("etcd")
    running.send_signal(number)
    said, _ = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "run it again" in said
    assert not workshop.built("etcd").exists()
    assert leftovers(workshop) == []


def test_build_after_a_killed_one_waits_for_its_go_and_removes_its_leftovers(workshop: Workshop) -> None:
    killed = workshop.start_at_gate("etcd")
    killed.kill()
    killed.communicate(timeout=60)
    assert len(leftovers(workshop)) == 1
    again = workshop.start("etcd")
    assert again.stdout is not None
    assert [again.stdout.readline() for _ in range(2)][1] == "another build is running; waiting for it\n"
    assert not workshop.built("etcd").exists()
    workshop.gate.touch()
    again.communicate(timeout=60)
    assert again.returncode == 0
    assert (workshop.built("etcd") / "etcd").read_text() != "half"
    assert leftovers(workshop) == []


def test_two_builds_at_once_build_once(workshop: Workshop) -> None:
    first = workshop.start_at_gate("etcd")
    second = workshop.start("etcd")
    assert second.stdout is not None
    waiting = [second.stdout.readline() for _ in range(2)][1]
    workshop.gate.touch()
    said = [running.communicate(timeout=60)[0] for running in (first, second)]
    assert waiting == "another build is running; waiting for it\n"
    assert [first.returncode, second.returncode] == [0, 0]
    assert "1 built" in said[0]
    assert "0 built" in said[1]


def test_path_names_the_folders_of_what_is_built(workshop: Workshop) -> None:
    workshop.run("etcd", "age")
    assert workshop.run("--path").stdout == f"{workshop.built('age')}:{workshop.built('etcd')}\n"


def test_prune_removes_only_builds_of_other_recipes(workshop: Workshop) -> None:
    workshop.run("etcd")
    for name in ("etcd-0123456789abcdef", "gone-0123456789abcdef", "etcd-notes", ".building-x"):
        (workshop.cache / name).mkdir()
    assert "2 builds of other recipes" in workshop.run("etcd").stdout
    done = workshop.run("--prune")
    assert "2 builds removed" in done.stdout
    assert sorted(entry.name for entry in workshop.cache.iterdir()) == [".lock", workshop.built("etcd").name, "etcd-notes"]


# --- the real programs ---


@pytest.mark.real
@pytest.mark.parametrize(
    ("recipe", "command"),
    [
        ("age", "age --version"),
        ("age", "age-keygen --version"),
        ("etcd", "etcd --version"),
        ("kubernetes", "kube-apiserver --version"),
        ("kubernetes", "kubectl version --client"),
        ("sops", "sops --version --disable-version-check"),
        ("vault", "vault version"),
    ],
)
def test_program_tells_the_version_of_its_recipe(recipe: str, command: str) -> None:
    name, *argv = command.split()
    program = RECIPES[recipe].folder() / name
    if not program.exists():
        missing(name)
    said = subprocess.run([program, *argv], capture_output=True, text=True, check=True, timeout=60).stdout
    assert RECIPES[recipe].version.removeprefix("v") in said
