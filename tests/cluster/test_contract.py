"""What a cluster does, told of both: a folder of manifests, and a real API server. Rows of the table in section 4 of the requirements, and more."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from secrettool.cluster.folder.kinds import BUILT_IN
from secrettool.cluster.model import ApplyConflict, UnknownKind
from secrettool.errors import ClusterError
from secrettool.flux import APPLY_MANAGER, PATCH_MANAGER
from secrettool.objects import Ref
from tests.cluster.scene import CANARY, FLUX, Json, Scene, b64, manifest
from tests.interop.gitops import values

MIB = 1024 * 1024


# ---- what a patch does ---------------------------------------------------------------------------------------------------------------------------


def test_pt_16_changed_and_absent_keys_and_annotations_in_one_request(scene: Scene) -> None:
    scene.secret(a="1", b="2", c="3")
    annotations = {"kustomize.toolkit.fluxcd.io/reconcile": "disabled"}
    scene.patch({"metadata": {"resourceVersion": scene.version(), "annotations": annotations}, "data": {"a": b64("new"), "b": None}})
    assert values(scene.live()) == {"a": b"new", "c": b"3"}
    assert scene.live()["metadata"]["annotations"] == annotations


def test_pt_16_answer_has_no_data(scene: Scene) -> None:
    scene.secret(a="1")
    answer = scene.patch({"data": {"a": b64(CANARY)}})
    assert set(answer) == {"apiVersion", "kind", "metadata"}
    assert (answer["apiVersion"], answer["kind"]) == ("v1", "Secret")
    assert answer["metadata"]["resourceVersion"] == scene.version()


def test_pt_16_dry_run_answers_and_stores_nothing(scene: Scene) -> None:
    scene.secret(a="1")
    before = scene.live()
    answer = scene.patch({"metadata": {"annotations": {"x": "y"}}, "data": {"a": b64("2")}}, dry_run=True)
    assert answer["metadata"]["annotations"] == {"x": "y"}
    assert scene.live() == before


def test_pt_17_string_data_wins_over_data(scene: Scene) -> None:
    scene.secret(a="1")
    scene.patch({"data": {"a": b64("2")}, "stringData": {"a": "3"}})
    assert values(scene.live()) == {"a": b"3"}
    assert "stringData" not in scene.live()


def test_pt_17_null_takes_a_key_away_in_data_only(scene: Scene) -> None:
    scene.secret(a="1", b="2")
    scene.patch({"stringData": {"a": None}})
    assert values(scene.live()) == {"a": b"1", "b": b"2"}
    scene.patch({"data": {"a": None}})
    assert values(scene.live()) == {"b": b"2"}


def test_pt_17_any_bytes(scene: Scene) -> None:
    data = bytes(range(256))
    scene.secret(a="1")
    scene.patch({"data": {"a": b64(data)}})
    assert values(scene.live()) == {"a": data}


def test_pt_25_equal_values_change_neither_version_nor_managers(scene: Scene) -> None:
    scene.secret(a="1")
    before = scene.live()
    answer = scene.patch({"data": {"a": b64("1")}})
    assert answer["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    assert scene.live() == before


def test_pt_16_written_fields_become_those_of_our_manager(scene: Scene) -> None:
    scene.secret(a="1", b="2")
    scene.patch({"data": {"a": b64("3"), "new": b64("4")}})
    owners = scene.owners()
    assert owners[PATCH_MANAGER, "Update"] == {"data.a", "data.new"}
    assert "data.b" in owners[FLUX, "Apply"]
    assert "data.a" not in owners[FLUX, "Apply"]


def test_pt_18_maps_merge_and_lists_are_replaced_whole(scene: Scene) -> None:
    issuer = Issuer(scene)
    issuer.patch({"spec": {"acme": {"email": "me@example.net"}}})
    assert issuer.acme["email"] == "me@example.net"
    assert len(issuer.acme["solvers"]) == 2
    issuer.patch({"spec": {"acme": {"solvers": [{"http01": {}}]}}})
    assert issuer.acme["solvers"] == [{"http01": {}}]


# ---- preconditions -------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["1", "2"])
def test_pt_17_stale_version_is_a_conflict_whatever_is_written(scene: Scene, value: str) -> None:
    scene.secret(a="0")
    stale = scene.version()
    scene.patch({"data": {"a": b64("1")}})
    error = scene.refused({"metadata": {"resourceVersion": stale}, "data": {"a": b64(value)}})
    assert (error.status, error.message) == (409, "409 Conflict: somebody else changed it at the same time")


@pytest.mark.parametrize("version", ["", None])
def test_pt_17_empty_version_is_no_precondition(scene: Scene, version: str | None) -> None:
    scene.secret(a="0")
    scene.patch({"metadata": {"resourceVersion": version}, "data": {"a": b64("1")}})
    assert values(scene.live()) == {"a": b"1"}


def test_pt_16_present_version_is_met(scene: Scene) -> None:
    scene.secret(a="0")
    scene.patch({"metadata": {"resourceVersion": scene.version()}, "data": {"a": b64("1")}})
    assert values(scene.live()) == {"a": b"1"}


def test_uid_of_another_object(scene: Scene) -> None:
    scene.secret(a="0")
    error = scene.refused({"metadata": {"uid": "00000000-0000-4000-8000-000000000000"}, "data": {"a": b64("1")}})
    assert error.message == "422 Invalid: metadata.uid: the field cannot be changed"


@pytest.mark.parametrize("head", [{"name": "other"}, {"namespace": "other"}])
def test_name_of_another_object(scene: Scene, head: Json) -> None:
    scene.secret(a="0")
    assert scene.refused({"metadata": head}).message == "400 BadRequest: it names another object"


def test_pt_26_twenty_writers_lose_nothing(scene: Scene) -> None:
    scene.secret(start="0")

    def write(number: int) -> int:
        for tries in range(1, 100):
            body = {"metadata": {"resourceVersion": scene.version()}, "data": {f"key-{number}": b64(str(number))}}
            try:
                scene.patch(body)
            except ClusterError as error:
                assert error.status == 409
                continue
            return tries
        raise AssertionError("never got through")

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(write, range(20)))
    assert values(scene.live()) == {"start": b"0"} | {f"key-{number}": str(number).encode() for number in range(20)}


# ---- what is refused -----------------------------------------------------------------------------------------------------------------------------

INVALID: dict[str, tuple[Json, str]] = {
    "not base64": ({"data": {"a": f"!{CANARY}"}}, "data is not base64"),
    "base64 without its end": ({"data": {"a": "eA"}}, "data is not base64"),
    "a number": ({"data": {"a": 5}}, "a field has the wrong type"),
    "a list": ({"data": [CANARY]}, "a field has the wrong type"),
    "a number as annotation": ({"metadata": {"annotations": {"a": 5}}}, "a field has the wrong type"),
    "text as truth": ({"immutable": "yes"}, "a field has the wrong type"),
    "unknown field": ({"datum": {"a": CANARY}}, "the kind has no such field"),
    "unknown field of metadata": ({"metadata": {"note": CANARY}}, "the kind has no such field"),
    "annotation key": ({"metadata": {"annotations": {"a b": CANARY}}}, "metadata.annotations is invalid"),
    "label": ({"metadata": {"labels": {"a": f"{CANARY} b"}}}, "metadata.labels is invalid"),
    "key": ({"data": {"a/b": b64(CANARY)}}, "data[a/b] is invalid"),
    "key of dots": ({"data": {"..": b64(CANARY)}}, "data[..] is invalid"),
    "long key": ({"data": {"k" * 254: b64(CANARY)}}, "it is larger than 253"),
    "size": ({"data": {"a": b64("x" * (MIB - 10)), "b": b64("0123456789")}}, "data: it is larger than 1048576"),
    "type": ({"type": "example.org/other"}, "type: the field cannot be changed"),
    "kind": ({"kind": "ConfigMap"}, ""),
}


@pytest.mark.parametrize("what", INVALID)
def test_pt_21_what_is_invalid_is_named_and_never_quoted(scene: Scene, what: str) -> None:
    scene.secret(stored=CANARY)
    body, told = INVALID[what]
    error = scene.refused(body)
    assert (error.status, error.reason) == (422, "Invalid")
    assert told in error.message


def test_largest_secret_there_can_be(scene: Scene) -> None:
    scene.secret(a="x")
    scene.patch({"data": {"a": b64("x" * MIB)}})
    assert len(values(scene.live())["a"]) == MIB


def test_base64_on_several_lines_is_taken(scene: Scene) -> None:
    scene.secret(a="x")
    scene.patch({"data": {"a": "aGVs\nbG8=\n"}})
    assert scene.live()["data"] == {"a": "aGVsbG8="}


def test_type_that_is_taken_away_is_the_default_again(scene: Scene) -> None:
    scene.secret(a="x")
    scene.patch({"type": None})
    assert scene.live()["type"] == "Opaque"


def test_tls_secret_needs_its_keys(scene: Scene) -> None:
    scene.secret(more={"type": "kubernetes.io/tls"}, **{"tls.crt": "x", "tls.key": "y"})
    assert "data[tls.crt] is required" in scene.refused({"data": {"tls.crt": None}}).message


def test_settings_take_text_only(scene: Scene) -> None:
    scene.cluster.apply(manifest(scene.namespace, "settings", kind="ConfigMap", data={"a": "1"}), manager=FLUX)
    ref = scene.ref("settings", "ConfigMap")
    wrong: list[Json] = [{"data": {"a": 1}}, {"datum": {}}]
    for body in wrong:
        with pytest.raises(ClusterError, match="422 Invalid"):
            scene.cluster.patch(ref, body, kind="merge", manager=PATCH_MANAGER)
    scene.cluster.patch(ref, {"data": {"a": "2", "b": "!"}, "binaryData": {"c": "eA=="}}, kind="merge", manager=PATCH_MANAGER)
    found = scene.cluster.get(ref)
    assert found is not None
    assert (found["data"], found["binaryData"]) == ({"a": "2", "b": "!"}, {"c": "eA=="})


@pytest.mark.parametrize("body", [{"data": {"a": b64("2")}}, {"data": {"b": b64("2")}}, {"data": {"a": None}}])
def test_pt_20_data_of_an_immutable_secret_stays(scene: Scene, body: Json) -> None:
    scene.secret(a=CANARY, more={"immutable": True})
    assert scene.refused(body).message == "422 Invalid: data: the object is immutable"


@pytest.mark.parametrize("value", [None, False])
def test_pt_20_immutable_cannot_be_cleared(scene: Scene, value: bool | None) -> None:
    scene.secret(a=CANARY, more={"immutable": True})
    assert scene.refused({"immutable": value}).message == "422 Invalid: immutable: the object is immutable"


def test_pt_20_immutable_secret_takes_annotations_and_equal_data(scene: Scene) -> None:
    scene.secret(a="1", more={"immutable": True})
    scene.patch({"metadata": {"annotations": {"x": "y"}}, "data": {"a": b64("1")}})
    assert scene.live()["metadata"]["annotations"] == {"x": "y"}


def test_patch_creates_nothing(scene: Scene) -> None:
    bodies: list[Json | list[Json]] = [{"data": {"a": b64("1")}}, [{"op": "add", "path": "/data/a", "value": b64("1")}]]
    for body in bodies:
        with pytest.raises(ClusterError) as raised:
            scene.patch(body, "missing")
        assert raised.value.status == 404
    assert scene.cluster.get(scene.ref("missing")) is None


@pytest.mark.parametrize("version", ["v1", "example.org/v1", "apps/v9"])
def test_pt_18_unknown_kind(scene: Scene, version: str) -> None:
    ref = Ref(version, "Gadget", scene.namespace, "x")
    with pytest.raises(UnknownKind):
        scene.cluster.get(ref)
    with pytest.raises(UnknownKind):
        scene.cluster.patch(ref, {"spec": {}}, kind="merge", manager=PATCH_MANAGER)


# ---- JSON patches --------------------------------------------------------------------------------------------------------------------------------


class Issuer:
    """A custom resource with a list in it."""

    def __init__(self, scene: Scene) -> None:
        self.cluster = scene.cluster
        self.ref = Ref("cert-manager.io/v1", "ClusterIssuer", "", f"issuer-{scene.namespace}")
        solvers = [{"http01": {"ingress": {"class": "a"}}}, {"dns01": {}}]
        acme = {"email": "REPLACE_ME", "server": "https://acme.example.net", "privateKeySecretRef": {"name": "key"}, "solvers": solvers}
        head = {"apiVersion": self.ref.api_version, "kind": self.ref.kind, "metadata": {"name": self.ref.name}}
        self.cluster.apply({**head, "spec": {"acme": acme}}, manager=FLUX)

    def patch(self, body: Json | list[Json]) -> Json:
        return self.cluster.patch(self.ref, body, kind="merge" if isinstance(body, dict) else "json", manager=PATCH_MANAGER)

    @property
    def live(self) -> Json:
        found = self.cluster.get(self.ref)
        assert found is not None
        return found

    @property
    def acme(self) -> Json:
        acme: Json = self.live["spec"]["acme"]
        return acme


CLASS = "/spec/acme/solvers/0/http01/ingress/class"


def test_pt_18_element_of_a_list(scene: Scene) -> None:
    issuer = Issuer(scene)
    version = issuer.live["metadata"]["resourceVersion"]
    tests = [{"op": "test", "path": "/metadata/resourceVersion", "value": version}, {"op": "test", "path": CLASS, "value": "a"}]
    issuer.patch([*tests, {"op": "replace", "path": CLASS, "value": "b"}])
    assert issuer.acme["solvers"] == [{"http01": {"ingress": {"class": "b"}}}, {"dns01": {}}]


def test_pt_18_stale_version_is_a_conflict_in_operations_too(scene: Scene) -> None:
    issuer = Issuer(scene)
    version = issuer.live["metadata"]["resourceVersion"]
    issuer.patch({"spec": {"acme": {"email": "x@example.net"}}})
    operations = [{"op": "test", "path": "/metadata/resourceVersion", "value": version}, {"op": "replace", "path": CLASS, "value": "b"}]
    with pytest.raises(ClusterError) as raised:
        issuer.patch(operations)
    assert (raised.value.status, raised.value.reason) == (409, "Conflict")
    assert issuer.acme["solvers"][0]["http01"]["ingress"]["class"] == "a"


OPERATIONS: dict[str, Json] = {
    "test of another value": {"op": "test", "path": CLASS, "value": "other"},
    "test of what is missing": {"op": "test", "path": "/spec/acme/other", "value": CANARY},
    "element that is missing": {"op": "replace", "path": "/spec/acme/solvers/7", "value": {"dns01": {}}},
    "below what is missing": {"op": "replace", "path": "/spec/other/email", "value": CANARY},
    "removal of what is missing": {"op": "remove", "path": "/spec/acme/other"},
    "no operation": {"op": "improve", "path": "/spec"},
}


@pytest.mark.parametrize("what", OPERATIONS)
def test_pt_18_operations_that_do_not_fit(scene: Scene, what: str) -> None:
    issuer = Issuer(scene)
    before = issuer.live
    version = {"op": "test", "path": "/metadata/resourceVersion", "value": before["metadata"]["resourceVersion"]}
    for operations in ([OPERATIONS[what]], [version, OPERATIONS[what]]):
        with pytest.raises(ClusterError) as raised:
            issuer.patch(operations)
        assert (raised.value.status, raised.value.message) == (422, "422 Invalid")
    assert issuer.live == before


def test_pt_18_replace_of_a_missing_entry_adds_it(scene: Scene) -> None:
    scene.secret(a="1")
    scene.patch([{"op": "replace", "path": "/data/b", "value": b64("2")}])
    assert values(scene.live()) == {"a": b"1", "b": b"2"}


def test_operations_of_every_sort(scene: Scene) -> None:
    scene.secret(a="1", b="2", c="3")
    scene.patch(
        [
            {"op": "add", "path": "/data/d", "value": b64("4")},
            {"op": "remove", "path": "/data/a"},
            {"op": "move", "from": "/data/b", "path": "/data/e"},
            {"op": "copy", "from": "/data/c", "path": "/data/f"},
            {"op": "add", "path": "/metadata/annotations", "value": {"example.org/x": "y"}},
            {"op": "replace", "path": "/metadata/annotations/example.org~1x", "value": "z"},
        ]
    )
    assert values(scene.live()) == {"c": b"3", "d": b"4", "e": b"2", "f": b"3"}
    assert scene.live()["metadata"]["annotations"] == {"example.org/x": "z"}


def test_operations_are_checked_as_merge_patches_are(scene: Scene) -> None:
    scene.secret(a=CANARY)
    error = scene.refused([{"op": "add", "path": "/data/b", "value": f"!{CANARY}"}])
    assert error.message.endswith("data is not base64")


# ---- deletion ------------------------------------------------------------------------------------------------------------------------------------


def test_pt_20_deletion_needs_uid_and_version_as_they_are(scene: Scene) -> None:
    head = scene.secret(a="1")["metadata"]
    for uid, version in (("00000000-0000-4000-8000-000000000000", head["resourceVersion"]), (head["uid"], "1000000")):
        with pytest.raises(ClusterError) as raised:
            scene.cluster.delete(scene.ref(), uid=uid, resource_version=version)
        assert (raised.value.status, raised.value.reason) == (409, "Conflict")
    assert values(scene.live()) == {"a": b"1"}
    scene.cluster.delete(scene.ref(), uid=head["uid"], resource_version=head["resourceVersion"], dry_run=True)
    assert values(scene.live()) == {"a": b"1"}
    scene.cluster.delete(scene.ref(), uid=head["uid"], resource_version=head["resourceVersion"])
    assert scene.cluster.get(scene.ref()) is None
    with pytest.raises(ClusterError) as raised:
        scene.cluster.delete(scene.ref(), uid=head["uid"], resource_version=head["resourceVersion"])
    assert raised.value.status == 404


def test_pt_20_immutable_secret_is_made_again_as_another_object(scene: Scene) -> None:
    old = scene.secret(a="1", more={"immutable": True})["metadata"]
    scene.cluster.delete(scene.ref(), uid=old["uid"], resource_version=old["resourceVersion"])
    new = scene.secret(a="2", more={"immutable": True}, manager=PATCH_MANAGER)
    assert values(new) == {"a": b"2"}
    assert new["metadata"]["uid"] != old["uid"]
    assert scene.owners().keys() == {(PATCH_MANAGER, "Apply")}


# ---- server-side apply ---------------------------------------------------------------------------------------------------------------------------


def test_pt_09_apply_creates(scene: Scene) -> None:
    made = scene.secret(a="1", manager=PATCH_MANAGER)
    assert made == scene.live()
    assert (values(made), made["type"]) == ({"a": b"1"}, "Opaque")
    assert made["metadata"]["uid"]
    assert scene.owners() == {(PATCH_MANAGER, "Apply"): {"data.a"}}


def test_apply_without_storing_creates_nothing(scene: Scene) -> None:
    made = scene.cluster.apply(manifest(scene.namespace, "db", stringData={"a": "1"}), manager=PATCH_MANAGER, dry_run=True)
    assert values(made) == {"a": b"1"}
    assert "resourceVersion" not in made["metadata"]
    assert scene.cluster.get(scene.ref()) is None


def test_apply_takes_away_what_its_manager_no_longer_sends(scene: Scene) -> None:
    scene.secret(a="1", b="2")
    scene.patch({"data": {"c": b64("3")}})
    assert values(scene.secret(a="1")) == {"a": b"1", "c": b"3"}


def test_apply_meets_conflicts_and_shares_equal_values(scene: Scene) -> None:
    scene.secret(a="1", b="2")
    scene.patch({"data": {"a": b64(CANARY)}})
    with pytest.raises(ApplyConflict) as raised:
        scene.secret(a="3", b="2", manager=APPLY_MANAGER)
    assert raised.value.conflicts == ((PATCH_MANAGER, ".data.a"),)
    assert values(scene.secret(b="2", manager=APPLY_MANAGER)) == {"a": CANARY.encode(), "b": b"2"}
    assert {name for (name, _), fields in scene.owners().items() if "data.b" in fields} == {APPLY_MANAGER, FLUX}


def test_apply_by_force_takes_over(scene: Scene) -> None:
    scene.secret(a="1")
    forced = manifest(scene.namespace, "db", data={"a": b64("2")})
    assert values(scene.cluster.apply(forced, manager=APPLY_MANAGER, force=True)) == {"a": b"2"}
    assert [name for (name, _), fields in scene.owners().items() if "data.a" in fields] == [APPLY_MANAGER]


def test_apply_without_a_change_keeps_the_version(scene: Scene) -> None:
    before = scene.secret(a="1")
    assert scene.secret(a="1") == before


def test_apply_of_a_stale_version_is_a_conflict(scene: Scene) -> None:
    stale = scene.secret(a="1")["metadata"]["resourceVersion"]
    scene.patch({"data": {"b": b64("1")}})
    obj = manifest(scene.namespace, "db", data={"a": b64("1")})
    obj["metadata"]["resourceVersion"] = stale
    with pytest.raises(ClusterError) as raised:
        scene.cluster.apply(obj, manager=FLUX)
    assert (raised.value.status, type(raised.value)) == (409, ClusterError)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"data": {"a": f"!{CANARY}"}}, "500 InternalServerError: data is not base64"),
        ({"data": {"a": 5}}, "500 InternalServerError: .data.a: a field has the wrong type"),
        ({"note": CANARY}, "500 InternalServerError: .note: the kind has no such field"),
        ({"type": "example.org/other"}, "422 Invalid: type: the field cannot be changed"),
    ],
)
def test_apply_of_what_is_invalid(scene: Scene, more: Json, told: str) -> None:
    scene.secret(a="1")
    with pytest.raises(ClusterError) as raised:
        scene.cluster.apply(manifest(scene.namespace, "db", **more), manager=FLUX)
    assert raised.value.message == told


@pytest.mark.parametrize("name", ["Upper", "a_b", "-a", "a..b"])
def test_name_that_no_object_may_have(scene: Scene, name: str) -> None:
    with pytest.raises(ClusterError, match=r"422 Invalid: metadata\.name is invalid"):
        scene.secret(name, a="1")


def test_pt_09_namespace_that_is_missing(scene: Scene) -> None:
    assert scene.cluster.namespace_exists(scene.namespace)
    assert scene.cluster.namespace_exists("default")
    assert not scene.cluster.namespace_exists("nowhere")
    with pytest.raises(ClusterError) as raised:
        scene.cluster.apply(manifest("nowhere", "db", data={}), manager=PATCH_MANAGER)
    assert (raised.value.status, raised.value.message) == (404, "404 NotFound: namespace nowhere does not exist")
    assert scene.cluster.get(Ref("v1", "Secret", "nowhere", "db")) is None


# ---- lists and kinds -----------------------------------------------------------------------------------------------------------------------------


def test_pt_36_objects_of_a_kind_in_a_namespace(scene: Scene) -> None:
    scene.secret("b", k="1")
    scene.secret("a", k="2")
    scene.cluster.apply(manifest(scene.namespace, "c", kind="ConfigMap", data={}), manager=FLUX)
    scene.cluster.apply(manifest("default", "elsewhere", data={}), manager=FLUX)
    found = scene.cluster.list_objects("v1", "Secret", scene.namespace)
    assert found == [scene.live("a"), scene.live("b")]
    assert scene.cluster.list_objects("apps/v1", "Deployment", scene.namespace) == []
    with pytest.raises(UnknownKind):
        scene.cluster.list_objects("v1", "Gadget", scene.namespace)


def test_list_of_a_kind_without_namespaces(scene: Scene) -> None:
    issuer = Issuer(scene)
    found = scene.cluster.list_objects("cert-manager.io/v1", "ClusterIssuer", "")
    assert issuer.live in found
    assert all(each["kind"] == "ClusterIssuer" for each in found)


def test_kinds_that_every_cluster_has(scene: Scene) -> None:
    assert {key: scene.cluster.is_namespaced(*key) for key in BUILT_IN} == BUILT_IN


def test_what_is_read_is_nobody_elses(scene: Scene) -> None:
    scene.secret(a="1")
    before = json.dumps(scene.live())
    scene.live()["data"]["a"] = "changed"
    assert json.dumps(scene.live()) == before
