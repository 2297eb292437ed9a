"""The examples that need no server: what they open, in which order, and that copies in them are still the originals."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from examples.kopf.opening import opened
from examples.kr8s.passes import load_hooks, run_pass
from secrettool.errors import FormatError, GuardError, HookError, IntegrityError, KeyUnavailable
from secrettool.flux import FluxKustomization
from secrettool.fs.saferoot import SafeRoot
from secrettool.hook import DecryptHook, HookConfig, PassContext
from secrettool.hook.keysecret import is_decrypting
from secrettool.library import encrypt
from secrettool.sops.selection import Selector
from tests.cli.sandbox import Sandbox
from tests.hook.keys import IDENTITY_A, IDENTITY_B, keys_of, recipient_of, sealed

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
PLAIN = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: mail\nstringData:\n  password: canary-4471\n"
VALUES = Selector("encrypted_regex", "^(data|stringData)$")
CONTEXT = PassContext("shop", "1")


def secret(kind: str = "Secret", **metadata: str) -> str:
    """A Secret, of which only the values are encrypted."""
    document = yaml.safe_load(PLAIN) | {"kind": kind}
    document["metadata"] |= metadata
    return str(encrypt(yaml.safe_dump(document), "yaml", recipients=[recipient_of(IDENTITY_A)], selector=VALUES))


# ---- kopf --------------------------------------------------------------------------------------------------------------------------------------


def test_kopf_opens_secrets_for_its_own_namespace() -> None:
    with keys_of(IDENTITY_A) as keys:
        (obj,) = opened({"mail.yaml": secret()}, keys, "shop")
    assert obj["stringData"] == {"password": "canary-4471"}
    assert obj["metadata"] == {"name": "mail", "namespace": "shop"}
    assert "sops" not in obj


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (lambda: secret(namespace="other"), GuardError),
        (lambda: secret("ConfigMap"), GuardError),
        (lambda: secret().replace("name: mail", "name: changed"), IntegrityError),
        (lambda: PLAIN.replace("canary-4471", "REPLACE_ME"), GuardError),
        (lambda: sealed(PLAIN, identity=IDENTITY_B), KeyUnavailable),
        (lambda: "a: [", FormatError),
    ],
    ids=["another namespace", "another kind", "changed after encryption", "a placeholder", "another key", "no YAML"],
)
def test_kopf_refuses_all_when_one_file_is(text: Any, error: type[Exception]) -> None:
    with keys_of(IDENTITY_A) as keys, pytest.raises(error) as raised:
        opened({"a.yaml": secret(), "b.yaml": text()}, keys, "shop")
    assert "canary" not in str(raised.value)


# ---- kr8s --------------------------------------------------------------------------------------------------------------------------------------


class Recorder:
    """A hook that notes what is called."""

    def __init__(self, name: str, calls: list[str]) -> None:
        self.name = name
        self.calls = calls

    def before_build(self, ctx: PassContext, tree: SafeRoot) -> None:
        self.calls.append(f"{self.name} before_build")

    def after_build(self, ctx: PassContext, objs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        self.calls.append(f"{self.name} after_build")
        return objs

    def before_apply(self, ctx: PassContext, objs: Sequence[dict[str, Any]]) -> None:
        self.calls.append(f"{self.name} before_apply")

    def after_apply(self, ctx: PassContext, results: Sequence[Any]) -> None:
        self.calls.append(f"{self.name} after_apply {' '.join(results)}")

    def on_error(self, ctx: PassContext, error: HookError) -> None:
        self.calls.append(f"{self.name} on_error {error.rule}")


def one_pass(hooks: Any, source: Path, applied: list[dict[str, Any]], calls: list[str]) -> None:
    def build(folder: str) -> str:
        calls.append("build")
        return Path(folder, "mail.yaml").read_text()

    async def apply(obj: dict[str, Any]) -> str:
        applied.append(obj)
        return "applied"

    asyncio.run(run_pass(hooks, CONTEXT, str(source), "app", build, apply))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "mail.yaml").write_text(secret())
    (tmp_path / "app" / "kustomization.yaml").write_text("resources: [mail.yaml]\n")
    return tmp_path


def test_da_55_kr8s_calls_hooks_in_their_order_and_applies_what_they_return(source: Path) -> None:
    calls: list[str] = []
    applied: list[dict[str, Any]] = []
    with keys_of(IDENTITY_A) as keys:
        hook = DecryptHook(HookConfig(), keys, path="app")
        one_pass([Recorder("one", calls), hook, Recorder("two", calls)], source, applied, calls)
    steps = ("before_build", "build", "after_build", "before_apply", "after_apply applied")
    assert calls == [line for step in steps for line in ([step] if step == "build" else [f"one {step}", f"two {step}"])]
    assert [obj["data"] for obj in applied] == [{"password": "Y2FuYXJ5LTQ0NzE="}]
    assert "sops" in (source / "app" / "mail.yaml").read_text()


def test_da_55_kr8s_applies_nothing_when_a_hook_fails(source: Path) -> None:
    calls: list[str] = []
    applied: list[dict[str, Any]] = []
    with keys_of(IDENTITY_B) as keys, pytest.raises(HookError, match="HK111"):
        one_pass([DecryptHook(HookConfig(), keys, path="app"), Recorder("two", calls)], source, applied, calls)
    assert not applied
    assert calls == ["two before_build", "build", "two on_error HK111"]


def test_da_55_kr8s_names_a_hook_that_is_not_installed() -> None:
    with keys_of(IDENTITY_A) as keys, pytest.raises(KeyError):
        load_hooks(["no-such-hook"], HookConfig(), keys, ".")


# ---- the other ones --------------------------------------------------------------------------------------------------------------------------


def test_argocd_plugin_yaml_is_what_the_command_prints(tmp_path: Path) -> None:
    done = Sandbox(tmp_path).call("cmp", "plugin-yaml")
    assert done.stdout == (EXAMPLES / "argocd-plugin" / "plugin.yaml").read_text()


def test_argocd_application_uses_settings_that_the_plugin_announces() -> None:
    plugin = yaml.safe_load((EXAMPLES / "argocd-plugin" / "plugin.yaml").read_text())
    source = yaml.safe_load((EXAMPLES / "argocd-plugin" / "application.yaml").read_text())["spec"]["source"]
    announced = {parameter["name"] for parameter in plugin["spec"]["parameters"]["static"]}
    assert source["plugin"]["name"] == plugin["metadata"]["name"]
    assert {parameter["name"] for parameter in source["plugin"]["parameters"]} <= announced


def test_flux_example_decrypts_with_the_secret_that_keys_create_secret_prints(tmp_path: Path) -> None:
    flux = FluxKustomization.from_object(yaml.safe_load((EXAMPLES / "flux" / "shop.yaml").read_text()))
    done = Sandbox(tmp_path).call("keys", "create-secret", stdin=IDENTITY_A.decode())
    made = yaml.safe_load(done.stdout)["metadata"]
    assert is_decrypting(flux)
    assert flux.decryption is not None
    assert (flux.namespace, flux.decryption.secret) == (made["namespace"], made["name"])


def test_pipeline_script_may_be_run_and_stops_at_the_first_failure() -> None:
    script = EXAMPLES / "ci-pipeline" / "deploy.sh"
    assert os.access(script, os.X_OK)
    assert "set -euo pipefail" in script.read_text()
