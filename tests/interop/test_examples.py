"""The examples with real programs: a cluster, kustomize and kubectl."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest
import yaml

from examples.kopf.opening import KEYS, reconcile
from examples.kr8s.passes import kustomize, run_pass
from secrettool.cluster.connection import Access, connect
from secrettool.errors import ClusterError, KeyUnavailable
from secrettool.hook import DecryptHook, HookConfig, KeySet, PassContext
from tests.interop.fixtures import required
from tests.interop.gitops import write_tree
from tests.interop.peers.apiserver import ApiServer, Rule

pytestmark = pytest.mark.real

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
EXAMPLE_REPOSITORY = ROOT / "keys-example"
ALICE = EXAMPLE_REPOSITORY / "keys" / "alice.agekey"
REPO_SERVER = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: argocd-repo-server}
spec:
  selector: {matchLabels: {app.kubernetes.io/name: argocd-repo-server}}
  template:
    metadata: {labels: {app.kubernetes.io/name: argocd-repo-server}}
    spec:
      containers: [{name: argocd-repo-server, image: argocd}]
      volumes: [{name: var-files, emptyDir: {}}, {name: plugins, emptyDir: {}}]
"""


@pytest.fixture
def repository(tmp_path: Path, namespace: str) -> Path:
    """The example repository without its placeholders, for a namespace of its own, encrypted."""
    folder = tmp_path / "repository"
    shutil.copytree(EXAMPLE_REPOSITORY, folder)
    (folder / ".git").mkdir()  # what tells the root
    overlay = folder / "apps" / "overlays" / "production" / "kustomization.yaml"
    overlay.write_text("".join(line for line in overlay.read_text().splitlines(True) if "placeholder" not in line))
    with (folder / "clusters" / "production" / "kustomization.yaml").open("a") as file:
        file.write(f"namespace: {namespace}\n")
    run(folder, "encrypt", "-i", "--recursive", ".")
    return folder


def run(folder: Path, *words: str) -> None:
    subprocess.run([sys.executable, "-m", "secrettool", *words], cwd=folder, env=environment(), check=True, capture_output=True)


def environment(*programs: Path) -> dict[str, str]:
    """Of this process, with the key of the example and some programs."""
    folders = [str(program.parent) for program in programs]
    return os.environ | {"PATH": os.pathsep.join([*folders, os.environ["PATH"]]), "PYTHONPATH": str(ROOT), "SOPS_AGE_KEY_FILE": str(ALICE)}


def test_kopf_applies_with_the_rights_and_keys_of_its_namespace(api_server: ApiServer, namespace: str, tmp_path: Path) -> None:
    text = (EXAMPLE_REPOSITORY / "clusters" / "production" / "webhook-secret.yaml").read_text()
    api_server.admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    account = api_server.account("shop", [Rule(["get", "patch", "create"], ["secrets"])])
    kubeconfig = str(api_server.kubeconfig(tmp_path / "kubeconfig", account.token))
    with connect(Access(kubeconfig), os.environ) as cluster:
        with pytest.raises(KeyUnavailable, match="HK101"):
            reconcile({"webhook.yaml": text}, "shop", cluster)
        give_alice_key(api_server, "shop")
        assert reconcile({"webhook.yaml": text}, "shop", cluster) == ["Secret/shop/shop-webhook"]
        with pytest.raises(ClusterError) as raised:
            reconcile({}, namespace, cluster)
    assert raised.value.exit_code
    live = api_server.admin.get("Secret", "shop-webhook", "shop")
    assert b64decode(live["data"]["signing-key"]) == b"example-signing-key"
    assert "sops" not in live


def test_kr8s_pass_builds_with_kustomize_and_leaves_the_source_encrypted(
    api_server: ApiServer, real_kustomize: Path, namespace: str, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{real_kustomize.parent}{os.pathsep}{os.environ['PATH']}")
    before = {path: path.read_bytes() for path in repository.rglob("*") if path.is_file()}

    async def apply(obj: dict[str, Any]) -> str:
        api_server.admin.apply(obj)
        return "applied"

    with KeySet(key_files={"alice": ALICE.read_bytes()}, env_keys=False) as keys:
        hooks = [DecryptHook(HookConfig(), keys, path="clusters/production")]
        for _ in range(2):
            results = asyncio.run(run_pass(hooks, PassContext("shop"), str(repository), "clusters/production", kustomize, apply))
    assert len(results) == 8
    generated = [item for item in api_server.admin.items("Secret", namespace) if item["metadata"]["name"].startswith("shop-env-")]
    assert [b64decode(item["data"]["SESSION_KEY"]) for item in generated] == [b"example-production-session-key"]
    assert {path: path.read_bytes() for path in repository.rglob("*") if path.is_file()} == before


def test_pipeline_applies_all_or_nothing(api_server: ApiServer, real_kustomize: Path, namespace: str, repository: Path, tmp_path: Path) -> None:
    program = tmp_path / "bin" / "secrettool"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m secrettool "$@"\n')
    program.chmod(0o755)
    kubeconfig = api_server.kubeconfig(tmp_path / "kubeconfig", api_server.admin_token)
    environ = environment(program, real_kustomize, required("kubectl")) | {"KUBECONFIG": str(kubeconfig)}
    command = [str(EXAMPLES / "ci-pipeline" / "deploy.sh"), "clusters/production"]

    bad = repository / "clusters" / "production" / "mail-secret.yaml"
    good = bad.read_bytes()
    bad.write_bytes(good.replace(b"name: shop-mail\n", b"name: shop-post\n"))
    refused = subprocess.run(command, cwd=repository, env=environ, capture_output=True, text=True, check=False)
    assert refused.returncode != 0
    assert "HK114" in refused.stderr
    assert not api_server.admin.items("Secret", namespace)

    bad.write_bytes(good)
    done = subprocess.run(command, cwd=repository, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 8
    assert len(api_server.admin.items("Secret", namespace)) == 6


def test_argocd_component_gives_the_repo_server_its_side_container(
    api_server: ApiServer, real_kustomize: Path, namespace: str, tmp_path: Path
) -> None:
    shutil.copytree(EXAMPLES / "argocd-plugin", tmp_path / "argocd-plugin")
    installation = f"namespace: {namespace}\nresources: [deployment.yaml]\ncomponents: [argocd-plugin]\n"
    write_tree(tmp_path, {"deployment.yaml": REPO_SERVER, "kustomization.yaml": installation})
    built = subprocess.run([str(real_kustomize), "build", str(tmp_path)], capture_output=True, text=True, check=True).stdout
    configuration, deployment = yaml.safe_load_all(built)
    api_server.admin.apply(configuration)
    accepted = api_server.admin.apply(deployment)["spec"]["template"]["spec"]
    assert configuration["data"]["plugin.yaml"] == (EXAMPLES / "argocd-plugin" / "plugin.yaml").read_text()
    assert [container["name"] for container in accepted["containers"]] == ["secrettool", "argocd-repo-server"]
    volumes = {volume["name"] for volume in accepted["volumes"]}
    assert {mount["name"] for mount in accepted["containers"][0]["volumeMounts"]} <= volumes


def give_alice_key(api_server: ApiServer, namespace: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "secrettool", "keys", "create-secret", "--namespace", namespace, "--name", KEYS],
        input=ALICE.read_bytes(),
        env=environment(),
        capture_output=True,
        check=True,
    )
    api_server.admin.apply(yaml.safe_load(done.stdout))
