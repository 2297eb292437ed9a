"""The real Flux applies what secrettool encrypted; and what Flux was seen to do, so that a version that does something else is noticed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

from tests.interop.gitops import KEY_FILE, RECIPIENT, ROOT, command, give_key, sealed, values, write_tree
from tests.interop.peers.apiclient import Json
from tests.interop.peers.flux import OWN_PREFIX, Flux, Kustomization, NotReconciled

pytestmark = pytest.mark.real

EXAMPLE = ROOT / "keys-example"
OTHER_KEY_FILE = KEY_FILE.with_name("age2.txt")
RANDOM = bytes(range(256)) * 5
REGISTRY = '{"auths": {"registry.example": {"username": "u", "password": "p"}}}\n'

APP = "# of the shop\nLEVEL=debug\nURL=postgres://u:p@db/shop?a=b\nEMPTY=\n"
INGEST = "[server]\nhost = a.example\nport = 80\n"

TREE: dict[str, str | bytes] = {
    ".sops.yaml": f"""\
creation_rules:
  - path_regex: secret\\.yaml$
    encrypted_regex: ^(data|stringData)$
    age: {RECIPIENT}
  - path_regex: /secrets/[^/]+$
    age: {RECIPIENT}
""",
    "base/kustomization.yaml": "resources: [settings.yaml, mail.yaml, database-secret.yaml]\n",
    "base/settings.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {colour: green}\n",
    "base/mail.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: mail}\nstringData: {password: replaced, sender: shop@b.example}\n",
    "base/database-secret.yaml": """\
apiVersion: v1
kind: Secret
metadata:
    name: database
stringData:
    # not the one of staging
    password: "p:1 #2"
---
apiVersion: v1
kind: Secret
metadata:
    name: cache
data:
    token: dG9rZW4=
""",
    "production/kustomization.yaml": """\
resources: [../base]
namePrefix: production-
labels: [{pairs: {stage: production}}]
patches:
  - path: mail-secret.yaml
secretGenerator:
  - name: environment
    envs: [secrets/app.env]
  - name: files
    files:
      - secrets/queue.json
      - settings.yaml=secrets/values.yaml
      - secrets/ingest.ini
      - .env=secrets/app.env
      - secrets/keystore
    options: {disableNameSuffixHash: true}
  - name: registry
    type: kubernetes.io/dockerconfigjson
    files: [.dockerconfigjson=secrets/registry.json]
    options: {disableNameSuffixHash: true}
""",
    "production/mail-secret.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: mail}\nstringData: {password: 'from the patch'}\n",
    "production/secrets/app.env": APP,
    "production/secrets/queue.json": '{"hosts": ["a", "b"], "port": 5672, "tls": true, "password": "p"}\n',
    "production/secrets/values.yaml": "replicas: 3  # of three\nnested:\n    list: [1, two]\n    text: |\n        one\n        two\n",
    "production/secrets/ingest.ini": INGEST,
    "production/secrets/keystore": RANDOM,
    "production/secrets/registry.json": REGISTRY,
}
CLEAR = {".sops.yaml", "base/kustomization.yaml", "base/settings.yaml", "base/mail.yaml", "production/kustomization.yaml"}


def encrypted_tree(folder: Path) -> Path:
    """The tree with everything that its rules cover encrypted by `secrettool encrypt`."""
    command(write_tree(folder, TREE), "encrypt", "-i", "--recursive", ".")
    clear = {name for name in TREE if b"ENC[" not in (folder / name).read_bytes()}
    assert clear == CLEAR
    return folder


def objects(flux: Flux, kind: str, namespace: str) -> dict[str, Json]:
    """What Flux applied, by name."""
    found = flux.api.admin.items(kind, namespace, labels=f"{OWN_PREFIX}namespace={namespace}")
    return {each["metadata"]["name"]: each for each in found}


# --- what secrettool encrypted ---


def test_tree_of_all_stores_arrives_with_its_values(flux: Flux, namespace: str, tmp_path: Path) -> None:
    key = give_key(flux.api, namespace)

    result = flux.reconcile(encrypted_tree(tmp_path), namespace, decryption=key, path="./production")

    assert result.ready, result.message
    secrets = {name: values(secret) for name, secret in objects(flux, "Secret", namespace).items()}
    (environment,) = (name for name in secrets if name.startswith("production-environment-"))
    files = secrets.pop("production-files")
    assert secrets == {
        "production-database": {"password": b"p:1 #2"},
        "production-cache": {"token": b"token"},
        "production-mail": {"password": b"from the patch", "sender": b"shop@b.example"},
        environment: {"LEVEL": b"debug", "URL": b"postgres://u:p@db/shop?a=b", "EMPTY": b""},
        "production-registry": secrets["production-registry"],
    }
    # Flux prints these formats in its own layout.
    assert json.loads(secrets["production-registry"][".dockerconfigjson"]) == json.loads(REGISTRY)
    assert json.loads(files.pop("queue.json")) == {"hosts": ["a", "b"], "port": 5672, "tls": True, "password": "p"}
    assert yaml.safe_load(files.pop("settings.yaml")) == {"replicas": 3, "nested": {"list": [1, "two"], "text": "one\ntwo\n"}}
    assert files.pop("ingest.ini").decode().split() == INGEST.split()
    assert files == {".env": APP.encode(), "keystore": RANDOM}
    assert {secret["metadata"]["labels"]["stage"] for secret in objects(flux, "Secret", namespace).values()} == {"production"}
    assert objects(flux, "ConfigMap", namespace)["production-settings"]["data"] == {"colour": "green"}


def test_changes_made_by_secrettool_arrive(flux: Flux, namespace: str, tmp_path: Path) -> None:
    key = give_key(flux.api, namespace)
    kustomization = flux.kustomization(namespace, decryption=key, path="./base")
    tree = encrypted_tree(tmp_path)
    assert kustomization.reconcile(tree).ready

    command(tree, "set", "base/database-secret.yaml", '["stringData"]["password"]', '"changed"')
    command(tree, "set", "base/database-secret.yaml", '["stringData"]["added"]', '"new"')
    command(tree, "rotate", "-i", "base/database-secret.yaml")
    result = kustomization.reconcile(tree)

    assert result.ready, result.message
    assert values(flux.api.admin.get("Secret", "database", namespace)) == {"password": b"changed", "added": b"new"}
    assert result.actions == {
        f"ConfigMap/{namespace}/settings": "unchanged",
        f"Secret/{namespace}/cache": "unchanged",
        f"Secret/{namespace}/database": "configured",
        f"Secret/{namespace}/mail": "unchanged",
    }


@pytest.mark.parametrize("path", ["clusters/production", "apps/overlays/production", "apps/overlays/staging"])
def test_example_repository_reconciles(path: str, flux: Flux, namespace: str, tmp_path: Path) -> None:
    tree = shutil.copytree(EXAMPLE, tmp_path / "shop")
    identity = tree / "keys" / "alice.agekey"
    command(tree, "encrypt", "-i", "--recursive", ".", identity=identity)
    key = give_key(flux.api, namespace, identity)

    result = flux.reconcile(tree, namespace, decryption=key, path=path)

    assert result.ready, result.message
    found = objects(flux, "Secret", namespace)
    assert found
    for secret in found.values():
        assert not any(b"ENC[" in value for value in values(secret).values())
        assert "sops" not in secret


# --- how a pass is waited for ---


def test_reconcile_says_why_a_pass_failed(flux: Flux, namespace: str, tmp_path: Path) -> None:
    key = give_key(flux.api, namespace, OTHER_KEY_FILE)

    result = flux.reconcile(write_tree(tmp_path, {"secret.yaml": sealed(SECRET)}), namespace, decryption=key)

    assert not result.ready
    assert result.reason == "BuildFailed"
    assert "cannot get sops data key" in result.message


def test_reconcile_sees_that_a_revision_could_not_be_unpacked(flux: Flux, namespace: str, tmp_path: Path) -> None:
    result = flux.reconcile(write_tree(tmp_path, {"secret.yaml": SECRET}), namespace, path="./elsewhere")

    assert not result.ready
    assert result.reason == "ArtifactFailed"


def test_reconcile_that_never_ends_is_an_error_that_tells_the_state(flux: Flux, namespace: str, tmp_path: Path) -> None:
    kustomization = flux.kustomization(namespace)
    tree = write_tree(tmp_path, {"secret.yaml": SECRET})
    assert kustomization.reconcile(tree).ready
    kustomization.set(suspend=True)

    with pytest.raises(NotReconciled, match=rf"Kustomization {namespace}/app .*\nReady: .*status='True'(?s:.)*suspended"):
        kustomization.reconcile(tree, seconds=1)


def test_change_of_the_spec_is_a_pass_of_its_own(flux: Flux, namespace: str, tmp_path: Path) -> None:
    kustomization = flux.kustomization(namespace)
    tree = write_tree(tmp_path, {"secret.yaml": SECRET.replace("REPLACE_ME", "${WORD}")})
    assert kustomization.reconcile(tree).ready

    result = kustomization.change(postBuild={"substitute": {"WORD": "put in"}})

    assert result.ready, result.message
    assert values(flux.api.admin.get("Secret", "s", namespace)) == {"k": b"put in"}


def test_objects_that_left_git_are_pruned(flux: Flux, namespace: str, tmp_path: Path) -> None:
    kustomization = flux.kustomization(namespace)
    tree = write_tree(tmp_path, {"secret.yaml": SECRET, "other.yaml": SECRET.replace("name: s", "name: other")})
    assert kustomization.reconcile(tree).inventory == {f"Secret/{namespace}/s", f"Secret/{namespace}/other"}

    (tree / "secret.yaml").unlink()
    result = kustomization.reconcile(tree)

    assert result.ready, result.message
    assert result.inventory == {f"Secret/{namespace}/other"}
    assert result.actions == {f"Secret/{namespace}/s": "deleted", f"Secret/{namespace}/other": "unchanged"}
    assert flux.api.admin.find("Secret", "s", namespace) is None


def test_delete_waits_until_flux_has_pruned(flux: Flux, namespace: str, tmp_path: Path) -> None:
    kustomization = flux.kustomization(namespace)
    assert kustomization.reconcile(write_tree(tmp_path, {"secret.yaml": SECRET})).inventory == {f"Secret/{namespace}/s"}

    kustomization.delete()

    assert flux.api.admin.find("Secret", "s", namespace) is None


# --- what the real Flux was seen to do ---

SECRET = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: s\n  annotations: {}\nstringData:\n  k: REPLACE_ME\n"
DISABLED = {OWN_PREFIX + "reconcile": "disabled"}


def annotated(annotations: dict[str, str]) -> str:
    """The placeholder Secret with annotations in Git."""
    return SECRET.replace("{}", json.dumps(annotations))


def reconciled(flux: Flux, namespace: str, folder: Path, manifest: str) -> Kustomization:
    """A Kustomization after its first pass over a manifest, which was good."""
    kustomization = flux.kustomization(namespace)
    result = kustomization.reconcile(write_tree(folder, {"secret.yaml": manifest}))
    assert result.ready, result.message
    return kustomization


def fill(flux: Flux, namespace: str, annotations: dict[str, str] | None = None) -> None:
    """Merge-patch the value into the live Secret, as a patcher does."""
    change = {"metadata": {"annotations": annotations or {}}, "data": {"k": "cmVhbA=="}}
    flux.api.admin.patch("Secret", "s", namespace, change, manager="secrettool-patch")


def value_after_next_pass(flux: Flux, namespace: str, kustomization: Kustomization) -> bytes:
    """The value in the cluster when Flux has made one more pass, which was good."""
    result = kustomization.reconcile()
    assert result.ready, result.message
    return values(flux.api.admin.get("Secret", "s", namespace))["k"]


def test_secret_sealed_for_age_is_decrypted_and_string_data_arrives_as_data(flux: Flux, namespace: str, tmp_path: Path) -> None:
    key = give_key(flux.api, namespace)

    result = flux.reconcile(write_tree(tmp_path, {"secret.yaml": sealed(SECRET)}), namespace, decryption=key)

    assert result.ready, result.message
    found = flux.api.admin.get("Secret", "s", namespace)
    assert "stringData" not in found
    assert values(found) == {"k": b"REPLACE_ME"}


def test_secret_disabled_in_git_is_never_created(flux: Flux, namespace: str, tmp_path: Path) -> None:
    kustomization = flux.kustomization(namespace)
    first = kustomization.reconcile(write_tree(tmp_path, {"secret.yaml": annotated(DISABLED)}))
    second = kustomization.reconcile()

    for result in (first, second):
        assert result.ready, result.message
        assert result.actions == {f"Secret/{namespace}/s": "skipped"}
    assert flux.api.admin.find("Secret", "s", namespace) is None


def test_secret_if_not_present_is_created_once_and_keeps_a_patched_value(flux: Flux, namespace: str, tmp_path: Path) -> None:
    kustomization = reconciled(flux, namespace, tmp_path, annotated({OWN_PREFIX + "ssa": "IfNotPresent"}))
    assert values(flux.api.admin.get("Secret", "s", namespace)) == {"k": b"REPLACE_ME"}
    fill(flux, namespace)

    assert value_after_next_pass(flux, namespace, kustomization) == b"real"


def test_ordinary_secret_loses_a_patched_value(flux: Flux, namespace: str, tmp_path: Path) -> None:
    kustomization = reconciled(flux, namespace, tmp_path, SECRET)
    fill(flux, namespace)

    assert value_after_next_pass(flux, namespace, kustomization) == b"REPLACE_ME"


def test_secret_disabled_in_the_live_object_only_keeps_a_patched_value(flux: Flux, namespace: str, tmp_path: Path) -> None:
    kustomization = reconciled(flux, namespace, tmp_path, SECRET)
    fill(flux, namespace, DISABLED)

    assert value_after_next_pass(flux, namespace, kustomization) == b"real"


def test_sealed_string_data_without_decryption_reaches_the_cluster_as_ciphertext(flux: Flux, namespace: str, tmp_path: Path) -> None:
    result = flux.reconcile(write_tree(tmp_path, {"secret.yaml": sealed(SECRET)}), namespace)

    assert result.ready, result.message
    assert values(flux.api.admin.get("Secret", "s", namespace))["k"].startswith(b"ENC[AES256_GCM,")
