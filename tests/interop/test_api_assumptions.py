"""What the patcher takes for granted of an API server: each row of the table in section 4 of the requirements, asked of the real one.

A row that no longer holds fails with the version of Kubernetes in its message.
"""

from __future__ import annotations

import http.client
import json
import ssl
from base64 import b64encode
from functools import cached_property
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

import pytest

from secrettool.flux import PATCH_MANAGER
from tests.interop.gitops import values
from tests.interop.peers.apiclient import Json
from tests.interop.peers.apiserver import ApiServer, Rule

pytestmark = pytest.mark.real

CANARY = "canary-8c31"
MIB = 1024 * 1024
MERGE, STRATEGIC, OPERATIONS = (f"application/{name}+json" for name in ("merge-patch", "strategic-merge-patch", "json-patch"))
METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1, application/json"
ISSUER = "cert-manager.io/v1"


def b64(text: str | bytes) -> str:
    return b64encode(text.encode() if isinstance(text, str) else text).decode()


class Answer(NamedTuple):
    """What came back, unread."""

    status: int
    warning: str
    body: Json

    @property
    def reason(self) -> str:
        return str(self.body.get("reason"))

    @property
    def message(self) -> str:
        return str(self.body.get("message"))

    @property
    def version(self) -> str:
        return str(self.body["metadata"]["resourceVersion"])


class Api:
    """The API server, asked by plain HTTP. Shown as the version of Kubernetes, for the message of an assertion that fails."""

    def __init__(self, server: ApiServer, namespace: str, token: str | None = None) -> None:
        self.server = server
        self.namespace = namespace
        self._token = token or server.admin_token

    def __repr__(self) -> str:
        return f"no longer so in Kubernetes {self.version}"

    @cached_property
    def version(self) -> str:
        return str(self.server.admin.ask("GET", "/version")["gitVersion"])

    def ask(self, method: str, path: str, body: object = None, *, media: str = "application/json", accept: str = "application/json") -> Answer:
        where = urlsplit(self.server.url)
        context = ssl.create_default_context(cafile=str(self.server.ca))
        connection = http.client.HTTPSConnection(str(where.hostname), where.port, timeout=30, context=context)
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": media, "Accept": accept}
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            told = connection.getresponse()
            return Answer(told.status, told.headers.get("Warning", ""), json.loads(told.read()))
        finally:
            connection.close()

    def path(self, name: str = "db") -> str:
        return f"/api/v1/namespaces/{self.namespace}/secrets/{name}"

    def secret(self, more: Json | None = None, **data: str | bytes) -> Answer:
        """Create the Secret `db` by server-side apply, as Flux does."""
        head = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db", "namespace": self.namespace}}
        content = head | {"data": {key: b64(value) for key, value in data.items()}} | (more or {})
        query = urlencode({"fieldManager": "kustomize-controller", "force": "true"})
        made = self.ask("PATCH", f"{self.path()}?{query}", content, media="application/apply-patch+yaml")
        assert made.status in (200, 201), made
        return made

    def patch(
        self, body: object, *, media: str = MERGE, accept: str = "application/json", name: str = "db", strict: bool = True, **query: str
    ) -> Answer:
        wanted = {"fieldManager": PATCH_MANAGER} | ({"fieldValidation": "Strict"} if strict else {}) | query
        return self.ask("PATCH", f"{self.path(name)}?{urlencode(wanted)}", body, media=media, accept=accept)

    def live(self) -> Json:
        return self.ask("GET", self.path()).body

    def data(self) -> dict[str, bytes]:
        return values(self.live())

    def managers(self) -> dict[tuple[str, str], Json]:
        entries = self.live()["metadata"]["managedFields"]
        return {(entry["manager"], entry["operation"]): entry["fieldsV1"] for entry in entries}


@pytest.fixture
def api(api_server: ApiServer, namespace: str) -> Api:
    return Api(api_server, namespace)


def test_failing_assumption_names_the_version(api: Api) -> None:
    assert str(api).startswith("no longer so in Kubernetes v1.")
    with pytest.raises(AssertionError, match=r"no longer so in Kubernetes v1\.\d+\.\d+"):
        assert api.secret(a="1").status == 0, api


# ---- values --------------------------------------------------------------------------------------------------------------------------------------


def test_string_data_wins_over_data(api: Api) -> None:
    api.secret(a="1")
    assert api.patch({"data": {"a": b64("2")}, "stringData": {"a": "3"}}).status == 200, api
    assert api.data() == {"a": b"3"}, api


def test_null_in_string_data_does_nothing_and_in_data_takes_the_key_away(api: Api) -> None:
    api.secret(a="1", b="2")
    assert api.patch({"stringData": {"a": None}}).status == 200, api
    assert api.data() == {"a": b"1", "b": b"2"}, api
    assert api.patch({"data": {"a": None}}).status == 200, api
    assert api.data() == {"b": b"2"}, api


def test_equal_values_change_neither_version_nor_managers(api: Api) -> None:
    api.secret(a="1")
    before = api.live()
    answer = api.patch({"data": {"a": b64("1")}})
    assert (answer.status, answer.version) == (200, before["metadata"]["resourceVersion"]), api
    assert api.live() == before, api


# ---- preconditions -------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["1", "2"])
def test_stale_version_is_a_conflict_even_if_the_values_are_equal(api: Api, value: str) -> None:
    stale = api.secret(a="0").version
    api.patch({"data": {"a": b64("1")}})
    answer = api.patch({"metadata": {"resourceVersion": stale}, "data": {"a": b64(value)}})
    assert (answer.status, answer.reason) == (409, "Conflict"), api
    assert api.data() == {"a": b"1"}, api


@pytest.mark.parametrize("version", ["", None])
def test_empty_version_is_no_precondition(api: Api, version: str | None) -> None:
    api.secret(a="0")
    assert api.patch({"metadata": {"resourceVersion": version}, "data": {"a": b64("1")}}).status == 200, api
    assert api.data() == {"a": b"1"}, api


def test_wrong_uid_is_invalid(api: Api) -> None:
    api.secret(a="0")
    answer = api.patch({"metadata": {"uid": "00000000-0000-4000-8000-000000000000"}, "data": {"a": b64("1")}})
    assert (answer.status, answer.reason) == (422, "Invalid"), api
    assert api.data() == {"a": b"0"}, api


# ---- what is invalid -----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [{"data": {"a": "!"}}, {"data": {"a": 5}}, {"datum": {"a": "x"}}])
def test_refusal_quotes_the_whole_stored_object(api: Api, body: Json) -> None:
    api.secret(stored=CANARY)
    answer = api.patch(body)
    assert (answer.status, answer.reason) == (422, "Invalid"), api
    assert b64(CANARY) in answer.message, api


def test_unknown_field_without_strict_validation_is_a_warning(api: Api) -> None:
    api.secret(a="0")
    answer = api.patch({"datum": {"a": "x"}}, strict=False)
    assert answer.status == 200, api
    assert answer.warning.startswith('299 - "unknown field'), api
    assert "datum" not in api.live(), api


INVALID: dict[str, Json] = {
    "key": {"data": {"a/b": b64("x")}},
    "size": {"data": {"big": b64("x" * MIB), "one": b64("y")}},
    "type": {"type": "example.org/other"},
}


@pytest.mark.parametrize("what", INVALID)
def test_bad_key_size_and_type_are_invalid(api: Api, what: str) -> None:
    api.secret(a="0")
    assert api.patch(INVALID[what]).status == 422, api
    assert api.data() == {"a": b"0"}, api


def test_largest_total_is_one_mebibyte(api: Api) -> None:
    api.secret(a="0")
    assert api.patch({"data": {"a": b64("x" * (MIB - 1)), "b": b64("y")}}).status == 200, api


def test_immutable_secret_takes_annotations_and_equal_data_only(api: Api) -> None:
    api.secret({"immutable": True}, a="0")
    assert api.patch({"metadata": {"annotations": {"x": "y"}}, "data": {"a": b64("0")}}).status == 200, api
    changes: list[Json] = [{"data": {"a": b64("1")}}, {"data": {"b": b64("1")}}, {"data": {"a": None}}, {"immutable": False}, {"immutable": None}]
    assert [api.patch(body).status for body in changes] == [422] * len(changes), api
    assert (api.live()["immutable"], api.data()) == (True, {"a": b"0"}), api


# ---- what is missing, and what is only tried -----------------------------------------------------------------------------------------------------


def test_merge_patch_never_creates(api: Api) -> None:
    answer = api.patch({"data": {"a": b64("1")}}, name="missing")
    assert (answer.status, answer.reason) == (404, "NotFound"), api
    assert api.ask("GET", api.path("missing")).status == 404, api


def test_dry_run_answers_in_full_and_stores_nothing(api: Api) -> None:
    api.secret(a="0")
    before = api.live()
    answer = api.patch({"metadata": {"annotations": {"x": "y"}}, "data": {"a": b64("1")}}, dryRun="All")
    assert (answer.status, values(answer.body)) == (200, {"a": b"1"}), api
    assert answer.body["metadata"]["annotations"] == {"x": "y"}, api
    assert api.live() == before, api


def test_creation_in_a_missing_namespace_is_not_found(api: Api) -> None:
    head = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db", "namespace": "nowhere"}}
    query = urlencode({"fieldManager": PATCH_MANAGER})
    answer = api.ask("PATCH", f"/api/v1/namespaces/nowhere/secrets/db?{query}", head, media="application/apply-patch+yaml")
    assert (answer.status, answer.body["details"]["kind"]) == (404, "namespaces"), api


# ---- media types, owners, rights -----------------------------------------------------------------------------------------------------------------


def issuer(api: Api, **acme: Any) -> str:
    """A custom resource; its path."""
    spec = {"acme": {"server": "https://acme.example.net", "privateKeySecretRef": {"name": "key"}, **acme}}
    name = f"issuer-{api.namespace}"
    api.server.admin.apply({"apiVersion": ISSUER, "kind": "ClusterIssuer", "metadata": {"name": name}, "spec": spec})
    return f"/apis/{ISSUER}/clusterissuers/{name}"


def test_custom_resource_takes_merge_patches_and_no_strategic_ones(api: Api) -> None:
    path = issuer(api, email="REPLACE_ME")
    body = {"spec": {"acme": {"email": "me@example.net"}}}
    assert api.ask("PATCH", path, body, media=STRATEGIC).status == 415, api
    answer = api.ask("PATCH", path, body, media=MERGE)
    assert (answer.status, answer.body["spec"]["acme"]["email"]) == (200, "me@example.net"), api


def test_pt_18_lists_are_replaced_whole(api: Api) -> None:
    path = issuer(api, solvers=[{"http01": {}}, {"dns01": {}}])
    answer = api.ask("PATCH", path, {"spec": {"acme": {"solvers": [{"dns01": {"x": "y"}}]}}}, media=MERGE)
    assert answer.body["spec"]["acme"]["solvers"] == [{"dns01": {"x": "y"}}], api
    assert answer.body["spec"]["acme"]["server"] == "https://acme.example.net", api


def test_pt_18_failed_test_is_invalid_and_replace_of_a_missing_path_adds(api: Api) -> None:
    api.secret(a="0")
    for path, value in (("/data/a", b64("other")), ("/metadata/resourceVersion", "1")):
        operations = [{"op": "test", "path": path, "value": value}, {"op": "replace", "path": "/data/a", "value": b64("1")}]
        assert api.patch(operations, media=OPERATIONS).status == 422, api
    assert api.data() == {"a": b"0"}, api
    assert api.patch([{"op": "replace", "path": "/data/b", "value": b64("1")}], media=OPERATIONS).status == 200, api
    assert api.data() == {"a": b"0", "b": b"1"}, api


def test_written_keys_move_to_our_manager(api: Api) -> None:
    api.secret(a="0", b="0")
    api.patch({"data": {"a": b64("1")}})
    owners = api.managers()
    assert owners[PATCH_MANAGER, "Update"] == {"f:data": {"f:a": {}}}, api
    assert "f:a" not in owners["kustomize-controller", "Apply"]["f:data"], api
    assert "f:b" in owners["kustomize-controller", "Apply"]["f:data"], api


def test_answers_come_without_data_where_asked(api: Api) -> None:
    api.secret(a=CANARY)
    for answer in (api.ask("GET", api.path(), accept=METADATA_ONLY), api.patch({"data": {"b": b64(CANARY)}}, accept=METADATA_ONLY)):
        assert (answer.status, answer.body["kind"]) == (200, "PartialObjectMetadata"), api
        assert b64(CANARY) not in json.dumps(answer.body), api
        assert answer.version, api


def test_patch_is_a_right_to_read(api: Api) -> None:
    api.secret(a=CANARY)
    account = api.server.account(api.namespace, [Rule(["patch"], ["secrets"], names=["db"])])
    other = Api(api.server, api.namespace, account.token)
    assert other.ask("GET", other.path()).status == 403, api
    answer = other.patch({})
    assert (answer.status, values(answer.body)) == (200, {"a": CANARY.encode()}), api


def test_pt_09_right_to_create_can_be_bound_to_names_with_server_side_apply_only(api: Api) -> None:
    account = api.server.account(api.namespace, [Rule(["create", "patch"], ["secrets"], names=["db"])])
    other = Api(api.server, api.namespace, account.token)
    head = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db", "namespace": api.namespace}}
    assert other.ask("POST", f"/api/v1/namespaces/{api.namespace}/secrets", head).status == 403, api
    query = urlencode({"fieldManager": PATCH_MANAGER})
    assert other.ask("PATCH", f"{other.path()}?{query}", head, media="application/apply-patch+yaml").status == 201, api
    again = head | {"metadata": {"name": "else", "namespace": api.namespace}}
    assert other.ask("PATCH", f"{other.path('else')}?{query}", again, media="application/apply-patch+yaml").status == 403, api


def test_pt_20_deletion_keeps_to_its_preconditions(api: Api) -> None:
    made = api.secret({"immutable": True}, a="0")
    uid = made.body["metadata"]["uid"]
    for wrong in ({"uid": "00000000-0000-4000-8000-000000000000"}, {"uid": uid, "resourceVersion": "1"}):
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": wrong}
        assert api.ask("DELETE", api.path(), options).status == 409, api
    options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid, "resourceVersion": made.version}}
    assert api.ask("DELETE", api.path(), options).status == 200, api
    assert api.ask("GET", api.path()).status == 404, api
