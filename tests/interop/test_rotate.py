"""Rotation with the real Vault and the real API server; a thread of the test plays the controller of Deployments, which does not run there."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.running import ROOT, Result, program
from tests.interop.peers import faults
from tests.interop.peers.apiclient import Json
from tests.interop.peers.apiserver import ApiServer, Rule
from tests.interop.peers.faults import Answer, Asked
from tests.interop.peers.vault import Vault
from tests.waiting import wait_for

pytestmark = pytest.mark.real

OLD = "c0ffee00" * 8
WRITER = "rotate-orchard"
ROTATE = ("patch", "rotate", "--map", "patch.yaml", "--target", "web", "--output", "json")


class Scene:
    """A generated value in Vault, the Secret that has it, a workload that uses it, and the map.

    Attributes:
        path: Of the secret in Vault.
        namespace: Of the objects.
    """

    def __init__(self, vault: Vault, api: ApiServer, folder: Path) -> None:
        self._vault = vault
        self._api = api
        self._folder = folder
        self.path = f"orchard/{os.urandom(4).hex()}"
        self.namespace = api.namespace()
        vault.write_v2(self.path, {"cookie": OLD, "other": "kept"})
        vault.api("PUT", f"sys/policies/acl/{WRITER}", {"policy": 'path "secret/data/orchard/*" { capabilities = ["create", "read", "update"] }'})
        self._environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "VAULT_ADDR": vault.url, "VAULT_TOKEN": vault.token(WRITER)}
        self.act_as(api.admin_token)
        api.admin.create(self._object("Secret", data={"cookie": b64(OLD), "more": b64("by hand")}))
        pod = {"containers": [{"name": "web", "image": "web", "envFrom": [{"secretRef": {"name": "web"}}]}]}
        template = {"metadata": {"labels": {"app": "web"}}, "spec": pod}
        api.admin.create(self._object("Deployment", "apps/v1", spec={"selector": {"matchLabels": {"app": "web"}}, "template": template}))
        self.write_map()

    def _object(self, kind: str, version: str = "v1", **more: Any) -> Json:
        return {"apiVersion": version, "kind": kind, "metadata": {"name": "web", "namespace": self.namespace}, **more}

    def act_as(self, token: str) -> None:
        """Let the runs have the rights of a token."""
        self._environ["KUBECONFIG"] = str(self._api.kubeconfig(self._folder / f"{os.urandom(4).hex()}.kubeconfig", token))

    def write_map(self, address: str | None = None, **more: Any) -> None:
        """Write the map; `more` are fields of its target."""
        auth = {"method": "token", "tokenEnv": "VAULT_TOKEN"}
        cookie = {"generate": {"type": "hex", "bytes": 32}, "store": {"provider": "kv", "path": self.path, "key": "cookie"}}
        ref = {"kind": "Secret", "namespace": self.namespace, "name": "web"}
        content = {
            "apiVersion": "secrettool.dev/v1alpha1",
            "kind": "PatchMap",
            "providers": {"kv": {"type": "vault", "address": address or self._vault.url, "mount": "secret", "auth": auth}},
            "values": {"cookie": cookie},
            "targets": [{"id": "web", "ref": ref, "keys": {"cookie": "cookie"}, **more}],
        }
        (self._folder / "patch.yaml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")

    def run(self, *words: str, **environ: str) -> Result:
        """Run secrettool; neither it nor what it leaves may show a value."""
        done = program(words or ROTATE, self._folder, {**self._environ, **environ})
        shown = done.out.decode() + done.err
        hidden = "".join(line for line in shown.splitlines(keepends=True) if not line.startswith("::add-mask::"))
        for value in {OLD, *filter(None, self.values())}:
            assert value not in hidden
            assert b64(value) not in hidden
        return done

    @contextmanager
    def started(self, *words: str) -> Iterator[subprocess.Popen[str]]:
        """Secrettool while it runs."""
        environ = {**self._environ, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "secrettool", *words]
        with subprocess.Popen(command, cwd=self._folder, env=environ, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            try:
                yield process
            finally:
                process.kill()

    def values(self) -> list[str]:
        """The value in every version of the secret in Vault."""
        newest = self._vault.api("GET", f"secret/data/{self.path}")["data"]["metadata"]["version"]
        versions = (self._vault.api("GET", f"secret/data/{self.path}?version={number}")["data"]["data"] for number in range(1, newest + 1))
        return [held.get("cookie", "") for held in versions]

    def kept(self) -> dict[str, str]:
        """What Vault has now."""
        held: dict[str, str] = self._vault.api("GET", f"secret/data/{self.path}")["data"]["data"]
        return held

    def data(self) -> dict[str, str]:
        """What the Secret has."""
        live = self._api.admin.get("Secret", "web", self.namespace)
        return {key: base64.b64decode(text).decode() for key, text in live["data"].items()}

    def stored_again(self) -> None:
        """Somebody writes another value to Vault."""
        self._vault.write_v2(self.path, {"cookie": "their value", "other": "kept"})

    def deployment(self) -> Json:
        return self._api.admin.get("Deployment", "web", self.namespace, version="apps/v1")

    @contextmanager
    def controller(self) -> Iterator[None]:
        """Every template is rolled out at once."""
        client = self._api.client(self._api.admin_token)
        stop = threading.Event()

        def work() -> None:
            while not stop.wait(0.1):
                generation = client.get("Deployment", "web", self.namespace, version="apps/v1")["metadata"]["generation"]
                status = {"observedGeneration": generation, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1}
                client.patch("Deployment", "web", self.namespace, {"status": status}, version="apps/v1", manager="controller", part="status")

        thread = threading.Thread(target=work, name="controller")
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def row(done: Result) -> Json:
    (told,) = json.loads(done.out)["targets"]
    found: Json = told
    return found


def codes(done: Result) -> list[str]:
    return [finding["code"] for finding in row(done)["findings"]]


@pytest.fixture
def scene(vault: Vault, api_server: ApiServer, tmp_path: Path) -> Scene:
    """A scene in a namespace of its own."""
    return Scene(vault, api_server, tmp_path)


def test_pt_37_rotation_with_the_real_programs(scene: Scene) -> None:
    scene.write_map(
        restart=[{"kind": "Deployment", "name": "web"}], verify={"command": ["sh", "-c", 'test -n "$KUBECONFIG" && test -z "$VAULT_TOKEN"']}
    )

    with scene.controller():
        done = scene.run(*ROTATE, "--keep-old", "cookie-old")

    assert (done.code, codes(done), row(done)["restarted"]) == (0, ["RT01"], ["Deployment/web"]), done
    new = scene.data()["cookie"]
    assert (len(new), new != OLD) == (64, True)
    assert scene.values() == [OLD, new]
    assert scene.kept() == {"cookie": new, "other": "kept"}
    assert scene.data() == {"cookie": new, "cookie-old": OLD, "more": "by hand"}


def test_pt_36_restart_is_a_time_of_our_own_manager(scene: Scene) -> None:
    scene.write_map(restart="auto")

    with scene.controller():
        assert scene.run().code == 0

    live = scene.deployment()
    assert list(live["spec"]["template"]["metadata"]["annotations"]) == ["secrettool.dev/restartedAt"]
    assert "secrettool-restart" in {entry["manager"] for entry in live["metadata"]["managedFields"]}
    assert live["status"]["observedGeneration"] == live["metadata"]["generation"] == 2


def test_pt_37_dry_run_stores_nothing_anywhere(scene: Scene) -> None:
    done = scene.run(*ROTATE, "--dry-run")

    assert (done.code, row(done)["result"]) == (0, "changed"), done
    assert (scene.values(), scene.data()["cookie"]) == ([OLD], OLD)


def test_pt_37_forbidden_patch_is_taken_back_in_vault(scene: Scene, api_server: ApiServer) -> None:
    reader = api_server.account(scene.namespace, [Rule(["get"], ["secrets"])])
    scene.act_as(reader.token)

    done = scene.run()

    assert (done.code, codes(done)) == (3, ["CL01"]), done
    assert [value == OLD for value in scene.values()] == [True, False, True]
    assert scene.kept() == {"cookie": OLD, "other": "kept"}
    assert scene.data() == {"cookie": OLD, "more": "by hand"}


def test_pt_37_value_that_was_not_in_vault_before_is_taken_away(scene: Scene, api_server: ApiServer, vault: Vault) -> None:
    vault.write_v2(scene.path, {"other": "kept"})
    scene.act_as(api_server.account(scene.namespace, [Rule(["get"], ["secrets"])]).token)

    assert scene.run().code == 3
    assert scene.kept() == {"other": "kept"}


def test_pt_37_rotation_that_is_ended_by_a_signal_leaves_the_old_value(scene: Scene) -> None:
    scene.write_map(restart=[{"kind": "Deployment", "name": "web"}])

    with scene.started(*ROTATE) as process:
        wait_for(lambda: scene.deployment()["metadata"]["generation"] == 2, seconds=60)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)

    assert process.returncode == 128 + signal.SIGTERM, err
    assert [finding["code"] for finding in json.loads(out)["targets"][0]["findings"]] == ["RT04"]
    assert [value == OLD for value in scene.values()] == [True, False, True]
    assert scene.data() == {"cookie": OLD, "more": "by hand"}
    assert scene.deployment()["metadata"]["generation"] == 3


def test_pt_37_second_writer_in_vault_wins(scene: Scene, vault: Vault) -> None:
    with faults.running(vault.url) as proxy:
        on_write(proxy, scene.stored_again)
        scene.write_map(proxy.url)
        done = scene.run()

    assert (done.code, codes(done)) == (3, ["VL04"])
    assert "changed by somebody else" in done.out.decode()
    assert scene.values() == [OLD, "their value"]
    assert scene.data()["cookie"] == OLD


def test_pt_37_answer_of_vault_that_gets_lost_is_no_failure(scene: Scene, vault: Vault) -> None:
    with faults.running(vault.url) as proxy:
        answer = proxy.answer

        def cut(asked: Asked) -> Answer:
            told = answer(asked)
            return told._replace(cut=True) if asked.method in ("POST", "PUT") else told

        proxy.answer = cut  # type: ignore[method-assign]
        scene.write_map(proxy.url)
        done = scene.run()

    assert (done.code, codes(done)) == (0, ["RT01"]), done
    assert scene.values() == [OLD, scene.data()["cookie"]]


@pytest.mark.parametrize("command", [["sh", "-c", "echo canary; echo canary >&2; exit 1"], ["no-such-program"]])
def test_pt_37_verify_that_fails_takes_everything_back(scene: Scene, command: list[str]) -> None:
    scene.write_map(restart=[{"kind": "Deployment", "name": "web"}], verify={"command": command})

    with scene.controller():
        done = scene.run()

    assert (done.code, row(done)["result"], codes(done)) == (3, "failed", ["RT03", "RT04"])
    assert "canary" not in done.out.decode() + done.err
    assert [value == OLD for value in scene.values()] == [True, False, True]
    assert scene.data() == {"cookie": OLD, "more": "by hand"}
    assert scene.deployment()["metadata"]["generation"] == 3


def test_pt_37_pods_that_do_not_come_back_take_everything_back(scene: Scene) -> None:
    scene.write_map(restart="auto")

    done = scene.run(*ROTATE, "--wait", "1s")

    assert (done.code, codes(done)) == (3, ["RS02", "RT04", "RS02"])
    assert (scene.kept()["cookie"], scene.data()["cookie"]) == (OLD, OLD)


def test_pt_37_values_are_masked_before_anything_else_is_said(scene: Scene) -> None:
    done = scene.run(*ROTATE[:-1], "github", GITHUB_ACTIONS="true")

    lines = done.out.decode().splitlines()
    masked = [line.removeprefix("::add-mask::") for line in lines if line.startswith("::add-mask::")]
    assert done.code == 0
    assert {OLD, b64(OLD), scene.data()["cookie"], b64(scene.data()["cookie"])} <= set(masked)
    assert not any(line.startswith("::add-mask::") for line in lines[len(masked) :])


def test_pt_37_two_rotations_at_once_end_with_one_value_or_say_so(scene: Scene) -> None:
    with ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(lambda _: scene.run(), range(2)))

    assert {done.code for done in runs} <= {0, 3}
    assert any(done.code == 0 for done in runs)
    told = [code for done in runs for code in codes(done)]
    assert scene.data()["cookie"] == scene.kept()["cookie"] or "RT07" in told or "RT05" in told


DRIFT = ("patch", "drift", "--map", "patch.yaml", "--target", "web", "--output", "json")
RUN = ("patch", "run", "--map", "patch.yaml", "--target", "web", "--record-sources", "--output", "json")


def test_pt_28_dr05_source_is_newer_than_what_is_recorded(scene: Scene) -> None:
    assert scene.run(*ROTATE, "--record-sources").code == 0
    assert scene.run(*DRIFT).code == 0

    scene.stored_again()
    done = scene.run(*DRIFT)
    assert (done.code, codes(done)) == (6, ["DR03", "DR05"]), done

    assert scene.run(*RUN).code == 0
    assert scene.data()["cookie"] == "their value"
    assert scene.run(*DRIFT).code == 0


def test_pt_28_dr06_restart_is_due_until_it_was_done(scene: Scene) -> None:
    scene.stored_again()
    time.sleep(1.1)  # the API server notes whole seconds
    assert scene.run(*RUN).code == 0
    scene.write_map(restart=[{"kind": "Deployment", "name": "web"}])

    done = scene.run(*DRIFT)
    assert (done.code, codes(done)) == (6, ["DR06"]), done

    with scene.controller():
        assert scene.run(*ROTATE).code == 0
    assert scene.run(*DRIFT).code == 0


def on_write(proxy: faults.FaultyServer, first: Callable[[], None]) -> None:
    """Do something before the first write is passed on."""
    answer, waiting = proxy.answer, [first]

    def meddled(asked: Asked) -> Answer:
        if waiting and asked.method in ("POST", "PUT"):
            waiting.pop()()
        return answer(asked)

    proxy.answer = meddled  # type: ignore[method-assign]
