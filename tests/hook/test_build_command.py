"""`secrettool hook build` as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from secrettool.hook.withoutkeys import MARKER
from tests.hook.keys import IDENTITY_A
from tests.hook.test_render import NAME, config_map, sealed, secret, tree

pytestmark = pytest.mark.real

ROOT = Path(__file__).parent.parent.parent
FLUX = "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: apps, namespace: flux-system}\nspec:\n  path: ./apps\n"


class Run:
    """Runs the command in a folder."""

    def __init__(self, folder: Path, kustomize: Path) -> None:
        self.folder = folder
        self.key = folder / "age.agekey"
        self.key.write_bytes(IDENTITY_A)
        self.environ = {"PATH": f"{kustomize.parent}{os.pathsep}{os.defpath}", "HOME": str(folder), "PYTHONPATH": str(ROOT)}

    def __call__(self, *words: str, keys: bool = True) -> subprocess.CompletedProcess[str]:
        """Run it; with the key file unless told otherwise."""
        more = ["--key-file", str(self.key), "--no-env-keys"] if keys else ["--no-env-keys"]
        command = [sys.executable, "-m", "secrettool", "hook", "build", *words, *more]
        return subprocess.run(command, cwd=self.folder, env=self.environ, capture_output=True, text=True, check=False)


@pytest.fixture
def run(tmp_path: Path, real_kustomize: Path) -> Run:
    return Run(tmp_path, real_kustomize)


def test_a_flux_kustomization_is_built_from_the_root_of_the_repository(run: Run) -> None:
    text = FLUX + "  decryption: {provider: sops}\n  targetNamespace: blue\n  commonMetadata: {labels: {a: b}}\n"
    tree(run.folder, {"repo/clusters/apps.yaml": text, "repo/apps/s.yaml": sealed(secret("s", a="b"))})
    (run.folder / "repo/.git").mkdir()
    done = run("repo/clusters/apps.yaml", "--output", "json")
    (obj,) = json.loads(done.stdout)["items"]
    assert obj == {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "blue", "labels": {"a": "b"}}, "data": {"a": "Yg=="}}
    assert (done.returncode, done.stderr) == (0, "")


def test_without_git_a_flux_kustomization_needs_a_root(run: Run) -> None:
    tree(run.folder, {"clusters/apps.yaml": FLUX, "apps/c.yaml": config_map("c", a="b")})
    done = run("clusters/apps.yaml")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--root" in done.stderr
    assert "name: c\n" in run("clusters/apps.yaml", "--root", ".").stdout


def test_a_folder_can_be_built_for_a_kustomization(run: Run) -> None:
    tree(run.folder, {"k.yaml": FLUX + "  namePrefix: p-\n", "other/c.yaml": config_map("c", a="b")})
    assert "name: p-c\n" in run("other", "--flux-kustomization", "k.yaml").stdout


def test_a_folder_below_its_base_needs_a_root_above_both(run: Run) -> None:
    tree(run.folder, {f"base/{NAME}": "resources: [c.yaml]\n", "base/c.yaml": config_map("c", a="b"), f"over/{NAME}": "resources: [../base]\n"})
    refused = run("over")
    assert refused.returncode == 7
    assert refused.stderr.startswith(f"HK143 {NAME}: resources[0]: ")
    assert run("over", "--root", ".").returncode == 0
    assert run("over", "--root", "base").returncode == 2


def test_the_guard_refuses_with_code_5_and_prints_nothing(run: Run) -> None:
    tree(run.folder, {"app/s.yaml": secret("s", a="REPLACE_ME")})
    done = run("app")
    assert (done.returncode, done.stdout) == (5, "")
    assert done.stderr.startswith("HK152 Secret/s: /stringData/a: ")
    assert run("app", "--allow-placeholders").returncode == 0


def test_a_secret_that_does_not_open_ends_with_code_7(run: Run) -> None:
    tree(run.folder, {"app/s.yaml": sealed(secret("s", a="canary"))})
    done = run("app", keys=False)
    assert (done.returncode, done.stdout) == (7, "")
    assert done.stderr.startswith("HK111 Secret/s: ")


def test_without_keys_markers_are_printed(run: Run) -> None:
    tree(run.folder, {"app/s.yaml": sealed(secret("s", a="canary"))})
    done = run("app", "--no-keys", keys=False)
    assert done.returncode == 0
    assert f"a: {MARKER}\n" in done.stdout


def test_variables_come_from_manifests(run: Run) -> None:
    post_build = "  postBuild: {substituteFrom: [{kind: ConfigMap, name: v}, {kind: Secret, name: w}, {kind: Secret, name: x, optional: true}]}\n"
    tree(run.folder, {"k.yaml": FLUX + post_build, "apps/c.yaml": config_map("c", a="${A}-${B}")})
    tree(run.folder, {"v.yaml": config_map("v", A="one") + "---\n" + secret("w", B="two")})
    missing = run("k.yaml", "--root", ".")
    assert missing.returncode == 7
    assert missing.stderr.startswith("HK144 ConfigMap/v: ")
    assert "a: one-two\n" in run("k.yaml", "--root", ".", "--variables", "v.yaml").stdout


def test_the_version_of_flux_decides_about_unknown_variables(run: Run) -> None:
    tree(run.folder, {"k.yaml": FLUX + "  postBuild: {substitute: {A: one}}\n", "apps/c.yaml": config_map("c", a="${A}-${B}")})
    assert run("k.yaml", "--root", ".").returncode == 7
    assert "a: one-\n" in run("k.yaml", "--root", ".", "--flux-version", "1.8.5").stdout
    assert run("k.yaml", "--root", ".", "--flux-version", "new").returncode == 2


def test_without_kustomize_only_plain_manifests_can_be_built(run: Run) -> None:
    tree(run.folder, {f"app/{NAME}": "resources: [c.yaml]\n", "plain/c.yaml": config_map("c", a="b")})
    run.environ["PATH"] = str(run.folder)
    done = run("app")
    assert done.returncode == 2
    assert "neither kustomize nor kubectl" in done.stderr
    assert run("plain").returncode == 0


def test_one_file_of_manifests_can_be_built(run: Run) -> None:
    tree(run.folder, {"s.yaml": sealed(secret("s", a="b"))})
    assert run("s.yaml").stdout == secret("s", a="b").replace('"', "")


@pytest.mark.parametrize("words", [("missing",), ("k.yaml", "--flux-kustomization", "k.yaml"), ("two.yaml", "--root", ".")])
def test_what_cannot_be_built_ends_with_code_2(words: tuple[str, ...], run: Run) -> None:
    tree(run.folder, {"k.yaml": FLUX, "two.yaml": f"{FLUX}---\n{FLUX}"})
    done = run(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr


def test_decryption_of_the_kustomization_counts(run: Run) -> None:
    tree(run.folder, {"k.yaml": FLUX, "apps/s.yaml": sealed(secret("s", a="b"))})
    done = run("k.yaml", "--root", ".")
    assert (done.returncode, done.stderr[:5]) == (5, "HK001")
