"""The whole program in mode `apply` beside a real API server: triggers, Leases, Events, sources of Flux, faults, and its end."""

from __future__ import annotations

import base64
import os
import signal
import threading
from pathlib import Path

import pytest

from secrettool.errors import Outcome
from tests.interop import fixtures
from tests.interop.gitops import KEY_FILE, write_tree
from tests.interop.peers import apiserver
from tests.interop.peers.apiclient import Json
from tests.interop.peers.apiserver import ApiServer, Rule
from tests.interop.peers.process import RUNNING, workspace
from tests.interop.sidecars import CANARY, LEAST, Place, secret
from tests.waiting import PATIENCE, wait_for

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("sidecar")]

LEASES = (
    LEAST,
    Rule(["get", "update"], ["leases"], ("coordination.k8s.io",)),
    Rule(["create"], ["leases"], ("coordination.k8s.io",)),
)
EVENTS = (LEAST, Rule(["create", "patch"], ["events"], ("events.k8s.io",)))
SLOW = "1h"


@pytest.fixture
def place(api_server: ApiServer, tmp_path: Path, namespace: str) -> Place:
    return Place(api_server, tmp_path, namespace)


# ---- triggers and the end ------------------------------------------------------------------------------------------------------------------------


def test_changed_folder_starts_a_pass_before_the_interval_is_over(place: Place) -> None:
    place.write(db=secret("db", password="first"))
    with place.running(place.config(interval=SLOW)) as program:
        program.wait_for_pass(result="done")
        place.write(db=secret("db", password=CANARY))
        wait_for(lambda: place.value() == CANARY)
        assert program.end() == Outcome.DONE
    assert CANARY not in program.log.read_text(encoding="utf-8")


def test_link_that_is_replaced_starts_a_pass_with_its_revision(place: Place) -> None:
    worktrees = place.folder / "worktrees"
    for name in ("one", "two"):
        write_tree(worktrees / name, {"db.yaml": secret("db", password=name)})
    link = place.folder / "link"
    link.symlink_to(worktrees / "one")
    source: Json = {"id": "main", "dir": {"path": str(link)}, "keys": {"files": [str(KEY_FILE)]}, "apply": {"namespace": place.namespace}}
    with place.running(place.config(source, interval=SLOW)) as program:
        program.wait_for_pass(revision="one")
        (place.folder / "new").symlink_to(worktrees / "two")
        os.replace(place.folder / "new", link)
        program.wait_for_pass(revision="two")
    assert place.value() == "two"


def test_hangup_without_change_is_a_look_and_after_drift_a_pass(place: Place) -> None:
    place.write(db=secret("db", password=CANARY))
    with place.running(place.config(interval=SLOW)) as program:
        program.wait_for_pass(result="done")
        before = len(place.requests())
        program.process.send_signal(signal.SIGHUP)
        wait_for(lambda: len(place.requests()) > before)
        assert len(program.passes()) == 1
        place.api.admin.delete("Secret", "db", place.namespace)
        program.process.send_signal(signal.SIGHUP)
        wait_for(lambda: place.value() == CANARY)
        assert len(program.passes()) == 2


def test_drift_is_corrected_after_the_interval_and_nothing_else_is_written(place: Place) -> None:
    place.write(db=secret("db", password=CANARY))
    with place.running(place.config()) as program:
        program.wait_for_passes(4)
        assert len(place.writes()) == 1
        place.api.admin.delete("Secret", "db", place.namespace)
        wait_for(lambda: place.value() == CANARY)
    assert len(place.writes()) == 2


def test_once_ends_with_the_code_of_the_first_failure(place: Place) -> None:
    place.write(db=secret("db", password=CANARY))
    with place.running(place.config(), "--once") as program:
        assert program.process.wait(PATIENCE) == Outcome.DONE
    place.put("taken", password="theirs")
    place.write(taken=secret("taken", password=CANARY))
    with place.running(place.config(), "--once") as program:
        assert program.process.wait(PATIENCE) == Outcome.CLUSTER
        (line,) = program.passes()
        assert line["cause"] == "conflict"


def test_sources_of_one_process_fail_by_themselves(place: Place) -> None:
    place.write(db=secret("db", password=CANARY))
    common: Json = {"keys": {"files": [str(KEY_FILE)]}, "apply": {"namespace": place.namespace}}
    good: Json = {"id": "good", "labels": {"shard": "a"}, "dir": {"path": str(place.tree)}, **common}
    bad: Json = {"id": "bad", "labels": {"shard": "b"}, "dir": {"path": str(place.folder / "nowhere")}, **common}
    with place.running(place.config(bad, good)) as program:
        program.wait_for_pass(source="good", result="done")
        program.wait_for_pass(source="bad", cause="source")
        assert program.end() == Outcome.DONE
    with place.running(place.config(bad, good), "--selector", "shard=a") as program:
        program.wait_for_passes(3)
        assert {line["source"] for line in program.passes()} == {"good"}


# ---- what goes wrong and well again --------------------------------------------------------------------------------------------------------------


def test_source_that_vanishes_leaves_everything_and_comes_back(place: Place) -> None:
    place.write(db=secret("db", password="first"))
    with place.running(place.config()) as program:
        program.wait_for_pass(result="done")
        place.tree.rename(place.folder / "away")
        program.wait_for_pass(cause="source")
        assert place.value() == "first"
        write_tree(place.folder / "away", {"db.yaml": secret("db", password=CANARY)})
        (place.folder / "away").rename(place.tree)
        wait_for(lambda: place.value() == CANARY)


def test_broken_key_leaves_the_former_one_and_another_one_is_taken(place: Place) -> None:
    keys = write_tree(place.folder / "keys", {"main.agekey": KEY_FILE.read_bytes()})
    source: Json = {"id": "main", "dir": {"path": str(place.tree)}, "keys": {"folder": str(keys)}, "apply": {"namespace": place.namespace}}
    place.write(db=secret("db", password="first"))
    with place.running(place.config(source)) as program:
        program.wait_for_pass(result="done")
        (keys / "main.agekey").write_text("AGE-SECRET-KEY-1BROKEN\n", encoding="utf-8")
        wait_for(lambda: any("cannot be used" in line["message"] for line in program.lines()))
        place.write(db=secret("db", password="second"))
        wait_for(lambda: place.value() == "second")
        (keys / "main.agekey").unlink()  # the key is removed
        wait_for(lambda: sum("cannot be used" in line["message"] for line in program.lines()) == 2)
        (keys / "other.agekey").write_bytes(KEY_FILE.read_bytes())
        wait_for(lambda: any(line["message"].startswith("other keys") for line in program.lines()))
        assert "BROKEN" not in program.log.read_text(encoding="utf-8")


def test_start_without_a_usable_key_ends_at_once(place: Place) -> None:
    keys = write_tree(place.folder / "keys", {"main.agekey": b"no key\n"})
    source: Json = {"id": "main", "dir": {"path": str(place.tree)}, "keys": {"folder": str(keys)}, "apply": {"namespace": place.namespace}}
    with place.running(place.config(source)) as program:
        assert program.process.wait(PATIENCE) == Outcome.DECRYPTION
        assert "HK103" in program.lines()[-1]["message"]


def test_revoked_right_is_reported_and_a_new_one_is_used(place: Place) -> None:
    place.write(db=secret("db", password=CANARY))
    role = place.api.admin.get("Role", place.account.name, place.namespace, version="rbac.authorization.k8s.io/v1")
    with place.running(place.config()) as program:
        program.wait_for_pass(result="done")
        place.api.admin.patch("Role", place.account.name, place.namespace, {"rules": []}, version="rbac.authorization.k8s.io/v1")
        program.wait_for_pass(cause="apply")
        assert any("403 Forbidden" in line["message"] for line in program.lines())
        place.api.admin.delete("Secret", "db", place.namespace)
        place.api.admin.patch("Role", place.account.name, place.namespace, {"rules": role["rules"]}, version="rbac.authorization.k8s.io/v1")
        wait_for(lambda: place.value() == CANARY)


def test_api_server_that_is_restarted_is_found_again(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    needed = apiserver.Programs(fixtures.required("etcd"), fixtures.required("kube-apiserver"))
    (tmp_path / "own").mkdir()
    with (
        workspace(tmp_path / "own", lambda: request.session.testsfailed) as folder,
        apiserver.running_api_server(needed, folder, [], fixtures.PLAIN_ENVIRONMENT) as server,
    ):
        place = Place(server, tmp_path, server.namespace())
        place.write(db=secret("db", password=CANARY))
        with place.running(place.config()) as program:
            program.wait_for_pass(result="done")
            (running,) = [each for each in RUNNING if each.name == "kube-apiserver" and each.log.parent == folder]
            running.kill()
            server.admin.close()
            program.wait_for_pass(cause="apply")
            running.restart(fixtures.PLAIN_ENVIRONMENT)
            wait_for(lambda: program.passes()[-1]["result"] == "unchanged")
        assert place.value() == CANARY


# ---- Leases --------------------------------------------------------------------------------------------------------------------------------------


def test_da_51_one_replica_works_and_the_other_takes_over(place: Place) -> None:
    place.grant(*LEASES)
    place.write(db=secret("db", password="first"))
    config = place.config(leaderElection={})

    def lease() -> Json:
        return place.api.admin.get("Lease", "secrettool-main", place.namespace, version="coordination.k8s.io/v1")

    with place.running(config, pod="one") as one:
        one.wait_for_pass(result="done")
        held = lease()
        assert held["spec"]["holderIdentity"].startswith("one_")
        assert held["spec"]["leaseDurationSeconds"] == 15
        with place.running(config, pod="two") as two:
            one.wait_for_passes(4)
            assert two.passes() == []
            one.kill()  # without giving it up
            place.write(db=secret("db", password=CANARY))
            wait_for(lambda: place.value() == CANARY)
            assert lease()["spec"]["holderIdentity"].startswith("two_")
            assert lease()["spec"]["leaseTransitions"] == 1
            with place.running(config, pod="one") as again:
                assert two.end() == Outcome.DONE
                wait_for(lambda: lease()["spec"]["holderIdentity"].startswith("one_"))
                again.wait_for_passes(1)


def test_da_51_a_lease_is_given_up_at_the_end(place: Place) -> None:
    place.grant(*LEASES)
    place.write(db=secret("db", password=CANARY))
    with place.running(place.config(leaderElection={})) as program:
        program.wait_for_passes(1)
        program.end()
    assert place.api.admin.get("Lease", "secrettool-main", place.namespace, version="coordination.k8s.io/v1")["spec"]["holderIdentity"] == ""


def test_da_51_a_lease_that_was_taken_stops_applying_at_once(place: Place) -> None:
    place.grant(*LEASES)
    place.write(db=secret("db", password="first"))
    with place.running(place.config(leaderElection={})) as program:
        program.wait_for_pass(result="done")
        spec = {"holderIdentity": "somebody", "leaseDurationSeconds": 3600}
        place.api.admin.patch("Lease", "secrettool-main", place.namespace, {"spec": spec}, version="coordination.k8s.io/v1")
        wait_for(lambda: any(line["message"] == "the Lease was lost" for line in program.lines()))
        place.write(db=secret("db", password="second"))
        count, before = len(program.passes()), len(place.writes())
        program.process.send_signal(signal.SIGHUP)
        threading.Event().wait(3)
        assert len(program.passes()) == count
        assert [each for each in place.writes()[before:] if "/secrets/" in each.path] == []
        place.api.admin.patch("Lease", "secrettool-main", place.namespace, {"spec": {"holderIdentity": ""}}, version="coordination.k8s.io/v1")
        wait_for(lambda: place.value() == "second")


def test_sources_spread_over_replicas_with_a_lease_each(place: Place) -> None:
    place.grant(*LEASES)
    place.write(db=secret("db", password=CANARY))
    common: Json = {"keys": {"files": [str(KEY_FILE)]}, "apply": {"namespace": place.namespace}}
    sources = []
    for name in ("a", "b"):
        write_tree(place.folder / name, {"s.yaml": secret(name, password=CANARY)})
        sources.append({"id": name, "dir": {"path": str(place.folder / name)}, **common})
    config = place.config(*sources, leaderElection={"maxSources": 1})
    with place.running(config, pod="one") as one:
        one.wait_for_passes(3)
        (worked,) = {line["source"] for line in one.passes()}
        with place.running(config, pod="two") as two:
            two.wait_for_passes(1)
            assert {line["source"] for line in two.passes()} == {"a", "b"} - {worked}


# ---- Events --------------------------------------------------------------------------------------------------------------------------------------


def test_da_52_events_tell_what_happened_and_repeat_in_a_series(place: Place) -> None:
    place.grant(*EVENTS)
    place.write(db=secret("db", password=CANARY))
    with place.running(place.config(events=True), pod="pod-7") as program:
        wait_for(lambda: place.events("Applied"))
        place.api.admin.delete("Secret", "db", place.namespace)
        wait_for(lambda: place.events("DriftCorrected") or len(place.events("Applied")) > 1 or place.events("Applied")[0].get("series"))
        place.write(db=secret("db", password=CANARY).replace("GCM,data:", "GCM,data:AA", 1))
        wait_for(lambda: place.events("DecryptFailed"))
        program.end()
    (failed,) = place.events("DecryptFailed")
    assert failed["type"] == "Warning"
    assert failed["note"].startswith("source main: HK11")
    assert failed["regarding"] == {"apiVersion": "v1", "kind": "Pod", "namespace": place.namespace, "name": "pod-7"}
    assert failed["reportingController"] == "secrettool.dev/sidecar"
    (applied,) = place.events("Applied")
    assert applied["series"]["count"] == 2
    assert CANARY not in str(applied) + str(failed)


def test_no_value_and_no_key_is_told_anywhere(place: Place) -> None:
    place.grant(*EVENTS)
    place.write(db=secret("db", password=CANARY, token="REPLACE_ME"))
    with place.running(place.config(events=True)) as program:
        program.wait_for_pass(cause="guard")
        place.write(db=secret("db", password=CANARY))
        program.wait_for_pass(result="done")
        place.put("db", manager="helm", owner="main", password="their-" + CANARY)
        program.wait_for_pass(cause="conflict")
        wait_for(lambda: place.events("ApplyConflict"))
        process = Path(f"/proc/{program.process.pid}")
        environ = (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
        program.end()
    told = (
        program.log.read_text(encoding="utf-8") + str(place.api.admin.items("Event", place.namespace, version="events.k8s.io/v1")) + environ.decode()
    )
    encoded = base64.b64encode(CANARY.encode()).decode().rstrip("=")[:-1]
    for value in (CANARY, encoded, "AGE-SECRET-KEY"):
        assert value not in told
