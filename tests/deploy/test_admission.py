"""The admission policy under `deploy/`, in force in a real API server: a real value cannot be set back to a placeholder."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.deploy.installed import PLACEHOLDER, REAL, refusal, store
from tests.deploy.manifests import built, with_components
from tests.interop.peers.apiclient import MERGE, ApiError, Client, Json
from tests.interop.peers.apiserver import PATIENCE, ApiServer
from tests.waiting import wait_for

pytestmark = pytest.mark.real


class Guarded(NamedTuple):
    """A namespace that the admission policy looks after, with one Secret in it."""

    admin: Client
    namespace: str

    def put(self, data: Json | None, **more: Any) -> Json:
        """The Secret becomes this, whatever it was before."""
        self.admin.request("DELETE", self.path)
        head = {"name": "guarded", "namespace": self.namespace}
        return self.admin.create({"apiVersion": "v1", "kind": "Secret", "metadata": head} | ({} if data is None else {"data": data}) | more)

    @property
    def path(self) -> str:
        return self.admin.path("Secret", "guarded", self.namespace)

    def patch(self, change: Json) -> Json:
        """Change it by a merge patch."""
        return self.admin.ask("PATCH", self.path, change, media=MERGE)


def coded(text: str | bytes) -> str:
    """As `data` has it."""
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


@pytest.fixture(scope="module")
def guarded(api_server: ApiServer, real_kustomize: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """The policy in force; taken away again, since the server is shared."""
    folder = with_components(tmp_path_factory.mktemp("policy"), "apply", "admission-policy")
    policy = [each for each in built(real_kustomize, folder) if each["apiVersion"].startswith("admissionregistration")]
    assert [each["kind"] for each in policy] == ["ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"]
    admin, namespace = api_server.admin, api_server.namespace()
    admin.patch("Namespace", namespace, None, {"metadata": {"labels": {"secrettool.dev/keep-values": "true"}}})
    for each in policy:
        store(admin, each)
    found = Guarded(admin, namespace)
    admin.create({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "guarded", "namespace": namespace}, "data": {"key": REAL}})

    def is_in_force() -> bool:
        try:
            admin.ask("PATCH", found.path + "?dryRun=All", {"data": {"key": PLACEHOLDER}}, media=MERGE)
        except ApiError as error:
            return error.status == HTTPStatus.FORBIDDEN
        return False

    wait_for(is_in_force, seconds=PATIENCE)
    yield found
    for each in reversed(policy):
        admin.delete(each["kind"], each["metadata"]["name"], version=each["apiVersion"])
    wait_for(lambda: not is_in_force(), seconds=PATIENCE)


@pytest.mark.parametrize("text", ["REPLACE_ME", "REPLACE_ME\n", "REPLACE_ME the password of the database", "REPLACE_ME_LATER", "REPLACE_ME\xff\xff"])
def test_da_54_real_value_cannot_become_a_placeholder(guarded: Guarded, text: str) -> None:
    before = guarded.put({"token": REAL, "other": REAL})
    whole = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "guarded", "namespace": guarded.namespace}}
    changed = before | {"data": {"token": coded(text), "other": REAL}}
    del changed["metadata"]["managedFields"]
    ways: dict[str, Callable[[], object]] = {
        "merge patch": lambda: guarded.patch({"data": {"token": coded(text)}}),
        "merge patch of stringData": lambda: guarded.patch({"stringData": {"token": text}}),
        "apply": lambda: store(guarded.admin, whole | {"data": {"token": coded(text)}}),
        "apply of stringData": lambda: store(guarded.admin, whole | {"stringData": {"token": text}}),
        "put": lambda: guarded.admin.ask("PUT", guarded.path, changed),
    }
    for way, act in ways.items():
        told = refusal(act)
        assert told.status == HTTPStatus.FORBIDDEN, way
        assert "ValidatingAdmissionPolicy 'secrettool-keep-values'" in str(told), way
        assert str(told).endswith("a placeholder would replace a real value: token"), way
        assert "a real value" not in str(told).replace("a placeholder would replace a real value", "")
    assert guarded.admin.get("Secret", "guarded", guarded.namespace)["data"] == {"token": REAL, "other": REAL}


@pytest.mark.parametrize(
    ("before", "change"),
    [
        ({"k": REAL}, {"data": {"k": coded("another value")}}),
        ({"k": REAL}, {"data": {"k": coded("REPLACE_MD"), "l": coded("REPLACE_MF")}}),
        ({"k": REAL}, {"data": {"k": coded("REPLACE_M")}}),
        ({"k": REAL}, {"data": {"k": coded("a text with REPLACE_ME in it")}}),
        ({"k": REAL}, {"data": {"k": None}}),
        ({"k": REAL}, {"data": {"k": ""}}),
        ({"k": REAL}, {"data": {"new": PLACEHOLDER}}),
        ({"k": REAL}, {"metadata": {"labels": {"a": "b"}}}),
        ({"k": PLACEHOLDER}, {"data": {"k": REAL}}),
        ({"k": PLACEHOLDER}, {"data": {"k": coded("REPLACE_ME soon")}}),
        ({"k": PLACEHOLDER, "l": REAL}, {"metadata": {"annotations": {"a": "b"}}}),
        ({"k": ""}, {"data": {"k": PLACEHOLDER}}),
        (None, {"data": {"k": PLACEHOLDER}}),
        (None, {"metadata": {"labels": {"a": "b"}}}),
    ],
)
def test_da_54_other_changes_pass(guarded: Guarded, before: Json | None, change: Json) -> None:
    guarded.put(before)
    changed = guarded.patch(change)
    for name, value in change.get("data", {}).items():
        assert changed.get("data", {}).get(name) == value


def test_da_54_policy_can_afford_the_largest_secret(guarded: Guarded) -> None:
    guarded.put({f"k{number}": coded(bytes(1000)) for number in range(1000)} | {"token": REAL})
    guarded.patch({"data": {"k1": coded("changed")}})
    assert refusal(lambda: guarded.patch({"stringData": {"token": "REPLACE_ME"}})).status == HTTPStatus.FORBIDDEN
    guarded.put({"k": coded(b"REPLACE_ME" + bytes(1_000_000)), "token": REAL})
    guarded.patch({"data": {"token": coded("changed")}})


def test_da_54_namespace_without_the_label_is_left_alone(guarded: Guarded, api_server: ApiServer) -> None:
    manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "free", "namespace": api_server.namespace()}, "data": {"k": REAL}}
    api_server.admin.create(manifest)
    assert store(api_server.admin, manifest | {"data": {"k": PLACEHOLDER}})["data"] == {"k": PLACEHOLDER}
