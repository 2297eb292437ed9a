"""The guard behind the real kustomize: what a function leaves behind that was not allowed to run."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.cli.running import AGE1, environment, program

pytestmark = pytest.mark.real

SECRET = """\
apiVersion: v1
kind: Secret
metadata:
  name: db
stringData:
  password: correct horse
"""
FUNCTION = """\
apiVersion: secrettool.dev/v1alpha1
kind: Decrypt
metadata:
  name: decrypt
  annotations:
    config.kubernetes.io/function: |
      exec: {path: ./decrypt.sh}
"""


@pytest.fixture
def overlay(tmp_path: Path, real_sops: Path) -> Path:
    """A folder with an encrypted Secret and a transformer, which here only lets everything pass."""
    (tmp_path / "kustomization.yaml").write_text("resources: [secret.yaml]\ntransformers: [decrypt.yaml]\n")
    (tmp_path / "decrypt.yaml").write_text(FUNCTION)
    (tmp_path / "decrypt.sh").write_text("#!/bin/sh\nexec cat\n")
    (tmp_path / "decrypt.sh").chmod(0o755)
    (tmp_path / "secret.yaml").write_text(SECRET)
    command = [str(real_sops), "encrypt", "-i", "--age", AGE1, "--encrypted-regex", "^(data|stringData)$", "secret.yaml"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    return tmp_path


def build(kustomize: Path, folder: Path, *flags: str) -> bytes:
    """What kustomize prints for a folder; it says that all is well."""
    done = subprocess.run(
        [kustomize, "build", *flags, "."], cwd=folder, capture_output=True, check=True, env={"PATH": os.defpath, "HOME": str(folder)}
    )
    return done.stdout


def test_da_33_a_function_that_was_skipped_is_noticed(real_kustomize: Path, overlay: Path) -> None:
    rendered = build(real_kustomize, overlay, "--enable-alpha-plugins")
    done = program(["hook", "guard", "--print"], overlay, environment(overlay), rendered)
    assert (done.code, done.out) == (5, b"")
    assert done.err.startswith("HK001 line 1: Secret/db: ")


def test_da_33_a_function_among_the_resources_is_noticed(real_kustomize: Path, overlay: Path) -> None:
    (overlay / "kustomization.yaml").write_text("resources: [decrypt.yaml]\n")
    done = program(["hook", "guard"], overlay, environment(overlay), build(real_kustomize, overlay))
    assert done.code == 5
    assert done.err.startswith("HK154 line 1: Decrypt/decrypt: ")


def test_da_33_a_plain_build_passes_through_unchanged(real_kustomize: Path, overlay: Path) -> None:
    (overlay / "secret.yaml").write_text(SECRET)
    rendered = build(real_kustomize, overlay, "--enable-alpha-plugins", "--enable-exec")
    assert program(["hook", "guard", "--print"], overlay, environment(overlay), rendered) == (0, rendered, "")
