"""`cmp generate`, `cmp discover`, `cmp plugin-yaml`: what Argo CD calls."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.cli.sandbox import AGE1, Sandbox

SECRET = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\nstringData:\n  password: canary-7341\n"
CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: plain\ndata:\n  a: b\n"
OPTIONS = ("--age", AGE1, "--encrypted-regex", "^(data|stringData)$")


@pytest.fixture
def box(tmp_path: Path) -> Sandbox:
    """An application's folder of plain manifests, one of them encrypted."""
    box = Sandbox(tmp_path)
    (box.folder / "home").rmdir()
    (box.folder / "tmp").rmdir()
    box.encrypted("secret.yaml", SECRET, *OPTIONS)
    (box.folder / "config.yaml").write_text(CONFIG_MAP)
    return box


def test_da_35_generate_prints_the_decrypted_objects(box: Sandbox) -> None:
    done = box.call("cmp", "generate")
    assert (done.returncode, done.stderr) == (0, "")
    config, secret = yaml.safe_load_all(done.stdout)
    assert (config["kind"], secret["stringData"]) == ("ConfigMap", {"password": "canary-7341"})
    assert "sops" not in secret


def test_da_35_an_application_cannot_say_where_keys_are(box: Sandbox) -> None:
    for variable in ("KEY_FILE", "AGE_SECRET", "SOPS_AGE_KEY_FILE"):
        done = box.call("cmp", "generate", env={f"ARGOCD_ENV_SECRETTOOL_{variable}": "x"})
        assert (done.returncode, done.stdout) == (2, "")
        assert "there is no such setting" in done.stderr


def test_da_35_user_variables_of_argo_cd_are_not_read_as_sops_variables(box: Sandbox) -> None:
    key = box.env["SOPS_AGE_KEY_FILE"]
    done = box.call("cmp", "generate", env={"SOPS_AGE_KEY_FILE": "", "ARGOCD_ENV_SOPS_AGE_KEY_FILE": key})
    assert (done.returncode, done.stdout) == (7, "")


@pytest.mark.parametrize(("environ", "code"), [({}, 2), ({"ARGOCD_ENV_SECRETTOOL_ALLOW_EMPTY": "true"}, 0)])
def test_da_35_no_object_ends_with_2_unless_allowed(tmp_path: Path, environ: dict[str, str], code: int) -> None:
    box = Sandbox(tmp_path)
    done = box.call("cmp", "generate", env=environ)
    assert (done.returncode, done.stdout) == (code, "")


def test_da_35_placeholders_are_refused_unless_a_parameter_allows_them(box: Sandbox) -> None:
    (box.folder / "open.yaml").write_text(SECRET.replace("canary-7341", "REPLACE_ME").replace("db", "open"))
    done = box.call("cmp", "generate")
    assert (done.returncode, done.stdout) == (5, "")
    allowed = json.dumps([{"name": "allow-placeholders", "string": "true"}])
    assert box.call("cmp", "generate", env={"ARGOCD_APP_PARAMETERS": allowed}).returncode == 0


def test_parameters_win_over_variables(box: Sandbox) -> None:
    environ = {"ARGOCD_ENV_SECRETTOOL_BUILD": "kustomize", "ARGOCD_APP_PARAMETERS": json.dumps([{"name": "build", "string": "plain"}])}
    assert box.call("cmp", "generate", env=environ).returncode == 0


@pytest.mark.parametrize(
    "environ",
    [
        {"ARGOCD_ENV_SECRETTOOL_MAC": "maybe"},
        {"ARGOCD_APP_PARAMETERS": "no json"},
        {"ARGOCD_APP_PARAMETERS": '[{"name": "mac", "array": ["skip"]}]'},
        {"ARGOCD_APP_PARAMETERS": '[{"name": "colour", "string": "red"}]'},
    ],
)
def test_settings_that_make_no_sense_are_refused(box: Sandbox, environ: dict[str, str]) -> None:
    done = box.call("cmp", "generate", env=environ)
    assert (done.returncode, done.stdout) == (2, "")


def test_paths_may_reach_the_root_that_argo_cd_names(tmp_path: Path) -> None:
    box = Sandbox(tmp_path)
    app = tmp_path / "apps" / "web"
    app.mkdir(parents=True)
    (app / "config.yaml").write_text(CONFIG_MAP)
    box.folder = app
    assert box.call("cmp", "generate", env={"ARGOCD_APP_SOURCE_PATH": "apps/web"}).returncode == 0


def test_broken_secret_is_named_and_nothing_is_printed(box: Sandbox) -> None:
    file = box.folder / "secret.yaml"
    file.write_text(file.read_text().replace("data:", "data:A", 1).replace("stringData:A", "stringData:"))
    done = box.call("cmp", "generate")
    assert done.returncode != 0
    assert done.stdout == ""
    assert "secret.yaml" in done.stderr or "Secret/db" in done.stderr
    assert "canary-7341" not in done.stderr


# ---- discover, plugin-yaml -----------------------------------------------------------------------------------------------------------------------


def test_da_36_discover_prints_one_line_for_an_encrypted_file(box: Sandbox) -> None:
    done = box.call("cmp", "discover")
    assert (done.returncode, done.stdout) == (0, "secret.yaml\n")


@pytest.mark.parametrize("text", ["apiVersion: viaduct.ai/v1\nkind: ksops\n", 'apiVersion: "secrettool.dev/v1alpha1"\nkind: SecretGenerator\n'])
def test_da_36_discover_finds_generators(tmp_path: Path, text: str) -> None:
    box = Sandbox(tmp_path)
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "generator.yaml").write_text(text)
    assert box.call("cmp", "discover").stdout == "deep/generator.yaml\n"


def test_da_36_discover_prints_nothing_for_plain_trees(tmp_path: Path) -> None:
    box = Sandbox(tmp_path)
    (tmp_path / "config.yaml").write_text(CONFIG_MAP)
    (tmp_path / "notes.md").write_text("sops: writes ENC[...] envelopes\n")
    done = box.call("cmp", "discover")
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize(("name", "text"), [("a.env", "A=1\n"), ("a.ini", "[s]\na = 1\n"), ("a.json", '{"a": 1}'), ("a.bin", "x")])
def test_da_36_discover_knows_every_format(tmp_path: Path, name: str, text: str) -> None:
    box = Sandbox(tmp_path)
    box.encrypted(name, text, "--age", AGE1)
    assert box.call("cmp", "discover").stdout == name + "\n"


def test_da_36_plugin_yaml_calls_this_program(tmp_path: Path) -> None:
    plugin = yaml.safe_load(Sandbox(tmp_path).call("cmp", "plugin-yaml", "--version", "v1").stdout)
    assert (plugin["apiVersion"], plugin["kind"]) == ("argoproj.io/v1alpha1", "ConfigManagementPlugin")
    spec = plugin["spec"]
    assert spec["generate"] == {"command": ["secrettool", "cmp", "generate"]}
    assert (spec["version"], spec["discover"]["find"]["command"]) == ("v1", ["secrettool", "cmp", "discover"])
    assert all(set(entry) == {"name", "title", "tooltip", "collectionType", "string"} for entry in spec["parameters"]["static"])


def test_da_36_discover_follows_kustomization_files(tmp_path: Path) -> None:
    box = Sandbox(tmp_path)
    for name in ("base", "overlay"):
        (tmp_path / name).mkdir()
    box.encrypted("base/secret.yaml", SECRET, *OPTIONS)
    (tmp_path / "base" / "kustomization.yaml").write_text("resources: [secret.yaml, ../overlay]\n")
    (tmp_path / "overlay" / "kustomization.yaml").write_text("resources: [../base, ../gone, https://example.com/x]\n")
    box.folder = tmp_path / "overlay"
    assert box.call("cmp", "discover").stdout == "../base/secret.yaml\n"


def test_da_37_the_guide_says_what_argo_cd_keeps_and_what_to_do_about_it() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "guide" / "argocd.md").read_text(encoding="utf-8")
    for advice in ("are cached in Redis", "Network policies let only", "[The sidecar](sidecar.md)"):
        assert advice in guide
