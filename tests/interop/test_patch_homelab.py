"""The homelab in one run: what the workflow did in twenty steps, with the real API server, Flux, Vault and kubectl.

Flux creates the placeholders; the workflow runs, and what it leaves is noted; all is put back
run       an account that has the rights of `patch role`, a login at Vault with the token of a job
Flux      two passes
run       nothing is sent
drift     nothing; then somebody edits
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from tests.interop.fixtures import required
from tests.interop.gitops import values
from tests.interop.peers import homelab
from tests.interop.peers.apiclient import ApiError, Json
from tests.interop.peers.apiserver import ApiServer, Request
from tests.interop.peers.flux import OWN_PREFIX, SYSTEM_NAMESPACE, Flux, Kustomization
from tests.interop.peers.homelab import ISSUER, MISSING, NAMESPACES, SECRETS, TOKEN, VALUES, Done
from tests.interop.peers.oidc import OidcIssuer
from tests.interop.peers.vault import Vault

pytestmark = pytest.mark.real

CERT_MANAGER = "cert-manager.io/v1"
READS = frozenset({"get", "list", "watch"})
ACCOUNT = "patch-secrets"
RUN = ["patch", "--map", "patch.yaml", "--manifests", ".", "--flux-version", "1.7.3", "--all"]


class State(NamedTuple):
    """The objects of the map as they are in the cluster, those that are missing left out."""

    secrets: Mapping[tuple[str, str], Json]
    issuer: Json
    deployment: Json


class Cluster:
    """The API server with the homelab in it.

    Attributes:
        folder: The repository.
        environ: Of the runs.
    """

    def __init__(self, api: ApiServer, flux: Flux, folder: Path, home: Path, environ: Mapping[str, str]) -> None:
        self.folder = folder
        self._api = api
        self._home = home
        self._kustomization: Kustomization = flux.kustomization(SYSTEM_NAMESPACE, name="k3s", targetNamespace=None, path="./k3s")
        self._admin = api.kubeconfig(home / "admin.kubeconfig", api.admin_token)
        self._user = ""
        self._environ = dict(environ)

    def flux_pass(self) -> None:
        """Flux applies the repository."""
        result = self._kustomization.reconcile(self.folder)
        assert result.ready, result.message

    def workflow(self) -> Done:
        """The workflow runs, as administrator."""
        path = f"{required('kubectl').parent}:{os.environ['PATH']}"
        return homelab.workflow(self._home, homelab.workflow_environment(self._home, self._admin, path))

    def state(self) -> State:
        """What is there now."""
        names = [*SECRETS, *((namespace, TOKEN) for namespace in (*NAMESPACES, *MISSING))]
        found = {each: self._api.admin.find("Secret", each[1], each[0]) for each in names}
        return State(
            {each: live for each, live in found.items() if live is not None},
            self._api.admin.get("ClusterIssuer", ISSUER, version=CERT_MANAGER),
            self._api.admin.get("Deployment", "authentik-server", "authentik", version="apps/v1"),
        )

    def reset(self, state: State) -> None:
        """Delete the objects of the map, so that Flux makes anew what it makes."""
        for namespace, name in state.secrets:
            self._api.admin.delete("Secret", name, namespace)
        self._api.admin.delete("ClusterIssuer", ISSUER, version=CERT_MANAGER)
        self._api.admin.delete("Deployment", "authentik-server", "authentik", version="apps/v1")

    def give_rights(self) -> None:
        """An account with the rights that `patch role` prints; a Role for a namespace that is missing cannot be made."""
        told = homelab.secrettool(
            ["patch", "role", "--map", "patch.yaml", "--service-account", f"{SYSTEM_NAMESPACE}/{ACCOUNT}"], self.folder, self._environ
        )
        assert told.code == 0, told.err
        self._api.admin.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT, "namespace": SYSTEM_NAMESPACE}})
        for obj in yaml.safe_load_all(told.out):
            if obj["metadata"].get("namespace") not in MISSING:
                self._api.admin.apply(obj, force=True)
        self._user = f"system:serviceaccount:{SYSTEM_NAMESPACE}:{ACCOUNT}"
        token = self._api.token(SYSTEM_NAMESPACE, ACCOUNT)
        self._environ["KUBECONFIG"] = str(self._api.kubeconfig(self._home / "kubeconfig", token))

    def secrettool(self, *words: str) -> tuple[Done, list[Request]]:
        """Run it; the requests that it made."""
        before = len(self._api.requests(self._user))
        done = homelab.secrettool(list(words), self.folder, self._environ)
        return done, self._api.requests(self._user)[before:]

    def edit(self, namespace: str, name: str, **data: str) -> None:
        """Somebody changes a Secret by hand."""
        encoded = {key: base64.b64encode(text.encode()).decode() for key, text in data.items()}
        self._api.admin.patch("Secret", name, namespace, {"data": encoded}, manager="kubectl-edit")


class Story(NamedTuple):
    """What happened."""

    placeholders: State
    workflow: Done
    historic: State
    plan: Done
    plan_requests: list[Request]
    first: Done
    first_requests: list[Request]
    patched: State
    reconciled: State
    second: Done
    second_requests: list[Request]
    drift: Done
    drift_requests: list[Request]
    edited_drift: Done


@pytest.fixture(scope="module")
def story(api_server: ApiServer, flux: Flux, vault: Vault, oidc_issuer: OidcIssuer, tmp_path_factory: pytest.TempPathFactory) -> Story:
    """All of it, once."""
    home = tmp_path_factory.mktemp("home")
    folder = homelab.repository(tmp_path_factory.mktemp("homelab") / "repository", vault.url)
    homelab.fill_vault(vault)
    if api_server.admin.find("Namespace", SYSTEM_NAMESPACE) is None:
        api_server.admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM_NAMESPACE}})
    environ = homelab.environment(home, home / "kubeconfig", {"PATH": os.environ["PATH"], **oidc_issuer.environ()})
    cluster = Cluster(api_server, flux, folder, home, environ)
    cluster.flux_pass()
    placeholders = cluster.state()
    workflow = cluster.workflow()
    historic = cluster.state()
    cluster.reset(historic)
    cluster.flux_pass()
    cluster.give_rights()

    plan = cluster.secrettool(*RUN, "--plan", "--output", "json")
    first = cluster.secrettool(*RUN, "--output", "json")
    patched = cluster.state()
    cluster.flux_pass()
    cluster.flux_pass()
    reconciled = cluster.state()
    second = cluster.secrettool(*RUN, "--output", "json")
    drift = cluster.secrettool("patch", "drift", *RUN[1:], "--output", "json")
    cluster.edit("minecraft", "minecraft-secrets", **{"rcon-password": "changed by hand"})
    edited_drift, _ = cluster.secrettool("patch", "drift", *RUN[1:], "--output", "json")
    return Story(placeholders, workflow, historic, *plan, *first, patched, reconciled, *second, *drift, edited_drift)


def rows(done: Done) -> dict[tuple[str, str], Any]:
    """The rows of a report in JSON, by target and namespace."""
    return {(row["id"], row["object"]["namespace"]): row for row in json.loads(done.out)["targets"]}


def writes(requests: list[Request]) -> list[str]:
    return [f"{request.verb} {request.path}" for request in requests if request.verb not in READS]


def test_workflow_did_what_its_steps_say(story: Story) -> None:
    assert story.workflow.code == 0, story.workflow.err
    assert story.workflow.out.splitlines() == [f"::warning::there is no namespace {name}" for name in MISSING]
    assert ("chatto", "chatto-config") not in story.placeholders.secrets


def test_pt_33_one_run_does_all_of_it(story: Story) -> None:
    assert story.first.code == 0, story.first.out + story.first.err

    assert json.loads(story.first.out)["totals"] == {"changed": 7, "unchanged": 0, "created": 8, "skipped": 3, "refused": 0, "failed": 0}
    assert [namespace for (_, namespace), row in rows(story.first).items() if row["result"] == "skipped"] == list(MISSING)
    assert all([f["code"] for f in rows(story.first)["bw-auth-token", name]["findings"]] == ["NS01"] for name in MISSING)


@pytest.mark.parametrize(("namespace", "name"), SECRETS)
def test_objects_are_as_the_workflow_left_them(namespace: str, name: str, story: Story) -> None:
    ours, theirs = story.patched.secrets[namespace, name], story.historic.secrets[namespace, name]
    wanted = values(theirs)
    found = values(ours)
    if name == "mcp-proxmox-secrets":  # jq printed it in its own layout
        assert json.loads(found.pop("config.json")) == json.loads(wanted.pop("config.json"))
    if name == "chatto-config":  # the workflow lost the settings of the manifest
        assert {found.pop("CHATTO_URL"), found.pop("CHATTO_LOG")} == {b"https://chatto.example.net", b"warn"}

    assert found == wanted
    assert ours["type"] == theirs["type"]
    assert homelab.notes(theirs)[OWN_PREFIX + "reconcile"] == "disabled"
    assert "REPLACE_ME" not in str([text.decode() for text in values(ours).values()])


def test_pt_22_every_object_that_needs_it_is_annotated(story: Story) -> None:
    annotated = {name for (_, name), obj in story.patched.secrets.items() if homelab.notes(obj).get(OWN_PREFIX + "reconcile") == "disabled"}

    assert annotated == {name for _, name in SECRETS}
    assert homelab.notes(story.patched.issuer)[OWN_PREFIX + "reconcile"] == "disabled"


def test_cluster_wide_field_is_set_and_the_rest_of_it_stays(story: Story) -> None:
    assert story.patched.issuer["spec"] == story.historic.issuer["spec"]
    assert story.patched.issuer["spec"]["acme"]["email"] == VALUES["ADMIN_EMAIL"]


def test_bootstrap_token_is_in_every_namespace_that_is_there(story: Story) -> None:
    for namespace in NAMESPACES:
        found = story.patched.secrets[namespace, TOKEN]
        assert values(found) == values(story.historic.secrets[namespace, TOKEN]) == {"token": VALUES["BW_AUTH_TOKEN"].encode()}
        assert "kubectl.kubernetes.io/last-applied-configuration" not in homelab.notes(found)


def test_pt_09_object_made_from_its_manifest_keeps_what_the_manifest_says(story: Story) -> None:
    found = story.patched.secrets["chatto", "chatto-config"]

    assert found["metadata"]["labels"] == {"app": "chatto", "app.kubernetes.io/managed-by": "secrettool"}
    assert values(found)["CHATTO_NATS_CLIENT_TOKEN"] == VALUES["NATS_TOKEN"].encode()


def test_pt_36_workload_is_restarted_once_and_flux_leaves_it_so(story: Story) -> None:
    row = rows(story.first)["authentik-credentials", "authentik"]
    assert row["restarted"] == ["Deployment/authentik-server"]
    assert rows(story.second)["authentik-credentials", "authentik"]["restarted"] == []

    patched, reconciled = (state.deployment["spec"]["template"]["metadata"]["annotations"] for state in (story.patched, story.reconciled))
    assert patched == reconciled
    assert set(patched) == {"secrettool.dev/restartedAt"}


def test_flux_changes_nothing_of_it(story: Story) -> None:
    assert story.reconciled.secrets == story.patched.secrets
    assert story.reconciled.issuer == story.patched.issuer


def test_pt_25_second_run_sends_no_write_request(story: Story) -> None:
    assert story.second.code == 0, story.second.out
    assert json.loads(story.second.out)["totals"] == {"changed": 0, "unchanged": 15, "created": 0, "skipped": 3, "refused": 0, "failed": 0}
    assert writes(story.first_requests)
    assert not writes(story.second_requests)


def test_each_object_is_written_with_one_request(story: Story) -> None:
    sent = writes(story.first_requests)

    assert len(sent) == 16  # 15 objects, one restart
    assert {each.split()[0] for each in sent} == {"patch"}
    assert len(set(sent)) == len(sent)


def test_pt_27_plan_reads_only_and_says_what_the_run_then_does(story: Story) -> None:
    assert story.plan.code == 0
    assert not writes(story.plan_requests)
    planned, done = rows(story.plan), rows(story.first)
    assert {key: (row["result"], row["keys"]) for key, row in planned.items()} == {key: (row["result"], row["keys"]) for key, row in done.items()}
    assert planned["mcp-proxmox-secrets", "mcp-proxmox"]["keys"] == {"config.json": "fill"}
    assert planned["authentik-credentials", "authentik"]["keys"] == {"bootstrap-email": "fill", "secret-key": "fill", "smtp-password": "set"}


def test_pt_34_rights_of_patch_role_are_enough_and_nothing_is_listed(story: Story, api_server: ApiServer) -> None:
    assert story.first.code == 0
    assert not [request for request in story.first_requests if request.verb in ("list", "watch")]
    account = api_server.client(api_server.token(SYSTEM_NAMESPACE, ACCOUNT))
    with pytest.raises(ApiError, match="403"):
        account.get("Secret", "k3s-other", "authentik")


def test_pt_28_drift_finds_the_edit_by_hand_and_writes_nothing(story: Story) -> None:
    found = {key: [f["code"] for f in row["findings"] if f["code"].startswith("DR")] for key, row in rows(story.edited_drift).items()}

    assert story.drift.code == 0, story.drift.out
    assert not writes(story.drift_requests)
    assert story.edited_drift.code == 6
    assert {key: codes for key, codes in found.items() if codes} == {("minecraft-secrets", "minecraft"): ["DR03"]}


def test_pt_32_no_value_is_in_any_output(story: Story) -> None:
    hidden = [text for text in VALUES.values() if text != VALUES["ADMIN_EMAIL"]]
    encoded = [base64.b64encode(text.encode()).decode() for text in VALUES.values()]
    for done in (story.plan, story.first, story.second, story.drift, story.edited_drift):
        assert not [text for text in (*hidden, VALUES["ADMIN_EMAIL"], *encoded) if text in done.out + done.err]
