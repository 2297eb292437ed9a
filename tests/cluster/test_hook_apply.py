"""`secrettool hook apply` against a real API server, and beside the real Flux."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
import yaml

from tests.cluster.conftest import Secrettool
from tests.interop.gitops import KEY_FILE, RECIPIENT, command, give_key, payload, sealed, values, write_tree
from tests.interop.peers.apiclient import Json
from tests.interop.peers.apiserver import Account, ApiServer, Rule
from tests.interop.peers.flux import OWN_PREFIX, Flux
from tests.said import Said

pytestmark = pytest.mark.real

CANARY = "canary-77aa"
FULL = [Rule(["get", "patch", "create"], ["secrets", "configmaps"])]


def manifest(kind: str, name: str, *, annotations: dict[str, str] | None = None, **fields: object) -> str:
    head: Json = {"name": name} | ({"annotations": annotations} if annotations else {})
    return yaml.safe_dump({"apiVersion": "v1", "kind": kind, "metadata": head, **fields}, sort_keys=False)


SECRET = manifest("Secret", "db", stringData={"password": CANARY, "user": "shop"})
SETTINGS = manifest("ConfigMap", "settings", data={"colour": "green"})


class Applying:
    """Applies a folder in a namespace, in somebody's name."""

    def __init__(self, secrettool: Secrettool, api: ApiServer, folder: Path, namespace: str) -> None:
        self.secrettool = secrettool
        self.api = api
        self.tree = folder / "tree"
        self.namespace = namespace
        self.kubeconfig = api.kubeconfig(folder / "kubeconfig", api.admin_token)

    def write(self, **files: str) -> None:
        write_tree(self.tree, {f"{name}.yaml": text for name, text in files.items()})

    def act_as(self, account: Account) -> None:
        self.api.kubeconfig(self.kubeconfig, account.token)

    def __call__(self, *words: object, path: object = None) -> Said:
        own = ("--kubeconfig", self.kubeconfig, "--namespace", self.namespace, "--key-file", KEY_FILE)
        return self.secrettool("hook", "apply", path or self.tree, *own, *words)

    def actions(self, *words: object, path: object = None) -> dict[str, str]:
        """What became of each object, by kind and name."""
        told = self(*words, "--output", "json", path=path)
        return {f"{row['kind']}/{row['name']}": row["action"] for row in told.json["objects"]}

    def live(self, name: str = "db", kind: str = "Secret") -> Json | None:
        return self.api.admin.find(kind, name, self.namespace)


@pytest.fixture
def applying(secrettool: Secrettool, api_server: ApiServer, tmp_path: Path, namespace: str) -> Applying:
    return Applying(secrettool, api_server, tmp_path, namespace)


def writes(api: ApiServer, account: Account) -> list[str]:
    """Requests of an account that store something."""
    return [asked.path for asked in api.requests(account.user) if asked.verb not in ("get", "list") and "dryRun=All" not in asked.path]


# ---- what is written -----------------------------------------------------------------------------------------------------------------------------


def test_first_pass_creates_and_says_so(applying: Applying) -> None:
    applying.write(db=sealed(SECRET), settings=SETTINGS)
    told = applying().done()
    assert told.lines == [f"ConfigMap/{applying.namespace}/settings created", f"Secret/{applying.namespace}/db created"]
    assert values(applying.live() or {}) == {"password": CANARY.encode(), "user": b"shop"}


def test_second_pass_writes_nothing(applying: Applying, api_server: ApiServer) -> None:
    account = api_server.account(applying.namespace, FULL)
    applying.act_as(account)
    applying.write(db=sealed(SECRET), settings=SETTINGS)
    applying().done()
    first, before = len(api_server.requests(account.user)), applying.live()
    assert len(writes(api_server, account)) == 2
    assert applying.actions() == {"ConfigMap/settings": "unchanged", "Secret/db": "unchanged"}
    assert len(writes(api_server, account)) == 2
    assert applying.live() == before
    assert len(api_server.requests(account.user)) - first == 1 + 2 * 2  # the kinds once, and for each object a look and a try


def test_changed_value_is_configured_and_a_dropped_key_goes(applying: Applying) -> None:
    applying.write(db=sealed(SECRET), settings=SETTINGS)
    applying().done()
    applying.write(db=sealed(manifest("Secret", "db", stringData={"password": "new"})))
    assert applying.actions() == {"ConfigMap/settings": "unchanged", "Secret/db": "configured"}
    assert values(applying.live() or {}) == {"password": b"new"}


def test_rights_on_named_secrets_are_enough(applying: Applying, api_server: ApiServer) -> None:
    applying.act_as(api_server.account(applying.namespace, [Rule(["get", "patch", "create"], ["secrets"], names=["db"])]))
    applying.write(db=sealed(SECRET))
    assert applying.actions() == {"Secret/db": "created"}
    assert applying.actions() == {"Secret/db": "unchanged"}


def test_objects_are_those_that_flux_makes_of_the_tree(
    applying: Applying, flux: Flux, api_server: ApiServer, real_kustomize: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", f"{real_kustomize.parent}:/usr/bin:/bin")
    tree = write_tree(
        tmp_path / "tree",
        {
            ".sops.yaml": f"creation_rules: [{{path_regex: secret, encrypted_regex: ^(data|stringData)$, age: {RECIPIENT}}}, {{age: {RECIPIENT}}}]\n",
            "app/kustomization.yaml": "resources: [secret.yaml, settings.yaml]\nnamePrefix: shop-\n"
            "secretGenerator: [{name: env, envs: [app.env], files: [store.bin]}]\n",
            "app/secret.yaml": SECRET
            + "---\n"
            + manifest("Secret", "tls", type="kubernetes.io/basic-auth", stringData={"username": "u", "password": "é"}),
            "app/settings.yaml": SETTINGS,
            "app/app.env": "A=1\nB='two words'\n",
            "app/store.bin": bytes(range(256)),
        },
    )
    command(tree, "encrypt", "-i", "app/secret.yaml", "app/app.env", "app/store.bin")
    beside = api_server.namespace()
    spec = {
        "path": "./app",
        "targetNamespace": applying.namespace,
        "prune": False,
        "interval": "1h",
        "sourceRef": {"kind": "GitRepository", "name": "a"},
    }
    spec |= {"decryption": {"provider": "sops"}, "commonMetadata": {"labels": {"team": "a"}, "annotations": {"example.org/x": "y"}}}
    own = {"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization", "metadata": {"name": "app", "namespace": "x"}, "spec": spec}
    (tree / "own.yaml").write_text(json.dumps(own), encoding="utf-8")
    told = applying("--root", tree, path=tree / "own.yaml").done()
    passed = flux.reconcile(tree, beside, decryption=give_key(api_server, beside), path="./app", commonMetadata=spec["commonMetadata"])
    assert passed.ready, passed.message

    def found(namespace: str) -> list[Json]:
        listed = [*api_server.admin.items("Secret", namespace), *api_server.admin.items("ConfigMap", namespace)]
        kept = [item for item in listed if item["metadata"]["name"] not in ("sops-age", "kube-root-ca.crt")]
        return sorted((payload(item) for item in kept), key=lambda item: str(item["name"]))

    assert len(told.lines) == 4
    assert found(applying.namespace) == found(beside)


DEFINITION = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "gadgets.c5.example.org"},
    "spec": {
        "group": "c5.example.org",
        "names": {"kind": "Gadget", "listKind": "GadgetList", "plural": "gadgets", "singular": "gadget"},
        "scope": "Namespaced",
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}


def test_definitions_and_namespaces_come_before_what_needs_them(applying: Applying) -> None:
    place = f"{applying.namespace}-new"
    gadget = {"apiVersion": "c5.example.org/v1", "kind": "Gadget", "metadata": {"name": "g", "namespace": place}, "size": 3}
    applying.write(
        a=yaml.safe_dump(gadget),
        b=sealed(SECRET.replace("name: db", f"name: db\n  namespace: {place}")),
        c=manifest("Namespace", place),
        d=json.dumps(DEFINITION),
    )
    everything = ["CustomResourceDefinition/gadgets.c5.example.org", f"Namespace/{place}", f"Secret/{place}/db", f"Gadget/{place}/g"]
    for how in ("server", "client"):
        assert applying(f"--dry-run={how}").done().lines == [
            f"{name} created ({how} dry run)" + (": its namespace is new" if f"/{place}/" in name and how == "server" else "") for name in everything
        ]
    assert applying.api.admin.find("Namespace", place) is None
    assert applying().done().lines == [f"{name} created" for name in everything]
    assert applying().done().lines == [f"{name} unchanged" for name in everything]


# ---- what Flux would not touch -------------------------------------------------------------------------------------------------------------------

RULES = {
    "reconcile disabled": ("reconcile", "disabled", {False: "skipped", True: "skipped"}),
    "ignored": ("ssa", "Ignore", {False: "skipped", True: "skipped"}),
    "if not present": ("ssa", "IfNotPresent", {False: "created", True: "skipped"}),
    "merged": ("ssa", "Merge", {False: "created", True: "configured"}),
}


@pytest.mark.parametrize("is_there", [False, True])
@pytest.mark.parametrize("rule", RULES)
def test_annotations_of_flux_in_the_manifest(applying: Applying, rule: str, is_there: bool) -> None:
    key, value, expected = RULES[rule]
    if is_there:
        applying.write(db=sealed(manifest("Secret", "db", stringData={"password": "old"})))
        applying().done()
    applying.write(db=sealed(manifest("Secret", "db", annotations={OWN_PREFIX + key: value}, stringData={"password": "new"})))
    assert applying.actions("--dry-run=server") == {"Secret/db": expected[is_there]}
    assert applying.actions() == {"Secret/db": expected[is_there]}
    live = applying.live()
    assert (live is None) == (expected[is_there] == "skipped" and not is_there)
    assert live is None or values(live) == {"password": b"old" if expected[is_there] == "skipped" else b"new"}


def test_annotation_of_the_live_object_keeps_it(applying: Applying) -> None:
    applying.write(db=sealed(SECRET))
    applying().done()
    applying.api.admin.patch(
        "Secret", "db", applying.namespace, {"metadata": {"annotations": {OWN_PREFIX + "reconcile": "disabled"}}, "data": {"password": "eA=="}}
    )
    assert applying().done().lines == [f"Secret/{applying.namespace}/db skipped: reconcile: disabled on the live object"]
    assert values(applying.live() or {})["password"] == b"x"


def test_suspended_kustomization_applies_nothing(applying: Applying, real_kustomize: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{real_kustomize.parent}:/usr/bin:/bin")
    spec = {"path": "./app", "suspend": True, "prune": False, "interval": "1h", "sourceRef": {"kind": "GitRepository", "name": "a"}}
    head = {"name": "app", "namespace": "x"}
    own = json.dumps({"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization", "metadata": head, "spec": spec})
    write_tree(applying.tree, {"own.yaml": own, "app/kustomization.yaml": "resources: [settings.yaml]\n", "app/settings.yaml": SETTINGS})
    assert applying.actions("--root", applying.tree, path=applying.tree / "own.yaml") == {"ConfigMap/settings": "skipped"}
    assert applying.live("settings", "ConfigMap") is None


# ---- what is refused -----------------------------------------------------------------------------------------------------------------------------


def refused(applying: Applying, *words: object, path: object = None) -> Said:
    """Run as somebody whose requests can be counted; nothing may have been stored."""
    account = applying.api.account(applying.namespace, FULL)
    applying.act_as(account)
    told = applying(*words, path=path)
    assert writes(applying.api, account) == []
    assert CANARY not in told.out + told.err
    assert base64.b64encode(CANARY.encode()).decode() not in told.out + told.err
    return told


def test_da_38_nothing_is_applied_when_one_object_does_not_open(applying: Applying) -> None:
    broken = sealed(SECRET.replace("name: db", "name: broken")).replace("ENC[AES256_GCM,data:", "ENC[AES256_GCM,data:AAAA", 1)
    applying.write(a=SETTINGS, b=broken, c=sealed(SECRET))
    told = refused(applying)
    assert told.code == 7
    assert told.out == ""


def test_da_40_nothing_is_applied_when_the_guard_refuses(applying: Applying) -> None:
    applying.write(a=SETTINGS, b=manifest("Secret", "empty", stringData={"k": "REPLACE_ME"}), c=sealed(SECRET))
    told = refused(applying)
    assert (told.code, told.out) == (5, "")
    assert "HK152" in told.err
    assert applying("--allow-placeholders", "--dry-run=server").code == 0


def test_da_40_the_own_guard_stands_under_strict_flux_too(applying: Applying) -> None:
    applying.write(a=manifest("Secret", "gap", stringData={"k": "ENC[AES256_GCM,data:x,iv:x,tag:x,type:str]"}))
    told = refused(applying, "--strict-flux")
    assert (told.code, told.out) == (5, "")


def test_markers_of_a_build_without_keys_are_not_applied(applying: Applying) -> None:
    applying.write(a=sealed(SECRET))
    assert refused(applying, "--no-keys").code == 2


def test_da_39_object_without_namespace(secrettool: Secrettool, applying: Applying) -> None:
    applying.write(a=sealed(SECRET), b=SETTINGS)
    told = secrettool("hook", "apply", applying.tree, "--kubeconfig", applying.kubeconfig, "--key-file", KEY_FILE)
    assert (told.code, told.out) == (2, "")
    assert told.err.count("it names no namespace") == 2


def test_object_that_is_there_twice(applying: Applying) -> None:
    applying.write(a=SETTINGS, b=SETTINGS)
    told = refused(applying)
    assert told.code == 2
    assert f"ConfigMap/{applying.namespace}/settings: is there twice" in told.err


def test_unknown_kind_stops_before_anything_is_written(applying: Applying) -> None:
    applying.write(a=SETTINGS, b="apiVersion: example.org/v1\nkind: Gizmo\nmetadata: {name: g}\n")
    told = refused(applying)
    assert told.code == 8
    assert "Gizmo/g: the API server knows no Gizmo of example.org/v1" in told.err


def test_da_41_conflict_names_the_other_manager_and_holds_the_rest(applying: Applying) -> None:
    applying.api.admin.create(
        {**yaml.safe_load(SECRET), "stringData": {"password": "theirs"}, "metadata": {"name": "db", "namespace": applying.namespace}}, manager="helm"
    )
    applying.write(db=sealed(SECRET), settings=SETTINGS)
    told = refused(applying)
    assert told.code == 8
    place = applying.namespace
    assert told.lines == [
        f"ConfigMap/{place}/settings held: another object was refused, before anything of its stage was written",
        f"Secret/{place}/db conflict: helm owns .data.password",
    ]
    assert "1 of 2 objects failed, 1 held because of that" in told.err
    assert "--force-conflicts" in told.err
    assert applying.live("settings", "ConfigMap") is None
    assert values(applying.live() or {}) == {"password": b"theirs"}


def test_da_41_conflict_with_one_who_applied_string_data(applying: Applying) -> None:
    theirs = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db", "namespace": applying.namespace}, "stringData": {"password": "theirs"}}
    applying.api.admin.apply(theirs, manager="argocd")
    applying.write(db=sealed(SECRET))
    told = refused(applying)
    assert told.lines == [f"Secret/{applying.namespace}/db conflict: argocd owns .stringData.password"]
    assert values(applying.live() or {}) == {"password": b"theirs"}


def test_force_conflicts_takes_fields_over(applying: Applying) -> None:
    applying.api.admin.create(
        {**yaml.safe_load(SECRET), "metadata": {"name": "db", "namespace": applying.namespace}, "stringData": {"password": "x"}}
    )
    applying.write(db=sealed(SECRET))
    assert applying.actions("--force-conflicts") == {"Secret/db": "configured"}
    assert values(applying.live() or {}) == {"password": CANARY.encode(), "user": b"shop"}


def test_account_without_the_right_to_write_is_named(applying: Applying) -> None:
    account = applying.api.account(applying.namespace, [Rule(["get"], ["secrets", "configmaps"]), Rule(["patch", "create"], ["configmaps"])])
    applying.act_as(account)
    applying.write(db=sealed(SECRET), settings=SETTINGS)
    told = applying()
    assert told.code == 8
    assert f"Secret/{applying.namespace}/db failed: 403 Forbidden: {account.user} may not patch secrets in namespace {applying.namespace}" in told.out
    assert writes(applying.api, account) == []


def test_refusal_that_quotes_the_secret_is_not_passed_on(applying: Applying) -> None:
    place = applying.namespace
    stored = manifest("Secret", "db", stringData={"password": CANARY, "more": CANARY})
    applying.api.admin.create({**yaml.safe_load(stored), "metadata": {"name": "db", "namespace": place}})
    applying.write(a=manifest("Secret", "db", type="example.org/other", data={"k": "eA=="}), b=manifest("Secret", "bad", data={"k": f"!{CANARY}"}))
    told = refused(applying, "--force-conflicts")
    assert told.code == 8
    assert told.lines == [
        f"Secret/{place}/bad failed: 500 InternalServerError: data is not base64",
        f"Secret/{place}/db failed: 422 Invalid: type: the field cannot be changed",
    ]
    assert refused(applying, "--output", "json").code == 8
    assert refused(applying, "--dry-run=server").code == 8


def test_no_server_is_there(secrettool: Secrettool, applying: Applying) -> None:
    applying.write(db=sealed(SECRET))
    told = applying("--server", "https://127.0.0.1:1")
    assert (told.code, told.out) == (8, "")
    assert "the API server cannot be reached: the connection is refused" in told.err


# ---- dry runs and streams ------------------------------------------------------------------------------------------------------------------------


def test_dry_run_of_the_client_needs_the_right_to_read_only(applying: Applying) -> None:
    applying.write(db=sealed(SECRET), settings=SETTINGS)
    applying().done()
    applying.write(db=sealed(SECRET.replace(CANARY, "other")))
    applying.act_as(applying.api.account(applying.namespace, [Rule(["get"], ["secrets", "configmaps"])]))
    assert applying.actions("--dry-run=client") == {"ConfigMap/settings": "unchanged", "Secret/db": "configured"}


def test_dry_runs_agree_and_store_nothing(applying: Applying) -> None:
    service = manifest("Service", "web", spec={"ports": [{"port": 80}], "selector": {"app": "web"}})
    applying.write(db=sealed(SECRET), settings=SETTINGS, service=service)
    applying().done()
    before = [applying.live(), applying.live("settings", "ConfigMap")]
    applying.write(db=sealed(manifest("Secret", "db", stringData={"password": CANARY})), new=manifest("ConfigMap", "new", data={}))
    expected = {"ConfigMap/new": "created", "ConfigMap/settings": "unchanged", "Secret/db": "configured", "Service/web": "unchanged"}
    for how in ("server", "client"):
        assert applying.actions(f"--dry-run={how}") == expected
    assert [applying.live(), applying.live("settings", "ConfigMap")] == before


def test_stream_of_rendered_manifests(applying: Applying, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    items = {"apiVersion": "v1", "kind": "List", "items": [yaml.safe_load(SECRET), yaml.safe_load(SETTINGS)]}
    (tmp_path / "stream").write_text(yaml.safe_dump(items), encoding="utf-8")
    with (tmp_path / "stream").open() as stream:
        monkeypatch.setattr("sys.stdin", stream)
        assert applying.actions(path="-") == {"ConfigMap/settings": "created", "Secret/db": "created"}


def test_stream_with_ciphertext_is_refused(applying: Applying, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "stream").write_text(sealed(SECRET), encoding="utf-8")
    with (tmp_path / "stream").open() as stream:
        monkeypatch.setattr("sys.stdin", stream)
        assert refused(applying, path="-").code == 5


def test_json_tells_of_every_object(applying: Applying) -> None:
    applying.write(db=sealed(SECRET), settings=SETTINGS)
    told = applying("--output", "json").json
    assert told["counts"] == {"created": 2}
    assert told["dryRun"] is None
    assert told["objects"][1] == {"apiVersion": "v1", "kind": "Secret", "namespace": applying.namespace, "name": "db", "action": "created"}
    assert CANARY not in json.dumps(told)
