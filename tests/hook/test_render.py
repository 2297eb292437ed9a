"""A pass over trees made here, with the real kustomize: order, variables, paths that may not be named, what is told, and what is never shown."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from secrettool import fs
from secrettool.build.render import Rendered, Surroundings, applied, render
from secrettool.errors import GuardError, HookError, UnsafePath
from secrettool.flux import FluxKustomization, FluxVersion
from secrettool.fs import workspace
from secrettool.hook.keyset import KeySet
from secrettool.hook.model import HookConfig
from secrettool.hook.withoutkeys import MARKER, NoKeys
from secrettool.library import encrypt
from secrettool.sops.selection import Selector
from tests.hook.keys import IDENTITY_A, keys_of, recipient_of

pytestmark = pytest.mark.real

CANARY = "canary-7f3a91"
SECRET_FIELDS = Selector("encrypted_regex", "^(data|stringData)$")
STRICT = HookConfig(parity="flux", mac="skip")
SKIP = HookConfig(mac="skip")
NAME = "kustomization.yaml"


def sealed(text: str, store: Any = "yaml") -> str:
    selector = SECRET_FIELDS if store == "yaml" else None
    return str(encrypt(text, "yaml" if store == "all" else store, recipients=[recipient_of(IDENTITY_A)], selector=selector))


def secret(name: str, **values: str) -> str:
    lines = [f"  {key}: {json.dumps(value)}\n" for key, value in values.items()]
    return f"apiVersion: v1\nkind: Secret\nmetadata:\n  name: {name}\nstringData:\n{''.join(lines)}"


def config_map(name: str, **values: str) -> str:
    return secret(name, **values).replace("kind: Secret", "kind: ConfigMap").replace("stringData:", "data:")


def tree(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def flux_of(**spec: Any) -> FluxKustomization:
    obj = {"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization", "metadata": {"name": "apps", "namespace": "team"}, "spec": spec}
    return FluxKustomization.from_object(obj)


DECRYPTING = {"decryption": {"provider": "sops"}}


@pytest.fixture
def keys() -> Iterator[KeySet]:
    with keys_of(IDENTITY_A) as opened:
        yield opened


@pytest.fixture
def environ(real_kustomize: Path, tmp_path: Path) -> dict[str, str]:
    return {"PATH": str(real_kustomize.parent), "HOME": str(tmp_path)}


def build(root: Path, environ: dict[str, str], keys: KeySet | NoKeys, *, path: str = ".", config: HookConfig = HookConfig(), **more: Any) -> Rendered:  # noqa: B008
    flux = more.pop("flux", None)
    return render(str(root), path, flux=flux, config=config, keys=keys, surroundings=Surroundings(environ=environ, **more))


def the_error(done: Rendered) -> HookError:
    (error,) = done.errors
    assert isinstance(error, HookError)
    return error


# ---- order, names and variables --------------------------------------------------------------------------------------------------------------------


def test_da_01_every_stage_sees_the_result_of_the_one_before(tmp_path: Path, environ: dict[str, str], keys: KeySet) -> None:
    files = {"app/s.yaml": sealed(secret("db", password="x${WHO}"))}
    flux = flux_of(
        path="app",
        namePrefix="pre-",
        targetNamespace="blue",
        commonMetadata={"labels": {"a": "b"}},
        postBuild={"substitute": {"WHO": "y"}},
        **DECRYPTING,
    )
    done = build(tree(tmp_path / "r", files), environ, keys, flux=flux, config=STRICT).check()
    (obj,) = applied(done.objects, flux)
    assert obj == {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "pre-db", "namespace": "blue", "labels": {"a": "b"}},
        "data": {"password": "eHk="},
    }


@pytest.mark.parametrize(
    ("files", "stage", "rule"),
    [
        ({}, "generate", "HK140"),
        ({f"app/{NAME}": "resources: 1\n"}, "generate", "HK124"),
        ({f"app/{NAME}": "secretGenerator: [{name: a, files: [missing.env]}]\n"}, "sources", "HK121"),
        ({f"app/{NAME}": "resources: [missing.yaml]\n"}, "build", "HK142"),
        ({"app/c.yaml": config_map("c", a="${A:"), f"app/{NAME}": "resources: [c.yaml]\n"}, "substitute", "HK144"),
        ({"app/c.yaml": config_map("c", a="REPLACE_ME"), f"app/{NAME}": "resources: [c.yaml]\n"}, "guard", "HK152"),
    ],
)
def test_da_01_a_failure_says_at_which_stage(
    files: dict[str, str], stage: str, rule: str, tmp_path: Path, environ: dict[str, str], keys: KeySet
) -> None:
    (tmp_path / "r").mkdir()
    flux = flux_of(path="app", postBuild={"substitute": {"A": "1"}}, **DECRYPTING)
    done = build(tree(tmp_path / "r", files), environ, keys, flux=flux)
    assert (done.stage, the_error(done).rule) == (stage, rule)


def test_da_03_a_decrypted_value_that_looks_like_a_variable_is_told(tmp_path: Path, environ: dict[str, str], keys: KeySet) -> None:
    root = tree(tmp_path / "r", {"s.yaml": sealed(secret("db", a="${WHO}", b="plain"))})
    done = build(root, environ, keys, flux=flux_of(**DECRYPTING)).check()
    assert [(finding.code, finding.key) for finding in done.warnings] == [("HK007", "stringData.a")]


def test_da_04_variables_are_not_replaced_in_what_was_just_decrypted(tmp_path: Path, environ: dict[str, str], keys: KeySet) -> None:
    root = tree(tmp_path / "r", {"s.yaml": sealed(secret("db", a="x${WHO}$$")).replace("name: db", "name: db\n  labels: {who: '${WHO}'}")})
    flux = flux_of(postBuild={"substitute": {"WHO": "me"}}, **DECRYPTING)
    (ours,) = build(root, environ, keys, flux=flux, config=SKIP).check().objects
    assert ours["stringData"] == {"a": "x${WHO}$$"}
    assert ours["metadata"]["labels"] == {"who": "me"}
    (theirs,) = build(root, environ, keys, flux=flux, config=STRICT).check().objects
    assert theirs["stringData"] == {"a": "xme$"}


def test_a_kustomization_without_decryption_opens_nothing(tmp_path: Path, environ: dict[str, str], keys: KeySet) -> None:
    root = tree(tmp_path / "r", {"s.yaml": sealed(secret("db", a=CANARY))})
    done = build(root, environ, keys, flux=flux_of())
    assert (done.stage, the_error(done).rule) == ("guard", "HK001")


def test_flux_keeps_the_order_and_a_folder_gets_that_of_kustomize(tmp_path: Path, environ: dict[str, str], keys: KeySet) -> None:
    files = {NAME: "resources: [s.yaml, n.yaml]\n", "s.yaml": secret("s", a="b"), "n.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: n}\n"}
    root = tree(tmp_path / "r", files)
    assert [obj["kind"] for obj in build(root, environ, keys, flux=flux_of()).objects] == ["Secret", "Namespace"]
    assert [obj["kind"] for obj in build(root, environ, keys).objects] == ["Namespace", "Secret"]


def test_da_23_all_objects_that_fail_are_named(tmp_path: Path, environ: dict[str, str], keys: KeySet) -> None:
    files = {f"{name}.yaml": sealed(secret(name, a="b")).replace("ENC[AES256_GCM,data:", "ENC[AES256_GCM,data:AAAA", 1) for name in ("one", "two")}
    files["three.yaml"] = secret("three", a="b")
    done = build(tree(tmp_path / "r", files), environ, keys, flux=flux_of(**DECRYPTING), config=STRICT)
    assert [(error.file, getattr(error, "rule", "")) for error in done.errors] == [("Secret/one", "HK112"), ("Secret/two", "HK112")]
    assert done.stage == "resource"
    with pytest.raises(HookError):
        done.check()


# ---- plain folders ---------------------------------------------------------------------------------------------------------------------------------


def test_a_folder_without_a_kustomization_file_needs_no_kustomize(tmp_path: Path, keys: KeySet) -> None:
    files = {
        "b/s.yaml": sealed(secret("s", a="b")),
        "a.json": json.dumps({"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", "kind": "X", "metadata": {"name": "x"}}]}),
    }
    done = build(tree(tmp_path / "r", files), {}, keys).check()
    assert [(obj["kind"], obj["metadata"]["name"]) for obj in done.objects] == [("X", "x"), ("Secret", "s")]
    assert not done.warnings


def test_a_changed_file_of_a_plain_folder_fails_its_mac(tmp_path: Path, keys: KeySet) -> None:
    text = sealed(secret("s", a="b")).replace("name: s", "name: other")
    done = build(tree(tmp_path / "r", {"s.yaml": text}), {}, keys)
    assert (done.stage, the_error(done).rule, the_error(done).file) == ("sources", "HK114", "s.yaml")


# ---- without keys ----------------------------------------------------------------------------------------------------------------------------------


def test_without_keys_markers_keep_the_types(tmp_path: Path, environ: dict[str, str]) -> None:
    text = sealed("apiVersion: v1\nkind: Thing\nmetadata: {name: t}\ndata: {text: a, number: 5, part: 1.5, flag: true, list: [a, 1]}\n")
    data = sealed("apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {a: aGk=}\n")
    done = build(tree(tmp_path / "r", {"t.yaml": text, "s.yaml": data}), environ, NoKeys(), flux=flux_of(**DECRYPTING), without_keys=True).check()
    found = {obj["kind"]: obj["data"] for obj in done.objects}
    assert found["Secret"] == {"a": "UkVQTEFDRV9NRV9OT19LRVk="}
    assert {name: type(value) for name, value in found["Thing"].items()} == {"text": str, "number": int, "part": float, "flag": bool, "list": list}
    assert found["Thing"]["text"] == MARKER
    assert [type(item) for item in found["Thing"]["list"]] == [str, int]


def test_without_keys_files_of_generators_are_marked_too(tmp_path: Path, environ: dict[str, str]) -> None:
    files = {
        NAME: "secretGenerator: [{name: g, envs: [a.env], files: [b.bin]}]\n",
        "a.env": sealed(f"A={CANARY}\n", "dotenv"),
        "b.bin": sealed("raw", "binary"),
    }
    (obj,) = build(tree(tmp_path / "r", files), environ, NoKeys(), without_keys=True).check().objects
    assert obj["data"] == {"A": "UkVQTEFDRV9NRV9OT19LRVk=", "b.bin": "UkVQTEFDRV9NRV9OT19LRVk="}


def test_what_was_built_without_keys_cannot_pass_a_guard(tmp_path: Path, environ: dict[str, str]) -> None:
    root = tree(tmp_path / "r", {"s.yaml": sealed(secret("s", a="b"))})
    done = build(root, environ, NoKeys(), flux=flux_of(**DECRYPTING))
    assert all(isinstance(error, GuardError) for error in done.errors) and done.stage == "guard"


# ---- kustomize is kept inside ----------------------------------------------------------------------------------------------------------------------


def test_da_43_kustomize_gets_path_and_home_only(tmp_path: Path, environ: dict[str, str], keys: KeySet, real_kustomize: Path) -> None:
    spy = tmp_path / "bin" / "kustomize"
    spy.parent.mkdir()
    spy.write_text(f'#!/bin/sh\n/usr/bin/env > {tmp_path}/seen\nexec {real_kustomize} "$@"\n')
    spy.chmod(0o755)
    root = tree(tmp_path / "r", {NAME: "resources: [c.yaml]\n", "c.yaml": config_map("c", a="b")})
    build(root, {**environ, "PATH": str(spy.parent), "SOPS_AGE_KEY": CANARY, "VAULT_TOKEN": CANARY}, keys).check()
    names = {line.partition("=")[0] for line in (tmp_path / "seen").read_text().splitlines()}
    assert names - {"PWD", "OLDPWD", "SHLVL", "_"} == {"PATH", "HOME"}


def test_da_43_without_kustomize_kubectl_builds(tmp_path: Path, keys: KeySet) -> None:
    from tests.interop import programs
    from tests.interop.peers import missing

    kubectl = programs.find("kubectl") or missing("kubectl")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "kubectl").symlink_to(kubectl)
    root = tree(tmp_path / "r", {"a/base/c.yaml": config_map("c", a="b"), f"a/over/{NAME}": "resources: [../base/c.yaml]\nnamePrefix: x-\n"})
    done = build(root, {"PATH": str(tmp_path / "bin"), "HOME": str(tmp_path)}, keys, path="a/over").check()
    assert [obj["metadata"]["name"] for obj in done.objects] == ["x-c"]


OUTSIDE = [
    ("resources: [../outside/c.yaml]\n", {}),
    ("resources: [../outside]\n", {}),
    ("resources: ['{outside}/c.yaml']\n", {}),
    ("RESOURCES: [../outside/c.yaml]\n", {}),
    ("components: [../outside]\n", {}),
    ("patches: [{path: ../outside/c.yaml}]\n", {}),
    ("patchesStrategicMerge: [../outside/c.yaml]\n", {}),
    ("patchesJson6902: [{path: ../outside/c.yaml, target: {kind: X, name: y}}]\n", {}),
    ("replacements: [{path: ../outside/c.yaml}]\n", {}),
    ("configMapGenerator: [{name: a, files: [../outside/c.yaml]}]\n", {}),
    ("configMapGenerator: [{name: a, files: [k=../outside/c.yaml]}]\n", {}),
    ("secretGenerator: [{name: a, envs: [../outside/c.yaml]}]\n", {}),
    ("secretGenerator: [{name: a, env: ../outside/c.yaml}]\n", {}),
    ("crds: [../outside/c.yaml]\n", {}),
    ("configurations: [../outside/c.yaml]\n", {}),
    ("openapi: {path: ../outside/c.yaml}\n", {}),
    ("generators: [g.yaml]\n", {"g.yaml": "apiVersion: builtin\nkind: ConfigMapGenerator\nmetadata: {name: g}\nfiles: [../outside/c.yaml]\n"}),
    ("generators:\n- |\n  apiVersion: builtin\n  kind: ConfigMapGenerator\n  metadata: {name: g}\n  files: [../outside/c.yaml]\n", {}),
    ('generators: [\'{"apiVersion":"builtin","kind":"ConfigMapGenerator","metadata":{"name":"g"},"files":["../outside/c.yaml"]}\']\n', {}),
    ("generators: ['{outside}/../r/x\\n../../../outside/c.yaml']\n", {}),
    ("transformers: [t.yaml]\n", {"t.yaml": "apiVersion: builtin\nkind: PatchTransformer\nmetadata: {name: t}\npath: ../outside/c.yaml\n"}),
    (
        "generators: [gens]\n",
        {
            f"gens/{NAME}": "resources: [g.yaml]\n",
            "gens/g.yaml": "apiVersion: builtin\nkind: ConfigMapGenerator\nmetadata: {name: g}\nenvs: [../outside/c.yaml]\n",
        },
    ),
    (
        "generators: [gens]\n",
        {
            f"gens/{NAME}": "resources: [g.yaml]\nnamePrefix: a\n",
            "gens/g.yaml": "apiVersion: builtin\nkind: ConfigMapGenerator\nmetadata: {name: g}\n",
        },
    ),
    ("resources: [below]\n", {f"below/{NAME}": "resources: [../../outside/c.yaml]\n"}),
    ("resources: [https://example.invalid/c.yaml]\n", {}),
    ("resources: ['github.com/example/repo']\n", {}),
    ("resources: ['git@example.invalid:a/b']\n", {}),
    ("resources: ['git::file://{outside}']\n", {}),
    ("components: ['ssh://example.invalid/a/b']\n", {}),
    ("patches: [{path: 'http://example.invalid/p.yaml'}]\n", {}),
]


@pytest.mark.parametrize(("kustomization", "files"), OUTSIDE)
def test_da_43_paths_out_of_the_root_and_remote_ones_are_refused(
    kustomization: str, files: dict[str, str], tmp_path: Path, environ: dict[str, str], keys: KeySet
) -> None:
    tree(tmp_path / "outside", {"c.yaml": config_map("c", a=CANARY), NAME: "resources: [c.yaml]\n"})
    root = tree(tmp_path / "r", {NAME: kustomization.replace("{outside}", str(tmp_path / "outside")), **files})
    # The reading of a source passes over what leads nowhere, so the build is asked directly.
    done = build(root, environ, keys, config=SKIP)
    errors = [error for error in done.errors if isinstance(error, HookError)]
    assert errors and {error.rule for error in errors} <= {"HK143", "HK121"}
    assert not done.objects


@pytest.mark.parametrize("target", ["../outside/c.yaml", "{outside}/c.yaml"])
def test_da_43_links_out_of_the_root_are_refused(target: str, tmp_path: Path, environ: dict[str, str], keys: KeySet) -> None:
    tree(tmp_path / "outside", {"c.yaml": config_map("c", a=CANARY)})
    root = tree(tmp_path / "r", {NAME: "resources: [c.yaml]\n"})
    (root / "c.yaml").symlink_to(target.replace("{outside}", str(tmp_path / "outside")))
    done = build(root, environ, keys)
    assert isinstance(the_error(done), UnsafePath)


def test_da_43_a_link_inside_the_root_is_followed(tmp_path: Path, environ: dict[str, str], keys: KeySet) -> None:
    root = tree(
        tmp_path / "r", {f"app/{NAME}": "resources: [base, c.yaml]\n", "base/b.yaml": config_map("b", a="b"), f"base/{NAME}": "resources: [b.yaml]\n"}
    )
    tree(root, {"other/c.yaml": config_map("c", a="b")})
    (root / "app/base").symlink_to("../base")
    (root / "app/c.yaml").symlink_to("../other/c.yaml")
    assert len(build(root, environ, keys, path="app").check().objects) == 2


def test_da_43_a_pipe_does_not_stop_the_build(tmp_path: Path, environ: dict[str, str], keys: KeySet) -> None:
    root = tree(tmp_path / "r", {NAME: "resources: [pipe]\n"})
    os.mkfifo(root / "pipe")
    assert the_error(build(root, environ, keys)).rule in ("HK143", "HK121")


# ---- nothing left, nothing shown -------------------------------------------------------------------------------------------------------------------


def test_da_44_the_source_is_not_written_to_and_the_copy_is_gone(
    tmp_path: Path, environ: dict[str, str], keys: KeySet, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {f"app/{NAME}": "secretGenerator: [{name: g, envs: [a.env]}]\n", "app/a.env": sealed(f"A={CANARY}\n", "dotenv")}
    root = tree(tmp_path / "r", files)
    made: list[str] = []

    @contextmanager
    def recorded(*, allow_disk: bool) -> Iterator[str]:
        with fs.memory_directory(allow_disk=allow_disk) as folder:
            made.append(folder)
            yield folder

    monkeypatch.setattr(workspace, "memory_directory", recorded)
    flux = flux_of(path="app", namePrefix="p-", **DECRYPTING)
    assert build(root, environ, keys, flux=flux).check().objects
    assert {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()} == files
    assert [os.path.exists(folder) for folder in made] == [False]


def test_da_59_two_runs_give_equal_bytes(tmp_path: Path, environ: dict[str, str]) -> None:
    files = {f"{name}.yaml": sealed(secret(name, b="1", a="2")) for name in "zyxw"}
    root = tree(tmp_path / "r", {NAME: "resources: [z.yaml, y.yaml, x.yaml, w.yaml]\n", **files})
    key = tmp_path / "key"
    key.write_bytes(IDENTITY_A)
    given = {**environ, "PATH": environ["PATH"] + os.pathsep + os.defpath, "PYTHONPATH": os.getcwd()}

    def run(seed: str) -> bytes:
        words = [sys.executable, "-m", "secrettool", "hook", "build", str(root), "--key-file", str(key)]
        return subprocess.run(words, env={**given, "PYTHONHASHSEED": seed}, capture_output=True, check=True).stdout

    assert run("1") == run("2") != b""


BROKEN = [
    {
        NAME: "resources: [c.yaml]\npatches: [{path: p.yaml}]\n",
        "c.yaml": config_map("c", a="b"),
        "p.yaml": ("all", config_map(CANARY, a="b")),
    },
    {NAME: "secretGenerator: [{name: g, envs: [a.env]}]\n", "a.env": ("dotenv", f"A={CANARY}\nA={CANARY}\n")},
    {
        NAME: "resources: [c.yaml]\npatches: [{path: p.yaml}]\n",
        "c.yaml": config_map("c", a="b"),
        "p.yaml": ("yaml", f"stringData: {{a: {CANARY}}}\n"),
    },
    {
        NAME: "resources: [c.yaml]\npatches: [{path: p.yaml, target: {kind: ConfigMap}}]\n",
        "c.yaml": config_map("c", a="b"),
        "p.yaml": ("yaml", f"stringData: [{{op: replace, path: /data/{CANARY}/x, value: {CANARY}}}]\n"),
    },
    {NAME: "secretGenerator: [{name: g, literals: ['canary-7f3a91']}]\n"},
    {NAME: "resources: [c.yaml]\n", "c.yaml": f"apiVersion: v1\nkind: Secret\nstringData: {{a: {CANARY}}}\n"},
    {NAME: "resources: [c.yaml]\n", "c.yaml": f"{CANARY}: [\n"},
    {"c.yaml": f"{CANARY}: [\n"},
    {"c.yaml": f"a: {CANARY}\n"},
]


@pytest.mark.parametrize("files", BROKEN)
def test_da_22_no_error_shows_what_is_in_a_file(files: dict[str, Any], tmp_path: Path, environ: dict[str, str]) -> None:
    root = tree(tmp_path / "r", {name: sealed(text[1], text[0]) if isinstance(text, tuple) else text for name, text in files.items()})
    key = tmp_path / "key"
    key.write_bytes(IDENTITY_A)
    given = {**environ, "PATH": environ["PATH"] + os.pathsep + os.defpath, "PYTHONPATH": os.getcwd()}
    words = [sys.executable, "-m", "secrettool", "--verbose", "hook", "build", str(root), "--key-file", str(key)]
    done = subprocess.run(words, env=given, capture_output=True, text=True, check=False)
    assert done.returncode == 7
    assert done.stdout == ""
    assert CANARY not in done.stderr
    assert done.stderr.startswith("HK1")


def test_the_older_flux_takes_unknown_variables_for_empty(tmp_path: Path, environ: dict[str, str], keys: KeySet) -> None:
    root = tree(tmp_path / "r", {"c.yaml": config_map("c", a="x${NOBODY}y")})
    flux = flux_of(postBuild={"substitute": {"A": "1"}})
    (obj,) = build(root, environ, keys, flux=flux, version=FluxVersion(1, 8, 5)).check().objects
    assert obj["data"] == {"a": "xy"}
    assert the_error(build(root, environ, keys, flux=flux)).rule == "HK144"
