"""`DecryptHook` around somebody else's reconciler, and what the layer of the hook may import."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import secrettool.hook
from secrettool.errors import GuardError, HookError
from secrettool.findings import Finding
from secrettool.fs.saferoot import SafeRoot
from secrettool.hook import DecryptHook, HookConfig, PassContext, ReconcileHook
from tests.hook import cases
from tests.hook.keys import IDENTITY_A, IDENTITY_B, keys_of, sealed

CONTEXT = PassContext("apps", "main@sha1:1234")
PLAIN = "A=one\nB=two\n"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "kustomization.yaml").write_text("secretGenerator:\n- name: s\n  envs: [s.env]\n")
    (tmp_path / "app" / "s.env").write_text(sealed(PLAIN, "dotenv"))
    return tmp_path


def reconcile(hook: ReconcileHook, tree: SafeRoot, objs: list[dict[str, Any]], applied: list[dict[str, Any]]) -> None:
    """A small reconciler: build, apply, tell the hook."""
    try:
        hook.before_build(CONTEXT, tree)
        ready = hook.after_build(CONTEXT, objs)
        hook.before_apply(CONTEXT, ready)
        applied.extend(ready)
        hook.after_apply(CONTEXT, applied)
    except HookError as error:
        hook.on_error(CONTEXT, error)
        raise


def whole(case_id: str = "keys-crlf") -> dict[str, Any]:
    return cases.all_cases()[case_id].objects[0]


def test_da_55_a_pass_opens_files_then_objects_and_applies_what_the_guard_lets_through(tree: Path) -> None:
    applied: list[dict[str, Any]] = []
    with SafeRoot(str(tree)) as root:
        reconcile(DecryptHook(HookConfig(), keys_of(IDENTITY_A), path="app"), root, [whole()], applied)
    assert (tree / "app" / "s.env").read_text() == PLAIN
    assert [obj["stringData"] for obj in applied] == [{"user": "alice", "password": "hunter2"}]


def test_da_01_an_object_whose_file_was_checked_before_the_build_opens_without_a_warning(tree: Path) -> None:
    told: list[Finding] = []
    manifest = cases.all_cases()["keys-crlf"].folder / "objects.yaml"
    shutil.copy(manifest, tree / "app" / "m.yaml")
    (tree / "app" / "kustomization.yaml").write_text("resources: [m.yaml]\n")
    changed = whole()
    changed["metadata"]["labels"] = {"added": "by a transformer"}
    hook = DecryptHook(HookConfig(), keys_of(IDENTITY_A), path="app", tell=told.append)
    with SafeRoot(str(tree)) as root:
        reconcile(hook, root, [changed], [])
        assert not told
        hook.after_build(CONTEXT, [changed])  # another pass, whose files nobody checked
    assert [finding.code for finding in told] == ["HK008"]


@pytest.mark.parametrize("step", ["before_build", "after_build"])
def test_da_55_the_first_failure_ends_the_pass(tree: Path, step: str) -> None:
    applied: list[dict[str, Any]] = []
    if step == "after_build":
        (tree / "app" / "s.env").write_text(PLAIN)
    hook = DecryptHook(HookConfig(), keys_of(IDENTITY_B), path="app")
    with SafeRoot(str(tree)) as root, pytest.raises(HookError, match="HK111"):
        reconcile(hook, root, [whole(), whole()], applied)
    assert not applied
    assert len(hook.errors) == (1 if step == "before_build" else 2)


def test_da_55_ciphertext_that_is_left_does_not_reach_the_cluster(tree: Path) -> None:
    left = {**whole(), "sops": None}
    with SafeRoot(str(tree)) as root, pytest.raises(GuardError):
        reconcile(DecryptHook(HookConfig(), keys_of(IDENTITY_A), path="app"), root, [left], [])


def test_da_55_other_reconcilers_find_the_hook_by_its_entry_point() -> None:
    project = tomllib.loads(Path(__file__).parents[2].joinpath("pyproject.toml").read_text())["project"]
    module, _, name = project["entry-points"]["secrettool.hooks"]["decrypt"].partition(":")
    assert getattr(import_module(module), name) is DecryptHook


def test_da_56_the_hook_imports_no_client_of_a_cluster_and_no_command_line() -> None:
    unwanted = ["kubernetes", "hvac", "click", "rich", "requests", "urllib3", "secrettool.cli", "secrettool.cluster", "secrettool.build"]
    code = f"""
import sys
from secrettool import hook
for name in hook.__all__:
    getattr(hook, name)
import secrettool.hook.guard, secrettool.hook.sources
print([name for name in {unwanted!r} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_public_names_are_there_and_others_are_not() -> None:
    assert {"Decryptor", "DecryptHook", "HookConfig", "KeySet", "ReconcileHook"} <= set(dir(secrettool.hook))
    assert all(getattr(secrettool.hook, name) for name in secrettool.hook.__all__)
    with pytest.raises(AttributeError, match="Absent"):
        _ = secrettool.hook.Absent
