"""Functions and exec plugins under the real kustomize."""

from __future__ import annotations

import shutil
import subprocess
import sys
from base64 import b64decode, b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from secrettool.objects import folded
from tests.cli.sandbox import AGE1, AGE2, ROOT, Sandbox

pytestmark = pytest.mark.real

CANARY = "canary-2b90"
OPTIONS = ("--age", AGE1, "--encrypted-regex", "^(data|stringData)$")
FUNCTION = {"config.kubernetes.io/function": "exec:\n  path: secrettool\n  args: [krm]\n"}
PLUGINS, EXEC = "--enable-alpha-plugins", "--enable-exec"
HASH = "kustomize.config.k8s.io/needs-hash"
BEHAVIOUR = "kustomize.config.k8s.io/behavior"


def secret(name: str, **annotations: str) -> str:
    metadata = {"name": name, **({"annotations": annotations} if annotations else {})}
    return yaml.safe_dump({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "stringData": {"password": CANARY}})


def with_data(text: str, **data: str) -> str:
    """The same Secret with `data` in place of `stringData`."""
    obj = yaml.safe_load(text)
    del obj["stringData"]
    return yaml.safe_dump({**obj, "data": {key: b64encode(value.encode()).decode() for key, value in data.items()}})


def configuration(kind: str, *, annotations: Mapping[str, str] = FUNCTION, **fields: Any) -> dict[str, Any]:
    api = "viaduct.ai/v1" if kind == "ksops" else "secrettool.dev/v1alpha1"
    metadata = {"name": kind.lower(), **({"annotations": dict(annotations)} if annotations else {})}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **fields}


class Build(NamedTuple):
    """How a build ended."""

    code: int
    out: str
    err: str

    @property
    def objects(self) -> dict[str, dict[str, Any]]:
        """The objects by name."""
        assert self.code == 0, self.err
        return {obj["metadata"]["name"]: obj for obj in yaml.safe_load_all(self.out)}


class Tree:
    """A folder with a kustomization file, and `secrettool` on PATH."""

    def __init__(self, box: Sandbox, kustomize: Path) -> None:
        self.box = box
        self.folder = box.folder
        self._kustomize = kustomize
        programs = self.folder / "programs"
        programs.mkdir()
        (programs / "secrettool").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m secrettool "$@"\n')
        (programs / "secrettool").chmod(0o755)
        box.env["PATH"] = f"{programs}:{box.env['PATH']}"

    def write(self, name: str, content: dict[str, Any]) -> None:
        (self.folder / name).write_text(yaml.safe_dump(content, sort_keys=False))

    def build(self, *flags: str, folder: str = ".", env: Mapping[str, str] | None = None) -> Build:
        words = [str(self._kustomize), "build", *flags, folder]
        done = subprocess.run(words, cwd=self.folder, env={**self.box.env, **(env or {})}, capture_output=True, text=True, timeout=60, check=False)
        return Build(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def tree(tmp_path: Path, real_kustomize: Path) -> Tree:
    return Tree(Sandbox(tmp_path), real_kustomize)


@pytest.mark.parametrize("kind", ["SecretGenerator", "ksops"])
def test_da_29_generator_runs_under_kustomize(tree: Tree, kind: str) -> None:
    tree.box.encrypted("db.enc.yaml", secret("db") + "---\n" + secret("web"), *OPTIONS)
    tree.box.encrypted("app.env", f"PASSWORD={CANARY}\n", "--age", AGE1)
    tree.write("gen.yaml", configuration(kind, files=["db.enc.yaml"], secretFrom=[{"metadata": {"name": "app"}, "envs": ["app.env"]}]))
    tree.write("kustomization.yaml", {"generators": ["gen.yaml"], "namePrefix": "x-", "namespace": "shop"})
    found = tree.build(PLUGINS, EXEC).objects
    assert {name: obj["stringData"] for name, obj in found.items()} == {
        "x-db": {"password": CANARY},
        "x-web": {"password": CANARY},
        "x-app": {"PASSWORD": CANARY},
    }
    assert all(set(obj["metadata"]) == {"name", "namespace"} for obj in found.values())


def test_da_29_transformer_gives_what_hook_build_gives(tree: Tree) -> None:
    tree.box.encrypted("db.yaml", secret("db"), *OPTIONS)
    tree.box.encrypted("app.yaml", f"a: {CANARY}\n", "--age", AGE1)
    tree.write("plain.yaml", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "plain"}, "data": {"a": "yes", "b": "1.50"}})
    plain: dict[str, Any] = {"resources": ["db.yaml", "plain.yaml"], "generatorOptions": {"disableNameSuffixHash": True}}
    plain |= {"secretGenerator": [{"name": "files", "files": ["app.yaml"]}], "commonAnnotations": {"team": "a"}}
    tree.write("kustomization.yaml", plain)
    built = tree.box.call("hook", "build", ".")
    expected = {obj["metadata"]["name"]: folded(obj) for obj in yaml.safe_load_all(built.stdout)}
    tree.write("decrypt.yaml", configuration("Decrypt"))
    tree.write("kustomization.yaml", {**plain, "transformers": ["decrypt.yaml"]})
    done = tree.build(PLUGINS, EXEC)
    found = {name: folded(obj) for name, obj in done.objects.items()}
    assert found == expected
    assert b64decode(found["files"]["data"]["app.yaml"]).decode() == f"a: {CANARY}\n"
    assert done.err == ""


def test_da_29_transformer_opens_a_manifest_that_is_encrypted_as_a_whole(tree: Tree) -> None:
    tree.box.encrypted("db.yaml", secret("db"), "--age", AGE1)
    tree.write("decrypt.yaml", configuration("Decrypt"))
    tree.write("kustomization.yaml", {"resources": ["db.yaml"], "transformers": ["decrypt.yaml"]})
    assert tree.build(PLUGINS, EXEC).objects == {"db": yaml.safe_load(secret("db"))}


def test_da_29_hash_and_behaviour_are_consumed(tree: Tree) -> None:
    tree.box.encrypted("hash.yaml", secret("hashed", **{HASH: "true"}), *OPTIONS)
    for name, behaviour in (("base", "replace"), ("grown", "merge")):
        tree.box.encrypted(f"{behaviour}.yaml", with_data(secret(name, **{BEHAVIOUR: behaviour}), new=CANARY), *OPTIONS)
    tree.write("gen.yaml", configuration("SecretGenerator", files=["hash.yaml", "replace.yaml", "merge.yaml"]))
    for name in ("base", "grown"):
        (tree.folder / name).mkdir()
        tree.write(f"{name}/secret.yaml", yaml.safe_load(with_data(secret(name), old="x")))
        tree.write(f"{name}/kustomization.yaml", {"resources": ["secret.yaml"]})
    tree.write("kustomization.yaml", {"resources": ["base", "grown"], "generators": ["gen.yaml"]})
    found = tree.build(PLUGINS, EXEC).objects
    (hashed,) = (name for name in found if name.startswith("hashed-"))
    assert len(hashed) == len("hashed-") + 10
    assert set(found["base"]["data"]) == {"new"}
    assert set(found["grown"]["data"]) == {"old", "new"}
    assert all("annotations" not in obj["metadata"] for obj in found.values())


def test_da_29_hash_of_a_transformed_generator_is_over_plain_text(tree: Tree) -> None:
    tree.box.encrypted("app.yaml", f"a: {CANARY}\n", "--age", AGE1)
    names: list[str] = []
    for _ in range(2):
        tree.write("decrypt.yaml", configuration("Decrypt"))
        tree.write("kustomization.yaml", {"secretGenerator": [{"name": "app", "files": ["app.yaml"]}], "transformers": ["decrypt.yaml"]})
        names += tree.build(PLUGINS, EXEC).objects
        assert tree.box.call("rotate", "-i", "app.yaml").returncode == 0
    assert names[0] == names[1]


def test_da_30_failure_of_a_function_fails_the_build_and_names_the_file(tree: Tree) -> None:
    tree.box.encrypted("db.enc.yaml", secret("db"), "--age", AGE2)
    tree.write("gen.yaml", configuration("SecretGenerator", files=["db.enc.yaml"]))
    tree.write("kustomization.yaml", {"generators": ["gen.yaml"]})
    done = tree.build(PLUGINS, EXEC)
    assert (done.code, done.out) == (1, "")
    assert "HK111 db.enc.yaml: " in done.err
    assert "couldn't execute function: exit status 1" in done.err


def test_da_31_a_build_that_fails_shows_no_value(tree: Tree) -> None:
    tree.box.encrypted("db.yaml", secret("db"), *OPTIONS)
    tree.box.encrypted("broken.yaml", secret("broken"), *OPTIONS)
    broken = tree.folder / "broken.yaml"
    broken.write_text(broken.read_text().replace("password: ENC[", f"other: {CANARY}\n  password: ENC["))
    tree.write("decrypt.yaml", configuration("Decrypt"))
    tree.write("kustomization.yaml", {"resources": ["db.yaml", "broken.yaml"], "transformers": ["decrypt.yaml"]})
    done = tree.build(PLUGINS, EXEC)
    assert (done.code, done.out) == (1, "")
    assert "HK113 broken.yaml: stringData.other: " in done.err
    assert CANARY not in done.err


@pytest.mark.parametrize("kind", ["SecretGenerator", "ksops"])
def test_da_32_exec_plugin_generates_under_kustomize(tree: Tree, kind: str) -> None:
    assert tree.box.call("krm", "install", "plugins").returncode == 0
    tree.box.encrypted("db.enc.yaml", secret("db", **{HASH: "true"}), *OPTIONS)
    tree.write("gen.yaml", configuration(kind, annotations={}, files=["db.enc.yaml"]))
    tree.write("kustomization.yaml", {"generators": ["gen.yaml"]})
    (found,) = tree.build(PLUGINS, env={"KUSTOMIZE_PLUGIN_HOME": str(tree.folder / "plugins")}).objects.values()
    assert found["metadata"]["name"].startswith("db-")
    assert found["stringData"] == {"password": CANARY}


def test_da_32_exec_plugin_transforms_under_kustomize_with_its_options(tree: Tree) -> None:
    home = tree.folder / "config" / "kustomize" / "plugin"
    assert tree.box.call("krm", "install", str(home)).returncode == 0
    tree.box.encrypted("db.yaml", secret("db"), *OPTIONS)
    (tree.folder / "db.yaml").write_text((tree.folder / "db.yaml").read_text().replace("Opaque", "changed"))
    tree.write("kustomization.yaml", {"resources": ["db.yaml"], "transformers": ["decrypt.yaml"]})
    env = {"XDG_CONFIG_HOME": str(tree.folder / "config")}
    tree.write("decrypt.yaml", configuration("Decrypt", annotations={}))
    refused = tree.build(PLUGINS, env=env)
    assert (refused.code, "HK114 db.yaml: " in refused.err) == (1, True)
    tree.write("decrypt.yaml", configuration("Decrypt", annotations={}, argsOneLiner="--mac=skip"))
    assert tree.build(PLUGINS, env=env).objects["db"]["stringData"] == {"password": CANARY}


def test_da_33_transformer_that_was_skipped_is_found_by_the_guard(tree: Tree) -> None:
    tree.box.encrypted("db.yaml", secret("db"), *OPTIONS)
    tree.write("decrypt.yaml", configuration("Decrypt"))
    tree.write("kustomization.yaml", {"resources": ["db.yaml"], "transformers": ["decrypt.yaml"]})
    skipped = tree.build(PLUGINS)
    assert (skipped.code, skipped.err) == (0, "")
    refused = tree.box.call("hook", "guard", stdin=skipped.out)
    assert (refused.returncode, refused.stderr.split()[0]) == (5, "HK001")
    assert tree.box.call("hook", "guard", stdin=tree.build(PLUGINS, EXEC).out).returncode == 0


def test_da_33_generator_that_was_skipped_leaves_nothing_behind(tree: Tree) -> None:
    """The guard cannot find it, which the guide says."""
    tree.box.encrypted("db.enc.yaml", secret("db"), *OPTIONS)
    tree.write("gen.yaml", configuration("SecretGenerator", files=["db.enc.yaml"]))
    tree.write("kustomization.yaml", {"generators": ["gen.yaml"]})
    skipped = tree.build(PLUGINS)
    assert (skipped.code, skipped.out) == (0, "")
    assert tree.build().code == 1


def test_da_34_root_is_the_repository_around_the_kustomization(tree: Tree) -> None:
    app = tree.folder / "app"
    app.mkdir()
    tree.box.encrypted("shared.enc.yaml", secret("shared"), *OPTIONS)
    tree.write("app/gen.yaml", configuration("ksops", files=["../shared.enc.yaml"]))
    tree.write("app/kustomization.yaml", {"generators": ["gen.yaml"]})
    assert "HK121 " in tree.build(PLUGINS, EXEC, folder="app").err
    (tree.folder / ".git").mkdir()
    assert set(tree.build(PLUGINS, EXEC, folder="app").objects) == {"shared"}


@pytest.mark.parametrize(("example", "count"), [("kustomize-krm", 4), ("ksops", 1)])
def test_examples_build_with_the_throwaway_key(tree: Tree, example: str, count: int) -> None:
    shutil.copytree(ROOT / "examples" / example, tree.folder / example)
    env = {"SOPS_AGE_KEY_FILE": str(ROOT / "keys-example" / "keys" / "alice.agekey")}
    built = tree.build(PLUGINS, EXEC, folder=example, env=env)
    assert len(built.objects) == count
    assert built.err == ""
    assert tree.box.call("hook", "guard", stdin=built.out).returncode == 0


def test_example_is_refused_when_its_functions_are_skipped(tree: Tree) -> None:
    shutil.copytree(ROOT / "examples" / "kustomize-krm", tree.folder / "example")
    assert tree.box.call("hook", "guard", stdin=tree.build(PLUGINS, folder="example").out).returncode == 5
