"""The source stage against what the real Flux did: all vectors of mode `sources`, and what is ours beyond them."""

from __future__ import annotations

import os
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import secrettool
from secrettool.errors import HookError
from secrettool.fs.saferoot import SafeRoot
from secrettool.fs.workspace import open_workspace
from secrettool.hook.keysecret import KeySecret
from secrettool.hook.keyset import KeySet
from secrettool.hook.model import MAX_ERRORS, HookConfig, SourceReport
from secrettool.hook.sources import open_sources
from secrettool.sops.selection import Selector
from tests.hook.cases import KEYS, Case, of_mode

STRICT = HookConfig(parity="flux", sources="flux", mac="skip")
SKIP = HookConfig(mac="skip")
RECIPIENT = "age1qr5k0h4vsm7pl8d3wdzszd2ngnf3eh0035cwuh6g4l65lppquq8se8l0rz"  # of keys/age-a.txt
DATA_ONLY = Selector("encrypted_regex", "^(data|stringData)$")
SECRET = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {}\nstringData:\n  password: hunter2\n  user: alice\n"

CODES = {
    "cannot decrypt irregular file": "HK121",
    "to be a regular file": "HK121",
    "lstat ": "HK121",
    "too many levels of symbolic links": "HK121",
    "exceeding limit": "HK120",
    "no kustomization file found": "HK122",
    "found multiple kustomization files": "HK123",
    "failed to unmarshal kustomization file": "HK124",
    "failed to load encrypted": "HK110",
    "cannot get sops data key": "HK111",
    "failed to emit encrypted": "HK115",
}
"""What Flux says, and the code that we give."""

CASES = [pytest.param(case, id=case.id) for case in of_mode("sources")]


def code_of(text: str) -> str:
    return next(code for fragment, code in CODES.items() if fragment in text)


def opened(root: Path, path: str = "app", config: HookConfig = HookConfig(), secret: dict[str, bytes] | None = None) -> SourceReport:  # noqa: B008
    entries = {"a.agekey": (KEYS / "age-a.txt").read_bytes()} if secret is None else secret
    with SafeRoot(str(root)) as tree, KeySet(KeySecret("Secret/team/sops-keys", entries), env_keys=False) as keys:
        return open_sources(tree, path, config, keys)


def rules(report: SourceReport) -> list[tuple[str, str | None]]:
    return [(error.rule, error.file) for error in report.errors]


def content(root: Path) -> dict[str, bytes]:
    files = (Path(folder, name) for folder, _, names in os.walk(root) for name in names)
    return {str(path.relative_to(root)): path.read_bytes() for path in files if path.is_file() and not path.is_symlink()}


def sealed(text: str, store: Any, *, selector: Selector | None = None, recipient: str = RECIPIENT, only_encrypted: bool = False) -> str:
    return str(secrettool.encrypt(text, store, recipients=[recipient], selector=selector, mac_only_encrypted=only_encrypted))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "tree/app").mkdir(parents=True)
    return tmp_path / "tree"


def put(root: Path, **files: str) -> None:
    """Write files below `app`; `__` in a name stands for a dot, and `k` is the kustomization file."""
    for name, text in files.items():
        path = root / "app" / ("kustomization.yaml" if name == "k" else name.replace("__", "."))
        path.write_bytes(text.encode())


# --- the vectors ---


def test_every_vector_of_the_source_stage_is_here() -> None:
    assert len(CASES) == 70


@pytest.mark.parametrize("case", CASES)
def test_flux_and_we_open_the_same_files(case: Case, tmp_path: Path) -> None:
    root = case.make_tree(tmp_path)
    before = content(root)
    report = opened(root, case.path, STRICT, case.secret)
    expected = case.expected()
    files = {path: b64decode(data) for path, data in expected.get("files", {}).items()}
    if "DA-15" in case.departs:  # compact JSON is detected, and there is no switch for it
        files["app/c.json"] = b'{\n\t"user": "alice",\n\t"password": "hunter2",\n\t"port": 5432\n}\n'
    assert report.opened == files
    assert [error.rule for error in report.errors] == ([code_of(expected["error"]["text"])] if "error" in expected else [])
    assert content(root) == before
    with SafeRoot(str(root)) as tree:
        for path, data in report.opened.items():
            tree.write(path, data)
        assert {path: f"{tree.mode(path):04o}" for path in expected.get("modes", {})} == expected.get("modes", {})
    assert content(root) == before | files


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in of_mode("sources") if not case.departs])
def test_the_default_opens_the_same_files(case: Case, tmp_path: Path) -> None:
    """The MAC is checked and errors are collected; the files of sops still give the same results."""
    expected = case.expected()
    report = opened(case.make_tree(tmp_path), case.path, HookConfig(), case.secret)
    assert report.opened == {path: b64decode(data) for path, data in expected.get("files", {}).items()}
    assert [error.rule for error in report.errors] == ([code_of(expected["error"]["text"])] if "error" in expected else [])


# --- DA-12: the same walk, formats and limit ---


def test_da_12_the_limit_can_be_changed(root: Path) -> None:
    text = sealed("A=secret\n", "dotenv")
    put(root, k="secretGenerator: [{envs: [a.env]}]", a__env=text)
    assert opened(root, config=HookConfig(max_bytes=len(text))).opened == {"app/a.env": b"A=secret\n"}
    assert rules(opened(root, config=HookConfig(max_bytes=len(text) - 1))) == [("HK120", "app/a.env")]


def test_da_12_generators_come_before_patches_and_both_before_folders(root: Path) -> None:
    put(root, k="resources: [sub]\npatches: [{path: p.yaml}]\nsecretGenerator: [{files: [f.yaml], envs: [e.env]}]\n")
    put(root, p__yaml=sealed("a: 1\n", "yaml"), f__yaml=sealed("b: 2\n", "yaml"), e__env=sealed("C=3\n", "dotenv"))
    (root / "app/sub").mkdir()
    (root / "app/sub/kustomization.yml").write_text("secretGenerator: [{files: [../s.json]}]")
    put(root, s__json=sealed('{"d": 4}\n', "json"))
    assert list(opened(root).opened) == ["app/f.yaml", "app/e.env", "app/p.yaml", "app/s.json"]


def test_da_12_references_of_a_linked_folder_start_where_the_link_is(root: Path) -> None:
    """As in Flux, which joins texts; kustomize itself starts at the target of the link."""
    (root / "far/base").mkdir(parents=True)
    (root / "far/base/kustomization.yaml").write_text("secretGenerator: [{envs: [../e.env]}]")
    (root / "far/e.env").write_text(sealed("WHERE=far\n", "dotenv"))
    put(root, k="resources: [base]", e__env=sealed("WHERE=app\n", "dotenv"))
    (root / "app/base").symlink_to("../far/base")
    assert opened(root).opened == {"app/e.env": b"WHERE=app\n"}


def test_a_path_without_a_folder_is_an_error(root: Path) -> None:
    assert rules(opened(root, "none")) == [("HK122", "none")]
    put(root, file="x")
    assert rules(opened(root, "app/file")) == [("HK122", "app/file")]


def test_a_path_that_goes_in_circles_is_an_error(root: Path) -> None:
    (root / "app/a").symlink_to("a")
    assert rules(opened(root, "app/a")) == [("HK121", "app/a")]


def test_numbers_and_booleans_become_text_where_go_makes_them_so(root: Path) -> None:
    put(root, k="resources: [1, 1.5, yes, y]\npatches: [{path: 2}]")
    for name in ("1", "1.5", "true"):
        (root / "app" / name).mkdir()
    assert rules(opened(root)) == [("HK121", "app/2"), ("HK122", "app/1"), ("HK122", "app/1.5"), ("HK122", "app/true")]


def test_fields_may_be_written_in_any_case(root: Path) -> None:
    put(root, k="SecretGenerator: [{Envs: [a.env]}]", a__env=sealed("A=1\n", "dotenv"))
    assert list(opened(root).opened) == ["app/a.env"]


@pytest.mark.parametrize(
    "text",
    [
        *("resources: x", "resources: [{}]", "patches: [x]", "patches: [{path: []}]", "secretGenerator: [{files: x}]"),
        *("secretGenerator: [{envs: [1]}]", "namePrefix: []", "labels: {}", "commonLabels: [a]", "- a", "a: [", "images: {}", "generatorOptions: x"),
    ],
)
def test_a_wrong_type_in_a_kustomization_file_is_an_error(root: Path, text: str) -> None:
    put(root, k=text)
    assert rules(opened(root)) == [("HK124", "app/kustomization.yaml")]


@pytest.mark.parametrize(
    "text", ["", "# nothing", "resources:", "resources: [null]", "whatever: [1]", "secretGenerator: [null, {files: null}]", "{}"]
)
def test_what_says_nothing_is_no_error(root: Path, text: str) -> None:
    put(root, k=text)
    assert opened(root).errors == ()


# --- DA-13: what Flux does not look at ---


def everything(root: Path) -> None:
    put(
        root,
        k="patchesStrategicMerge: [a.yaml, 'kind: Secret\nmetadata: {name: x}\n', none.yaml]\npatchesJson6902: [{path: b.json}, {path: https://h/x}]\n"
        "configMapGenerator: [{envs: [c], files: [key.yaml=d]}]\ngenerators: [e.yaml]\ntransformers: [e.yaml]\ncrds: [e.yaml]\n",
        a__yaml=sealed("a: 1\n", "yaml"),
        b__json=sealed('{"b": 1}\n', "json"),
        c=sealed("C=1\n", "dotenv"),
        d=sealed("d: 1\n", "yaml"),
        e__yaml=sealed("e: 1\n", "yaml"),
    )


def test_da_13_other_references_are_not_opened(root: Path) -> None:
    everything(root)
    report = opened(root)
    assert (report.opened, report.errors) == ({}, ())


def test_da_13_other_references_are_opened_when_that_is_wanted(root: Path) -> None:
    everything(root)
    report = opened(root, config=HookConfig(sources="extended"))
    assert list(report.opened) == ["app/d", "app/c", "app/a.yaml", "app/b.json"]
    assert report.errors == ()


# --- DA-14 ---


def test_da_14_the_stage_writes_to_a_copy_in_memory(root: Path) -> None:
    put(root, k="secretGenerator: [{envs: [a.env]}]", a__env=sealed("A=hunter2\n", "dotenv"))
    before = content(root)
    report = opened(root)
    with SafeRoot(str(root)) as tree, open_workspace(tree, allow_disk=True) as workspace:
        workspace.write(report.opened)
        assert content(Path(workspace.path)) == before | {"app/a.env": b"A=hunter2\n"}
    assert content(root) == before


# --- errors ---


def test_da_23_all_failures_are_collected(root: Path) -> None:
    put(root, k="resources: [one, two]\nsecretGenerator: [{envs: [none.env, a.env, none.env]}]", a__env=sealed("A=1\n", "dotenv"))
    (root / "app/one").mkdir()
    (root / "app/two").mkdir()
    (root / "app/two/kustomization.yaml").write_text("secretGenerator: [{files: [../none]}]")
    report = opened(root)
    assert rules(report) == [("HK121", "app/none.env"), ("HK122", "app/one"), ("HK121", "app/none")]
    assert list(report.opened) == ["app/a.env"]
    assert report.errors[2].hint == "it is named in app/two/kustomization.yaml"


def test_da_23_collecting_ends_at_the_limit(root: Path) -> None:
    put(root, k=f"secretGenerator: [{{files: {list(map(str, range(MAX_ERRORS + 9)))}}}]")
    assert len(opened(root).errors) == MAX_ERRORS


def test_strictly_the_first_failure_ends_the_stage(root: Path) -> None:
    put(root, k="secretGenerator: [{envs: [a.env, none.env, b.env]}]", a__env=sealed("A=1\n", "dotenv"), b__env=sealed("B=1\n", "dotenv"))
    report = opened(root, config=STRICT)
    assert (list(report.opened), rules(report)) == (["app/a.env"], [("HK121", "app/none.env")])


# --- DA-24, DA-25: the MAC ---


def macs_in(text: str) -> frozenset[str]:
    return frozenset(line.partition("mac: ")[2].strip() for line in text.splitlines() if line.strip().startswith("mac: "))


@pytest.fixture
def manifest() -> str:
    return sealed(SECRET.format("one"), "yaml", selector=DATA_ONLY)


CHANGES: dict[str, Callable[[str], str]] = {
    "removed": lambda text: "".join(line for line in text.splitlines(keepends=True) if "user:" not in line),
    "added": lambda text: text.replace("kind: Secret\n", "kind: Secret\ntype: Opaque\n"),
    "changed": lambda text: text.replace("name: one", "name: two"),
    "emptied": lambda text: "".join("  user: ''\n" if "user:" in line else line for line in text.splitlines(keepends=True)),
}
"""What Flux does not notice in a manifest."""


@pytest.mark.parametrize("change", CHANGES)
def test_da_24_a_manifest_that_was_changed_is_refused(root: Path, manifest: str, change: str) -> None:
    changed = CHANGES[change](manifest)
    assert changed != manifest
    put(root, k="resources: [s.yaml]", s__yaml=changed)
    report = opened(root)
    assert rules(report) == [("HK114", "app/s.yaml")]
    assert report.macs == frozenset()
    assert opened(root, config=SKIP).errors == ()


def test_da_24_verified_macs_are_remembered(root: Path, manifest: str) -> None:
    put(root, k="resources: [s.yaml, p.yaml]\nsecretGenerator: [{envs: [e.env]}]", s__yaml=manifest, p__yaml="kind: ConfigMap\n")
    env = sealed("A=1\n", "dotenv")
    put(root, e__env=env)
    expected = {*macs_in(manifest), env.partition("sops_mac=")[2].splitlines()[0]}
    assert opened(root).macs == expected
    assert opened(root, config=SKIP).macs == frozenset()


def test_da_24_manifests_in_json_are_checked(root: Path) -> None:
    text = sealed('{"kind": "Secret", "data": {"a": "Yg==", "c": "ZA=="}}\n', "json", selector=DATA_ONLY)
    put(root, k="resources: [s.json]", s__json=text)
    assert len(opened(root).macs) == 1
    put(root, s__json=text.replace('"Secret"', '"secret"'))
    assert rules(opened(root)) == [("HK114", "app/s.json")]


def test_da_24_files_that_are_opened_are_checked(root: Path) -> None:
    text = sealed("A=1\nB=2\n", "dotenv")
    put(root, k="secretGenerator: [{envs: [e.env]}]", e__env="".join(line for line in text.splitlines(keepends=True) if not line.startswith("B=")))
    report = opened(root)
    assert (rules(report), report.opened) == ([("HK114", "app/e.env")], {})
    assert opened(root, config=SKIP).opened == {"app/e.env": b"A=1\n"}


def test_da_24_files_that_stay_encrypted_are_checked(root: Path) -> None:
    """A dotenv file under a key without extension is read by the build as it is."""
    text = sealed("A=1\nB=2\n", "dotenv")
    put(root, k="secretGenerator: [{files: [key=e.env]}]", e__env=text)
    assert len(opened(root).macs) == 1
    put(root, e__env="".join(line for line in text.splitlines(keepends=True) if not line.startswith("B=")))
    assert rules(opened(root)) == [("HK114", "app/e.env")]


def test_da_24_a_value_that_does_not_open_is_refused_before_the_build(root: Path, manifest: str) -> None:
    line = next(line for line in manifest.splitlines() if "user:" in line)
    put(root, k="resources: [s.yaml]", s__yaml=manifest.replace(line, "  user: in clear"))
    report = opened(root)
    assert rules(report) == [("HK113", "app/s.yaml")]
    assert "in clear" not in str(report.errors[0])


def test_da_24_what_no_key_opens_is_left_for_the_resource_stage(root: Path) -> None:
    other = "age1rcufkc2dsdaz5jhcd3pjpp3h0g73v2jv2cz7khep3w7u522xve3s5kmypd"
    put(root, k="resources: [s.yaml]", s__yaml=sealed(SECRET.format("x"), "yaml", recipient=other))
    report = opened(root)
    assert (report.errors, report.macs) == ((), frozenset())


@pytest.mark.parametrize("value", ["disabled", "Disabled"])
def test_da_24_an_object_that_opts_out_is_not_opened(root: Path, value: str) -> None:
    text = SECRET.format(f"one\n  annotations:\n    kustomize.toolkit.fluxcd.io/decrypt: {value}")
    changed = sealed(text, "yaml", selector=DATA_ONLY).replace("kind: Secret", "kind: secret")
    put(root, k="resources: [s.yaml]", s__yaml=changed)
    assert opened(root).errors == ()
    put(root, s__yaml=changed.replace(value, "enabled"))
    assert rules(opened(root)) == [("HK114", "app/s.yaml")]


@pytest.fixture
def stream() -> str:
    """Three Secrets, encrypted as one file."""
    return sealed("---\n".join(map(SECRET.format, ("one", "two", "three"))), "yaml", selector=DATA_ONLY)


def test_da_25_all_documents_of_a_file_are_covered(root: Path, stream: str) -> None:
    put(root, k="resources: [s.yaml]", s__yaml=stream)
    report = opened(root)
    assert report.errors == ()
    assert report.macs == macs_in(stream)
    assert stream.count("mac: ") == 3


@pytest.mark.parametrize("order", [(1, 0, 2), (0, 1), (2,), (0, 1, 2, 2), (0, 2)])
def test_da_25_documents_that_were_moved_removed_or_repeated_are_refused(root: Path, stream: str, order: tuple[int, ...]) -> None:
    documents = stream.split("\n---\n")
    put(root, k="resources: [s.yaml]", s__yaml="\n---\n".join(documents[number] for number in order))
    assert rules(opened(root)) == [("HK114", "app/s.yaml")]


def test_da_25_a_document_whose_section_was_taken_away_is_missed(root: Path, stream: str) -> None:
    first, second, third = stream.split("\n---\n")
    put(root, k="resources: [s.yaml]", s__yaml="\n---\n".join([first, second.partition("sops:")[0], third]))
    assert rules(opened(root)) == [("HK114", "app/s.yaml")]


def test_da_25_files_that_were_put_together_are_checked_one_by_one(root: Path, manifest: str, stream: str) -> None:
    plain = "kind: ConfigMap\nmetadata:\n  name: c\n"
    put(root, k="resources: [s.yaml]", s__yaml="---\n".join([plain, manifest, stream, plain]))
    report = opened(root)
    assert report.errors == ()
    assert report.macs == macs_in(manifest + stream)
    put(root, s__yaml="---\n".join([plain, manifest, stream.replace("name: two", "name: four")]))
    assert rules(opened(root)) == [("HK114", "app/s.yaml")]


def test_da_25_mac_only_encrypted_is_honoured(root: Path) -> None:
    text = sealed(SECRET.format("one"), "yaml", selector=DATA_ONLY, only_encrypted=True)
    put(root, k="resources: [s.yaml]", s__yaml=text.replace("name: one", "name: two"))
    assert opened(root).errors == ()
    put(root, s__yaml=CHANGES["removed"](text))
    assert rules(opened(root)) == [("HK114", "app/s.yaml")]


@pytest.mark.parametrize("text", ["a: [", "sops: ENC[", "sops: {mac: 'ENC[x]'}\n---\nsops: 1\n", "# sops ENC[\nkind: ConfigMap\n"])
def test_manifests_that_only_look_encrypted_are_left_for_the_build(root: Path, text: str) -> None:
    put(root, k="resources: [s.yaml]", s__yaml=text)
    assert opened(root).errors == ()


def test_reports_show_no_plain_text(root: Path) -> None:
    put(root, k="secretGenerator: [{envs: [a.env]}]", a__env=sealed("A=hunter2\n", "dotenv"))
    assert "hunter2" not in repr(opened(root))


def test_errors_are_hook_errors_of_the_stage(root: Path) -> None:
    put(root, k="secretGenerator: [{envs: [none.env]}]")
    (error,) = opened(root).errors
    assert isinstance(error, HookError)
    assert str(error) == "HK121 app/none.env: no such file or directory"
