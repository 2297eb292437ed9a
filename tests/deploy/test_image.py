"""The steps of the Dockerfile in empty folders: no base image is fetched, so that a new environment of this Python plays that of the base image."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from secrettool import __version__
from tests.deploy.dockerfile import Builder, Image, system_path
from tests.deploy.manifests import CONFIGURATIONS, ROOT

pytestmark = [pytest.mark.real, pytest.mark.timeout(600), pytest.mark.xdist_group("image")]

# How pip reaches packages is the business of this machine, and part of its environment; read before a test sees an empty one.
MACHINE: Final = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "REQUESTS_", "HTTP", "http", "NO_PROXY"))}
MACHINE_HOME: Final = os.environ.get("HOME", "/")
EPOCH: Final = 1_700_000_000


def plain_python(folder: Path) -> Path:
    """A new environment with nothing but pip: what the base image has."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True, env={"PATH": system_path()})
    return folder / "bin"


def snapshot(folder: Path) -> Path:
    """What the builder would get, at one moment: the checkout may be worked on while two builds of it are compared."""
    shutil.copytree(ROOT / "secrettool", folder / "secrettool", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("requirements", "deploy"):
        shutil.copytree(ROOT / name, folder / name)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy2(ROOT / name, folder / name)
    return folder


def build(context: Path, folder: Path, python: Path, kustomize: Path | None) -> Image:
    """The image, without its base images."""

    def python_image(root: Path) -> dict[str, str]:
        return {"PATH": f"{python}{os.pathsep}{system_path()}"}

    def kustomize_image(root: Path) -> dict[str, str]:
        assert kustomize is not None, "the image of kustomize is fetched although it is not wanted"
        (root / "app").mkdir()
        shutil.copy2(kustomize, root / "app/kustomize")
        return {}

    class Online(Builder):
        """Gives RUN the network settings of this machine, as a builder does that is behind a proxy."""

        def _environ(self, image: Image) -> Mapping[str, str]:
            return {"HOME": MACHINE_HOME, **MACHINE, **super()._environ(image)}

    arguments = {
        "PYTHON_IMAGE": "python",
        "KUSTOMIZE_IMAGE": "kustomize",
        "KUSTOMIZE": "with" if kustomize else "without",
        "SOURCE_DATE_EPOCH": str(EPOCH),
    }
    return Online(context / "deploy/Dockerfile", context, folder, {"python": python_image, "kustomize": kustomize_image}, arguments).build()


class Built(NamedTuple):
    """What was built of which context, and where, with which Python."""

    image: Image
    context: Path
    folder: Path
    python: Path

    def run(self, *words: str, entrypoint: list[str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run the image's program with some words, in its environment alone."""
        command = [*(self.image.entrypoint if entrypoint is None else entrypoint), *words]
        environ = self.image.environ | {"HOME": "/"}
        return subprocess.run(command, cwd="/", env=environ, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, real_kustomize: Path) -> Iterator[Built]:
    base = tmp_path_factory.mktemp("image")
    python = plain_python(base / "python")
    context = snapshot(base / "context")
    yield Built(build(context, base / "stages", python, real_kustomize), context, base / "stages", python)
    shutil.rmtree(base)


def content(root: Path) -> dict[str, tuple[bytes, int]]:
    """Every file with its bytes and its time."""
    return {str(path.relative_to(root)): (path.read_bytes(), int(path.stat().st_mtime)) for path in sorted(root.rglob("*")) if path.is_file()}


def test_program_of_the_image_starts_with_what_was_copied_alone(built: Built) -> None:
    run = built.run("--version")
    assert (run.returncode, run.stderr) == (0, "")
    assert __version__ in run.stdout

    where = built.run("-c", "import secrettool, waitress, prometheus_client, kubernetes; print(secrettool.__file__)", entrypoint=["python"])
    assert where.stdout.strip() == str(built.image.root / "app/secrettool/__init__.py"), where.stderr


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_image_accepts_the_configuration_of_each_overlay(built: Built, name: str) -> None:
    run = built.run("sidecar", "check-config", str(CONFIGURATIONS[name]))
    assert run.returncode == 0, run.stdout + run.stderr


def test_command_of_the_image_is_one_of_the_program(built: Built) -> None:
    assert built.image.command[:2] == ["sidecar", "run"]
    run = built.run(*built.image.command[:2], "--help")
    assert run.returncode == 0, run.stderr
    assert "--config" in run.stdout


def test_kustomize_of_the_image_is_on_its_path(built: Built) -> None:
    assert shutil.which("kustomize", path=str(built.image.root / "usr/local/bin")) is not None


def test_nothing_is_written_when_the_program_runs(built: Built) -> None:
    before = content(built.image.root)
    built.run("--help")
    built.run("sidecar", "check-config", str(CONFIGURATIONS["apply"]))
    assert content(built.image.root) == before


def test_image_holds_its_bytecode_and_neither_pip_nor_tests_nor_keys(built: Built) -> None:
    app = built.image.root / "app"
    assert (app / "secrettool/__pycache__" / f"__init__.{sys.implementation.cache_tag}.pyc").is_file()
    assert not [path for name in ("pip", "flit_core", "bin", "tests", "keys-example", "conftest.py") if (path := app / name).exists()]
    assert not list(built.image.root.rglob("*.agekey"))


def test_same_sources_and_same_time_give_the_same_bytes_and_times(built: Built) -> None:
    before = content(built.image.root)
    kept = built.folder.with_name("first")
    built.folder.rename(kept)  # bytecode holds paths: the second build has to be in the same place
    try:
        second = build(built.context, built.folder, built.python, built.folder.parent / "first" / built.image.root.name / "usr/local/bin/kustomize")
        assert second.root == built.image.root
        assert content(second.root) == before
        assert {time for name, (_, time) in before.items() if name.startswith("app/")} == {EPOCH}
    finally:
        shutil.rmtree(built.folder, ignore_errors=True)
        kept.rename(built.folder)


def test_image_without_kustomize_needs_no_image_of_it(built: Built, tmp_path: Path) -> None:
    # Only the stages that have to do with it are built: the large one is taken from the other image.
    builder = Builder(
        built.context / "deploy/Dockerfile",
        built.context,
        tmp_path / "stages",
        {"python": lambda root: {"PATH": f"{built.python}{os.pathsep}{system_path()}"}},
        {"PYTHON_IMAGE": "python", "KUSTOMIZE": "without"},
    )
    builder.images["build"] = Image(built.image.root, {}, [], [])
    image = builder.build()
    assert list((image.root / "usr/local/bin").iterdir()) == []
    assert "kustomize" not in "".join(builder.images)
