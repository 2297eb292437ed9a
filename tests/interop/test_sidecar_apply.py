"""Mode `apply` against a real API server, pass by pass."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from secrettool.errors import ClusterError, GuardError, Outcome
from secrettool.sidecar.applying import LeaseLost
from secrettool.sidecar.inventory import OWNER
from secrettool.sidecar.passes import Report, Worker
from tests.interop.peers.apiclient import Json
from tests.interop.peers.apiserver import ApiServer, Rule
from tests.interop.sidecars import CANARY, Place, actions, secret

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("sidecar")]

PRUNING = (
    Rule(["get", "patch", "create", "delete"], ["secrets"]),
    Rule(["get", "patch", "create"], ["configmaps"]),
)


@pytest.fixture
def place(api_server: ApiServer, tmp_path: Path, namespace: str) -> Place:
    return Place(api_server, tmp_path, namespace)


def test_first_pass_applies_with_our_label_and_manager(place: Place) -> None:
    place.write(db=secret("db", password=CANARY))
    with place.worker() as worker:
        report = worker.run()
    assert (report.cause, actions(report), report.wrote) == ("", {"db": "created"}, True)
    assert place.value() == CANARY
    live = place.there()
    assert live["metadata"]["labels"] == {OWNER: "main"}
    assert {each["manager"] for each in live["metadata"]["managedFields"]} == {"secrettool"}
    assert CANARY not in repr(report)


def test_pass_without_change_writes_nothing_and_asks_once_for_each_object(place: Place) -> None:
    place.write(**{f"s{number}": secret(f"s{number}", password=CANARY) for number in range(5)})
    with place.worker() as worker:
        worker.run()
        versions = [place.version(f"s{number}") for number in range(5)]
        before = len(place.requests())
        report = worker.run()
    assert set(actions(report).values()) == {"unchanged"}
    assert not report.wrote
    assert [place.version(f"s{number}") for number in range(5)] == versions
    asked = place.requests()[before:]
    assert [each.verb for each in asked] == ["get"] * 5


def test_first_pass_after_a_restart_writes_nothing(place: Place) -> None:
    place.write(db=secret("db", password=CANARY))
    with place.worker() as worker:
        worker.run()
    version = place.version()
    with place.worker() as worker:
        assert not worker.run().wrote
    assert place.version() == version


@pytest.mark.parametrize(("edit", "force"), [({"data": {"password": None}}, False), ({"stringData": {"password": "other"}}, True)])
def test_drift_is_corrected_and_told(place: Place, edit: Json, force: bool) -> None:
    place.write(db=secret("db", password=CANARY))
    with place.worker(force=force) as worker:
        worker.run()
        assert not worker.has_drifted()
        place.api.admin.patch("Secret", "db", place.namespace, edit, manager="kubectl-edit")
        assert worker.has_drifted()
        report = worker.run()
        assert [each.is_drifted for each in report.objects] == [True]
        assert not worker.has_drifted()
        assert not worker.run().wrote
    assert place.value() == CANARY


def test_deleted_object_is_made_again(place: Place) -> None:
    place.write(db=secret("db", password=CANARY))
    with place.worker() as worker:
        worker.run()
        place.api.admin.delete("Secret", "db", place.namespace)
        assert worker.has_drifted()
        assert actions(worker.run()) == {"db": "created"}
    assert place.value() == CANARY


def test_changed_source_is_applied_and_is_no_drift(place: Place) -> None:
    place.write(db=secret("db", password="first", user="u"))
    with place.worker() as worker:
        worker.run()
        place.write(db=secret("db", password="second"))
        report = worker.run()
    assert [each.is_drifted for each in report.objects] == [False]
    assert (place.value(), place.value(key="user")) == ("second", None)


def test_da_38_a_failed_pass_changes_nothing(place: Place) -> None:
    place.write(a=secret("a", password="old"), b=secret("b", password="old"))
    with place.worker() as worker:
        worker.run()
        versions = place.version("a"), place.version("b")
        before = len(place.requests())
        broken = yaml.safe_load(secret("b", password="new"))
        broken["stringData"]["password"] = broken["stringData"]["password"].replace("data:", "data:AA")
        place.write(a=secret("a", password="new"), b=json.dumps(broken))
        report = worker.run()
    assert report.cause == "decrypt"
    assert place.requests()[before:] == []
    assert (place.version("a"), place.version("b")) == versions


def test_da_38_what_the_server_refuses_holds_the_others(place: Place) -> None:
    place.grant(Rule(["get", "patch", "create"], ["secrets"], names=["a"]), Rule(["get"], ["secrets"], names=["b"]))
    place.write(a=secret("a", password="new"), b=secret("b", password="new"))
    with place.worker() as worker:
        report = worker.run()
    assert (report.cause, actions(report)) == ("apply", {"a": "held", "b": "failed"})
    assert place.live("a") is None
    assert place.writes() == []


def test_da_39_only_secrets_are_applied_unless_more_kinds_are_named(place: Place) -> None:
    place.grant(Rule(["get", "patch", "create"], ["secrets", "configmaps"]))
    settings = yaml.safe_dump({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"colour": "green"}})
    place.write(db=secret("db", password=CANARY), settings=settings)
    with place.worker() as worker:
        assert actions(worker.run()) == {"db": "created"}
    assert place.live("settings", "ConfigMap") is None
    with place.worker(kinds=("Secret", "ConfigMap")) as worker:
        assert actions(worker.run()) == {"db": "unchanged", "settings": "created"}


def test_da_39_an_object_without_a_namespace_is_refused_unless_one_is_given(place: Place) -> None:
    place.write(db=secret("db", password=CANARY))
    with place.worker(namespace=None) as worker:
        report = worker.run()
    assert report.cause == "apply"
    assert "names no namespace" in str(report.errors[0])
    assert report.errors[0].code == Outcome.CONFIGURATION
    assert place.writes() == []


def test_da_39_what_flux_is_told_to_leave_alone_is_opened_and_applied(place: Place) -> None:
    annotations = {"kustomize.toolkit.fluxcd.io/ssa": "Ignore", "kustomize.toolkit.fluxcd.io/decrypt": "disabled"}
    place.write(db=secret("db", annotations=annotations, password=CANARY))
    with place.worker() as worker:
        report = worker.run()
    assert (report.cause, actions(report), report.warnings) == ("", {"db": "created"}, ())
    assert place.value() == CANARY


def test_da_40_the_guard_lets_neither_ciphertext_nor_placeholders_through(place: Place) -> None:
    plain = yaml.safe_dump(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}, "stringData": {"token": "REPLACE_ME", "b": "ENC[AES256_GCM,"}}
    )
    place.write(db=secret("db", password=CANARY), x=plain)
    with place.worker() as worker:
        report = worker.run()
    assert report.cause == "guard"
    assert all(isinstance(error, GuardError) and error.code == Outcome.REFUSED for error in report.errors)
    assert {finding.code for finding in report.findings} == {"HK150", "HK152"}
    assert place.requests() == []


def test_da_41_an_object_of_somebody_else_is_reported_and_left_alone(place: Place) -> None:
    place.put(password="theirs")
    place.write(db=secret("db", password=CANARY), other=secret("other", password=CANARY))
    version = place.version()
    with place.worker() as worker:
        report = worker.run()
        assert (report.cause, actions(report)) == ("conflict", {"db": "conflict", "other": "held"})
        assert place.version() == version
        assert place.writes() == []


def test_da_41_an_object_of_another_source_is_not_taken(place: Place) -> None:
    place.write(db=secret("db", password=CANARY))
    with place.worker(id_="first") as worker:
        worker.run()
    with place.worker(id_="second") as worker:
        report = worker.run()
    assert report.cause == "conflict"
    assert "belongs to source first" in str(report.errors[0])


def test_da_41_adopting_takes_an_object_over(place: Place) -> None:
    place.put(manager="secrettool", password="theirs")
    place.write(db=secret("db", password=CANARY))
    with place.worker(adopt=True) as worker:
        assert actions(worker.run()) == {"db": "configured"}
    assert place.value() == CANARY
    with place.worker() as worker:
        assert actions(worker.run()) == {"db": "unchanged"}


def test_da_41_a_field_of_another_manager_is_a_conflict_with_its_name_and_never_forced(place: Place) -> None:
    place.put(manager="helm", owner="main", password="theirs")
    place.write(db=secret("db", password=CANARY), other=secret("other", password=CANARY))
    with place.worker() as worker:
        report = worker.run()
    assert (report.cause, actions(report)) == ("conflict", {"db": "conflict", "other": "held"})
    assert "helm owns .stringData.password" in report.findings[0].text
    assert place.value() == "theirs"
    with place.worker(force=True) as worker:
        assert actions(worker.run()) == {"db": "configured", "other": "created"}
    assert place.value() == CANARY


def test_da_42_pruning_is_off_by_default(place: Place) -> None:
    place.grant(*PRUNING)
    place.write(a=secret("a", password=CANARY), b=secret("b", password=CANARY))
    with place.worker() as worker:
        worker.run()
        (place.tree / "b.yaml").unlink()
        assert actions(worker.run()) == {"a": "unchanged"}
    assert place.live("b") is not None
    assert place.live("secrettool-inventory-main", "ConfigMap") is None


def test_da_42_pruning_deletes_what_is_ours_and_in_the_inventory(place: Place) -> None:
    place.grant(*PRUNING)
    place.write(a=secret("a", password=CANARY), b=secret("b", password=CANARY), c=secret("c", password=CANARY))
    place.put("never-ours", manager="helm", owner="main", password="x")
    with place.worker(prune=True) as worker:
        worker.run()
        inventory = place.there("secrettool-inventory-main", "ConfigMap")
        assert inventory["data"] == {"objects": "".join(f"v1/Secret/{place.namespace}/{name}\n" for name in "abc")}
        place.api.admin.patch("Secret", "c", place.namespace, {"metadata": {"labels": {OWNER: "somebody"}}})
        for name in "bc":
            (place.tree / f"{name}.yaml").unlink()
    with place.worker(prune=True) as worker:
        assert actions(worker.run()) == {"a": "unchanged", "b": "pruned"}
        before = len(place.writes())
        assert actions(worker.run()) == {"a": "unchanged"}
        assert len(place.writes()) == before
    assert place.live("b") is None
    assert place.live("c") is not None
    assert place.live("never-ours") is not None
    assert place.there("secrettool-inventory-main", "ConfigMap")["data"] == {"objects": f"v1/Secret/{place.namespace}/a\n"}


def test_da_42_an_empty_build_prunes_nothing(place: Place) -> None:
    place.grant(*PRUNING)
    place.write(a=secret("a", password=CANARY))
    with place.worker(prune=True) as worker:
        worker.run()
        (place.tree / "a.yaml").unlink()
        report = worker.run()
        assert (report.cause, actions(report)) == ("", {})
    assert place.live("a") is not None
    assert "/a\n" in place.there("secrettool-inventory-main", "ConfigMap")["data"]["objects"]


def test_da_53_the_least_rights_by_name_are_enough(place: Place) -> None:
    place.grant(Rule(["get", "patch", "create"], ["secrets"], names=["db"]))
    place.write(db=secret("db", password=CANARY))
    with place.worker() as worker:
        assert actions(worker.run()) == {"db": "created"}
        place.write(db=secret("db", password="other"))
        assert actions(worker.run()) == {"db": "configured"}
    assert {each.verb for each in place.requests()} == {"get", "patch"}


def test_revoked_right_fails_the_pass_and_keeps_what_is_there(place: Place) -> None:
    place.write(db=secret("db", password=CANARY))
    with place.worker() as worker:
        worker.run()
        place.api.admin.delete("Role", place.account.name, place.namespace, version="rbac.authorization.k8s.io/v1")
        report = _until_failed(worker)
        place.write(db=secret("db", password="other"))
        report = worker.run()
        assert report.cause == "apply"
        error = report.errors[0]
        assert isinstance(error, ClusterError)
        assert (error.status, error.code) == (403, Outcome.CLUSTER)
        assert "other" not in str(error)
    assert place.value() == CANARY


def test_da_51_nothing_is_written_without_the_lease(place: Place) -> None:
    place.write(a=secret("a", password=CANARY), b=secret("b", password=CANARY))
    left = [True, False]
    with place.worker(may_write=lambda: left.pop(0)) as worker:
        report = worker.run()
    assert report.cause == "apply"
    assert isinstance(report.errors[0], LeaseLost)
    assert len(place.writes()) == 1


def _until_failed(worker: Worker) -> Report:
    """Passes until one fails: the server forgets a right a moment after it was taken away."""
    for _ in range(100):
        report = worker.run()
        if report.cause:
            return report
    raise AssertionError("the right is still there")
