"""`secrettool krm`: resource lists, exec plugins, and what is written when something fails."""

from __future__ import annotations

import json
import os
import pty
import shutil
import stat
import string
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from secrettool.errors import HookError
from secrettool.findings import Finding
from secrettool.fs.saferoot import SafeRoot
from secrettool.hook import HookConfig
from secrettool.hook.krm import Answer, Place, run
from secrettool.hook.resourcelist import Result, dump_list, read_list
from tests.cli.sandbox import AGE1, AGE2, ROOT, TOOL, Sandbox
from tests.hook.keys import IDENTITY_A, IDENTITY_B, keys_of, sealed

CANARY = "canary-8c41"
V1, V1BETA1 = "config.kubernetes.io/v1", "config.kubernetes.io/v1beta1"
OPTIONS = ("--age", AGE1, "--encrypted-regex", "^(data|stringData)$")
LOCAL = {"config.kubernetes.io/local-config": "true"}
CALLERS = {
    "internal.config.kubernetes.io/index": "0",
    "internal.config.kubernetes.io/path": "secret_db.yaml",
    "internal.config.kubernetes.io/previousNames": "db",
    "config.kubernetes.io/index": "0",
    "config.k8s.io/id": "1",
    "kustomize.config.k8s.io/id": "kind: Secret\nname: db\n",
}
DECRYPT = {"apiVersion": "secrettool.dev/v1alpha1", "kind": "Decrypt", "metadata": {"name": "decrypt"}}
CONFIG_MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "plain"}, "data": {"a": "yes"}}


def generator(*files: str, kind: str = "SecretGenerator", **fields: Any) -> dict[str, Any]:
    api = "viaduct.ai/v1" if kind == "ksops" else "secrettool.dev/v1alpha1"
    return {"apiVersion": api, "kind": kind, "metadata": {"name": "make", "annotations": LOCAL}, "files": list(files), **fields}


def secret(name: str = "db") -> str:
    return f"apiVersion: v1\nkind: Secret\nmetadata:\n  name: {name}\nstringData:\n  # why\n  password: {CANARY}\n"


def resource_list(items: list[Any], config: Any = None, *, version: str = V1) -> str:
    whole = {"apiVersion": version, "kind": "ResourceList", "items": items}
    return yaml.safe_dump(whole if config is None else {**whole, "functionConfig": config}, sort_keys=False)


@pytest.fixture
def box(tmp_path: Path) -> Sandbox:
    """A folder with an encrypted manifest `db.yaml`."""
    box = Sandbox(tmp_path)
    box.encrypted("db.yaml", secret(), *OPTIONS)
    return box


def encrypted(box: Sandbox, **annotations: str) -> dict[str, Any]:
    """The object of `db.yaml`, annotated as a caller does it."""
    obj: dict[str, Any] = yaml.safe_load((box.folder / "db.yaml").read_text())
    obj["metadata"]["annotations"] = annotations
    return obj


def answer(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(done.stdout)
    return found


# ---- DA-29: which function ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["SecretGenerator", "ksops"])
@pytest.mark.parametrize("version", [V1, V1BETA1])
def test_da_29_generator_adds_its_objects_and_drops_local_configuration(box: Sandbox, kind: str, version: str) -> None:
    config = generator("db.yaml", kind=kind)
    done = box.call("krm", stdin=resource_list([CONFIG_MAP, config], config, version=version))
    assert (done.returncode, done.stderr) == (0, "")
    assert answer(done)["apiVersion"] == version
    plain, made = answer(done)["items"]
    assert plain == CONFIG_MAP
    assert (made["metadata"], made["stringData"]) == ({"name": "db"}, {"password": CANARY})
    assert set(answer(done)) == {"apiVersion", "kind", "items"}


def test_da_29_ksops_of_every_version_of_its_group_is_known(box: Sandbox) -> None:
    config = {**generator("db.yaml", kind="ksops"), "apiVersion": "viaduct.ai/v2beta7"}
    assert len(answer(box.call("krm", stdin=resource_list([], config)))["items"]) == 1


def test_da_29_decrypt_opens_every_item(box: Sandbox) -> None:
    entry = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "entry"}, "stringData": {"app.yaml": (box.folder / "db.yaml").read_text()}}
    done = box.call("krm", stdin=resource_list([encrypted(box), CONFIG_MAP, entry], DECRYPT))
    assert done.returncode == 0
    opened, plain, inner = answer(done)["items"]
    assert opened["stringData"] == {"password": CANARY}
    assert plain == CONFIG_MAP
    assert CANARY in inner["stringData"]["app.yaml"]


@pytest.mark.parametrize("kind", ["SecretGenerator", "ksops"])
def test_da_29_without_function_config_items_are_configurations(box: Sandbox, kind: str) -> None:
    box.encrypted("web.yaml", secret("web"), *OPTIONS)
    items = [generator("db.yaml", kind=kind), CONFIG_MAP, generator("web.yaml", kind=kind)]
    done = box.call("krm", stdin=resource_list(items))
    assert [item["metadata"]["name"] for item in answer(done)["items"]] == ["db", "plain", "web"]


def test_da_29_transformer_among_the_items_opens_all_others(box: Sandbox) -> None:
    done = box.call("krm", stdin=resource_list([DECRYPT, encrypted(box), CONFIG_MAP]))
    assert [item.get("stringData") for item in answer(done)["items"]] == [{"password": CANARY}, None]


@pytest.mark.parametrize(
    "config",
    [
        {**DECRYPT, "kind": "Other"},
        {**DECRYPT, "apiVersion": "v1"},
        {**generator("db.yaml", kind="ksops"), "apiVersion": "example.org/v1"},
        {**DECRYPT, "spec": {}},
        {},
        None,
    ],
)
def test_da_29_everything_else_is_refused(box: Sandbox, config: Any) -> None:
    done = box.call("krm", stdin=resource_list([encrypted(box)], config))
    assert done.returncode == 1
    assert [result["tags"]["code"] for result in answer(done)["results"]] == ["HK160"]


def test_annotations_of_the_caller_come_back_unchanged(box: Sandbox) -> None:
    items = [encrypted(box, **CALLERS), {**CONFIG_MAP, "metadata": {"name": "plain", "annotations": {**CALLERS, "mine": "kept"}}}]
    opened, plain = answer(box.call("krm", stdin=resource_list(items, DECRYPT)))["items"]
    assert opened["metadata"] == {"name": "db", "annotations": CALLERS}
    assert plain == items[1]


def test_manifest_that_is_encrypted_as_a_whole_opens_below_annotations(box: Sandbox) -> None:
    box.encrypted("db.yaml", secret(), "--age", AGE1)
    (opened,) = answer(box.call("krm", stdin=resource_list([encrypted(box, **CALLERS)], DECRYPT)))["items"]
    assert (opened["kind"], opened["metadata"]) == ("Secret", {"name": "db", "annotations": CALLERS})


def test_object_that_opts_out_stays_encrypted(box: Sandbox) -> None:
    item = encrypted(box, **{"kustomize.toolkit.fluxcd.io/decrypt": "disabled"})
    assert answer(box.call("krm", stdin=resource_list([item], DECRYPT)))["items"] == [item]


def test_json_is_read_too(box: Sandbox) -> None:
    done = box.call("krm", stdin=json.dumps(yaml.safe_load(resource_list([], generator("db.yaml")))))
    assert len(answer(done)["items"]) == 1


def test_words_that_old_yaml_takes_for_booleans_stay_strings(box: Sandbox) -> None:
    text = resource_list([], DECRYPT).replace(
        "items: []", "items:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: x}, data: {a: yes, b: 'yes'}}"
    )
    assert answer(box.call("krm", stdin=text))["items"][0]["data"] == {"a": "yes", "b": "yes"}


# ---- files of the source -------------------------------------------------------------------------------------------------------------------------


def test_mac_of_the_files_is_checked_where_there_is_a_kustomization(box: Sandbox) -> None:
    path = box.folder / "db.yaml"
    path.write_text(path.read_text().replace("name: db", "name: other"))
    text = resource_list([encrypted(box)], DECRYPT)
    assert [result["tags"]["code"] for result in answer(box.call("krm", stdin=text))["results"]] == ["HK008"]
    (box.folder / "kustomization.yaml").write_text("resources: [db.yaml]\n")
    done = box.call("krm", stdin=text)
    assert (done.returncode, answer(done)["items"]) == (1, [])
    assert [(result["tags"]["code"], result["file"]["path"]) for result in answer(done)["results"]] == [("HK114", "db.yaml")]
    assert box.call("krm", "--mac=skip", stdin=text).returncode == 0


def test_object_of_a_checked_file_needs_no_mac_of_its_own(box: Sandbox) -> None:
    (box.folder / "kustomization.yaml").write_text("resources: [db.yaml]\nnamePrefix: a-\n")
    item = encrypted(box)
    item["metadata"]["name"] = "a-db"
    done = box.call("krm", "--mac=require", stdin=resource_list([item], DECRYPT))
    assert (done.returncode, done.stderr) == (0, "")


def test_root_is_the_nearest_repository_and_may_be_given(tmp_path: Path) -> None:
    box = Sandbox(tmp_path)
    box.encrypted("db.yaml", secret(), *OPTIONS)
    app = tmp_path / "app"
    app.mkdir()
    words = [*TOOL, "krm"]
    text = resource_list([], generator("../db.yaml"))

    def code(*more: str) -> int:
        done = subprocess.run([*words, *more], cwd=app, env=box.env, input=text, text=True, capture_output=True, check=False)
        return done.returncode

    assert code() == 1
    assert code("--root", "..") == 0
    assert code("--root", "../home") == 1
    (tmp_path / ".git").mkdir()
    assert code() == 0
    assert code("--root", ".") == 1


# ---- DA-30: errors three times -------------------------------------------------------------------------------------------------------------------


def test_da_30_an_error_is_a_result_a_line_and_an_exit_code(box: Sandbox) -> None:
    box.encrypted("foreign.yaml", secret("foreign"), "--age", AGE2)
    done = box.call("krm", stdin=resource_list([], generator("foreign.yaml", "missing.yaml")))
    assert done.returncode == 1
    results = answer(done)["results"]
    assert [(result["severity"], result["tags"]["code"], result["file"]["path"]) for result in results] == [
        ("error", "HK111", "foreign.yaml"),
        ("error", "HK121", "missing.yaml"),
    ]
    assert results[0]["resourceRef"] == {"apiVersion": "secrettool.dev/v1alpha1", "kind": "SecretGenerator", "name": "make"}
    lines = [line for line in done.stderr.splitlines() if not line.startswith("hint: ")]
    assert [line.split()[:2] for line in lines] == [["HK111", "foreign.yaml:"], ["HK121", "missing.yaml:"]]


def test_da_30_an_error_of_an_object_names_object_entry_and_file(box: Sandbox) -> None:
    item = encrypted(box, **CALLERS)
    item["stringData"]["password"] = CANARY
    done = box.call("krm", stdin=resource_list([CONFIG_MAP, item], DECRYPT))
    (result,) = answer(done)["results"]
    assert result["resourceRef"] == {"apiVersion": "v1", "kind": "Secret", "name": "db"}
    assert (result["field"], result["file"]) == ({"path": "stringData.password"}, {"path": "secret_db.yaml", "index": 0})
    assert done.stderr.startswith("HK113 Secret/db: stringData.password: ")
    assert CANARY not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a: b\n",
        "[]",
        "x",
        "{",
        "kind: ResourceList\n",
        f"apiVersion: {V1}\nkind: ResourceList\nitems: {{}}\n",
        f"apiVersion: {V1}\nkind: ResourceList\nfunctionConfig: []\n",
    ],
)
def test_da_30_input_that_is_no_resource_list_is_answered_too(box: Sandbox, text: str) -> None:
    done = box.call("krm", stdin=text)
    assert (done.returncode, answer(done)["kind"], answer(done)["items"]) == (1, "ResourceList", [])
    assert [result["tags"]["code"] for result in answer(done)["results"]] == ["HK162"]
    assert done.stderr.startswith("HK162 stdin: ")


def test_da_30_bytes_that_are_no_text_are_answered_too(box: Sandbox) -> None:
    done = subprocess.run([*TOOL, "krm"], cwd=box.folder, env=box.env, input=b"\xff\xfe", capture_output=True, check=False)
    assert (done.returncode, yaml.safe_load(done.stdout)["results"][0]["tags"]["code"]) == (1, "HK162")


def test_a_warning_is_no_error(box: Sandbox) -> None:
    done = box.call("krm", stdin=resource_list([], generator("db.yaml", kind="ksops", unknown=1)))
    assert (done.returncode, [result["severity"] for result in answer(done)["results"]]) == (0, ["warning"])
    assert done.stderr.startswith("secrettool: warning: HK160 ksops/make: unknown: ")


# Items of every kind, good and bad; the keys open what is sealed for A.
SEALED_A, SEALED_B = (json.loads(sealed(json.dumps(yaml.safe_load(secret())), "json", identity=key)) for key in (IDENTITY_A, IDENTITY_B))
TEXTS = st.text(alphabet=string.ascii_letters + string.digits + "\n'\"\x00\u00e9 ", max_size=12)
ITEMS = st.one_of(
    st.sampled_from([SEALED_A, SEALED_B, CONFIG_MAP, DECRYPT, generator("good.yaml"), generator("bad.yaml", kind="ksops"), generator(kind="ksops")]),
    st.builds(lambda entries: {**CONFIG_MAP, "data": entries}, st.dictionaries(TEXTS, TEXTS, max_size=3)),
    st.builds(lambda entries: {**SEALED_A, "stringData": entries}, st.dictionaries(TEXTS, TEXTS, max_size=2)),
    st.builds(lambda fields: {**generator(), **fields}, st.dictionaries(st.sampled_from(["files", "secretFrom", "x"]), st.lists(TEXTS, max_size=2))),
    st.dictionaries(TEXTS, st.none() | st.integers() | TEXTS, max_size=3),
)


@given(items=st.lists(ITEMS, max_size=5), config=st.none() | ITEMS)
def test_da_30_success_never_goes_with_an_error_result(items: list[dict[str, Any]], config: dict[str, Any] | None) -> None:
    try:
        source = read_list(json.dumps({"apiVersion": V1, "kind": "ResourceList", "items": items, "functionConfig": config}))
    except HookError:
        return
    with tempfile.TemporaryDirectory() as folder, keys_of(IDENTITY_A) as keys:
        Path(folder, "good.yaml").write_text(sealed(secret()))
        Path(folder, "bad.yaml").write_text(sealed(secret(), identity=IDENTITY_B))
        with SafeRoot(folder) as root:
            done = run(source, Place(root, "."), HookConfig(), keys)
    printed = yaml.safe_load(dump_list(source.api_version, done.items, done.results))
    errors = [result for result in printed.get("results", []) if result["severity"] == "error"]
    assert done.failed == bool(errors)
    assert not (errors and printed["items"])
    assert CANARY not in json.dumps(printed.get("results"))
    if not errors:
        assert [item for item in printed["items"] if item.get("kind") in ("Decrypt", "SecretGenerator", "ksops") and config is None] == []


def test_many_warnings_hide_no_error_and_drop_no_item() -> None:
    item = dict(reversed(SEALED_A.items()))  # whose MAC does not fit
    source = read_list(json.dumps({"apiVersion": V1, "kind": "ResourceList", "items": [*[item] * 70, SEALED_B], "functionConfig": DECRYPT}))
    with tempfile.TemporaryDirectory() as folder, keys_of(IDENTITY_A) as keys, SafeRoot(folder) as root:
        failed = run(source, Place(root, "."), HookConfig(), keys)
        done = run(source._replace(items=source.items[:-1]), Place(root, "."), HookConfig(), keys)
    assert (failed.failed, failed.items) == (True, ())
    assert (done.failed, len(done.items), len(done.results)) == (False, 70, 70)


# ---- DA-31: what is printed ----------------------------------------------------------------------------------------------------------------------


def test_da_31_no_comment_and_no_section_in_the_output(box: Sandbox) -> None:
    for text in (resource_list([], generator("db.yaml")), resource_list([encrypted(box)], DECRYPT)):
        done = box.call("krm", stdin=text)
        assert done.returncode == 0
        assert "#" not in done.stdout
        assert "sops" not in done.stdout


def test_da_31_a_failure_prints_no_object(box: Sandbox) -> None:
    items = [CONFIG_MAP, encrypted(box)]
    done = box.call("krm", stdin=resource_list(items, generator("db.yaml", "missing.yaml")))
    assert (done.returncode, answer(done)["items"], set(answer(done))) == (1, [], {"apiVersion", "kind", "items", "results"})
    (box.folder / "gen.yaml").write_text(yaml.safe_dump(generator("db.yaml", "missing.yaml")))
    done = box.call("krm", "gen.yaml")
    assert (done.returncode, done.stdout) == (1, "")


def test_da_31_nothing_is_shown_on_a_terminal(box: Sandbox) -> None:
    (box.folder / "gen.yaml").write_text(yaml.safe_dump(generator("db.yaml")))
    for words, shown in ((["gen.yaml"], False), (["gen.yaml", "--show"], True)):
        leader, follower = pty.openpty()
        done = subprocess.run([*TOOL, "krm", *words], cwd=box.folder, env=box.env, stdin=subprocess.DEVNULL, stdout=follower, check=False)
        os.close(follower)
        try:
            text = os.read(leader, 65536)
        except OSError:
            text = b""
        os.close(leader)
        assert (done.returncode == 0, CANARY.encode() in text) == (shown, shown)


def test_da_31_terminal_as_stdin_is_not_waited_for(box: Sandbox) -> None:
    leader, follower = pty.openpty()
    done = subprocess.run([*TOOL, "krm"], cwd=box.folder, env=box.env, stdin=follower, capture_output=True, check=False, timeout=60)
    os.close(leader)
    os.close(follower)
    assert done.returncode == 1


# ---- DA-32: exec plugins -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["SecretGenerator", "ksops"])
def test_da_32_file_makes_it_an_exec_plugin_that_generates(box: Sandbox, kind: str) -> None:
    box.encrypted("web.yaml", secret("web"), *OPTIONS)
    (box.folder / "gen.yaml").write_text(yaml.safe_dump(generator("db.yaml", "web.yaml", kind=kind)))
    done = box.call("krm", "gen.yaml")
    assert (done.returncode, done.stderr) == (0, "")
    assert [obj["metadata"]["name"] for obj in yaml.safe_load_all(done.stdout)] == ["db", "web"]
    assert done.stdout.count("---\n") == 1


def test_da_32_exec_plugin_transforms_the_manifests_on_stdin(box: Sandbox) -> None:
    (box.folder / "decrypt.yaml").write_text(yaml.safe_dump(DECRYPT))
    done = box.call("krm", "decrypt.yaml", stdin=yaml.safe_dump_all([encrypted(box, **CALLERS), CONFIG_MAP]))
    opened, plain = yaml.safe_load_all(done.stdout)
    assert (opened["stringData"], opened["metadata"]["annotations"], plain) == ({"password": CANARY}, CALLERS, CONFIG_MAP)


def test_da_32_options_may_stand_behind_the_file(box: Sandbox) -> None:
    (box.folder / "decrypt.yaml").write_text(yaml.safe_dump({**DECRYPT, "argsOneLiner": "--mac=require"}))
    item = encrypted(box, mine="added")
    assert box.call("krm", "decrypt.yaml", stdin=yaml.safe_dump(item)).returncode == 0
    assert box.call("krm", "decrypt.yaml", "--mac=require", stdin=yaml.safe_dump(item)).returncode == 1


@pytest.mark.parametrize("words", [["missing.yaml"], ["two.yaml"], ["empty.yaml"], ["binary.yaml"], ["gen.yaml", "gen.yaml"], ["--unknown"]])
def test_da_32_file_that_cannot_be_used_ends_with_1_and_prints_nothing(box: Sandbox, words: list[str]) -> None:
    (box.folder / "gen.yaml").write_text(yaml.safe_dump(generator("db.yaml")))
    (box.folder / "two.yaml").write_text(yaml.safe_dump_all([DECRYPT, DECRYPT]))
    (box.folder / "empty.yaml").write_text("")
    (box.folder / "binary.yaml").write_bytes(b"\xff")
    done = box.call("krm", *words)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr


def test_da_32_resource_list_together_with_a_file_is_refused(box: Sandbox) -> None:
    (box.folder / "decrypt.yaml").write_text(yaml.safe_dump(DECRYPT))
    done = box.call("krm", "decrypt.yaml", stdin=resource_list([encrypted(box)], DECRYPT))
    assert (done.returncode, done.stdout) == (1, "")


def test_da_32_install_writes_launchers_that_work(box: Sandbox) -> None:
    assert box.call("krm", "install", "plugins").returncode == 0
    launchers = [path for path in (box.folder / "plugins").rglob("*") if path.is_file()]
    assert {str(path.relative_to(box.folder / "plugins")) for path in launchers} == {
        "viaduct.ai/v1/ksops/ksops",
        "secrettool.dev/v1alpha1/secretgenerator/SecretGenerator",
        "secrettool.dev/v1alpha1/decrypt/Decrypt",
    }
    (box.folder / "gen.yaml").write_text(yaml.safe_dump(generator("db.yaml")))
    for launcher in launchers:
        assert stat.S_IMODE(launcher.stat().st_mode) & 0o111
        done = subprocess.run([launcher, "gen.yaml"], cwd=box.folder, env=box.env, capture_output=True, text=True, check=False)
        assert (done.returncode, yaml.safe_load(done.stdout)["stringData"]) == (0, {"password": CANARY})
    assert sys.executable in launchers[0].read_text()


def test_da_32_install_replaces_launchers_and_nothing_else_unless_forced(box: Sandbox) -> None:
    other = box.folder / "plugins/viaduct.ai/v1/ksops/ksops"
    other.parent.mkdir(parents=True)
    other.write_text("#!/bin/sh\n")
    refused = box.call("krm", "install", "plugins")
    assert (refused.returncode, other.read_text()) == (1, "#!/bin/sh\n")
    assert not (box.folder / "plugins/secrettool.dev").exists()
    assert box.call("krm", "install", "--force", "plugins").returncode == 0
    assert box.call("krm", "install", "plugins").returncode == 0
    assert "secrettool" in other.read_text()


def test_da_32_install_leaves_the_target_of_a_link_alone(box: Sandbox) -> None:
    program = box.folder / "program"
    program.write_text("theirs")
    link = box.folder / "plugins/viaduct.ai/v1/ksops/ksops"
    link.parent.mkdir(parents=True)
    link.symlink_to(program)
    assert box.call("krm", "install", "plugins").returncode == 1
    assert box.call("krm", "install", "--force", "plugins").returncode == 0
    assert (program.read_text(), link.is_symlink()) == ("theirs", False)


def test_da_32_install_that_cannot_write_says_where(box: Sandbox) -> None:
    (box.folder / "plugins").write_text("")
    done = box.call("krm", "install", "plugins")
    assert done.returncode == 1
    assert "plugins/viaduct.ai/v1/ksops/ksops: cannot be written: " in done.stderr


# ---- DA-33: a function that was skipped ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("config", [DECRYPT, generator("db.yaml"), generator("db.yaml", kind="ksops")])
def test_da_33_guard_finds_configurations_and_ciphertext_that_are_left(box: Sandbox, config: dict[str, Any]) -> None:
    done = box.call("hook", "guard", stdin=yaml.safe_dump_all([config, encrypted(box)]))
    assert done.returncode == 5
    assert [line.split()[0] for line in done.stderr.splitlines() if line.startswith("HK")] == ["HK154", "HK001"]


# ---- leaks ---------------------------------------------------------------------------------------------------------------------------------------


def test_keys_come_from_the_environment_only(box: Sandbox) -> None:
    text = resource_list([], generator("db.yaml"))
    assert box.call("krm", stdin=text, env={"SOPS_AGE_KEY_FILE": ""}).returncode == 1
    assert box.call("krm", "--key-file", "x", stdin=text).returncode == 1


@pytest.mark.parametrize("damage", ["cut", "type", "plain", "mac", "moved"])
def test_a_damaged_file_gives_nothing_away(box: Sandbox, damage: str) -> None:
    path = box.folder / "db.yaml"
    text = path.read_text()
    path.write_text(
        {
            "cut": text[: len(text) // 2],
            "type": text.replace("type:str]", "type:int]", 2),
            "plain": text.replace("password: ENC[", f"password: {CANARY} ENC["),
            "mac": text.replace("kind: Secret", "kind: Secret\ntype: added"),
            "moved": text.replace("password:", "other:"),
        }[damage]
    )
    for words, stdin in ((["krm"], resource_list([], generator("db.yaml"))), (["--verbose", "krm"], resource_list([], generator("a.bin=db.yaml")))):
        done = box.call(*words, stdin=stdin)
        assert done.returncode == 1
        assert CANARY not in done.stdout + done.stderr


def test_repr_of_what_goes_in_and_out_shows_nothing() -> None:
    obj = {"stringData": {"a": CANARY}}
    source = read_list(resource_list([obj], DECRYPT))
    for shown in (source, Answer((obj,), ()), Result(Finding("HK112", "error", "x"), obj)):
        assert CANARY not in repr(shown)


# ---- the examples --------------------------------------------------------------------------------------------------------------------------------

EXAMPLES = ROOT / "examples"
ALICE = {"SOPS_AGE_KEY_FILE": str(ROOT / "keys-example" / "keys" / "alice.agekey")}


@pytest.mark.parametrize(
    ("example", "config", "names"),
    [
        ("kustomize-krm", "generate-secrets.yaml", ["shop-database", "shop-env"]),
        ("ksops", "secret-generator.yaml", ["mysecret"]),
    ],
)
def test_generators_of_the_examples_work(tmp_path: Path, example: str, config: str, names: list[str]) -> None:
    box = Sandbox(tmp_path)
    shutil.copytree(EXAMPLES / example, box.folder, dirs_exist_ok=True)
    done = box.call("krm", config, env=ALICE)
    assert (done.returncode, done.stderr) == (0, "")
    assert [obj["metadata"]["name"] for obj in yaml.safe_load_all(done.stdout)] == names
    assert "ENC[" not in done.stdout


def test_configurations_of_the_guide_are_those_of_the_example(tmp_path: Path) -> None:
    guide = (ROOT / "docs" / "guide" / "kustomize-krm.md").read_text()
    blocks = [yaml.safe_load(block.partition("```")[0]) for block in guide.split("```yaml\n")[1:]]
    generate, decrypt = (yaml.safe_load((EXAMPLES / "kustomize-krm" / name).read_text()) for name in ("generate-secrets.yaml", "decrypt.yaml"))
    assert blocks == [generate, decrypt]
