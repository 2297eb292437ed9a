"""`patch --folder`: values do not go where they would be committed, or be taken for what git says."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.cli.patching import SMTP, VALUES, lay_out, snapshot

ONE = ("patch", "--target", "authentik-credentials")


@pytest.fixture
def repository(work: Path) -> Path:
    return lay_out(work)


@pytest.fixture
def in_git(repository: Path) -> Path:
    subprocess.run(["git", "init", "-q", str(repository)], check=True)
    return repository


@pytest.mark.parametrize("words", [(), ("--plan",)], ids=["run", "plan"])
def test_folder_that_git_does_not_ignore_is_refused(cli: Run, in_git: Path, words: tuple[str, ...]) -> None:
    before = snapshot(in_git)

    done = cli(*ONE, *words, "--folder", "cluster", "--manifests", "k3s", **VALUES)

    assert (done.code, "does not ignore it" in done.err) == (2, True)
    assert snapshot(in_git) == before


@pytest.mark.parametrize("line", ["cluster/", "/cluster/*"])
def test_folder_that_git_ignores_is_taken(cli: Run, in_git: Path, line: str) -> None:
    (in_git / ".gitignore").write_text(f"{line}\n")

    done = cli(*ONE, "--folder", "cluster", "--manifests", "k3s", **VALUES)

    assert (done.code, SMTP in (in_git / "cluster/authentik.yaml").read_text()) == (0, True), done.err


@pytest.mark.parametrize(("folder", "manifests"), [("k3s", "k3s"), ("k3s", "."), (".", "k3s"), ("link", "k3s")])
def test_folder_with_manifests_of_git_is_refused(cli: Run, repository: Path, folder: str, manifests: str) -> None:
    (repository / "link").symlink_to("k3s")

    done = cli(*ONE, "--folder", folder, "--manifests", manifests, **VALUES)

    assert (done.code, "at once" in done.err) == (2, True)
    assert SMTP not in (repository / "k3s/authentik.yaml").read_text()
